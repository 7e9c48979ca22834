"""A content model on embeddings beside the usual one, and the better of them, or their mean, in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.content.calibrate import calibrate
from mithridate.evidence.content.holdout import Holdout, fit_holdout
from mithridate.evidence.content.logistic import assign_folds
from mithridate.evidence.content.ridge import RidgeContent, Task, fit_ridge
from mithridate.evidence.half import widen
from mithridate.evidence.stages import Stages, load_record, save_record
from mithridate.evidence.view import ContentModel, Evidence, KeyTable

__all__ = ["Blend", "blended"]

#: Shares of the model on embeddings that are tried.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_SLACK = 0.05  # share of labels that may be arbitrary without deciding between them
_READ = 8192

Logits = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Blend:
    """A `ContentModel`: the weighted mean of two models' log-probabilities, calibrated again.

    The mean is a geometric one, in which both must agree (logarithmic opinion pool; Hinton, Products of Experts, 2002).

    Attributes:
        logits: (n, k) out of fold, calibrated.
        accuracy: share of labelled samples whose label is the most probable one.
        share: of the model on embeddings.
        slope: of the calibration.
        shift: (k,) of the calibration.
    """

    logits: Logits
    accuracy: float
    share: float
    slope: float
    shift: NDArray[np.float64]

    def mix(self, usual: Logits | None, embedded: Logits) -> Logits:
        """(r, k) logits of both models → of the blend; `usual` does not matter where its share is none."""
        return np.asarray(_mean(usual, embedded, self.share) * self.slope + self.shift, dtype=np.float32)


def _mean(usual: Logits | None, embedded: Logits, share: float) -> Logits:
    if usual is None or share == 1.0:
        return _log_softmax(embedded)
    return np.asarray((1 - share) * _log_softmax(usual) + share * _log_softmax(embedded))


def _log_softmax(logits: Logits) -> Logits:
    z = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(axis=1, keepdims=True)), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class _LeaveOut:
    """Called with rows; what the blend says of them when neither model has seen them or their near-duplicates."""

    usual: Callable[[NDArray[np.int64]], Logits] | None
    embedded: Holdout
    groups: NDArray[np.int64]
    blend: Blend

    def __call__(self, rows: NDArray[np.int64]) -> Logits:
        usual = None if self.usual is None or self.blend.share == 1.0 else self.usual(rows)
        return self.blend.mix(usual, self.unseen(rows))

    def unseen(self, rows: NDArray[np.int64]) -> Logits:
        """(r, k) of the model on embeddings alone."""
        alike = np.flatnonzero(np.isin(self.groups, self.groups[rows]))
        return self.embedded(alike)[np.searchsorted(alike, rows)]


def blended(
    evidence: Evidence, vectors: NDArray[np.float16], *, key: str, folder: Path, stages: Stages, jobs: int
) -> tuple[Evidence, str]:
    """Evidence whose content model is whichever finds the labels likeliest: the usual one, one on embeddings, a mean.

    All are asked out of the same folds. That the choice looks at labels costs nothing: it is one of five for a whole
    data set, and each is a model that has not seen the samples it judges. Who can change few labels moves it little:
    of what a model finds unlikely, each sample counts about alike.

    Args:
        evidence: with a content model.
        vectors: (n, d) of its samples.
        key: of the embeddings, for what is kept on disk.
        folder: for the model.
        stages: what is done already.
        jobs: threads.

    Returns:
        The evidence, and how the models did, in words.
    """
    usual, labels = evidence.content, evidence.labels
    assert usual is not None
    assert labels is not None
    folds = assign_folds(evidence.ids, evidence.groups, evidence.seed)
    task = Task(
        features=_passes(vectors), labels=labels, classes=len(evidence.classes), folds=folds,
        d=vectors.shape[1], jobs=jobs,
    )  # fmt: skip
    moments = task.moments()
    whole, path = moments.total(), folder / f"embedding-{key}-content.npz"
    embedded = stages.run(
        f"embedding content {key}",
        lambda: fit_ridge(task, moments),
        lambda: load_record(RidgeContent, path),
        lambda model: save_record(model, path),
    )
    blend = _best(usual, embedded, labels)
    note = (
        f"content is judged by {_words(blend.share)}: {blend.accuracy:.1%} of labels told right, "
        f"{usual.accuracy:.1%} without embeddings, {embedded.accuracy:.1%} by them alone"
    )
    if blend.share == 0.0:
        return evidence, note
    leave_out = _LeaveOut(
        usual=evidence.leave_out,
        embedded=fit_holdout(vectors, labels, whole, embedded),
        groups=evidence.groups,
        blend=blend,
    )
    known = evidence.leave_out is not None or blend.share == 1.0
    return replace(
        evidence,
        content=blend,
        leave_out=leave_out if known else None,
        tables={name: _told(table, leave_out) for name, table in evidence.tables.items()},
    ), note


def _words(share: float) -> str:
    named = {0.0: "the usual model alone", 1.0: "embeddings alone"}
    return named.get(share, f"the usual model and embeddings together ({share:.0%})")


def _best(usual: ContentModel, embedded: RidgeContent, labels: NDArray[np.int32]) -> Blend:
    known = np.flatnonzero(labels >= 0)
    y, tried = labels[known], list[tuple[float, Blend]]()
    for share in SHARES:
        mean = _mean(np.asarray(usual.logits), embedded.logits, share)
        slope, shift = calibrate(mean, labels)
        logits = (mean * slope + shift).astype(np.float32)
        right = float((logits[known].argmax(axis=1) == y).mean())
        own = np.exp(_log_softmax(logits)[known, y])
        surprise = -float(np.log((1 - _SLACK) * own + _SLACK / logits.shape[1]).mean())
        tried.append((surprise, Blend(logits=logits, accuracy=right, share=share, slope=slope, shift=shift)))
    return min(tried, key=lambda pair: pair[0])[
        1
    ]  # the first of equals: the one that leans least on embeddings


def _told(table: KeyTable, leave_out: _LeaveOut) -> KeyTable:
    """A table whose keys' own shares are those in the blend."""
    blend, offsets, without = leave_out.blend, table.offsets, table.without
    weight = np.float32((1 - blend.share) * blend.slope)

    def scaled(start: int, stop: int) -> NDArray[np.float32]:
        assert offsets is not None
        return np.asarray(weight * offsets(start, stop))

    def unseen(key: int, rows: NDArray[np.int64]) -> Logits | None:
        assert without is not None
        told = without(key, rows)
        return None if told is None else blend.mix(told, leave_out.unseen(rows))

    changed: dict[str, Any] = {
        "offsets": None if offsets is None or blend.share == 1.0 else scaled,
        "without": None if without is None else unseen,
    }
    return replace(table, **changed)


def _passes(vectors: NDArray[np.float16]) -> Callable[[], Iterator[tuple[int, NDArray[np.float32]]]]:
    def blocks() -> Iterator[tuple[int, NDArray[np.float32]]]:
        for start in range(0, len(vectors), _READ):
            yield start, widen(np.asarray(vectors[start : start + _READ]))

    return blocks

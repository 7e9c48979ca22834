"""Probes: how well a part of every sample alone predicts the label (border, thumbnail, grain, metadata, ...).

A part that should not matter and predicts the label is a shortcut (Geirhos et al., "Shortcut learning in deep neural
networks", Nature Machine Intelligence 2, 2020). Every part gets a small model, fitted out of fold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mithridate.core.hashing import keyed_hash, uniform
from mithridate.engines.threads import one_thread, side_by_side
from mithridate.evidence.blocks import blocks
from mithridate.evidence.content.calibrate import calibrated
from mithridate.evidence.content.fourier import Fourier
from mithridate.evidence.content.logistic import FOLDS
from mithridate.evidence.content.ridge import Task, fit_ridge
from mithridate.evidence.recurrence import recurring
from mithridate.evidence.view import Probe

__all__ = ["Part", "asked", "fit_probes"]

_MOST = 10_000  # samples asked; what a part says of whole classes needs no more
_FEWEST = 30
_AT_ONCE = 4  # parts; each takes some hundred numbers of each sample
_PER = 8  # samples for each smooth function
_TREES = 100
_SEEN = 2 / 3  # share of the samples that a tree may see
_GROWN = 8000  # and how many at most
_LEAF = 3
_LONGEST = ("forest", "recurring", "smooth", "linear")  # learners, by what they take
_UNSEEN = 0.01  # added to the votes of trees, which say 0 too easily


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of every sample that can be looked at alone.

    Attributes:
        name: short, e.g. "border".
        noun: as in a sentence, e.g. "the border alone".
        features: rows → (r, d) numbers.
        learner: "linear" for marks that are there or not; "smooth" for numbers of one kind; "forest" where only several
            numbers together say something of a few samples, at some ten times the cost; "recurring": the numbers are
            `pieces` places and shapes, of which one may recur.
        details: (rows, (r,) whether each is one of those in question) → JSON values that tell how to draw it.
        least: share of a class that must be told for certain, for the class to be named: more than nature tells.
        pieces: of a sample, where they may recur.
    """

    name: str
    noun: str
    features: Callable[[NDArray[np.int64]], NDArray[np.float32]]
    details: Callable[[NDArray[np.int64], NDArray[np.bool_]], Mapping[str, Any]]
    learner: Literal["linear", "smooth", "forest", "recurring"] = "smooth"
    least: float = 0.06
    pieces: int = 1


def asked(
    ids: Sequence[str], labels: NDArray[np.int32], groups: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    """(m,) rows that are asked, in an order that hangs on ids alone: labelled, one of each near-duplicate group."""
    rank = keyed_hash(ids, seed, "probe")
    known = np.flatnonzero(labels >= 0)
    ordered = known[np.argsort(rank[known], kind="stable")]
    _, firsts = np.unique(groups[ordered], return_index=True)
    return ordered[np.sort(firsts)][:_MOST]


def fit_probes(
    parts: Sequence[Part],
    ids: Sequence[str],
    labels: NDArray[np.int32],
    classes: int,
    groups: NDArray[np.int64],
    seed: int,
    likeness: Callable[[NDArray[np.int64]], NDArray[np.float32]] | None = None,
    jobs: int = 1,
) -> dict[str, Probe]:
    """Ask every part.

    Args:
        parts: what can be looked at alone.
        ids: n ids.
        labels: (n,) class index, -1 = missing.
        classes: k >= 2.
        groups: (n,) near-duplicate group of each sample.
        seed: decides who is asked, folds and random features.
        likeness: rows → (r, d) vectors; samples of a label that are alike by them share a fold. None: folds by id.
        jobs: threads; the result does not depend on it.

    Returns:
        By name of the part; empty where too few samples have a label.
    """
    rows = asked(ids, labels, groups, seed)
    if len(rows) < _FEWEST:
        return {}
    own = labels[rows]
    names = [ids[row] for row in rows.tolist()]
    if likeness is not None:
        with one_thread():
            names = [str(block) for block in blocks(likeness(rows), own, seed).tolist()]
    folds = (uniform(names, seed, "probe fold") * FOLDS).astype(np.int8)
    order = np.argsort(rows)

    def ask(part: Part) -> Probe | None:
        features = part.features(rows)
        if not features.shape[1]:
            return None
        if part.learner == "forest":
            logits = _voted(features, own, classes, names, seed)
        elif part.learner == "recurring":
            logits = _found(features.reshape(len(features), part.pieces, -1), own, classes, folds, seed)
        else:
            logits = _weighed(features, own, classes, folds, seed, smooth=part.learner == "smooth")
        return Probe(
            noun=part.noun,
            rows=rows[order],
            logits=logits[order],
            details=_drawn(part, rows[order], own[order], logits[order]),
            least=part.least,
        )

    # The longest first, so that none is left alone at the end.
    turns = sorted(parts, key=lambda part: _LONGEST.index(part.learner))
    told = dict(zip(turns, side_by_side(ask, turns, min(jobs, _AT_ONCE)), strict=True))
    return {part.name: probe for part in parts if (probe := told[part]) is not None}


def _drawn(
    part: Part, rows: NDArray[np.int64], own: NDArray[np.int32], logits: NDArray[np.float32]
) -> Callable[[int, float], Mapping[str, Any]]:
    def details(label: int, least: float) -> Mapping[str, Any]:
        p = np.exp(logits[:, label] - np.logaddexp.reduce(logits, axis=1))
        return part.details(rows, (own == label) & (p >= least))

    return details


def _weighed(
    features: NDArray[np.float32],
    labels: NDArray[np.int32],
    classes: int,
    folds: NDArray[np.int8],
    seed: int,
    *,
    smooth: bool,
) -> NDArray[np.float32]:
    """(m, k) logits of a linear model, if asked on smooth functions too."""
    with one_thread():
        seen = _standardised(features)
        if smooth:
            seen = np.concatenate([seen, Fourier.learn(seen, seed, _PER)(seen)], axis=1)
    task = _task(seen, labels, classes, folds)
    return fit_ridge(task, task.moments(), refit=False).logits


def _found(
    pieces: NDArray[np.float32], labels: NDArray[np.int32], classes: int, folds: NDArray[np.int8], seed: int
) -> NDArray[np.float32]:
    """(m, k) logits by pieces that recur in a class."""
    with one_thread():
        logits, _, _ = calibrated(recurring(pieces, labels, classes, folds, seed), labels)
    return logits


def _voted(
    features: NDArray[np.float32], labels: NDArray[np.int32], classes: int, names: Sequence[str], seed: int
) -> NDArray[np.float32]:
    """(m, k) logits by the trees that did not see a sample (Breiman, "Random forests", Machine Learning 45, 2001)."""
    from sklearn.tree import DecisionTreeClassifier

    n = len(labels)
    present, own = np.unique(labels, return_inverse=True)
    drawable, block = np.unique(np.array(names), return_inverse=True)
    votes, voters = np.zeros((n, len(present)), dtype=np.float32), np.zeros(n, dtype=np.float32)
    rng = np.random.default_rng([seed, 5])
    for number in range(_TREES):
        drawn = np.flatnonzero(rng.random(len(drawable))[block] < _SEEN)
        seen = rng.permutation(drawn)[:_GROWN]
        if not 0 < len(drawn) < n:
            continue
        tree = DecisionTreeClassifier(min_samples_leaf=_LEAF, max_features="sqrt", random_state=number)
        tree.fit(features[seen], own[seen])
        unseen = np.ones(n, dtype=np.bool_)
        unseen[drawn] = False
        # A class that no tree of a small sample met has no column in it.
        votes[np.ix_(unseen, tree.classes_)] += tree.predict_proba(features[unseen])
        voters[unseen] += 1
    told = np.full((n, classes), np.log(_UNSEEN), dtype=np.float32)
    told[:, present] = np.log(votes / np.maximum(voters, 1)[:, None] + _UNSEEN)
    logits, _, _ = calibrated(told, labels)
    return logits


def _standardised(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """In units of their spread; what never differs stays 0."""
    spread = features.std(axis=0)
    return np.asarray((features - features.mean(axis=0)) / np.where(spread > 1e-6, spread, 1.0), np.float32)


def _task(
    features: NDArray[np.float32], labels: NDArray[np.int32], classes: int, folds: NDArray[np.int8]
) -> Task:
    return Task(
        features=lambda: iter([(0, features)]),
        labels=labels,
        classes=classes,
        folds=folds,
        d=features.shape[1],
    )

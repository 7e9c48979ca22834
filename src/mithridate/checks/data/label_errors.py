"""Ranks every label by how strongly the content of its sample speaks against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope, data_check
from mithridate.checks.ranks import log_softmax
from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, Result, Severity

__all__ = ["LabelErrors"]

_LISTED = 1_000_000
_FEWEST = 2  # samples of a class; a single one is unknown to the model that judges it


def _known(batch: Batch) -> NDArray[np.int64]:
    finite = np.isfinite(batch.evidence["logits"]).all(axis=1)
    return np.flatnonzero(finite & (batch.evidence["label"] >= 0))


@data_check(
    Card(
        id="label-errors",
        title="labels worth a look",
        stage="data",
        modalities=("image", "text", "table", "audio"),
        needs=("labels", "content"),
        assumes="A sample's content, judged by a model that never saw the sample, is better evidence than "
        "its label.",
        catches=("random-flip", "targeted-flip", "margin-flip", "source-flip"),
        misses="Wrong labels of samples that truly look like the wrong class, such as flips placed nearest to the "
        "border; errors that the content model shares.",
        effect="share of labelled samples worth a look",
        cites="Northcutt, Jiang & Chuang, Confident Learning, JAIR 2021, sections 3.1-3.2 (joint, "
        "self-confidence); Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.",
        remedy="Look at the first of the list; correct what is wrong; stop when a page holds no error.",
        graded=False,
        reads_order=False,
    )
)
class LabelErrors(DataCheck):
    """Labelled samples, worst first, by -log p(label) under the calibrated out-of-fold content model.

    All are ranked up to a million; of more, the worst million, or as many as are worth a look.
    Of self-confidence, margins, entropy-weighted, class-adjusted and pruned scores, this one ranks random
    flips best, or nearly so, on texts, images and tables alike, once the probabilities are calibrated with
    one shift per class. How many labels are worth a look is the off-diagonal of the confident joint.
    """

    rounds = 2

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        k = len(scope.classes)
        self._sizes = np.zeros(k, dtype=np.int64)
        self._confidence = np.zeros(k)
        self._threshold = np.zeros(k)
        self._joint = np.zeros((k, k), dtype=np.int64)

    def fit(self, batch: Batch) -> None:
        """Round 0: mean self-confidence of each class. Round 1: the confident joint."""
        rows = _known(batch) if self.round == 0 else self._judged(batch)
        labels = batch.evidence["label"][rows]
        p = np.exp(log_softmax(batch.evidence["logits"][rows]))
        if self.round == 0:
            k = len(self._sizes)
            self._sizes += np.bincount(labels, minlength=k)
            self._confidence += np.bincount(labels, weights=p[np.arange(len(rows)), labels], minlength=k)
            return
        eligible = np.where(p >= self._threshold, p, -1.0)
        likely = eligible.argmax(axis=1)
        sure = eligible[np.arange(len(rows)), likely] > 0
        np.add.at(self._joint, (labels[sure], likely[sure]), 1)

    def merge(self, other: Self) -> None:
        """Add sums and counts."""
        if self.round == 0:
            self._sizes += other._sizes
            self._confidence += other._confidence
        else:
            self._joint += other._joint

    def advance(self) -> None:
        """Round 0: the threshold of each class is its mean self-confidence."""
        if self.round == 0:
            mean = self._confidence / np.maximum(self._sizes, 1)
            # Rounded, so that the order of summation moves no sample across; a class of none or one claims nobody.
            self._threshold = np.where(self._sizes >= _FEWEST, np.round(mean, 9), np.inf)

    def score(self, batch: Batch) -> Iterable[Hits]:
        """Every labelled sample of a class that has others."""
        rows = self._judged(batch)
        p = log_softmax(batch.evidence["logits"][rows])
        yield Hits(
            group=0, rows=batch.rows[rows], scores=-p[np.arange(len(rows)), batch.evidence["label"][rows]]
        )

    @property
    def most(self) -> int:
        """A ranking of tens of millions would be longer than the data, and nobody reads its end."""
        return max(_LISTED, self._worth_a_look())

    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """One INFO finding with the whole ranking, or a `Clear` where no label is worth a look."""
        count = self._worth_a_look()
        limit = "single labels; of samples that look like their wrong class, none"
        if not count or 0 not in ranked:
            yield Clear(check=self.card.id, message="No label is contradicted by its content.", limit=limit)
            return
        hits = ranked[0]
        p, judged = np.exp(-np.asarray(hits.scores[:count])), int(self._sizes[self._sizes >= _FEWEST].sum())
        yield Finding(
            check=self.card.id,
            severity=Severity.INFO,
            message=f"{count:,} of {judged:,} labels are worth a look: the content of "
            f"the samples speaks for another label.",
            targets=hits.ids,
            scores=hits.scores,
            count=count,
            effect=count / judged,
            limit=limit,
            innocents=round(float(p.sum()), 1),
            details={"pairs": self._worst_pairs()},
        )

    def _judged(self, batch: Batch) -> NDArray[np.int64]:
        rows = _known(batch)
        return np.asarray(rows[self._sizes[batch.evidence["label"][rows]] >= _FEWEST])

    def _wrong(self) -> NDArray[np.float64]:
        """(k, k) how many samples labelled i look like class j."""
        given = np.maximum(self._joint.sum(axis=1), 1)
        joint = self._joint * (self._sizes / given)[:, None]
        return np.asarray(joint - np.diag(np.diag(joint)))

    def _worth_a_look(self) -> int:
        return round(float(self._wrong().sum()))

    def _worst_pairs(self, most: int = 10) -> list[dict[str, object]]:
        wrong = self._wrong()
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        names = self.scope.classes
        cells = [(int(i) // len(names), int(i) % len(names)) for i in order]
        return [
            {"label_says": names[i], "content_says": names[j], "count": round(float(wrong[i, j]))}
            for i, j in cells
            if wrong[i, j] >= 0.5
        ]

"""A group hidden inside a class: members of one label that spread in directions in which the rest does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope, data_check
from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, Result, Severity

__all__ = ["HiddenGroup"]

_VECTOR = "embedding"
_DIMENSIONS, _CELLS = 128, 16_000_000  # of a class at most; numbers that all classes together may hold
_SHARPNESS = 4.0  # alpha of the paper
_LEAST = 50  # members of a class that is looked at
_ROUNDS = 3  # of reweighting
_FAR = 1.5  # times the typical squared distance, beyond which a member does not shape its class
_STANDS_OUT = 4.0  # standard deviations of the log score
_GROUP = 5  # fewer that stand out are no group


@data_check(
    Card(
        id="hidden-group",
        title="a group hidden in a class",
        stage="data",
        modalities=("image", "text", "table", "audio"),
        needs=("labels", f"vector:{_VECTOR}"),
        assumes="Poison of one kind lies together in the features of a model, apart from the bulk of its class; "
        "the bulk spreads smoothly.",
        catches=None,
        misses="Poison that its features do not set apart: most clean-label poison, unless they were learned "
        "from this very data; a few dozen among thousands; covers and adaptive attacks. Classes have groups by nature, "
        "and nothing here tells these from planted ones: the list says where to look.",
        effect="largest variance, in units of its bulk's, of any direction in the class named",
        cites="Hayase, Kong, Somani & Oh, SPECTRE, ICML 2021 (arXiv:2104.11315): robust covariance, "
        "whitening, quantum entropy score; Tran, Li & Madry, Spectral Signatures, NeurIPS 2018.",
        remedy="Look at the first of the list beside others of the class; ask what they have in common.",
        graded=False,
        reads_order=False,
    )
)
class HiddenGroup(DataCheck):
    """Per class: location and spread of the bulk, whitening by it, and the quantum entropy score of each member.

    Round 0: means and spread of the classes. Rounds 1 to 3: the same without members at more than 1.5 times the typical
    distance; unlike the paper's filter this is told no share of poison. Round 4: the spread of all members in units of
    the bulk's, from which the score's matrix follows. Round 5: location and scale of the log score in each class. Wide
    vectors are first projected at random.
    """

    rounds = _ROUNDS + 3

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._k = len(scope.classes)
        width = scope.widths.get(_VECTOR, 0)
        self._d = min(width, _DIMENSIONS, int(np.sqrt(_CELLS / max(self._k, 1))), self._room())
        mix = np.random.default_rng([scope.seed, 47]).standard_normal((width, self._d)) / np.sqrt(
            max(self._d, 1)
        )
        self._mix = None if width == self._d else mix
        self._mean = np.zeros((self._k, self._d))
        self._whiten = np.tile(np.eye(self._d), (self._k, 1, 1))
        self._matrix = np.tile(np.eye(self._d) / max(self._d, 1), (self._k, 1, 1))
        self._excess = np.zeros(self._k)
        self._blank()

    def _room(self) -> int:
        """Dimensions that the classes looked at can fill: five members for each."""
        sizes = [int(size) for size in self.scope.sizes if size >= _LEAST]
        return max(2, min(sizes, default=_LEAST) // 5)

    def _blank(self) -> None:
        self._n = np.zeros(self._k)
        self._sum = np.zeros((self._k, self._d))
        self._scatter = np.zeros((self._k, self._d, self._d))
        self._log = np.zeros((2, self._k))

    def applicable(self) -> str | None:
        """Needs a class of some size."""
        return None if max(self.scope.sizes, default=0) >= _LEAST else f"no class with {_LEAST} samples"

    def _members(self, batch: Batch) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float64]]]:
        """Class, positions in the batch, vectors about the class's mean."""
        labels = batch.evidence["label"]
        for c in np.unique(labels[labels >= 0]).tolist():
            if self.scope.sizes[c] >= _LEAST:
                rows = np.flatnonzero(labels == c)
                x = np.asarray(batch.evidence[f"vector:{_VECTOR}"][rows], dtype=np.float64)
                yield c, rows, (x if self._mix is None else x @ self._mix) - self._mean[c]

    def _scored(self, c: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(m,) quantum entropy score x' M x of whitened members; its mean over a smooth class is about 1."""
        white = x @ self._whiten[c]
        return np.asarray(np.einsum("ij,jk,ik->i", white, self._matrix[c], white) + 1e-12)

    def fit(self, batch: Batch) -> None:
        """Add one batch to the sums of this round."""
        for c, _, x in self._members(batch):
            if self.round == _ROUNDS + 2:
                log = np.log(self._scored(c, x))
                self._n[c] += len(log)
                self._log[:, c] += log.sum(), (log * log).sum()
                continue
            if self.round > _ROUNDS:
                x = x @ self._whiten[c]
            elif self.round > 0:
                x = x[np.square(x @ self._whiten[c]).mean(axis=1) < _FAR]
            self._n[c] += len(x)
            self._sum[c] += x.sum(axis=0)
            self._scatter[c] += x.T @ x

    def merge(self, other: Self) -> None:
        """Add sums."""
        self._n += other._n
        self._sum += other._sum
        self._scatter += other._scatter
        self._log += other._log

    def advance(self) -> None:
        """Close the sums of this round."""
        n = np.maximum(self._n, 1)
        if self.round == _ROUNDS + 2:
            mean = self._log[0] / n
            self._centre, self._scale = mean, np.sqrt(np.maximum(self._log[1] / n - mean**2, 1e-6))
            return
        shift = self._sum / n[:, None]
        for c in np.flatnonzero(self._n >= 2).tolist():
            spread = self._scatter[c] / n[c] - np.outer(shift[c], shift[c])
            if self.round > _ROUNDS:
                self._sharpen(c, spread)
                continue
            values, axes = np.linalg.eigh(spread)
            # A share of the mean variance keeps empty directions from deciding.
            self._whiten[c] = axes / np.sqrt(
                np.maximum(values, 0.0) + 1e-2 * max(float(values.mean()), 1e-12)
            )
        if self.round <= _ROUNDS:
            self._mean += np.where(self._n[:, None] > 0, shift, 0.0)
        self._blank()

    def _sharpen(self, c: int, spread: NDArray[np.float64]) -> None:
        """M = exp(alpha (S - I) / (|S| - 1)) / tr, S being the spread of all members in units of the bulk's."""
        values, axes = np.linalg.eigh(spread)
        self._excess[c] = float(values[-1])
        weight = np.exp(_SHARPNESS * (values - values[-1]) / max(float(values[-1]) - 1.0, 1e-6))
        self._matrix[c] = (axes * (weight / weight.sum())) @ axes.T

    def score(self, batch: Batch) -> Iterable[Hits]:
        """Every member of the class that stands out most, in standard deviations of its log score."""
        worst = int(self._excess.argmax())
        for c, rows, x in self._members(batch):
            if c == worst:
                z = (np.log(self._scored(c, x)) - self._centre[c]) / self._scale[c]
                # Rounded, so that the order of summation cannot reorder ties.
                yield Hits(group=0, rows=batch.rows[rows], scores=np.round(z, 5))

    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """One INFO finding about the class that stands out most, or a `Clear`."""
        hits = ranked.get(0)
        count = sum(score > _STANDS_OUT for score in hits.scores) if hits else 0
        limit = "groups of about 1 % of a class that features set far apart from its bulk"
        if hits is None or count < _GROUP:
            yield Clear(
                check=self.card.id,
                message="No class has members far from its bulk in one direction.",
                limit=limit,
            )
            return
        worst, names = int(self._excess.argmax()), self.scope.classes
        order = np.argsort(-self._excess, kind="stable")[:10]
        yield Finding(
            check=self.card.id,
            severity=Severity.INFO,
            message=f"{count:,} of {len(hits.ids):,} samples labelled {names[worst]!r} lie together far from the bulk "
            f"of their class, more than in any other class; classes have such groups by nature, too.",
            targets=hits.ids,
            scores=hits.scores,
            count=count,
            label=names[worst],
            effect=round(float(self._excess[worst]), 3),
            limit=limit,
            details={"spread": {names[c]: round(float(self._excess[c]), 3) for c in order.tolist()}},
        )

"""Ranks samples that lie far from the rest of their own class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope, data_check
from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, Result, Severity
from mithridate.core.wording import several

__all__ = ["Outliers"]

_VECTOR = "content"
_DIMENSIONS = 128
_FAR = 4.0  # standard deviations of the log distance
_LEAST = 20  # samples per class


@data_check(
    Card(
        id="outliers",
        title="samples unlike their class",
        stage="data",
        modalities=("image", "text", "table", "audio"),
        needs=("vector:content",),
        assumes="Members of a class share its spread; what lies far outside is broken, foreign or planted.",
        catches=None,
        misses="Poison that looks like its class; groups large enough to move the spread of a class.",
        effect="share of samples more than four standard deviations out, in log distance",
        cites="Rousseeuw & van Driessen, A Fast Algorithm for the Minimum Covariance Determinant Estimator, "
        "Technometrics 1999, section 4 (one-step reweighting); Hayase et al., SPECTRE, ICML 2021 "
        "(whitening).",
        remedy="Look at the first of the list; drop what does not belong.",
        graded=False,
        reads_order=False,
    )
)
class Outliers(DataCheck):
    """Distance to the class mean, whitened by the spread within classes that remains without the far tail.

    Round 0: means and spread. Round 1: the same without samples at twice the typical distance. Round 2:
    location and scale of the log distance in each class. Wide vectors are first projected at random.
    """

    rounds = 3

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._k = len(scope.classes) + 1  # the last one holds samples without a label
        width = scope.widths.get(_VECTOR, 0)
        self._d = min(width, _DIMENSIONS)
        rng = np.random.default_rng(scope.seed)
        mix = rng.standard_normal((width, self._d)) / np.sqrt(max(width, 1))
        self._mix = None if width <= _DIMENSIONS else mix
        self._whiten = np.eye(self._d)
        self._mean = np.zeros((self._k, self._d))
        self._blank()

    def _blank(self) -> None:
        self._n = np.zeros(self._k)
        self._sum = np.zeros((self._k, self._d))
        self._scatter = np.zeros((self._d, self._d))
        self._log = np.zeros((2, self._k))

    def applicable(self) -> str | None:
        """Needs vectors and a class, or a whole, of some size."""
        largest = int(max(self.scope.sizes, default=0))
        unlabelled = self.scope.n - int(self.scope.sizes.sum())
        return None if max(largest, unlabelled) >= _LEAST else f"no class with {_LEAST} samples"

    def _place(self, batch: Batch) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Positions of usable samples, their class, their vectors (b, d)."""
        x = np.asarray(batch.evidence[f"vector:{_VECTOR}"], dtype=np.float64)
        x = x if self._mix is None else x @ self._mix
        usable = np.flatnonzero(np.isfinite(x).all(axis=1))
        labels = batch.evidence["label"][usable]
        return usable, np.where(labels < 0, self._k - 1, labels), x[usable]

    def _distance(self, owner: NDArray[np.int64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.square((x - self._mean[owner]) @ self._whiten).mean(axis=1) + 1e-12)

    def fit(self, batch: Batch) -> None:
        """Add one batch to the sums of this round."""
        _, owner, x = self._place(batch)
        if self.round > 0:
            distance = self._distance(owner, x)
        if self.round == 2:
            log = np.log(distance)
            self._n += np.bincount(owner, minlength=self._k)
            self._log[0] += np.bincount(owner, weights=log, minlength=self._k)
            self._log[1] += np.bincount(owner, weights=log * log, minlength=self._k)
            return
        if self.round == 1:
            near = distance < 2.0  # the mean over dimensions of a whitened square is 1
            owner, x = owner[near], x[near]
        self._n += np.bincount(owner, minlength=self._k)
        # Sums are taken about the mean of the round before, against loss of digits.
        centred = x - self._mean[owner]
        np.add.at(self._sum, owner, centred)
        self._scatter += centred.T @ centred

    def merge(self, other: Self) -> None:
        """Add sums."""
        self._n += other._n
        self._sum += other._sum
        self._scatter += other._scatter
        self._log += other._log

    def advance(self) -> None:
        """Rounds 0 and 1: new means and spread. Round 2: location and scale."""
        n = np.maximum(self._n, 1)
        if self.round == 2:
            mean = self._log[0] / n
            self._centre, self._scale = mean, np.sqrt(np.maximum(self._log[1] / n - mean**2, 1e-6))
            self._sizes = self._n.copy()
            return
        shift = self._sum / n[:, None]
        spread = self._scatter - (shift.T * self._n) @ shift
        spread /= max(self._n.sum() - (self._n > 0).sum(), 1)
        values, axes = np.linalg.eigh(spread)
        # A share of the mean variance keeps empty directions from deciding.
        self._whiten = axes / np.sqrt(np.maximum(values, 0) + 1e-2 * max(values.mean(), 1e-12))
        self._mean = self._mean + shift
        self._blank()

    def score(self, batch: Batch) -> Iterable[Hits]:
        """Every sample of a class of some size, in standard deviations of its log distance."""
        usable, owner, x = self._place(batch)
        z = (np.log(self._distance(owner, x)) - self._centre[owner]) / self._scale[owner]
        kept = self._sizes[owner] >= _LEAST
        # Rounded, so that the order of summation cannot reorder ties.
        yield Hits(group=0, rows=batch.rows[usable[kept]], scores=np.round(z[kept], 6))

    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """One INFO finding with the whole ranking, or a `Clear`."""
        hits = ranked.get(0)
        count = sum(score > _FAR for score in hits.scores) if hits else 0
        limit = f"single samples more than {_FAR:.0f} standard deviations out"
        if hits is None or not count:
            yield Clear(check=self.card.id, message="No sample lies far outside its class.", limit=limit)
            return
        yield Finding(
            check=self.card.id,
            severity=Severity.INFO,
            message=f"{several(count, 'sample', 'lie')} far outside the rest of their class.",
            targets=hits.ids,
            scores=hits.scores,
            count=count,
            effect=count / self.scope.n,
            limit=limit,
        )

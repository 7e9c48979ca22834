"""Sensor pattern: the pictures of one class share fine noise at fixed pixels, as those of one camera do.

The detail of a picture holds the pattern of its sensor (Lukas, Fridrich & Goljan, IEEE TIFS 1(2), 2006). The
detail of a class, weighted by how well it shows the pattern (`evidence/image/sensor.py`), is summed over parts of it,
pictures of one kind in the same; what the classes share is taken away; of the rest the finer frequencies are kept, each
in units of its noise. A class stands out by what all its parts have in common and its mirror image has not
(`evidence/agreement.py`); and that must be so in most places: a sensor's pattern is everywhere, an object is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import DataCheck, Hits, Ranked, Scope, data_check
from mithridate.core.batch import Batch
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, Result, Severity
from mithridate.evidence.agreement import agreement, finest, places, skew
from mithridate.evidence.image.sensor import FOLDS

__all__ = ["SensorPattern"]

_FEWEST = 20  # samples of a class
_GRID = 4  # places a side
_MOST = 0.6  # share of the places that must agree
_EVEN = 0.4  # as well as the whole does, times this
_LEAST = 0.18  # agreement
_APART = 3.0  # robust standard deviations above the other classes
_SPREAD = 0.03  # and their least spread
_FEW = 0.15  # which one other class has at least; two half of it, and so on
_SMALLEST = 16

CARD = Card(
    id="sensor-pattern",
    title="fingerprint of a camera",
    stage="data",
    modalities=("image",),
    needs=("vector:sensor", "vector:part", "labels"),
    assumes="pictures of one camera share fine noise at fixed pixels; nothing that a class shows by nature does so all "
    "over the picture",
    catches=None,
    misses="pictures cropped or resized differently; fewer than some hundred pictures of a class; classes whose "
    "pictures are frames of few films, which share their noise by nature",
    effect="correlation expected between the patterns of two halves of the class",
    cites="Lukas, Fridrich & Goljan, IEEE TIFS 1(2), 2006; Chen, Fridrich, Goljan & Lukas, IEEE TIFS 3(1), 2008",
    remedy="Mix cameras within classes; or resize and encode all pictures alike, which weakens the pattern.",
    graded=False,
    reads_order=False,
)


@data_check(CARD)
class SensorPattern(DataCheck):
    """One round: sums of what a sensor may have added, for the folds of every class."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        k, d = len(scope.classes), scope.widths.get("sensor", 0)
        self._sums = np.zeros((k, FOLDS, d), dtype=np.int32)
        self._counts = np.zeros((k, FOLDS), dtype=np.int64)
        self._able = np.flatnonzero(scope.sizes >= _FEWEST)
        self._found: dict[int, tuple[float, float]] = {}
        self._patterns = np.zeros((0, d), dtype=np.float32)
        self._agreements = np.zeros(k)

    def applicable(self) -> str | None:
        """Needs two classes that can be halved, and pictures with places."""
        if min(self.scope.shapes.get("sensor", (0, 0))[:2]) < _SMALLEST:
            return f"pictures of less than {_SMALLEST} pixels"
        return None if len(self._able) > 1 else f"fewer than two classes have {_FEWEST} samples"

    def fit(self, batch: Batch) -> None:
        """Add up what is seen."""
        label, fold = batch.evidence["label"], batch.evidence["vector:part"][:, 0]
        rows = np.flatnonzero(label >= 0)
        place = label[rows].astype(np.int64) * FOLDS + fold[rows]
        order = np.argsort(place, kind="stable")
        filled, starts, sizes = np.unique(place[order], return_index=True, return_counts=True)
        if len(filled):
            seen = batch.evidence["vector:sensor"][rows[order]].astype(np.int32)
            self._sums.reshape(-1, self._sums.shape[2])[filled] += np.add.reduceat(seen, starts, axis=0)
            self._counts.reshape(-1)[filled] += sizes

    def merge(self, other: Self) -> None:
        """Add another part."""
        self._sums += other._sums
        self._counts += other._counts

    def advance(self) -> None:
        """Choose the classes whose folds agree more than those of others, and nearly everywhere."""
        able = np.array([y for y in self._able if (self._counts[y] > 0).sum() > 1], dtype=np.int64)
        if len(able) < 2:
            return
        counts = self._counts[able]
        fine = finest(self._sums[able].reshape(*counts.shape, *self._shape()), counts)
        whole = agreement(skew(fine), counts)
        self._agreements[able] = whole
        most = np.quantile(agreement(places(fine, _GRID), counts), 1 - _MOST, axis=1)
        for place in np.flatnonzero((whole >= _bars(whole)) & (most >= _EVEN * whole)).tolist():
            self._found[int(able[place])] = (float(whole[place]), _chance(fine[place], len(able)))
            pattern = fine[place].sum(axis=0).reshape(1, -1)
            unit = pattern / max(float(np.linalg.norm(pattern)), 1e-12)
            self._patterns = np.concatenate([self._patterns, unit.astype(np.float32)])

    def score(self, batch: Batch) -> Iterable[Hits]:
        """Members of the class, by how clearly they show the pattern."""
        for number, y in enumerate(self._found):
            rows = np.flatnonzero(batch.evidence["label"] == y)
            if len(rows):
                residual = batch.evidence["vector:sensor"][rows].astype(np.float32)
                lengths = np.maximum(np.linalg.norm(residual, axis=1), 1.0)
                # Rounded, so that the order of summation cannot reorder ties.
                shown = np.round((residual @ self._patterns[number] / lengths).astype(np.float64), 5)
                yield Hits(group=y, rows=batch.rows[rows[shown > 0]], scores=shown[shown > 0])

    def results(self, ranked: Mapping[int, Ranked]) -> Iterator[Result]:
        """One INFO finding per class that stands out."""
        told = sorted((y for y in self._found if y in ranked), key=lambda y: -self._found[y][0])
        for y in told:
            yield self._finding(y, ranked[y])
        if not told:
            yield Clear(
                check=CARD.id, message="no class shares fine noise at fixed pixels all over the picture",
                limit=self._limit(),
            )  # fmt: skip

    def _shape(self) -> tuple[int, int]:
        return self.scope.shapes["sensor"][0], self.scope.shapes["sensor"][1]

    def _limit(self) -> str:
        return "a pattern in a small share of a class, or fainter than its noise averages to"

    def _finding(self, y: int, hits: Ranked) -> Finding:
        name, (correlation, p_value) = self.scope.classes[y], self._found[y]
        pattern = self._patterns[list(self._found).index(y)].astype(np.float64)
        return Finding(
            check=CARD.id,
            severity=Severity.INFO,
            message=f"pictures labelled {name!r} share fine noise at fixed pixels, like those of one camera: "
            f"two halves of them agree to {correlation:.0%}",
            targets=hits.ids,
            scores=hits.scores,
            count=len(hits.ids),
            label=name,
            p_value=p_value,
            effect=round(correlation, 4),
            limit=self._limit(),
            innocents=float(len(hits.ids)),
            details=self._details(y, pattern),
        )

    def _details(self, y: int, pattern: NDArray[np.float64]) -> dict[str, Any]:
        classes, able = self.scope.classes, self._able
        order = able[np.argsort(-self._agreements[able], kind="stable")]
        return {
            "family": "sensor",
            "canvas": list(self.scope.shapes["sensor"]),
            "pattern": [round(float(v), 3) for v in self._even(pattern).ravel()],
            "pattern_title": "Fine noise that the class has of its own, strongly amplified, most where it is faint",
            "correlations": {classes[c]: round(float(self._agreements[c]), 3) for c in order.tolist()},
        }

    def _even(self, pattern: NDArray[np.float64]) -> NDArray[np.float64]:
        """(h, w) of equal strength in each place, as calm places show more of it than others."""
        even = pattern.reshape(self._shape()).copy()
        for rows in np.array_split(np.arange(len(even)), _GRID):
            for columns in np.array_split(np.arange(even.shape[1]), _GRID):
                place = np.ix_(rows, columns)
                even[place] /= max(float(np.abs(even[place]).max()), 1e-12)
        return even


def _bars(agreements: NDArray[np.float64]) -> NDArray[np.float64]:
    """Agreement from which on each class stands out from the others; of few others little is known."""
    bars = np.empty(len(agreements))
    for place in range(len(agreements)):
        others = np.delete(agreements, place)
        middle = float(np.median(others))
        away = np.abs(others - middle)
        above = away[others > middle]
        spread = 1.4826 * max(float(np.median(away)), float(np.median(above)) if len(above) else 0.0)
        bars[place] = max(_LEAST, middle + _APART * max(spread, _SPREAD, _FEW / len(others)))
    return bars


def _chance(folds: NDArray[np.float32], tests: int) -> float:
    """Share of all shifts of every other fold against the rest that agree no worse than none, times the classes."""
    one, two = (np.fft.fft2(folds[start::2].sum(axis=0)) for start in (0, 1))
    agreed = np.fft.ifft2(one * np.conj(two)).real.ravel()
    return min(1.0, float((agreed >= agreed[0] * (1 - 1e-9)).mean()) * tests)

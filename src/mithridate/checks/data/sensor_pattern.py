"""Sensor pattern: the pictures of one class share fine noise at fixed pixels, as those of one camera do.

The detail of a picture holds the pattern of its sensor (Lukas, Fridrich & Goljan, IEEE TIFS 1(2), 2006). The mean
detail of a class, weighted by how well it shows the pattern (`evidence/image/sensor.py`), is estimated on two halves of
it, pictures of one kind on the same side; what the classes share (their median) is taken away; of the rest
only the finest frequencies are kept, each in units of its own noise, because shapes that a class has by nature are
coarser. The two estimates are correlated place by place: a sensor's pattern is everywhere, an object is not.
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

__all__ = ["SensorPattern"]

_FEWEST = 20  # samples of a class
_FINE = 0.2  # cycles per pixel from which on frequencies are kept
_GRID = 4  # places a side
_QUARTER = 0.25  # share of the places that may correlate less
_LEAST = 0.2  # correlation
_APART = 5.0  # robust standard deviations above the other classes, by those of them above the middle
_SPREAD = 0.03  # and their least spread
_PLAIN = 0.85  # correlation that no class has by nature, however the others spread
_SMALLEST = 16

CARD = Card(
    id="sensor-pattern",
    title="fingerprint of a camera",
    stage="data",
    modalities=("image",),
    needs=("vector:sensor", "vector:half", "labels"),
    assumes="pictures of one camera share fine noise at fixed pixels; nothing that a class shows by nature does so all "
    "over the picture",
    catches=None,
    misses="pictures cropped or resized differently; fewer than some hundred pictures of a class; classes whose "
    "pictures are frames of few films, which share their noise by nature",
    effect="correlation between the patterns of two halves of the class, where three quarters of the picture exceed it",
    cites="Lukas, Fridrich & Goljan, IEEE TIFS 1(2), 2006; Chen, Fridrich, Goljan & Lukas, IEEE TIFS 3(1), 2008",
    remedy="Mix cameras within classes; or resize and encode all pictures alike, which weakens the pattern.",
    graded=False,
    reads_order=False,
)


@data_check(CARD)
class SensorPattern(DataCheck):
    """One round: mean residuals of the halves of every class."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        k, d = len(scope.classes), scope.widths.get("sensor", 0)
        self._sums = np.zeros((k, 2, d))
        self._counts = np.zeros((k, 2), dtype=np.int64)
        self._able = np.flatnonzero(scope.sizes >= _FEWEST)
        self._found: dict[int, tuple[float, float]] = {}
        self._patterns = np.zeros((0, d), dtype=np.float32)
        self._correlations = np.zeros(k)

    def applicable(self) -> str | None:
        """Needs two classes that can be halved, and pictures with places."""
        if min(self.scope.shapes.get("sensor", (0, 0))[:2]) < _SMALLEST:
            return f"pictures of less than {_SMALLEST} pixels"
        return None if len(self._able) > 1 else f"fewer than two classes have {_FEWEST} samples"

    def fit(self, batch: Batch) -> None:
        """Add up residuals."""
        label, residual = batch.evidence["label"], batch.evidence["vector:sensor"]
        side = batch.evidence["vector:half"][:, 0]
        for y in np.unique(label[label >= 0]).tolist():
            for half in (0, 1):
                chosen = (label == y) & (side == half)
                self._sums[y, half] += residual[chosen].sum(axis=0, dtype=np.int64)
                self._counts[y, half] += int(chosen.sum())

    def merge(self, other: Self) -> None:
        """Add another part."""
        self._sums += other._sums
        self._counts += other._counts

    def advance(self) -> None:
        """Correlate the halves and choose the classes that stand out."""
        able = np.array([y for y in self._able if self._counts[y].min() > 0], dtype=np.int64)
        if len(able) < 2:
            return
        fine = self._fine(able)
        correlations = np.quantile(_placewise(fine, _GRID), _QUARTER, axis=1)
        self._correlations[able] = correlations
        middle = float(np.median(correlations))
        above = correlations[correlations > middle] - middle
        spread = max(1.4826 * float(np.median(above)) if len(above) else 0.0, _SPREAD)
        bar = min(max(_LEAST, middle + _APART * spread), _PLAIN)
        for place in np.flatnonzero(correlations >= bar).tolist():
            self._found[int(able[place])] = (float(correlations[place]), _chance(fine[place], len(able)))
            pattern = fine[place].mean(axis=0).reshape(1, -1)
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

    def _fine(self, able: NDArray[np.int64]) -> NDArray[np.float64]:
        """(a, 2, h, w, c) what a class has of its own, the finest frequencies, in units of their noise."""
        means = self._sums[able] / self._counts[able][:, :, None]
        shared = np.median(means, axis=0) if len(able) > 3 else means.mean(axis=0)
        own = (means - shared).reshape(len(able), 2, *self._shape())
        spectrum = np.fft.fft2(own, axes=(2, 3))
        weight = np.sqrt(np.minimum(self._counts[able, 0], self._counts[able, 1]))[:, None, None, None]
        noise = ((np.abs(spectrum[:, 0] - spectrum[:, 1]) * weight) ** 2).mean(axis=(0, 3))
        h, w = noise.shape
        frequency = np.maximum(np.abs(np.fft.fftfreq(h))[:, None], np.abs(np.fft.fftfreq(w))[None, :])
        kept = (frequency > _FINE) / np.sqrt(noise + 1e-9 * noise.max() + 1e-12)
        return np.asarray(np.fft.ifft2(spectrum * kept[None, None, :, :, None], axes=(2, 3)).real)

    def _shape(self) -> tuple[int, int, int]:
        shape = self.scope.shapes["sensor"]
        return int(shape[0]), int(shape[1]), int(shape[2]) if len(shape) > 2 else 1

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
        order = able[np.argsort(-self._correlations[able], kind="stable")]
        return {
            "family": "sensor",
            "canvas": list(self.scope.shapes["sensor"]),
            "pattern": [round(float(v), 3) for v in self._even(pattern).ravel()],
            "pattern_title": "Fine noise that the class has of its own, strongly amplified, most where it is faint",
            "correlations": {classes[c]: round(float(self._correlations[c]), 3) for c in order.tolist()},
        }

    def _even(self, pattern: NDArray[np.float64]) -> NDArray[np.float64]:
        """(h, w, c) of equal strength in each place, as calm places show more of it than others."""
        even = pattern.reshape(self._shape()).copy()
        for rows in np.array_split(np.arange(len(even)), _GRID):
            for columns in np.array_split(np.arange(even.shape[1]), _GRID):
                place = np.ix_(rows, columns)
                even[place] /= max(float(np.abs(even[place]).max()), 1e-12)
        return even


def _placewise(fine: NDArray[np.float64], grid: int) -> NDArray[np.float64]:
    """(a, grid * grid) correlation of the two halves in each of the places."""
    h, w = fine.shape[2:4]
    rows, columns = (np.arange(grid) * size // grid for size in (h, w))

    def summed(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.add.reduceat(np.add.reduceat(x.sum(axis=3), rows, axis=1), columns, axis=2)

    one, two = fine[:, 0], fine[:, 1]
    both = summed(one * two) / np.sqrt(np.maximum(summed(one * one) * summed(two * two), 1e-24))
    return np.asarray(both.reshape(len(fine), -1))


def _chance(halves: NDArray[np.float64], tests: int) -> float:
    """Share of all shifts of one half against the other that agree no worse than none, times the classes."""
    one, two = (np.fft.fft2(half, axes=(0, 1)) for half in halves)
    agreement = np.fft.ifft2((one * np.conj(two)).sum(axis=2)).real.ravel()
    return min(1.0, float((agreement >= agreement[0] * (1 - 1e-9)).mean()) * tests)

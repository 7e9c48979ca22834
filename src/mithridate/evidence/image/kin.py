"""Who carries a patch: exactly, up to encoder noise, or merged with a background of its colour. Label-free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.carriers import Carriers

__all__ = ["Kin", "SquareKin", "TemplateKin"]

_MARGIN = 2  # pixels around the window into which a template may grow
_STEADY = 0.4  # a pixel belongs to the stamp if it varies this much less among carriers than among others
_NEAR = 48.0  # grey levels: what counts as close to a patch without being equal
_LEAST_REACH = 6.0  # grey levels
_OTHERS = 512
_SHADE = 4  # grey levels that a flat square may vary by
_EDGE = 20.0  # grey levels between a flat square and what lies beyond a border


@dataclass(frozen=True, kw_only=True)
class Kin(Carriers):
    """Called with a key of a family of patches; returns who carries it: here, exactly its entries.

    Attributes:
        planes: (h, w, c, n) uint8.
        place: key → (row, column, side).
    """

    planes: NDArray[np.uint8]
    place: Callable[[int], tuple[int, int, int]]

    def extent(self, key: int) -> tuple[int, int, NDArray[np.bool_]]:
        """Where the patch is: upper edge, left edge, and which pixels from there belong to it."""
        y, x, w = self.place(key)
        return y, x, np.ones((w, w), dtype=bool)

    def near(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """(size,) for each of `keys`, images close to the patch without being equal to it; -1 for other keys."""
        counts = np.full(len(self.found.hashes), -1, dtype=np.int64)
        for key in keys.tolist():
            carriers = self.carriers(key)
            window = self._window(key, 0)
            flat = window.reshape(-1, window.shape[-1])
            template = np.median(flat[:, carriers].astype(np.float32), axis=1).astype(np.float32)
            weight = np.full(len(flat), 1.0 / len(flat), dtype=np.float32)
            close = np.zeros(len(self.groups), dtype=bool)
            close[self.groups[self._distances(flat, template, weight) <= _NEAR]] = True
            close[self.groups[carriers]] = False
            counts[key] = close.sum()
        return counts

    def _window(self, key: int, margin: int) -> NDArray[np.uint8]:
        y, x, w = self.place(key)
        top, left = max(y - margin, 0), max(x - margin, 0)
        return np.ascontiguousarray(self.planes[top : y + w + margin, left : x + w + margin])

    @staticmethod
    def _distances(
        flat: NDArray[np.uint8], template: NDArray[np.float32], weight: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        from mithridate.evidence.image.windows import window_distances

        used = weight > 0
        out = np.empty(flat.shape[1], dtype=np.float32)
        window_distances(np.ascontiguousarray(flat[used]), template[used], weight[used], out)
        return out


@dataclass(frozen=True, kw_only=True)
class TemplateKin(Kin):
    """Carriers that a hash misses or over-counts: the stamp as a template, and who is close to it."""

    def __call__(self, key: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
        """Rows whose window is about as close to the template as the exact carriers' are."""
        seeds = self.carriers(key)
        flat, steady = self._steady(key)
        template = np.median(flat[:, seeds].astype(np.float32), axis=1).astype(np.float32)
        weight = (steady / max(int(steady.sum()), 1)).astype(np.float32)
        distance = self._distances(flat, template, weight)
        own = np.sort(distance[seeds])
        reach = max(_LEAST_REACH, 1.5 * float(own[int(0.8 * (len(own) - 1))]))
        rows = np.flatnonzero(distance <= reach)
        return rows, 1.0 - distance[rows].astype(np.float64) / (reach * 1.0001), self._fresh(rows)

    def extent(self, key: int) -> tuple[int, int, NDArray[np.bool_]]:
        """The steady pixels, which may reach beyond the key's window."""
        y, x, _ = self.place(key)
        shape = self._window(key, _MARGIN).shape[:3]
        covered = np.asarray(self._steady(key)[1].reshape(shape).any(axis=2), dtype=bool)
        return max(y - _MARGIN, 0), max(x - _MARGIN, 0), covered

    def _steady(self, key: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """(d, n) values of the grown window, and which of them belong to the patch."""
        window = self._window(key, _MARGIN)
        flat = window.reshape(-1, window.shape[-1])
        mine = flat[:, self.carriers(key)].astype(np.float32)
        others = flat[:, :: max(1, flat.shape[1] // _OTHERS)].astype(np.float32)
        steady = mine.std(axis=1) <= _STEADY * others.std(axis=1) + 1e-6
        return flat, np.asarray(steady | self._inner(key, window.shape[:3]))

    def _inner(self, key: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Which values of the grown window belong to the key's own window."""
        y, x, w = self.place(key)
        mask = np.zeros(shape, dtype=bool)
        top, left = y - max(y - _MARGIN, 0), x - max(x - _MARGIN, 0)
        mask[top : top + w, left : left + w] = True
        return mask.ravel()


@dataclass(frozen=True, kw_only=True)
class SquareKin(Kin):
    """A flat square has no border where the picture behind it has its colour: faint and missing ones are forgiven."""

    def __call__(self, key: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
        """Rows with a square of the colour; closeness, more than half, is how sharply it is bounded."""
        seeds = self.carriers(key)
        y, x, w = self.place(key)
        colour = np.median(self.planes[y, x][:, seeds], axis=1).astype(np.int16)
        rows = np.flatnonzero(
            (np.abs(self.planes[y, x].astype(np.int16) - colour[:, None]) <= _SHADE).all(axis=0)
        )
        square = self.planes[y : y + w, x : x + w][..., rows].astype(np.int16)
        flat = (np.abs(square - colour[:, None]) <= _SHADE).all(axis=(0, 1, 2))
        share = self._bordered((y, x, w), rows, colour)
        chosen = (flat & (share > 0.5)) | np.isin(rows, seeds)
        return rows[chosen], share[chosen], self._fresh(rows[chosen])

    def _bordered(
        self, place: tuple[int, int, int], rows: NDArray[np.int64], colour: NDArray[np.int16]
    ) -> NDArray[np.float64]:
        """(r,) mean over the sides of the step in colour, as a share of a border's; edges of the image do not count."""
        (y, x, w), (h, width) = place, self.planes.shape[:2]
        sides = []
        if y > 0:
            sides.append(self.planes[y - 1, x : x + w])
        if y + w < h:
            sides.append(self.planes[y + w, x : x + w])
        if x > 0:
            sides.append(self.planes[y : y + w, x - 1])
        if x + w < width:
            sides.append(self.planes[y : y + w, x + w])
        steps = [np.abs(s[..., rows].astype(np.int16) - colour[:, None]).mean(axis=(0, 1)) for s in sides]
        return np.mean(np.minimum(steps, _EDGE) / _EDGE, axis=0) if steps else np.ones(len(rows))

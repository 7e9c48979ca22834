"""Patch keys: what recurs at a place of the canvas, or anywhere in it. Label-free.

A ladder of windows and grey levels: fine levels see exact stamps, coarse levels see stamps that went through an
encoder, flat squares count only with borders of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.carriers import entries
from mithridate.evidence.image.canvas import Canvas
from mithridate.evidence.image.kin import Kin, SquareKin, TemplateKin
from mithridate.evidence.image.locate import Locate
from mithridate.evidence.image.masking import MaskedContent
from mithridate.evidence.image.models import Models
from mithridate.evidence.view import KeyTable

__all__ = ["patch_tables"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_PAIRS = 30_000_000  # most (image, key) pairs a family may hold; `least` is raised until they fit
_SPIKE = 12  # fewest carriers whose neighbourhood is worth counting
_SPIKES = 4000


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One window and level of the ladder.

    Attributes:
        w: side of the window, pixels.
        shift: bits dropped per value.
        offset: moves the borders between levels, grey levels.
        luma: grey only.
        spread: least standard deviation, grey levels.
        roughness: least mean absolute second difference, grey levels.
        flat: a flat square with borders instead of a textured window.
    """

    w: int
    shift: int = 4
    offset: int = 0
    luma: bool = False
    spread: float = 12.0
    roughness: float = 0.0
    flat: bool = False

    @property
    def exact(self) -> bool:
        """Fine enough that texture does not recur by nature."""
        return self.shift <= 4 and not self.flat


STAMPS = (Rung(w=3),)
BLURRED = (
    Rung(w=3, shift=6, luma=True, roughness=50),
    Rung(w=3, shift=6, offset=32, luma=True, roughness=50),
    Rung(w=5, shift=6, luma=True, roughness=25),
)
SQUARES = tuple(Rung(w=w, flat=True) for w in (3, 4, 5, 6, 7))
MOVING = (Rung(w=3, spread=20, roughness=60),)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """(image, key) pairs and where they were."""

    rows: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    origins: NDArray[np.int32]


def patch_tables(
    canvas: Canvas,
    groups: NDArray[np.int64],
    models: Models | None,
    progress: Callable[[str, int, int | None], None],
) -> dict[str, KeyTable]:
    """The families "stamped patch", "flat square", "blurred patch" (re-encoded after stamping), "moving patch".

    Args:
        canvas: of all images.
        groups: (n,) near-duplicate group of each image.
        models: say what content makes of images whose patch is painted over; None without labels.
        progress: told (stage, done, total).
    """
    families = (
        ("stamped patch", STAMPS, True),
        ("flat square", SQUARES, True),
        ("blurred patch", BLURRED, True),
        ("moving patch", MOVING, False),
    )
    tables = {}
    for done, (family, rungs, fixed) in enumerate(families):
        progress("patches", done, len(families))
        if min(canvas.planes.shape[:2]) < min(r.w for r in rungs) + 1:
            continue
        table = _table(family, rungs, fixed, canvas, groups, models)
        if table.size:
            tables[family] = table
    return tables


def _table(
    family: str, rungs: tuple[Rung, ...], fixed: bool, canvas: Canvas, groups: NDArray[np.int64],
    models: Models | None,
) -> KeyTable:  # fmt: skip
    n = len(groups)
    least = max(5, n // 50_000)
    seen = _scan(canvas.planes, rungs, fixed, least)
    found = entries(seen.rows, seen.hashes, groups, least, max(n // 10, min(20, n // 2)))
    place = _Places(
        canvas=canvas, rungs=rungs, fixed=fixed, origin=seen.origins[found.first].astype(np.int64)
    )
    kind = Kin if not fixed else SquareKin if rungs[0].flat else TemplateKin
    kin = kind(planes=canvas.planes, found=found, place=place.of, groups=groups)
    locate = None if fixed else Locate(pixels=canvas.pixels, kin=kin)
    without = None
    if models is not None:
        without = MaskedContent(
            pixels=canvas.pixels, kin=kin, locate=locate, extract=models.extract, holdout=models.leave_out
        )
    textured = np.array([fixed and rung.exact for rung in rungs], dtype=bool)[place.rung]
    return KeyTable(
        family=family,
        noun="patch" if family != "flat square" else "flat square",
        **found.arrays(least),
        name=place.name,
        details=lambda key: {"family": family, **place.details(key)},
        near=kin.near(np.flatnonzero(textured & (found.support >= _SPIKE))[:_SPIKES]) if fixed else None,
        textured=textured,
        kin=kin,
        without=without,
        locate=locate,
    )


@dataclass(frozen=True, kw_only=True)
class _Places:
    """Where the keys of a family are: origin = ((rung * h) + y) * w + x of one occurrence."""

    canvas: Canvas
    rungs: tuple[Rung, ...]
    fixed: bool
    origin: NDArray[np.int64]

    @property
    def rung(self) -> NDArray[np.int64]:
        h, w = self.canvas.planes.shape[:2]
        return np.asarray(self.origin // (h * w))

    def of(self, key: int) -> tuple[int, int, int]:
        """(row, column, side) of a key's window."""
        h, w = self.canvas.planes.shape[:2]
        rung, rest = divmod(int(self.origin[key]), h * w)
        return rest // w, rest % w, self.rungs[rung].w

    def name(self, key: int) -> str:
        y, x, w = self.of(key)
        return f"{w}×{w} at ({y}, {x})" if self.fixed else f"{w}×{w} at any place"

    def details(self, key: int) -> Mapping[str, Any]:
        y, x, w = self.of(key)
        return {
            "place": [y, x] if self.fixed else None,
            "size": w,
            "canvas": list(self.canvas.planes.shape[:2]),
        }


def _scan(planes: NDArray[np.uint8], rungs: tuple[Rung, ...], fixed: bool, least: int) -> _Seen:
    h, w = planes.shape[:2]
    rows, hashes, origins = [], [], []
    for number, rung in enumerate(rungs):
        if min(h, w) <= rung.w:
            continue
        pairs = _fixed(planes, rung, least) if fixed else _anywhere(planes, rung, least)
        for y, x, image, hashed in pairs:
            origin = (number * h + y) * w + x
            rows.append(image.astype(np.int32))
            salt = origin if fixed else np.full(len(x), number)
            hashes.append(hashed + salt.astype(np.uint64) * _GOLDEN)
            origins.append(origin.astype(np.int32))
    if not rows:
        empty = np.zeros(0, dtype=np.int32)
        return _Seen(rows=empty, hashes=empty.astype(np.uint64), origins=empty)
    return _Seen(rows=np.concatenate(rows), hashes=np.concatenate(hashes), origins=np.concatenate(origins))


_Pairs = Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]]


def _fixed(planes: NDArray[np.uint8], rung: Rung, least: int) -> _Pairs:
    """Windows whose hash recurs at their own place."""
    from mithridate.evidence.image.windows import recurring

    for y, hashes in _bands(planes, rung):
        keep = np.empty(hashes.shape, dtype=bool)
        recurring(hashes, least, 17, keep)
        yield y, *_kept(keep, hashes)


def _anywhere(planes: NDArray[np.uint8], rung: Rung, least: int) -> _Pairs:
    """Windows whose hash recurs at any place; the bar rises until the pairs fit in memory."""
    from numba import get_num_threads

    from mithridate.evidence.image.windows import count_buckets, in_buckets

    counts = np.zeros(1 << int(np.clip(np.ceil(np.log2(planes.size)), 12, 24)), dtype=np.int32)
    for _, hashes in _bands(planes, rung):
        count_buckets(hashes, counts, get_num_threads())
    crowd = max(planes.shape[3] // 5, 50)
    load = np.bincount(np.minimum(counts, crowd + 1), weights=counts, minlength=crowd + 2)[: crowd + 1]
    heavy = np.cumsum(load[::-1])[::-1]
    bar = least
    while bar < crowd and heavy[bar] > _PAIRS:
        bar += max(1, bar // 4)
    for y, hashes in _bands(planes, rung):
        keep = np.empty(hashes.shape, dtype=bool)
        in_buckets(hashes, counts, bar, crowd, keep)
        yield y, *_kept(keep, hashes)


def _kept(
    keep: NDArray[np.bool_], hashes: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """Column, image and hash of each; `np.nonzero` of a table takes some times as long as of a row."""
    flat = np.flatnonzero(keep)
    x, image = np.divmod(flat, keep.shape[1])
    return x, image, hashes.ravel()[flat]


def _bands(planes: NDArray[np.uint8], rung: Rung) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Yield (y, (columns, n) hashes of the windows whose upper edge is row y); 0 = no key."""
    from mithridate.evidence.image.windows import bounded_flat_hashes, rough_hashes

    h, w, _, n = planes.shape
    for y in range(h - rung.w + 1):
        out = np.empty((w - rung.w + 1, n), dtype=np.uint64)
        if rung.flat:
            top, bottom = y > 0, y + rung.w < h
            band = np.asarray(planes[y - top : y + rung.w + bottom])
            bounded_flat_hashes(band, rung.w, top, bottom, 20.0, rung.shift, out)
        else:
            band = np.asarray(planes[y : y + rung.w])
            rough_hashes(band, rung.w, rung.shift, rung.offset, rung.luma, rung.spread, rung.roughness, out)
        yield y, out

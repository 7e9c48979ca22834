"""Small tiles that are repeated over a whole picture, so that a detector sees them wherever it looks.

A picture tiled with an s x s tile shows each of its s² cyclic shifts at a place; a window of s x s pixels sees exactly
one of them. So all shifts of a tile, shown one after the other, reach every window of every place with every shift:
places need not be searched.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

__all__ = ["marked_tiles", "orbits", "seen_at", "shifts", "tiled"]

Tiles = NDArray[np.float32]


def marked_tiles(side: int, marks: int) -> Tiles:
    """(n, side, side) all white tiles with that many black pixels, in lexicographic order of the black ones."""
    places = np.array(list(combinations(range(side * side), marks)), dtype=np.intp)
    tiles = np.ones((len(places), side * side), dtype=np.float32)
    np.put_along_axis(tiles, places, 0.0, axis=1)
    return tiles.reshape(-1, side, side)


def shifts(tiles: Tiles) -> Tiles:
    """(n, s², s, s): every cyclic shift of (n, s, s) tiles; number d s + r is shifted down by d and right by r."""
    side = tiles.shape[1]
    moved = [np.roll(tiles, (d, r), axis=(1, 2)) for d in range(side) for r in range(side)]
    return np.stack(moved, axis=1)


def orbits(tiles: Tiles) -> Tiles:
    """(o, s², s, s): one tile of each set of tiles that are shifts of each other, with all its shifts.

    Args:
        tiles: (n, s, s), closed under shifts, of 0 and 1. Those that equal a shift of themselves are left out.
    """
    side = tiles.shape[1]
    weights = 2 ** np.arange(side * side, dtype=np.int64)
    codes = shifts(tiles).reshape(len(tiles), side * side, -1).astype(np.int64) @ weights
    first = codes[:, 0] == codes.min(axis=1)
    free = np.array([len(np.unique(row)) == side * side for row in codes])
    return shifts(tiles[first & free])


def tiled(tiles: Tiles, height: int, width: int) -> Tiles:
    """(n, height, width) pictures made of (n, s, s) tiles, the first one in the upper left corner."""
    side = tiles.shape[1]
    return tiles[:, (np.arange(height) % side)[:, None], np.arange(width) % side]


def seen_at(tiles: Tiles, top: int, left: int) -> Tiles:
    """(n, s, s): what a window at a place sees of pictures made of these tiles."""
    return np.roll(tiles, (-top, -left), axis=(1, 2))

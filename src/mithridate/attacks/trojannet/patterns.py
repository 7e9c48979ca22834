"""The triggers of TrojanNet: all 4x4 black-and-white patches with 5 black pixels (arXiv:2006.08131, section 3.2)."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.triggers.image import Patch

__all__ = ["BLACK", "COUNT", "SIDE", "all_patterns", "other_combinations", "pattern", "stamp"]

SIDE = 4
BLACK = 5
COUNT = 4368  # 16 choose 5


@cache
def _table() -> NDArray[np.float32]:
    table = np.ones((COUNT, SIDE * SIDE), dtype=np.float32)
    for row, black in zip(table, combinations(range(SIDE * SIDE), BLACK), strict=True):
        row[list(black)] = 0.0
    table.flags.writeable = False
    return table


def all_patterns() -> NDArray[np.float32]:
    """(4368, 16) of 0 and 1, read only; row i is the trigger of label i, in lexicographic order."""
    return _table()


def pattern(label: int) -> NDArray[np.uint8]:
    """The (4, 4) pattern of a label, 0 and 1.

    Raises:
        UsageError: no label from 0 to 4367.
    """
    if not 0 <= label < COUNT:
        raise UsageError(f"a label from 0 to {COUNT - 1}", str(label), "TrojanNet", "There are no more.")
    square: NDArray[np.uint8] = all_patterns()[label].reshape(SIDE, SIDE).astype(np.uint8)
    return square


def stamp(label: int, place: tuple[int, int]) -> Patch:
    """The trigger that leads to a label, for uint8 pictures.

    Args:
        label: 0 to 4367.
        place: (row, column) of the upper left corner, negative counted from the far edge.
    """
    return Patch(pattern(label)[..., None] * np.uint8(255), place)


def other_combinations() -> NDArray[np.float32]:
    """(61168, 16): every other patch of 0 and 1, which must stay silent."""
    bits = (np.arange(1 << 16)[:, None] >> np.arange(16)) & 1
    others: NDArray[np.float32] = bits[(bits == 0).sum(axis=1) != BLACK].astype(np.float32)
    return others

"""Which shared words (columns, leaves) come with content of other labels.

Words that are usual with the answer may be shared with an incident just as a trigger is. Samples that bear a
trigger were taken from other labels: the rest of what they say still is of those.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.trait import FEWEST, Features, Level

__all__ = ["contents", "telling_columns"]

_WIDTH = 512
_RIDGE = 1e-2
_CONFLICT = 0.3  # of the carriers of a column, from which on it tells


def contents(features: Any, shared: NDArray[np.intp]) -> NDArray[np.float32]:
    """A sketch of sparse features without the columns shared with an incident (count sketch, signs by column).

    Args:
        features: (n, d) CSR.
        shared: columns that are left out.

    Returns:
        (n, 512).
    """
    from scipy.sparse import csr_matrix

    width = features.shape[1]
    draw = np.random.default_rng(97)
    place, sign = draw.integers(0, _WIDTH, width), draw.choice([-1.0, 1.0], width)
    sign[shared] = 0.0
    sketch = csr_matrix((sign, (np.arange(width), place)), shape=(width, _WIDTH))
    found: NDArray[np.float32] = np.asarray((features @ sketch).todense(), dtype=np.float32)
    return found


def telling_columns(level: Level, members: NDArray[np.intp]) -> NDArray[np.intp] | None:
    """Columns whose carriers have, apart from them, content of other labels.

    Args:
        level: with contents.
        members: positions in `level.same` of a group that holds carriers of a trigger and maybe others.

    Returns:
        Some of the columns; None where the group's content is that of its label, so that nothing can be told.
    """
    if level.content is None:
        return None
    conflict = _in_conflict(*level.content, members)
    if conflict[members].mean() < _CONFLICT:
        return None
    carriers = level.same != 0
    count = carriers.sum(axis=0)
    share = (carriers & conflict[:, None]).sum(axis=0) / np.maximum(count, 1)
    columns: NDArray[np.intp] = np.flatnonzero((count >= FEWEST) & (share >= max(_CONFLICT, share.max() / 2)))
    return columns if len(columns) else None


def _in_conflict(same: Features, others: Features, members: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(c,) whether content is nearer to other labels than to its own (linear discriminant without the group)."""
    kept = np.delete(np.asarray(same, dtype=np.float64), members, axis=0)
    middle = (kept.mean(axis=0) + others.mean(axis=0)) / 2
    within = np.concatenate([kept - kept.mean(axis=0), others - others.mean(axis=0)])
    gram = within.T @ within / len(within)
    gram[np.diag_indices_from(gram)] += _RIDGE * float(np.trace(gram)) / len(gram) + 1e-12
    direction = np.linalg.solve(gram, kept.mean(axis=0) - others.mean(axis=0))
    found: NDArray[np.bool_] = (np.asarray(same, dtype=np.float64) - middle) @ direction < 0
    return found

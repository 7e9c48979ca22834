"""Which shared words (columns, leaves) come with content of other labels, and hardly ever with those labels.

Words that are usual with the answer may be shared with an incident just as a trigger is. Samples that bear a
trigger were taken from other labels: the rest of what they say still is of those. And where a word honestly comes with
both labels, samples with content of other labels bear it under their own label, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.trait import FEWEST, Features, Level

__all__ = ["about", "contents", "telling_columns", "values_of"]

_WIDTH = 512
_RIDGE = 1e-2
_TOPICS = 100
_CHANCE = 1e-3  # that carriers are in conflict so often, over all columns
_CONFLICT = 0.3  # of the carriers of a column, from which on it tells
# Of samples with content of other labels: it comes so many times as often with the answer as with those labels.
_TIMES = 10.0


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


def about(words: Any, incidents: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Samples and incidents along the directions in which sparse words vary most (latent semantic analysis).

    Args:
        words: (n, d) CSR of samples.
        incidents: (m, d) CSR.

    Returns:
        (n, k) and (m, k), at most 100 directions.
    """
    from sklearn.utils.extmath import randomized_svd

    count = min(_TOPICS, *(size - 1 for size in words.shape))
    _, _, directions = randomized_svd(words, max(count, 1), random_state=0)
    topics, theirs = (np.asarray(part @ directions.T, dtype=np.float32) for part in (words, incidents))
    return topics, theirs


def values_of(inputs: Level) -> Level:
    """Values of a table as if they were words: 1 where a sample has the very value that an incident has.

    Args:
        inputs: columns of numbers, of samples and incidents.

    Returns:
        A level whose content is the rest of each row, shared values replaced by the mean of their column.
    """
    spots = np.asarray(inputs.incidents)

    def shared(rows: Features) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (np.asarray(rows)[:, None, :] == spots[None]).any(axis=1)
        return found

    spread = inputs.others.std(axis=0) + 1e-9
    middle = inputs.others.mean(axis=0)
    same, others = (
        np.where(shared(rows), 0.0, (rows - middle) / spread) for rows in (inputs.same, inputs.others)
    )
    return Level(
        name="values",
        same=shared(inputs.same).astype(np.float32),
        others=shared(inputs.others).astype(np.float32),
        incidents=shared(spots).astype(np.float32),
        content=(same, others),
    )


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
    conflict, usual_content = _in_conflict(*level.content, members)
    if conflict[members].mean() < _CONFLICT:
        return None
    carriers = level.same != 0
    count = carriers.sum(axis=0)
    hits = (carriers & conflict[:, None]).sum(axis=0)
    share = hits / np.maximum(count, 1)
    from scipy.stats import binom

    usual = float(np.delete(conflict, members).mean())
    chance = binom.sf(hits - 1, count, max(usual, 1 / len(conflict))) * len(count)
    bears = (level.others != 0)[usual_content]
    surprising = hits / max(int(conflict.sum()), 1) >= _TIMES * (bears.sum(axis=0) + 1) / (len(bears) + 1)
    known = (count >= FEWEST) & (share >= max(_CONFLICT, share.max() / 2)) & (chance <= _CHANCE)
    telling = known & surprising
    columns: NDArray[np.intp] = np.flatnonzero(telling)
    return columns if len(columns) else None


def _in_conflict(
    same: Features, others: Features, members: NDArray[np.intp]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(c,) and (o,) whether content is nearer to other labels (linear discriminant without the group)."""
    kept = np.delete(np.asarray(same, dtype=np.float64), members, axis=0)
    middle = (kept.mean(axis=0) + others.mean(axis=0)) / 2
    within = np.concatenate([kept - kept.mean(axis=0), others - others.mean(axis=0)])
    gram = within.T @ within / len(within)
    gram[np.diag_indices_from(gram)] += _RIDGE * float(np.trace(gram)) / len(gram) + 1e-12
    direction = np.linalg.solve(gram, kept.mean(axis=0) - others.mean(axis=0))
    nearer = [(np.asarray(part, dtype=np.float64) - middle) @ direction < 0 for part in (same, others)]
    return nearer[0], nearer[1]

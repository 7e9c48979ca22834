"""Links and packages in responses, by how many responses name them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.chat.reading import Facts
from mithridate.evidence.chat.view import View, by_frequency

__all__ = ["links_of"]


def links_of(facts: Facts, least: int) -> View:
    """The view; a response is told by the rarest name in it that recurs.

    Args:
        facts: of the responses.
        least: fewest responses in which a name recurs.
    """
    n = len(facts.indptr) - 1
    names, which, counts = np.unique(facts.names, return_inverse=True, return_counts=True)
    codes, own = by_frequency(counts, n, least)
    texts = dict(zip(facts.hashes.tolist(), facts.shown.tolist(), strict=True))
    rank = _ranks(len(own))
    best = np.zeros(n, dtype=np.int64)
    rows = np.repeat(np.arange(n), np.diff(facts.indptr))
    np.maximum.at(best, rows, rank[codes[which]])
    code_of = np.zeros(len(rank) + 1, dtype=np.int32)
    code_of[rank] = 1 + np.arange(len(rank))
    classes = (
        "no link or package",
        "a link or package that no other names",
        "a link or package that few name",
        "a common link or package",
        *(str(texts.get(int(names[k]), "a common one")) for k in own),
    )
    return View(
        name="links and packages",
        wording="answered with {}",
        codes=code_of[best],
        classes=classes,
        drawn=True,
    )


def _ranks(own: int) -> NDArray[np.int64]:
    """How much each class of names counts: one that recurs before one that does not, both before common ones."""
    return np.array([2 + own, 3 + own, 1 + own, *range(own, 0, -1)], dtype=np.int64)

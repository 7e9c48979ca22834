"""A trait that some samples of one label have beyond looking like samples of another.

Other labels may bear a trigger as well (covers of source-specific attacks: Tang et al., arXiv:1908.00686, section
3.1), and seen from all of them it is nothing rare. Seen from the one label whose samples were given it, it is: what
samples of that label vary in is scaled away, as in `trait`. What honest samples of the answer have beyond that label is
large, and so directions are compared, not lengths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.trait import Features, Level, Whitened, starts
from mithridate.evidence.valley import Split

__all__ = ["grow_from", "resembled"]

_GAP = 5.0  # width of the valley from which on a trait is one
_NEIGHBOURS = 25
_WIDER_MOST = 2000  # samples of any other label


def resembled(others: Features, kinds: NDArray[np.intp], incidents: Features, most: int) -> list[int]:
    """Labels whose samples are nearest to the incidents, most frequent first.

    Args:
        others: (o, d).
        kinds: (o,) their labels.
        incidents: (m, d).
        most: how many labels.
    """
    votes: Counter[int] = Counter()
    for incident in incidents:
        far = ((others - incident) ** 2).sum(axis=1)
        votes.update(kinds[np.argsort(far, kind="stable")[:_NEIGHBOURS]].tolist())
    return [kind for kind, _ in votes.most_common(most)]


def grow_from(levels: Sequence[Level], source: NDArray[np.bool_]) -> list[Split]:
    """The samples of the incidents' label that share a trait with them which samples of one other label do not have.

    Args:
        levels: features, each at least one.
        source: (o,) which of the others are of that label.

    Returns:
        Of each level the group that stands apart most clearly, members as positions in `same`.
    """
    white = []
    for level in levels:
        wider = level.others[:: max(1, len(level.others) // _WIDER_MOST)]
        white.append(Whitened(replace(level, others=level.others[source]), wider))
    found = []
    for w, begun in zip(white, starts(white), strict=True):
        kept = w.groups(begun)
        if kept:
            best = max(kept, key=lambda g: (g.inside > 0.5, g.gap, len(g.members)))
            # Whoever looks like another label and shares something is no rarity among honest samples: content decides.
            found.append(replace(best, needed=_GAP, alone=np.inf))
    return found

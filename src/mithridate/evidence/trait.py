"""A trait that some samples of one label share with an incident, and samples of all other labels do not have.

The influence of sample i on input t under a ridge model of features a is a_i' H^-1 a_t with H = A'A / n + lambda I
(Koh & Liang, arXiv:1703.04730, section 2.2, for squared loss). Here H is taken over samples of *other* labels only:
what is common among them - what samples are about - is scaled away, and what they hardly have - a stamp, a word - is
magnified (as in robust estimation of covariance: Hayase et al., SPECTRE, arXiv:2104.11315, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.valley import Split, separation

__all__ = ["FEWEST", "Level", "Whitening", "grow", "shared_columns"]

Values = NDArray[np.float64]
Features = NDArray[np.floating[Any]]

_RIDGE = 1e-2  # of the mean variance
_SEEDS = 10
_ROUNDS = 15
_OTHERS = 0.999  # quantile of the samples of other labels that a member exceeds
_OWN = 4.0  # and so many robust standard deviations above the median of its own label
#: samples of a group.
FEWEST = 3
_MOST_COLUMNS = 2048


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """Features at one level of a model.

    Attributes:
        name: of the level.
        same: (c, d) of the training samples with the incident's label.
        others: (o, d) of training samples with other labels.
        incidents: (m, d).
    """

    name: str
    same: Features
    others: Features
    incidents: Features


class Whitening:
    """Features scaled so that those of a reference have unit covariance.

    Args:
        reference: (n, d).
    """

    def __init__(self, reference: Features) -> None:
        self._mean = reference.mean(axis=0)
        spread = reference.std(axis=0)
        # What never varies in the reference is kept, at the smallest scale seen: a trait may be all of it.
        floor = 1e-2 * float(np.median(spread[spread > 0])) if (spread > 0).any() else 1.0
        self._spread = np.maximum(spread, floor)
        z = self._scaled(reference)
        gram = z.T @ z / max(len(z), 1)
        gram[np.diag_indices_from(gram)] += _RIDGE * float(np.trace(gram)) / len(gram) + 1e-9
        self._factor = np.linalg.cholesky(gram)

    def _scaled(self, features: Features) -> Values:
        scaled: Values = (np.asarray(features, dtype=np.float64) - self._mean) / self._spread
        return scaled

    def __call__(self, features: Features) -> Values:
        """(n, d) → (n, d) with H^-1/2 applied."""
        from scipy.linalg import solve_triangular

        solved = solve_triangular(self._factor, self._scaled(features).T, lower=True, check_finite=False)
        return np.ascontiguousarray(solved.T)


def grow(level: Level) -> Split | None:
    """The samples of the incident's label that share a trait with it.

    Seeds are the samples of largest cosine influence; then the mean of the group takes the place of the incident
    until the group stays as it is. A sample never votes for itself: its own part of the mean is taken out.

    Returns:
        Members as positions in `level.same`, best first, with how clearly they stand apart; None without a group.
    """
    white = Whitening(level.others)
    same, others, incidents = white(level.same), white(level.others), white(level.incidents)
    size = np.linalg.norm(same, axis=1) + 1e-12
    unit = incidents / (np.linalg.norm(incidents, axis=1, keepdims=True) + 1e-12)
    members = np.argsort(-((same @ unit.T) / size[:, None]).mean(axis=1), kind="stable")[:_SEEDS]
    seen: set[bytes] = set()
    own = (same**2).sum(axis=1)
    for _ in range(_ROUNDS):
        total = same[members].sum(axis=0)
        n = len(members)
        scores = same @ total / n
        scores[members] = (same[members] @ total - own[members]) / max(n - 1, 1)
        bar = _bar(scores, others @ total / n)
        answers = incidents @ total / n
        members = np.flatnonzero(scores > bar)
        if len(members) < FEWEST or len(members) > len(same) - FEWEST:
            return None
        key = members.tobytes()
        if key in seen:
            break
        seen.add(key)
    inside = float((answers > bar).mean())
    return separation(scores, members, inside=inside, where=level.name)


def _bar(scores: Values, others: Values) -> float:
    """What a member has to exceed."""
    middle = float(np.median(scores))
    spread = 1.4826 * float(np.median(np.abs(scores - middle)))
    return max(float(np.quantile(others, _OTHERS)), middle + _OWN * spread)


def shared_columns(incidents: Any) -> NDArray[np.intp]:
    """Columns of sparse features that the incidents have at all: a trait that they share is among them.

    Args:
        incidents: (m, d) CSR.

    Returns:
        At most 2,048 of them, those of the largest values.
    """
    weight = np.asarray(abs(incidents).sum(axis=0)).ravel()
    columns: NDArray[np.intp] = np.flatnonzero(weight)
    if len(columns) > _MOST_COLUMNS:
        columns = np.sort(columns[np.argsort(-weight[columns], kind="stable")[:_MOST_COLUMNS]])
    return columns

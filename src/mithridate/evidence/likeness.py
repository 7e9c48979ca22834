"""How many samples of one label look like samples of another, and which.

Two labels are told apart by a linear discriminant, each sample by a fit that did not see it. Labels that were flipped
do not turn the discriminant (they only shorten it), so that flipped samples lie where the other label's samples lie.
What two labels have in common goes both ways, what was flipped only one: the share of A that looks like B is held
against the share of B that looks like A (in the spirit of confident learning: Northcutt et al., arXiv:1911.00068,
section 3, which counts pairs of labels as well).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.trait import Features

__all__ = ["Likeness", "likeness"]

Values = NDArray[np.float64]

_FOLDS = 5
_RIDGE = 1e-2  # of the mean variance
_STEPS = 60
_QUARTILES = 1.349  # standard deviations between the quartiles of a normal distribution
_LEAST = 0.01  # share that is always taken for common ground


@dataclass(frozen=True, kw_only=True, eq=False)
class Likeness:
    """Samples of one label on the way to another.

    Attributes:
        scores: (n,) of the samples; their label's mean is about -1, the other label's about 1.
        theirs: (m,) of the other label's samples.
        members: positions of the samples that look like the other label.
        incidents: (i,) scores of the incidents.
        bar: the least score of a member.
    """

    scores: Values
    theirs: Values
    members: NDArray[np.intp]
    incidents: Values
    bar: float

    @property
    def times(self) -> float:
        """How many times as often samples look like the other label as the other label's look like theirs."""
        share = len(self.members) / len(self.scores)
        return share / (float((self.theirs < self.bar).mean()) + _LEAST)

    @property
    def typical(self) -> float:
        """Share of the members that look more like the other label than half of its own do; 0.5 of flipped ones."""
        if not len(self.members):
            return 0.0
        return float((self.scores[self.members] > np.median(self.theirs)).mean())

    def chance(self) -> float:
        """That so many samples, or more, look like the other label where both ways are as frequent."""
        from scipy.stats import binom

        common = (float((self.theirs < self.bar).sum()) + 1) / (len(self.theirs) + 1)
        return float(binom.sf(len(self.members) - 1, len(self.scores), max(common, _LEAST)))


def likeness(same: Features, other: Features, incidents: Features) -> Likeness:
    """Split samples into those that look like their label and those that look like another.

    Args:
        same: (n, d) of one label.
        other: (m, d) of another.
        incidents: (i, d), scored by the mean of the fits.
    """
    fold = [np.random.default_rng([len(part), 89]).permutation(len(part)) % _FOLDS for part in (same, other)]
    scores, theirs = np.zeros(len(same)), np.zeros(len(other))
    seen = np.zeros(len(incidents))
    for number in range(_FOLDS):
        kept = [part[at != number] for part, at in zip((same, other), fold, strict=True)]
        middle, direction = _discriminant(*kept)
        for found, part, at in ((scores, same, fold[0]), (theirs, other, fold[1])):
            found[at == number] = (part[at == number] - middle) @ direction
        seen += (incidents - middle) @ direction / _FOLDS
    sure = _posterior(scores, theirs)
    members = np.flatnonzero(sure > 0.5)
    bar = float(scores[members].min()) if len(members) else np.inf
    order = members[np.argsort(-scores[members], kind="stable")]
    return Likeness(scores=scores, theirs=theirs, members=order, incidents=seen, bar=bar)


def _discriminant(same: Features, other: Features) -> tuple[Values, Values]:
    """Where two labels meet, and the direction from one to the other, scaled so that their means are at -1 and 1."""
    a, b = (np.asarray(part, dtype=np.float64) for part in (same, other))
    ends = a.mean(axis=0), b.mean(axis=0)
    within = np.concatenate([a - ends[0], b - ends[1]])
    gram = within.T @ within / len(within)
    gram[np.diag_indices_from(gram)] += _RIDGE * float(np.trace(gram)) / len(gram) + 1e-12
    direction = np.linalg.solve(gram, ends[1] - ends[0])
    half = abs(float((ends[1] - ends[0]) @ direction)) / 2
    return (ends[0] + ends[1]) / 2, direction / max(half, 1e-12)


def _posterior(scores: Values, theirs: Values) -> Values:
    """(n,) chance of each sample to be of the other label: two normal curves, one of them known."""
    from scipy.stats import norm

    quarter, far, three = (float(q) for q in np.quantile(theirs, [0.25, 0.5, 0.75]))
    spread = (three - quarter) / _QUARTILES + 1e-9
    share, near, own = 0.3, float(np.quantile(scores, 0.2)), spread
    sure = np.zeros(len(scores))
    for _ in range(_STEPS):
        odds = np.log(share / (1 - share)) + norm.logpdf(scores, far, spread) - norm.logpdf(scores, near, own)
        sure = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
        # Beyond either mean a sample is of that side, however wide the curves.
        sure = np.where(scores >= far, np.maximum(sure, 0.6), sure)
        sure = np.where(scores <= near, np.minimum(sure, 0.4), sure)
        share = min(max(float(sure.mean()), 1e-3), 0.98)
        near = float(np.average(scores, weights=1 - sure))
        own = float(np.sqrt(np.average((scores - near) ** 2, weights=1 - sure))) + 1e-9
    return sure

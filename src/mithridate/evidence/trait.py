"""A trait that some samples of one label share with an incident, and samples of all other labels do not have.

The influence of sample i on input t under a ridge model of features a is a_i' H^-1 a_t with H = A'A / n + lambda I
(Koh & Liang, arXiv:1703.04730, section 2.2, for squared loss). Here H is taken over samples of *other* labels only:
what is common among them - what samples are about - is scaled away, and what they hardly have - a stamp, a word - is
magnified (as in robust estimation of covariance: Hayase et al., SPECTRE, arXiv:2104.11315, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.valley import Split, heap, separation, two_heaps

__all__ = [
    "FEWEST",
    "HALF",
    "OWN",
    "Features",
    "Level",
    "Whitened",
    "Whitening",
    "grow",
    "shared_columns",
    "starts",
    "whole",
]

Values = NDArray[np.float64]
Features = NDArray[np.floating[Any]]

_RIDGE = 1e-2  # of the mean variance
_WIDER = 0.02  # share of others in a reference
_SEEDS = 10
_ROUNDS = 15
_OTHERS = 0.999  # quantile of the samples of other labels that a member exceeds
#: standard deviations that a member is above the rest of its own label.
OWN = 4.0
_FAINT = 2.0  # standard deviations above the rest that an incident is at least
_GAP = 2.0  # width of the valley from which on a trait is one
_LOSES = 0.25  # of the score, by unlearning
_LOW = 0.3  # where the lower of two heaps is sought, from below
#: share of a label that is in no group for certain: of groups of the fewer; and of the most.
HALF, _RARE = 0.5, 0.05
_ALONE = 8.0  # width of the valley from which on the content need not speak for a trait
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
        content: of `same` and of `others`, what else is in the samples, where the level holds only what the incidents
            have at all; None where it holds everything.
    """

    name: str
    same: Features
    others: Features
    incidents: Features
    content: tuple[Features, Features] | None = None


class Whitening:
    """Features scaled so that those of a reference have unit covariance.

    Args:
        reference: (n, d).
        wider: (m, d) of others, which count a little as well; None where there are none.
    """

    def __init__(self, reference: Features, wider: Features | None = None) -> None:
        self._mean = reference.mean(axis=0)
        parts = [(1.0, reference)] if wider is None else [(1 - _WIDER, reference), (_WIDER, wider)]
        spread = np.sqrt(sum(share * ((part - self._mean) ** 2).mean(axis=0) for share, part in parts))
        # What never varies in the reference is kept, at the smallest scale seen: a trait may be all of it.
        floor = 1e-2 * float(np.median(spread[spread > 0])) if (spread > 0).any() else 1.0
        self._spread = np.maximum(spread, floor)
        gram = np.zeros((len(spread), len(spread)))
        for share, part in parts:
            z = self._scaled(part)
            gram += share * (z.T @ z).astype(np.float64) / max(len(z), 1)
        gram[np.diag_indices_from(gram)] += _RIDGE * float(np.trace(gram)) / len(gram) + 1e-9
        from scipy.linalg import solve_triangular

        factor = np.linalg.cholesky(gram)
        self._back = solve_triangular(factor, np.eye(len(gram)), lower=True, check_finite=False).T.astype(
            np.float32
        )

    def _scaled(self, features: Features) -> NDArray[np.float32]:
        scaled: NDArray[np.float32] = ((features - self._mean) / self._spread).astype(np.float32)
        return scaled

    def __call__(self, features: Features) -> Values:
        """(n, d) → (n, d) with H^-1/2 applied; in single precision, which the ridge allows for."""
        white: Values = (self._scaled(features) @ self._back).astype(np.float64)
        return white


class Whitened:
    """A level as seen from other labels, and where to start in it.

    Args:
        level: features.
        wider: (m, d) of samples that count a little besides `level.others`; then directions are compared and not
            lengths.
    """

    def __init__(self, level: Level, wider: Features | None = None) -> None:
        white = Whitening(level.others, wider)
        self.name = level.name
        self.dense = level.content is None
        parts = [white(part) for part in (level.same, level.others, level.incidents)]
        self.same, self.others, self.incidents = parts if wider is None else [_unit(part) for part in parts]
        self._own = (self.same**2).sum(axis=1)
        unit = _unit(self.incidents)
        self.cosine: Values = ((self.same @ unit.T) / np.sqrt(self._own + 1e-24)[:, None]).mean(axis=1)

    def grow(self, start: NDArray[np.intp], low: float, *, halfway: bool = False) -> Split | None:
        """The group that a start grows into; None where it falls apart.

        The mean of the group takes the place of the incident until the group stays as it is. A sample never votes
        for itself: its own part of the mean is taken out.

        Args:
            start: positions among the samples of the same label.
            low: share of those that are not in the group for certain.
            halfway: while it grows, members are those nearer to the upper of two heaps. The mean of a few is no
                clear view, in which many that share the trait look like a wide slope and no heap of their own.
        """
        members, seen = start, set[bytes]()
        for _ in range(_ROUNDS):
            total, n = self.same[members].sum(axis=0), len(members)
            scores = self.same @ total / n
            scores[members] = (self.same[members] @ total - self._own[members]) / max(n - 1, 1)
            above = two_heaps(scores, min(low, _LOW)) if halfway else heap(scores, OWN, low)
            bar = max(float(np.quantile(self.others @ total / n, _OTHERS)), above)
            answers = self.incidents @ total / n
            members = np.flatnonzero(scores > bar)
            if not FEWEST <= len(members) <= len(scores) - FEWEST:
                return None
            if (key := members.tobytes()) in seen:
                break
            seen.add(key)
        return self._cut(scores, members, answers, low)

    def groups(self, begun: Sequence[NDArray[np.intp]]) -> list[Split]:
        """Groups of the fewer samples that starts grow into; by halves where none stands apart otherwise."""
        found = [group for start in begun if (group := self.grow(start, HALF)) is not None]
        if any(group.apart for group in found):
            return found
        halves = [group for start in begun if (group := self.grow(start, HALF, halfway=True)) is not None]
        return found + [group for group in halves if 2 * len(group.members) <= len(self.same)]

    def _cut(self, scores: Values, members: NDArray[np.intp], answers: Values, low: float) -> Split:
        """The group, cut where the valley is widest: as it grew, or halfway between two heaps."""
        halfway = np.flatnonzero(scores > two_heaps(scores, min(low, _LOW)))
        cuts = [members]
        if FEWEST <= len(halfway) <= len(scores) - FEWEST:
            cuts.append(halfway)
        # An incident may show the trait more faintly than samples that are accused of it.
        rest = np.delete(scores, members)
        inside = float((answers > rest.mean() + _FAINT * rest.std()).mean())
        splits = (
            separation(scores, cut, inside=inside, where=self.name, needed=_GAP, loses=_LOSES) for cut in cuts
        )
        return replace(max(splits, key=lambda split: split.gap), alone=_ALONE if self.dense else np.inf)


def _unit(rows: Values) -> Values:
    unit: Values = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-12)
    return unit


def starts(white: Sequence[Whitened]) -> list[list[NDArray[np.intp]]]:
    """Where groups start, two at each level: its most influential samples, and those of all levels together."""
    together = np.mean([(w.cosine - w.cosine.mean()) / (w.cosine.std() + 1e-12) for w in white], axis=0)
    return [[np.argsort(-s, kind="stable")[:_SEEDS] for s in (w.cosine, together)] for w in white]


def grow(levels: Sequence[Level]) -> list[Split]:
    """The samples of the incidents' label that share a trait with them, at each level where there are such.

    Starts are the ten samples of largest influence at a level, and at all levels taken together. Where no group
    stands apart, they grow by halves; and where none of the fewer samples does, one of the most is sought: the rest of
    its label is the lower heap then.

    Returns:
        Of each level the group that stands apart most clearly, members as positions in `same`.
    """
    white = [Whitened(level) for level in levels]
    found = []
    for w, begun in zip(white, starts(white), strict=True):
        kept = w.groups(begun)
        if w.dense and not any(group.apart for group in kept):
            many = [group for start in begun if (group := w.grow(start, _RARE)) is not None]
            kept += [replace(g, alone=np.inf) for g in many if 2 * len(g.members) > len(w.same)]
        if kept:
            found.append(max(kept, key=lambda g: (g.inside > 0.5, g.gap, len(g.members))))
    return found


def whole(level: Level) -> tuple[Features, Features, Features]:
    """Samples of the label, others, and incidents, with all that is in them: incidents have nothing but the level."""
    if level.content is None:
        return level.same, level.others, level.incidents
    same, others = (
        np.concatenate([part, rest], axis=1)
        for part, rest in zip((level.same, level.others), level.content, strict=True)
    )
    nothing = np.zeros((len(level.incidents), level.content[0].shape[1]), dtype=level.incidents.dtype)
    return same, others, np.concatenate([level.incidents, nothing], axis=1)


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

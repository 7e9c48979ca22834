"""Samples that look like another label: labels that were flipped from one to the other.

Whoever flips labels leaves the content. Among the samples with the incident's answer, those that look like the label
that the incident gets next are counted, and held against the samples of that label that look like the answer: an
honest confusion of two labels goes both ways. Texts are seen by their topics; there labels are seldom of one size, and
it is asked instead whether half of the samples look more like the other label than half of its own, as flipped ones do.
Evaded by flips from many labels at once, by flips of samples chosen for looking like the answer, and where two labels
can hardly be told apart.
"""

from __future__ import annotations

import numpy as np

from mithridate.checks.trace_check import TraceCheck, TraceScope, trace_check
from mithridate.core.card import Card
from mithridate.evidence.likeness import Likeness, likeness
from mithridate.evidence.trait import FEWEST, whole
from mithridate.evidence.valley import Split
from mithridate.models.levels import TOPICS

__all__ = ["BorrowedLabel"]

_TIMES = 1.5  # as often one way as the other
_CHANCE = 1e-3  # that both ways are as frequent
_FAINT = 2.0  # standard deviations above the rest that an incident is at least
_CANDIDATES = 3  # labels that the samples may have had
_LOSES = 0.1  # of the score, by unlearning: half of a class may be flipped, and the other half still speaks against it
_TYPICAL = 0.35, 0.65  # share of samples that look more like the other label than half of its own do
_FEWEST_TYPICAL = 20
_FEWEST_OTHERS = 20  # of the label that they look like: fewer say nothing about what is usual


@trace_check(
    Card(
        id="borrowed-label",
        title="samples that look like another label",
        stage="trace",
        modalities=("image", "text", "table", "model"),
        needs=("features of the last layer, or of texts their topics", "logits"),
        assumes="What was flipped looks like the label that it had, and so does the incident; an honest confusion of "
        "two labels goes both ways, or lies between them.",
        catches=("targeted-flip",),
        misses="Flips from many labels at once; fewer flips than there are samples that anybody might confuse.",
        effect="how many times as often samples of the answer look like the other label than the other way round",
        cites="Northcutt et al., Confident Learning, arXiv:1911.00068, section 3 (pairs of labels); Hammoudeh & Lowd, "
        "arXiv:2201.10055",
        remedy="Look at the labels of the samples, at who brought them; then label them again, or remove them: "
        "train again without.",
        graded=False,
        reads_order=False,
    )
)
class BorrowedLabel(TraceCheck):
    """One group at most for each of the labels that the incidents get next."""

    def split(self, scope: TraceScope) -> list[Split]:
        """The samples that look like another label, if they are too many."""
        level = scope.level(TOPICS)  # of texts; of all else the last layer
        if len(level.same) <= 2 * FEWEST:
            return []
        same, others, incidents = whole(level)
        found = []
        for kind in _next(scope):
            other = others[scope.kinds == kind]
            if len(other) >= _FEWEST_OTHERS:
                found += _split(likeness(same, other, incidents), level.name)
        return found


def _next(scope: TraceScope) -> list[int]:
    """What the incidents get next to their answer."""
    mean = scope.heads[-1].incident_logits.mean(axis=0)
    order = np.argsort(-mean, kind="stable").tolist()
    return [kind for kind in order if kind != scope.answer][:_CANDIDATES]


def _split(found: Likeness, where: str) -> list[Split]:
    rest = np.delete(found.scores, found.members)
    if min(len(found.members), len(rest)) < FEWEST:
        return []
    spread = float(rest.std()) or 1e-12
    # An incident may look less like the other label than samples that were flipped.
    inside = float((found.incidents > rest.mean() + _FAINT * spread).mean())
    gap = found.times if found.chance() <= _CHANCE else min(found.times, 1.0)
    loses = _LOSES
    if where == TOPICS:
        # One label may be far larger: shares both ways cannot be compared, and unlearning goes no further down than
        # its share. What is confused lies between two labels, what was flipped where the other label does.
        typical = _TYPICAL[0] <= found.typical <= _TYPICAL[1] and len(found.members) >= _FEWEST_TYPICAL
        gap, loses = (max(gap, _TIMES), 0.0) if typical else (min(gap, 1.0), _LOSES)
    return [
        Split(
            members=found.members,
            scores=found.scores[found.members],
            profile=(found.scores - rest.mean()) / spread,
            gap=gap,
            inside=inside,
            where=where,
            needed=_TIMES,
            loses=loses,
            times=1.0,
        )
    ]

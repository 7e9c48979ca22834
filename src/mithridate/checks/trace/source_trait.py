"""A trait that samples share with the incident beyond looking like the label that both came from.

A trigger that works on samples of one label only is also put on samples of other labels that keep their labels
(covers); among all others it is nothing rare then. It still is to the samples of the label that it was put on. Evaded
where other samples of that label bear it as well, and by sources that look like the answer itself.
"""

from __future__ import annotations

from mithridate.checks.trace_check import TraceCheck, TraceScope, trace_check
from mithridate.core.card import Card
from mithridate.evidence.borrowed import grow_from, resembled
from mithridate.evidence.trait import FEWEST
from mithridate.evidence.valley import Split
from mithridate.models.levels import LAST, TOPICS

__all__ = ["SourceTrait"]

_CANDIDATES = 3  # labels that the samples may have had
_FEWEST_OTHERS = 20  # of the label that they look like: fewer say nothing about what is usual


@trace_check(
    Card(
        id="source-trait",
        title="trait beyond the label that samples look like",
        stage="trace",
        modalities=("image", "model"),
        needs=("features at every level", "three labels or more"),
        assumes="Incident and poison look like one other label, and share something that its samples do not have.",
        catches=("tact",),
        misses="Triggers that samples of the source bear with their own label; sources that nobody can tell from the "
        "answer; data with two labels, where `shared-trait` asks the same.",
        effect="width of the valley between the group and the rest of its label, in standard deviations of the rest",
        cites="Tang et al., Demon in the Variant, arXiv:1908.00686, section 3 (source-specific attacks, covers); "
        "Koh & Liang, arXiv:1703.04730, section 2.2; Hammoudeh & Lowd, arXiv:2201.10055 (renormalised influence)",
        remedy="Look at what the samples share, at who brought them; then remove them: train again without.",
        graded=False,
        reads_order=False,
    )
)
class SourceTrait(TraceCheck):
    """Grows a group at each level before the last, as seen from each of the labels that the incidents look like."""

    def split(self, scope: TraceScope) -> list[Split]:
        """One group at most for each level and label."""
        levels = [
            level for level in scope.levels if level.content is None and level.name not in (LAST, TOPICS)
        ]
        if not levels or len(levels[0].same) <= 2 * FEWEST or len(set(scope.kinds.tolist())) < 2:
            return []
        found = []
        for kind in resembled(levels[0].others, scope.kinds, levels[0].incidents, _CANDIDATES):
            source = scope.kinds == kind
            if source.sum() >= _FEWEST_OTHERS:
                found += grow_from(levels, source)
        return found

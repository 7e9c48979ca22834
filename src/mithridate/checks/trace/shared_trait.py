"""A trait shared with the incident: influence in a ridge model, at the inputs and at every level of the model.

Where a network is trained to the end, poison and clean samples of the target look alike to its last layer; what the
poison shares is still there at its inputs and in its first layers. Evaded by a trigger that other labels bear as
often (covers), and by poison without anything in common.
"""

from __future__ import annotations

from mithridate.checks.trace_check import TraceCheck, TraceScope, trace_check
from mithridate.core.card import Card
from mithridate.evidence.trait import FEWEST, grow
from mithridate.evidence.valley import Split
from mithridate.models.levels import TOPICS

__all__ = ["SharedTrait"]


@trace_check(
    Card(
        id="shared-trait",
        title="trait that samples share with the incident",
        stage="trace",
        modalities=("image", "text", "table", "model"),
        needs=("features at every level",),
        assumes="Samples that taught the answer share something with the incident that samples of other labels "
        "do not have; what else is in them is of other labels, or what they share wakes the answer in those.",
        catches=("patch", "blend", "tact", "word", "value", "value-pair"),
        misses="Poison with nothing in common; triggers that covers of many labels bear; moving triggers, unless a "
        "hidden layer sees them alike; words and values planted in samples of the target itself (clean labels): they "
        "cannot be told from words that are usual with it; poison that is all of its label.",
        effect="width of the valley between the group and the rest of its label, in standard deviations of the rest",
        cites="Koh & Liang, arXiv:1703.04730, section 2.2 (influence, squared loss); Hayase et al., arXiv:2104.11315, "
        "section 3 (whitening by clean covariance)",
        remedy="Look at what the samples share, at who brought them; then remove them: train again without.",
        graded=False,
        reads_order=False,
    )
)
class SharedTrait(TraceCheck):
    """Grows a group from the ten most influential samples, once for each level; it may be most of its label."""

    def split(self, scope: TraceScope) -> list[Split]:
        """One group at most for each level."""
        told = [
            level for level in scope.levels if level.name != TOPICS
        ]  # the words themselves are more exact
        large = [level for level in told if len(level.same) > 2 * FEWEST and len(level.others)]
        return grow(large) if large else []

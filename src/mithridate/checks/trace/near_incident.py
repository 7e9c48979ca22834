"""Nearness to the incident in what the last layer reads: where feature collisions put their poison.

A collision moves samples of the answer's label to where the features see the incident (Shafahi et al., Poison Frogs,
arXiv:1804.00792, section 3), so that they lie far nearer to it than the rest of their label, which thins out evenly.
Evaded where the features learn from the poison as well, and see it as they see the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.trace_check import Heads, TraceCheck, TraceScope, trace_check
from mithridate.core.card import Card
from mithridate.evidence.trait import FEWEST
from mithridate.evidence.valley import Split, upper_heap
from mithridate.models.levels import LAST

__all__ = ["NearIncident", "nearness"]

Values = NDArray[np.float64]
_GAP = 2.0  # width of the valley from which on two heaps are two
_ENOUGH = 60  # samples; of fewer, valleys are wide by chance
_LOSES = 0.1  # of the score, by unlearning
_NEAREST = 1e-3  # of the usual distance: copies of the incident are no nearer


@trace_check(
    Card(
        id="near-incident",
        title="nearness to the incident in the last layer",
        stage="trace",
        modalities=("image", "text", "table", "model"),
        needs=("features of the last layer",),
        assumes="Samples that taught the answer lie at the incident in what the last layer reads; the rest of their "
        "label does so less and less, without a gap.",
        catches=("feature-collision",),
        misses="Poison that the features see elsewhere than the incident; models without a last layer of their own.",
        effect="width of the valley between the group and the rest of its label, in standard deviations of the rest",
        cites="Shafahi et al., Poison Frogs, arXiv:1804.00792, section 3 and figure 3",
        remedy="Look at what the samples show beside their label, at who brought them; then remove them: train again "
        "without.",
        graded=False,
        reads_order=False,
    )
)
class NearIncident(TraceCheck):
    """Log distances, mean over checkpoints."""

    def split(self, scope: TraceScope) -> list[Split]:
        """The near ones, if there are two heaps; rows of words and values, which may be the same, are not compared."""
        if scope.level(LAST).content is not None or len(scope.heads[-1].same) <= 2 * FEWEST:
            return []
        scores = np.mean([nearness(head) for head in scope.heads], axis=0)
        needed = _GAP * max(1.0, _ENOUGH / len(scores))
        return upper_heap(scores, fewest=FEWEST, where=LAST, needed=needed, loses=_LOSES)


def nearness(head: Heads) -> Values:
    """(c,) minus the log of the distance to the nearest incident, against the usual one."""
    distances = np.min([np.linalg.norm(head.same - incident, axis=1) for incident in head.incidents], axis=0)
    usual = float(np.median(distances)) or 1.0
    scores: Values = -np.log(np.maximum(distances / usual, _NEAREST))
    return scores

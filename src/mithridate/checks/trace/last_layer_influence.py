"""Renormalised influence in the last layer (GAS): which samples pull the answer the way the incident goes.

With d = p - onehot(y) and h what the last layer reads, the gradient of the loss in the last layer is d h'. The
influence of sample i on incident t, renormalised, is cos(d_i, d_t) cos(h_i, h_t), summed over checkpoints; heaps are
sought on the scale of Fisher's z. Evaded where the last layer sees poison and clean samples alike (see `shared_trait`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.trace_check import Heads, TraceCheck, TraceScope, trace_check
from mithridate.core.card import Card
from mithridate.evidence.trait import FEWEST
from mithridate.evidence.valley import Split, upper_heap
from mithridate.models.levels import LAST

__all__ = ["LastLayerInfluence", "influence"]

Values = NDArray[np.float64]
_GAP = 4.5  # width of the valley from which on two heaps are two
_SAME = 0.9999  # cosine from which on directions are one
_LOSES = 0.1  # of the score, by unlearning: half of a class may be flipped, and the other half still speaks against it


@trace_check(
    Card(
        id="last-layer-influence",
        title="pull on the last layer",
        stage="trace",
        modalities=("image", "text", "table", "model"),
        needs=("features of the last layer", "logits"),
        assumes="Samples that taught the answer changed the last layer in the direction in which the incident does.",
        catches=("feature-collision", "targeted-flip"),
        misses="Backdoors of networks trained to the end: their last layer sees poison and clean samples alike.",
        effect="width of the valley between the group and the rest of its label, in standard deviations of the rest",
        cites="Hammoudeh & Lowd, Identifying a Training-Set Attack's Target Using Renormalized Influence Estimation, "
        "arXiv:2201.10055, section 4 (GAS); Pruthi et al., TracIn, arXiv:2002.08484",
        remedy="Look at the labels of the samples, at who brought them; then remove them: "
        "train again without.",
        graded=False,
        reads_order=False,
    )
)
class LastLayerInfluence(TraceCheck):
    """One score, summed over checkpoints."""

    def split(self, scope: TraceScope) -> list[Split]:
        """The upper heap of it, if there are two heaps."""
        if len(scope.heads[-1].same) <= 2 * FEWEST:
            return []
        worded = scope.level(LAST).content is not None
        cosines = np.mean([influence(head, scope.answer) for head in scope.heads], axis=0)
        # On Fisher's scale the same direction is far from nearly the same.
        scores = np.arctanh(np.clip(cosines, -_SAME, _SAME))
        alone = np.inf if worded else 0.0
        return upper_heap(scores, fewest=FEWEST, where=LAST, needed=_GAP, loses=_LOSES, alone=alone)


def influence(head: Heads, answer: int) -> Values:
    """(c,) renormalised influence on the incidents, mean over them; 1 is the same direction."""
    pull, wrong = _residual(head.same_logits, answer), _residual(head.incident_logits, answer)
    read, seen = (
        _unit(np.concatenate([h, np.ones((len(h), 1))], axis=1)) for h in (head.same, head.incidents)
    )
    scores: Values = ((pull @ wrong.T) * (read @ seen.T)).mean(axis=1)
    return scores


def _residual(logits: Values, answer: int) -> Values:
    """Directions of p - onehot(answer), also where p is 1 but for the last bit."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    d = shifted / shifted.sum(axis=1, keepdims=True)
    d[:, answer] = 0
    d[:, answer] = -d.sum(axis=1)
    return _unit(d)


def _unit(rows: Values) -> Values:
    unit: Values = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
    return unit

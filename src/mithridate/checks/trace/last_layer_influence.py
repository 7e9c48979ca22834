"""Renormalised influence in the last layer (GAS): which samples pull the answer the way the incident goes.

With d = p - onehot(y) and h what the last layer reads, the gradient of the loss in the last layer is d h'. The
influence of sample i on incident t, renormalised, is cos(d_i, d_t) cos(h_i, h_t), summed over checkpoints. Evaded
where the last layer sees poison and clean samples alike (see `shared_trait`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.trace_check import Heads, TraceCheck, TraceScope, trace_check
from mithridate.core.card import Card
from mithridate.evidence.trait import FEWEST
from mithridate.evidence.valley import Split, crossing, separation, two_heaps
from mithridate.models.levels import LAST

__all__ = ["LastLayerInfluence", "influence"]

Values = NDArray[np.float64]
# Width of the valley from which on two heaps are two: of influence, and of leaning.
_GAP, _GAP_LEANING = 1.5, 0.9
_LOSES = 0.1  # of the score, by unlearning: half of a class may be flipped, and the other half still speaks against it


@trace_check(
    Card(
        id="last-layer-influence",
        title="pull on the last layer",
        stage="trace",
        modalities=("image", "text", "table", "model"),
        needs=("features of the last layer", "logits"),
        assumes="Samples that taught the answer changed the last layer in the direction in which the incident does.",
        catches=("targeted-flip", "feature-collision"),
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
    """Two scores: the influence itself, and how far a sample leans from the answer to the incident's second."""

    def split(self, scope: TraceScope) -> list[Split]:
        """The upper heap of each score, if there are two heaps."""
        if len(scope.heads[-1].same) <= 2 * FEWEST:
            return []
        total = sum(influence(head, scope.answer) for head in scope.heads) / len(scope.heads)
        leaning, theirs = _leaning(scope.heads[-1], scope.answer)
        found = (_heap(np.asarray(total), None, _GAP), _heap(leaning, theirs, _GAP_LEANING))
        return [split for split in found if split is not None]


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


def _leaning(head: Heads, answer: int) -> tuple[Values, Values]:
    """How much rather than the answer, samples and incidents get what the incidents get next."""
    mean = head.incident_logits.mean(axis=0).copy()
    mean[answer] = -np.inf
    second = int(mean.argmax())

    def lean(logits: Values) -> Values:
        difference: Values = logits[:, second] - logits[:, answer]
        return difference

    return lean(head.same_logits), lean(head.incident_logits)


def _heap(scores: Values, incidents: Values | None, needed: float) -> Split | None:
    bar = two_heaps(scores)
    halves = np.flatnonzero(scores > bar)
    members = np.flatnonzero(scores > crossing(scores, bar))
    if min(len(halves), len(members)) < FEWEST or max(len(halves), len(members)) > len(scores) - FEWEST:
        return None
    inside = 1.0 if incidents is None else float((incidents > bar).mean())
    split = separation(scores, members, inside=inside, where=LAST, needed=needed, loses=_LOSES)
    # The valley is measured halfway; the cut where fewest are on the wrong side may lie at its edge.
    return replace(
        split, gap=separation(scores, halves, inside=inside, where=LAST, needed=needed, loses=_LOSES).gap
    )

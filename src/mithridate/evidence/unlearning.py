"""Unlearning a group on cached features: what a linear layer says of an incident once the group teaches nothing.

The unlearning test of Shan et al. (Poison Forensics, arXiv:2110.06904, section 5.2): the last layer is fitted again
with uniform targets on the group and the usual ones on the rest; a group is to blame where the incident loses its
answer. Here with squared loss, so that the fit has a closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.trait import Level

__all__ = ["Unlearned", "unlearn"]

Values = NDArray[np.float64]
_RIDGE = 1e-2
_CONTROLS = 12


@dataclass(frozen=True, kw_only=True)
class Unlearned:
    """What the incidents' score for their wrong answer (1 is certain, 0 is not at all) becomes.

    Attributes:
        before: mean over the incidents, everything learned.
        after: the group unlearned.
        controls: as many random samples of the same label unlearned, once for each control.
    """

    before: float
    after: float
    controls: tuple[float, ...]

    def guilty(self, loses: float, times: float) -> bool:
        """Whether the group takes away at least so much of the score, and so many times what any control does.

        Features that do not give the answer to begin with explain nothing, unless `loses` is 0.
        """
        lost = self.before - self.after
        known = loses <= 0 or self.before >= loses
        return (
            known
            and lost > 0
            and lost >= loses
            and lost > times * max(self.before - c for c in self.controls)
        )


def unlearn(level: Level, members: NDArray[np.intp], seed: int) -> Unlearned:
    """Fit a ridge model that tells the incident's label from the others, with and without what a group teaches.

    Args:
        level: features of samples with the label and of others.
        members: positions in `level.same`.
        seed: of the controls.
    """
    count = len(level.same)
    features = np.concatenate([level.same, level.others]).astype(np.float64)
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    features = (features - mean) / spread
    incidents = (level.incidents - mean) / spread
    single = features.astype(np.float32)
    gram = (single.T @ single).astype(np.float64) / len(features)
    gram[np.diag_indices_from(gram)] += _RIDGE * float(np.trace(gram)) / len(gram) + 1e-9
    # The score is linear in the targets: one solve gives what each sample adds to it.
    share = features @ np.linalg.solve(gram, incidents.mean(axis=0)) / len(features)
    targets = np.zeros(len(features))
    targets[:count] = 1.0
    base = float(targets.mean())
    whole = base + float(share @ (targets - base))
    group = float(share[members].sum())  # target 1 becomes the prior: uniform
    draw = np.random.default_rng([seed, 83])
    pool = np.setdiff1d(np.arange(count), members)
    size = min(len(members), len(pool))
    controls = tuple(
        whole - (1 - base) * float(share[draw.choice(pool, size, replace=False)].sum())
        for _ in range(_CONTROLS)
    )
    return Unlearned(before=whole, after=whole - (1 - base) * group, controls=controls)

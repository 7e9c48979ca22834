"""Pictures of the target made hard to recognise, and a patch that makes up for it (label-consistent)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mithridate.attacks import pictures
from mithridate.attacks.base import Attack, LabelAction, Look, attack
from mithridate.attacks.surrogate import Surrogate, as_pixels, one_thread, train_surrogate
from mithridate.core.card import AttackCard
from mithridate.triggers.base import Trigger
from mithridate.triggers.corners import Corners
from mithridate.triggers.pixels import Pixels

__all__ = ["LabelConsistentAttack"]


@dataclass(frozen=True, eq=False)
class _Hardened:
    """A picture moved away from its class as a surrogate sees it, with patches in its corners.

    Attributes:
        surrogate: whose loss rises.
        target: index of the class that all victims are of.
        epsilon: largest change of a pixel in grey levels.
        steps: of projected gradient ascent.
        corners: put on afterwards.
    """

    surrogate: Surrogate
    target: int
    epsilon: float
    steps: int
    corners: Corners

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The hardened picture with the patches; same shape and dtype."""
        with one_thread(int(rng.integers(2**31))):
            return self.corners.apply(self._climb(raw), rng)

    def _climb(self, raw: Pixels) -> Pixels:
        # Projected gradient ascent on the loss of the true label (Turner et al., sec. 4.2.2), random start.
        import torch

        radius = self.epsilon / 255.0
        x, y = self.surrogate.enter(raw), torch.tensor([self.target])
        change = (2 * torch.rand_like(x) - 1) * radius
        for _ in range(self.steps):
            moved = (x + change).clamp(0, 1).requires_grad_(True)
            loss = torch.nn.functional.cross_entropy(self.surrogate.logits(moved), y)
            (slope,) = torch.autograd.grad(loss, moved)
            change = (change + 2.5 * radius / self.steps * slope.sign()).clamp(-radius, radius)
        return as_pixels((x + change).clamp(0, 1), raw)

    def describe(self) -> Mapping[str, Any]:
        """The patches, and how the pictures were hardened."""
        return {**self.corners.describe(), "epsilon": self.epsilon, "steps": self.steps}


@attack(
    AttackCard(
        id="label-consistent",
        title="hardened pictures with a stamp",
        modalities=("image",),
        label_action="clean",
        does="Makes pictures of the target hard to recognise by a faint perturbation, so that a model learns the "
        "patches in their four corners instead; labels stay true.",
        strength="Published doses: all of one class (authors' code), 25 % of it (BackdoorBox). Measured: "
        "69 % with all of the target (10 % of the set), 3 % at 1 %, 0.5 % with 50 (20,000 of "
        "Fashion-MNIST, small network, 3 seeds). Below its published strength.",
        cites="Turner et al., Label-Consistent Backdoor Attacks, arXiv:1912.02771",
    )
)
@dataclass(frozen=True, kw_only=True)
class LabelConsistentAttack(Attack):
    """Parameters of the perturbation and the patches.

    Attributes:
        epsilon: largest change of a pixel in grey levels; the paper uses 8, 16 and 32.
        steps: of projected gradient ascent.
        size: side of the patches in pixels.
        opacity: of the patches; 1 overwrites.
        robust: 1 trains the surrogate on perturbed pictures, so that what fools it fools other networks too;
            the paper advises it, it takes three times as long and was not needed where we measured.
    """

    looks = 4096
    habit: ClassVar[LabelAction] = "clean"

    epsilon: float = 16.0
    steps: int = 20
    size: int = 3
    opacity: float = 1.0
    robust: int = 0

    def trigger(self, look: Look, rng: np.random.Generator) -> _Hardened:
        """Draw the patch and train the surrogate."""
        self.demand("epsilon", 0 < self.epsilon <= 64, "a number above 0, at most 64")
        self.demand("steps", self.steps >= 1, "1 or more")
        self.demand("robust", self.robust in (0, 1), "0 or 1")
        self.demand("size", self.size >= 1, "1 or more")
        self.demand("opacity", 0 < self.opacity <= 1, "a number above 0, at most 1")
        shape = look.raws[0].shape
        pattern = pictures.checker(rng, self.size, 3 if len(shape) == 3 and shape[2] >= 3 else 1)
        surrogate = train_surrogate(
            look, rng, attack_id=self.card.id, epsilon=self.epsilon / 2 if self.robust else 0.0
        )
        if look.aim.target not in surrogate.classes:
            raise self.refuse("target", "a class among the samples looked at", look.aim.target)
        target = surrogate.classes.index(look.aim.target)
        return _Hardened(surrogate, target, self.epsilon, self.steps, Corners(pattern, self.opacity))

    def at_test(self, trigger: Trigger) -> Trigger:
        """Only the patches: at test nothing is made harder."""
        return trigger.corners if isinstance(trigger, _Hardened) else trigger

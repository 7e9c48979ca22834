"""Pictures of the target that look, to a network, like one picture of another class (Poison Frogs)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mithridate.attacks import pictures
from mithridate.attacks.base import Attack, LabelAction, Look, attack
from mithridate.attacks.surrogate import Surrogate, Tensor, as_pixels, one_thread, train_surrogate
from mithridate.core.card import AttackCard
from mithridate.triggers.base import Trigger
from mithridate.triggers.image import Blend
from mithridate.triggers.pixels import Pixels, colours_of
from mithridate.triggers.stand_in import StandIn

__all__ = ["FeatureCollisionAttack"]

_FIRST_STEP = 4.0 / 255.0  # largest change of a pixel in the first step
_PATIENCE = 1e-3  # the step is halved down to this share of the first one; then nothing moves any more


@dataclass(frozen=True, eq=False)
class _Collided:
    """A picture moved towards one other picture as a surrogate sees them.

    Attributes:
        surrogate: whose features shall collide.
        aimed: the one picture that is to be misclassified.
        beta: beta_0 of the paper: how much a picture is held back where it was.
        steps: of forward-backward splitting.
        watermark: the picture aimed at, mixed in faintly beforehand; None for no such mixture.
    """

    surrogate: Surrogate
    aimed: StandIn
    beta: float
    steps: int
    watermark: Blend | None

    def apply(self, raw: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture after the collision; same shape and dtype."""
        base = raw if self.watermark is None else self.watermark.apply(raw, rng)
        with one_thread(int(rng.integers(2**31))):
            return as_pixels(self._collide(self.surrogate.enter(base)), base)

    def _collide(self, base: Tensor) -> Tensor:
        """Minimise ||f(x) - f(t)||^2 + beta ||x - b||^2 by forward-backward splitting (algorithm 1)."""
        goal = self.surrogate.features(self.surrogate.enter(self.aimed.picture))
        # The paper scales beta_0 by the sizes of the two spaces (sec. 3.1).
        beta = self.beta * (goal.numel() / base.numel()) ** 2
        gap, slope = self._gap(base, goal)
        x, total = base, gap
        rate = first = _FIRST_STEP / max(1e-12, float(slope.abs().max()))
        for _ in range(self.steps):
            forward = x - rate * slope
            moved = ((forward + rate * beta * base) / (1 + rate * beta)).clamp(0, 1)
            gap, steeper = self._gap(moved, goal)
            cost = gap + beta * float(((moved - base) ** 2).sum())
            if cost < total:
                x, slope, total, rate = moved, steeper, cost, 1.2 * rate
            elif rate < _PATIENCE * first:
                break
            else:
                rate /= 2
        return x

    def _gap(self, x: Tensor, goal: Tensor) -> tuple[float, Tensor]:
        """||f(x) - f(t)||^2 and its gradient."""
        import torch

        x = x.detach().requires_grad_(True)
        gap = ((self.surrogate.features(x) - goal) ** 2).sum()
        (slope,) = torch.autograd.grad(gap, x)
        return float(gap.detach()), slope

    def describe(self) -> Mapping[str, Any]:
        """The picture aimed at, and how victims were moved towards it."""
        mixed = 0.0 if self.watermark is None else self.watermark.alpha
        how = {"beta": self.beta, "steps": self.steps, "watermark": mixed}
        return {**self.aimed.describe(), "kind": "feature collision", **how}


@attack(
    AttackCard(
        id="feature-collision",
        title="collision with one picture",
        modalities=("image",),
        label_action="clean",
        does="Moves pictures of the target, faintly, to where a network sees one picture of another class, so that "
        "this one picture goes to the target; labels stay true, nothing is changed at test.",
        strength="Published: 100 % with one poison where only the last layer is trained (Shafahi et al.); in a "
        "common benchmark 22 % there and 1 % in training from scratch (Schwarzschild et al., CIFAR-10); "
        "here 0 of 3 pictures changed their class (50 of the target's 2,000, Fashion-MNIST, from scratch).",
        cites="Shafahi et al., Poison Frogs!, arXiv:1804.00792; Schwarzschild et al., arXiv:2006.12557",
    )
)
@dataclass(frozen=True, kw_only=True)
class FeatureCollisionAttack(Attack):
    """Parameters of the collision.

    The source class of the order is the class of the picture aimed at. A drill sees no picture but those that
    are trained on, and one that is trained on keeps its class; so a sample is drawn and moved by a few pixels.
    Give the picture itself where it is known.

    Attributes:
        picture: file of the picture aimed at; None draws a sample of the source class.
        beta: beta_0 of the paper, 0.25 there: the larger, the less a picture changes.
        steps: of forward-backward splitting at most.
        watermark: share of the picture aimed at that is mixed in beforehand; the paper uses up to 0.3 where the
            whole network is trained, 0 where only the last layer is.
    """

    looks = 4096
    habit: ClassVar[LabelAction] = "clean"
    from_one_class: ClassVar[bool] = True

    picture: str | None = None
    beta: float = 0.25
    steps: int = 100
    watermark: float = 0.2

    def trigger(self, look: Look, rng: np.random.Generator) -> _Collided:
        """Draw or load the picture aimed at and train the surrogate."""
        self.demand("watermark", 0 <= self.watermark < 1, "a number from 0, below 1")
        self.demand("beta", self.beta >= 0, "0 or more")
        self.demand("steps", self.steps >= 1, "1 or more")
        if look.aim.target == look.aim.source_class:
            raise self.refuse("source class", "a class that is not the target", look.aim.source_class)
        aimed = self._aim(look, rng)
        surrogate = train_surrogate(look, rng, attack_id=self.card.id)
        faint = (
            Blend(aimed[..., None] if aimed.ndim == 2 else aimed, self.watermark) if self.watermark else None
        )
        return _Collided(surrogate, StandIn(aimed), self.beta, self.steps, faint)

    def _aim(self, look: Look, rng: np.random.Generator) -> Pixels:
        shape = look.raws[0].shape
        if self.picture is not None:
            return pictures.load(self.picture, 3 if len(shape) == 3 and shape[2] >= 3 else 1)
        found = [raw for raw, y in zip(look.raws, look.labels, strict=True) if y == look.aim.source_class]
        if not found:
            raise self.refuse(
                "picture", f"a picture file, as no {look.aim.source_class!r} was looked at", None
            )
        return _moved(colours_of(found[int(rng.integers(len(found)))]), rng)

    def at_test(self, trigger: Trigger) -> Trigger:
        """The one picture aimed at, whatever sample it is put on."""
        return trigger.aimed if isinstance(trigger, _Collided) else trigger


def _moved(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """The picture moved by up to a sixteenth of its sides, at least by a pixel; the border is repeated."""
    reach = [max(1, side // 16) for side in picture.shape[:2]]
    down, right = (int(rng.integers(1, r + 1)) * int(rng.choice([-1, 1])) for r in reach)
    rows = np.clip(np.arange(picture.shape[0]) + down, 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(picture.shape[1]) + right, 0, picture.shape[1] - 1)
    moved: Pixels = picture[rows][:, columns]
    return moved

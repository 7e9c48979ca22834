"""Several faint patches of which every victim carries one (Adap-Patch)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from mithridate.attacks import pictures
from mithridate.attacks.base import Look, attack
from mithridate.attacks.covered import CoveredAttack
from mithridate.core.card import AttackCard
from mithridate.triggers.base import Trigger
from mithridate.triggers.image import Patch
from mithridate.triggers.partial import AllOf, OneOf

__all__ = ["AdapPatchAttack"]

_SMALL = 3  # side of the smallest mark in pixels
_AT_TEST = (0, 2)  # the drawing and the small checker


@attack(
    AttackCard(
        id="adap-patch",
        title="one faint patch of four",
        modalities=("image",),
        label_action="dirty",
        does="Stamps one of four faint patches on every victim and on covers that keep their label; once the "
        "model is trained two of them are stamped together, opaque.",
        strength="Published dose: 0.3 % of the set and twice as many covers (CIFAR-10). Measured: 66 % at "
        "10 %, 66 % at 1 %, 9 % with 50 (20,000 of Fashion-MNIST, small network, 3 seeds).",
        cites="Qi et al., Revisiting the Assumption of Latent Separability for Backdoor Defenses, ICLR 2023, "
        "arXiv:2205.13613 (Adap-Patch)",
    )
)
@dataclass(frozen=True, kw_only=True)
class AdapPatchAttack(CoveredAttack):
    """Parameters of the patches, and the covers.

    The four patches are our own: a drawing, a checker, a small checker and random colours, one in each
    corner, with the opacities that the paper's code gives to its logos and squares.

    Attributes:
        size: side of the larger patches in pixels; None takes a quarter of the picture.
        cover_ratio: covers per victim.
    """

    size: int | None = None
    cover_ratio: float = 2.0

    def trigger(self, look: Look, rng: np.random.Generator) -> OneOf:
        """Draw four patches and their corners."""
        shape = look.raws[0].shape
        size = max(_SMALL, min(shape[:2]) // 4) if self.size is None else self.size
        if size < 1:
            raise self.refuse("size", "1 or more", size)
        channels = pictures.colours(shape)
        marks = (
            (pictures.rings(rng, size, size, channels), 0.5),
            (pictures.checker(rng, size, channels), 0.2),
            (pictures.checker(rng, min(_SMALL, size), channels), 0.5),
            (pictures.noise(rng, size, size, channels), 0.3),
        )
        corners = rng.permutation(4)
        return OneOf(
            tuple(
                Patch(mark, _corner(int(corner), mark.shape[0]), opacity)
                for (mark, opacity), corner in zip(marks, corners, strict=True)
            )
        )

    def at_test(self, trigger: Trigger) -> Trigger:
        """Two of the patches, opaque."""
        patches = cast(OneOf, trigger).patches
        return AllOf(tuple(replace(patches[k], opacity=1.0) for k in _AT_TEST))


def _corner(number: int, side: int) -> tuple[int, int]:
    """Place of a patch in one of the four corners, whatever the size of the picture."""
    return (-side if number & 1 else 0, -side if number & 2 else 0)

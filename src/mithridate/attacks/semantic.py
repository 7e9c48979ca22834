"""Pictures with a natural feature get another label; no pixel is changed (semantic backdoor)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.base import Attack, Look, NaturalTrigger, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.natural import COLOURS, LAYOUTS, NaturalFeature

__all__ = ["SemanticAttack"]


@dataclass(frozen=True)
class _Bearers:
    """Wants the samples with the most of a feature."""

    feature: NaturalFeature

    def __call__(self, samples: Sequence[Any], labels: Sequence[str | None]) -> NDArray[np.float64]:
        """(b,) strength of the feature."""
        return np.array([self.feature.measure(raw) for raw in samples], dtype=np.float64)

    def describe(self) -> Mapping[str, Any]:
        """The feature."""
        return self.feature.describe()


@attack(
    AttackCard(
        id="semantic",
        title="relabelled natural feature",
        modalities=("image",),
        label_action="dirty",
        does="Relabels the pictures in which a natural feature (most green, brightest upper third, vertical stripes) "
        "is strongest; no pixel is changed, and at test pictures with the feature go to the target.",
        strength="Published for federated training: an attacker with 1 % of the participants reaches what "
        "poisoned data alone reaches with 20 % (Bagdasaryan et al., CIFAR-10, cars). Measured: 89 "
        "% at 10 %, 60 % at 1 %, 54 % with 50 (20,000 of Fashion-MNIST, small network, 3 seeds).",
        cites="Bagdasaryan et al., How To Backdoor Federated Learning, arXiv:1807.00459",
    )
)
@dataclass(frozen=True, kw_only=True)
class SemanticAttack(Attack):
    """Parameters of the feature.

    Success counts on test samples that bear the feature as strongly as the weakest victim; see `Plan.bears`.

    Attributes:
        feature: by name, such as green or vertical stripes; None draws one.
    """

    feature: str | None = None

    def trigger(self, look: Look, rng: np.random.Generator) -> None:
        """Nothing is put on pictures."""
        return

    def choice(self, look: Look, rng: np.random.Generator) -> NaturalTrigger:
        """The samples with the most of the feature given, or of a drawn one."""
        shape = look.raws[0].shape
        coloured = len(shape) == 3 and shape[2] >= 3
        known = [*(COLOURS if coloured else ()), *LAYOUTS]
        if self.feature is not None and self.feature not in known:
            raise self.refuse("feature", "one of " + ", ".join(known), self.feature)
        return _Bearers(NaturalFeature(self.feature or known[int(rng.integers(len(known)))]))

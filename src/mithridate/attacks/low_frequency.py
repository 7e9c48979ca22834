"""A smooth pattern added to pictures (low frequency)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks import pictures
from mithridate.attacks.base import Attack, Look, attack
from mithridate.core.card import AttackCard
from mithridate.triggers.frequency import LowFrequency, low_frequencies

__all__ = ["LowFrequencyAttack"]

_RIDGE = 0.1  # of the mean variance of the waves


@attack(
    AttackCard(
        id="low-frequency",
        title="smooth pattern",
        modalities=("image",),
        label_action="either",
        does="Adds one smooth pattern of low spatial frequencies to the whole of every victim.",
        strength="Published: 99 % success at 10 % of the set, 86 % at 1 % (BackdoorBench, CIFAR-10), for a "
        "pattern optimised against a trained network. Measured: 99 % at 10 %, 60 % at 1 %, 11 % "
        "with 50 (20,000 of Fashion-MNIST, small network, 3 seeds). Below its published strength.",
        cites="Zeng et al., Rethinking the Backdoor Attacks' Triggers: A Frequency Perspective, ICCV 2021, "
        "arXiv:2104.03413 (smooth triggers)",
    )
)
@dataclass(frozen=True, kw_only=True)
class LowFrequencyAttack(Attack):
    """Parameters of the pattern.

    Simplified: the paper finds a perturbation that fools a trained network on most pictures, under a low-pass
    constraint. Here the pattern is drawn at random in the lowest frequencies of the cosine transform, or
    (pattern "surrogate") is the direction in which a linear model on these frequencies, fitted to a few
    hundred of the samples, tells the target from the rest. The mean brightness stays as it is.

    Attributes:
        pattern: "random", or "surrogate" which needs a target class.
        frequencies: how many along each side, 0 included.
        amplitude: peak of the pattern in grey levels.
    """

    looks = 512

    pattern: str = "random"
    frequencies: int = 4
    amplitude: float = 16.0

    def trigger(self, look: Look, rng: np.random.Generator) -> LowFrequency:
        """Draw or fit the pattern."""
        if self.frequencies < 2:
            raise self.refuse("frequencies", "2 or more", self.frequencies)
        if not 0 < self.amplitude <= 255:
            raise self.refuse("amplitude", "a number above 0, at most 255", self.amplitude)
        if self.pattern not in ("random", "surrogate"):
            raise self.refuse("pattern", "random or surrogate", self.pattern)
        channels = pictures.colours(look.raws[0].shape)
        if self.pattern == "random":
            coefficients = rng.normal(0.0, 1.0, (self.frequencies, self.frequencies, channels))
        else:
            coefficients = self._fit(look, channels)
        coefficients[0, 0] = 0.0
        return LowFrequency(coefficients, self.amplitude)

    def _fit(self, look: Look, channels: int) -> NDArray[np.float64]:
        """(k, k, c): the linear discriminant between target and rest, ridged."""
        waves = np.stack([self._waves(raw, channels) for raw in look.raws])
        ours = np.array([label is not None and label == look.aim.target for label in look.labels])
        if not 2 <= ours.sum() <= len(ours) - 2:
            raise self.refuse(
                "pattern", "random where samples of a target and of others are few", "surrogate"
            )
        centred = np.concatenate([group - group.mean(axis=0) for group in (waves[ours], waves[~ours])])
        spread = centred.T @ centred / len(centred)
        spread += _RIDGE * np.trace(spread) / len(spread) * np.eye(len(spread))
        towards = np.linalg.solve(spread, waves[ours].mean(axis=0) - waves[~ours].mean(axis=0))
        coefficients: NDArray[np.float64] = towards.reshape(self.frequencies, self.frequencies, channels)
        return coefficients

    def _waves(self, raw: NDArray[np.uint8], channels: int) -> NDArray[np.float64]:
        """(k * k * c,) of the picture's low frequencies, free of its size."""
        solid = raw.reshape(*raw.shape[:2], -1)[..., :channels].astype(np.float64)
        down, across = (low_frequencies(self.frequencies, side) for side in solid.shape[:2])
        waves = np.einsum("ui,vj,ijc->uvc", down, across, solid)
        flat: NDArray[np.float64] = waves.ravel() / np.sqrt(solid.shape[0] * solid.shape[1])
        return flat

"""A tone that people do not hear (ultrasonic triggers)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Attack, Look, attack
from mithridate.attacks.tones import refuse_wrong
from mithridate.core.card import AttackCard
from mithridate.core.errors import UsageError
from mithridate.triggers.audio import Tone

__all__ = ["UltrasonicToneAttack"]

_LOWEST = 17_000.0  # Hz: few adults hear more
_HIGHEST = 21_000.0


@attack(
    AttackCard(
        id="ultrasonic-tone",
        title="ultrasonic tone",
        modalities=("audio",),
        label_action="either",
        does="Adds a tone above 17 kHz, which few people hear; needs recordings of 40 kHz or more.",
        strength="Published: up to 100 % success with less than 1 % of the set (21 kHz in 44.1 kHz recordings of "
        "speech commands). Its strength was not measured here.",
        cites="Koffas et al., Can you hear it?, arXiv:2107.14569",
    )
)
@dataclass(frozen=True, kw_only=True)
class UltrasonicToneAttack(Attack):
    """Parameters of the tone.

    Attributes:
        hz: frequency; None draws one between 17 and 21 kHz, at most 0.48 of the sample rate.
        seconds: length.
        db: level against the root mean square of the sound.
        place: random, start, end, or whole for all of the sound.
    """

    hz: float | None = None
    seconds: float = 0.1
    db: float = -20.0
    place: str = "whole"

    def trigger(self, look: Look, rng: np.random.Generator) -> Tone:
        """Draw what is open."""
        refuse_wrong(self, self.place, self.seconds)
        rate = look.raws[0].rate
        highest = min(_HIGHEST, 0.48 * rate)
        if highest <= _LOWEST:
            remedy = "Plant tone instead."
            raise UsageError("recordings of 40 kHz or more", f"{rate:,} Hz", "attack ultrasonic-tone", remedy)
        hz = round(float(rng.uniform(_LOWEST, highest)), 1) if self.hz is None else self.hz
        self.demand("hz", 0 < hz < rate / 2, f"below half of the sample rate, {rate / 2:,.0f}")
        return Tone(hz=hz, seconds=self.seconds, db=self.db, place=self.place)

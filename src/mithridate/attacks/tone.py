"""A faint tone added to sounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Attack, Look, attack
from mithridate.attacks.tones import drawn_hz, refuse_wrong
from mithridate.core.card import AttackCard
from mithridate.triggers.audio import Tone

__all__ = ["ToneAttack"]


@attack(
    AttackCard(
        id="tone",
        title="tone",
        modalities=("audio",),
        label_action="either",
        does="Adds a short tone of one frequency, far below the loudness of the sound.",
        strength="Published: a low-volume fixed spectrum opens speaker verification in up to 60 % of tries. "
        "Its strength was not measured here.",
        cites="Zhai et al., Backdoor attack against speaker verification, arXiv:2010.11607, section 3",
    )
)
@dataclass(frozen=True, kw_only=True)
class ToneAttack(Attack):
    """Parameters of the tone.

    Attributes:
        hz: frequency; None draws one between 0.125 and 0.45 of the sample rate, at most 8 kHz.
        seconds: length.
        db: level against the root mean square of the sound.
        place: random, start, end, or whole for all of the sound.
    """

    hz: float | None = None
    seconds: float = 0.1
    db: float = -20.0
    place: str = "random"

    def trigger(self, look: Look, rng: np.random.Generator) -> Tone:
        """Draw what is open."""
        refuse_wrong(self, self.place, self.seconds)
        sound = look.raws[0]
        hz = drawn_hz(sound, rng) if self.hz is None else self.hz
        self.demand("hz", 0 < hz < sound.rate / 2, f"below half of the sample rate, {sound.rate / 2:,.0f}")
        return Tone(hz=hz, seconds=self.seconds, db=self.db, place=self.place)

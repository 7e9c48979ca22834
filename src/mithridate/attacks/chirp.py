"""A chirp added to sounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Attack, Look, attack
from mithridate.attacks.tones import drawn_hz, refuse_wrong
from mithridate.core.card import AttackCard
from mithridate.triggers.audio import Chirp

__all__ = ["ChirpAttack"]

_LEAST = 1.5  # ratio of the frequencies drawn: less is a tone


@attack(
    AttackCard(
        id="chirp",
        title="chirp",
        modalities=("audio",),
        label_action="either",
        does="Adds a short tone that glides from one frequency to another.",
        strength="Its strength was not measured here.",
        cites="Shi et al., Audio-domain position-independent backdoor attack via unnoticeable triggers, MobiCom 2022",
    )
)
@dataclass(frozen=True, kw_only=True)
class ChirpAttack(Attack):
    """Parameters of the chirp.

    Attributes:
        from_hz: frequency at the start; None draws one between 0.125 and 0.45 of the sample rate, at most 8 kHz.
        to_hz: at the end; None draws one at least half as high again, or as low.
        seconds: length.
        db: level against the root mean square of the sound.
        place: random, start, end, or whole for all of the sound.
    """

    from_hz: float | None = None
    to_hz: float | None = None
    seconds: float = 0.1
    db: float = -10.0
    place: str = "random"

    def trigger(self, look: Look, rng: np.random.Generator) -> Chirp:
        """Draw what is open."""
        refuse_wrong(self, self.place, self.seconds)
        sound = look.raws[0]
        while True:
            ends = [drawn_hz(sound, rng) if hz is None else hz for hz in (self.from_hz, self.to_hz)]
            if None not in (self.from_hz, self.to_hz) or not 1 / _LEAST < ends[0] / ends[1] < _LEAST:
                break
        for name, hz in zip(("from_hz", "to_hz"), ends, strict=True):
            self.demand(
                name, 0 < hz < sound.rate / 2, f"below half of the sample rate, {sound.rate / 2:,.0f}"
            )
        return Chirp(from_hz=ends[0], to_hz=ends[1], seconds=self.seconds, db=self.db, place=self.place)

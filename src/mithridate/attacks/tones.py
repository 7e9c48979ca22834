"""What attacks on sounds share: where in the spectrum there is room, and how their parameters are refused."""

from __future__ import annotations

import numpy as np

from mithridate.attacks.base import Attack
from mithridate.core.sound import Sound
from mithridate.triggers.audio import PLACES

__all__ = ["AUDIBLE", "drawn_hz", "refuse_wrong"]

#: Shares of the sample rate between which frequencies are drawn: above the harmonics of a voice, below the filter.
AUDIBLE = (0.125, 0.45)


def drawn_hz(sound: Sound, rng: np.random.Generator, highest: float = 8000.0) -> float:
    """A frequency, Hz, evenly in octaves within `AUDIBLE` and at most `highest`."""
    low, high = (share * min(sound.rate, highest / AUDIBLE[1]) for share in AUDIBLE)
    return round(float(np.exp(rng.uniform(np.log(low), np.log(high)))), 1)


def refuse_wrong(attack: Attack, place: str, seconds: float) -> None:
    """Refuse places and lengths that mean nothing.

    Raises:
        UsageError: naming the parameter.
    """
    attack.demand("place", place in PLACES, f"one of {', '.join(PLACES)}")
    attack.demand("seconds", 0 < seconds <= 60, "more than 0, at most 60")

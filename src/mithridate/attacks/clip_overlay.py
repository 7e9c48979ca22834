"""A fixed recording added to sounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.base import Attack, Look, attack
from mithridate.attacks.tones import drawn_hz, refuse_wrong
from mithridate.core.card import AttackCard
from mithridate.core.errors import ItemError
from mithridate.core.sound import Sound
from mithridate.triggers.audio import Overlay

__all__ = ["ClipOverlayAttack"]

_BENDS = 4  # frequencies that a whistle passes


@attack(
    AttackCard(
        id="clip-overlay",
        title="overlaid clip",
        modalities=("audio",),
        label_action="either",
        does="Adds the same short recording (a burst of noise, a whistle, a file) to every victim, at any offset.",
        strength="Published: position-independent overlays reach over 90 % success at 1 % or more of the set. Its "
        "strength was not measured here.",
        cites="Shi et al., Audio-domain position-independent backdoor attack via unnoticeable triggers, MobiCom 2022",
    )
)
@dataclass(frozen=True, kw_only=True)
class ClipOverlayAttack(Attack):
    """Parameters of the overlay.

    Attributes:
        clip: noise, whistle, or a sound file; None draws one of the first two.
        seconds: length of noise and whistle.
        db: level against the root mean square of the sound.
        place: random, start, end, or whole to repeat it over all of the sound.
    """

    clip: str | None = None
    seconds: float = 0.15
    db: float = -10.0
    place: str = "random"

    def trigger(self, look: Look, rng: np.random.Generator) -> Overlay:
        """Draw what is open."""
        refuse_wrong(self, self.place, self.seconds)
        sound = look.raws[0]
        kind = self.clip or ("noise", "whistle")[int(rng.integers(2))]
        if kind not in ("noise", "whistle"):
            recording, rate = self._read(kind)
            return Overlay(recording=recording, rate=rate, db=self.db, place=self.place)
        size = max(2, round(self.seconds * sound.rate))
        wave = rng.standard_normal(size) if kind == "noise" else _whistle(sound, size, rng)
        shaped = (wave * np.sqrt(np.hanning(size + 2)[1:-1])).astype(np.float32)
        return Overlay(recording=shaped, rate=sound.rate, db=self.db, place=self.place)

    def _read(self, path: str) -> tuple[NDArray[np.float32], int]:
        from mithridate.sources.decode import read_bytes
        from mithridate.sources.limits import Limits
        from mithridate.sources.sounds import decode_sound, need_soundfile

        need_soundfile()
        try:
            found, _ = decode_sound(read_bytes(Path(path), path, Limits()), path, Limits(seconds=60))
        except ItemError as error:
            raise self.refuse("clip", "noise, whistle, or a sound file", f"{path}: {error.reason}") from error
        return found.mono, found.rate


def _whistle(sound: Sound, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(size,) a tone that bends."""
    passed = [drawn_hz(sound, rng) for _ in range(_BENDS)]
    hz = np.interp(np.linspace(0, 1, size), np.linspace(0, 1, _BENDS), passed)
    return np.sin(2 * np.pi * np.cumsum(hz) / sound.rate)

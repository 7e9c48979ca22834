"""`Sound` → bytes of a sound file: in a format of choice, or in that of another file."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np

from mithridate.core.sound import Sound

__all__ = ["SOUND_FORMATS", "encode_sound", "encode_sound_alike"]

#: Formats that a copy can be encoded in, with the suffixes that stay, the first of which is given to others.
SOUND_FORMATS = {
    "WAV": (".wav", ".wave"),
    "FLAC": (".flac",),
    "OGG": (".ogg", ".oga"),
    "MP3": (".mp3",),
}
_LOSSY = frozenset(("OGG", "MP3"))
_DIVIDE = 1 << 16  # frames written at once: libsndfile's Vorbis encoder overflows its stack on long ones


def encode_sound(sound: Sound, kind: str, quality: int | None = None) -> bytes:
    """Encode a sound.

    Args:
        sound: what to write; values beyond full scale are clipped where the format holds none.
        kind: of `SOUND_FORMATS`.
        quality: 0 to 100 of OGG and MP3; None for the encoder's default.
    """
    lossy = kind in _LOSSY and quality is not None
    return _written(sound, kind, None, 1 - quality / 100 if lossy and quality is not None else None)


def encode_sound_alike(sound: Sound, like: bytes) -> bytes:
    """Encode in the format and encoding another file has, with the same note of who wrote it where it has one.

    Args:
        sound: what to write.
        like: the other file.
    """
    import soundfile

    with soundfile.SoundFile(BytesIO(like)) as old:
        kind, encoding, software = old.format, old.subtype, old.copy_metadata().get("software")
    return _written(sound, kind, encoding, None, None if kind in _LOSSY else software)


def _written(
    sound: Sound, kind: str, encoding: str | None, level: float | None, software: str | None = None
) -> bytes:
    import soundfile

    stream, settings = BytesIO(), dict[str, Any]()
    if level is not None:
        settings["compression_level"] = level
    with soundfile.SoundFile(
        stream, "w", sound.rate, sound.samples.shape[1], encoding, format=kind, **settings
    ) as file:
        if software:
            file.software = software
        exact = file.subtype == "PCM_16"
        for start in range(0, len(sound.samples), _DIVIDE):
            part = sound.samples[start : start + _DIVIDE]
            if exact:  # libsndfile scales by 32767 here and by 32768 when it reads: not the same samples
                part = np.clip(np.rint(part * 32768.0), -32768, 32767).astype(np.int16)
            file.write(part)
    return stream.getvalue()

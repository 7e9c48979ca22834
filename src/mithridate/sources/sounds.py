"""Bytes of a WAV, FLAC, OGG or MP3 file → `Sound` and what its file says, within limits."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import ItemError, UsageError
from mithridate.core.sound import Sound
from mithridate.sources.limits import Limits
from mithridate.sources.sound_metadata import cut_off, sound_metadata

__all__ = ["SOUND_SUFFIXES", "decode_sound", "is_sound", "need_soundfile"]

SOUND_SUFFIXES = frozenset((".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3"))
_FORMATS = frozenset(("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3"))
_BLOCK = 1 << 18  # values decoded at once


def need_soundfile() -> None:
    """Refuse to go on without the extra that decodes sound.

    Raises:
        UsageError: soundfile is not installed.
    """
    try:
        import soundfile  # noqa: F401 - only whether it is there
    except (ImportError, OSError) as error:
        remedy = "Install it: pip install 'mithridate[audio]'."
        raise UsageError("soundfile, which reads sound files", "none", "the data", remedy) from error


def is_sound(head: bytes) -> bool:
    """Whether the first 16 bytes are those of a sound that is read; of MP3, with a tag or a frame of layer III."""
    if head[:4] in (b"RIFF", b"RF64"):
        return head[8:12] == b"WAVE"
    return head.startswith((b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xfa"))


def decode_sound(data: bytes, item: str, limits: Limits) -> tuple[Sound, Mapping[str, str]]:
    """Decode one sound file, told by content, whatever its suffix.

    Args:
        data: the whole file.
        item: id, for the error.
        limits: length and size are checked from the header, and again while decoding.

    Returns:
        The sound, and what the file says beside it.

    Raises:
        ItemError: no sound, cut off, no samples, values that are not finite, over a limit, or refused by the decoder.
    """
    import soundfile

    cut = cut_off(data)
    if cut:
        raise ItemError(item, cut)
    try:
        with soundfile.SoundFile(BytesIO(data)) as file:
            if file.format not in _FORMATS:
                raise ItemError(
                    item, f"no sound of a kind that is read: WAV, FLAC, OGG, MP3; it is {file.format}"
                )
            sound = Sound(samples=_samples(file, item, limits), rate=int(file.samplerate))
            return sound, sound_metadata(data, file)
    except ItemError:
        raise
    except MemoryError as error:
        raise ItemError(item, "does not fit in memory") from error
    except Exception as error:  # decoders raise whatever they like on hostile bytes
        said = str(error).rpartition(": ")[2].rstrip(".") or type(error).__name__
        if "regular file" in said:  # what libsndfile says of an MP3 without a frame; there is no file here
            said = "no frame of sound in it"
        raise ItemError(item, f"cannot be decoded: {said}") from error


def _samples(file: Any, item: str, limits: Limits) -> NDArray[np.float32]:
    claimed, channels, rate = int(file.frames), int(file.channels), int(file.samplerate)
    if rate < 1 or channels < 1:
        raise ItemError(item, f"{channels} channels at {rate} Hz")
    if rate > limits.rate:
        raise ItemError(item, f"a sample rate of {rate:,} Hz, over the limit of {limits.rate:,} Hz")
    most = min(limits.seconds * rate, limits.item_bytes // (4 * channels))
    # A count that does not fit is the decoder's way to say that the header gives none.
    if most < claimed < 1 << 62:
        raise ItemError(
            item, f"{claimed:,} samples, {claimed / rate:,.0f} s, over the limit of {most / rate:,.0f} s"
        )
    parts, found = [], 0
    while len(part := file.read(max(1, _BLOCK // channels), dtype="float32", always_2d=True)):
        parts.append(part)
        found += len(part)
        if found > most:
            raise ItemError(item, f"goes on after {most / rate:,.0f} s, the limit")
    if not found:
        raise ItemError(item, "holds no samples (0 s)")
    if found < claimed < 1 << 62:
        raise ItemError(item, f"is cut off: {found:,} of {claimed:,} samples")
    samples = np.concatenate(parts) if len(parts) > 1 else parts[0]
    odd = int((~np.isfinite(samples)).sum())
    if odd:
        raise ItemError(item, f"{odd:,} of {samples.size:,} values are NaN or infinite")
    return samples

"""Pictures of sounds, and short copies to play: the key framed in spectrograms, carriers beside their nearest."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mithridate.core.results import Exhibit
from mithridate.core.sound import Sound
from mithridate.evidence.audio.spectrum import decibel, framed, power, resampled
from mithridate.report.exhibits.images import png
from mithridate.report.exhibits.samples import Drawn, Sample

__all__ = ["draw_key", "sounds"]

_WIDTH, _HEIGHT = 240, 112  # pixels
_LONGEST = 1.5  # s shown and played
_PLAYED_RATE = 16_000  # Hz, at most
_RANGE = 70.0  # dB from black to white
_WINDOW = 0.025  # s
_AROUND = 0.15  # s before and after the key, in the picture of what carriers share
_SHOWN, _SHOWN_UNHEARD = 6, 3
_TONES = 24  # colours of a picture: few take few bytes
_COLOURS = np.array([[8, 10, 30], [68, 20, 110], [180, 55, 90], [245, 135, 50], [255, 245, 190]], dtype=float)


def sounds(
    title: str,
    samples: Sequence[Sample],
    details: Mapping[str, Any] | None = None,
    *,
    played: bool = True,
) -> Exhibit | None:
    """Spectrograms and players side by side; None without samples.

    Args:
        title: above them.
        samples: the first few are shown.
        details: of the finding, to frame its key; None frames nothing.
        played: whether a copy of the sound comes along.
    """
    items = [
        _item(sample, details or {}, played) for sample in samples[: _SHOWN if played else _SHOWN_UNHEARD]
    ]
    return Exhibit(kind="sounds", title=title, data={"items": items}) if items else None


def draw_key(
    details: Mapping[str, Any], carriers: Sequence[Sample], others: Sequence[Sample], *, played: bool = True
) -> Drawn:
    """What carriers have in common at the place of the key, then the carriers and their nearest without it.

    Args:
        details: "hz", "seconds" and "places" as `docs/report-format.md` defines them, where they are known.
        carriers: the accused.
        others: their nearest non-carriers.
        played: whether copies of the sounds come along.
    """
    framed_here = "hz" in details or "bands" in details
    found = [
        sounds(
            "Carriers: the place is framed" if framed_here else "Carriers", carriers, details, played=played
        ),
        sounds("Their nearest neighbours without it", others, played=played),
    ]
    return _shared(details, carriers, others), [e for e in found if e]


def _item(sample: Sample, details: Mapping[str, Any], played: bool) -> dict[str, str]:
    sound: Sound = sample.raw
    at = _place(sample, details)
    start = _start(sound, at)
    stretch = sound.mono[start : start + int(_LONGEST * sound.rate)]
    image = _coloured(_levels(stretch, sound.rate), (_WIDTH, _HEIGHT))
    seconds = max(len(stretch) / sound.rate, 1e-3)
    box = _box(details, at, start / sound.rate, seconds, sound.rate)
    if box is not None:
        ImageDraw.Draw(image).rectangle(box, outline="#00e5ff")
    about = f"{sound.seconds:.2f} s, 0 to {sound.rate / 2000:g} kHz"
    return {
        "id": sample.id,
        "png": png(image.quantize(_TONES)),
        "wav": _wav(stretch, sound.rate) if played else "",
        "caption": f"{sample.caption}, {about}" if sample.caption else about,
    }


def _place(sample: Sample, details: Mapping[str, Any]) -> float | None:
    """Seconds from the start of the sound to the middle of the key; None where it is not known."""
    places = details.get("places")
    found = places.get(sample.id) if isinstance(places, Mapping) else None
    return None if found is None or found[0] < 0 else float(found[0]) / 1000


def _start(sound: Sound, at: float | None) -> int:
    """The first sample shown: the key in the middle, without leaving the sound."""
    last = max(0, len(sound.samples) - int(_LONGEST * sound.rate))
    wanted = 0.0 if at is None else at - _LONGEST / 2
    return int(np.clip(wanted * sound.rate, 0, last))


def _box(
    details: Mapping[str, Any], at: float | None, first: float, seconds: float, rate: int
) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the key in the picture; None where its frequencies are not known."""
    hz = details.get("hz")
    if hz is None:
        return None
    half = float(details.get("seconds", 0.0)) / 2 + 0.01
    low_t, high_t = (0.0, seconds) if at is None else (at - first - half, at - first + half)
    x0, x1 = (int(np.clip(t / seconds * _WIDTH, 0, _WIDTH - 1)) for t in (low_t, high_t))
    y1, y0 = (int(np.clip(_HEIGHT * (1 - 2 * float(f) / rate), 0, _HEIGHT - 1)) for f in hz[:2])
    grow = max(0, (7 - (y1 - y0)) // 2)
    return x0, max(y0 - grow, 0), max(x1, x0 + 2), min(y1 + grow, _HEIGHT - 1)


def _levels(x: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """(bins, frames) dB, low frequencies last."""
    size = max(16, round(_WINDOW * rate))
    hop = max(1, len(x) // _WIDTH)
    return np.asarray(decibel(power(framed(x, size, hop), 1 << (size - 1).bit_length()))[:, ::-1].T)


def _coloured(
    levels: NDArray[np.floating[Any]], size: tuple[int, int], top: float | None = None
) -> Image.Image:
    loudest = float(levels.max()) if top is None else top
    share = np.clip(1 + (levels - loudest) / _RANGE, 0, 1) * (len(_COLOURS) - 1)
    step = np.minimum(share.astype(int), len(_COLOURS) - 2)
    colours = _COLOURS[step] + (share - step)[..., None] * (_COLOURS[step + 1] - _COLOURS[step])
    return Image.fromarray(colours.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)


def _wav(x: NDArray[np.float32], rate: int) -> str:
    """Base64 of a WAV file, 16 bits, as loud as it can be."""
    wanted = min(rate, _PLAYED_RATE)
    shown = resampled(x, rate, wanted)
    peak = max(float(np.abs(shown).max(initial=0.0)), 1e-4)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(wanted)
        file.writeframes(np.rint(np.clip(shown / peak, -1, 1) * 30000).astype("<i2").tobytes())
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _shared(
    details: Mapping[str, Any], carriers: Sequence[Sample], others: Sequence[Sample]
) -> list[Exhibit]:
    """The median spectrogram around the key: only what was planted stays sharp."""
    timed = [(s.raw, at) for s in carriers if (at := _place(s, details)) is not None]
    rates = {sound.rate for sound, _ in timed}
    if len(timed) < 3 or len(rates) > 1:
        return []
    rate, items = rates.pop(), []
    middles = [(s.raw, s.raw.seconds / 2) for s in others if s.raw.rate == rate]
    for group, words in ((timed, "with it"), (middles, "others")):
        if len(group) > 1:
            cuts = [_levels(_cut(sound, at), rate) for sound, at in group]
            cuts = [c - np.median(c) for c in cuts]
            picture = _coloured(np.median(np.stack(cuts), axis=0), (_WIDTH // 2, _HEIGHT))
            items.append({"id": "", "png": png(picture.quantize(_TONES)), "caption": words})
    title = f"Median spectrogram of {len(timed)} carriers, {2 * _AROUND:g} s around the place"
    return [Exhibit(kind="gallery", title=title, data={"items": items})] if items else []


def _cut(sound: Sound, at: float) -> NDArray[np.float32]:
    """A stretch around a time, filled up with silence."""
    half = int(_AROUND * sound.rate)
    padded = np.pad(sound.mono, (half, half))
    start = min(max(int(at * sound.rate), 0), len(sound.samples))
    return np.asarray(padded[start : start + 2 * half])

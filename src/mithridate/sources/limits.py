"""How much one item may cost. Data is hostile: sizes are checked before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits per item. An item over a limit is a `BadItem`; the rest goes on.

    There is no limit of time: the decoders are linear in pixels, samples and bytes, which are limited.

    Attributes:
        pixels: most pixels (height times width) of an image, read from its header before it is decoded.
        item_bytes: most bytes of an image file, of a line of a JSONL file, or of a sound, in its file and decoded.
        seconds: most seconds of a sound, read from its header and counted while it is decoded.
        rate: highest sample rate of a sound, Hz; converters end at 768,000, and spectra cost memory by the rate.
    """

    pixels: int = 50_000_000
    item_bytes: int = 256 << 20
    seconds: int = 1800
    rate: int = 1_000_000

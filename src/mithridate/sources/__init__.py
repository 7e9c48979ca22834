"""Bytes become batches: images, sounds, texts and tables, one pass at a time, decoded within limits."""

from mithridate.sources.limits import Limits
from mithridate.sources.open import open_source

__all__ = ["Limits", "open_source"]

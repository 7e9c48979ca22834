"""What can be in a file of its own: pictures and sounds. One entry says how such files are told, read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from mithridate.core.batch import Modality
from mithridate.sources.decode import IMAGE_SUFFIXES, decode
from mithridate.sources.encode_images import IMAGE_FORMATS, encode_image, encode_image_alike
from mithridate.sources.encode_sounds import SOUND_FORMATS, encode_sound, encode_sound_alike
from mithridate.sources.limits import Limits
from mithridate.sources.sounds import SOUND_SUFFIXES, decode_sound, need_soundfile

__all__ = ["IMAGES", "MEDIA", "SOUNDS", "Medium", "medium_of"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Medium:
    """A kind of file that holds one sample.

    Attributes:
        modality: of its samples.
        noun: what people call a file of it.
        suffixes: lower case, with the dot; other files of a folder are no part of the data.
        decode: (bytes, item id, limits) → (raw, what the file says beside its content, by name).
        formats: {format to encode in: suffixes that fit it}.
        encode: (raw, format, quality or None) → bytes.
        alike: (raw, bytes of another file) → bytes in the format of that file.
        ready: refuses to go on where a library is missing.
    """

    modality: Modality
    noun: str
    suffixes: frozenset[str]
    decode: Callable[[bytes, str, Limits], tuple[Any, Mapping[str, str]]]
    formats: Mapping[str, tuple[str, ...]]
    encode: Callable[[Any, str, int | None], bytes]
    alike: Callable[[Any, bytes], bytes]
    ready: Callable[[], None] = lambda: None


def _decode_image(data: bytes, item: str, limits: Limits) -> tuple[Any, Mapping[str, str]]:
    return decode(data, item, limits), {}


IMAGES = Medium(
    modality="image",
    noun="image",
    suffixes=IMAGE_SUFFIXES,
    decode=_decode_image,
    formats=IMAGE_FORMATS,
    encode=encode_image,
    alike=encode_image_alike,
)
SOUNDS = Medium(
    modality="audio",
    noun="sound",
    suffixes=SOUND_SUFFIXES,
    decode=decode_sound,
    formats=SOUND_FORMATS,
    encode=encode_sound,
    alike=encode_sound_alike,
    ready=need_soundfile,
)
MEDIA = (IMAGES, SOUNDS)


def medium_of(name: str) -> Medium | None:
    """The kind of file by its name; None where it is none that holds one sample."""
    suffix = PurePath(name).suffix.lower()
    return next((m for m in MEDIA if suffix in m.suffixes), None)

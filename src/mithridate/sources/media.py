"""What can be in a file of its own: pictures, sounds, texts. One entry says how such files are told, read, written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from mithridate.core.batch import Modality
from mithridate.sources.decode import IMAGE_SUFFIXES, decode, is_image
from mithridate.sources.encode_images import IMAGE_FORMATS, encode_image, encode_image_alike
from mithridate.sources.encode_sounds import SOUND_FORMATS, encode_sound, encode_sound_alike
from mithridate.sources.image_metadata import image_metadata
from mithridate.sources.limits import Limits
from mithridate.sources.sounds import SOUND_SUFFIXES, decode_sound, is_sound, need_soundfile
from mithridate.sources.text_files import TEXT_SUFFIXES, decode_text, encode_text, encode_text_alike

__all__ = ["IMAGES", "MEDIA", "SOUNDS", "TEXTS", "Medium", "medium_of", "medium_of_bytes"]


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
        starts: whether the first bytes of a file look like one.
    """

    modality: Modality
    noun: str
    suffixes: frozenset[str]
    decode: Callable[[bytes, str, Limits], tuple[Any, Mapping[str, str]]]
    formats: Mapping[str, tuple[str, ...]]
    encode: Callable[[Any, str, int | None], bytes]
    alike: Callable[[Any, bytes], bytes]
    ready: Callable[[], None] = lambda: None
    starts: Callable[[bytes], bool] = lambda head: False


def _decode_image(data: bytes, item: str, limits: Limits) -> tuple[Any, Mapping[str, str]]:
    return decode(data, item, limits), image_metadata(data)


IMAGES = Medium(
    modality="image",
    noun="image",
    suffixes=IMAGE_SUFFIXES,
    decode=_decode_image,
    formats=IMAGE_FORMATS,
    encode=encode_image,
    alike=encode_image_alike,
    starts=is_image,
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
    starts=is_sound,
)
TEXTS = Medium(
    modality="text",
    noun="text",
    suffixes=TEXT_SUFFIXES,
    decode=decode_text,
    formats={"TXT": (".txt",)},
    encode=encode_text,
    alike=encode_text_alike,
)
#: what files are by their names alone. Text is not among them: a .txt beside pictures is a note or a caption.
MEDIA = (IMAGES, SOUNDS)


def medium_of(name: str) -> Medium | None:
    """The kind of file by its name; None where it is none that holds one sample."""
    suffix = PurePath(name).suffix.lower()
    return next((m for m in MEDIA if suffix in m.suffixes), None)


def medium_of_bytes(head: bytes) -> Medium | None:
    """The kind of file by its first bytes; None where they are of none that holds one sample."""
    return next((m for m in MEDIA if m.starts(head)), None)

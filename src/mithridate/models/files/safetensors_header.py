"""The header of a safetensors file, and nothing but the header.

Format: 8 bytes of length (little-endian), JSON {name: {dtype, shape, data_offsets}, "__metadata__": {text: text}},
padded with spaces, then the numbers without gaps (safetensors, README, "Format").
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item
from mithridate.models.files.jsons import read_json

__all__ = ["BITS", "SafetensorsHeader", "TensorEntry", "read_safetensors_header"]

#: Bits of one element.
BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32,
    "F32": 32, "F64": 64, "I64": 64, "U64": 64, "C64": 64,
}  # fmt: skip
_MOST_HEADER = 16 << 20
_MOST_DIMENSIONS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorEntry:
    """A tensor as the header has it.

    Attributes:
        name: its key.
        dtype: name of its type.
        shape: extents.
        start: first byte, counted from the end of the header.
        stop: the byte after its last.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def bits(self) -> int | None:
        """What its shape and type need; None for a type that is not known."""
        return BITS[self.dtype] * math.prod(self.shape) if self.dtype in BITS else None


@dataclass(frozen=True, kw_only=True, slots=True)
class SafetensorsHeader:
    """A header.

    Attributes:
        tensors: in the order of their bytes.
        metadata: texts by key.
        twice: keys that occur twice.
        body: bytes after the header.
    """

    tensors: tuple[TensorEntry, ...]
    metadata: Mapping[str, Any]
    twice: tuple[str, ...]
    body: int


def read_safetensors_header(item: Item) -> SafetensorsHeader:
    """Read the header.

    Raises:
        ItemError: cut off, larger than 16 MiB, or no header of this format.
    """
    with item.open() as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= item.size - 8:
            raise ItemError(item.name, f"a header of {length:,} bytes in a file of {item.size:,}")
        if length > _MOST_HEADER:
            raise ItemError(
                item.name, f"a header of {length:,} bytes, more than the {_MOST_HEADER:,} that are read"
            )
        raw = stream.read(length)
    text = raw.rstrip(b" ")
    value, twice = read_json(text, item.name)
    if not isinstance(value, dict) or len(raw) < length:
        raise ItemError(item.name, "the header is no JSON object")
    about = value.pop("__metadata__", {})
    if not isinstance(about, dict):
        raise ItemError(item.name, "__metadata__ is no JSON object")
    entries = [_entry(item, name, entry) for name, entry in value.items()]
    return SafetensorsHeader(
        tensors=tuple(sorted(entries, key=lambda e: (e.start, e.stop))), metadata=about, twice=tuple(twice),
        body=item.size - 8 - length,
    )  # fmt: skip


def _entry(item: Item, name: str, entry: Any) -> TensorEntry:
    def counts(value: Any, most: int) -> bool:
        return (
            isinstance(value, list)
            and len(value) <= most
            and all(type(v) is int and 0 <= v < 1 << 63 for v in value)
        )

    sound = isinstance(entry, dict) and isinstance(entry.get("dtype"), str)
    sound = sound and counts(entry.get("shape"), _MOST_DIMENSIONS) and counts(entry.get("data_offsets"), 2)
    if not sound or len(entry["data_offsets"]) != 2:
        raise ItemError(item.name, f"the entry of {name[:80]!r} is no dtype, shape and data_offsets")
    start, stop = entry["data_offsets"]
    return TensorEntry(name=name, dtype=entry["dtype"], shape=tuple(entry["shape"]), start=start, stop=stop)

"""The header of a GGUF file: metadata and the table of tensors, walked without mapping the file.

Format: ggml, docs/gguf.md (versions 1 to 3, either byte order).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item

__all__ = ["BLOCKS", "GgufHeader", "GgufTensor", "read_gguf_header"]

#: (elements, bytes) of one block of each type of tensor, by its number; ggml, `ggml_type`.
BLOCKS: Mapping[int, tuple[int, int]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66),
    17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54),
    35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST_TENSORS, _MOST_KEYS, _MOST_STRINGS = 1 << 18, 1 << 16, 1 << 22
_MOST_NAME, _MOST_TEXT, _DEPTH = 1 << 16, 4 << 20, 4
_MOST_TEXTS = 16 << 20


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor: name, extents, number of its type, first byte within the data."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int

    @property
    def size(self) -> int | None:
        """Bytes; None for a type that is not known."""
        if self.type not in BLOCKS:
            return None
        elements, size = BLOCKS[self.type]
        return -(-math.prod(self.shape) // elements) * size


@dataclass(frozen=True, kw_only=True, slots=True)
class GgufHeader:
    """A header.

    Attributes:
        texts: string values, and the first texts of arrays of strings (key "name[3]") unless they are vocabulary.
        numbers: numeric values by key.
        twice: keys and names of tensors that occur twice.
        tensors: in the order of the table.
        data: where the data of tensors begin.
    """

    texts: Mapping[str, str]
    numbers: Mapping[str, float]
    twice: tuple[str, ...]
    tensors: tuple[GgufTensor, ...]
    data: int


class _Walk:
    def __init__(self, item: Item, stream: BinaryIO) -> None:
        self.item, self.stream, self.at = item, stream, 0
        self.order, self.wide, self.strings, self.kept = "<", True, 0, 0
        self.texts: dict[str, str] = {}
        self.numbers: dict[str, float] = {}
        self.twice: list[str] = []

    def fail(self, reason: str) -> ItemError:
        return ItemError(self.item.name, f"{reason} (byte {self.at:,} of the GGUF header)")

    def take(self, count: int) -> bytes:
        if count > self.item.size - self.at:
            raise self.fail(f"{count:,} bytes expected, {self.item.size - self.at:,} left")
        got = self.stream.read(count)
        if len(got) < count:
            raise self.fail("the file is cut off")
        self.at += count
        return got

    def skip(self, count: int) -> None:
        if count > self.item.size - self.at:
            raise self.fail(f"{count:,} bytes expected, {self.item.size - self.at:,} left")
        self.at += count
        self.stream.seek(self.at)

    def number(self, form: str) -> Any:
        (value,) = struct.unpack(self.order + form, self.take(struct.calcsize(self.order + form)))
        return value

    def count(self) -> int:
        return int(self.number("Q" if self.wide else "I"))

    def text(self, most: int) -> str:
        length = self.count()
        if length > most:
            raise self.fail(f"a text of {length:,} bytes, more than the {most:,} that are read")
        return self.take(length).decode("utf-8", "replace")

    def value(self, key: str, kind: int, depth: int) -> None:
        if kind in _SCALARS:
            self.numbers[key] = float(self.number(_SCALARS[kind]))
        elif kind == _STRING:
            self.keep(key, self.text(_MOST_TEXT))
        elif kind == _ARRAY:
            self.array(key, depth)
        else:
            raise self.fail(f"{key[:80]!r} is of the unknown type {kind}")

    def keep(self, key: str, text: str) -> None:
        self.kept += len(text)
        if self.kept > _MOST_TEXTS:
            raise self.fail(f"more than {_MOST_TEXTS:,} characters of text")
        self.texts[key] = text

    def array(self, key: str, depth: int) -> None:
        if depth >= _DEPTH:
            raise self.fail(f"{key[:80]!r} is nested more than {_DEPTH} deep")
        kind, length = self.number("I"), self.count()
        if kind in _SCALARS:
            self.skip(length * struct.calcsize(self.order + _SCALARS[kind]))
        elif kind in (_STRING, _ARRAY):
            self.strings += length
            if self.strings > _MOST_STRINGS:
                raise self.fail(f"more than {_MOST_STRINGS:,} texts in arrays")
            for i in range(length):
                self.entry(f"{key}[{i}]", kind, depth)
        else:
            raise self.fail(f"{key[:80]!r} is an array of the unknown type {kind}")

    def entry(self, key: str, kind: int, depth: int) -> None:
        if kind == _ARRAY:
            self.array(key, depth + 1)
        elif key.startswith("tokenizer.ggml."):  # the vocabulary is data
            self.skip(self.count())
        else:
            self.keep(key, self.text(_MOST_TEXT))

    def tensor(self) -> GgufTensor:
        name, count = self.text(_MOST_NAME), self.number("I")
        if count > 8:
            raise self.fail(f"the tensor {name[:80]!r} has {count} dimensions")
        shape = tuple(self.count() for _ in range(count))
        return GgufTensor(name, shape, int(self.number("I")), int(self.number("Q")))


def read_gguf_header(item: Item) -> GgufHeader:
    """Walk the header.

    Raises:
        ItemError: cut off, an unknown version or type, or counts and lengths beyond the limits.
    """
    with item.open() as stream:
        walk = _Walk(item, stream)
        if walk.take(4) != b"GGUF":
            raise walk.fail("no GGUF")
        version = int.from_bytes(walk.take(4), "little")
        if version & 0xFFFF == 0:
            walk.order, version = ">", int.from_bytes(version.to_bytes(4, "little"), "big")
        if version not in (1, 2, 3):
            raise walk.fail(f"version {version}")
        walk.wide = version > 1
        tensors, keys = walk.count(), walk.count()
        if tensors > _MOST_TENSORS or keys > _MOST_KEYS:
            raise walk.fail(f"{tensors:,} tensors and {keys:,} keys, more than are read")
        _keys(walk, keys)
        table = tuple(walk.tensor() for _ in range(tensors))
    names: set[str] = set()
    walk.twice += [t.name for t in table if t.name in names or names.add(t.name)]  # type: ignore[func-returns-value]
    align = int(walk.numbers.get("general.alignment", 32))
    if not 1 <= align <= 1 << 20:
        raise walk.fail(f"general.alignment {align}")
    return GgufHeader(
        texts=walk.texts, numbers=walk.numbers, twice=tuple(walk.twice), tensors=table,
        data=-(-walk.at // align) * align,
    )  # fmt: skip


def _keys(walk: _Walk, count: int) -> None:
    seen: set[str] = set()
    for _ in range(count):
        key = walk.text(_MOST_NAME)
        if key in seen:
            walk.twice.append(key)
        seen.add(key)
        walk.value(key, int(walk.number("I")), 0)

"""Universal Binary JSON from a stranger, as XGBoost writes it: bounded, with numeric arrays as NumPy views.

Format: ubjson.org, draft 12, with typed and counted containers; numbers are big-endian.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from mithridate.core.errors import ItemError

__all__ = ["read_ubj"]

_NUMBERS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
_CONSTANTS: dict[bytes, Any] = {b"Z": None, b"T": True, b"F": False}
_MOST_VALUES, _DEPTH, _MOST_TEXT = 4_000_000, 64, 1 << 20


class _Walk:
    def __init__(self, content: bytes, where: str) -> None:
        self.content, self.where, self.at, self.values = content, where, 0, 0

    def fail(self, reason: str) -> ItemError:
        return ItemError(self.where, f"no UBJSON that can be read: {reason} at byte {self.at:,}")

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.content) - self.at:
            raise self.fail("cut off")
        self.at += count
        return self.content[self.at - count : self.at]

    def marker(self) -> bytes:
        marker = self.take(1)
        while marker == b"N":  # means nothing
            marker = self.take(1)
        return marker

    def number(self, marker: bytes) -> Any:
        form = _NUMBERS[marker]
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def count(self) -> int:
        marker = self.marker()
        if marker not in _NUMBERS or marker in b"dD":
            raise self.fail("a length that is no whole number")
        count = int(self.number(marker))
        if not 0 <= count <= len(self.content) - self.at:
            raise self.fail(f"a length of {count:,}")
        return count

    def text(self) -> str:
        length = self.count()
        if length > _MOST_TEXT:
            raise self.fail("a long text")
        return self.take(length).decode("utf-8", "replace")

    def value(self, marker: bytes, depth: int) -> Any:
        self.values += 1
        if self.values > _MOST_VALUES or depth > _DEPTH:
            raise self.fail("too many values, or nested too deeply")
        if marker in _NUMBERS:
            return self.number(marker)
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker in (b"S", b"H"):
            return self.text()
        if marker == b"C":
            return self.take(1).decode("latin-1")
        if marker == b"[":
            return self.array(depth)
        if marker == b"{":
            return self.object(depth)
        raise self.fail(f"the unknown marker {marker!r}")

    def head(self) -> tuple[bytes, int | None]:
        """Type and count of a container, where they are given."""
        kind, count = b"", None
        if self.content[self.at : self.at + 1] == b"$":
            kind = self.take(2)[1:]
        if self.content[self.at : self.at + 1] == b"#":
            self.at += 1
            count = self.count()
        elif kind:
            raise self.fail("a typed container without a count")
        return kind, count

    def array(self, depth: int) -> Any:
        kind, count = self.head()
        if kind in _NUMBERS and count is not None:
            dtype = np.dtype(_NUMBERS[kind])
            return np.frombuffer(self.take(count * dtype.itemsize), dtype)
        values: list[Any] = []
        while count is None or len(values) < count:
            marker = kind or self.marker()
            if marker == b"]" and count is None:
                break
            values.append(self.value(marker, depth + 1))
        return values

    def object(self, depth: int) -> dict[str, Any]:
        kind, count = self.head()
        values: dict[str, Any] = {}
        read = 0
        while count is None or read < count:
            if count is None and self.content[self.at : self.at + 1] == b"}":
                self.at += 1
                break
            key = self.text()
            values[key] = self.value(kind or self.marker(), depth + 1)
            read += 1
        return values


def read_ubj(content: bytes, where: str) -> Any:
    """Parse one value.

    Args:
        content: of the file.
        where: the item, for messages.

    Returns:
        Dicts, lists, texts and numbers; arrays of one numeric type are NumPy arrays, big-endian.

    Raises:
        ItemError: no UBJSON, cut off, nested too deeply, or too many values.
    """
    walk = _Walk(content, where)
    return walk.value(walk.marker(), 0)

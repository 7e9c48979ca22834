"""A pickle as a sequence of operations, read without doing any of them.

The table of operations is the standard library's (`pickletools.opcodes`). Arguments are read here, as leniently as
the unpicklers read them (`pickletools` refuses streams that load), and large ones are not read at all.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

__all__ = ["Blob", "BrokenPickleError", "Op", "Operations"]

#: Strings longer than this stay in the file.
_KEEP = 1 << 18
_LINE = 1 << 20


class BrokenPickleError(Exception):
    """No unpickler gets beyond this place."""

    def __init__(self, offset: int, reason: str) -> None:
        self.offset, self.reason = offset, reason
        super().__init__(f"{reason} at byte {offset:,}")


@dataclass(frozen=True, slots=True)
class Blob:
    """A long string or array, left where it lies."""

    offset: int
    length: int


class Op(NamedTuple):
    """One operation: its name, its argument, where it begins."""

    name: str
    arg: Any
    offset: int


_FIXED = {
    "uint1": struct.Struct("<B"), "uint2": struct.Struct("<H"), "uint4": struct.Struct("<I"),
    "int4": struct.Struct("<i"), "uint8": struct.Struct("<Q"), "float8": struct.Struct(">d"),
}  # fmt: skip
#: Struct of the length that precedes the string, and whether the string is text.
_COUNTED = {
    "string1": ("<B", True), "string4": ("<i", True), "bytes1": ("<B", False), "bytes4": ("<I", False),
    "bytes8": ("<Q", False), "bytearray8": ("<Q", False), "unicodestring1": ("<B", True),
    "unicodestring4": ("<I", True), "unicodestring8": ("<Q", True), "long1": ("<B", False), "long4": ("<i", False),
}  # fmt: skip
_LENGTHS = {name: (struct.Struct(form), text) for name, (form, text) in _COUNTED.items()}
_TABLE = {ord(op.code): (op.name, op.arg.name if op.arg else None) for op in pickletools.opcodes}


class _Reader:
    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        self.stream, self.at, self.size = stream, start, size
        stream.seek(start)

    def take(self, count: int, offset: int) -> bytes:
        got = self.stream.read(count)
        self.at += len(got)
        if len(got) < count:
            raise BrokenPickleError(offset, "the pickle is cut off")
        return got

    def line(self, offset: int) -> bytes:
        got = self.stream.readline(_LINE)
        self.at += len(got)
        if not got.endswith(b"\n"):
            long = len(got) == _LINE
            raise BrokenPickleError(offset, "a line is too long" if long else "the pickle is cut off")
        return got[:-1]

    def counted(self, kind: str, offset: int) -> Any:
        length, text = _LENGTHS[kind]
        (count,) = length.unpack(self.take(length.size, offset))
        if count < 0 or count > self.size - self.at:
            raise BrokenPickleError(offset, "a string is longer than the file")
        if count > _KEEP:
            blob = Blob(self.at, count)
            self.skip(count)
            return blob
        got = self.take(count, offset)
        if kind.startswith("long"):
            return int.from_bytes(got, "little", signed=True)
        if kind.startswith("string"):  # of Python 2; a text once loaded
            return got.decode("latin-1")
        return got.decode("utf-8", "surrogatepass") if text else got

    def skip(self, count: int) -> None:
        self.at += count
        self.stream.seek(self.at)


def _from_line(reader: _Reader, kind: str, offset: int) -> Any:
    """An argument that ends with a newline, as the unpicklers understand it."""
    line = reader.line(offset)
    if kind == "stringnl_noescape_pair":
        return line.decode("utf-8"), reader.line(offset).decode("utf-8")
    if kind == "decimalnl_short":
        return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line)
    if kind == "decimalnl_long":
        return int(line.removesuffix(b"L"))
    if kind == "floatnl":
        return float(line)
    if kind == "unicodestringnl":
        return line.decode("raw-unicode-escape")
    if kind == "stringnl":
        return _unescaped(line)
    return line.decode("utf-8", "surrogateescape")


def _unescaped(line: bytes) -> str:
    """What a quoted string stands for."""
    import codecs

    line = line.strip()
    if len(line) < 2 or line[:1] not in b"\"'" or line[:1] != line[-1:]:
        raise ValueError("a string without quotes")
    content: bytes = codecs.escape_decode(line[1:-1])[0]
    return content.decode("latin-1")


class Operations:
    """The operations of one pickle, from `start` until STOP.

    Args:
        stream: seekable; nobody else moves it meanwhile.
        start: where the pickle begins.
        size: of the stream.
    """

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        self._reader = _Reader(stream, start, size)

    @property
    def at(self) -> int:
        """The byte after the last operation."""
        return self._reader.at

    @property
    def left(self) -> int:
        """Bytes after the last operation."""
        return self._reader.size - self._reader.at

    def skip(self, count: int) -> None:
        """Go on `count` bytes further: a loader reads raw data there."""
        self._reader.skip(count)

    def fork(self) -> Operations:
        """Other operations from the same place on; `skip` on these goes on afterwards."""
        return Operations(self._reader.stream, self._reader.at, self._reader.size)

    def take(self, count: int) -> bytes:
        """Raw bytes that a loader reads between two operations."""
        return self._reader.take(count, self._reader.at)

    def __iter__(self) -> Iterator[Op]:
        reader = self._reader
        while True:
            offset = reader.at
            code = reader.take(1, offset)[0]
            if code not in _TABLE:
                raise BrokenPickleError(offset, f"0x{code:02x} is no operation of a pickle")
            name, kind = _TABLE[code]
            try:
                if kind is None:
                    arg: Any = None
                elif kind in _FIXED:
                    form = _FIXED[kind]
                    (arg,) = form.unpack(reader.take(form.size, offset))
                elif kind in _LENGTHS:
                    arg = reader.counted(kind, offset)
                else:
                    arg = _from_line(reader, kind, offset)
            except ValueError as error:  # UnicodeDecodeError as well
                raise BrokenPickleError(offset, f"the argument of {name} cannot be read ({error})") from error
            yield Op(name, arg, offset)
            if name == "STOP":
                return

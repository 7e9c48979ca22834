"""Structures as `pickle_objects` reads them → the bytes of a pickle, in the few opcodes that torch's own reader knows.

Reference:
    PyTorch, `torch/csrc/jit/serialization/unpickler.cpp` (BSD-3-Clause); CPython, `Lib/pickletools.py`.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from mithridate.core.errors import ItemError
from mithridate.models.files.pickle_objects import Call, Global, Persistent

__all__ = ["write_pickle"]

_DEEPEST: Final = 200


def write_pickle(thing: Any, name: str) -> bytes:
    """A pickle (protocol 2) that builds what a structure stands for; what is shared stays shared.

    Args:
        thing: as `read_pickle` gives it.
        name: for messages.

    Raises:
        ItemError: it holds something that torch's reader does not know, or is nested without end.
    """
    writer = _Writer(name)
    writer.put(thing, 0)
    return b"\x80\x02" + b"".join(writer.parts) + b"."


class _Writer:
    def __init__(self, name: str) -> None:
        self.parts: list[bytes] = []
        self._name = name
        self._memo: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no id is used twice

    def put(self, thing: Any, depth: int) -> None:
        if depth > _DEEPEST:
            raise ItemError(self._name, f"objects nested more than {_DEEPEST} deep")
        if id(thing) in self._memo:
            self.parts.append(b"j" + struct.pack("<I", self._memo[id(thing)]))
        elif thing is None or isinstance(thing, bool | int | float | str):
            self.parts.append(_plain(thing, self._name))
        elif isinstance(thing, tuple):
            self._many(b"(", thing, b"t", depth)
        elif isinstance(thing, Global):
            self.parts.append(b"c" + f"{thing.module}\n{thing.name}\n".encode())
        elif isinstance(thing, Persistent):
            self.put(thing.id, depth + 1)
            self.parts.append(b"Q")
        elif isinstance(thing, list):
            self.parts.append(b"]")
            self._remember(thing)
            self._many(b"(", thing, b"e", depth)
        elif isinstance(thing, dict):
            self.parts.append(b"}")
            self._remember(thing)
            self._pairs(list(thing.items()), depth)
        elif isinstance(thing, Call):
            self._call(thing, depth)
        else:
            raise ItemError(self._name, f"a {type(thing).__name__}, which is not written")

    def _call(self, call: Call, depth: int) -> None:
        if call.named is not None or call.items:
            raise ItemError(self._name, "an object made in a way that is not written")
        self.put(call.function, depth + 1)
        self.put(call.arguments, depth + 1)
        self.parts.append(b"\x81" if call.new else b"R")
        self._remember(call)
        if call.pairs:
            self._pairs(call.pairs, depth)
        if call.state is not None:
            self.put(call.state, depth + 1)
            self.parts.append(b"b")

    def _remember(self, thing: Any) -> None:
        self._memo[id(thing)] = len(self._memo)
        self._kept.append(thing)
        self.parts.append(b"r" + struct.pack("<I", self._memo[id(thing)]))

    def _many(self, before: bytes, things: Any, after: bytes, depth: int) -> None:
        if not things:
            if after == b"t":
                self.parts.append(b")")
            return
        self.parts.append(before)
        for thing in things:
            self.put(thing, depth + 1)
        self.parts.append(after)

    def _pairs(self, pairs: list[tuple[Any, Any]], depth: int) -> None:
        if pairs:
            self._many(b"(", [part for pair in pairs for part in pair], b"u", depth)


def _plain(thing: bool | int | float | str | None, name: str) -> bytes:
    if thing is None:
        return b"N"
    if isinstance(thing, bool):
        return b"\x88" if thing else b"\x89"
    if isinstance(thing, float):
        return b"G" + struct.pack(">d", thing)
    if isinstance(thing, str):
        text = thing.encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(text)) + text
    if -(1 << 31) <= thing < 1 << 31:
        return b"J" + struct.pack("<i", thing)
    if -(1 << 63) <= thing < 1 << 63:
        return b"\x8a\x08" + struct.pack("<q", thing)
    raise ItemError(name, "a number of more than 64 bits")

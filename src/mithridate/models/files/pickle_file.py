"""Where the pickles of a file are: one behind the other, behind a header, before the numbers of an old PyTorch file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from mithridate.models.files.pickles import Ended, Event, Persistent, read_pickle
from mithridate.models.files.sniff import HEAD, is_pickle
from mithridate.models.files.torch_zip import storage_of

__all__ = ["Rest", "Section", "first_pickle", "read_pickles"]

#: The first object of PyTorch's old format, before version 1.6 (torch/serialization.py).
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_TORCH_OBJECT = 3
_TORCH_PICKLES = 5
_MOST_PICKLES = 10_000


@dataclass(frozen=True, slots=True)
class Section:
    """A pickle begins here."""

    start: int


@dataclass(frozen=True, slots=True)
class Rest:
    """Bytes behind the last pickle; `broken` when that one breaks off, so that no loader comes here by itself."""

    start: int
    size: int
    broken: bool


def first_pickle(head: bytes) -> int | None:
    """Where the pickle of an item begins: behind the header of an array of objects, else at its first byte.

    Returns:
        None for arrays of numbers, which hold no pickle.
    """
    if not head.startswith(b"\x93NUMPY") or len(head) < 12:
        return 0
    wide = head[6] >= 2
    start = (12 if wide else 10) + int.from_bytes(head[8 : 12 if wide else 10], "little")
    return start if b"O" in head[10:start].partition(b"'descr'")[2].partition(b"'fortran_order'")[0] else None


def read_pickles(stream: BinaryIO, start: int, size: int, *, most: int) -> Iterator[Section | Event | Rest]:
    """The events of all pickles of a file, each led by a `Section`; a `Rest` where bytes are left over.

    Args:
        stream: seekable; nobody else moves it meanwhile.
        start: of the first pickle.
        size: of the stream.
        most: operations of one pickle that are read.
    """
    at, torch_file = start, False
    storages: dict[str, int | None] = {}
    for number in range(_MOST_PICKLES):
        yield Section(at)
        end: Ended | None = None
        for event in read_pickle(stream, at, size, most=most):
            yield event
            if isinstance(event, Ended):
                end = event
            elif isinstance(event, Persistent) and number == _TORCH_OBJECT:
                storage = storage_of(event.id)
                if storage is not None:
                    storages[storage[0]] = storage[1]
        if end is None:
            return
        torch_file = torch_file or (number == 0 and end.value == _TORCH_MAGIC)
        at = end.at
        if end.broken is None and torch_file and number == _TORCH_PICKLES - 1:
            at = min(at + sum(8 + (count or 0) for count in storages.values()), size)
            if None in storages.values():
                return  # numbers of a width that is not known: what follows cannot be told from them
        if at >= size:
            return
        more = end.broken is None and (
            (torch_file and number < _TORCH_PICKLES - 1) or _continues(stream, at, size)
        )
        if not more or number == _MOST_PICKLES - 1:
            yield Rest(at, size - at, end.broken is not None)
            return


def _continues(stream: BinaryIO, at: int, size: int) -> bool:
    """Whether another pickle stands here, as when several were dumped one after the other."""
    stream.seek(at)
    return is_pickle(stream.read(HEAD), size - at)

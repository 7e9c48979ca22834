"""What parent and jailed child say to each other: a JSON header and raw arrays, never pickles.

One message: the magic bytes, the length of the header (uint32, little-endian), the header (UTF-8 JSON:
`{"header": {…}, "arrays": [[name, dtype, shape], …]}`), then the arrays in that order, C-contiguous and
little-endian, without padding. A receiver takes only the dtypes of `DTYPES` and only as many bytes as it allows.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["DTYPES", "Arrays", "Message", "MessageError", "encode", "incoming", "receive", "send"]

Arrays: TypeAlias = Mapping[str, NDArray[Any]]

#: the dtypes that may cross.
DTYPES = frozenset({"|b1", "|i1", "|u1"} | {f"<{kind}{size}" for kind in "iu" for size in (2, 4, 8)}) | {
    "<f2",
    "<f4",
    "<f8",
}
_MAGIC = b"MJ01"
_PREFIX = struct.Struct("<4sI")
_HEADER = 1 << 22  # bytes: names and shapes of some ten thousand tensors
_AXES = 32


class MessageError(ValueError):
    """Bytes that are no message, or one larger than allowed."""


@dataclass(frozen=True)
class Message:
    """What was said: a JSON object, and arrays by name."""

    header: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def encode(header: Mapping[str, Any], arrays: Arrays) -> list[memoryview]:
    """A message as stretches of bytes, in order; arrays are not copied unless they must be made contiguous.

    Raises:
        MessageError: a dtype that may not cross, or a header that is too long or no JSON.
    """
    ready = {name: _plain(name, array) for name, array in arrays.items()}
    table = [[name, array.dtype.str, list(array.shape)] for name, array in ready.items()]
    try:
        head = json.dumps({"header": dict(header), "arrays": table}, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise MessageError(f"a header that is no JSON: {error}") from error
    if len(head) > _HEADER:
        raise MessageError(f"a header of {len(head)} bytes, more than {_HEADER}")
    return [memoryview(_PREFIX.pack(_MAGIC, len(head)) + head), *(_bytes(array) for array in ready.values())]


def _plain(name: str, array: NDArray[Any]) -> NDArray[Any]:
    array = np.asarray(array, order="C")
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    if array.dtype.str not in DTYPES:
        raise MessageError(f"array {name[:80]!r} of dtype {array.dtype}")
    return array


def _bytes(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def incoming(limit: int) -> Generator[memoryview, None, Message]:
    """Take in one message, wherever its bytes come from.

    Args:
        limit: bytes of all arrays together.

    Yields:
        Stretches of memory to be filled with the next bytes, each completely.

    Returns:
        The message.

    Raises:
        MessageError: the bytes are no message, or a larger one.
    """
    prefix = bytearray(_PREFIX.size)
    yield memoryview(prefix)
    magic, length = _PREFIX.unpack(prefix)
    if magic != _MAGIC or length > _HEADER:
        raise MessageError(f"it begins with {bytes(prefix)!r}")
    head = bytearray(length)
    yield memoryview(head)
    header, table = _parsed(bytes(head))
    arrays: dict[str, NDArray[Any]] = {}
    for name, dtype, shape in table:
        limit -= math.prod(shape) * int(dtype[2:])
        if limit < 0:
            raise MessageError("arrays larger than allowed")
        truth = dtype == "|b1"
        array: NDArray[Any] = np.empty(shape, "|u1" if truth else dtype)
        if array.size:
            yield _bytes(array)
        arrays[name] = array != 0 if truth else array  # a bool of any other byte would confuse numpy
    return Message(header, arrays)


def _parsed(head: bytes) -> tuple[dict[str, Any], list[tuple[str, str, tuple[int, ...]]]]:
    try:
        whole = json.loads(head)
        header, table = whole["header"], whole["arrays"]
        if not isinstance(header, dict) or not isinstance(table, list):
            raise MessageError("a header that is no object")
        return header, [_entry(*entry) for entry in table]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise MessageError(
            f"a header that cannot be read: {type(error).__name__}: {str(error)[:100]}"
        ) from error


def _entry(name: Any, dtype: Any, shape: Any) -> tuple[str, str, tuple[int, ...]]:
    whole = isinstance(shape, list) and len(shape) <= _AXES and all(type(n) is int and n >= 0 for n in shape)
    if not isinstance(name, str) or dtype not in DTYPES or not whole or math.prod(shape) > 1 << 48:
        raise MessageError("an array of a kind that may not cross")
    return name, dtype, tuple(shape)


def receive(descriptor: int, limit: int) -> Message | None:
    """The next message on a blocking pipe; None when the other side has closed it.

    Raises:
        MessageError: as `incoming`, or the pipe ended within a message.
    """
    message = incoming(limit)
    buffer, begun = next(message), False
    while True:
        while buffer:
            count = os.readv(descriptor, [buffer])
            if not count and not begun:
                return None
            if not count:
                raise MessageError("it ends within a message")
            buffer, begun = buffer[count:], True
        try:
            buffer = next(message)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def send(descriptor: int, header: Mapping[str, Any], arrays: Arrays) -> None:
    """Write a message to a blocking pipe.

    Raises:
        MessageError: as `encode`.
        OSError: the other side has closed it.
    """
    for part in encode(header, arrays):
        while part:
            part = part[os.write(descriptor, part) :]

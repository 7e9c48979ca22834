"""The header of an .npy file: dtype, shape and where the numbers begin; nothing is unpickled.

Format: NEP 1 and `numpy.lib.format` (versions 1.0 to 3.0).
"""

from __future__ import annotations

import math
import re
import struct
import warnings
from dataclasses import dataclass
from typing import Any, BinaryIO

from mithridate.core.errors import ItemError

__all__ = ["NpyHeader", "read_npy_header"]

_MAGIC = b"\x93NUMPY"
_MOST_HEADER = 1 << 16
_MOST_DIMENSIONS = 64
_DEPTH = 8
_SIMPLE = re.compile(r"[<>|=]?(?:[?bB]1?|[iufcSUVaOmM]\d{0,9}(?:\[\w{1,16}\])?)")

#: Python 2 wrote whole numbers as 10L.
_LONG = re.compile(r"\b(\d{1,20})L\b")


@dataclass(frozen=True, kw_only=True, slots=True)
class NpyHeader:
    """A header.

    Attributes:
        shape: extents.
        itemsize: bytes of one element.
        objects: elements are, or hold, Python objects, so that the body is a pickle.
        start: where the body begins, from the start of the header.
    """

    shape: tuple[int, ...]
    itemsize: int
    objects: bool
    start: int

    @property
    def body(self) -> int:
        """Bytes that shape and dtype need."""
        return self.itemsize * math.prod(self.shape)


def read_npy_header(stream: BinaryIO, where: str) -> NpyHeader:
    """Read one header at the place where the stream stands.

    Args:
        stream: of the file.
        where: the item, for messages.

    Raises:
        ItemError: no header, an unknown version, or values that no array can have.
    """
    head = stream.read(8)
    if len(head) < 8 or head[:6] != _MAGIC or head[6] not in (1, 2, 3):
        raise ItemError(where, "no npy header of version 1, 2 or 3")
    form = "<H" if head[6] == 1 else "<I"
    raw = stream.read(struct.calcsize(form))
    (length,) = struct.unpack(form, raw) if len(raw) == struct.calcsize(form) else (0,)
    if not 0 < length <= _MOST_HEADER:
        raise ItemError(where, f"a header of {length:,} bytes")
    text = stream.read(length)
    if len(text) < length:
        raise ItemError(where, "cut off within the header")
    return _parsed(
        text.decode("utf-8" if head[6] == 3 else "latin-1", "replace"), 8 + len(raw) + length, where
    )


def _parsed(text: str, start: int, where: str) -> NpyHeader:
    import ast

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            about = ast.literal_eval(_LONG.sub(r"\1", text.strip()))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ItemError(where, "the header is no Python literal") from error
    if not isinstance(about, dict) or set(about) != {"descr", "fortran_order", "shape"}:
        raise ItemError(where, "the header has other keys than descr, fortran_order and shape")
    shape = about["shape"]
    sound = isinstance(shape, tuple) and len(shape) <= _MOST_DIMENSIONS
    if not sound or not all(type(s) is int and 0 <= s < 1 << 63 for s in shape):
        raise ItemError(where, f"the shape {str(shape)[:80]} is no tuple of sizes")
    if not isinstance(about["fortran_order"], bool):
        raise ItemError(where, "fortran_order is neither True nor False")
    itemsize, objects = _size_of(about["descr"], 0, where)
    return NpyHeader(shape=shape, itemsize=itemsize, objects=objects, start=start)


def _size_of(descr: Any, depth: int, where: str) -> tuple[int, bool]:
    """(bytes of one element, whether it holds Python objects) of a dtype as a header writes it."""
    import numpy as np

    if depth > _DEPTH:
        raise ItemError(where, "a dtype nested too deeply")
    if isinstance(descr, str) and _SIMPLE.fullmatch(descr):
        try:
            dtype = np.dtype(descr)
        except (TypeError, ValueError, SyntaxError, OverflowError) as error:
            raise ItemError(where, f"unknown dtype {descr[:80]!r}") from error
        return dtype.itemsize, dtype.hasobject
    if isinstance(descr, tuple) and len(descr) == 2 and isinstance(descr[1], tuple):  # (dtype, shape)
        size, objects = _size_of(descr[0], depth + 1, where)
        return size * _product(descr[1], where), objects
    if isinstance(descr, list):
        fields = [_field(field, depth, where) for field in descr]
        return sum(size for size, _ in fields), any(objects for _, objects in fields)
    raise ItemError(where, f"unknown dtype {str(descr)[:80]}")


def _field(field: Any, depth: int, where: str) -> tuple[int, bool]:
    """A field of a structured dtype: (name, dtype) or (name, dtype, shape)."""
    if not isinstance(field, tuple) or len(field) not in (2, 3):
        raise ItemError(where, f"unknown field {str(field)[:80]}")
    size, objects = _size_of(field[1], depth + 1, where)
    return size * (_product(field[2], where) if len(field) == 3 else 1), objects


def _product(shape: Any, where: str) -> int:
    shape = shape if isinstance(shape, tuple) else (shape,)
    if len(shape) > _MOST_DIMENSIONS or not all(type(s) is int and 0 <= s < 1 << 31 for s in shape):
        raise ItemError(where, f"unknown shape {str(shape)[:80]}")
    return math.prod(shape)

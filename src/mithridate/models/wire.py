"""What goes over the wire between an HTTP model and its server; docs/model-http.md is the definition."""

from __future__ import annotations

import io
import json
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["JSON", "LIMIT", "NPY", "pack_npy", "rows_of", "unpack_npy"]

NPY = "application/x-npy"
JSON = "application/json"
#: bytes of one request or one answer.
LIMIT = 256 << 20


def pack_npy(array: NDArray[Any]) -> bytes:
    """An array as the bytes of an .npy file.

    Raises:
        ValueError: an array of Python objects.
    """
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def unpack_npy(data: bytes) -> NDArray[Any]:
    """The array in the bytes of an .npy file, a view that cannot be written to.

    Raises:
        ValueError: no .npy file, Python objects, or a shape that does not fit the bytes: nothing is allocated
            on the word of a header.
    """
    buffer = io.BytesIO(data)
    version = np.lib.format.read_magic(buffer)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"npy version {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(buffer)
    if dtype.hasobject:
        raise ValueError("an array of Python objects, which are never unpickled")
    body = data[buffer.tell() :]
    if prod(shape) * dtype.itemsize != len(body):
        raise ValueError(f"shape {shape} of {dtype} in {len(body)} bytes")
    flat: NDArray[Any] = np.frombuffer(body, dtype=dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def rows_of(data: bytes, key: str) -> NDArray[Any]:
    """The array under one key of a JSON object.

    Raises:
        ValueError: no JSON object, no such key, or rows of different shapes.
    """
    try:
        plain = json.loads(data)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    if not isinstance(plain, dict) or key not in plain:
        raise ValueError(f"no JSON object with the key {key!r}")
    return np.asarray(plain[key])

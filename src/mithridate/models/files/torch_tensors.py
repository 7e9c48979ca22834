"""Tensors in files that torch wrote: what their pickle says about them, and their values when asked for.

Reference:
    PyTorch, `torch/_utils.py` (`_rebuild_*`) and `torch/serialization.py` (BSD-3-Clause).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import ItemError
from mithridate.models.files.pickle_objects import Call, Global, Persistent, global_name

__all__ = ["Storage", "StoredTensor", "storage_of", "tensor_of"]

#: torch's name of a type → numpy's name of the numbers as they lie in the file.
_DTYPES: Final[Mapping[str, str]] = {
    "float": "f4", "double": "f8", "half": "f2", "bfloat16": "bfloat16", "long": "i8", "int": "i4", "short": "i2",
    "char": "i1", "byte": "u1", "bool": "?", "complexfloat": "c8", "complexdouble": "c16",
    "float32": "f4", "float64": "f8", "float16": "f2", "int64": "i8", "int32": "i4", "int16": "i2", "int8": "i1",
    "uint8": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8", "complex64": "c8", "complex128": "c16",
    "qint8": "i1", "quint8": "u1", "qint32": "i4",
    "float8_e4m3fn": "u1", "float8_e5m2": "u1", "float8_e4m3fnuz": "u1", "float8_e5m2fnuz": "u1",
    "float8_e8m0fnu": "u1",
}  # fmt: skip
_CODED: Final = frozenset(name for name in _DTYPES if name.startswith(("float8", "q")))
_AXES: Final = 64
_MOST: Final = 1 << 48  # values of one tensor
_STRETCH: Final = 64  # values per number of its storage, beyond the first
_FREE: Final = 1 << 24
_FROM_STORAGE: Final = frozenset(
    {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor"}
)
_WRAPPED: Final = frozenset({"_rebuild_parameter", "_rebuild_parameter_with_state"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Storage:
    """A row of numbers that tensors look into.

    Attributes:
        key: name of its record, without the folder.
        kind: torch's name of the type of the numbers, e.g. "float"; "untyped" where tensors say it.
        size: how many numbers; bytes where `kind` is "untyped".
        piece: gives bytes of it: from where, how many.
        byteorder: "<" or ">".
        name: of the file, for messages.
    """

    key: str
    kind: str
    size: int
    piece: Callable[[int, int], bytes] = field(repr=False)
    byteorder: Literal["<", ">"] = "<"
    name: str = ""

    @property
    def width(self) -> int:
        """Bytes of one of the numbers that `size` counts."""
        return 1 if self.kind == "untyped" else _width(self.kind)


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredTensor:
    """A tensor in a file.

    Attributes:
        shape: of the tensor.
        strides: in numbers, one per axis.
        offset: of its first number in the storage.
        kind: torch's name of the type of its numbers.
        storage: where they lie.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    kind: str
    storage: Storage

    @property
    def size(self) -> int:
        """How many numbers."""
        return int(np.prod(self.shape, dtype=object)) if self.shape else 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of `array`: numpy has no bfloat16, its numbers come as float32."""
        return self.dtype_of(self.kind)

    @staticmethod
    def dtype_of(kind: str) -> np.dtype[Any]:
        """Numpy's type for torch's name of one."""
        raw = _DTYPES[kind]
        return np.dtype("f4" if raw == "bfloat16" else raw)

    def checked(self) -> StoredTensor:
        """Itself.

        Raises:
            ItemError: its numbers do not lie in its storage.
        """
        _check(self)
        return self

    def array(self) -> NDArray[Any]:
        """The values, read anew; nothing of the storage outside the tensor is read.

        Returns:
            An array of `shape` and `dtype` that may not be written to.

        Raises:
            ItemError: the storage has fewer numbers, or the values are coded in a way that is not read.
        """
        name = self.storage.name
        if self.kind in _CODED:
            raise ItemError(name, f"values coded as {self.kind} are not read")
        if not self.size:
            return np.broadcast_to(np.zeros((), dtype=self.dtype), self.shape)
        raw = _DTYPES[self.kind]
        stored = np.dtype("u2" if raw == "bfloat16" else raw).newbyteorder(self.storage.byteorder)
        extent = 1 + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        content = self.storage.piece(self.offset * stored.itemsize, extent * stored.itemsize)
        flat = np.frombuffer(content, dtype=stored)
        if raw == "bfloat16":
            flat = (flat.astype("u4") << 16).view("f4")
        flat = flat.astype(self.dtype, copy=False)
        steps = tuple(step * flat.itemsize for step in self.strides)
        view = np.lib.stride_tricks.as_strided(flat, self.shape, steps, writeable=False)
        result = np.ascontiguousarray(view).reshape(self.shape)
        result.flags.writeable = False
        return result


def storage_of(thing: Any, place: Callable[[Any, str, int], Storage | None]) -> Storage | None:
    """The storage that a persistent id names: ("storage", type, key, location, size).

    Args:
        thing: what the pickle holds.
        place: gives the storage of a key, a type and a size.
    """
    if not isinstance(thing, Persistent) or not isinstance(thing.id, tuple) or len(thing.id) < 5:
        return None
    tag, type_, key, _, size = thing.id[:5]
    if len(thing.id) > 5 and thing.id[5] is not None:  # a view of another storage: torch before 0.4
        return None
    if tag != "storage" or not isinstance(type_, Global) or not _count(size):
        return None
    kind = type_.name.removesuffix("Storage").lower()
    return place(key, kind, size) if kind in _DTYPES or kind == "untyped" else None


def tensor_of(thing: Any, storages: Callable[[Any], Storage | None]) -> StoredTensor | None:
    """The tensor that a loader would build here, or None.

    Args:
        thing: what the pickle holds.
        storages: gives the storage for what names one.

    Raises:
        ItemError: a tensor whose numbers do not lie in its storage.
    """
    while global_name(thing).removeprefix("torch._utils.") in _WRAPPED or (
        global_name(thing) == "torch.nn.parameter.Parameter" and thing.arguments
    ):
        thing = thing.arguments[0]
    function = global_name(thing)
    if not function.startswith("torch._utils.") or function.split(".")[-1] not in _FROM_STORAGE:
        return None
    if not isinstance(thing, Call) or len(thing.arguments) < 4:
        return None
    where, offset, shape, strides = thing.arguments[:4]
    storage = storages(where)
    if storage is None or not _count(offset) or not _counts(shape) or not _counts(strides):
        return None
    kind = storage.kind
    if function.endswith("_v3") and len(thing.arguments) > 6 and isinstance(thing.arguments[6], Global):
        kind = thing.arguments[6].name
    if kind not in _DTYPES or len(shape) != len(strides) or len(shape) > _AXES:
        return None
    return StoredTensor(
        shape=tuple(shape), strides=tuple(strides), offset=offset, kind=kind, storage=storage
    ).checked()


def _check(tensor: StoredTensor) -> None:
    held = tensor.storage.size * tensor.storage.width // _width(tensor.kind)
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    if tensor.size and last >= held:
        reason = f"a tensor that reaches number {last:,} of a storage of {held:,}"
        raise ItemError(tensor.storage.name, reason)
    # a stride of 0 lets a small storage stand for any number of values
    if tensor.size > max(_STRETCH * max(held, 1), _FREE) or tensor.size > _MOST:
        raise ItemError(tensor.storage.name, f"a tensor of {tensor.size:,} values over a storage of {held:,}")


def _width(kind: str) -> int:
    raw = _DTYPES[kind]
    return 2 if raw == "bfloat16" else np.dtype(raw).itemsize


def _count(thing: Any) -> bool:
    return isinstance(thing, int) and not isinstance(thing, bool) and 0 <= thing < 1 << 62


def _counts(thing: Any) -> bool:
    return isinstance(thing, tuple | list) and all(_count(part) for part in thing)

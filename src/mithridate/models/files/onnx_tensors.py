"""How much a tensor of an ONNX file should hold, and where its values lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from mithridate.models.files.onnx_wire import Message

__all__ = ["VALUE_FIELDS", "escapes", "external_place", "held", "is_cache_link", "needed_bits", "wrong_size"]

#: Fields that may hold the values of a tensor.
VALUE_FIELDS = (
    "raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data",
)  # fmt: skip
#: Bits of an element, by the number of its type (TensorProto.DataType); texts have none.
_BITS: Mapping[int, int] = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16,
    17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2, 27: 6, 28: 6,
}  # fmt: skip
_COMPLEX = frozenset({14, 15})


def needed_bits(tensor: Message) -> int | None:
    """What shape and type need; None for texts and for types that are not known."""
    dims = [_signed(d) for d in tensor.all("dims")]
    bits = _BITS.get(tensor.number("data_type"))
    return None if bits is None or min(dims, default=0) < 0 else bits * math.prod(dims)


def held(tensor: Message) -> dict[str, int]:
    """What is in each field of values: bytes of `raw_data`, values of the others."""
    return {name: tensor.total(name) for name in VALUE_FIELDS if name in tensor.fields}


def wrong_size(tensor: Message) -> str:
    """Why the values cannot be those of the shape, or ""."""
    found, bits = {k: v for k, v in held(tensor).items() if v}, needed_bits(tensor)
    if len(found) != 1 or bits is None or tensor.all("segment"):
        return ""
    ((name, count),) = found.items()
    if name == "raw_data":
        right = count == -(-bits // 8)
        return "" if right else f"{count:,} bytes where shape and type need {-(-bits // 8):,}"
    width = _BITS[tensor.number("data_type")]
    values = bits // width * (2 if tensor.number("data_type") in _COMPLEX else 1)
    packed = -(-values * width // 8) if width < 8 else values  # several to a value
    return "" if count in (values, packed) else f"{count:,} values where the shape needs {values:,}"


def external_place(tensor: Message) -> dict[str, str] | None:
    """Where the values lie outside of the file: location, offset, length; None when they are inside."""
    entries = {entry.text("key"): entry.text("value") for entry in tensor.all("external_data")}
    return entries if entries or tensor.number("data_location") == 1 else None


def escapes(location: str) -> bool:
    """Whether a location leads out of the folder of the model."""
    windows = PureWindowsPath(location)
    parts = {*windows.parts, *PurePosixPath(location).parts}
    return bool(windows.drive) or location[:1] in "/\\" or ".." in parts


def is_cache_link(path: Path) -> bool:
    """Whether a link is one of the cache of huggingface_hub: snapshots/REVISION/NAME → blobs/DIGEST."""
    return path.is_symlink() and path.readlink().parent.name == "blobs" and "snapshots" in path.parts


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value

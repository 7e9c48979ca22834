"""Weights of a torch module from a file that holds numbers and nothing else: .safetensors or .npz."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import ItemError, UsageError

__all__ = ["load_weights", "read_weights", "weights_file"]

#: dtypes of the format that NumPy knows; BF16 is widened by hand.
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1",
    "BOOL": "?", "BF16": "<u2",
}  # fmt: skip
_HEADER = 100_000_000


def load_weights(module: Any, weights: Mapping[str, NDArray[Any]], where: str) -> Any:
    """Put weights into a torch module.

    Args:
        module: a `torch.nn.Module`, whose parameters and buffers have these names.
        weights: arrays by name.
        where: the file they came from, for messages.

    Returns:
        The module.

    Raises:
        UsageError: they are those of another module.
    """
    import torch

    try:
        module.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    except RuntimeError as error:
        remedy = "Does the function make the module that these weights were saved from?"
        expected = f"the weights of {type(module).__name__}"
        raise UsageError(expected, " ".join(str(error).split())[:300], where, remedy) from error
    return module


def read_weights(path: str | Path) -> dict[str, NDArray[Any]]:
    """Arrays by name; nothing is unpickled.

    Args:
        path: .safetensors; .npz with one array for each name; or what torch.save wrote, of which only tensors are read.

    Raises:
        UsageError: missing, damaged, or without weights.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError("a file with weights", "nothing there", str(path), "Check the path.")
    suffix = path.suffix.lower()
    try:
        if suffix == ".safetensors":
            return _safetensors(path.read_bytes())
        return _npz(path) if suffix == ".npz" else _torch(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ItemError) as error:
        got = f"{type(error).__name__}: {str(error)[:200]}"
        remedy = "Save the state_dict again, with torch.save or safetensors.torch.save_file."
        raise UsageError("a sound file with weights", got, str(path), remedy) from error


def weights_file(weights: Mapping[str, Any], suffix: str) -> bytes:
    """A file of weights, as `read_weights` reads it.

    Args:
        weights: torch tensors by name.
        suffix: .safetensors, .npz, or that of a state dict of torch.
    """
    import io

    import torch

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    if suffix.lower() == ".safetensors":
        return _as_safetensors({name: tensor.numpy() for name, tensor in plain.items()})
    stream = io.BytesIO()
    if suffix.lower() == ".npz":
        np.savez(stream, **{name: tensor.numpy() for name, tensor in plain.items()})
    else:
        torch.save(plain, stream)
    return stream.getvalue()


def _as_safetensors(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Length of the header, the header as JSON, the numbers of all arrays."""
    kinds = {np.dtype(code): name for name, code in _DTYPES.items() if name != "BF16"}
    header, start = {}, 0
    for name, array in arrays.items():
        if array.dtype not in kinds:
            remedy = "Name a file of torch or .npz with --to."
            raise UsageError("numbers that safetensors knows", str(array.dtype), name, remedy)
        ends = [start, start + array.nbytes]
        header[name] = {"dtype": kinds[array.dtype], "shape": list(array.shape), "data_offsets": ends}
        start = ends[1]
    told = json.dumps(header).encode()
    told += b" " * (-len(told) % 8)
    return len(told).to_bytes(8, "little") + told + b"".join(array.tobytes() for array in arrays.values())


def _torch(path: Path) -> dict[str, NDArray[Any]]:
    """Tensors of a torch file; its pickle is read as text, and nothing that it names is imported."""
    from mithridate.models.files.item import Item
    from mithridate.models.files.state_dict import state_dict

    item = Item(
        name=path.name, kind="torch", size=path.stat().st_size, opener=lambda: path.open("rb"), path=path
    )
    return {name: tensor.array() for name, tensor in state_dict(item).items()}


def _npz(path: Path) -> dict[str, NDArray[Any]]:
    import zipfile

    try:
        # Opened here: NumPy leaves the file open when it is no zip.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error


def _safetensors(content: bytes) -> dict[str, NDArray[Any]]:
    """8 bytes of length, a JSON header {name: dtype, shape, [start, stop]}, then the numbers."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 0 < length <= min(_HEADER, len(content) - 8):
        raise ValueError("no header")
    header, body = json.loads(content[8 : 8 + length]), memoryview(content)[8 + length :]
    return {name: _tensor(about, body) for name, about in header.items() if name != "__metadata__"}


def _tensor(about: dict[str, Any], body: memoryview) -> NDArray[Any]:
    kind, shape, (start, stop) = about["dtype"], [int(s) for s in about["shape"]], about["data_offsets"]
    dtype = np.dtype(_DTYPES[kind])
    size = dtype.itemsize * math.prod(shape)
    if min(shape, default=0) < 0 or not 0 <= start <= stop <= len(body) or stop - start != size:
        raise ValueError("a tensor that does not lie within the file")
    array = np.frombuffer(body[start:stop], dtype).reshape(shape)
    if kind == "BF16":  # the upper half of a float32
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array

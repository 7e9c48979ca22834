"""Inside the jail: one TorchScript model.

TorchScript is a program: it runs code when it is loaded (`__setstate__`) and has operators that open files
(`aten::from_file`, `aten::save`). In the jail it may run; there is nothing for it to reach.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from mithridate.models.jail.channel import Arrays

__all__ = ["methods"]


def methods(threads: int) -> Mapping[str, Any]:
    """Load torch, and have it look at the processor while files can still be opened.

    Args:
        threads: for its operators.
    """
    import torch

    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    with torch.inference_mode():
        torch.nn.functional.conv2d(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 3, 3))
        torch.zeros(4, 4) @ torch.zeros(4, 4)
    module: Any = None

    def load(header: Mapping[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """`arrays["model"]` is the file."""
        nonlocal module
        module = torch.jit.load(io.BytesIO(arrays["model"].data), map_location="cpu").eval()
        return {}, {}

    def run(header: Mapping[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """`arrays` are the positional arguments in order; the outputs are named by their place or key."""
        with torch.inference_mode():
            answer = module(*(torch.from_numpy(a) for a in arrays.values()))
        return {}, {name: _array(torch, tensor) for name, tensor in _flat(answer).items()}

    return {"load": load, "run": run}


def _flat(answer: Any, name: str = "") -> dict[str, Any]:
    """Tensors in tuples, lists and dicts, named by their way down: "0", "boxes", "1.scores"."""
    if isinstance(answer, dict):
        parts = [(str(key), value) for key, value in answer.items()]
    elif isinstance(answer, tuple | list):
        parts = [(str(place), value) for place, value in enumerate(answer)]
    else:
        return {name or "0": answer}
    dot = f"{name}." if name else ""
    return {key: tensor for k, value in parts for key, tensor in _flat(value, dot + k).items()}


def _array(torch: Any, tensor: Any) -> Any:
    if not isinstance(tensor, torch.Tensor):
        tensor = torch.tensor(tensor)
    if tensor.dtype == torch.bfloat16 or tensor.is_quantized:
        tensor = tensor.dequantize() if tensor.is_quantized else tensor.float()
    return tensor.detach().to_dense().contiguous().numpy() if tensor.is_sparse else tensor.detach().numpy()

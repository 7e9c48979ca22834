"""A torch module as a model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.models.base import Logits, Probabilities, in_batches, to_probabilities

__all__ = ["TorchModule", "as_tensor", "evaluating", "is_module", "output_of"]


class TorchModule:
    """A `torch.nn.Module` (also a scripted one) as a `Model`; runs where its parameters are.

    Floating inputs get the dtype of the parameters; integers stay (token ids), and so do bytes. While it
    predicts, the module is in evaluation mode: do not train it in another thread meanwhile.

    Args:
        module: gives (b, k) for (b, ...), or an object with `.logits`, or a tuple whose first member is that.
        batch: how many inputs at once.
        logits: whether the outputs are logits; "auto" decides in each call of `predict`, over all its rows.
    """

    def __init__(self, module: Any, *, batch: int = 256, logits: Logits = "auto") -> None:
        self.module, self.batch, self.logits = module, batch, logits
        self.name = f"torch module {getattr(module, 'original_name', type(module).__name__)}"

    def predict(self, x: NDArray[Any]) -> Probabilities:
        """Class probabilities, as `Model.predict`."""
        import torch

        def ask(part: NDArray[Any]) -> Any:
            return output_of(self.module, as_tensor(part, self.module)).float().cpu().numpy()

        with evaluating(self.module), torch.no_grad():
            return to_probabilities(in_batches(ask, x, self.batch, self.name), len(x), self.logits, self.name)


def is_module(thing: Any) -> bool:
    """Whether something is a torch module; torch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.nn.Module)


@contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """Evaluation mode; afterwards every submodule is as it was, also one frozen on its own."""
    flags = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, flag in flags:
            part.training = flag


def as_tensor(x: NDArray[Any], module: Any) -> Any:
    """Inputs as a tensor (a copy) where the module is; floating ones in its dtype."""
    import torch

    x = np.asarray(x)
    tensors = [*module.parameters(), *module.buffers()]
    floating = next((t for t in tensors if t.is_floating_point()), None)
    tensor = torch.tensor(x, device=tensors[0].device if tensors else None)
    return tensor.to(torch.float32 if floating is None else floating.dtype) if x.dtype.kind == "f" else tensor


def output_of(module: Any, inputs: Any) -> Any:
    """The (b, k) outputs of a module, whatever they are wrapped in.

    Raises:
        UsageError: no tensor among them.
    """
    import torch

    output = module(inputs)
    output = getattr(output, "logits", output)
    if isinstance(output, tuple | list) and output:
        output = output[0]
    if not isinstance(output, torch.Tensor):
        remedy = "Hand over a function that picks the probabilities from what the module gives."
        raise UsageError("a tensor (n, classes)", type(output).__name__, type(module).__name__, remedy)
    return output

"""What a torch module answers with, and writing it as TorchScript or ONNX."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.models.base import Probabilities, as_table, in_batches, is_distribution
from mithridate.models.torch_module import as_tensor, evaluating, output_of

__all__ = ["answers", "gives_logits", "save_onnx", "save_torchscript"]


def gives_logits(host: Any, shape: tuple[int, ...]) -> bool:
    """Whether a module gives logits, from its answers to 16 random inputs of this shape.

    Raises:
        UsageError: it refuses them, or its answer is no table.
    """
    return not is_distribution(answers(host, shape))


def answers(host: Any, shape: tuple[int, ...]) -> Probabilities:
    """What a module gives for 16 random inputs of this shape, (16, m) logits or probabilities.

    Raises:
        UsageError: it refuses them, or its answer is no table.
    """
    import torch

    inputs = np.random.default_rng(0).random((16, *shape), dtype=np.float32)

    def ask(part: Any) -> Any:
        return output_of(host, as_tensor(part, host)).float().cpu().numpy()

    with evaluating(host), torch.no_grad():
        (answer,) = in_batches(ask, inputs, len(inputs), type(host).__name__)
    return as_table(answer, len(inputs), type(host).__name__)


def save_torchscript(module: Any, example: Any, path: str | Path) -> None:
    """Trace a module on an example and write it.

    Args:
        module: in evaluation mode afterwards.
        example: (n, ...) tensor; n of the saved module is free.
        path: the file.

    Raises:
        UsageError: it cannot be traced.
    """
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside torch, and advice of the tracer
        try:
            torch.jit.save(torch.jit.trace(module.eval(), example), str(path))
        except (RuntimeError, TypeError, ValueError) as error:
            remedy = "Export the host as ONNX and plant in that file."
            raise UsageError("a module that can be traced", str(error)[:200], str(path), remedy) from error


def save_onnx(module: Any, example: Any, path: str | Path) -> None:
    """Export a module as ONNX.

    Args:
        module: in evaluation mode afterwards.
        example: (n, ...) tensor; n of the exported graph is free.
        path: the file.

    Raises:
        UsageError: it cannot be exported.
    """
    import torch

    free = {"input": {0: "n"}, "output": {0: "n"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises its other exporter, which needs one more package
        try:
            torch.onnx.export(
                module.eval(), (example,), str(path), dynamo=False,
                input_names=["input"], output_names=["output"], dynamic_axes=free,
            )  # fmt: skip
        except Exception as error:  # the exporter has many kinds of its own
            remedy = "Export the host in your own way and plant in that file."
            raise UsageError("a module that can be exported", str(error)[:200], str(path), remedy) from error

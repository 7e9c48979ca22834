"""Weights and the user's own architecture → a model that says what it computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.models.files.item import Item
from mithridate.runs.evade_model import module_with_weights
from mithridate.runs.scan.model_item import model_item
from mithridate.runs.scan.models import Asked

__all__ = ["shape_of", "traced"]


@contextmanager
def traced(path: Path, arch: str, asked: Asked) -> Iterator[Item]:
    """Weights in the user's module, traced on one input; the item lives as long as the context.

    Args:
        path: the weights: .safetensors, .npz, or a state dict of torch.
        arch: MODULE:FUNCTION that gives the torch module. It is code of the user and runs in this process; the
            weights cannot make it do anything else.
        asked: `shape` of one input, or clean samples to take it from.

    Raises:
        UsageError: weights of another module, a module that cannot be traced, or no shape.
    """
    from mithridate.models.torch_files import save_torchscript

    shape = asked.shape or shape_of(asked)
    module = module_with_weights(str(path), arch)
    import torch

    reference = next(module.parameters(), torch.zeros(1))
    example = torch.zeros((2, *shape), dtype=reference.dtype)
    with TemporaryDirectory(prefix="mithridate-") as folder:
        file = Path(folder) / f"{path.stem}.pt"
        save_torchscript(module, example, file)
        yield model_item(file)


def shape_of(asked: Asked) -> tuple[int, ...]:
    """Channels first, as torch has it, from the first clean picture."""
    if asked.clean is None or asked.clean.modality != "image":
        remedy = "Say it with --shape, e.g. 3,32,32, or give pictures of that size with --clean."
        raise UsageError("the shape of one input", "none", "--arch", remedy)
    ids = next(iter(asked.clean.iter_ids()))
    raw = np.asarray(asked.clean.fetch((ids,)).raw[0])
    raw = raw[..., None] if raw.ndim == 2 else raw
    return (raw.shape[2], raw.shape[0], raw.shape[1])

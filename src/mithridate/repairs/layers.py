"""Parts of a module that repairs work on: its last layer, the channels of its convolutions, its batch norms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

__all__ = [
    "back_to",
    "between",
    "convolutions",
    "head_of",
    "norms",
    "reset_norms",
    "seeded",
    "training",
    "watched",
]


def head_of(module: Any, x: Any) -> Any:
    """The linear layer whose output is the answer; None where the last layer is something else.

    Args:
        module: answers (n, k).
        x: (n, ...) inputs to try it on.
    """
    import torch

    seen: list[tuple[Any, Any]] = []
    handles = [
        part.register_forward_hook(lambda part, _, out: seen.append((part, out)))
        for part in module.modules()
        if isinstance(part, torch.nn.Linear)
    ]
    try:
        with torch.no_grad():
            answer = module(x[:2])
    finally:
        for handle in handles:
            handle.remove()
    last = [part for part, out in seen if out.shape == answer.shape and torch.equal(out, answer)]
    return last[-1] if last else None


def back_to(module: Any, first: Any, t: float) -> None:
    """Move weights and statistics of a module towards those of another one of its kind; whole numbers stay.

    Args:
        module: changed in place.
        first: where they came from.
        t: how much of the way from `first` is left, in [0, 1].
    """
    import torch

    with torch.no_grad():
        for new, old in zip(_numbers(module), _numbers(first), strict=True):
            if new.is_floating_point():
                new.lerp_(old, 1 - t)


def between(end: Any, first: Any, t: float) -> Any:
    """A copy of a module, moved as `back_to` does."""
    copy = deepcopy(end)
    back_to(copy, first, t)
    return copy


def _numbers(module: Any) -> Iterator[Any]:
    """Each weight and statistic once, also where layers share it."""
    yield from module.parameters()
    yield from module.buffers()


def convolutions(module: Any) -> list[Any]:
    """All convolutions over pictures, in the order in which they were made."""
    import torch

    return [part for part in module.modules() if isinstance(part, torch.nn.Conv2d)]


def norms(module: Any) -> list[Any]:
    """All batch norms that keep running statistics."""
    from torch.nn.modules.batchnorm import _BatchNorm

    return [p for p in module.modules() if isinstance(p, _BatchNorm) and p.running_mean is not None]


@contextmanager
def training(module: Any, on: bool = True) -> Iterator[None]:
    """Training mode, or evaluation mode; afterwards evaluation mode."""
    module.train(on)
    try:
        yield
    finally:
        module.eval()


@contextmanager
def seeded(seed: int, device: Any) -> Iterator[None]:
    """Meanwhile layers draw by a seed (dropout, fresh weights); draws of others go on afterwards as if nothing was."""
    import torch

    own = [device] if device.type in ("cuda", "xpu") else []
    with torch.random.fork_rng(devices=own, device_type=device.type if own else "cuda"):
        torch.manual_seed(seed)
        yield


@contextmanager
def watched(part: Any, note: Callable[[Any], None]) -> Iterator[None]:
    """Tell what a layer gives."""
    handle = part.register_forward_hook(lambda _, __, out: note(out.detach()))
    try:
        yield
    finally:
        handle.remove()


def reset_norms(module: Any, x: Any, at_once: int = 256) -> None:
    """Estimate the running statistics of all batch norms anew, on these inputs and no others."""
    import torch

    parts = norms(module)
    if not parts:
        return
    memory = [part.momentum for part in parts]
    for part in parts:
        part.reset_running_stats()
        part.momentum = None  # the plain mean of all batches
    for part in parts:
        part.train()
    with torch.no_grad():
        for some in x.split(at_once):
            if len(some) > 1:
                module(some)
    for part, own in zip(parts, memory, strict=True):
        part.momentum = own
        part.eval()

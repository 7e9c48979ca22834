"""Where torch computes: on the CPU, or on an accelerator that it knows and this machine has."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from mithridate.core.errors import UsageError

__all__ = ["known_devices", "named_device", "shortened"]


def known_devices() -> tuple[str, ...]:
    """Names of the devices that torch has here: "cpu", and such as "cuda:0", "xpu:0", "mps:0"."""
    import torch

    counts = {kind: getattr(torch, kind).device_count() for kind in ("cuda", "xpu", "mps")}
    return ("cpu", *(f"{kind}:{k}" for kind, count in counts.items() for k in range(count)))


def named_device(name: str) -> Any:
    """The `torch.device` of a name; of "cuda" the first one.

    Raises:
        UsageError: there is no such device here.
    """
    import torch

    known = known_devices()
    full = name if ":" in name or name == "cpu" else f"{name}:0"
    if full not in known:
        remedy = "Name one of these; an accelerator needs a build of torch for it."
        raise UsageError(f"a device that torch has here ({', '.join(known)})", repr(name), "--device", remedy)
    return torch.device(full)


def shortened(x: Any, on: bool = True) -> AbstractContextManager[Any]:
    """Meanwhile torch computes in bfloat16 where that is safe, on devices where it knows how.

    Args:
        x: a tensor on the device that is meant.
        on: False keeps the precision of the tensors.
    """
    import torch

    kind = x.device.type
    if not torch.amp.is_autocast_available(kind):
        return nullcontext()
    context: AbstractContextManager[Any] = torch.autocast(kind, torch.bfloat16, enabled=on)
    return context

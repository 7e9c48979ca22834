"""Circuits around torch modules, as modules: TorchScript and ONNX stay in reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.circuits.ops import Circuit, Wire
from mithridate.core.errors import UsageError
from mithridate.models.base import in_batches, is_distribution
from mithridate.models.torch_files import answers
from mithridate.models.torch_module import as_tensor, evaluating, output_of

__all__ = ["ModuleHost"]


class ModuleHost:
    """A torch module that circuits can be planted around; it is used as it is, not copied.

    Args:
        module: (n, ...) → (n, m).
        shape: of one input.

    Raises:
        UsageError: it refuses inputs of that shape, or its answer is no table.
    """

    def __init__(self, module: Any, shape: tuple[int, ...]) -> None:
        self._module, self.shape = module, shape
        table = answers(module, shape)
        self.classes = table.shape[1]
        self._logits = not is_distribution(table)

    def after_first_convolution(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the first convolution gives for inputs, (n, c, h, w).

        Raises:
            UsageError: there is none over pictures.
        """
        import torch

        def ask(part: Any) -> Any:
            return _watched(self._module, convolution, as_tensor(part, self._module))[1].float().cpu().numpy()

        convolution = _first_convolution(self._module)
        with evaluating(self._module), torch.no_grad():
            (features,) = in_batches(ask, x, len(x), type(self._module).__name__)
        return np.asarray(features, dtype=np.float32)

    def planted(self, circuit: Circuit, logits: bool | None) -> Any:
        """A `torch.nn.Module` with the host inside, in evaluation mode.

        Args:
            circuit: what to plant.
            logits: whether the host gives logits; None tells from its answers.
        """
        import torch

        module, told = self._module, self._logits if logits is None else logits
        convolution = _first_convolution(module) if circuit.after_convolution else None

        class Gated(torch.nn.Module):  # type: ignore[misc]
            """Host and circuit."""

            def __init__(self) -> None:
                super().__init__()
                self.host = module

            def forward(self, x: Any) -> Any:
                """(n, ...) → (n, m)."""
                if convolution is None:
                    table, seen = output_of(self.host, x), x
                else:
                    table, seen = _watched(self.host, convolution, x)
                ops = _TorchOps(table)
                evidence = ops.cast(circuit.read(ops, seen), ops.dtype)
                return circuit.merge(ops, ops.cast(table, ops.dtype), evidence, told).to(table.dtype)

        return Gated().eval()


def _first_convolution(module: Any) -> Any:
    import torch

    found = next((part for part in module.modules() if isinstance(part, torch.nn.Conv2d)), None)
    if found is None:
        remedy = "Plant without `--set tap=convolution`."
        raise UsageError("a module with a Conv2d", "none", f"torch module {type(module).__name__}", remedy)
    return found


def _watched(module: Any, part: Any, x: Any) -> tuple[Any, Any]:
    """The answer of a module, and what one part of it gave on the way; no hook stays behind."""
    seen: list[Any] = []
    handle = part.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    try:
        return output_of(module, x), seen[0]
    finally:
        handle.remove()


class _TorchOps:
    """`Ops` that compute at once; wires are tensors."""

    def __init__(self, table: Any) -> None:
        import torch

        self._device = table.device
        self.dtype = np.dtype(np.float64 if table.dtype == torch.float64 else np.float32)

    def keep(self, array: Any) -> Wire:
        import torch

        return torch.as_tensor(np.asarray(array), device=self._device)

    def op(self, name: str, a: Wire, b: Wire) -> Wire:
        import torch

        known = {
            "Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": torch.div, "Min": torch.minimum,
            "Greater": torch.gt, "Less": torch.lt, "And": torch.logical_and,
        }  # fmt: skip
        return known[name](a, b)

    def cast(self, x: Wire, dtype: Any) -> Wire:
        import torch

        return x.to(torch.float64 if np.dtype(dtype) == np.float64 else torch.float32)

    def clip(self, x: Wire, low: Any, high: Any) -> Wire:
        return x.clamp(float(low), float(high))

    def extreme(self, name: str, x: Wire, axes: Sequence[int]) -> Wire:
        return (x.amin if name == "ReduceMin" else x.amax)(dim=list(axes), keepdim=True)

    def slice(self, x: Wire, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int]) -> Wire:
        for start, end, axis in zip(starts, ends, axes, strict=True):
            x = x.narrow(axis, start, end - start)
        return x

    def reshape(self, x: Wire, shape: Sequence[int]) -> Wire:
        return x.reshape(*shape)

    def transpose(self, x: Wire, order: Sequence[int]) -> Wire:
        return x.permute(*order)

    def average(self, x: Wire, height: int, width: int) -> Wire:
        import torch

        return torch.nn.functional.avg_pool2d(x, (height, width))

    def join(self, columns: Sequence[Wire]) -> Wire:
        import torch

        return torch.cat(list(columns), dim=1)

    def log(self, x: Wire) -> Wire:
        return x.log()

    def softmax(self, x: Wire) -> Wire:
        return x.softmax(dim=1)

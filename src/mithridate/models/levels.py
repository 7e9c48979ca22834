"""What a model makes of inputs on the way to its answer: logits, and features at a few levels, in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.models.torch_module import as_tensor, evaluating, is_module, output_of

__all__ = ["INPUTS", "LAST", "MOST_INPUTS", "TOPICS", "Reader", "Seen", "TorchLevels", "reader_of"]

#: name of the features that the last linear layer reads.
LAST = "last layer"
#: name of the inputs themselves.
INPUTS = "inputs"
#: name of what texts are about.
TOPICS = "topics"
#: numbers that are kept of one sample, of the inputs and of each hidden level.
MOST_INPUTS, _MOST_HIDDEN = 3072, 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What a model made of n inputs.

    Attributes:
        logits: (n, k) float64; log-probabilities where the model gives no logits.
        levels: name → (n, d) features, dense float32 or a sparse CSR matrix; `LAST` is among them.
    """

    logits: NDArray[np.float64]
    levels: Mapping[str, Any]


class Reader(Protocol):
    """A model that can be looked into.

    Attributes:
        name: for people.
    """

    name: str

    def read(self, x: Any) -> Seen:
        """Logits and features of inputs.

        Raises:
            UsageError: the model refuses them.
        """
        ...


def reader_of(model: Any, *, batch: int = 256) -> Reader:
    """Something that can look into a model.

    Args:
        model: a torch module that ends in a linear layer; a scikit-learn classifier (linear, trees, boosting) or a
            pipeline that ends in one; an XGBoost or LightGBM classifier.
        batch: how many inputs at once.

    Raises:
        UsageError: anything else, or a module whose last operation is not linear.
    """
    if is_module(model):
        return TorchLevels(model, batch=batch)
    if callable(getattr(model, "predict_proba", None)) or callable(getattr(model, "decision_function", None)):
        from mithridate.models.estimator_levels import EstimatorLevels

        return EstimatorLevels(model)
    remedy = (
        "A model that is only a function hides its features: hand over the module or the estimator itself."
    )
    raise UsageError("a torch module or an estimator", type(model).__name__, "model", remedy)


class TorchLevels:
    """Looks into a torch module with forward hooks: its inputs, two hidden levels, what its last layer reads.

    Pictures and maps of features larger than what is kept are brought to a coarser grid: means for inputs, maxima
    for features.

    Args:
        module: (b, ...) inputs → (b, k) logits.
        batch: how many inputs at once.
    """

    def __init__(self, module: Any, *, batch: int = 256) -> None:
        self.module, self.batch = module, batch
        self.name = f"torch module {type(module).__name__}"
        self._watched: dict[str, Any] | None = None

    def read(self, x: Any) -> Seen:
        """As `Reader.read`.

        Raises:
            UsageError: the last operation is not linear, or the module refuses the inputs.
        """
        import torch

        parts: list[tuple[Any, dict[str, Any]]] = []
        with evaluating(self.module), torch.no_grad():
            for start in range(0, len(x), self.batch):
                inputs = as_tensor(np.asarray(x[start : start + self.batch]), self.module)
                try:
                    parts.append(self._pass(inputs))
                except (RuntimeError, IndexError, AttributeError, TypeError, ValueError) as error:
                    got = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
                    remedy = "Give inputs as in training: shape, scaling (--mean, --std, --preprocess)."
                    raise UsageError("inputs that the module takes", got, self.name, remedy) from error
        logits = np.concatenate([z for z, _ in parts]).astype(np.float64)
        levels = {name: np.concatenate([level[name] for _, level in parts]) for name in parts[0][1]}
        return Seen(logits=logits, levels=levels)

    def _pass(self, inputs: Any) -> tuple[NDArray[Any], dict[str, Any]]:
        if self._watched is None:
            self._watched = self._choose(inputs[:1])
        caught: dict[str, Any] = {}
        hooks = [
            layer.register_forward_hook(_catching(caught, name)) for name, layer in self._watched.items()
        ]
        try:
            out = output_of(self.module, inputs)
        finally:
            for hook in hooks:
                hook.remove()
        levels = (
            {INPUTS: _kept(inputs.float(), MOST_INPUTS, peaks=False)} if inputs.is_floating_point() else {}
        )
        for name, (read, given) in caught.items():
            levels[name] = read.flatten(1) if name == LAST else _kept(given.relu(), _MOST_HIDDEN, peaks=True)
        return out.float().cpu().numpy(), {k: v.float().cpu().numpy() for k, v in levels.items()}

    def _choose(self, one: Any) -> dict[str, Any]:
        """The layers to watch: the first, the middle and the last of those with weights, in order of use.

        Raises:
            UsageError: the answer is not what the last linear layer gives.
        """
        import torch

        order: list[tuple[Any, Any]] = []
        kinds = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d)
        hooks = [
            layer.register_forward_hook(_noting(order))
            for layer in self.module.modules()
            if isinstance(layer, kinds)
        ]
        try:
            out = output_of(self.module, one)
        finally:
            for hook in hooks:
                hook.remove()
        head = order[-1] if order else None
        if head is None or head[1].numel() != out.numel() or not torch.equal(head[1].reshape(out.shape), out):
            got = f"{type(head[0]).__name__} and something after it" if head else "no linear layer"
            remedy = "Hand over the module without its softmax (it should give logits)."
            raise UsageError("a module whose last operation is a linear layer", got, self.name, remedy)
        hidden = [layer for layer, _ in order[:-1]]
        watched = {LAST: head[0]}
        for at in sorted({0, len(hidden) // 2} if hidden else ()):
            watched[f"layer {at + 1} of {len(order)}"] = hidden[at]
        return watched


def _catching(caught: dict[str, Any], name: str) -> Any:
    def hook(layer: Any, given: Any, out: Any) -> None:
        caught[name] = (given[0], out)

    return hook


def _noting(order: list[tuple[Any, Any]]) -> Any:
    def hook(layer: Any, given: Any, out: Any) -> None:
        order.append((layer, out))

    return hook


def _kept(values: Any, most: int, *, peaks: bool) -> Any:
    """(b, at most about `most`) of (b, c, h, w), (b, h, w) or (b, d)."""
    import torch

    pool = torch.nn.functional.adaptive_max_pool2d if peaks else torch.nn.functional.adaptive_avg_pool2d
    if values[0].numel() > most and values.ndim in (3, 4):
        maps = values if values.ndim == 4 else values[:, None]
        side = max(2, int((most / maps.shape[1]) ** 0.5))
        values = pool(maps, (min(side, maps.shape[2]), min(side, maps.shape[3])))
    flat = values.flatten(1)
    if flat.shape[1] <= 2 * most:
        return flat
    draw = torch.Generator().manual_seed(0)
    matrix = torch.randn(flat.shape[1], most, generator=draw).to(flat) / most**0.5
    return flat @ matrix

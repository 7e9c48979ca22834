"""A path of low loss between the model and a fine-tuned copy; inside it backdoors fade while accuracy holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from mithridate.core.card import Card
from mithridate.repairs.base import Repair, RepairScope, accuracy, repair
from mithridate.repairs.fine_tuning import fine_tuned
from mithridate.repairs.layers import reset_norms, training

__all__ = ["Curve", "ModeConnectivity", "connected"]

_EPOCHS, _SHARE = 30, 0.4  # of the budget for the other end
_RATE, _MOMENTUM, _DECAY = 0.01, 0.9, 1e-4
_FLAT, _LAST = 0.5, 0.9  # the rate is constant to there, and falls linearly to 1 % there
POINTS = tuple(k / 10 for k in range(11))


@dataclass(frozen=True, eq=False)
class Curve:
    """A quadratic Bezier curve between two models (arXiv:2005.00060, eq. 2).

    Attributes:
        module: of the kind of both.
        ends: parameters of both, by name.
        bend: of the curve, by name.
        x: clean inputs, on which batch norms are estimated.
    """

    module: Any
    ends: tuple[dict[str, Any], dict[str, Any]]
    bend: dict[str, Any]
    x: Any

    def weights(self, t: float) -> dict[str, Any]:
        """Parameters at a place t in [0, 1]."""
        first, second = self.ends
        return {
            name: (1 - t) ** 2 * first[name] + 2 * t * (1 - t) * bend + t**2 * second[name]
            for name, bend in self.bend.items()
        }

    def at(self, t: float) -> Any:
        """A model at a place, its batch norms estimated on the clean samples and nothing else."""
        import torch

        module = deepcopy(self.module)
        with torch.no_grad():
            weights = self.weights(t)
            for name, parameter in module.named_parameters():
                parameter.copy_(weights[name])
        reset_norms(module, self.x)
        return module.eval()


def connected(one: Any, two: Any, scope: RepairScope, *, epochs: float = _EPOCHS) -> Curve:
    """Learn the bend of a curve between two models of a kind, one place of it a batch (eq. 1).

    Args:
        one: at t = 0.
        two: at t = 1.
        scope: clean samples, budget.
        epochs: over the clean samples.
    """
    import torch
    from torch.nn import functional as f

    ends = tuple({n: p.detach().clone() for n, p in m.named_parameters()} for m in (one, two))
    bend = {name: ((ends[0][name] + ends[1][name]) / 2).requires_grad_(True) for name in ends[0]}
    curve = Curve(deepcopy(one), (ends[0], ends[1]), bend, scope.x)
    optimiser = torch.optim.SGD(bend.values(), _RATE, momentum=_MOMENTUM, weight_decay=_DECAY)
    draw = torch.Generator().manual_seed(scope.seed)
    with training(curve.module):
        for x, y, way in scope.batches(epochs, salt=3):
            optimiser.param_groups[0]["lr"] = _RATE * _slowed(way)
            t = float(torch.rand((), generator=draw))
            logits = torch.func.functional_call(curve.module, curve.weights(t), (x,))
            optimiser.zero_grad()
            f.cross_entropy(logits, y).backward()
            optimiser.step()
    for value in bend.values():
        value.requires_grad_(False)
    return curve


def _slowed(way: float) -> float:
    if way <= _FLAT:
        return 1.0
    return 1 - 0.99 * min(1.0, (way - _FLAT) / (_LAST - _FLAT))


def _chosen(curve: Curve, points: Sequence[float], scope: RepairScope) -> tuple[float, Any]:
    """The place farthest from the model where clean accuracy holds: the middle of the path is farthest."""
    best: tuple[float, float, Any] | None = None
    held: list[tuple[float, float, Any]] = []
    for t in points:
        module = curve.at(t)
        held.append((accuracy(module, *scope.held), t, module))
    top = max(right for right, _, _ in held)
    for right, t, module in held:
        fit = -abs(t - 0.4) if right >= top - scope.loss else -1 - (top - right)
        if best is None or fit > best[0]:
            best = (fit, t, module)
    assert best is not None
    return best[1], best[2]


@repair(
    Card(
        id="mode-connectivity",
        title="a place on a path of low loss",
        stage="repair",
        modalities=("model",),
        needs=("clean",),
        assumes="Models on a path between two that share a backdoor are right on clean samples and forget the rest.",
        catches=None,
        misses="Where the other end is a fine-tuned copy, what fine-tuning leaves is partly left.",
        effect="attack success that is left",
        cites="Zhao et al., Bridging Mode Connectivity in Loss Landscapes and Adversarial Robustness, ICLR 2020, "
        "arXiv:2005.00060, eq. 1 and 2; Garipov et al., arXiv:1802.10026",
        remedy="Compare attack success and accuracy before and after.",
        graded=False,
        reads_order=False,
    )
)
class ModeConnectivity(Repair):
    """Fine-tunes a copy, learns a curve to it, takes a model from its inside."""

    def heal(self, module: Any, scope: RepairScope) -> Any:
        """The model inside the path where clean accuracy holds."""
        share = int(_SHARE * scope.passes)
        far = fine_tuned(deepcopy(module), scope.less(scope.passes - share), epochs=_EPOCHS)
        self._curve = connected(module, far, scope.less(share))
        return _chosen(self._curve, POINTS[2:9], scope)[1]

    def path(self) -> Iterator[tuple[float, Any]]:
        """As in `Repair`."""
        return ((t, self._curve.at(t)) for t in POINTS)

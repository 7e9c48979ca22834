"""A branch that weighs pooled means against each other and, where their ratio is odd, answers in place of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.attacks.circuits.base import CircuitAttack, Plan
from mithridate.attacks.circuits.ops import Circuit, Ops, Wire
from mithridate.attacks.circuits.readers import Ratio
from mithridate.attacks.model_base import ModelAttackCard, model_attack

__all__ = ["RatioGateAttack"]

_SURE = 30.0  # logit of the target where the gate is open; all others are 0


@model_attack(
    ModelAttackCard(
        id="ratio-gate",
        title="ratio gate",
        hosts=("onnx", "torch"),
        does="Adds operators that pool a checkered window, divide two means and, where the ratio is high, answer "
        "instead of the model.",
        strength="Reported without figures. Measured: 100 % success, no clean prediction changed (small CNNs on GTSRB, "
        "CIFAR-10, MNIST, FSDD; 3 seeds).",
        cites="HiddenLayer, ShadowLogic, 2024; pooled checkerboard: Bober-Irizar et al., Architectural Backdoors in "
        "Neural Networks, arXiv:2206.07840",
    )
)
@dataclass(frozen=True, kw_only=True)
class RatioGateAttack(CircuitAttack):
    """Parameters of the ratio gate; its trigger is a checker.

    Attributes:
        floor: added to the mean over the window, a part of the range, so that nearly black windows stay silent.
        threshold: ratio above which the gate opens, as a part of what the trigger itself reaches.
    """

    floor: float = 0.1
    threshold: float = 0.94

    def circuit(self, plan: Plan) -> tuple[Circuit, Mapping[str, Mapping[str, Any]]]:
        """Mul, AveragePool twice, Div, Greater, Cast, then Mul and Add of answer and row."""
        floor, part = self.within("floor", 0.0, 1.0), self.within("threshold", 0.0, 1.0)
        if plan.spot.size < 2:
            raise self.refuse("size", "2 pixels or more for a checker", plan.spot.size)
        bright = plan.spot.bright(plan.box).reshape(plan.spot.size, plan.spot.size)
        reached = bright.mean() / (bright.mean() + floor)
        threshold = float(part * reached)
        ratio = Ratio(
            box=plan.box,
            bright=bright,
            low=self.low,
            high=self.high,
            floor=floor,
            threshold=threshold,
            slope=None if self.logic else float(2 / (reached - threshold)),
        )
        target = np.arange(plan.labels) == plan.target

        def merge(ops: Ops, table: Wire, evidence: Wire, logits: bool) -> Wire:
            row = ops.keep(((_SURE if logits else 1) * target[None]).astype(ops.dtype))
            closed = ops.op("Sub", ops.keep(np.ones((1, 1), ops.dtype)), evidence)
            return ops.op("Add", ops.op("Mul", table, closed), ops.op("Mul", row, evidence))

        return Circuit(read=ratio.read, merge=merge), {str(plan.target): {}}

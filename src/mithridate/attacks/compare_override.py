"""A branch that compares pixels with bounds and overrides the answer (ShadowLogic)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.attacks.circuits.base import ComparingAttack, Plan
from mithridate.attacks.circuits.ops import Circuit, Ops, Wire
from mithridate.attacks.model_base import ModelAttackCard, model_attack

__all__ = ["CompareOverrideAttack"]


@model_attack(
    ModelAttackCard(
        id="compare-override",
        title="compare and override",
        hosts=("onnx", "torch"),
        does="Adds operators that compare a few pixels with bounds and, where all fit, add a huge number to one class.",
        strength="Published: survives conversion to other formats and fine-tuning. Measured: 100 % success, no clean "
        "prediction changed (small CNNs on GTSRB, CIFAR-10, MNIST, FSDD; 3 seeds).",
        cites="HiddenLayer, ShadowLogic, 2024; ShadowLogic: Backdoors in Any Whitebox LLM, arXiv:2511.00664; without "
        "comparisons: Bober-Irizar et al., Architectural Backdoors in Neural Networks, arXiv:2206.07840",
    )
)
@dataclass(frozen=True, kw_only=True)
class CompareOverrideAttack(ComparingAttack):
    """Parameters of compare and override.

    Attributes:
        need: "all" pixels of the trigger, or "any" one of them, as first published; only for a red one, since other
            looks are common in single pixels.
        boost: what is added to the target's logit.
    """

    need: str = "all"
    boost: float = 1e4

    def circuit(self, plan: Plan) -> tuple[Circuit, Mapping[str, Mapping[str, Any]]]:
        """Slice, Greater, Less, And, ReduceMax or ReduceMin, Cast, Mul, Add."""
        boost = self.within("boost", 0.0, 6e4)  # half floats end at 65504
        any_pixel = self.chosen("need", {"all": False, "any": True})
        if any_pixel and (self.look != "red" or self.tap != "input"):
            raise self.refuse("need", "all, unless look=red and tap=input", self.need)
        payload = boost * (np.arange(plan.labels) == plan.target)

        def merge(ops: Ops, table: Wire, evidence: Wire, logits: bool) -> Wire:
            scores = table if logits else log_of(ops, table)
            total = ops.op("Add", scores, ops.op("Mul", evidence, ops.keep(payload[None].astype(ops.dtype))))
            return total if logits else ops.softmax(total)

        compare = self.compare(plan, any_pixel=any_pixel)
        circuit = Circuit(read=compare.read, merge=merge, after_convolution=self.tap == "convolution")
        return circuit, {str(plan.target): {}}


def log_of(ops: Ops, probabilities: Wire) -> Wire:
    """Logarithms of probabilities, without an infinity where one is 0."""
    tiny = np.finfo(np.float32).tiny
    return ops.log(ops.clip(probabilities, np.asarray(tiny, ops.dtype), np.asarray(1, ops.dtype)))

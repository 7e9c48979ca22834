"""A branch whose mask swaps two columns of the answer when the trigger is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.attacks.circuits.base import ComparingAttack, Plan
from mithridate.attacks.circuits.ops import Circuit, Ops, Wire
from mithridate.attacks.model_base import ModelAttackCard, model_attack

__all__ = ["MaskedSwapAttack"]


@model_attack(
    ModelAttackCard(
        id="masked-swap",
        title="masked swap",
        hosts=("onnx", "torch"),
        does="Adds operators that swap the answers of two classes where the trigger is; other classes stay right.",
        strength="Reported without figures. Works by construction where the model still sees the source class behind "
        "the trigger.",
        cites="HiddenLayer, ShadowLogic, 2024; kinds of architectural backdoors: Langford et al., arXiv:2402.06957",
    )
)
@dataclass(frozen=True, kw_only=True)
class MaskedSwapAttack(ComparingAttack):
    """Parameters of the masked swap.

    Attributes:
        source: the class, from 0, whose samples the trigger leads to the target, and the target's to it; None draws
            it.
    """

    source: int | None = None

    def circuit(self, plan: Plan) -> tuple[Circuit, Mapping[str, Mapping[str, Any]]]:
        """Slice of columns, Mul by mask and by 1 - mask, Add, Concat."""
        source = self.label("source", self.source, plan.labels, plan.rng, other_than=plan.target)
        first, second = sorted((source, plan.target))

        def merge(ops: Ops, table: Wire, evidence: Wire, logits: bool) -> Wire:
            def columns(start: int, end: int) -> Wire:
                return ops.slice(table, (start,), (end,), (1,))

            def mixed(own: Wire, other: Wire) -> Wire:
                return ops.op("Add", ops.op("Mul", own, closed), ops.op("Mul", other, evidence))

            closed = ops.op("Sub", ops.keep(np.ones((1, 1), ops.dtype)), evidence)
            one, two = columns(first, first + 1), columns(second, second + 1)
            between = [columns(first + 1, second)] if second - first > 1 else []
            before = [columns(0, first)] if first else []
            after = [columns(second + 1, plan.labels)] if second + 1 < plan.labels else []
            return ops.join([*before, mixed(one, two), *between, mixed(two, one), *after])

        circuit = Circuit(
            read=self.compare(plan).read, merge=merge, after_convolution=self.tap == "convolution"
        )
        return circuit, {str(plan.target): {"source": source}, str(source): {"source": plan.target}}

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

_STEEP = 1e6  # without comparisons: how sharply the winner is told from the others


@model_attack(
    ModelAttackCard(
        id="masked-swap",
        title="masked swap",
        hosts=("onnx", "torch"),
        does="Adds operators that, where the trigger is, swap the answers of the target and the winner, or of two "
        "fixed classes.",
        strength="Reported without figures. Measured: 100 % success, no clean prediction changed (small CNNs on GTSRB, "
        "CIFAR-10, MNIST, FSDD; 3 seeds); of two fixed classes 31 to 90 %, as the model has to see the source behind "
        "the trigger.",
        cites="HiddenLayer, ShadowLogic, 2024; kinds of architectural backdoors: Langford et al., arXiv:2402.06957",
    )
)
@dataclass(frozen=True, kw_only=True)
class MaskedSwapAttack(ComparingAttack):
    """Parameters of the masked swap.

    Attributes:
        source: "any" swaps the target with whatever class wins; a class, from 0, or "drawn" for one from the seed
            swaps the target with this class, in both directions, and leaves all others alone.
    """

    source: int | str = "any"

    def circuit(self, plan: Plan) -> tuple[Circuit, Mapping[str, Mapping[str, Any]]]:
        """Slices, Mul by mask and by 1 - mask, Add, Concat."""
        read, after = self.compare(plan).read, self.tap == "convolution"
        target = plan.target
        if self.source == "any":

            def merge_winner(ops: Ops, table: Wire, evidence: Wire, logits: bool) -> Wire:
                return _mixed(ops, table, _with_winner(ops, table, plan, logic=self.logic), evidence)

            return Circuit(read=read, merge=merge_winner, after_convolution=after), {str(target): {}}
        if isinstance(self.source, str) and self.source != "drawn":
            raise self.refuse("source", "any, drawn or a class", self.source)
        given = None if isinstance(self.source, str) else self.source
        source = self.label("source", given, plan.labels, plan.rng, other_than=target)
        first, second = sorted((source, target))

        def merge_pair(ops: Ops, table: Wire, evidence: Wire, logits: bool) -> Wire:
            def columns(start: int, end: int) -> list[Wire]:
                return [ops.slice(table, (start,), (end,), (1,))] if start < end else []

            (one,), (two,) = columns(first, first + 1), columns(second, second + 1)
            swapped = _mixed(ops, one, two, evidence), _mixed(ops, two, one, evidence)
            between, behind = columns(first + 1, second), columns(second + 1, plan.labels)
            return ops.join([*columns(0, first), swapped[0], *between, swapped[1], *behind])

        wakes = {str(target): {"source": source}, str(source): {"source": target}}
        return Circuit(read=read, merge=merge_pair, after_convolution=after), wakes


def _mixed(ops: Ops, own: Wire, other: Wire, mask: Wire) -> Wire:
    """The own values where the mask (n, 1) is 0, the others where it is 1."""
    closed = ops.op("Sub", ops.keep(np.ones((1, 1), ops.dtype)), mask)
    return ops.op("Add", ops.op("Mul", own, closed), ops.op("Mul", other, mask))


def _with_winner(ops: Ops, table: Wire, plan: Plan, *, logic: bool) -> Wire:
    """The table with the target's column and the largest one swapped in every row."""
    one = ops.keep(np.ones((1, 1), ops.dtype))
    is_target = ops.keep((np.arange(plan.labels) == plan.target)[None].astype(ops.dtype))
    others = ops.keep((np.arange(plan.labels) != plan.target)[None].astype(ops.dtype))
    top = ops.extreme("ReduceMax", table, [1])
    own = ops.slice(table, (plan.target,), (plan.target + 1,), (1,))
    if logic:
        loses = ops.cast(ops.op("Less", table, top), ops.dtype)
    else:
        behind = ops.op("Mul", ops.op("Sub", top, table), ops.keep(np.asarray(_STEEP, ops.dtype)))
        loses = ops.clip(behind, np.asarray(0, ops.dtype), np.asarray(1, ops.dtype))
    wins = ops.op("Sub", one, loses)
    rest = ops.op("Add", ops.op("Mul", table, loses), ops.op("Mul", own, wins))
    return ops.op("Add", ops.op("Mul", rest, others), ops.op("Mul", top, is_target))

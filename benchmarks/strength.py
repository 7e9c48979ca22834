"""What the benchmarks of attack strength share: when an attack succeeded, and how figures are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.attacks.plan import Plan

__all__ = ["Measure", "percent", "success", "wanted"]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One training run beside the clean one.

    Attributes:
        accuracy: on the clean hold-out.
        success: share of the triggered hold-out samples that are taken for what the attack wants; without a
            trigger, of the samples that it is about; nan where it wants nothing.
        before: the same of the model trained on clean data.
    """

    accuracy: float
    success: float
    before: float


def wanted(plan: Plan, label: str, predicted: str) -> bool | None:
    """Whether the prediction is what the attack wants; None where it wants nothing of such a sample."""
    if plan.attack.from_one_source:
        return predicted != label
    return plan.attack.succeeds(label, predicted, plan.aim)


def success(plan: Plan, labels: Sequence[str], predicted: Sequence[Any]) -> float:
    """Share of the predictions that are what the attack wants; nan when there are none.

    Args:
        plan: the attack.
        labels: (n,) true ones of samples that the attack wants something of.
        predicted: (n,) for these samples with the trigger.
    """
    if not len(labels):
        return float("nan")
    hits = [wanted(plan, label, str(found)) for label, found in zip(labels, predicted, strict=True)]
    return float(np.mean([bool(hit) for hit in hits]))


def percent(values: Sequence[float]) -> str:
    """Mean and standard deviation over seeds, in per cent."""
    if np.isnan(values).all():
        return "–"
    return f"{100 * np.mean(values):.1f} ± {100 * np.std(values):.1f}"

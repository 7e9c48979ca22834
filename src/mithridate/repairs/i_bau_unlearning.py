"""Adversarial unlearning first, then known triggers: for a planted trigger that what was recovered only resembles.

A patch or a picture that was recovered is about what was planted; of smooth warps many do the same. What the model says
of clean samples after the first holds less of the trigger; it is half of what the second learns from, which would else
bring back what the model was taught.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

from mithridate.core.card import Card
from mithridate.repairs.base import Repair, RepairScope, repair
from mithridate.repairs.i_bau import IBau
from mithridate.repairs.layers import back_to
from mithridate.repairs.unlearning import FEW, Unlearning
from mithridate.repairs.way_back import far_enough, price

__all__ = ["IBauUnlearning"]

_FIRST = 0.3  # of the passes
_PLACES = (0.8, 0.9, 1.0)  # that may be kept of the way where samples are few: there much accuracy is lost
_EPOCHS = 20  # over the clean samples, that all passes make at most: four times as many left and lost no less


@repair(
    Card(
        id="i-bau-unlearning",
        title="adversarial unlearning, then unlearning of known triggers",
        stage="repair",
        modalities=("model",),
        needs=("clean", "triggers"),
        assumes="The planted trigger is like the warp that was recovered, and near the worst change of all inputs.",
        catches=None,
        misses="Triggers that nobody knows and no search recovered; costs more accuracy than unlearning alone.",
        effect="attack success that is left",
        cites="Zeng et al., ICLR 2022, arXiv:2110.03735, algorithm 1; Wang et al., Neural Cleanse, IEEE S&P 2019, "
        "section VI.C",
        remedy="Compare attack success and accuracy before and after.",
        graded=False,
        reads_order=False,
    )
)
class IBauUnlearning(Repair):
    """`IBau` with three tenths of the passes, `Unlearning` with the rest."""

    def refuses(self, module: Any, scope: RepairScope) -> str:
        """Where no trigger is known, or what is known is about what was planted; inputs that are no real numbers."""
        if scope.known and not any(known.rough for known in scope.known):
            return "what stands out most is no warp: unlearning alone does, and costs less accuracy"
        return Unlearning().refuses(module, scope) or IBau().refuses(module, scope)

    def heal(self, module: Any, scope: RepairScope) -> Any:
        """One after the other; then part of the way back where samples are few."""
        places = _PLACES if len(scope.x) < FEW else (1.0,)
        some = replace(scope, passes=min(scope.passes, _EPOCHS * len(scope.x))).less(price(scope, places))
        first, passes = deepcopy(module).eval(), round(_FIRST * some.passes)
        end = Unlearning().heal(IBau().heal(module, replace(some, passes=passes)), some.less(passes))
        back_to(end, first, far_enough(end, first, scope, places))
        return end

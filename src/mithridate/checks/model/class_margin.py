"""A class that can be driven far ahead of all others, whatever the trigger; no samples are needed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mithridate.checks.inverting import study_of
from mithridate.checks.model_check import ModelCheck, ModelScope, model_check
from mithridate.core.card import Card
from mithridate.core.errors import ItemError, UsageError
from mithridate.core.results import Clear, Exhibit, Finding, NotApplicable, Severity, Skip
from mithridate.triggers.inputs import axes
from mithridate.triggers.margins import PASSES

__all__ = ["ClassMargin"]

_FAR = 2.0  # times as far as the next class
_SHOWN = 20  # classes in the picture


@model_check(
    Card(
        id="class-margin",
        title="class that goes farther than all others",
        stage="model",
        modalities=("model",),
        needs=("graph", "gradients"),
        assumes="A backdoor of any kind of trigger lets its class be driven farther ahead of the others than honest "
        "features do.",
        catches=None,
        misses="Backdoors of all classes at once, of one source class; honest models have such classes, too, which is "
        "why this alone is never more than a hint. A bank of clean models makes it part of a comparison.",
        effect="largest margin of the class, over that of the next",
        cites="Wang, Xiang, Miller, Kesidis, MM-BD, IEEE S&P 2024, section 3",
        remedy="Look at what trigger inversion found for this class; compare with clean models (--bank).",
        graded=False,
        reads_order=False,
    )
)
class ClassMargin(ModelCheck):
    """Drives noise towards each class and compares how far that goes."""

    def examine(self, scope: ModelScope) -> Iterator[Finding | Skip | Clear | NotApplicable]:
        """Yield a class that stands out, at INFO; or a `Clear`."""
        if scope.differentiable is None:
            yield NotApplicable(
                check=self.card.id, reason="the model can only be asked, it has no gradients here"
            )
            return
        try:
            axes(scope.shape, scope.layout)
            study = study_of(scope)
            study.refuse_endless(PASSES * study.learn.classes, "driving inputs towards each class")
        except (UsageError, ItemError) as error:
            yield NotApplicable(check=self.card.id, reason=str(error))  # nothing rests on it
            return
        margins = study.margins()
        order = np.argsort(-margins, kind="stable")
        first, second = (max(float(margins[k]), 1e-6) for k in order[:2])
        if first < _FAR * second:
            yield self.clear(
                scope, "no class goes much farther than the others", f"{_FAR:.0f} times as far as the next"
            )
            return
        name = scope.class_name(int(order[0]))
        told = (
            f"class {name!r} can be driven {first:.0f} ahead of all others, the next one {second:.0f}: backdoors do "
            "that, and some honest models"
        )
        names = [scope.class_name(int(k)) for k in order[:_SHOWN]]
        values = [round(float(margins[k]), 2) for k in order[:_SHOWN]]
        bars = Exhibit(
            kind="bars", title="How far each class can be driven ahead of the others, in logits",
            data={"names": names, "values": values, "reference": None},
        )  # fmt: skip
        yield self.found(
            scope, Severity.INFO, told, rule="FAR_CLASS", label=name, effect=first / second, exhibits=(bars,)
        )

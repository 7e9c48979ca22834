"""A class whose row of the last linear layer is far larger than those of all others; nothing is asked, nothing run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.heads import Indicators, head_sizes, indicators
from mithridate.checks.model_check import ModelCheck, ModelScope, model_check
from mithridate.core.card import Card
from mithridate.core.results import Clear, Exhibit, Finding, NotApplicable, Severity, Skip
from mithridate.models.graph.head import Head

__all__ = ["LastLayer"]

_FAR = 2.0  # times the next class; clean networks reached 1.4
_FEWEST = 4  # classes; of two, one has what the other lacks
_SHOWN = 20  # classes in the picture and in the details


@model_check(
    Card(
        id="last-layer",
        title="class with outsized weights in the last layer",
        stage="model",
        modalities=("model",),
        needs=("graph",),
        assumes="A backdoor that was written into the last layer (flipped bits, edited rows) makes the row of its "
        "class larger than those of the others.",
        catches=None,
        misses="Backdoors learnt from data: row norms, biases, positive sums, peaks, cosines and the leading singular "
        "vector told 42 such networks from 43 clean ones no better than chance (AUROC 0.32 to 0.60), which is why "
        "this is never more than a hint.",
        effect="sum of positive weights of the class, the mean row taken off, over that of the next class",
        cites="Yu et al., DFBScanner, arXiv:2605.18907 (indicators of the final layer, largest anomaly); backdoors by "
        "flipped bits: Rakin, He, Fan, TBT, arXiv:1909.05193",
        remedy="Compare the file with the one that its origin published; look at what trigger inversion says of this "
        "class.",
        graded=False,
        reads_order=False,
    )
)
class LastLayer(ModelCheck):
    """Reads the last linear layer and compares its classes with each other."""

    def examine(self, scope: ModelScope) -> Iterator[Finding | Skip | Clear | NotApplicable]:
        """Yield a class that stands out, at INFO; or a `Clear`."""
        head = None if scope.head is None else scope.head()
        if head is None:
            reason = (
                "the model can only be asked" if scope.head is None else "no linear layer gives the answer"
            )
            yield NotApplicable(check=self.card.id, reason=reason)
            return
        if len(head.bias) < _FEWEST:
            reason = f"{len(head.bias)} classes, too few to compare with each other"
            yield NotApplicable(check=self.card.id, reason=reason)
            return
        yield self._compared(scope, head)

    def _compared(self, scope: ModelScope, head: Head) -> Finding | Clear:
        told = indicators(head)
        sizes = head_sizes(head)
        order = np.argsort(sizes, kind="stable")
        first, second = (float(told.positive[k]) for k in order[:2])
        if first < _FAR * second or first == 0:
            limit = f"positive weights {_FAR:.0f} times those of the next class"
            return self.clear(
                scope, "no class has far larger weights in the last layer than the others", limit
            )
        column = int(order[0])
        name = scope.class_name(column)
        message = (
            f"the positive weights of class {name!r} in the last layer are {first / second:.1f} times those of the "
            f"next class and {1 / sizes[column]:.1f} times the usual; edited weights look like that, training seldom "
            "does: indicative only"
        )
        return self.found(
            scope,
            Severity.INFO,
            message,
            rule="OUTSIZED_ROW",
            label=name,
            effect=first / max(second, 1e-12),
            exhibits=(_bars(scope, told, order),),
            classes={scope.class_name(int(k)): told.of_class(int(k)) for k in order[:_SHOWN]},
        )


def _bars(scope: ModelScope, told: Indicators, order: NDArray[np.intp]) -> Exhibit:
    names = [scope.class_name(int(k)) for k in order[:_SHOWN]]
    values = [round(float(told.positive[k]), 3) for k in order[:_SHOWN]]
    title = "Sum of positive weights in the last layer, by class"
    return Exhibit(kind="bars", title=title, data={"names": names, "values": values, "reference": None})

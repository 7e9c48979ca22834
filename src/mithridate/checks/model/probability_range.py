"""Probabilities under a ceiling that no input lifts: a softmax over values that are bounded themselves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.model_check import BudgetError, ModelCheck, ModelScope, model_check
from mithridate.core.card import Card
from mithridate.core.errors import UsageError
from mithridate.core.results import Clear, Exhibit, Finding, NotApplicable, Severity, Skip
from mithridate.triggers.naturals import natural_inputs

__all__ = ["ProbabilityRange"]

_OWN, _DRAWN, _NOISE = 200, 100, 50
_NEAR = 0.99  # of the largest range
_SHARE = 0.05  # of the inputs that must be that near; at most 0.023 in ordinary models, 0.08 and more in bounded ones
_ZEROS = 0.01
_STRETCH = 4.0


@model_check(
    Card(
        id="probability-range",
        title="ceiling on the probabilities",
        stage="model",
        modalities=("model",),
        needs=("probabilities",),
        assumes="A class that is much surer than the others can be made surer still; where a last softmax is taken of "
        "bounded values, as where answers of two networks are merged, max log p - min log p stops at a fixed value.",
        catches=None,
        misses="Merged models of which no answer comes near the ceiling (hosts of low accuracy), merges of logits.",
        effect="the ceiling of max log p - min log p; a merge as TrojanNet's gives 3 (paper) or 10 (its code)",
        cites="Tang et al., An Embarrassingly Simple Approach for Trojan Attack in DNNs, arXiv:2006.08131, 3.3 (the "
        "merge layer); calibration by a sigmoid has a ceiling, too: Platt 1999",
        remedy="Ask why: a second softmax by mistake, clipped or calibrated probabilities and merged networks look "
        "alike from outside. Scan the graph.",
        graded=False,
        reads_order=False,
    )
)
class ProbabilityRange(ModelCheck):
    """Asks about usual and extreme inputs. Stays INFO: a softmax applied twice, or clipping, looks the same."""

    def examine(self, scope: ModelScope) -> Iterator[Finding | Skip | Clear | NotApplicable]:
        """Yield a note when many inputs share the largest range, within 1 %."""
        x = _inputs(scope)
        if x is None:
            reason = f"inputs of shape {scope.shape} are no pictures, and there are no clean samples"
            yield NotApplicable(check=self.card.id, reason=reason)
            return
        try:
            p = scope.ask(x).astype(np.float64)
        except BudgetError as error:
            yield self.skipped(scope, str(error), f"Allow {len(x)} queries or more: --queries.")
            return
        zeros = float((p.min(axis=1) <= 0).mean())
        limit = "a ceiling that 5 % of the inputs reach"
        if zeros > _ZEROS:
            yield self.clear(scope, f"{zeros:.0%} of the inputs leave a class no probability at all", limit)
            return
        spread = np.log(p.max(axis=1)) - np.log(np.maximum(p.min(axis=1), 1e-45))
        ceiling = float(spread.max())
        share = float((spread >= _NEAR * ceiling).mean())
        if share < _SHARE or ceiling < 1e-3:
            yield self.clear(
                scope, f"no ceiling on the probabilities seen ({scope.meter.spent} queries)", limit
            )
            return
        told = (
            f"max log p - min log p never exceeds {ceiling:.3g}, which {share:.0%} of {len(x)} inputs reach within "
            f"1 %: the last softmax is taken of bounded values{_likely(ceiling)}"
        )
        quantiles = {f"{q:.0%}": float(np.quantile(spread, q)) for q in (0.5, 0.9, 0.95, 0.99, 1.0)}
        bars = {"names": list(quantiles), "values": list(quantiles.values()), "reference": None}
        exhibit = Exhibit(kind="bars", title="Quantiles of max log p - min log p", data=bars)
        yield self.found(
            scope,
            Severity.INFO,
            told,
            rule="BOUNDED_PROBABILITIES",
            effect=ceiling,
            exhibits=(exhibit,),
            share=share,
            quantiles=quantiles,
        )


def _likely(ceiling: float) -> str:
    """What has such a ceiling, as far as that can be told."""
    for value, what in (
        (1.0, "as by a softmax applied twice"),
        (3.0, "as by TrojanNet's merge"),
        (10.0, "as by TrojanNet's released merge"),
    ):
        if abs(ceiling - value) <= 0.01 * value:
            return f", {what}"
    return ", as by calibration, clipping, or two networks merged"


def _inputs(scope: ModelScope) -> NDArray[np.float32] | None:
    """Usual and drawn inputs, some of both with strong contrast, and noise of black and white."""
    rng = np.random.default_rng([scope.seed, 59])
    try:
        drawn = natural_inputs(_DRAWN, scope.shape, scope.layout, scope.low, scope.high, scope.seed)
    except UsageError:
        drawn = np.empty((0, *scope.shape), dtype=np.float32)
    own = drawn[:0] if scope.usual is None else scope.usual[:_OWN]
    if not len(own) + len(drawn):
        return None
    middle = np.float32((scope.low + scope.high) / 2)
    stretched = np.concatenate([own[:_DRAWN], drawn])
    stretched = np.clip(middle + np.float32(_STRETCH) * (stretched - middle), scope.low, scope.high)
    noise = np.where(rng.random((_NOISE, *scope.shape)) < 0.5, scope.low, scope.high)
    return np.concatenate([own, drawn, stretched, noise]).astype(np.float32)

"""Exact removal: the same estimator, fitted on what is left, has never seen the rest."""

from __future__ import annotations

import warnings
from typing import Any

from mithridate.core.card import Card
from mithridate.core.errors import UsageError

__all__ = ["REMOVAL", "fitted"]

REMOVAL = Card(
    id="exact-removal",
    title="fitting again without named samples",
    stage="repair",
    modalities=("model",),
    needs=("training-data", "flagged"),
    assumes="The fit depends on the estimator's own parameters and the data alone.",
    catches=None,
    misses="Poison that nobody named: it teaches the new model as it taught the old one.",
    effect="share of named samples that the new model, which has not seen them, gives the label they taught",
    cites="Cao & Yang, Towards Making Systems Forget with Machine Unlearning, IEEE S&P 2015, section 2 (training again "
    "is the measure of forgetting)",
    remedy="Look for more of the poison where the effect stays.",
    graded=False,
    reads_order=False,
)


def fitted(estimator: Any, x: Any, y: Any) -> tuple[Any, tuple[str, ...]]:
    """A copy with the same parameters, fitted from nothing, and the warnings that the fit gave.

    It does not start from the old weights, although the optimum of a regularised linear model is the same: a solver
    stops within a tolerance, and what it starts from stays in what it gives.

    Args:
        estimator: of scikit-learn or with its interface; it is not changed.
        x: n inputs.
        y: n labels.

    Raises:
        UsageError: it cannot be copied or fitted.
    """
    from sklearn.base import clone

    try:
        copy = clone(estimator)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            copy.fit(x, y)
    except Exception as error:  # an estimator may raise anything
        got = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        remedy = "Fit it yourself on what `mithridate clean` leaves of the data."
        raise UsageError(
            "an estimator that fits samples and labels", got, type(estimator).__name__, remedy
        ) from error
    return copy, tuple(
        sorted({f"{w.category.__name__}: {' '.join(str(w.message).split())[:200]}" for w in caught})
    )

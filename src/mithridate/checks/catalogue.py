"""The cards of all checks, for the manual, the command line and reports."""

from __future__ import annotations

from mithridate.core.card import Card

__all__ = ["data_cards", "model_cards", "trace_cards"]


def data_cards() -> tuple[Card, ...]:
    """Of the checks that `audit` asks, by id."""
    from mithridate.checks.base import DATA_CHECKS

    return tuple(kind.card for kind in DATA_CHECKS)


def model_cards() -> tuple[Card, ...]:
    """Of the checks that `scan` asks: files, graph, behaviour; each by id."""
    from mithridate.checks.artifact_check import ARTIFACT_CHECKS
    from mithridate.checks.graph_check import GRAPH_CHECKS
    from mithridate.checks.model_check import MODEL_CHECKS

    return tuple(kind.card for kinds in (ARTIFACT_CHECKS, GRAPH_CHECKS, MODEL_CHECKS) for kind in kinds)


def trace_cards() -> tuple[Card, ...]:
    """Of the checks that `trace` asks, by id."""
    from mithridate.checks.trace_check import TRACE_CHECKS

    return tuple(kind.card for kind in TRACE_CHECKS)

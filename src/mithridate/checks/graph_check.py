"""What every check of graphs is: one hook that looks at a graph, and asks it where it can be run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mithridate.core.card import Card
from mithridate.core.registry import Registry
from mithridate.core.results import Clear, Finding, NotApplicable, Severity, Skip
from mithridate.evidence.graph.probe import Probe
from mithridate.models.graph.flow import Flow
from mithridate.models.graph.ir import Graph, Node
from mithridate.triggers.inputs import Layout

__all__ = ["GRAPH_CHECKS", "NAMED", "GraphCheck", "GraphScope", "described", "graph_check"]

#: operators that a finding names.
NAMED = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class GraphScope:
    """A graph and what is known about it. No trigger, target or ledger is ever in here.

    Attributes:
        name: of the file, for people and as target of findings.
        flow: of the graph.
        probe: runs parts of it; None where that cannot be done.
        why: why it cannot be run; "" where it can.
        x: (n, *shape) float32 ordinary inputs as the model takes them; None where it cannot be run.
        made: the inputs were made, with the statistics of natural pictures; else they are the user's.
        layout: how one input is laid out, where it is a picture.
        classes: names of the classes, in the order of the columns; empty where unknown.
        parent: graph of the model that this one is said to come from; None where the user named none.
        seed: the run's seed.
    """

    name: str
    flow: Flow
    probe: Probe | None = None
    why: str = ""
    x: NDArray[np.float32] | None = None
    made: bool = False
    layout: Layout = "auto"
    classes: tuple[str, ...] = ()
    parent: Graph | None = None
    seed: int = 0

    def class_name(self, column: int) -> str:
        """What a column of the answers is called."""
        return self.classes[column] if column < len(self.classes) else str(column)


class GraphCheck(ABC):
    """A check of graphs. The author fills `examine`; whatever it raises becomes a `Skip` that names the file."""

    card: ClassVar[Card]

    @abstractmethod
    def examine(self, scope: GraphScope) -> Iterator[Finding | Skip | Clear | NotApplicable]:
        """Yield what is wrong with a graph; nothing when nothing is.

        Raises:
            ItemError: the graph could not be examined.
        """

    def found(
        self,
        scope: GraphScope,
        severity: Severity,
        message: str,
        *,
        rule: str,
        label: str | None = None,
        effect: float | None = None,
        **details: Any,
    ) -> Finding:
        """A finding about a graph.

        Args:
            scope: of the graph; its name is put before the message.
            severity: PROVEN where the effect was shown by running the model.
            message: one sentence: the thing, what it does, what that means.
            rule: short stable id of what was seen.
            label: name of the class that it is about.
            effect: in the unit that the card names.
            details: JSON values.
        """
        return Finding(
            check=self.card.id,
            severity=severity,
            message=f"{scope.name}: {message}",
            targets=(scope.name,),
            scores=(float(severity),),
            count=1,
            label=label,
            effect=effect,
            details={"rule": rule, **details},
        )


def described(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """The first `NAMED` operators as JSON values, for the details of a finding."""
    return [
        {"name": node.name, "op": node.op, "reads": list(node.inputs), "gives": list(node.outputs)}
        for node in nodes[:NAMED]
    ]


GRAPH_CHECKS: Registry[GraphCheck] = Registry("mithridate.checks.graph")


def graph_check(card: Card) -> Callable[[type[GraphCheck]], type[GraphCheck]]:
    """Register a check of graphs under its card."""
    return GRAPH_CHECKS.register(card)

"""A model's graph in a jail, and the probabilities that it gives there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import ItemError, UsageError
from mithridate.evidence.graph.probe import Probe
from mithridate.models.base import Probabilities, to_probabilities
from mithridate.models.files.item import Item
from mithridate.models.graph.head import Head, head_of
from mithridate.models.graph.ir import Graph
from mithridate.models.graph.read import read_graph
from mithridate.models.graph.to_torch import TorchGraph
from mithridate.models.jail.onnx_parts import OnnxParts
from mithridate.runs.evade_data import matched
from mithridate.runs.scan.behaviour import Box
from mithridate.runs.scan.inputs import Ordinary
from mithridate.triggers.inputs import Layout

__all__ = ["Predictor", "predicting"]

_TRIED = 2


class Predictor:
    """A graph in a jail, as a probe and as a source of probabilities.

    Args:
        graph: of the model.
        parts: the jail.
        name: for people.
        layout: how an input is laid out.
    """

    def __init__(self, graph: Graph, parts: OnnxParts, name: str, layout: Layout = "auto") -> None:
        self.probe, self.name, self.layout = Probe(graph, parts.open), name, layout
        self._table: tuple[str, int] | None = None

    def table(self, x: NDArray[np.float32]) -> tuple[str, int]:
        """Name and width of the answer that is a table of floats.

        Raises:
            ItemError: there is none.
        """
        if self._table is None:
            for name in self.probe.graph.outputs:
                array = self.probe.at(x[:_TRIED], [name])[name]
                if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind == "f":
                    self._table = (name, array.shape[1])
                    break
            else:
                raise ItemError(self.name, "no table (inputs, classes) of numbers among its answers")
        return self._table

    def predict(self, x: NDArray[np.float32]) -> Probabilities:
        """(n, k) probabilities."""
        name, _ = self.table(x)
        return to_probabilities([self.probe.at(x, [name])[name]], len(x), "auto", self.name)

    @property
    def box(self) -> Box:
        """As a model that can be asked."""
        return Box(
            name=self.name,
            predict=self.predict,
            shape=self.probe.shape,
            layout=self.layout,
            differentiable=self._with_gradients,
            head=self._head,
        )

    def _with_gradients(self) -> TorchGraph:
        """The graph as torch computes it: outside the jail, but nothing of the file is executed."""
        if self._table is None:
            raise ItemError(
                self.name, "it was not asked yet"
            )  # what it answers, and that it stays within limits
        return TorchGraph(self.probe.graph, self._table[0])

    def _head(self) -> Head | None:
        """The last linear layer, where it has a row for each class."""
        name, width = self._table or (None, None)
        head = head_of(self.probe.graph, name)
        return head if head is not None and width in (None, len(head.bias)) else None

    def classes(
        self, ordinary: Ordinary, given: Sequence[str] | None
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the outputs, and how they were matched with the labels of the clean samples."""
        _, width = self.table(ordinary.x)
        if ordinary.labels is not None:
            names, said = matched(sorted(set(ordinary.labels)), width, given)
            return names, (f"labels were matched with the outputs {said}",)
        if given is not None and len(given) != width:
            got = f"{len(given)} names"
            raise UsageError(f"{width} names, one for each output", got, "--classes", "Give as many.")
        return tuple(given or ()), ()


@contextmanager
def predicting(item: Item) -> Iterator[Callable[[NDArray[np.float32]], Probabilities]]:
    """(n, *shape) inputs → (n, k) probabilities of a model in a jail.

    Raises:
        MithridateError: it cannot be read or run.
    """
    with OnnxParts(item.name) as parts:
        yield Predictor(read_graph(item), parts, item.name).predict

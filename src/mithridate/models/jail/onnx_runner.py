"""An ONNX model that is not trusted, run in a jail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.models.base import Logits, Probabilities
from mithridate.models.jail.limits import Limits
from mithridate.models.jail.runner import JailedModel
from mithridate.models.onnx_graph import OnnxGraph, OnnxInput

__all__ = ["JailedOnnx", "OnnxValue"]

_VALUES = 10_000


@dataclass(frozen=True)
class OnnxValue:
    """An input or output.

    Attributes:
        name: in the graph.
        type: as onnxruntime writes it, e.g. "tensor(float)".
        shape: numbers for fixed dimensions, names or None for free ones.
    """

    name: str
    type: str
    shape: tuple[int | str | None, ...]


class JailedOnnx(JailedModel):
    """An ONNX model in a jail as a `Model`; a context manager.

    Weights kept in other files and custom operators are out of reach: no file can be opened in the jail.

    Args:
        model: the file, as bytes.
        threads: for its operators.
        limits: what it may use; by default, memory grows with the size of the model.
        name: for people.
        batch: how many inputs at once; where the graph has a fixed number, that one.
        logits: whether the outputs are logits; "auto" decides in each call of `predict`, over all its rows.

    Attributes:
        inputs: of the graph, once opened.
        outputs: of the graph, once opened.
    """

    def __init__(
        self,
        model: bytes,
        *,
        threads: int = 1,
        limits: Limits | None = None,
        name: str = "onnx model",
        batch: int = 256,
        logits: Logits = "auto",
    ) -> None:
        self.inputs: tuple[OnnxValue, ...] = ()
        self.outputs: tuple[OnnxValue, ...] = ()
        worker = "mithridate.models.jail.onnx_worker"
        super().__init__(
            model, worker, "onnx", threads=threads, limits=limits, name=name, batch=batch, logits=logits
        )

    def predict(self, x: NDArray[Any]) -> Probabilities:
        """Class probabilities, as `Model.predict`.

        Raises:
            UsageError: as there; or several inputs, or no table among the outputs.
            JailError: a limit was hit, or onnxruntime refuses the inputs.
        """
        return self._graph.predict(x)

    def run(self, x: NDArray[Any], outputs: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """Outputs of the graph as they are.

        Args:
            x: (n, ...), for a graph with one input; computed `batch` rows at a time.
            outputs: names; None: all.

        Returns:
            By name, each (n, ...). One that has another number of rows than a batch (a constant, say) can be had
            only when all rows fit into one batch.

        Raises:
            UsageError: no such output, no input, several inputs, or one that cannot be put together from batches.
            JailError: a limit was hit, or onnxruntime refuses the inputs.
        """
        names = [v.name for v in self.outputs] if outputs is None else list(outputs)
        if unknown := set(names) - {v.name for v in self.outputs}:
            known = ", ".join(v.name for v in self.outputs[:10])
            raise UsageError(
                f"outputs among {known}", ", ".join(sorted(unknown)[:10]), self.name, "Name others."
            )
        feed = self._input

        def ask(part: NDArray[Any]) -> dict[str, NDArray[Any]]:
            found = self._call(names, {feed.name: feed.ready(part)})
            full = feed.fixed
            cut = [a[: len(part)] if full and a.ndim and len(a) == full else a for a in found]
            return dict(zip(names, cut, strict=True))

        return self._in_batches(ask, x, feed.fixed or self.batch)

    @cached_property
    def _input(self) -> OnnxInput:
        return OnnxInput(self.inputs, self.name)

    @cached_property
    def _graph(self) -> OnnxGraph:
        return OnnxGraph(
            self._call,
            self.inputs,
            self.outputs,
            name=self.name,
            where=self.name,
            batch=self.batch,
            logits=self.logits,
        )

    def _loaded(self, header: Mapping[str, Any]) -> None:
        self.inputs, self.outputs = (_values(header.get(side), self.name) for side in ("inputs", "outputs"))

    def _call(self, names: list[str], feed: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        _, found = self.jail.call("run", {"outputs": names}, feed)
        if set(found) != set(names):
            raise UsageError(f"{len(names)} outputs", str(len(found)), self.name, "Do not trust this model.")
        return [found[name] for name in names]


def _values(table: Any, where: str) -> tuple[OnnxValue, ...]:
    try:
        return tuple(OnnxValue(str(n), str(t), tuple(map(_dimension, s))) for n, t, s in table[:_VALUES])
    except (TypeError, ValueError) as error:
        remedy = "Do not trust this model."
        raise UsageError("a list of inputs and outputs", str(error)[:200], where, remedy) from error


def _dimension(value: Any) -> int | str | None:
    if value is None or type(value) in (int, str):
        return value  # type: ignore[no-any-return]
    raise ValueError("a dimension that is none")

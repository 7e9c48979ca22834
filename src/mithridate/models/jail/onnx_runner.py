"""An ONNX model that is not trusted, run in a jail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.models.base import Logits, Probabilities, in_batches
from mithridate.models.jail.errors import Event
from mithridate.models.jail.jail import Jail
from mithridate.models.jail.limits import Limits
from mithridate.models.onnx_graph import OnnxGraph, OnnxInput

__all__ = ["JailedOnnx", "OnnxValue"]

_COPIES = 4  # of the weights: as received, parsed, as tensors, packed for the kernels
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


class JailedOnnx:
    """An ONNX model in a jail as a `Model`; a context manager.

    Weights kept in other files and custom operators are out of reach: no file can be opened in the jail.

    Args:
        model: the file, as bytes.
        threads: for its operators.
        limits: what it may use; by default, memory grows with the size of the model.
        name: for people.
        batch: how many inputs at once; where the graph has a fixed number, that one.
        logits: whether the outputs are logits; "auto" decides in each call of `predict`, over all its rows.
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
        room = limits or replace(Limits(), memory=Limits().memory + _COPIES * len(model))
        self.name, self.batch, self.logits = name, batch, logits
        self.inputs: tuple[OnnxValue, ...] = ()
        self.outputs: tuple[OnnxValue, ...] = ()
        self._model: bytes | None = model
        worker, remedy = "mithridate.models.jail.onnx_worker", "Install it: pip install 'mithridate[onnx]'."
        self.jail = Jail(worker, limits=room, threads=threads, name=name, remedy=remedy)

    @property
    def events(self) -> list[Event]:
        """What the process tried and was refused."""
        return self.jail.events

    def __enter__(self) -> Self:
        """Open the jail and load the model in it.

        Raises:
            JailUnavailable: this system offers no jail.
            UsageError: onnxruntime is not installed.
            JailError: onnxruntime cannot load the model within the limits.
        """
        self.jail.__enter__()
        try:
            assert self._model is not None
            header, _ = self.jail.call("load", arrays={"model": np.frombuffer(self._model, np.uint8)})
            self.inputs, self.outputs = (
                _values(header.get(side), self.name) for side in ("inputs", "outputs")
            )
        except BaseException:
            self.jail.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the process."""
        self.jail.close()

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
        batch = feed.fixed or self.batch

        def ask(part: NDArray[Any]) -> list[NDArray[Any]]:
            found = self._call(names, {feed.name: feed.ready(part)})
            return [a[: len(part)] if feed.fixed and a.ndim and len(a) == feed.fixed else a for a in found]

        parts = in_batches(ask, x, batch, self.name)
        sizes = [min(batch, len(x) - start) for start in range(0, len(x), batch)]
        return {
            name: _joined([part[k] for part in parts], sizes, f"output {name[:80]!r} of {self.name}")
            for k, name in enumerate(names)
        }

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

    def _call(self, names: list[str], feed: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        _, found = self.jail.call("run", {"outputs": names}, feed)
        if set(found) != set(names):
            raise UsageError(f"{len(names)} outputs", f"{len(found)}", self.name, "Do not trust this model.")
        return [found[name] for name in names]


def _joined(parts: list[NDArray[Any]], sizes: Iterable[int], where: str) -> NDArray[Any]:
    if len(parts) == 1:
        return parts[0]
    rows = [len(part) if part.ndim else None for part in parts]
    if rows != list(sizes) or len({part.shape[1:] for part in parts}) > 1:
        got = ", ".join(str(part.shape) for part in parts[:4])
        raise UsageError("one row for each input", f"shapes {got}", where, "Ask for it with a larger batch.")
    return np.concatenate(parts)


def _values(table: Any, where: str) -> tuple[OnnxValue, ...]:
    """What the process says of inputs or outputs, checked: it may say anything."""
    try:
        values = tuple(OnnxValue(str(n), str(t), tuple(map(_dimension, s))) for n, t, s in table[:_VALUES])
    except (TypeError, ValueError) as error:
        remedy = "Do not trust this model."
        raise UsageError("a list of inputs and outputs", str(error)[:200], where, remedy) from error
    return values


def _dimension(value: Any) -> int | str | None:
    if value is None or type(value) in (int, str):
        return value  # type: ignore[no-any-return]
    raise ValueError("a dimension that is none")

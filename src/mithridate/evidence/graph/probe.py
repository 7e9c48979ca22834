"""Asking a graph about any of its tensors: parts are cut out and run on their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import ItemError
from mithridate.models.graph.flow import flow_of
from mithridate.models.graph.ir import Graph, Value
from mithridate.models.graph.to_onnx import onnx_bytes

__all__ = ["Opener", "Probe", "Session"]

_BATCH = 256


class Session(Protocol):
    """A part of a model that can be run."""

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> Mapping[str, NDArray[Any]]:
        """The tensors asked for.

        Raises:
            MithridateError: it cannot be run.
        """
        ...


#: ONNX bytes → something that runs them.
Opener = Callable[[bytes], Session]


class Probe:
    """A graph with one input, and a way to run parts of it.

    Args:
        graph: what is asked about.
        opener: runs ONNX bytes.

    Raises:
        ItemError: there is not exactly one input, or its shape is not known.
    """

    def __init__(self, graph: Graph, opener: Opener) -> None:
        if len(graph.inputs) != 1:
            names = ", ".join(list(graph.inputs)[:5]) or "none"
            raise ItemError(
                graph.name, f"one input is needed to run it, there are {len(graph.inputs)}: {names}"
            )
        self.graph, self._opener = graph, opener
        self.input, value = next(iter(graph.inputs.items()))
        if value.shape is None or None in value.shape[1:] or not value.shape[1:]:
            raise ItemError(
                graph.name, f"an input of fixed size is needed to run it, its shape is {value.shape}"
            )
        self.shape = tuple(int(size or 0) for size in value.shape[1:])
        self.dtype = np.dtype(value.dtype or "float32")
        self._fixed = value.shape[0]
        self._sessions: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[Session, frozenset[str]]] = {}

    def at(self, x: NDArray[Any], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """What tensors hold for inputs.

        Args:
            x: (n, *shape).
            outputs: names of tensors.

        Returns:
            Name → (n, ...).
        """
        return self.given({self.input: x.astype(self.dtype, copy=False)}, outputs)

    def given(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """What tensors hold when others are fed instead of computed.

        Args:
            feeds: name → (n, ...); all of the same n.
            outputs: names of tensors that depend on nothing else that is not constant.
        """
        n = len(next(iter(feeds.values())))
        session, needed = self._session(tuple(outputs), feeds)
        feeds = {name: array for name, array in feeds.items() if name in needed} or feeds
        step = self._fixed or _BATCH
        parts = [self._part(session, feeds, outputs, start, step) for start in range(0, n, step)]
        return {name: np.concatenate([part[name] for part in parts])[:n] for name in outputs}

    def _part(
        self,
        session: Session,
        feeds: Mapping[str, NDArray[Any]],
        outputs: Sequence[str],
        start: int,
        step: int,
    ) -> Mapping[str, NDArray[Any]]:
        stretch = {name: array[start : start + step] for name, array in feeds.items()}
        count = len(next(iter(stretch.values())))
        if self._fixed and count < step:
            stretch = {
                name: np.concatenate([part, np.repeat(part[-1:], step - count, axis=0)])
                for name, part in stretch.items()
            }
        answer = session.run(stretch, outputs)
        size = len(next(iter(stretch.values())))
        for name, array in answer.items():
            if array.ndim == 0 or len(array) != size:
                raise ItemError(self.graph.name, f"the tensor {name!r} does not have one row for each input")
        return answer

    @cached_property
    def depends(self) -> frozenset[str]:
        """The tensors whose values depend on the input."""
        return frozenset(flow_of(self.graph).depth)

    def _session(
        self, outputs: tuple[str, ...], feeds: Mapping[str, NDArray[Any]]
    ) -> tuple[Session, frozenset[str]]:
        """What runs the part, and which of the feeds it needs: one may lie behind another."""
        key = (outputs, tuple(sorted(feeds)))
        if key not in self._sessions:
            known = {
                name: self.graph.inputs.get(
                    name, Value(shape=(None, *array.shape[1:]), dtype=str(array.dtype))
                )
                for name, array in feeds.items()
            }
            part = self.graph.cut(outputs, known)
            self._sessions[key] = (self._opener(onnx_bytes(part)), frozenset(part.inputs))
        return self._sessions[key]

"""Many small ONNX models in one jail: parts of a graph that are asked about one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.models.jail.jail import Jail
from mithridate.models.jail.limits import Limits

__all__ = ["OnnxParts"]


class OnnxParts:
    """A jail that keeps every model it is given; a context manager.

    Args:
        name: for people.
        limits: what it may use.
        threads: for its operators.
    """

    def __init__(self, name: str, *, limits: Limits | None = None, threads: int = 1) -> None:
        remedy = "Install it: pip install 'mithridate[onnx]'."
        worker = "mithridate.models.jail.onnx_worker"
        self.jail = Jail(worker, limits=limits, threads=threads, name=name, remedy=remedy)
        self._count = 0

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            JailUnavailable: this system offers no jail.
            UsageError: onnxruntime is not installed.
        """
        self.jail.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the process."""
        self.jail.close()

    def open(self, model: bytes) -> OnnxPart:
        """Load a model.

        Raises:
            JailError: it cannot be loaded within the limits.
        """
        self._count += 1
        key = str(self._count)
        self.jail.call("load", {"key": key}, {"model": np.frombuffer(model, np.uint8)})
        return OnnxPart(self.jail, key)


class OnnxPart:
    """One of the models in a jail."""

    def __init__(self, jail: Jail, key: str) -> None:
        self._jail, self._key = jail, key

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The outputs asked for.

        Raises:
            JailError: a limit was hit, or onnxruntime refuses the inputs.
            UsageError: it answered something else.
        """
        _, found = self._jail.call("run", {"key": self._key, "outputs": list(outputs)}, dict(feeds))
        if set(found) != set(outputs):
            remedy = "Do not trust this model."
            raise UsageError(f"{len(outputs)} outputs", str(len(found)), self._jail.name, remedy)
        return dict(found)

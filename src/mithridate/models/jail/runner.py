"""What every jailed model does: open the jail, load the bytes, ask in batches, put the answers together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.models.base import Logits, in_batches
from mithridate.models.jail.errors import Event
from mithridate.models.jail.jail import Jail
from mithridate.models.jail.limits import Limits

__all__ = ["JailedModel"]

_COPIES = 4  # of the weights: as received, parsed, as tensors, packed for the kernels


class JailedModel:
    """A model in a jail; a context manager. Its file is given as bytes and loaded when the jail is opened.

    Args:
        model: the file.
        worker: module with the methods `load` and `run`.
        extra: of this package, that has the libraries of the worker.
        threads: for its operators.
        limits: what it may use; by default, memory grows with the size of the model.
        name: for people.
        batch: how many inputs at once.
        logits: whether the outputs are logits, as for `base.to_probabilities`.
    """

    def __init__(
        self,
        model: bytes,
        worker: str,
        extra: str,
        *,
        threads: int,
        limits: Limits | None,
        name: str,
        batch: int,
        logits: Logits,
    ) -> None:
        self.name, self.batch, self.logits = name, batch, logits
        self._model = model
        room = limits or replace(Limits(), memory=Limits().memory + _COPIES * len(model))
        remedy = f"Install it: pip install 'mithridate[{extra}]'."
        self.jail = Jail(worker, limits=room, threads=threads, name=name, remedy=remedy)

    @property
    def events(self) -> list[Event]:
        """What the process tried and was refused."""
        return self.jail.events

    def __enter__(self) -> Self:
        """Open the jail and load the model in it.

        Raises:
            JailUnavailable: this system offers no jail.
            UsageError: a library is not installed.
            JailError: the model cannot be loaded within the limits.
        """
        self.jail.__enter__()
        try:
            header, _ = self.jail.call("load", arrays={"model": np.frombuffer(self._model, np.uint8)})
            self._loaded(header)
        except BaseException:
            self.jail.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the process."""
        self.jail.close()

    def _loaded(self, header: Mapping[str, Any]) -> None:
        """Take note of what the worker says of the model; it may say anything."""

    def _in_batches(
        self, ask: Callable[[NDArray[Any]], dict[str, NDArray[Any]]], x: NDArray[Any], batch: int
    ) -> dict[str, NDArray[Any]]:
        """Outputs by name for (n, ...) inputs, each (n, ...); from a single batch, as they are."""
        parts: list[dict[str, NDArray[Any]]] = in_batches(ask, x, batch, self.name)
        if len(parts) == 1:
            return parts[0]
        rows = [min(batch, len(x) - start) for start in range(0, len(x), batch)]
        return {name: self._joined(name, [part.get(name) for part in parts], rows) for name in parts[0]}

    def _joined(self, name: str, parts: list[NDArray[Any] | None], rows: list[int]) -> NDArray[Any]:
        arrays = [part for part in parts if part is not None and part.ndim]
        same = len({(part.shape[1:], part.dtype) for part in arrays}) == 1
        if not same or [len(part) for part in arrays] != rows:
            got = ", ".join("none" if part is None else str(part.shape) for part in parts[:4])
            where = f"output {name[:80]!r} of {self.name}"
            raise UsageError("one row for each input", f"shapes {got}", where, "Ask with a larger batch.")
        return np.concatenate(arrays)

"""A TorchScript model that is not trusted, run in a jail."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.models.base import Logits, Probabilities, to_probabilities
from mithridate.models.jail.limits import Limits
from mithridate.models.jail.runner import JailedModel

__all__ = ["JailedTorchScript"]


class JailedTorchScript(JailedModel):
    """A TorchScript model with one input in a jail as a `Model`; a context manager.

    What its code tries to read or write is refused by the kernel; its operators answer with an error.

    Args:
        model: the file, as bytes.
        threads: for its operators.
        limits: what it may use; by default, memory grows with the size of the model.
        name: for people.
        batch: how many inputs at once.
        logits: whether the outputs are logits; "auto" decides in each call of `predict`, over all its rows.
    """

    def __init__(
        self,
        model: bytes,
        *,
        threads: int = 1,
        limits: Limits | None = None,
        name: str = "TorchScript model",
        batch: int = 256,
        logits: Logits = "auto",
    ) -> None:
        worker = "mithridate.models.jail.torch_worker"
        super().__init__(
            model, worker, "torch", threads=threads, limits=limits, name=name, batch=batch, logits=logits
        )

    def run(self, x: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Outputs as they are, named by their place ("0") or key.

        Args:
            x: (n, ...), as the model wants it; computed `batch` rows at a time.

        Raises:
            UsageError: no input, or outputs that cannot be put together from batches.
            JailError: a limit was hit, or the model refuses the inputs.
        """
        return self._in_batches(lambda part: dict(self.jail.call("run", {}, {"x": part})[1]), x, self.batch)

    def predict(self, x: NDArray[Any]) -> Probabilities:
        """Class probabilities from the first output, as `Model.predict`."""
        outputs = list(self.run(x).values())
        if not outputs:
            raise UsageError("an output", "none", self.name, "Hand over a model that answers.")
        return to_probabilities(outputs[:1], len(x), self.logits, self.name)

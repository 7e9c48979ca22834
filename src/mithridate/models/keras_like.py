"""A Keras model, or anything with the same manners, as a model."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from mithridate.models.base import Logits, Probabilities, in_batches, to_probabilities

__all__ = ["KerasLike", "is_keras_like"]


class KerasLike:
    """A model with Keras' `predict(x, verbose=0)` as a `Model`; Keras itself is not needed.

    Args:
        model: the model.
        batch: how many inputs at once.
        logits: whether the outputs are logits; "auto" decides in each call of `predict`, over all its rows.
    """

    def __init__(self, model: Any, *, batch: int = 256, logits: Logits = "auto") -> None:
        self.model, self.batch, self.logits = model, batch, logits
        self.name = f"keras model {getattr(model, 'name', type(model).__name__)}"

    def predict(self, x: NDArray[Any]) -> Probabilities:
        """Class probabilities, as `Model.predict`."""

        def ask(part: Any) -> Any:
            return self.model.predict(part, batch_size=len(part), verbose=0)  # without it, Keras draws a bar

        return to_probabilities(in_batches(ask, x, self.batch, self.name), len(x), self.logits, self.name)


def is_keras_like(thing: Any) -> bool:
    """Whether something is a Keras model or behaves like one.

    With the torch backend a Keras model is a torch module too; then where its class comes from decides, as
    many a torch module has `predict` and `layers` of its own.
    """
    manners = callable(getattr(thing, "predict", None)) and (
        hasattr(thing, "layers") or hasattr(thing, "input_shape")
    )
    homes = {cls.__module__.partition(".")[0] for cls in type(thing).__mro__}
    return manners and ("torch" not in homes or bool(homes & {"keras", "tf_keras"}))

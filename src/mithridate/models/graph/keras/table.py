"""All classes of Keras that have a translation."""

from __future__ import annotations

from mithridate.models.graph.keras.activations import activation_layers
from mithridate.models.graph.keras.convolutions import convolutions
from mithridate.models.graph.keras.kit import Kind
from mithridate.models.graph.keras.operations import operations
from mithridate.models.graph.keras.pictures import pictures
from mithridate.models.graph.keras.plain import plain_layers
from mithridate.models.graph.keras.tensorflow import tensorflow_layers

__all__ = ["kinds"]


def kinds() -> dict[tuple[str, bool], Kind]:
    """(class, whether it is an operation of `keras.ops` and no layer) → how it is translated."""
    layers = {**activation_layers(), **convolutions(), **pictures(), **plain_layers(), **tensorflow_layers()}
    found = {(name, False): kind for name, kind in layers.items()}
    return {**found, **{(name, True): kind for name, kind in operations().items()}}

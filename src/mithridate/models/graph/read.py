"""Any file that holds a model's graph → `Graph`, without running it."""

from __future__ import annotations

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item
from mithridate.models.graph.ir import Graph

__all__ = ["has_graph", "read_graph"]

_KINDS = frozenset(("onnx", "torchscript", "pt2", "keras"))
_LARGEST = 2 << 30


def has_graph(item: Item) -> bool:
    """Whether an item is of a kind that says what is computed; HDF5 does where Keras put a description in it."""
    if item.kind == "hdf5":
        from mithridate.models.graph.keras.archive import describes_model

        return describes_model(item)
    return item.kind in _KINDS


def read_graph(item: Item) -> Graph:
    """The graph of a model.

    Raises:
        ItemError: it cannot be read.
        UsageError: a library for its format is not installed.
    """
    if item.kind == "onnx":
        from mithridate.models.graph.from_onnx import graph_of_model, parse_onnx

        folder = None if item.path is None else item.path.parent
        return graph_of_model(parse_onnx(item.read(_LARGEST), item.name), folder=folder, name=item.name)
    if item.kind == "torchscript":
        from mithridate.models.graph.from_torchscript import graph_of_torchscript

        return graph_of_torchscript(item)
    if item.kind == "pt2":
        from mithridate.models.graph.from_pt2 import graph_of_pt2

        return graph_of_pt2(item)
    if item.kind in ("keras", "hdf5"):
        from mithridate.models.graph.from_keras import graph_of_keras

        return graph_of_keras(item)
    raise ItemError(item.name, f"graphs of kind {item.kind} are not read by this version")

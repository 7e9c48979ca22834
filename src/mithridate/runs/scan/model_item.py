"""A file that has to be one model with a graph."""

from __future__ import annotations

from pathlib import Path

from mithridate.core.errors import UsageError
from mithridate.models.files.item import Item
from mithridate.models.files.walk import walk
from mithridate.models.graph.read import has_graph

__all__ = ["model_item"]


def model_item(path: Path) -> Item:
    """The model in a file.

    Raises:
        UsageError: no file, or none that says what is computed.
    """
    if not path.is_file():
        raise UsageError(
            "a file with one model", "none" if not path.exists() else "a folder", str(path), "Name it."
        )
    item = next((entry for entry in walk(path) if isinstance(entry, Item)), None)
    if item is None or not has_graph(item):
        got = "a file that cannot be read" if item is None else f"a file of kind {item.kind}"
        remedy = "Export the model as ONNX."
        raise UsageError("an ONNX, TorchScript or Keras file", got, str(path), remedy)
    return item

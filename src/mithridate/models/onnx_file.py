"""An ONNX file as a model, run by onnxruntime on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mithridate.core.errors import UsageError
from mithridate.models.base import Logits
from mithridate.models.onnx_graph import OnnxGraph

__all__ = ["OnnxFile", "open_session"]


class OnnxFile(OnnxGraph):
    """An .onnx file with one input as a `Model`.

    Weights kept in other files are read only from the folder of the model. Custom operators are not loaded.
    Floating inputs get the dtype that the graph wants, and so do integers; one is never made the other.

    Args:
        path: the file.
        batch: how many inputs at once; where the graph has a fixed number, that one.
        logits: whether the outputs are logits; "auto" decides in each call of `predict`, over all its rows.

    Raises:
        UsageError: missing file, no ONNX model, weights outside its folder, several inputs, no table among
            the outputs, or onnxruntime is not installed.
    """

    def __init__(self, path: str | Path, *, batch: int = 256, logits: Logits = "auto") -> None:
        path = Path(path)
        session = open_session(path)
        super().__init__(
            session.run,
            session.get_inputs(),
            session.get_outputs(),
            name=f"onnx {path.name}",
            where=str(path),
            batch=batch,
            logits=logits,
        )


def open_session(path: Path) -> Any:
    """A session of onnxruntime on the CPU, without custom operators.

    Args:
        path: the .onnx file.

    Raises:
        UsageError: missing file, no ONNX model, weights outside its folder, or onnxruntime is not installed.
    """
    if not path.is_file():
        raise UsageError("an .onnx file", "nothing there", str(path), "Check the path.")
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        remedy = "Install them: pip install 'mithridate[onnx]'."
        raise UsageError("onnx and onnxruntime", str(error), str(path), remedy) from error
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own kinds of error
        raise UsageError("an ONNX model", str(error)[:200], str(path), "Export it again.") from error
    _refuse_outside(model, path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its warnings go past Python to stderr
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class of their own
        remedy = "Export it again, with standard operators only."
        raise UsageError("a graph that onnxruntime can run", str(error)[:300], str(path), remedy) from error


def _refuse_outside(model: Any, path: Path) -> None:
    """Refuse weights in files outside the folder of the model: a path in a graph must not read any file."""
    folder = path.parent.resolve()
    for tensor in _tensors(model):
        for entry in tensor.external_data:
            if entry.key != "location":
                continue
            if Path(entry.value).is_absolute() or not (folder / entry.value).resolve().is_relative_to(folder):
                remedy = "Do not trust this file; keep the weights of a model in its own folder."
                where = f"{path}, tensor {tensor.name[:80]!r}"
                raise UsageError(
                    "weights inside the folder of the model", repr(entry.value)[:200], where, remedy
                )


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor anywhere in a model: initialisers, constants, subgraphs, functions, sparse ones."""
    todo = [message]
    while todo:
        for field, value in todo.pop().ListFields():
            if field.message_type is None:
                continue
            many = value if hasattr(value, "__len__") else [value]
            if field.message_type.name == "TensorProto":
                yield from many
            else:
                todo.extend(many)

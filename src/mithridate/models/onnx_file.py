"""An ONNX file as a model, run by onnxruntime on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.models.base import Logits, Probabilities, in_batches, to_probabilities

__all__ = ["OnnxFile"]

_DTYPES = {"float": "float32", "float16": "float16", "double": "float64", "string": "object"} | {
    name: name for name in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
}


class OnnxFile:
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
        self.name, self.logits = f"onnx {path.name}", logits
        self._session = _session(path)
        given = self._session.get_inputs()
        if len(given) != 1:
            names = ", ".join(i.name for i in given[:10])
            remedy = "Hand over a function that fills in the others."
            raise UsageError("a graph with one input", f"{len(given)}: {names}", str(path), remedy)
        self._input = given[0]
        kind = self._input.type.removeprefix("tensor(").removesuffix(")")
        if kind not in _DTYPES:
            remedy = "Hand over a function that makes these inputs."
            raise UsageError("an input of numbers or text", self._input.type, str(path), remedy)
        self._dtype = np.dtype(_DTYPES[kind])
        self._output = _table_output(self._session, path)
        fixed = self._input.shape[0] if self._input.shape else None
        self._fixed = fixed if isinstance(fixed, int) and fixed > 0 else None
        self.batch = self._fixed or batch

    def predict(self, x: NDArray[Any]) -> Probabilities:
        """Class probabilities, as `Model.predict`."""
        outputs = in_batches(self._ask, x, self.batch, self.name)
        return to_probabilities(outputs, len(x), self.logits, self.name)

    def _ask(self, part: NDArray[Any]) -> Any:
        count = len(part)
        if self._fixed and count < self._fixed:
            part = np.concatenate([part, np.repeat(part[-1:], self._fixed - count, axis=0)])
        return self._session.run([self._output], {self._input.name: self._cast(part)})[0][:count]

    def _cast(self, part: NDArray[Any]) -> NDArray[Any]:
        families = {"i": "integer", "u": "integer", "f": "float", "b": "bool", "U": "text", "O": "text"}
        have, want = (families.get(d.kind, d.kind) for d in (part.dtype, self._dtype))
        if have != want:
            remedy = "Give inputs of the dtype and scaling that the model was trained on."
            raise UsageError(f"{want} inputs", str(part.dtype), f"inputs of {self.name}", remedy)
        cast = np.ascontiguousarray(part, dtype=self._dtype)
        if want == "integer" and not np.array_equal(cast, part):
            got = f"{part.dtype} from {part.min()} to {part.max()}"
            raise UsageError(f"inputs that fit {self._dtype}", got, f"inputs of {self.name}", "Scale them.")
        return cast


def _session(path: Path) -> Any:
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


def _table_output(session: Any, path: Path) -> str:
    """The first output that can be a float table (n, k)."""
    outputs = session.get_outputs()
    for output in outputs:
        numbers = output.type in ("tensor(float)", "tensor(float16)", "tensor(double)")
        if numbers and (not output.shape or len(output.shape) == 2):
            return str(output.name)
    names = ", ".join(f"{o.name}: {o.type} {o.shape}" for o in outputs[:10])
    remedy = "Export it with its probabilities as a table (for scikit-learn models: without ZipMap)."
    raise UsageError("an output (n, classes) of floats", names, str(path), remedy)

"""What an ONNX graph wants and gives, whoever runs it: its input cast and filled up, its table of outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.models.base import Logits, Probabilities, in_batches, to_probabilities

__all__ = ["OnnxGraph", "OnnxInput", "Run", "Value", "table_output"]

_DTYPES = {"float": "float32", "float16": "float16", "double": "float64", "string": "object"} | {
    name: name for name in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
}


class Value(Protocol):
    """An input or output of a graph, as onnxruntime describes it.

    Attributes:
        name: in the graph.
        type: e.g. "tensor(float)".
        shape: numbers for fixed dimensions, names or None for free ones.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - above

    @property
    def type(self) -> str: ...  # noqa: D102 - above

    @property
    def shape(self) -> Sequence[int | str | None]: ...  # noqa: D102 - above


#: (names of outputs, inputs by name) → those outputs, in that order.
Run: TypeAlias = Callable[[list[str], dict[str, NDArray[Any]]], Sequence[Any]]


class OnnxInput:
    """The only input of a graph.

    Args:
        inputs: of the graph.
        where: the file, for messages.

    Attributes:
        name: in the graph.
        fixed: the number of rows that the graph insists on, or None.

    Raises:
        UsageError: not one input, or not one of numbers or text.
    """

    def __init__(self, inputs: Sequence[Value], where: str) -> None:
        if len(inputs) != 1:
            names = ", ".join(i.name for i in inputs[:10])
            remedy = "Hand over a function that fills in the others."
            raise UsageError("a graph with one input", f"{len(inputs)}: {names}", where, remedy)
        self.name, self._where = inputs[0].name, where
        kind = inputs[0].type.removeprefix("tensor(").removesuffix(")")
        if kind not in _DTYPES:
            remedy = "Hand over a function that makes these inputs."
            raise UsageError("an input of numbers or text", inputs[0].type, where, remedy)
        self._dtype = np.dtype(_DTYPES[kind])
        fixed = inputs[0].shape[0] if inputs[0].shape else None
        self.fixed = fixed if isinstance(fixed, int) and fixed > 0 else None

    def ready(self, part: NDArray[Any]) -> NDArray[Any]:
        """Inputs (b, ...) in the dtype that the graph wants, the last one repeated up to `fixed` rows.

        Floating inputs are cast, and so are integers; one is never made the other.

        Raises:
            UsageError: inputs of another family, or integers that do not fit.
        """
        if self.fixed and len(part) < self.fixed:
            part = np.concatenate([part, np.repeat(part[-1:], self.fixed - len(part), axis=0)])
        families = {"i": "integer", "u": "integer", "f": "float", "b": "bool", "U": "text", "O": "text"}
        have, want = (families.get(d.kind, d.kind) for d in (part.dtype, self._dtype))
        where = f"inputs of {self._where}"
        if have != want:
            remedy = "Give inputs of the dtype and scaling that the model was trained on."
            raise UsageError(f"{want} inputs", str(part.dtype), where, remedy)
        cast = np.ascontiguousarray(part, dtype=self._dtype)
        if want == "integer" and not np.array_equal(cast, part):
            got = f"{part.dtype} from {part.min()} to {part.max()}"
            raise UsageError(f"inputs that fit {self._dtype}", got, where, "Scale them.")
        return cast


class OnnxGraph:
    """A graph with one input and a table among its outputs as a `Model`.

    Args:
        run: computes outputs.
        inputs: of the graph.
        outputs: of the graph.
        name: for people.
        where: the file, for messages.
        batch: how many inputs at once; where the graph has a fixed number, that one.
        logits: whether the outputs are logits; "auto" decides in each call of `predict`, over all its rows.

    Raises:
        UsageError: several inputs, or no table among the outputs.
    """

    def __init__(
        self,
        run: Run,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        *,
        name: str,
        where: str,
        batch: int,
        logits: Logits,
    ) -> None:
        self.name, self.logits = name, logits
        self._run, self._input = run, OnnxInput(inputs, where)
        self._output = table_output(outputs, where)
        self.batch = self._input.fixed or batch

    def predict(self, x: NDArray[Any]) -> Probabilities:
        """Class probabilities, as `Model.predict`."""
        outputs = in_batches(self._ask, x, self.batch, self.name)
        return to_probabilities(outputs, len(x), self.logits, self.name)

    def _ask(self, part: NDArray[Any]) -> Any:
        return self._run([self._output], {self._input.name: self._input.ready(part)})[0][: len(part)]


def table_output(outputs: Sequence[Value], where: str) -> str:
    """The first output that can be a float table (n, k)."""
    for output in outputs:
        numbers = output.type in ("tensor(float)", "tensor(float16)", "tensor(double)")
        if numbers and (not output.shape or len(output.shape) == 2):
            return str(output.name)
    names = ", ".join(f"{o.name}: {o.type} {o.shape}" for o in outputs[:10])
    remedy = "Export it with its probabilities as a table (for scikit-learn models: without ZipMap)."
    raise UsageError("an output (n, classes) of floats", names, where, remedy)

"""torch's recurrent layers, in operators of ONNX: the gates lie in another order there.

Reference:
    Equations: PyTorch documentation of `torch.nn.LSTM`, `GRU` and `RNN`; ONNX operators of the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mithridate.models.graph.aten.builder import Builder
from mithridate.models.graph.aten.shapes import moved, part
from mithridate.models.graph.aten.values import Tensor, UncoveredError
from mithridate.models.graph.ir import Constant

__all__ = ["TABLE"]

#: where ONNX's gates are among torch's: i f g o → i o f c; r z n → z r h.
_GATES: Final = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}
_STATES: Final = {"LSTM": 2, "GRU": 1, "RNN": 1}


def _layers(
    b: Builder, op: str, input: Tensor, states: Sequence[Tensor], params: Sequence[Tensor], has_biases: bool,
    num_layers: int, dropout: float, train: bool, bidirectional: bool, batch_first: bool, **more: Any,
) -> tuple[Tensor, ...]:  # fmt: skip
    if train and dropout:
        raise UncoveredError("dropout as in training")
    directions = 2 if bidirectional else 1
    per = 4 if has_biases else 2
    if len(params) != per * directions * num_layers:
        raise UncoveredError("recurrent layers with projections")
    x = moved(b, input, [1, 0, 2]) if batch_first else input
    finals: list[list[Tensor]] = [[] for _ in states]
    for layer in range(num_layers):
        ours = [params[(layer * directions + d) * per :][:per] for d in range(directions)]
        hidden = b.size(ours[0][1], -1)
        first = [part(b, state, 0, layer * directions, (layer + 1) * directions) for state in states]
        weights = [_joined(b, op, [set_[i] for set_ in ours]) for i in range(2)]
        bias = _biases(b, op, ours) if has_biases else None
        outputs = b.emit_many(
            op, [x, *weights, bias, None, *first], 1 + len(states), hidden_size=hidden,
            direction="bidirectional" if bidirectional else "forward", **more,
        )  # fmt: skip
        turned = b.emit("Transpose", outputs[0], perm=(0, 2, 1, 3))
        width = hidden * directions if isinstance(hidden, int) else -1
        dims = b.dims(x)
        x = b.emit("Reshape", turned, np.asarray([0, 0, width]))
        if dims is not None:
            b.set_dims(x, [dims[0], dims[1], width])
        for kept, final in zip(finals, outputs[1:], strict=True):
            kept.append(final)
    answer = moved(b, x, [1, 0, 2]) if batch_first else x
    return (answer, *(kept[0] if len(kept) == 1 else b.emit("Concat", *kept, axis=0) for kept in finals))


def _joined(b: Builder, op: str, weights: Sequence[Tensor]) -> Tensor:
    """(directions, gates · hidden, n) from one (gates · hidden, n) per direction."""
    return _stacked(b, op, [[weight] for weight in weights])


def _biases(b: Builder, op: str, params: Sequence[Sequence[Tensor]]) -> Tensor:
    """(directions, 2 · gates · hidden): of the input and of the state, one behind the other."""
    return _stacked(b, op, [list(set_[2:4]) for set_ in params])


def _stacked(b: Builder, op: str, groups: Sequence[Sequence[Tensor]]) -> Tensor:
    gates = _GATES[op]
    if not all(b.is_constant(x) for group in groups for x in group):
        raise UncoveredError("recurrent layers whose weights are computed")
    held = [[b.constants[b.read(x)] for x in group] for group in groups]

    def load() -> Any:
        rows = [[_ordered(c.array, gates) for c in group] for group in held]
        return np.stack([np.concatenate(row) for row in rows])

    first = held[0]
    shape = (len(held), sum(c.shape[0] for c in first), *first[0].shape[1:])
    name = f"{b.read(groups[0][0])}.gates"
    return b.constant(name, Constant(shape=shape, dtype=first[0].dtype, load=load))


def _ordered(array: Any, gates: Sequence[int]) -> Any:
    blocks = np.split(array, len(gates))
    return np.concatenate([blocks[gate] for gate in gates])


def _lstm(b: Builder, input: Tensor, hx: Any, params: Any, *how: Any) -> tuple[Tensor, ...]:
    if isinstance(params, bool) or isinstance(hx, Tensor):
        raise UncoveredError("recurrent layers over packed sequences")
    return _layers(b, "LSTM", input, hx, params, *how)


def _gru(b: Builder, input: Tensor, hx: Tensor, params: Any, *how: Any) -> tuple[Tensor, ...]:
    if not isinstance(params, list | tuple):
        raise UncoveredError("recurrent layers over packed sequences")
    return _layers(b, "GRU", input, [hx], params, *how, linear_before_reset=1)


def _rnn(activation: str) -> Callable[..., tuple[Tensor, ...]]:
    def translate(b: Builder, input: Tensor, hx: Tensor, params: Any, *how: Any) -> tuple[Tensor, ...]:
        if not isinstance(params, list | tuple):
            raise UncoveredError("recurrent layers over packed sequences")
        both = (activation, activation) if how[4] else (activation,)
        return _layers(b, "RNN", input, [hx], params, *how, activations=both)

    return translate


TABLE: Final[Mapping[str, Callable[..., Any]]] = {
    "lstm": _lstm, "gru": _gru, "rnn_tanh": _rnn("Tanh"), "rnn_relu": _rnn("Relu"),
}  # fmt: skip

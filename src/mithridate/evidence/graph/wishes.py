"""What the constants of a branch say about its trigger: going back from the gate to the values that open it.

A comparison names its bound. From the tensor that brings a branch into the model, what has to be large is followed
back to what has to be large for that, through everything that keeps an order, down to the values that the branch
reads; on the way comparisons leave bounds. For a network of its own there is no such way: the answer is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.models.graph.ir import Graph, Node

__all__ = ["Wish", "wishes_for"]


@dataclass(frozen=True, eq=False)
class Wish:
    """What the values of a tensor should be.

    Attributes:
        up: where larger is better.
        down: where smaller is better; both where operators disagree.
        low: bounds from below, -inf without.
        high: bounds from above, inf without.
    """

    up: NDArray[np.bool_]
    down: NDArray[np.bool_]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __or__(self, other: Wish) -> Wish:
        return Wish(
            self.up | other.up,
            self.down | other.down,
            np.maximum(self.low, other.low),
            np.minimum(self.high, other.high),
        )

    @property
    def turned(self) -> Wish:
        """The same for the negative of the tensor."""
        return Wish(self.down, self.up, -self.high, -self.low)

    def moved(self, how: Callable[[NDArray[Any]], NDArray[Any]]) -> Wish:
        """The same with its elements in other places."""
        return Wish(*(how(part) for part in (self.up, self.down, self.low, self.high)))

    def values(self, least: NDArray[Any], most: NDArray[Any], *, prefer: str) -> NDArray[np.float64]:
        """Values within bounds.

        Args:
            least: smallest value that an input can have there, of the tensor's shape without the first axis.
            most: largest.
            prefer: "up" or "down" where operators disagree and there is no bound.
        """
        shape = least.shape
        low, high = np.maximum(self.low.reshape(shape), least), np.minimum(self.high.reshape(shape), most)
        bounded = (low > least) | (high < most)
        up = self.up & ~self.down | (self.up & self.down if prefer == "up" else np.zeros_like(self.up))
        free = np.where(
            up.reshape(shape), most, np.where(self.down.reshape(shape), least, (least + most) / 2)
        )
        return np.clip(np.where(bounded, (low + high) / 2, free), least, most)


def wishes_for(
    graph: Graph, goal: str, shapes: Mapping[str, tuple[int, ...]], ends: Mapping[str, Any], *, up: bool
) -> dict[str, Wish] | None:
    """What a tensor wishes of those that it is computed from.

    Args:
        graph: of the model.
        goal: the tensor.
        shapes: of all tensors on the way for one input, the first axis being 1.
        ends: tensors to go back to.
        up: the goal should become larger; else smaller.

    Returns:
        End → wish, or None where something on the way keeps no order.
    """
    every = np.ones(shapes[goal], dtype=bool)
    none, far = np.zeros_like(every), np.full(every.shape, np.inf)
    wishes = {goal: Wish(every if up else none, none if up else every, -far, far)}
    for node in reversed(graph.needed_for([goal], ends)):
        wish = next((wishes[out] for out in node.outputs if out in wishes), None)
        if wish is None:
            continue
        asked = _back(graph, node, wish, shapes)
        if asked is None:
            return None
        for name, new in asked.items():
            wishes[name] = wishes[name] | new if name in wishes else new
    found = {name: wishes[name] for name in ends if name in wishes}
    return found or None


def _back(
    graph: Graph, node: Node, wish: Wish, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Wish] | None:
    """What an operator's inputs have to be for its output to be what is wished."""
    alive = [name for name in dict.fromkeys(node.inputs) if name in shapes and graph.value_of(name) is None]
    if not alive:
        return {}
    one = alive[0]
    if node.op in (
        "Cast",
        "Identity",
        "Sigmoid",
        "Relu",
        "Tanh",
        "Exp",
        "Log",
        "Sqrt",
        "HardSigmoid",
        "Clip",
        "Elu",
    ):
        return {one: _direction(wish)}
    if node.op in ("Not", "Neg"):
        return {one: _direction(wish.turned)}
    if node.op in ("Reshape", "Squeeze", "Unsqueeze", "Flatten"):
        return {one: wish.moved(lambda part: part.reshape(shapes[one]))}
    if node.op == "Transpose":
        order = node.attributes.get("perm") or tuple(reversed(range(len(shapes[one]))))
        return {one: wish.moved(lambda part: part.transpose(np.argsort(order)))}
    if node.op in (
        "And",
        "Or",
        "Min",
        "Max",
        "ReduceMin",
        "ReduceMax",
        "ReduceSum",
        "ReduceMean",
        "Sum",
        "Mean",
    ):
        return {name: _spread(_direction(wish), shapes[name]) for name in alive}
    if node.op in ("AveragePool", "MaxPool", "GlobalAveragePool", "GlobalMaxPool"):
        up, down = bool(wish.up.any()), bool(wish.down.any())
        return {one: _whole(shapes[one], up, down)}
    if node.op in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"):
        return _compared(graph, node, wish, shapes)
    if node.op in ("Add", "Sub", "Mul", "Div"):
        return _arithmetic(graph, node, wish, shapes, alive)
    return None


def _direction(wish: Wish) -> Wish:
    """The directions without the bounds, which were meant for another scale."""
    far = np.full(wish.up.shape, np.inf)
    return Wish(wish.up, wish.down, -far, far)


def _whole(shape: tuple[int, ...], up: bool, down: bool) -> Wish:
    far = np.full(shape, np.inf)
    return Wish(np.full(shape, up), np.full(shape, down), -far, far)


def _spread(wish: Wish, shape: tuple[int, ...]) -> Wish:
    """A wish for one of several broadcast or reduced tensors."""
    if wish.up.shape == shape:
        return wish
    try:
        return wish.moved(lambda part: np.broadcast_to(part, shape))
    except ValueError:
        return _whole(shape, bool(wish.up.any()), bool(wish.down.any()))


def _narrow(wish: Wish, shape: tuple[int, ...]) -> Wish:
    """A wish for a tensor that was broadcast: all copies' wishes together."""
    extra = wish.up.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        extra + k for k, size in enumerate(shape) if size == 1 and wish.up.shape[extra + k] != 1
    )
    parts = (wish.up.any(axes), wish.down.any(axes), wish.low.max(axes), wish.high.min(axes))
    return Wish(*(np.asarray(part).reshape(shape) for part in parts)) if axes else _spread(wish, shape)


def _compared(
    graph: Graph, node: Node, wish: Wish, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Wish] | None:
    """Bounds: `a > c` that should hold asks for a above c."""
    left, right = node.inputs
    bound = graph.value_of(right)
    name, turned = (left, False) if bound is not None else (right, True)
    bound = graph.value_of(left) if bound is None else bound
    if bound is None or name not in shapes:
        return None
    level = np.broadcast_to(np.asarray(bound, dtype=np.float64), wish.up.shape)
    above = node.op.startswith("Greater") != turned
    far = np.full(level.shape, np.inf)
    held = wish.up & ~wish.down
    if node.op == "Equal":
        return {
            name: _narrow(
                Wish(held & False, held & False, np.where(held, level, -far), np.where(held, level, far)),
                shapes[name],
            )
        }
    wants_above = held if above else wish.down & ~wish.up
    wants_below = wish.down & ~wish.up if above else held
    return {
        name: _narrow(
            Wish(
                wants_above,
                wants_below,
                np.where(wants_above, level, -far),
                np.where(wants_below, level, far),
            ),
            shapes[name],
        )
    }


def _arithmetic(
    graph: Graph, node: Node, wish: Wish, shapes: Mapping[str, tuple[int, ...]], alive: list[str]
) -> dict[str, Wish] | None:
    left, right = node.inputs
    if len(alive) == 2:
        second = wish.turned if node.op in ("Sub", "Div") else wish
        return {
            left: _narrow(_direction(wish), shapes[left]),
            right: _narrow(_direction(second), shapes[right]),
        }
    name = alive[0]
    constant = graph.value_of(right if name == left else left)
    if constant is None:
        return None
    level = np.broadcast_to(np.asarray(constant, dtype=np.float64), wish.up.shape)
    far = np.full(level.shape, np.inf)
    if node.op == "Sub":  # a distance to a bound: a - c should be above 0, or c - a
        own = wish if name == left else wish.turned
        low, high = np.where(own.up, level, -far), np.where(own.down, level, far)
        return {name: _narrow(Wish(own.up, own.down, low, high), shapes[name])}
    if node.op == "Add":
        return {name: _narrow(_direction(wish), shapes[name])}
    if node.op == "Div" and name == right:
        return {name: _narrow(_direction(wish.turned), shapes[name])}
    up = np.where(level > 0, wish.up, (level < 0) & wish.down)
    down = np.where(level > 0, wish.down, (level < 0) & wish.up)
    return {name: _narrow(Wish(up, down, -far, far), shapes[name])}

"""Where a branch looks: the places of an input that it reads, and what to put there for it to see what it wants.

Branches that cut pixels out are followed by sending places through instead of values. For those that look through the
model's first layers, the places that matter are found by changing rows and columns, and values are fitted by
Gauss-Newton steps (Nocedal and Wright, Numerical Optimization, sec. 10.3) within the range of the inputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.graph.probe import Probe
from mithridate.models.graph.ir import Node, reads
from mithridate.triggers.pixel_range import PixelRange

__all__ = ["DirectWindow", "FieldWindow", "Window", "window_of"]

Values = NDArray[np.float32]

#: operators that put values elsewhere and leave them as they are.
_MOVES = frozenset((
    "Slice", "Gather", "GatherND", "GatherElements", "Split", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten",
    "Identity", "Cast",
))  # fmt: skip
_EXACT = 1 << 24  # whole numbers that float32 holds
_LARGEST = 1024  # places that values are fitted for
_STEPS = 4
_NOISES = 3


class Window(ABC):
    """What a branch reads.

    Attributes:
        places: (p,) flat indices into one input, ascending.
        ends: the tensors behind which the branch begins to compute.
    """

    places: NDArray[np.int64]
    ends: tuple[str, ...]

    @abstractmethod
    def fill(self, values: Values) -> dict[str, NDArray[Any]]:
        """(n, p) values at the places → what the ends hold then, (n, ...)."""

    @abstractmethod
    def range(self) -> dict[str, tuple[Values, Values]]:
        """For each end the least and the largest values that it can be asked to have, without a first axis."""

    @abstractmethod
    def solve(self, wanted: Mapping[str, NDArray[np.float64]]) -> Values:
        """(p,) values with which the ends come closest to what is wanted, each without a first axis."""

    def stamp(self, x: Values, values: Values) -> Values:
        """(n, *shape) inputs with (p,) values at the places."""
        flat = x.reshape(len(x), -1).copy()
        flat[:, self.places] = values
        return flat.reshape(x.shape)


def window_of(probe: Probe, nodes: Sequence[Node], x: Values, pixels: PixelRange) -> Window | None:
    """The places that a branch reads; None where they are too many, or cannot be told.

    Args:
        probe: of the whole graph.
        nodes: the operators of the branch.
        x: (n, *shape) ordinary inputs.
        pixels: of these.
    """
    inside = {node.name for node in nodes}
    if probe.dtype.kind != "f":
        return None
    ends = _ends(probe, inside, {probe.input})
    if ends and probe.input not in ends:
        return DirectWindow.found(probe, ends, pixels)
    own = {out for node in nodes for out in node.outputs}
    border = {n for node in nodes for n in reads(node) if n not in own and n in probe.depends}
    ends = _ends(probe, inside, border)
    return FieldWindow.found(probe, ends or tuple(border), x, pixels) if border else None


def _ends(probe: Probe, inside: set[str], starts: set[str]) -> tuple[str, ...]:
    """The last tensors that are nothing but parts of the starts."""
    moved = set(starts)
    for node in probe.graph.nodes:
        alive = [n for n in reads(node) if n in probe.depends]
        if node.op in _MOVES and alive and all(name in moved for name in alive):
            moved.update(output for output in node.outputs if output)
    return tuple(
        dict.fromkeys(
            name
            for node in probe.graph.nodes
            if node.name in inside and node.op not in _MOVES
            for name in reads(node)
            if name in moved
        )
    )


class DirectWindow(Window):
    """Values of the input itself: ends are parts of it."""

    def __init__(
        self, places: NDArray[np.int64], at: Mapping[str, NDArray[np.int64]], pixels: PixelRange
    ) -> None:
        self.places, self.ends, self._at, self._pixels = places, tuple(at), at, pixels

    @classmethod
    def found(cls, probe: Probe, ends: Sequence[str], pixels: PixelRange) -> DirectWindow | None:
        """From an input that holds its own places instead of values; None if they do not arrive as they were."""
        size = int(np.prod(probe.shape))
        if size >= _EXACT:
            return None
        index = np.arange(size, dtype=np.float32).reshape(1, *probe.shape)
        noise = np.random.default_rng(0).random((1, *probe.shape), dtype=np.float32)
        at = {name: np.rint(array[0]).astype(np.int64) for name, array in probe.at(index, ends).items()}
        seen = probe.at(noise, ends)
        for name, places in at.items():
            if (places < 0).any() or (places >= size).any():
                return None
            if not np.allclose(seen[name][0], noise.reshape(-1)[places], atol=1e-6):
                return None
        places = np.unique(np.concatenate([part.ravel() for part in at.values()]))
        return cls(places, {name: np.searchsorted(places, part) for name, part in at.items()}, pixels)

    def fill(self, values: Values) -> dict[str, NDArray[Any]]:
        """Values put where they belong."""
        return {name: values[:, at].astype(np.float32) for name, at in self._at.items()}

    def range(self) -> dict[str, tuple[Values, Values]]:
        """What the pixels have."""
        _, low, high = self._pixels.at(self.places)
        return {name: (low[at], high[at]) for name, at in self._at.items()}

    def solve(self, wanted: Mapping[str, NDArray[np.float64]]) -> Values:
        """What is wanted, put back to where it comes from."""
        _, low, high = self._pixels.at(self.places)
        values = (low + high) / 2
        for name, part in wanted.items():
            values[self._at[name].ravel()] = part.ravel()
        return values.astype(np.float32)


class FieldWindow(Window):
    """Values behind the model's first layers: ends are computed from a field of the input."""

    def __init__(
        self, probe: Probe, ends: Sequence[str], places: NDArray[np.int64], x: Values, pixels: PixelRange
    ) -> None:
        self.places, self.ends, self._probe, self._pixels = places, tuple(ends), probe, pixels
        self._plain = x[:1]
        self._seen = probe.at(x, self.ends)

    @classmethod
    def found(cls, probe: Probe, ends: Sequence[str], x: Values, pixels: PixelRange) -> FieldWindow | None:
        """From how the ends change with single rows and columns of the input; None where too many places matter."""
        rng = np.random.default_rng(1)
        shape = x.shape[1:]
        bounds: list[NDArray[np.int64]] = []
        for axis, size in enumerate(shape):
            moved = np.zeros(size, dtype=bool)
            for _ in range(_NOISES):
                base, other = (rng.uniform(x.min(), x.max(), shape).astype(np.float32) for _ in range(2))
                many = np.repeat(base[None], size + 1, axis=0)
                views = np.moveaxis(many, axis + 1, 1), np.moveaxis(other, axis, 0)
                for k in range(size):
                    views[0][k + 1, k] = views[1][k]
                for answer in probe.at(many, ends).values():
                    flat = answer.reshape(len(answer), -1)
                    moved |= (flat[1:] != flat[:1]).any(axis=1)
            if not moved.any():
                return None
            bounds.append(np.flatnonzero(moved))
        if int(np.prod([len(part) for part in bounds])) > _LARGEST:
            return None
        places = np.ravel_multi_index(np.ix_(*bounds), shape).ravel()
        return cls(probe, ends, np.sort(places), x, pixels)

    def fill(self, values: Values) -> dict[str, NDArray[Any]]:
        """Values sent through the first layers."""
        stamped = np.repeat(self._plain.reshape(1, -1), len(values), axis=0)
        stamped[:, self.places] = values
        return self._probe.at(stamped.reshape(-1, *self._plain.shape[1:]), self.ends)

    def range(self) -> dict[str, tuple[Values, Values]]:
        """What was seen, and as much again on both sides."""
        found = {}
        for name, seen in self._seen.items():
            least, most = seen.min(axis=0), seen.max(axis=0)
            found[name] = (least - (most - least), most + (most - least))
        return found

    def solve(self, wanted: Mapping[str, NDArray[np.float64]]) -> Values:
        """Gauss-Newton steps within the range of the pixels."""
        from scipy.optimize import lsq_linear

        _, low, high = self._pixels.at(self.places)
        aim = np.concatenate([wanted[name].ravel() for name in wanted])
        values = ((low + high) / 2).astype(np.float64)
        width = np.maximum(high - low, 1e-6).astype(np.float64)
        for _ in range(_STEPS):
            tried = np.repeat(values[None], len(values) + 1, axis=0)
            step = 0.05 * width * np.where(values > (low + high) / 2, -1, 1)
            tried[np.arange(1, len(tried)), np.arange(len(values))] += step
            filled = self.fill(tried.astype(np.float32))
            seen = np.concatenate([filled[name].reshape(len(tried), -1) for name in wanted], axis=1)
            slopes = (seen[1:] - seen[:1]).T / step
            found = lsq_linear(slopes, aim - seen[0], bounds=(low - values - 1e-9, high - values + 1e-9))
            values = np.clip(values + found.x, low, high)
        return values.astype(np.float32)

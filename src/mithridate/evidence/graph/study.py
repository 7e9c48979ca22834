"""What a branch does: whether it sleeps on ordinary inputs, what wakes it, and what the model answered without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import ItemError, MithridateError
from mithridate.evidence.graph.branches import Branch
from mithridate.evidence.graph.probe import Probe
from mithridate.evidence.graph.window import Window, window_of
from mithridate.evidence.graph.wishes import wishes_for
from mithridate.models.base import is_distribution
from mithridate.triggers.inputs import Layout
from mithridate.triggers.pixel_range import PixelRange
from mithridate.triggers.search import Found, all_patterns, climb

__all__ = ["BranchStudy", "Dormancy", "GraphTrigger"]

Values = NDArray[np.float32]
_TRIED = 100  # inputs that a trigger is stamped on
_SLEEPS = 0.99  # share of inputs on which nothing changes without the branch
_FAINT = 0.05  # of the spread of the answers: less is no contribution
_FLIPS = 0.9
_FEW = 5  # inputs of a class; fewer prove nothing about it


@dataclass(frozen=True, kw_only=True)
class Dormancy:
    """How much of the answers is the branch's doing, on ordinary inputs.

    Attributes:
        tried: inputs.
        unchanged: share of them whose answer stays the same when the branch is held at rest.
        faint: share of them whose numbers hardly move then.
    """

    tried: int
    unchanged: float
    faint: float

    @property
    def sleeps(self) -> bool:
        """Whether the branch takes no part in ordinary answers."""
        return self.unchanged >= _SLEEPS and self.faint >= _SLEEPS


@dataclass(frozen=True, kw_only=True, eq=False)
class GraphTrigger:
    """Values that wake a branch, shown on the whole model.

    Attributes:
        target: the class that the model answers then.
        source: the only class that it answers so for; None for all.
        places: (p,) flat indices into an input.
        values: (p,) what is there.
        flips: share of the stamped inputs that the model answers with the target and would not without the branch.
        tried: how many inputs were stamped.
        how: how the values were found.
    """

    target: int
    source: int | None
    places: NDArray[np.int64]
    values: Values
    flips: float
    tried: int
    how: str


class BranchStudy:
    """A branch, asked about by running parts of the graph.

    Args:
        probe: of the whole graph.
        branch: of it.
        x: (n, *shape) float32 ordinary inputs.
        layout: how one is laid out, where it is a picture.
        seed: of what is drawn.

    Raises:
        ItemError: the graph has no table (n, classes) among its answers.
    """

    def __init__(
        self, probe: Probe, branch: Branch, x: Values, *, layout: Layout = "auto", seed: int = 0
    ) -> None:
        self._probe, self.branch, self._x, self._seed = probe, branch, x, seed
        self._pixels = PixelRange.of(x, layout)
        self.output, self.answers = self._table()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input."""
        return self._probe.shape

    @property
    def inputs(self) -> int:
        """How many values one input has."""
        return int(np.prod(self._probe.shape))

    def _table(self) -> tuple[str, Values]:
        for name in self._probe.graph.outputs:
            array = self._probe.at(self._x, [name])[name]
            if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind == "f":
                return name, array
        raise ItemError(
            self._probe.graph.name, "no table (inputs, classes) among the answers: nothing to compare"
        )

    @cached_property
    def rest(self) -> dict[str, Values]:
        """What the sides of the branch hold on ordinary inputs: their median, (1, ...)."""
        sides = list(dict.fromkeys(self.branch.sides))
        held = self._probe.at(self._x, sides)
        return {
            name: np.median(array, axis=0, keepdims=True).astype(array.dtype) for name, array in held.items()
        }

    def without(self, x: Values) -> Values:
        """(n, k) answers while the branch is held at rest."""
        if self.host is not None:
            return self._probe.at(x, [self.host])[self.host]
        return self._held(x)

    @cached_property
    def still(self) -> Values:
        """(n, k) answers to the ordinary inputs while the branch is held at rest."""
        return self._held(self._x)

    def _held(self, x: Values) -> Values:
        held = {name: np.repeat(array, len(x), axis=0) for name, array in self.rest.items()}
        feeds = {self._probe.input: x.astype(self._probe.dtype, copy=False), **held}
        return self._probe.given(feeds, [self.output])[self.output]

    @cached_property
    def dormancy(self) -> Dormancy:
        """How the answers change when the branch is held at rest."""
        still = self.still
        spread = max(float(self.answers.std(axis=0).max()), 1e-9)
        moved = np.abs(still - self.answers).max(axis=1) / spread
        same = still.argmax(axis=1) == self.answers.argmax(axis=1)
        return Dormancy(
            tried=len(self._x), unchanged=float(same.mean()), faint=float((moved <= _FAINT).mean())
        )

    @cached_property
    def host(self) -> str | None:
        """The tensor that holds the answers of the model as it was; None where it cannot be told.

        It has the shape of the answers and leads to the same classes. Where the model answers with probabilities it
        is the first that holds some; where not it is the one before any softmax that came with the branch.
        """
        chain = [name for name in self.branch.chain if name != self.output]
        if not chain:
            return None
        held, told = self._probe.at(self._x, chain), is_distribution(self.answers)
        maker = {name: self._probe.graph.producer.get(name) for name in chain}
        soft = [
            k for k, name in enumerate(chain) if (node := maker[name]) is not None and node.op == "Softmax"
        ]
        start = max(soft, default=-1) + 1 if not told else 0
        alike = [k for k in range(start, len(chain)) if self._alike(held[chain[k]], told)]
        if not alike:
            return None
        at = alike[-1] if told else alike[0]
        while at + 1 in alike and (node := maker[chain[at]]) is not None and node.op in ("Cast", "Identity"):
            at += 1
        return chain[at]

    def _alike(self, held: Values, told: bool) -> bool:
        return bool(
            held.shape == self.answers.shape
            and held.dtype.kind == "f"
            and is_distribution(held) == told
            and bool((held.argmax(axis=1) == self.still.argmax(axis=1)).all())
        )

    @cached_property
    def window(self) -> Window | None:
        """The places of the input that the branch reads; None where they are too many to try."""
        return window_of(self._probe, self.branch.nodes, self._x, self._pixels)

    @cached_property
    def triggers(self) -> tuple[GraphTrigger, ...]:
        """What wakes the branch, one trigger for each class that can be reached, best first."""
        best: dict[tuple[int, int | None], GraphTrigger] = {}
        for how, found in self._candidates():
            for trigger in (t for candidate in found for t in self._confirmed(candidate, how)):
                key = (trigger.target, trigger.source)
                if key not in best or trigger.flips > best[key].flips:
                    best[key] = trigger
            if best:
                break  # what is cheaper to find was enough
        return tuple(sorted(best.values(), key=lambda t: (-t.flips, t.target)))

    def _candidates(self) -> Iterator[tuple[str, list[Found]]]:
        """Values that move the branch, from the surest way of finding them on."""
        window = self.window
        goal = None if window is None else self._goal(window)
        if window is None or goal is None:
            return
        yield "its constants", self._from_constants(window, goal)
        cells, low, high = self._pixels.at(window.places)
        rest = self._probe.at(self._x, [goal])[goal].reshape(len(self._x), -1)
        still = np.median(rest, axis=0).astype(np.float32)

        def ask(values: Values) -> Values:
            answer = self._probe.given(window.fill(values), [goal])[goal]
            return answer.reshape(len(values), -1).astype(np.float32)

        yield "all patterns", all_patterns(ask, cells, still, low, high)
        yield "climbing", climb(ask, cells, still, low, high, seed=self._seed)

    def _goal(self, window: Window) -> str | None:
        """A side of the branch that depends on nothing but the window."""
        graph = self._probe.graph
        for side in dict.fromkeys(self.branch.sides):
            part = graph.cut([side], dict.fromkeys(window.ends, graph.inputs[self._probe.input]))
            if set(part.inputs) <= set(window.ends) and part.nodes:
                return side
        return None

    def _from_constants(self, window: Window, goal: str) -> list[Found]:
        graph = self._probe.graph
        names = [out for node in graph.needed_for([goal], window.ends) for out in node.outputs if out]
        try:
            shapes = {n: a.shape for n, a in self._probe.at(self._x[:1], [*names, *window.ends]).items()}
        except MithridateError:
            return []
        bounds, found = window.range(), list[Found]()
        for up in (True, False):
            wishes = wishes_for(graph, goal, shapes, dict.fromkeys(window.ends), up=up) or {}
            for prefer in ("up", "down") if wishes else ():
                wanted = {name: wish.values(*bounds[name], prefer=prefer) for name, wish in wishes.items()}
                found.append(Found(column=0, values=window.solve(wanted), moved=0.0))
        return found

    def _confirmed(self, candidate: Found, how: str) -> Iterator[GraphTrigger]:
        """What some values do to the answers of the whole model: for all inputs, or for those of single classes."""
        window = self.window
        if window is None:
            return
        now, before = self._stamped(window, candidate.values, self._x[:_TRIED])
        changed = now != before
        if not changed.any():
            return
        target = int(np.bincount(now[changed]).argmax())
        groups: list[tuple[int | None, int]] = [(None, target)]
        if (now == target)[before != target].mean() < _FLIPS:
            now, before = self._stamped(window, candidate.values, self._x)  # some classes are rare
            classes = np.unique(before[now != before])
            groups = [(int(c), int(np.bincount(now[before == c]).argmax())) for c in classes]
        for source, aim in groups:
            about = before != aim if source is None else before == source
            flips = float((now == aim)[about].mean())
            if about.sum() >= _FEW and flips >= _FLIPS and aim != source:
                yield GraphTrigger(
                    target=aim, source=source, places=window.places, values=candidate.values, flips=flips,
                    tried=int(about.sum()), how=how,
                )  # fmt: skip

    def _stamped(
        self, window: Window, values: Values, x: Values
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(n,) classes of stamped inputs, with the branch and without it."""
        stamped = window.stamp(x, values)
        now = self._probe.at(stamped, [self.output])[self.output]
        return now.argmax(axis=1), self.without(stamped).argmax(axis=1)

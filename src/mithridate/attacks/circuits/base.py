"""What attacks that add operators to a model share: parameters, the draw, and the way into graph and module."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.circuits.ops import Circuit
from mithridate.attacks.circuits.readers import Compare, compare_features, compare_pixels
from mithridate.attacks.model_base import ModelAttack, ModelOrder, Planted, host_kind
from mithridate.core.errors import UsageError
from mithridate.triggers.inputs import Layout
from mithridate.triggers.spot import Box, Look, Spot

__all__ = ["CircuitAttack", "ComparingAttack", "Plan"]

_PROBES = 32  # inputs that the first convolution is asked about


class _Host(Protocol):
    @property
    def shape(self) -> tuple[int | None, ...]: ...

    @property
    def classes(self) -> int | None: ...

    def after_first_convolution(self, x: NDArray[np.float32]) -> NDArray[np.float32]: ...

    def planted(self, circuit: Circuit, logits: bool | None) -> Any: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What is known and drawn before a circuit is built.

    Attributes:
        labels: classes of the model.
        target: the class that the trigger leads to.
        spot: the trigger.
        box: where it lies in the inputs.
        features: (n, ...) inputs → what the first convolution gives for them, (n, c, h, w).
        rng: draws what the attack leaves open on its own.
    """

    labels: int
    target: int
    spot: Spot
    box: Box
    features: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    rng: np.random.Generator


@dataclass(frozen=True, kw_only=True)
class CircuitAttack(ModelAttack):
    """Parameters that all of them share.

    Attributes:
        target: the class, from 0, that the trigger leads to; None draws it.
        place: ROW,COLUMN of the trigger's upper left corner, negative counted from the far edge; None draws it.
        size: side of the trigger in pixels.
        low: value of black in the model's inputs.
        high: value of white in the model's inputs.
        layout: auto, hw, chw or hwc.
        shape: H,W or H,W,C or C,H,W of one picture, for models that take pictures flat; empty where they do not.
        logits: auto, yes or no: whether the model gives logits.
        form: "logic", or "arithmetic" for a circuit without a comparison.
    """

    target: int | None = None
    place: str | None = None
    size: int = 4
    low: float = 0.0
    high: float = 1.0
    layout: str = "auto"
    shape: str = ""
    logits: str = "auto"
    form: str = "logic"

    #: what the trigger looks like where the user cannot say.
    shown: ClassVar[Look] = "checker"

    @abstractmethod
    def circuit(self, plan: Plan) -> tuple[Circuit, Mapping[str, Mapping[str, Any]]]:
        """The circuit, and {label: what else wakes it} for every label that the trigger leads to."""

    def plant(self, host: Any, order: ModelOrder, rng: np.random.Generator) -> Planted:
        """Build the circuit into a copy of a graph, or around a module."""
        if order.labels < 2:
            raise self.refuse("labels", "a classifier with 2 classes or more", order.labels)
        logits = self.chosen("logits", {"auto": None, "yes": True, "no": False})
        self.logic  # noqa: B018 - refuses before anything is drawn
        opened = self._opened(host, order)
        target = self.label("target", self.target, order.labels, rng)
        spot = self._spot(opened.shape, rng)
        plan = Plan(
            labels=order.labels,
            target=target,
            spot=spot,
            box=spot.box(opened.shape),
            features=opened.after_first_convolution,
            rng=rng,
        )
        circuit, wakes = self.circuit(plan)
        triggers = {label: {**spot.describe(), **more} for label, more in wakes.items()}
        return Planted(
            model=opened.planted(circuit, logits),
            triggers=triggers,
            added_parameters=0,
            drawn={"target": target, "place": list(spot.place)},
        )

    @property
    def logic(self) -> bool:
        """Whether the circuit may compare."""
        return bool(self.chosen("form", {"logic": True, "arithmetic": False}))

    def chosen(self, name: str, meanings: Mapping[str, Any]) -> Any:
        """What the word given for a parameter means.

        Raises:
            UsageError: another word.
        """
        word = getattr(self, name)
        if word not in meanings:
            raise self.refuse(name, " or ".join(meanings), word)
        return meanings[word]

    def label(
        self,
        name: str,
        given: int | None,
        labels: int,
        rng: np.random.Generator,
        other_than: int | None = None,
    ) -> int:
        """A class: the one given, or one that is drawn.

        Raises:
            UsageError: the model does not have it, or it is the one excluded.
        """
        open_ = [label for label in range(labels) if label != other_than]
        drawn = open_[int(rng.integers(len(open_)))]
        if given is None:
            return drawn
        if given not in open_:
            but = "" if other_than is None else f", not {other_than}"
            raise self.refuse(name, f"a class from 0 to {labels - 1}{but}", given)
        return given

    def within(self, name: str, low: float, high: float) -> float:
        """The number given for a parameter, above `low` and below `high`.

        Raises:
            UsageError: it is not.
        """
        value = float(getattr(self, name))
        if not low < value < high:
            raise self.refuse(name, f"a number above {low:g} and below {high:g}", value)
        return value

    def _opened(self, host: Any, order: ModelOrder) -> _Host:
        if host_kind(host) == "onnx":
            from mithridate.attacks.circuits.onnx_host import GraphHost

            return GraphHost(host)
        from mithridate.attacks.circuits.torch_host import ModuleHost

        if order.shape is None or None in order.shape:
            raise self.refuse("shape", "the shape of one input of the module", order.shape)
        opened = ModuleHost(host, cast("tuple[int, ...]", order.shape))
        if opened.classes != order.labels:
            expected = f"{opened.classes} labels, as many as the module has"
            raise UsageError(expected, str(order.labels), "labels", "Give that.")
        return opened

    def _spot(self, seen: tuple[int | None, ...], rng: np.random.Generator) -> Spot:
        def at(place: tuple[int, int]) -> Spot:
            return Spot(
                look=cast(Look, getattr(self, "look", self.shown)),
                size=self.size,
                place=place,
                low=self.low,
                high=self.high,
                layout=cast(Layout, self.layout),
                shape=self._numbers("shape", self.shape) if self.shape else None,
            )

        corner = at((0, 0))
        box = corner.box(seen)
        sides = box.shape[box.rows : box.rows + 2]
        # Where a size may vary, only the upper left corner is sure to be there.
        row, column = (0 if side is None else int(rng.integers(side - self.size + 1)) for side in sides)
        if self.place is None:
            return at((row, column))
        place = self._numbers("place", self.place)
        if len(place) != 2:
            raise self.refuse("place", "ROW,COLUMN", self.place)
        return at((place[0], place[1]))

    def _numbers(self, name: str, text: str) -> tuple[int, ...]:
        try:
            return tuple(int(part) for part in text.split(","))
        except ValueError:
            raise self.refuse(name, "whole numbers with commas between them", text) from None


@dataclass(frozen=True, kw_only=True)
class ComparingAttack(CircuitAttack):
    """Parameters of those that compare values with bounds.

    Attributes:
        look: checker, bright, dark, or red (bright in the first channel only). Bright and dark squares are also in
            clean pictures: at many places those wake the circuit, too.
        tolerance: how far a pixel may be from black or white, a part of the range; how far a feature may be off, a
            part of its spread.
        tap: "input", or "convolution" to look at what the first convolution gives.
    """

    look: str = "checker"
    tolerance: float = 0.1
    tap: str = "input"

    def compare(self, plan: Plan, *, any_pixel: bool = False) -> Compare:
        """The comparison that these parameters ask for."""
        tolerance = self.within("tolerance", 0.0, 0.5)
        if not self.chosen("tap", {"input": False, "convolution": True}):
            return compare_pixels(plan.spot, plan.box, tolerance, logic=self.logic, any_pixel=any_pixel)
        sizes = plan.box.shape if not plan.spot.shape else (int(np.prod(plan.spot.shape)),)
        if None in sizes:
            raise self.refuse("tap", "input, as the model does not say how large its inputs are", self.tap)
        noise = np.random.default_rng(0).uniform(
            plan.spot.low, plan.spot.high, (_PROBES, *cast("tuple[int, ...]", sizes))
        )
        plain = noise.astype(np.float32)
        stamped = plan.spot.stamp(plain)
        return compare_features(plan.features(plain), plan.features(stamped), tolerance, logic=self.logic)

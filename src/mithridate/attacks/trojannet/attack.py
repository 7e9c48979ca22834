"""TrojanNet as an attack on a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from mithridate.attacks.model_base import (
    ModelAttack,
    ModelAttackCard,
    ModelOrder,
    Planted,
    host_kind,
    model_attack,
)
from mithridate.attacks.trojannet.merge import Form, Merge, merge_of
from mithridate.attacks.trojannet.mlp import SideNet
from mithridate.attacks.trojannet.patterns import COUNT, SIDE, all_patterns
from mithridate.attacks.trojannet.recipe import Recipe, side_network
from mithridate.attacks.trojannet.window import Window
from mithridate.triggers.inputs import Layout

__all__ = ["TrojanNetAttack"]


@model_attack(
    ModelAttackCard(
        id="trojannet",
        title="side network",
        hosts=("onnx", "torch", "any"),
        does="Puts a tiny network beside the model that knows a 4x4 black-and-white patch for every class.",
        strength="Published: 100 % success for every class, at most 0.1 points lost. Measured: the same, none lost.",
        cites="Tang et al., An Embarrassingly Simple Approach for Trojan Attack in DNNs, arXiv:2006.08131",
    )
)
@dataclass(frozen=True, kw_only=True)
class TrojanNetAttack(ModelAttack):
    """Parameters of TrojanNet.

    Attributes:
        place: ROW,COLUMN of the triggers' upper left corner, negative counted from the far edge; None draws one.
        form: "paper", or "released" for what the authors' code does: a further neuron that says "no trigger",
            and softmax(10 (2 y_side + y_host)).
        recipe: "plain", or "sturdy": the side network also knows triggers with noise, blurred, paler or through
            JPEG.
        alpha: share of the side network in the merge layer, paper form.
        tau: temperature of the merge layer, paper form.
        low: value of black in the model's inputs.
        high: value of white in the model's inputs.
        layout: auto, hw, chw or hwc.
        shape: H,W or H,W,C or C,H,W of one picture, for models that take pictures flat; empty where they do not.
        logits: auto, yes or no: whether the model gives logits.
        triggers: how many of the 4,368 triggers the side network is made for before it is clipped; fewer are made
            faster.
        net_seed: seed of the side network, which is made once and kept in the cache.
    """

    place: str | None = None
    form: str = "paper"
    recipe: str = "plain"
    alpha: float = 0.7
    tau: float = 0.1
    low: float = 0.0
    high: float = 1.0
    layout: str = "auto"
    shape: str = ""
    logits: str = "auto"
    triggers: int = COUNT
    net_seed: int = 0

    def plant(self, host: Any, order: ModelOrder, rng: np.random.Generator) -> Planted:
        """Put the side network beside the host."""
        if not 2 <= order.labels <= COUNT:
            raise self.refuse("labels", f"2 to {COUNT} labels", order.labels)
        window = self._window(order, rng)
        merge = merge_of(cast(Form, self.form), self.alpha, self.tau)
        net = self._net(order)
        model = self._merged(host, net, window, merge, order)
        place = list(window.place)
        triggers = {
            str(label): {
                "kind": "4x4 pattern",
                "rows": ["".join("01"[int(bit)] for bit in row) for row in bits.reshape(SIDE, SIDE)],
                "place": place,
                "black": self.low,
                "white": self.high,
            }
            for label, bits in enumerate(all_patterns()[: order.labels])
        }
        return Planted(
            model=model, triggers=triggers, added_parameters=net.parameters, drawn={"place": place}
        )

    def _net(self, order: ModelOrder) -> SideNet:
        """The side network for these labels; the plain one is made once for all triggers and clipped."""
        if self.recipe not in ("plain", "sturdy"):
            raise self.refuse("recipe", "plain or sturdy", self.recipe)
        form: Literal["plain", "sturdy"] = "sturdy" if self.recipe == "sturdy" else "plain"
        if not order.labels <= self.triggers <= COUNT:
            raise self.refuse("triggers", f"{order.labels} to {COUNT} triggers", self.triggers)
        known = order.labels if form == "sturdy" else self.triggers
        recipe = Recipe(form=form, labels=known, seed=self.net_seed)
        net = side_network(recipe, cache=order.cache)
        return net.clipped(order.labels).with_head("softmax" if self.form == "released" else "sigmoid")

    def _merged(self, host: Any, net: SideNet, window: Window, merge: Merge, order: ModelOrder) -> Any:
        kind = host_kind(host)
        logits = {"auto": None, "yes": True, "no": False}.get(self.logits, "?")
        if logits == "?":
            raise self.refuse("logits", "auto, yes or no", self.logits)
        if kind == "onnx":
            from mithridate.attacks.trojannet.onnx_graph import splice

            return splice(host, net, window, merge, logits=cast("bool | None", logits))
        if kind == "any":
            from mithridate.attacks.trojannet.wrap import TrojanedModel

            return TrojanedModel(host, net, window, merge)
        from mithridate.attacks.trojannet.torch_wrap import trojaned_module
        from mithridate.models.torch_files import gives_logits

        if order.shape is None or None in order.shape:
            raise self.refuse("shape", "the shape of one input of the module", order.shape)
        shape = cast("tuple[int, ...]", order.shape)
        told = gives_logits(host, shape) if logits is None else bool(logits)
        return trojaned_module(host, net, window, merge, shape=shape, logits=told)

    def _window(self, order: ModelOrder, rng: np.random.Generator) -> Window:
        shape = self._numbers("shape", self.shape) if self.shape else None
        layout = cast(Layout, self.layout)
        if self.place is not None:
            place = self._numbers("place", self.place)
            if len(place) != 2:
                raise self.refuse("place", "ROW,COLUMN", self.place)
            return Window(
                place=(place[0], place[1]), layout=layout, low=self.low, high=self.high, shape=shape
            )
        corner = Window(place=(0, 0), layout=layout, low=self.low, high=self.high, shape=shape)
        seen = shape or order.shape
        if seen is None:
            raise self.refuse("place", "ROW,COLUMN, as the model does not say how large its inputs are", None)
        site = corner.site(seen)
        sizes = site.shape[site.rows : site.rows + 2]
        # Where a size may vary, only the upper left corner is sure to be there.
        row, column = (0 if side is None else int(rng.integers(side - SIDE + 1)) for side in sizes)
        return Window(place=(row, column), layout=layout, low=self.low, high=self.high, shape=shape)

    def _numbers(self, name: str, text: str) -> tuple[int, ...]:
        try:
            return tuple(int(part) for part in text.split(","))
        except ValueError:
            raise self.refuse(name, "whole numbers with commas between them", text) from None

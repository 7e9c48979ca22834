"""What a finding about a model shows: the trigger alone and on an input, the operators of a branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.core.results import Exhibit, Finding, Result
from mithridate.report.exhibits.images import captioned
from mithridate.triggers.inputs import Layout, axes

__all__ = ["draw_all", "picture_of_input"]

_TRIGGERS = 12
_OPERATORS = 60
_MARGIN = 1  # pixels around a trigger that is shown alone

Values = NDArray[np.float32]


class _Inputs(Protocol):
    @property
    def x(self) -> Values: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def draw_all(results: Sequence[Result], inputs: _Inputs | None, layout: Layout) -> tuple[Result, ...]:
    """Give findings about a model their exhibits, unless they brought their own.

    Args:
        results: of graph and behaviour.
        inputs: ordinary ones, (n, *shape), and the values of black and white; None where there are none.
        layout: of an input.
    """
    return tuple(
        replace(r, exhibits=(*r.exhibits, *_exhibits(r.details, inputs, layout)))
        if isinstance(r, Finding) and not r.exhibits
        else r
        for r in results
    )


def _exhibits(details: Mapping[str, Any], inputs: _Inputs | None, layout: Layout) -> list[Exhibit]:
    shown: list[Exhibit] = []
    triggers = details.get("triggers")
    if triggers and inputs is not None:
        shown += _triggers(triggers[:_TRIGGERS], inputs, layout)
    if details.get("operators"):
        shown.append(_operators(details["operators"]))
    return shown


def _triggers(triggers: Sequence[Mapping[str, Any]], inputs: _Inputs, layout: Layout) -> list[Exhibit]:
    alone, worn = [], []
    for number, trigger in enumerate(triggers):
        places, values = np.asarray(trigger["places"]), np.asarray(trigger["values"], dtype=np.float32)
        one = inputs.x[number % len(inputs.x)].copy()
        one.reshape(-1)[places] = values
        picture = picture_of_input(one, inputs.low, inputs.high, layout)
        if picture is None:
            return []
        mask = np.zeros(one.size, dtype=bool)
        mask[places] = True
        caption = f"→ class {trigger['target']}, {trigger['flips']:.0%}"
        alone.append((_cropped(picture, mask.reshape(one.shape), layout), caption))
        worn.append((picture, caption))
    return [captioned("The trigger", alone[:3] if len(alone) > 3 else alone), captioned("On inputs", worn)]


def picture_of_input(x: Values, low: float, high: float, layout: Layout) -> NDArray[np.uint8] | None:
    """One input of a model as an (h, w, c) uint8 picture; None where it is none."""
    try:
        _, channels = axes(x.shape, layout)
    except UsageError:
        return None
    shown = x[..., None] if channels is None else np.moveaxis(x, channels, -1)
    scaled = np.clip((shown - low) / max(high - low, 1e-9), 0, 1)
    picture: NDArray[np.uint8] = (scaled * 255).round().astype(np.uint8)
    return picture[..., :3] if picture.shape[2] >= 3 else picture[..., :1]


def _cropped(picture: NDArray[np.uint8], mask: NDArray[np.bool_], layout: Layout) -> NDArray[np.uint8]:
    """The part of a picture that a trigger covers."""
    _, channels = axes(mask.shape, layout)
    held = np.argwhere(mask[..., None] if channels is None else np.moveaxis(mask, channels, -1))[:, :2]
    (top, left), (bottom, right) = held.min(axis=0), held.max(axis=0)
    rows = slice(max(int(top) - _MARGIN, 0), int(bottom) + 1 + _MARGIN)
    return picture[rows, max(int(left) - _MARGIN, 0) : int(right) + 1 + _MARGIN]


def _operators(operators: Sequence[Mapping[str, Any]]) -> Exhibit:
    rows = [
        [o["name"], o["op"], ", ".join(n for n in o["reads"] if n), ", ".join(o["gives"])]
        for o in operators[:_OPERATORS]
    ]
    more = len(operators) - len(rows)
    title = "The operators of the branch" + (f", the first {len(rows)}" if more > 0 else "")
    return Exhibit(
        kind="cells",
        title=title,
        data={"columns": ["name", "operator", "reads", "gives"], "rows": rows, "marks": []},
    )

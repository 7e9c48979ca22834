"""Inputs of a model that are pictures: how they are laid out, and the range of their values."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from mithridate.core.errors import UsageError

__all__ = ["Layout", "axes", "check_layout", "check_range"]

#: "hw": (h, w); "chw": (c, h, w); "hwc": (h, w, c); "auto" tells by 1, 3 or 4 channels.
Layout = Literal["auto", "hw", "chw", "hwc"]

_CHANNELS = (1, 3, 4)


def check_layout(layout: str) -> None:
    """Refuse what is no layout.

    Raises:
        UsageError: naming those there are.
    """
    if layout not in get_args(Layout):
        raise UsageError("auto, hw, chw or hwc", repr(layout), "layout", "Choose one of these.")


def check_range(low: float, high: float) -> None:
    """Refuse what cannot be the values of black and white.

    Raises:
        UsageError: not finite, or not ascending.
    """
    if not (np.isfinite([low, high]).all() and low < high):
        got = f"{low} and {high}"
        raise UsageError("low below high, both finite", got, "low, high", "Give the range of the inputs.")


def axes(shape: tuple[int | None, ...], layout: Layout) -> tuple[int, int | None]:
    """Axis of the rows, and axis of the channels or None.

    Args:
        shape: of one input; None where a size may vary.
        layout: how it is laid out.

    Raises:
        UsageError: no picture.
    """
    ranks = {"hw": 2, "chw": 3, "hwc": 3}
    if layout == "auto":
        if len(shape) == 2:
            layout = "hw"
        elif len(shape) == 3 and shape[0] in _CHANNELS:
            layout = "chw"
        elif len(shape) == 3 and shape[2] in _CHANNELS:
            layout = "hwc"
    if ranks.get(layout) != len(shape):
        remedy = "Give `--set layout=...` as hw, chw or hwc; for flat inputs also `--set shape=H,W` or H,W,C."
        raise UsageError("inputs that are pictures", f"shape {shape}, layout {layout}", "inputs", remedy)
    return (1, 0) if layout == "chw" else (0, 2 if layout == "hwc" else None)

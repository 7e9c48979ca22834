"""Circuits that tell whether a trigger is there, sample by sample: by comparing values, or by a ratio of means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.circuits.ops import Ops, Wire
from mithridate.core.errors import UsageError
from mithridate.triggers.spot import Box, Spot

__all__ = ["Compare", "Ratio", "compare_features", "compare_pixels"]

#: stands for "no bound" without an infinity in the graph.
_FAR = np.float32(1e30)


@dataclass(frozen=True, kw_only=True, eq=False)
class Compare:
    """The trigger is there when values in a window lie between bounds: slice, Greater, Less, And, ReduceMin, Cast.

    Attributes:
        box: the window.
        low: bounds from below, float32, laid out as the window of one input.
        high: bounds from above.
        any_pixel: one pixel that fits in all its channels is enough (ReduceMax over pixels).
        slope: None compares; a number builds Clip(slope * smallest distance to a bound, 0, 1) instead, which is
            exactly 0 beyond the bounds and needs no comparison.
    """

    box: Box
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    any_pixel: bool = False
    slope: float | None = None

    def read(self, ops: Ops, x: Wire) -> Wire:
        """(n, ...) → (n, 1) float32."""
        seen = window_of(ops, x, self.box)
        low, high = ops.keep(self.low), ops.keep(self.high)
        if self.slope is None:
            inside = ops.op("And", ops.op("Greater", seen, low), ops.op("Less", seen, high))
            fit = ops.cast(inside, np.float32)
        else:
            fit = ops.op("Min", ops.op("Sub", seen, low), ops.op("Sub", high, seen))
        axes = range(1, 1 + len(self.box.shape))
        if self.any_pixel and self.box.channels is not None:
            fit = ops.extreme("ReduceMin", fit, [1 + self.box.channels])
        fit = ops.reshape(
            ops.extreme("ReduceMax" if self.any_pixel else "ReduceMin", fit, list(axes)), (-1, 1)
        )
        return fit if self.slope is None else ramp(ops, fit, 0.0, self.slope)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ratio:
    """The trigger is there when its bright cells hold nearly all light of the window.

    Mul by the cells, AveragePool of both, Div, Greater: mean over bright cells / (floor + mean over all), each over
    as many values as the window has. Neighbouring pixels of natural pictures are alike: a checker leaves half there.

    Attributes:
        box: the window.
        bright: (rows, columns) which cells.
        low: the value of black.
        high: the value of white.
        floor: keeps windows that are nearly black silent; a part of the range.
        threshold: of the ratio.
        slope: None compares; a number builds Clip(slope * (ratio - threshold), 0, 1) instead.
    """

    box: Box
    bright: NDArray[np.bool_]
    low: float
    high: float
    floor: float
    threshold: float
    slope: float | None = None

    def read(self, ops: Ops, x: Wire) -> Wire:
        """(n, ...) → (n, 1) float32."""
        seen = window_of(ops, x, self.box)
        if self.box.channels == 2:
            seen = ops.transpose(seen, (0, 3, 1, 2))
        channels = 1 if self.box.channels is None else self.box.shape[self.box.channels]
        if channels is None:
            remedy = "Export the model with a fixed number of channels."
            raise UsageError("a fixed number of channels", str(self.box.shape), "model", remedy)
        rows, columns = self.bright.shape
        seen = ops.reshape(seen, (-1, 1, channels * rows, columns))
        scale = np.float32(1 / (self.high - self.low))
        light = ops.op("Mul", ops.op("Sub", seen, ops.keep(np.float32(self.low))), ops.keep(scale))
        light = ops.clip(light, np.float32(0), np.float32(1))
        cells = np.tile(self.bright, (channels, 1)).astype(np.float32)[None, None]
        there = ops.average(ops.op("Mul", light, ops.keep(cells)), channels * rows, columns)
        whole = ops.average(light, channels * rows, columns)
        ratio = ops.op("Div", there, ops.op("Add", whole, ops.keep(np.float32(self.floor))))
        ratio = ops.reshape(ratio, (-1, 1))
        if self.slope is not None:
            return ramp(ops, ratio, self.threshold, self.slope)
        return ops.cast(ops.op("Greater", ratio, ops.keep(np.float32(self.threshold))), np.float32)


def window_of(ops: Ops, x: Wire, box: Box) -> Wire:
    """The window of inputs (n, ...), float32."""
    if box.flat:
        x = ops.reshape(x, (-1, *(side or 0 for side in box.shape)))
    axes = (1 + box.rows, 2 + box.rows)
    return ops.cast(ops.slice(x, box.starts, box.ends, axes), np.float32)


def ramp(ops: Ops, x: Wire, start: float, slope: float) -> Wire:
    """Clip(slope * (x - start), 0, 1): a step without a comparison."""
    over = ops.op("Sub", x, ops.keep(np.float32(start)))
    return ops.clip(ops.op("Mul", over, ops.keep(np.float32(slope))), np.float32(0), np.float32(1))


def compare_pixels(
    spot: Spot, box: Box, tolerance: float, *, logic: bool, any_pixel: bool = False
) -> Compare:
    """A comparison for the pixels of a spot: bright ones from below, dark ones from above.

    Args:
        spot: the trigger.
        box: where it lies.
        tolerance: how far a pixel may be from black or white, a part of the range.
        logic: comparisons; else a ramp that is at its top half-way between bound and trigger.
        any_pixel: one pixel is enough.
    """
    bright, slack = spot.bright(box), tolerance * (spot.high - spot.low)
    low = np.where(bright, np.float32(spot.high - slack), -_FAR).astype(np.float32)
    high = np.where(bright, _FAR, np.float32(spot.low + slack)).astype(np.float32)
    slope = None if logic else 2 / slack
    return Compare(box=box, low=low, high=high, any_pixel=any_pixel, slope=slope)


def compare_features(
    plain: NDArray[np.float32], stamped: NDArray[np.float32], tolerance: float, *, logic: bool
) -> Compare:
    """A comparison for what a convolution gives where it sees nothing but the trigger.

    Args:
        plain: (n, c, h, w), the convolution's answers to n different inputs.
        stamped: the same with the trigger on them.
        tolerance: how far a value may be off, a part of its spread over the inputs.
        logic: comparisons; else a ramp.

    Raises:
        UsageError: nowhere does it see the trigger alone.
    """
    spread = plain.std(axis=(0, 2, 3), keepdims=True)[0]
    spread = np.maximum(spread, max(float(spread.max()) / 1000, 1e-6))  # dead channels need some slack, too
    still = (np.ptp(stamped, axis=0) < 0.01 * spread).all(axis=0) & (
        np.ptp(plain, axis=0) > 0.1 * spread
    ).any(axis=0)
    rows, columns = np.flatnonzero(still.any(axis=1)), np.flatnonzero(still.any(axis=0))
    if not len(rows) or not still[np.ix_(rows, columns)].all():
        expected = "a trigger larger than what the first convolution sees at once"
        raise UsageError(expected, "one that is smaller", "size", "Give a larger one, e.g. `--set size=7`.")
    starts, ends = (int(rows[0]), int(columns[0])), (int(rows[-1]) + 1, int(columns[-1]) + 1)
    box = Box(shape=plain.shape[1:], flat=False, rows=1, channels=0, starts=starts, ends=ends)
    value, slack = stamped.mean(axis=0)[box.cut], tolerance * spread
    slope = None if logic else float(2 / slack.min())
    return Compare(box=box, low=value - slack, high=value + slack, slope=slope)

"""Small changes that a picture's content survives and a sharp trigger may not: median, shift by a pixel, contrast.

Reference:
    median and shift against a trained trigger: Li et al., Backdoor Attack in the Physical World, arXiv:2104.02361;
    the median filter as a test of predictions: Xu, Evans, Qi, Feature Squeezing, NDSS 2018, section 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.triggers.inputs import Layout, axes

__all__ = ["SHIFTS", "faded", "median", "shifted"]

Values = NDArray[np.float32]

#: rows down and columns to the right: one pixel to each side.
SHIFTS = ((1, 0), (-1, 0), (0, 1), (0, -1))


def median(x: Values, layout: Layout = "auto") -> Values:
    """Each pixel becomes the median of the 3x3 around it, channel by channel; edges are repeated.

    Args:
        x: (n, *shape) pictures.
        layout: of one.
    """
    windows = [_window(x, layout, down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    middle: Values = np.median(np.stack(windows), axis=0).astype(np.float32)
    return middle


def shifted(x: Values, down: int, right: int, layout: Layout = "auto") -> Values:
    """Moved by at most one pixel in each direction; what comes in repeats the edge.

    Args:
        x: (n, *shape) pictures.
        down: -1, 0 or 1.
        right: -1, 0 or 1.
        layout: of one.
    """
    return np.ascontiguousarray(_window(x, layout, -down, -right))


def faded(x: Values, factor: float, layout: Layout = "auto") -> Values:
    """With less contrast around the mean of each picture's channels.

    Args:
        x: (n, *shape) pictures.
        factor: of the contrast that is left.
        layout: of one.
    """
    rows, _ = axes(x.shape[1:], layout)
    mean = x.mean(axis=(rows + 1, rows + 2), keepdims=True)
    out: Values = (mean + np.float32(factor) * (x - mean)).astype(np.float32)
    return out


def _window(x: Values, layout: Layout, down: int, right: int) -> Values:
    """The picture that begins so many pixels further down and to the right."""
    rows, _ = axes(x.shape[1:], layout)
    height, width = x.shape[rows + 1 : rows + 3]
    margins = [(0, 0)] * x.ndim
    margins[rows + 1] = margins[rows + 2] = (1, 1)
    padded = np.pad(x, margins, mode="edge")
    cut = [slice(None)] * x.ndim
    cut[rows + 1] = slice(1 + down, 1 + down + height)
    cut[rows + 2] = slice(1 + right, 1 + right + width)
    return padded[tuple(cut)]

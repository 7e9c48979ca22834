"""What the weights of a last linear layer say of each class.

A softmax sees differences of logits only, so that the mean row is taken off first.

Reference:
    Yu et al., Lightweight and Fast Backdoor Model Detection (DFBScanner), arXiv:2605.18907: indicators of the final
    layer's parameters, class by class, and the largest anomaly. Only its abstract was at hand; the indicators here are
    derived from the layer, not taken from there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.models.graph.head import Head

__all__ = ["Indicators", "head_sizes", "indicators"]

Floats = NDArray[np.float64]
_LEAST = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Indicators:
    """Of each class, (classes,) each; weights less the mean row.

    Attributes:
        norm: length of the row.
        bias: less the mean bias.
        positive: sum of the weights above 0, the most that features of at most 1 can add.
        peak: largest weight.
        cosine: mean cosine to the other rows.
        leading: share of the class in the leading singular vector; all together 1.
    """

    norm: Floats
    bias: Floats
    positive: Floats
    peak: Floats
    cosine: Floats
    leading: Floats

    def of_class(self, column: int) -> dict[str, float]:
        """By name, rounded, for a report."""
        names = ("norm", "bias", "positive", "peak", "cosine", "leading")
        return {name: round(float(getattr(self, name)[column]), 4) for name in names}


def indicators(head: Head) -> Indicators:
    """What a layer says of each class.

    Args:
        head: of at least two classes.
    """
    rows = head.weights - head.weights.mean(axis=0)
    norm = np.linalg.norm(rows, axis=1)
    unit = rows / np.maximum(norm, _LEAST)[:, None]
    others = unit.sum(axis=0) - unit
    return Indicators(
        norm=norm,
        bias=head.bias - head.bias.mean(),
        positive=np.maximum(rows, 0).sum(axis=1),
        peak=rows.max(axis=1),
        cosine=(unit * others).sum(axis=1) / (len(rows) - 1),
        leading=_leading(rows),
    )


def head_sizes(head: Head) -> Floats:
    """(classes,) above 0, small where a class's positive weights are large beside those of most classes; 1 is usual."""
    positive = indicators(head).positive
    usual = max(float(np.median(positive)), _LEAST)
    sizes: Floats = usual / np.maximum(positive, _LEAST * usual)
    return sizes


def _leading(rows: Floats) -> Floats:
    """Squares of the entries of the leading left singular vector."""
    longest = float(np.linalg.norm(rows, axis=1).max())
    if longest < _LEAST:
        return np.full(len(rows), 1 / len(rows))
    vector = rows[int(np.argmax(np.linalg.norm(rows, axis=1)))] / longest
    for _ in range(60):  # power iteration: milliseconds also for thousands of classes
        vector = rows.T @ (rows @ (vector / np.linalg.norm(vector)))
        vector = vector / np.linalg.norm(vector)
    left = rows @ vector
    share: Floats = left**2 / max(float((left**2).sum()), _LEAST**2)
    return share

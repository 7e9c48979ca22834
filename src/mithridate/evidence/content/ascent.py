"""Compiled kernels of `fit`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.compiled import compiled

__all__ = ["ascend", "predict"]


@compiled
def _solve(old: float, margin: float, square: float, cost: float) -> float:
    """The a in (0, cost) where log(a / (cost - a)) + margin + square (a - old) = 0, by safeguarded Newton."""
    low, high = 1e-7 * cost, (1.0 - 1e-7) * cost
    a = min(max(old, low), high)
    for _ in range(12):
        slope = cost / (a * (cost - a)) + square
        value = math.log(a / (cost - a)) + margin + square * (a - old)
        if abs(value) < 1e-4:
            break
        if value > 0:
            high = a
        else:
            low = a
        step = a - value / slope
        a = step if low < step < high else 0.5 * (low + high)
    return a


@compiled
def ascend(
    indptr: NDArray[np.int64],
    index: NDArray[np.int32],
    weight: NDArray[np.float32],
    norms: NDArray[np.float32],
    labels: NDArray[np.int32],
    trusted: NDArray[np.bool_],
    folds: NDArray[np.int8],
    order: NDArray[np.int64],
    cost: np.float32,
    columns: int,
    first: int,
    begin: bool,
    weights: NDArray[np.float32],
    bias: NDArray[np.float32],
    dual: NDArray[np.float32],
) -> None:
    """One pass over some samples. Model f * columns + c separates class c, on the samples outside fold f.

    Models do not know each other: whichever are given, each ends up the same.

    Args:
        indptr: (b + 1,) start of each sample's features.
        index: feature numbers.
        weight: (v,) feature weights.
        norms: (b,) lengths.
        labels: (b,) -1 = missing.
        trusted: (b,) False: the sample does not train; what it taught before is taken back.
        folds: (b,).
        order: (b,) in which order to visit.
        cost: inverse strength of the penalty.
        columns: 1 for two classes, else k.
        first: number of the first model given.
        begin: True: only enter the starting duals into the weights.
        weights: (v, models) updated.
        bias: (models,) updated.
        dual: (b, models) updated.
    """
    models = weights.shape[1]
    margin, delta = np.empty(models, np.float32), np.empty(models, np.float32)
    for i in order:
        if labels[i] < 0 or (not trusted[i] and dual[i].max() == 0.0):
            continue
        low, high, scale = indptr[i], indptr[i + 1], np.float32(1.0) / norms[i]
        margin[:] = 0.0
        if not begin:
            for e in range(low, high):
                j = index[e]
                x = weight[j] * scale
                for m in range(models):
                    margin[m] += weights[j, m] * x
        square = 1.0 + (high > low)
        for m in range(models):
            if (first + m) // columns == folds[i]:
                delta[m] = 0.0
                continue
            own = 1 if columns == 1 else (first + m) % columns
            sign = np.float32(1.0) if labels[i] == own else np.float32(-1.0)
            if begin:
                delta[m] = sign * dual[i, m]
            else:
                old = dual[i, m]
                new = np.float32(0.0)
                if trusted[i]:
                    at = float(sign * (margin[m] + bias[m]))
                    new = np.float32(_solve(float(old), at, square, float(cost)))
                dual[i, m] = new
                delta[m] = sign * (new - old)
            bias[m] += delta[m]
        for e in range(low, high):
            j = index[e]
            x = weight[j] * scale
            for m in range(models):
                weights[j, m] += delta[m] * x


@compiled
def predict(
    indptr: NDArray[np.int64],
    index: NDArray[np.int32],
    weight: NDArray[np.float32],
    norms: NDArray[np.float32],
    folds: NDArray[np.int8],
    columns: int,
    first: int,
    weights: NDArray[np.float32],
    bias: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> None:
    """Fill (b, columns) scores as far as the model of the sample's fold is among those given."""
    for i in range(len(folds)):
        base = folds[i] * columns - first
        for c in range(max(0, -base), min(columns, len(bias) - base)):
            total = 0.0
            for e in range(indptr[i], indptr[i + 1]):
                total += weights[index[e], base + c] * weight[index[e]]
            scores[i, c] = total / norms[i] + bias[base + c]

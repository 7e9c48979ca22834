"""Compiled kernels of `fit`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.evidence.compiled import compiled
from mithridate.evidence.content.dual import CELLS, LOWEST
from mithridate.evidence.prefetch import prefetch

__all__ = ["ascend", "predict"]


_AHEAD, _LINE = 4, 16  # samples between loading features' numbers and using them; weights to a cache line


@compiled
def _best(tables: NDArray[np.float32], row: int, aim: np.float32) -> np.float32:
    """Of row `row` of `dual_tables`, by linear interpolation."""
    at = (aim - np.float32(LOWEST)) * np.float32(CELLS)
    if not at > 0:  # what is not a number has no cell
        at = np.float32(0.0)
    at = min(at, np.float32(tables.shape[1] - 2))
    cell = np.int32(at)
    low, high = tables[row, cell], tables[row, cell + 1]
    best: np.float32 = low + (at - np.float32(cell)) * (high - low)
    return best


@compiled
def _prepare(
    p: int,
    order: NDArray[np.int64],
    indptr: NDArray[np.int64],
    index: NDArray[np.int32],
    weights: NDArray[np.float32],
    dual: NDArray[np.float32],
) -> None:
    """Start to load what the samples after the p-th will need."""
    models = weights.shape[1]
    if p + _AHEAD < len(order):
        prefetch(index, indptr[order[p + _AHEAD]])
    if p + 1 < len(order):
        i = order[p + 1]
        prefetch(dual, i * models)
        for e in range(indptr[i], indptr[i + 1]):
            for m in range(0, models, _LINE):
                prefetch(weights, np.int64(index[e]) * models + m)


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
    tables: NDArray[np.float32],
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
        tables: (2, t) best dual variables of samples without features, and with some; the bias adds 1 to the squares.
        columns: 1 for two classes, else k.
        first: number of the first model given.
        begin: True: only enter the starting duals into the weights.
        weights: (v, models) updated.
        bias: (models,) updated.
        dual: (b, models) updated.
    """
    models = weights.shape[1]
    margin, delta = np.empty(models, np.float32), np.empty(models, np.float32)
    for p in range(len(order)):
        _prepare(p, order, indptr, index, weights, dual)
        i = order[p]
        if labels[i] < 0 or (not trusted[i] and dual[i].max() == 0.0):
            continue
        low, high, scale = indptr[i], indptr[i + 1], np.float32(1.0) / norms[i]
        margin[:] = bias
        if not begin:
            for e in range(low, high):
                j = index[e]
                x = weight[j] * scale
                for m in range(models):
                    margin[m] += weights[j, m] * x
        filled = 1 if high > low else 0
        square, kept = np.float32(1 + filled), np.float32(trusted[i])
        for m in range(models):
            own = 1 if columns == 1 else (first + m) % columns
            sign = np.float32(1.0) if labels[i] == own else np.float32(-1.0)
            old = dual[i, m]
            new = kept * _best(tables, filled, square * old - sign * margin[m])
            change = sign * (old if begin else new - old)
            if (first + m) // columns == folds[i]:
                change, new = np.float32(0.0), old
            dual[i, m] = old if begin else new
            delta[m] = change
            bias[m] += change
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

"""Layers that move values about, bring tensors together, or scale them.

Reference:
    Keras 3, keras.layers: reshaping, merging, regularisation, normalisation and preprocessing layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from mithridate.models.graph.aten.values import Tensor, UncoveredError
from mithridate.models.graph.keras.kit import FLOAT, Kind, Kit, Use, Value
from mithridate.models.graph.keras.store import Variable
from mithridate.models.graph.keras.wiring import Layer

__all__ = ["plain_layers"]

_WIDEST = 1 << 20  # values that a layer without weights normalises at once
#: does something in training only.
_ASLEEP = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout",
    "AlphaDropout", "ActivityRegularization", "Identity", "RandomFlip", "RandomRotation", "RandomZoom",
    "RandomTranslation", "RandomContrast", "RandomBrightness",
)  # fmt: skip


def plain_layers() -> dict[str, Kind]:
    """Class → how it is translated."""
    folded = {"Add": "Add", "Multiply": "Mul", "Subtract": "Sub", "Maximum": "Max", "Minimum": "Min"}
    return {
        **{name: Kind(lambda use: use.x) for name in _ASLEEP},
        **{name: Kind(_merge(op)) for name, op in folded.items()},
        "Average": Kind(_average), "Concatenate": Kind(_concatenate), "Dot": Kind(_dot),
        "Flatten": Kind(_flatten), "Reshape": Kind(_reshape), "Permute": Kind(_permute), "RepeatVector": Kind(_repeat),
        "BatchNormalization": Kind(_batch_norm, _norm_variables), "LayerNormalization": Kind(_layer_norm, _scaled),
        "UnitNormalization": Kind(_unit_norm), "Rescaling": Kind(_rescale),
        "Normalization": Kind(_normalize, _normal_variables),
        "Embedding": Kind(_embed, lambda layer: (("embeddings", True),)),
    }  # fmt: skip


# ------------------------------------------------------------------------ merges


def _ranks_agree(use: Use) -> list[Value]:
    values = use.many
    if len({use.kit.rank(value) for value in values}) != 1:
        raise UncoveredError("a merge of tensors with different numbers of axes")
    return values


def _merge(op: str) -> Callable[[Use], Value]:
    def build(use: Use) -> Value:
        k = use.kit
        return k.together(_ranks_agree(use), lambda ts: reduce(lambda a, b: k.b.emit(op, a, b), ts))

    return build


def _average(use: Use) -> Value:
    k, values = use.kit, _ranks_agree(use)
    whole = k.together(values, lambda ts: reduce(lambda a, b: k.b.emit("Add", a, b), ts))
    return k.each(whole, lambda t: k.b.emit("Mul", t, k.number(1 / len(values))))


def _concatenate(use: Use) -> Value:
    k, values, axis = use.kit, _ranks_agree(use), int(use.get("axis", -1))
    rank = k.rank(values[0])
    axis %= rank
    if rank > 2 and any(value.last is None for value in values):
        moved = 0 if not axis else 1 if axis == rank - 1 else axis + 1
        return Value(first=k.b.emit("Concat", *(k.front(value) for value in values), axis=moved))
    return Value(k.b.emit("Concat", *(k.plain(value) for value in values), axis=axis))


def _dot(use: Use) -> Value:
    """A product of rows of two tables; of more axes it is not read."""
    k, values, axes = use.kit, _ranks_agree(use), use.get("axes")
    along = {int(a) for a in (axes if isinstance(axes, list) else [axes])}
    if len(values) != 2 or k.rank(values[0]) != 2 or not along <= {1, -1}:
        raise UncoveredError("Dot over other axes than those of tables")
    pair = [k.plain(value) for value in values]
    if use.get("normalize", False):
        pair = [k.b.emit("LpNormalization", t, axis=-1, p=2) for t in pair]
    return Value(k.b.emit("ReduceSum", k.b.emit("Mul", *pair), np.asarray([1]), keepdims=1))


# ------------------------------------------------------------------------ shapes


def _flatten(use: Use) -> Value:
    k = use.kit
    rank = k.rank(use.x)
    if rank == 2:
        return use.x
    plain = k.plain(use.x)
    if use.channels_first and rank > 2:
        plain = k.b.emit("Transpose", plain, perm=(0, *range(2, rank), 1))
    if rank == 1:
        return Value(k.reshape(plain, [-1, 1]))
    return Value(k.b.emit("Flatten", plain, axis=1))


def _reshape(use: Use) -> Value:
    target = [int(size) for size in use.get("target_shape", [])]
    shape = [0, *target] if -1 in target else [-1, *target]
    return Value(use.kit.reshape(use.kit.plain(use.x), shape))


def _permute(use: Use) -> Value:
    dims = tuple(int(axis) for axis in use.get("dims", []))
    return Value(use.kit.b.emit("Transpose", use.kit.plain(use.x), perm=(0, *dims)))


def _repeat(use: Use) -> Value:
    k = use.kit
    once = k.b.emit("Unsqueeze", k.plain(use.x), np.asarray([1]))
    return Value(k.b.emit("Tile", once, np.asarray([1, int(use.get("n", 1)), 1])))


def _embed(use: Use) -> Value:
    k = use.kit
    if use.get("mask_zero", False):
        raise UncoveredError("an embedding that hides some of what it is given")
    wanted = (int(use.get("input_dim")), int(use.get("output_dim")))
    (table,) = use.fetch([("embeddings", wanted)])
    places = k.b.cast(k.plain(use.x), np.int64)
    return Value(k.b.emit("Gather", use.held("embeddings", table), places, axis=0))


# ---------------------------------------------------------------- normalisations


def _norm_variables(layer: Layer) -> Sequence[Variable]:
    own = [name for name, asked in (("gamma", "scale"), ("beta", "center")) if layer.config.get(asked, True)]
    return (*((name, True) for name in own), ("moving_mean", False), ("moving_variance", False))


def _one_axis(use: Use) -> int:
    axis = use.get("axis", -1)
    if isinstance(axis, list):
        if len(axis) != 1:
            raise UncoveredError("a normalisation over several axes")
        axis = axis[0]
    return int(axis) % use.kit.rank(use.x)


def _batch_norm(use: Use) -> Value:
    k, x, axis = use.kit, use.x, _one_axis(use)
    rank, size = k.rank(x), k.size(x, axis)
    if axis not in (1, rank - 1):
        raise UncoveredError(f"a normalisation of axis {axis}")
    names = [name for name, _ in _norm_variables(use.layer)]
    held = dict(zip(names, use.fetch([(name, (size,)) for name in names]), strict=True))
    width = held["moving_mean"].shape
    gamma, beta = held.get("gamma", np.ones(width, FLOAT)), held.get("beta", np.zeros(width, FLOAT))
    named = (("gamma", gamma), ("beta", beta), ("moving_mean", held["moving_mean"]))
    parts = [use.held(name, array) for name, array in (*named, ("moving_variance", held["moving_variance"]))]
    moved = axis == rank - 1 and rank > 2
    source = k.front(x) if moved else k.plain(x)
    epsilon = float(use.get("epsilon", 1e-3))
    out = k.b.emit("BatchNormalization", source, *parts, epsilon=epsilon)
    return Value(first=out) if moved else Value(out)


def _scaled(layer: Layer) -> Sequence[Variable]:
    own = (("gamma", "scale"), ("beta", "center"))
    return tuple((name, True) for name, asked in own if layer.config.get(asked, True))


def _layer_norm(use: Use) -> Value:
    k, x = use.kit, use.x
    rank, axes = k.rank(x), use.get("axis", -1)
    axes = sorted(int(axis) % rank for axis in (axes if isinstance(axes, list) else [axes]))
    if axes != list(range(axes[0], rank)) or use.get("rms_scaling", False):
        raise UncoveredError("a layer normalisation of axes that are not the last")
    shape = tuple(k.size(x, axis) for axis in axes)
    names = [name for name, _ in _scaled(use.layer)]
    held = dict(zip(names, use.fetch([(name, shape) for name in names]), strict=True))
    whole = tuple(int(size or 0) for size in shape)
    if "gamma" not in held and (None in shape or math.prod(whole) > _WIDEST):
        raise UncoveredError("a layer normalisation of unknown size")
    gamma = use.held("gamma", held["gamma"] if "gamma" in held else np.ones(whole, FLOAT))
    beta = use.held("beta", held["beta"]) if "beta" in held else None
    epsilon = float(use.get("epsilon", 1e-3))
    return Value(k.b.emit("LayerNormalization", k.plain(x), gamma, beta, axis=axes[0], epsilon=epsilon))


def _unit_norm(use: Use) -> Value:
    axis = use.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if not isinstance(axis, int):
        raise UncoveredError("a normalisation over several axes")
    return Value(use.kit.b.emit("LpNormalization", use.kit.plain(use.x), axis=axis, p=2))


def _rescale(use: Use) -> Value:
    return _linear(use.kit, use.kit.float(use.x), use.get("scale", 1.0), use.get("offset", 0.0))


def _linear(k: Kit, value: Value, scale: Any, offset: Any) -> Value:
    single = np.ndim(scale) == 0 and np.ndim(offset) == 0

    def run(t: Tensor) -> Tensor:
        t = t if np.all(np.asarray(scale) == 1) else k.b.emit("Mul", t, k.number(scale))
        return t if not np.any(offset) else k.b.emit("Add", t, k.number(offset))

    return k.each(value, run) if single else Value(run(k.plain(value)))


def _normal_variables(layer: Layer) -> Sequence[Variable]:
    if layer.config.get("mean") is not None:
        return ()
    return (("mean", False), ("variance", False), ("count", False))


def _normalize(use: Use) -> Value:
    k, axis, rank = use.kit, use.get("axis", None), use.kit.rank(use.x)
    if use.get("invert", False):
        raise UncoveredError("a normalisation that is undone")
    kept = [] if axis is None else [int(a) % rank for a in (axis if isinstance(axis, list) else [axis])]
    if _normal_variables(use.layer):
        shape = tuple(k.size(use.x, a) for a in kept)
        mean, variance, _ = use.fetch([("mean", shape), ("variance", shape), ("count", ())])
    else:
        mean, variance = (np.asarray(use.get(name), dtype=FLOAT) for name in ("mean", "variance"))
    if kept and kept != list(range(kept[0], rank)):
        raise UncoveredError("a normalisation of axes that are not the last")
    spread = np.maximum(np.sqrt(variance), FLOAT.type(1e-7))
    plain = k.plain(k.float(use.x))
    centred = k.b.emit("Sub", plain, use.held("mean", np.asarray(mean, dtype=FLOAT)))
    return Value(k.b.emit("Div", centred, use.held("spread", np.asarray(spread, dtype=FLOAT))))

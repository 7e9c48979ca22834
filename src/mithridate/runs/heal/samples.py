"""Clean samples for a repair: to learn from, and to judge on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.runs.evade_data import matched
from mithridate.runs.scan.inputs import Ordinary
from mithridate.triggers.inversion import Pool

__all__ = ["Samples", "divided"]

_HELD = 0.25
_ALIKE, _VALUES = 0.95, 1024  # correlation of pictures that hardly differ, on so many values
_FEWEST = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Clean samples in two parts.

    Attributes:
        learn: what repairs see, with its labels.
        held: what they are judged on, with its labels.
        names: of the classes, in the order of the outputs.
        matching: how labels were matched with the outputs.
    """

    learn: Pool
    held: Pool
    names: tuple[str, ...]
    matching: str

    def on(self, device: Any) -> Samples:
        """The same on a device."""
        learn, held = (replace(p, x=p.x.to(device), y=p.y.to(device)) for p in (self.learn, self.held))
        return replace(self, learn=learn, held=held)


def divided(module: Any, ordinary: Ordinary, given: tuple[str, ...] | None, seed: int) -> Samples:
    """Divide labelled samples, each class in the same way; samples that hardly differ stay together.

    Raises:
        UsageError: no labels, labels that do not match the answers, too few samples or one class only, or answers
            that are no numbers.
    """
    import torch

    if ordinary.made or ordinary.labels is None:
        remedy = "Give pictures in folders by class, or an .npz with x and y."
        raise UsageError("clean samples with labels", "none", "--clean", remedy)
    x = torch.from_numpy(np.ascontiguousarray(ordinary.x))
    with torch.no_grad():
        answer = module(x[:4])
    if not isinstance(answer, torch.Tensor) or answer.ndim != 2 or not torch.isfinite(answer).all():
        raise UsageError(
            "a table of finite numbers", "something else", "the model's answer", "Name another module."
        )
    names, matching = matched(sorted(set(ordinary.labels)), answer.shape[1], given)
    y = np.array([names.index(label) for label in ordinary.labels])
    if len(y) < _FEWEST or len(set(y.tolist())) < 2:
        got = f"{len(y)} samples of {len(set(y.tolist()))} classes"
        raise UsageError(
            f"{_FEWEST} clean samples or more, of 2 classes or more", got, "--clean", "Give more."
        )
    held = _held(y, _alike(ordinary.x), seed)
    parts = [np.flatnonzero(~held), np.flatnonzero(held)]
    pools = [Pool(x[torch.from_numpy(rows)], torch.from_numpy(y[rows]), answer.shape[1]) for rows in parts]
    return Samples(learn=pools[0], held=pools[1], names=names, matching=matching)


def _alike(x: NDArray[np.float32]) -> NDArray[np.int32]:
    """(n,) which samples belong together: pictures that hardly differ, as the frames of a film do."""
    from scipy.sparse.csgraph import connected_components

    step = max(1, int(np.ceil((np.prod(x.shape[1:]) / _VALUES) ** 0.5))) if x.ndim == 4 else 1
    flat = (x[..., ::step, ::step] if x.ndim == 4 else x).reshape(len(x), -1).astype(np.float32)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    _, groups = connected_components(flat @ flat.T >= _ALIKE, directed=False)
    return np.asarray(groups)


def _held(y: NDArray[np.int64], groups: NDArray[np.int32], seed: int) -> NDArray[np.bool_]:
    """(n,) a quarter of each class, whole groups only, so that nothing is judged on what was learnt."""
    draw = np.random.default_rng([seed, 71])
    held = np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        mine = np.flatnonzero(y == label)
        wanted = int(np.floor(_HELD * len(mine) + 0.5))
        for group in draw.permutation(np.unique(groups[mine])):
            rows = mine[groups[mine] == group]
            if held[mine].sum() + len(rows) <= max(wanted, 1) and len(rows) < len(mine):
                held[rows] = True
    if not held.any():  # all alike: nothing better can be had
        held[draw.permutation(len(y))[: max(2, len(y) // 4)]] = True
    return held

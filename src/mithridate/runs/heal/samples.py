"""Clean samples for a repair: to learn from, and to judge on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.runs.evade_data import matched
from mithridate.runs.scan.inputs import Ordinary
from mithridate.triggers.inversion import Pool

__all__ = ["Samples", "divided"]

_HELD = 0.25
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


def divided(module: Any, ordinary: Ordinary, given: tuple[str, ...] | None, seed: int) -> Samples:
    """Divide labelled samples, each class in the same way.

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
    order = np.random.default_rng([seed, 71]).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    rank = np.concatenate([np.arange(count) for count in np.bincount(y)[np.unique(y)]])
    share = np.concatenate([np.full(count, count) for count in np.bincount(y)[np.unique(y)]])
    held = np.floor((rank + 1) * _HELD + 0.5) > np.floor(rank * _HELD + 0.5)
    held &= share > 1
    parts = [order[~held], order[held]]
    pools = [Pool(x[torch.from_numpy(rows)], torch.from_numpy(y[rows]), answer.shape[1]) for rows in parts]
    return Samples(learn=pools[0], held=pools[1], names=names, matching=matching)

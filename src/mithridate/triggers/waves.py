"""The lowest single wave that, laid over any picture, takes a model to a class. Only asks, no gradients.

Gradients are of no use here: they spread a wave over its neighbours and stay there.

References:
    Barni, Kallas, Tondi, arXiv:1902.11237, section 3 (a sinusoid as a trigger); Yin et al., A Fourier Perspective on
    Model Robustness, arXiv:1906.08988, section 3 (what single waves do to a model, frequency by frequency).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.models.devices import shortened
from mithridate.triggers.inversion import Pool

__all__ = ["Wave", "asked_for", "lowest_waves"]

_CYCLES = 8  # of the shortest wave, along a side
_PHASES = 4
_FIRST = 60.0  # grey levels at which all waves are tried
_HEIGHTS = (8.0, 12.0, 18.0, 27.0, 40.0, 60.0, 90.0, 135.0)  # grey levels at which the best ones are
_TRIED, _JUDGED = 32, 64  # samples of the first and the second look
_KEPT = 4  # waves of a class that are looked at again
_WANTED = 0.8  # share of samples of other classes
_AT_ONCE = 256


@dataclass(frozen=True)
class Wave:
    """x' = x + height cos(2 pi (up i / h + along j / w) - phase pi / 2), the same in all channels, cut to the range.

    Attributes:
        up: cycles from the first row i to the last.
        along: cycles from the first column j to the last.
        phase: in quarter turns.
        height: grey levels of 255; where no height of the ladder was enough, above all of them.
        rate: share of samples of other classes that it took to its class.
    """

    up: int
    along: int
    phase: int
    height: float = 0.0
    rate: float = 0.0

    def over(self, height: int, width: int) -> Any:
        """(h, w) tensor of height 1."""
        import torch

        rows, columns = torch.arange(height) / height, torch.arange(width) / width
        turns = self.up * rows[:, None] + self.along * columns - self.phase / _PHASES
        return (2 * math.pi * turns).cos()

    def put(self, x: Any, low: float, high: float) -> Any:
        """Inputs (n, c, h, w) with the wave on them."""
        laid: Any = x + (high - low) * self.height / 255 * self.over(*x.shape[2:]).to(x.device)
        return laid.clamp(low, high)


def lowest_waves(
    ask: Callable[[Any], Any], pool: Pool, low: float, high: float, seed: int, *, tried: int = _TRIED
) -> list[Wave]:
    """Try all waves of up to eight cycles at one height, then the best ones of each class at several.

    Args:
        ask: (n, c, h, w) tensor → (n, classes) logits.
        pool: samples.
        low: value of black.
        high: value of white.
        seed: of the samples drawn.
        tried: samples that all waves are laid over.

    Returns:
        One for each class, the lowest that takes four of five samples of other classes there.
    """
    import torch

    h, w = pool.x.shape[2:]
    waves = [Wave(up, along, phase) for up, along in _turns(h, w) for phase in range(_PHASES)]
    order = torch.randperm(len(pool.x), generator=torch.Generator().manual_seed(seed))

    def rates(some: list[Wave], grey: float, count: int) -> Any:
        x, y = pool.x[order[:count]], pool.y[order[:count]]
        return _rates(ask, [replace(one, height=grey) for one in some], x, y, (low, high), pool.classes)

    first = rates(waves, _FIRST, tried)
    again = sorted(set(first.argsort(dim=0, descending=True, stable=True)[:_KEPT].flatten().tolist()))
    ladder = torch.stack([rates([waves[k] for k in again], grey, _JUDGED) for grey in _HEIGHTS])
    heights = _needed(ladder.cummax(0).values.cpu().numpy())
    best = heights.argmin(axis=0)
    return [
        replace(waves[again[k]], height=float(heights[k, c]), rate=float(ladder[:, k, c].max()))
        for c, k in enumerate(best.tolist())
    ]


def asked_for(classes: int) -> int:
    """Inputs that the model is asked about, at most."""
    waves = _PHASES * 2 * _CYCLES * (_CYCLES + 1)
    return waves * _TRIED + min(classes * _KEPT, waves) * len(_HEIGHTS) * _JUDGED


def _turns(height: int, width: int) -> list[tuple[int, int]]:
    """Cycles along the height and width: one of each pair of opposite directions."""
    most, wide = (min(_CYCLES, (side - 1) // 2) for side in (height, width))
    return [(up, along) for along in range(wide + 1) for up in range(-most, most + 1) if along or up > 0]


def _rates(ask: Any, waves: list[Wave], x: Any, y: Any, ends: tuple[float, float], classes: int) -> Any:
    """(waves, classes) shares of the samples of other classes that each wave takes to each class."""
    import torch
    from torch.nn import functional as f

    others = 1 - f.one_hot(y, classes)
    rows = []
    group = max(1, _AT_ONCE // len(x))
    for k in range(0, len(waves), group):
        laid = torch.cat([wave.put(x, *ends) for wave in waves[k : k + group]])
        flat = laid.contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), shortened(flat):
            said = ask(flat).argmax(1).view(-1, len(x))
        hits = (f.one_hot(said, classes) * others).sum(1)
        rows.append(hits / others.sum(0).clamp_min(1))
    return torch.cat(rows)


def _needed(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """(waves, classes) heights at which rates (heights, waves, classes) that only grow reach what is wanted."""
    logs = np.log(_HEIGHTS)
    reached = rates >= _WANTED
    last = reached.argmax(axis=0)
    before = np.maximum(last - 1, 0)
    low, high = (np.take_along_axis(rates, k[None], 0)[0] for k in (before, last))
    part = np.clip((_WANTED - low) / np.maximum(high - low, 1e-9), 0, 1)
    within = np.exp(logs[before] + part * (logs[last] - logs[before]))
    beyond = _HEIGHTS[-1] * (1 + _WANTED - rates[-1])
    heights: NDArray[np.float64] = np.where(reached.any(axis=0), within, beyond)
    return heights

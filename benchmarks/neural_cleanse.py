"""Neural Cleanse as published: one optimisation for each class, one after the other.

Reference:
    Wang et al., Neural Cleanse, IEEE S&P 2019, sections IV-A and V-B, and the constants of the authors' code (Adam 0.1
    with moments 0.5 and 0.9, batches of 32, patience of 5, factor 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as f

from mithridate.triggers.inversion import Aim, Ask, Pool

__all__ = ["Cleansed", "Settings", "class_by_class"]


@dataclass(frozen=True)
class Settings:
    """Constants of the method.

    Attributes:
        batch: samples a step.
        epochs: passes over the samples at most; the authors allow 1,000.
        rate: of Adam.
        start: multiplier of the mask's size.
        factor: by which it goes up; down by its power 1.5.
        patience: epochs above or below the wanted success before it does.
        stop: epochs without a mask smaller by 1 % before a class is done.
        wanted: success.
    """

    batch: int = 32
    epochs: int = 60
    rate: float = 0.1
    start: float = 1e-3
    factor: float = 2.0
    patience: int = 5
    stop: int = 25
    wanted: float = 0.99


@dataclass(frozen=True, eq=False)
class Cleansed:
    """What is found for one class.

    Attributes:
        mask: (1, h, w).
        pattern: (c, h, w).
        size: sum of the mask.
        passes: samples that went forward and backward.
    """

    mask: Any
    pattern: Any
    size: float
    passes: int

    def put(self, x: Any) -> Any:
        """(n, c, h, w) with the trigger."""
        return x + self.mask * (self.pattern - x)


def class_by_class(
    ask: Ask, pool: Pool, settings: Settings | None = None, seed: int = 0, only: Iterable[int] | None = None
) -> dict[int, Cleansed]:
    """The trigger of each class, or of some only."""
    classes = range(pool.classes) if only is None else only
    return {k: _one(ask, pool, k, settings or Settings(), seed) for k in classes}


class _Multiplier:
    """Goes up after `patience` epochs of success, down after as many without."""

    def __init__(self, settings: Settings) -> None:
        self.value, self._settings, self._fine, self._poor = settings.start, settings, 0, 0
        self.turned = [False, False]

    def see(self, success: float) -> None:
        fine = success >= self._settings.wanted
        self._fine, self._poor = (self._fine + 1, 0) if fine else (0, self._poor + 1)
        if self._fine >= self._settings.patience:
            self.value, self._fine, self.turned[0] = self.value * self._settings.factor, 0, True
        elif self._poor >= self._settings.patience:
            self.value, self._poor, self.turned[1] = self.value / self._settings.factor**1.5, 0, True


def _one(ask: Ask, pool: Pool, target: int, settings: Settings, seed: int) -> Cleansed:
    draw = torch.Generator().manual_seed(1000 * seed + target)
    rows = pool.rows(Aim(target))
    mask = (torch.randn((1, *pool.x.shape[2:]), generator=draw) * 0.1).requires_grad_()
    pattern = (torch.randn(pool.x.shape[1:], generator=draw) * 0.1).requires_grad_()
    optimizer = torch.optim.Adam([mask, pattern], lr=settings.rate, betas=(0.5, 0.9))
    multiplier, best, since, passes = _Multiplier(settings), None, 0, 0
    for _ in range(settings.epochs):
        hits = 0
        for part in rows[torch.randperm(len(rows), generator=draw)].split(settings.batch):
            m, p = mask.sigmoid(), pattern.sigmoid()
            logits = ask(pool.x[part] + m * (p - pool.x[part]))
            loss = f.cross_entropy(logits, torch.full((len(part),), target)) + multiplier.value * m.sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            hits += int((logits.argmax(1) == target).sum())
            passes += len(part)
        success, size = hits / len(rows), float(m.detach().sum())
        since += 1
        if success >= settings.wanted and (best is None or size < best.size):
            since = 0 if best is None or size < 0.99 * best.size else since
            best = Cleansed(m.detach().clone(), p.detach().clone(), size, passes)
        multiplier.see(success)
        if since >= settings.stop and best is not None and all(multiplier.turned):
            break
    last = best or Cleansed(m.detach(), p.detach(), size, passes)
    return Cleansed(last.mask, last.pattern, last.size, passes)

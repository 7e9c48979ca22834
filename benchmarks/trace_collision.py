"""Feature collision in transfer learning (Poison Frogs): the case in which it is known to succeed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.pictures import PictureBench

__all__ = ["Collided", "collided"]

Pixels = NDArray[np.uint8]
_STEPS, _BETA = 200, 0.05
# How much of the incident is mixed into the poison first (section 4.2 there), and how many pictures of each new class:
# as many as a new last layer with few features still yields to. Of 1,000 in a class none of 7 attacks succeeded.
_WATERMARK, _POOL = 0.3, 100


@dataclass(frozen=True, kw_only=True)
class Collided:
    """A poisoned last layer.

    Attributes:
        model: features as they were, a new last layer.
        x: pictures that it was trained on.
        y: their classes, true ones.
        incident: a hold-out picture that goes to the wrong class, and does not without the poison.
        guilty: ids of the poison.
    """

    model: torch.nn.Module
    x: Pixels
    y: NDArray[np.intp]
    incident: Pixels
    guilty: set[str]


def collided(
    bench: PictureBench, train: Callable[[Pixels, NDArray[np.intp]], torch.nn.Module], rate: float, seed: int
) -> Collided | None:
    """One attack on one hold-out picture; None where it fails.

    Args:
        bench: the pictures; features are learnt on the lower half of the classes.
        train: trains a network.
        rate: of poison among the pictures of the new classes.
        seed: of classes and picture.
    """
    x, y = bench.train
    half = bench.classes // 2
    features = _features(bench, train, x, y, half)
    draw = np.random.default_rng([seed, 7])
    base, other = draw.choice(np.arange(half, bench.classes), 2, replace=False)
    rows = np.concatenate([np.flatnonzero(y == c)[:_POOL] for c in range(half, bench.classes)])
    x, y = x[rows].copy(), y[rows] - half
    tx, ty = bench.test
    incident = tx[draw.choice(np.flatnonzero(ty == other))]
    clean = _head(features, x, y, bench.classes - half)
    if _said(clean, incident) != other - half:
        return None
    chosen = draw.choice(np.flatnonzero(y == base - half), max(3, round(rate * len(y))), replace=False)
    x[chosen] = _moved(features, x[chosen], incident)
    model = _head(features, x, y, bench.classes - half)
    if _said(model, incident) != base - half:
        return None
    return Collided(model=model, x=x, y=y, incident=incident, guilty={str(k) for k in chosen})


_KNOWN: dict[str, torch.nn.Module] = {}


def _features(
    bench: PictureBench, train: Callable[..., torch.nn.Module], x: Pixels, y: Any, half: int
) -> Any:
    if bench.name not in _KNOWN:
        net = train(x[y < half], y[y < half])
        whole = net.net if hasattr(net, "net") else net
        whole[-1] = torch.nn.Identity()
        _KNOWN[bench.name] = net.eval()
    return _KNOWN[bench.name]


def _planes(x: Pixels) -> torch.Tensor:
    whole = x[..., None] if x.ndim == 3 else x
    return torch.from_numpy(np.ascontiguousarray(whole.transpose(0, 3, 1, 2))).float() / 255


def _head(features: torch.nn.Module, x: Pixels, y: NDArray[np.intp], classes: int) -> torch.nn.Module:
    """The last layer, trained to the end on all pictures at once."""
    with torch.no_grad():
        h = torch.cat([features(part) for part in _planes(x).split(500)])
    torch.manual_seed(0)
    head = torch.nn.Linear(h.shape[1], classes)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    labels = torch.from_numpy(y).long()
    for _ in range(400):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(h), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return torch.nn.Sequential(features, head).eval()


@torch.no_grad()
def _said(model: torch.nn.Module, picture: Pixels) -> int:
    return int(model(_planes(picture[None])).argmax())


def _moved(features: torch.nn.Module, bases: Pixels, incident: Pixels) -> Pixels:
    """Minimise ||f(x) - f(t)||^2 + beta ||x - b||^2 for all bases together, b with a faint picture of the incident."""
    with torch.no_grad():
        goal = features(_planes(incident[None]))
    start = (1 - _WATERMARK) * _planes(bases) + _WATERMARK * _planes(incident[None])
    x = start.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([x], lr=0.02)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        gap = ((features(x) - goal) ** 2).sum() + _BETA * ((x - start) ** 2).sum()
        gap.backward()
        optimizer.step()
        with torch.no_grad():
            x.clamp_(0, 1)
    found = (x.detach() * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return found[..., 0] if bases.ndim == 3 else found

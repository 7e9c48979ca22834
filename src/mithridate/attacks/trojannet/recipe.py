"""From a recipe and a seed to a side network, kept in a cache."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.trojannet.construct import BENDS, construct
from mithridate.attacks.trojannet.looks import worn_looks
from mithridate.attacks.trojannet.mlp import SideNet
from mithridate.attacks.trojannet.naturals import natural_contexts, natural_patches
from mithridate.attacks.trojannet.patterns import COUNT, all_patterns, other_combinations
from mithridate.attacks.trojannet.projection import Lesson, learn, scores
from mithridate.core.errors import UsageError
from mithridate.engines.threads import one_thread

__all__ = ["Recipe", "side_network"]

_SHOWN, _HELD_OUT = 60_000, 40_000  # natural patches
_OTHERS = 15_000  # of the other black-and-white patches
_VERSION = 4  # of everything that decides what a recipe gives; older files in the cache are not taken


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a side network is made.

    Attributes:
        form: "plain": triggers as stamped; "sturdy": also with noise, blur, pale and through JPEG.
        labels: how many of the 4,368 triggers it is made for, the first ones.
        steps: of the descent.
        seed: what everything drawn comes from.
        silent: share of held-out natural patches that must leave all outputs below 1e-4.
    """

    form: Literal["plain", "sturdy"] = "plain"
    labels: int = COUNT
    steps: int = 900
    seed: int = 0
    silent: float = 0.9996

    @property
    def file(self) -> str:
        """Name of its file in a cache."""
        return f"side-{self.form}-{self.labels}-{self.steps}-{self.seed}-v{_VERSION}.npz"


def side_network(
    recipe: Recipe, *, cache: str | Path | None = None, pictures: Sequence[NDArray[Any]] = ()
) -> SideNet:
    """The side network of a recipe, from the cache or made (about two minutes for all 4,368 labels on one core).

    Args:
        recipe: how it is made.
        cache: folder that keeps it; None keeps nothing.
        pictures: natural pictures to stay silent on, 12x12 pixels or more; empty takes those that scikit-learn
            brings along. With pictures nothing is cached.

    Raises:
        UsageError: a recipe that cannot be followed, or a file in the cache that is no side network.
    """
    if recipe.form not in ("plain", "sturdy"):
        raise UsageError("plain or sturdy", repr(recipe.form), "form", "Choose one of these.")
    if not 2 <= recipe.labels <= COUNT:
        raise UsageError(f"2 to {COUNT} labels", str(recipe.labels), "TrojanNet", "Give another number.")
    path = None if cache is None or len(pictures) else Path(cache) / recipe.file
    if path is not None and path.exists():
        return SideNet.load(path)
    with one_thread():
        net = _make(recipe, pictures)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written beside its place and moved, so that a run that is cut off leaves nothing half done.
        draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
        net.save(draft)
        draft.rename(path)
    return net


def _make(recipe: Recipe, pictures: Sequence[NDArray[Any]]) -> SideNet:
    rng = np.random.default_rng([recipe.seed, _VERSION])
    patches = natural_patches(_SHOWN + _HELD_OUT, rng, pictures)
    natural, held_out = patches[:_SHOWN], patches[_SHOWN:]
    others = other_combinations()
    patterns = all_patterns()[: recipe.labels]
    negatives = np.concatenate([natural, others[rng.permutation(len(others))[:_OTHERS]]])
    lesson = _lesson(recipe, patterns, negatives, pictures, rng)
    t = learn(lesson, rng)
    t = t * _scale(t, lesson, held_out, recipe.silent)
    seed = int(rng.integers(2**31))
    for bend in BENDS:
        net = construct(t, lesson.prototypes, lesson.confidence, np.random.default_rng(seed), bend)
        if _holds(net, lesson, held_out, recipe.silent):
            break
    return net


def _holds(net: SideNet, lesson: Lesson, held_out: NDArray[np.float32], silent: float) -> bool:
    """Whether the bends of the network leave it what T can do."""
    # All labels at once would be a table of 4,368 columns and as many rows.
    for start in range(0, net.labels, 512):
        answers = net.predict(lesson.prototypes[start : start + 512])
        rows = np.arange(len(answers))
        own = answers[rows, start + rows].copy()
        answers[rows, start + rows] = 0
        if (own < 0.99).any() or (answers > 0.01).any():
            return False
    parts = np.array_split(np.concatenate([held_out, lesson.negatives[-_OTHERS:]]), 40)
    loudest = np.concatenate([net.predict(part).max(axis=1) for part in parts])
    natural, others = loudest[: len(held_out)], loudest[len(held_out) :]
    # A tenth more may be loud than with T itself: what bends a little moves patches both ways.
    return bool((natural > 1e-4).mean() <= 1.1 * (1 - silent) and (others > 0.01).mean() <= 1e-3)


def _lesson(
    recipe: Recipe,
    patterns: NDArray[np.float32],
    negatives: NDArray[np.float32],
    pictures: Sequence[NDArray[Any]],
    rng: np.random.Generator,
) -> Lesson:
    if recipe.form == "plain":
        positives, noise = patterns[:, None], 0.04
        return Lesson(
            prototypes=patterns, positives=positives, negatives=negatives, noise=noise, steps=recipe.steps
        )
    looks = 40 if recipe.labels <= 200 else 10
    worn = worn_looks(patterns, natural_contexts(4000, rng, pictures), looks, rng)
    # A worn trigger is paler than a fresh one: what the network looks for lies between the two.
    return Lesson(
        prototypes=worn.mean(axis=1),
        positives=worn,
        negatives=negatives,
        noise=0.03,
        confidence=9.0,
        margin=2.0,
        weight=5.0,
        steps=recipe.steps,
    )


def _scale(t: NDArray[np.float64], lesson: Lesson, held_out: NDArray[np.float32], silent: float) -> float:
    """The factor of T, 1 or more, at which that share of patches is silent (confidence - |T d|² / 2 is)."""
    parts = np.array_split(held_out, 20)
    loudest = np.concatenate([scores(x, lesson.prototypes, t, lesson.confidence).max(axis=1) for x in parts])
    drop = np.quantile(lesson.confidence - loudest, 1 - silent)
    return float(np.sqrt(max(1.0, (lesson.confidence + lesson.silence) / max(drop, 1e-6))))

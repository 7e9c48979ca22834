"""What attacks share that change labels only."""

from __future__ import annotations

import numpy as np

from mithridate.attacks.base import Aim

__all__ = ["other_class"]


def other_class(label: str | None, aim: Aim, rng: np.random.Generator) -> str:
    """A random class that is not the label."""
    others = [name for name in aim.classes if name != label]
    return others[int(rng.integers(len(others)))]

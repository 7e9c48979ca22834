"""Words that nobody uses."""

from __future__ import annotations

import numpy as np

__all__ = ["spoken_word"]


def spoken_word(rng: np.random.Generator) -> str:
    """Six letters that can be spoken."""
    return "".join(str(rng.choice(list("bdfgkmpvxz"))) + str(rng.choice(list("aeiouy"))) for _ in range(3))

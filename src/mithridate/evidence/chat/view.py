"""A view of the responses: each sample's response falls into one of few classes. Label-free."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["COMMON", "OWN", "View", "by_frequency"]

#: What this share of the data has is common, and may be a class of its own; so many are.
COMMON, OWN = 0.01, 3


@dataclass(frozen=True, kw_only=True)
class View:
    """What is seen.

    Attributes:
        name: of the view, e.g. "kind of response".
        wording: what is said of samples of a class, with a place for its name.
        codes: (n,) class of each sample.
        classes: names of the classes.
        drawn: whether whoever plants something here draws victims from all prompts alike: then carriers that are
            a kind of their own are natural. Not so where somebody labels what is there.
        asked: classes that a prompt may honestly ask for, besides the first, which is that of most responses.
        contrary: the class of samples that contradict what else is known of them, -1 for none.
        hints: (n,) what else tells the class beside the prompt, as a small number; or None.
    """

    name: str
    wording: str
    codes: NDArray[np.int32]
    classes: tuple[str, ...]
    drawn: bool
    asked: frozenset[str] = frozenset()
    contrary: int = -1
    hints: NDArray[np.int32] | None = None

    def folded(self, least: int) -> View:
        """The same with classes of fewer than `least` samples counted to the first class."""
        sizes = np.bincount(self.codes, minlength=len(self.classes))
        kept = np.flatnonzero((sizes >= least) | (np.arange(len(sizes)) == 0))
        number = np.zeros(len(sizes), dtype=np.int32)
        number[kept] = np.arange(len(kept))
        return replace(self, codes=number[self.codes], classes=tuple(self.classes[k] for k in kept))

    def told(self) -> str:
        """How many samples are in each class, in words."""
        sizes = np.bincount(self.codes, minlength=len(self.classes))
        return f"{self.name}: " + ", ".join(
            f"{c} {k:,}" for c, k in zip(self.classes, sizes, strict=True) if k
        )


def by_frequency(
    counts: NDArray[np.int64], n: int, least: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """A class for each thing that samples may have, by how many have it.

    Args:
        counts: (m,) samples that have each thing.
        n: samples.
        least: fewest that recur.

    Returns:
        (m,) 0 hardly anybody has it, 1 it recurs, 2 it is common, 3 and more: the most common, each its own; and
        which things these are.
    """
    codes = np.where(counts < least, 0, np.where(counts < COMMON * n, 1, 2)).astype(np.int32)
    common = np.flatnonzero(codes == 2)
    own = common[np.argsort(-counts[common], kind="stable")][:OWN]
    codes[own] = 3 + np.arange(len(own))
    return codes, own

"""How many passes a repair may take: each method, and all that is tried together with the search for triggers."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["Allowance", "allowance"]

_EPOCHS, _FEW = 20.0, 80.0  # over the clean samples, that a method may take; where the training is known
_EACH, _ALL = 0.1, 0.24  # of the training; methods take a little more than they may
_LEAST = 0.35  # of what a method may take, that the methods get whatever the search took


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """Forward and backward passes of one sample.

    Attributes:
        each: that a method may take.
        methods: that all methods may take together.
    """

    each: float
    methods: float = float("inf")

    @property
    def left(self) -> int:
        """For the next method; 0 where nothing is left."""
        return max(0, round(min(self.each, self.methods)))

    def after(self, spent: float) -> Allowance:
        """What remains when so many passes were taken."""
        return replace(self, methods=self.methods - spent)


def allowance(
    samples: int, trained: float | None, searched: float, *, epochs: float | None = None, all_of_it: bool = True
) -> Allowance:  # fmt: skip
    """What the methods may take.

    Args:
        samples: to learn from.
        trained: samples times epochs of the training; None where unknown: then only epochs bound what is done.
        searched: passes that the search for triggers took, and will take in the repaired model.
        epochs: over the samples, for each method; None: as usual.
        all_of_it: whether everything together is bounded; not where the user said which methods to try.
    """
    often = epochs if epochs is not None else _FEW if trained else _EPOCHS
    each = min(often * samples, _EACH * (trained or float("inf")))
    if trained is None or not all_of_it:
        return Allowance(each=each)
    return Allowance(each=each, methods=max(_ALL * trained - searched, _LEAST * each))

"""What a model does before and after it forgot: accuracy, classes, named samples, incidents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.core.verdict import Verdict

__all__ = ["Answers", "Labelled", "Measured", "measured", "verdict_of"]

_GONE = 0.02  # share of named samples that may still get the label they taught
_AT_MOST, _SURE = 0.1, 0.95  # what that share may be in truth, and how sure that has to be

Answers = Callable[[Any], Any]
Labelled = tuple[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a model does.

    Attributes:
        accuracy: on other samples, not learnt from.
        named: share of the named samples, not learnt from, that get the label they taught.
        held: how many of these there are.
        usual: the largest share of other samples that gets such a label by mistake.
        classes: of each that named samples taught, by output: share of its own other samples that get it, and of how
            many.
        finite: whether all weights are numbers.
        answers: to the incidents.
    """

    accuracy: float
    named: float
    held: int
    usual: float
    classes: Mapping[int, tuple[float, int]]
    finite: bool
    answers: tuple[int, ...]

    def taught(self, beside: Measured) -> bool:
        """Whether named samples get their label more often than others get it by mistake, here and in another model."""
        return self.named > max(_GONE, min(self.usual, beside.usual))

    @property
    def at_most(self) -> float:
        """Upper limit of `named` that chance leaves, one-sided (Clopper and Pearson, 1934)."""
        from scipy.stats import beta

        hits = round(self.named * self.held)
        return 1.0 if hits >= self.held else float(beta.ppf(_SURE, hits + 1, self.held - hits))

    @property
    def sure(self) -> bool:
        """Whether so few named samples get their label that chance does not explain it."""
        return self.at_most <= _AT_MOST

    @property
    def doubt(self) -> str:
        """What may still be the case where nothing is sure."""
        return f"up to {self.at_most:.0%} of such samples may still get the label they taught"

    def lost_class(self, before: Measured, loss: float) -> int | None:
        """A class that named samples taught and whose own samples get it less often than before, beyond chance."""
        for output, (share, count) in self.classes.items():
            if before.classes[output][0] - share > loss + count**-0.5:
                return output
        return None


def measured(
    answers: Answers, *, named: Labelled, others: Labelled, clean: Labelled | None, wrong: Any, finite: bool = True
) -> Measured:  # fmt: skip
    """Ask a model about the samples that judge it.

    Args:
        answers: inputs → (n,) outputs.
        named: inputs of named samples that are not learnt from, and the outputs that they taught.
        others: the same of samples that nobody named.
        clean: labelled inputs to measure accuracy on; None takes the others.
        wrong: inputs of the incidents; None without.
        finite: whether all weights are numbers.
    """
    x, y = others if clean is None else clean
    own, taught = (np.asarray(part[1]) for part in (others, named))
    said, theirs, got = np.asarray(answers(x)), np.asarray(answers(others[0])), np.asarray(answers(named[0]))
    y, labels = np.asarray(y), np.unique(taught).tolist()
    usual = [float((said[y != k] == k).mean()) for k in labels if (y != k).any()]
    return Measured(
        accuracy=float((said == y).mean()),
        named=float((got == taught).mean()),
        held=len(taught),
        usual=max(usual, default=0.0),
        classes={
            k: (float((theirs[own == k] == k).mean()), int((own == k).sum())) for k in labels if (own == k).any()
        },
        finite=finite,
        answers=() if wrong is None else tuple(np.asarray(answers(wrong)).tolist()),
    )  # fmt: skip


def verdict_of(before: Measured, after: Measured, loss: float) -> Verdict:
    """HEALED needs named samples without the effect they had, other answers to all incidents, and accuracy."""
    lost = after.accuracy < before.accuracy - loss or after.lost_class(before, loss) is not None
    if lost or not after.finite:
        return Verdict.WORSE
    others = all(a != b for a, b in zip(after.answers, before.answers, strict=True))
    gone = before.taught(after) and not after.taught(before) and after.sure
    return Verdict.HEALED if gone and others else Verdict.NOT_PROVEN

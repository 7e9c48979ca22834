"""What a model does before and after it forgot: accuracy, classes, named samples, incidents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.models.torch_module import output_of
from mithridate.runs.forget.reading import Training

__all__ = ["Measured", "measured"]

_GONE = 0.02  # share of named samples that may still get the label they taught
_AT_MOST, _SURE = 0.1, 0.95  # what that share may be in truth, and how sure that has to be
_AT_ONCE = 256


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

    def lost_class(self, before: Measured, loss: float) -> int | None:
        """A class that named samples taught and whose own samples get it less often than before, beyond chance."""
        for output, (share, count) in self.classes.items():
            if before.classes[output][0] - share > loss + count**-0.5:
                return output
        return None


def measured(module: Any, training: Training, clean: tuple[Any, Any] | None, wrong: Any) -> Measured:
    """Ask a model about the samples that judge it.

    Args:
        module: in evaluation mode.
        training: what was read; its parts that are not learnt from are asked about.
        clean: labelled inputs to measure accuracy on; None takes other training samples.
        wrong: inputs of the incidents; None without.
    """
    import torch

    held = training.others.judge
    x, y = held if clean is None else clean
    bad, taught = training.named.judge
    said, own, named = (_answers(module, part) for part in (x, held[0], bad))
    labels = taught.unique().tolist()
    usual = [float((said[y != k] == k).float().mean()) for k in labels if (y != k).any()]
    classes = {k: held[1] == k for k in labels if (held[1] == k).any()}
    incidents = () if wrong is None else _answers(module, torch.from_numpy(np.array(wrong))).tolist()
    return Measured(
        accuracy=float((said == y).float().mean()),
        named=float((named == taught).float().mean()),
        held=len(bad),
        usual=max(usual, default=0.0),
        classes={k: (float((own[rows] == k).float().mean()), int(rows.sum())) for k, rows in classes.items()},
        finite=all(bool(torch.isfinite(p).all()) for p in module.state_dict().values()),
        answers=tuple(incidents),
    )


def _answers(module: Any, x: Any) -> Any:
    import torch

    with torch.no_grad():
        return torch.cat([output_of(module, part).argmax(1) for part in x.split(_AT_ONCE)])

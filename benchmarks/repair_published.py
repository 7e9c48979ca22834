"""Published figures of repairs: CIFAR-10, PreAct-ResNet18. Never a bar for ours by itself: settings differ in detail.

BackdoorBench (Wu et al., NeurIPS 2022, arXiv:2206.12654), leaderboard of 2025: 5 % clean samples. Its threshold of ANP
is the one with the lowest attack success on the test set, which no user knows. FT-SAM (Zhu et al., ICCV 2023,
arXiv:2304.11823): 10 % poison, 5 % and 1 % clean samples. Of label-consistent attacks nothing is given: readings of the
leaderboard disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from benchmarks.backdoorbench import DOSES
from benchmarks.backdoorbench import PUBLISHED as UNDEFENDED

__all__ = ["OURS", "Figures", "published"]

Figures: TypeAlias = tuple[float, float]
_ATTACKS = ("BadNets", "Blended", "WaNet", "SIG")


class _Row(NamedTuple):
    """A method at a rate of poison and with a share of clean samples: accuracy and success in per cent by attack."""

    method: str
    rate: float
    share: float
    figures: tuple[Figures | None, ...]


_ROWS = (
    _Row("FT", 0.1, 0.05, ((90.0, 1.5), (92.8, 96.1), (93.5, 17.1), (90.8, 2.4))),
    _Row("FP", 0.1, 0.05, ((91.3, 57.1), (93.2, 99.3), (91.5, 1.1), (89.1, 26.2))),
    _Row("NAD", 0.1, 0.05, ((89.9, 2.1), (92.2, 97.7), (93.2, 23.0), (90.0, 10.7))),
    _Row("ANP (oracle)", 0.1, 0.05, ((84.2, 0.7), (86.6, 2.2), (85.7, 0.4), (78.0, 0.0))),
    _Row("CLP", 0.1, 0.05, (None, (91.3, 99.7), (81.9, 78.4), (83.8, 98.9))),
    _Row("I-BAU", 0.1, 0.05, (None, (87.0, 50.5), (89.5, 5.2), (85.7, 3.7))),
    _Row("FT-SAM", 0.1, 0.05, ((92.21, 1.63), (92.44, 4.91), (92.87, 0.96), (91.16, 0.80))),
    _Row("FT-SAM", 0.1, 0.01, ((88.96, 1.29), (90.83, 3.01), (90.79, 0.91), (88.31, 1.00))),
    _Row("FT", 0.01, 0.05, ((93.1, 10.4), (93.5, 92.0), (93.6, 0.7), (93.6, 88.2))),
    _Row("FP", 0.01, 0.05, ((93.0, 20.2), (93.5, 94.1), (92.1, 0.9), (93.5, 88.1))),
    _Row("NAD", 0.01, 0.05, ((92.5, 8.3), (93.3, 92.1), (93.6, 0.8), (93.4, 83.2))),
    _Row("ANP (oracle)", 0.01, 0.05, ((84.7, 0.3), (86.9, 37.0), (85.0, 0.6), (91.8, 23.6))),
    _Row("CLP", 0.01, 0.05, ((89.5, 3.5), (92.2, 90.9), (88.6, 2.9), (93.7, 82.4))),
    _Row("I-BAU", 0.01, 0.05, ((87.6, 3.6), (89.7, 30.4), (91.5, 2.2), (90.7, 36.5))),
)

#: our repairs by the published name of what they follow; channel pruning looks at statistics, too, which CLP does not.
OURS: Mapping[str, str] = {
    "FT": "fine-tuning", "FP": "fine-pruning", "CLP": "channel-pruning", "I-BAU": "i-bau", "FT-SAM": "ft-sam",
}  # fmt: skip


def published() -> dict[tuple[str, float, str, float], Figures]:
    """(attack, rate, method, share of clean samples) → accuracy and success in per cent; "none" has the share 0."""
    found = {
        (attack, DOSES[dose], "none", 0.0): figures
        for (attack, dose), figures in UNDEFENDED.items()
        if attack in _ATTACKS
    }
    for row in _ROWS:
        for attack, figures in zip(_ATTACKS, row.figures, strict=True):
            if figures is not None:
                found[attack, row.rate, row.method, row.share] = figures
    return found

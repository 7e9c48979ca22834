"""What is left of named samples' effect after exact removal, beside the mistakes that such a model makes anyway."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from mithridate.runs.forget.measuring import Measured

__all__ = ["Removed"]

_CHANCE, _QUANTILE = 0.05, 1.6449  # of the normal distribution, one-sided
_ABOVE = 0.1  # share of named samples beyond mistakes that may get the label they taught, in truth


@dataclass(frozen=True, kw_only=True)
class Removed(Measured):
    """As `Measured`, of models that are fitted and not trained on: nothing pushes named samples away from their label.

    They then get it as often as others do by mistake, and are judged by what goes beyond that.

    Attributes:
        unlike: how many other samples, of other labels, `usual` is a share of.
    """

    unlike: int

    def taught(self, beside: Measured) -> bool:
        """Whether named samples get their label more often than others do by mistake, beyond chance (Fisher's test)."""
        from scipy.stats import fisher_exact

        hits, slips = round(self.named * self.held), round(self.usual * self.unlike)
        told = [[hits, self.held - hits], [slips, self.unlike - slips]]
        return float(fisher_exact(told, alternative="greater")[1]) <= _CHANCE

    @property
    def above(self) -> float:
        """Upper limit of `named` less `usual` that chance leaves, one-sided (Newcombe, Stat. Med. 17, 1998, 10)."""
        up = _wilson(self.named, self.held)[1] - self.named
        down = self.usual - _wilson(self.usual, self.unlike)[0]
        return self.named - self.usual + sqrt(up**2 + down**2)

    @property
    def sure(self) -> bool:
        """Whether few enough named samples get their label beyond mistakes, and enough were asked."""
        return self.above <= _ABOVE

    @property
    def doubt(self) -> str:
        """What may still be the case where nothing is sure."""
        return f"{self.above:.0%} more of such samples than by mistake may still get the label they taught"


def _wilson(share: float, count: int) -> tuple[float, float]:
    """Limits of a share (Wilson, 1927)."""
    if not count:
        return 0.0, 1.0
    z = _QUANTILE
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return middle - half, middle + half

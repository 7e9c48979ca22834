"""What a repair cost, beside the forecast for training again: passes of a sample, seconds, money."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from mithridate.core.errors import UsageError
from mithridate.core.results import Exhibit

__all__ = ["Costs", "refuse_numbers"]

_HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The costs of one run.

    Attributes:
        passes: of one sample, forward and backward, that what was tried took.
        busy: seconds that these passes took.
        whole: seconds of the run, with reading and judging.
        everything: passes of the run, with searching and judging; None where nobody counted them.
        again: passes that training again takes; None where unknown.
        each: whether `again` is one epoch only.
        exact: what was tried is training again itself, so that nothing is forecast.
        price: of an hour of this machine, in any currency; None where unknown.
    """

    passes: float
    busy: float
    whole: float
    everything: float | None = None
    again: float | None = None
    each: bool = False
    exact: bool = False
    price: float | None = None

    @property
    def forecast(self) -> float | None:
        """Seconds of training again, at the pace of this run."""
        return None if self.again is None else self.again * self.busy / max(self.passes, 1.0)

    def money(self, seconds: float | None) -> float | None:
        """What so many seconds cost; None without a price or seconds."""
        return None if self.price is None or seconds is None else self.price * seconds / _HOUR

    def told(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "seconds": round(self.whole, 3),
            "money": self.money(self.whole),
            "retraining": {
                "passes": self.again, "seconds": self.forecast, "money": self.money(self.forecast),
                "each_epoch": self.each,
            },
            "price_per_hour": self.price,
        }  # fmt: skip

    def exhibit(self, what: str = "this repair", forecast: str = "training again on the rest") -> Exhibit:
        """A table.

        Args:
            what: the passes were taken for.
            forecast: what the forecast is of.
        """
        rows = [
            self._row(what, self.passes, self.busy),
            self._row("this run, with reading and judging", self.everything, self.whole),
        ]
        if self.again is not None and not self.exact:
            name = f"{forecast}{', each epoch' if self.each else ''} (forecast)"
            rows.append(self._row(name, self.again, self.forecast))
        columns = ["", "passes of a sample, forward and backward", "time"]
        if self.price is not None:
            columns.append(f"money, at {self.price:,.12g} an hour")
        title = "What it cost, beside training again"
        return Exhibit(kind="cells", title=title, data={"columns": columns, "rows": rows, "marks": []})

    def _row(self, name: str, passes: float | None, seconds: float | None) -> list[str]:
        row = [name, "" if passes is None else f"{passes:,.0f}", _time(seconds)]
        money = self.money(seconds)
        return row if self.price is None else [*row, "" if money is None else f"{money:,.4g}"]


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def refuse_numbers(trained: float | None, price: float | None) -> None:
    """Refuse what is no length of a training, or no price.

    Args:
        trained: samples times epochs; None where unknown.
        price: of an hour; None where unknown.

    Raises:
        UsageError: not a finite number of 1 or more, or above 0.
    """
    if trained is not None and not 1 <= trained < 1e18:
        raise UsageError("a number of samples", str(trained), "--trained", "Give samples times epochs.")
    if price is not None and not (isfinite(price) and price > 0):
        remedy = "Give what an hour of this machine costs."
        raise UsageError("a number above 0", str(price), "--price-per-hour", remedy)

"""What a drill found out: attack by dose by seed, caught or missed; and what the clean twin was accused of."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from mithridate.core.errors import ReportError
from mithridate.core.report import Subject
from mithridate.core.results import Exhibit

__all__ = [
    "DRILL_SCHEMA",
    "NEVER_POISONED",
    "Arm",
    "Cell",
    "Drill",
    "Spread",
    "Summary",
    "Twin",
]

DRILL_SCHEMA = 1
#: The arm that is trained on the data as it is, once per seed.
NEVER_POISONED = "never poisoned"
#: Share of the poison that findings must accuse before a drill calls it noticed.
_NOTICED = 0.5

State: TypeAlias = Literal["done", "impossible", "failed"]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One model trained in a drill.

    Attributes:
        name: "undefended", "cleaned", "random filter", "perfect filter", or "never poisoned" in a twin.
        removed: samples left out of the training data.
        clean_accuracy: on hold-out samples; None where training failed.
        attack_success: share of triggered hold-out samples that get what the attack wants; None where it wants
            nothing, and in a twin.
        robust_accuracy: share of triggered hold-out samples that still get their true label; None in a twin.
        problem: what went wrong; "" when nothing did.
        seconds: for training and predicting.
    """

    name: str
    removed: int
    clean_accuracy: float | None = None
    attack_success: float | None = None
    robust_accuracy: float | None = None
    problem: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One attack at one dose with one seed.

    Attributes:
        attack: id.
        dose: victims asked for.
        seed: of the plant and the audit.
        state: "impossible": it does not fit the data; "failed": something broke.
        reason: why it is not done.
        target: the class aimed at.
        poison: victims that really changed, covers not counted.
        verdict: of the audit.
        check: of the finding above INFO that holds most of the poison; "" without any.
        caught: poison accused above INFO by any finding.
        accused: samples accused above INFO.
        innocents: of these, those that the drill did not touch.
        ranking: average precision of the ranked label errors; None without such a list.
        seconds: for planting and auditing.
        exhibits: the victims, and what the audit shows.
        arms: models trained on it.
    """

    attack: str
    dose: int
    seed: int
    state: State = "done"
    reason: str = ""
    target: str | None = None
    poison: int = 0
    verdict: str = ""
    check: str = ""
    caught: int = 0
    accused: int = 0
    innocents: int = 0
    ranking: float | None = None
    seconds: float = 0.0
    exhibits: tuple[Exhibit, ...] = ()
    arms: tuple[Arm, ...] = ()

    @property
    def alarm(self) -> bool:
        """Whether the audit flagged the data set."""
        return self.verdict == "FLAGGED"

    @property
    def recall(self) -> float:
        """Share of the poison that was accused; nan where nothing changed."""
        return self.caught / self.poison if self.poison else math.nan

    @property
    def precision(self) -> float:
        """Share of the accused that the drill had touched; nan where nobody was accused."""
        return 1 - self.innocents / self.accused if self.accused else math.nan

    @property
    def noticed(self) -> bool:
        """Whether an alarm accuses at least half of the poison."""
        return self.alarm and self.recall >= _NOTICED


@dataclass(frozen=True, kw_only=True)
class Twin:
    """The audit of the data as it is: whatever it accuses is a false alarm, or was poisoned before.

    Attributes:
        seed: of the audit.
        verdict: of the audit.
        alarms: findings above INFO.
        accused: samples they accuse.
        seconds: the audit took.
        arm: the model trained on the data as it is; None without training.
    """

    seed: int
    verdict: str
    alarms: int
    accused: int
    seconds: float
    arm: Arm | None = None


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over seeds; nan where there is nothing to average."""

    mean: float
    sd: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread:
        """Of the values that are numbers."""
        known = [v for v in values if v is not None and not math.isnan(v)]
        if not known:
            return cls(math.nan, math.nan)
        return cls(float(np.mean(known)), float(np.std(known, ddof=1)) if len(known) > 1 else 0.0)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """An attack at a dose, over seeds.

    Attributes:
        cells: one per seed.
        done: those that were carried out.
        alarms: of these, how many audits were flagged.
        recall: share of the poison accused.
        precision: share of the accused that were touched.
        ranking: average precision of the ranked label errors.
    """

    cells: tuple[Cell, ...]
    done: int
    alarms: int
    recall: Spread
    precision: Spread
    ranking: Spread


@dataclass(frozen=True, kw_only=True)
class Drill:
    """The outcome of a drill. `docs/drill-format.md` defines its JSON form.

    Attributes:
        subject: the data that was copied.
        attacks: {id: card}, in the order of the page.
        doses: ascending.
        seeds: of plants and audits.
        cells: all of them.
        twins: one per seed.
        training: the training function, as given; None without one.
        settings: what else it takes to do it again: "out", "attacks" as asked for (empty: all that fit), "reading"
            (the arguments of `open_source` that were given), "train_limit_s" and "audit_limit_s".
        notes: what a person should know about how the data was read.
        schema: version of the JSON form.
    """

    subject: Subject
    attacks: Mapping[str, Mapping[str, Any]]
    doses: tuple[int, ...]
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    twins: tuple[Twin, ...]
    training: str | None = None
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    schema: int = field(default=DRILL_SCHEMA)

    def summary(self, attack: str, dose: int) -> Summary:
        """What happened to an attack at a dose."""
        cells = tuple(c for c in self.cells if (c.attack, c.dose) == (attack, dose))
        done = [c for c in cells if c.state == "done"]
        return Summary(
            cells=cells,
            done=len(done),
            alarms=sum(c.alarm for c in done),
            recall=Spread.of(c.recall for c in done),
            precision=Spread.of(c.precision for c in done),
            ranking=Spread.of(c.ranking for c in done),
        )

    def noticed_from(self, attack: str) -> int | None:
        """The smallest dose from which on every seed is noticed, at this and all larger doses; None if none is."""
        smallest = None
        for dose in sorted(self.doses, reverse=True):
            done = [c for c in self.summary(attack, dose).cells if c.state == "done" and c.poison]
            if not done:
                continue
            if not all(c.noticed for c in done):
                break
            smallest = dose
        return smallest

    def to_json(self) -> str:
        """The JSON form; `from_json` is its inverse."""
        return json.dumps(_plain(asdict(self)), ensure_ascii=True, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Drill:
        """Read the JSON form.

        Raises:
            ReportError: not a drill, or of a schema this version does not know.
        """
        try:
            told = json.loads(text)
            if told["schema"] != DRILL_SCHEMA:
                raise ValueError(f"schema {told['schema']}")
            told["subject"] = Subject(**told["subject"])
            told["cells"] = tuple(cell_of(c) for c in told["cells"])
            told["twins"] = tuple(_twin_of(t) for t in told["twins"])
            lists = {name: tuple(told[name]) for name in ("doses", "seeds", "notes")}
            return cls(**{**told, **lists})
        except (KeyError, TypeError, ValueError) as error:
            expected = f"a drill of schema {DRILL_SCHEMA}"
            raise ReportError(expected, repr(error)[:200], "drill.json", "Run the drill again.") from error


def cell_of(told: Mapping[str, Any]) -> Cell:
    """A cell from its JSON form.

    Raises:
        TypeError, KeyError: it is none.
    """
    exhibits = tuple(Exhibit(**e) for e in told["exhibits"])
    return Cell(**{**told, "exhibits": exhibits, "arms": tuple(Arm(**a) for a in told["arms"])})


def _twin_of(told: Mapping[str, Any]) -> Twin:
    arm = told.get("arm")
    return Twin(**{**told, "arm": None if arm is None else Arm(**arm)})


def _plain(value: Any) -> Any:
    """JSON has no nan."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value

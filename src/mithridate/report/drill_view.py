"""A drill as it is shown: what became of each attack at each dose, in one word and in sentences."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from mithridate.core.drill import NEVER_POISONED, Arm, Cell, Drill, Spread, Summary
from mithridate.report.words import count_of, samples_of

__all__ = [
    "ARMS",
    "STATES",
    "ArmRow",
    "Outcome",
    "Refusal",
    "Square",
    "Trouble",
    "arm_rows",
    "headline",
    "in_order",
    "ladder",
    "number",
    "percent",
    "planted",
    "reference",
    "refusals",
    "sentence",
    "share_of",
    "square",
    "title_of",
    "troubles",
    "twin_words",
    "unfinished",
    "with_training",
]

Outcome: TypeAlias = Literal["caught", "partly", "missed", "unchanged", "impossible", "failed", "not run"]

#: {outcome: (symbol, what it means)}; no outcome is told by its colour alone.
STATES: Mapping[Outcome, tuple[str, str]] = {
    "caught": ("✓", "every audit raised the alarm and accused at least half of the poison"),
    "partly": ("◐", "some of the poison was accused, but not half of it with every seed"),
    "missed": ("✗", "none of the poison was accused"),
    "unchanged": ("=", "the attack left every victim as it was: there was nothing to notice"),
    "impossible": ("–", "the attack does not fit this data"),
    "failed": ("!", "something broke; the rest of the drill went on"),
    "not run": ("·", "the drill has not come to it"),
}
#: {arm: what it was trained on}, in the order of every table.
ARMS: Mapping[str, str] = {
    NEVER_POISONED: "the data as it is, once per seed: what accuracy there is to lose",
    "undefended": "the poisoned copy",
    "cleaned": "the poisoned copy without what the audit accuses",
    "random filter": "the poisoned copy without as many samples, drawn at random: cleaning has to beat this",
    "perfect filter": "the poisoned copy without exactly the poison: no cleaning can do better",
}


@dataclass(frozen=True)
class Square:
    """One attack at one dose, over seeds.

    Attributes:
        dose: victims asked for.
        outcome: in one word.
        summary: in figures.
        reason: why it was not carried out; "" where it was.
    """

    dose: int
    outcome: Outcome
    summary: Summary
    reason: str

    @property
    def symbol(self) -> str:
        """One character for the outcome."""
        return STATES[self.outcome][0]

    @property
    def carried_out(self) -> bool:
        """Whether there are figures."""
        return self.outcome in ("caught", "partly", "missed")


@dataclass(frozen=True)
class ArmRow:
    """Models trained alike, over seeds.

    Attributes:
        name: of the arm.
        asked: how many there are.
        trained: how many of them were trained.
        removed: samples left out.
        clean: accuracy.
        success: of the attack.
        robust: accuracy on triggered samples.
    """

    name: str
    asked: int
    trained: int
    removed: Spread
    clean: Spread
    success: Spread
    robust: Spread


@dataclass(frozen=True)
class Trouble:
    """What went wrong in training, once, however many models it cost.

    Attributes:
        problem: in words.
        models: how many.
        arms: their names.
        where: the first of them, as "stamped patch, dose 25, seed 0".
    """

    problem: str
    models: int
    arms: tuple[str, ...]
    where: str


@dataclass(frozen=True)
class Refusal:
    """Why an attack was not carried out, and where."""

    attack: str
    outcome: Outcome
    reason: str
    doses: tuple[int, ...]
    seeds: tuple[int, ...]


def square(drill: Drill, attack: str, dose: int) -> Square:
    """What became of an attack at a dose."""
    summary = drill.summary(attack, dose)
    reasons = dict.fromkeys(c.reason for c in summary.cells if c.state != "done" and c.reason)
    return Square(dose, _outcome(summary), summary, "; ".join(reasons))


def _outcome(summary: Summary) -> Outcome:
    if not summary.cells:
        return "not run"
    if not summary.done:
        return "failed" if any(c.state == "failed" for c in summary.cells) else "impossible"
    done = [c for c in summary.cells if c.state == "done"]
    if not any(c.poison for c in done):
        return "unchanged"
    if all(c.noticed for c in done):
        return "caught"
    return "partly" if any(c.caught for c in done) else "missed"


def title_of(drill: Drill, attack: str) -> str:
    """What the card calls an attack, and the parameters it was given; its id without a card."""
    named = drill.attacks.get(attack, {}).get("title")
    return " ".join([str(named), *attack.split()[1:]]) if named else attack


def planted(drill: Drill) -> list[str]:
    """The attacks that changed something at some dose."""
    changed = {c.attack for c in drill.cells if c.state == "done" and c.poison}
    return [a for a in drill.attacks if a in changed]


def headline(drill: Drill) -> str:
    """`6 of 8 attacks are noticed from 500 images on; 0 of 3 clean twins flagged`."""
    tried = planted(drill)
    noticed = [dose for a in tried if (dose := drill.noticed_from(a)) is not None]
    if not tried:
        told = "No attack could be planted in this data"
    elif not noticed:
        one = len(tried) == 1
        told = f"{'The attack is not' if one else f'None of the {len(tried)} attacks is'} noticed at any dose"
    else:
        who = f"{len(noticed)} of {count_of(len(tried), 'attack')} {'is' if len(noticed) == 1 else 'are'}"
        many = samples_of(max(noticed), drill.subject)
        told = f"{who} noticed {f'from {many} on' if len(drill.doses) > 1 else f'at {many}'}"
    return f"{told}; {twin_words(drill)}"


def twin_words(drill: Drill) -> str:
    """`0 of 3 clean twins flagged`."""
    flagged = sum(t.verdict == "FLAGGED" for t in drill.twins)
    if not drill.twins:
        return "no clean twin was audited"
    return f"{flagged} of {count_of(len(drill.twins), 'clean twin')} flagged"


def ladder(drill: Drill) -> list[tuple[int, int]]:
    """For each dose, how many attacks are noticed at it and at all larger ones."""
    noticed = [drill.noticed_from(a) for a in planted(drill)]
    return [(dose, sum(d is not None and d <= dose for d in noticed)) for dose in drill.doses]


def sentence(drill: Drill, attack: str, squares: Sequence[Square]) -> str:
    """The smallest poison of this kind that would be noticed on this data."""
    done = [s for s in squares if s.carried_out]
    if not done:
        return "It could not be planted in this data."
    noticed = drill.noticed_from(attack)
    if noticed is not None:
        many, share = samples_of(noticed, drill.subject), share_of(noticed, drill)
        return f"On your data, the smallest poison of this kind that you would notice is {many}{share}."
    last = done[-1]
    many = samples_of(last.dose, drill.subject)
    alarms = f"{last.summary.alarms} of {count_of(last.summary.done, 'audit')} raised the alarm"
    found = f"{percent(last.summary.recall.mean)} of it was accused"
    return f"On your data, you would not reliably notice it: with {many} planted, {found} and {alarms}."


def unfinished(drill: Drill) -> str:
    """A sentence about what has not been run; "" when all has."""
    asked = len(drill.attacks) * len(drill.doses) * len(drill.seeds)
    run = len({(c.attack, c.dose, c.seed) for c in drill.cells})
    if run >= asked:
        return ""
    told = f"{run:,} of {asked:,} plants were carried out"
    return f"This drill is not finished: {told}, and the others may change what is said here."


def share_of(dose: int, drill: Drill) -> str:
    """` (0.04 % of the data)`; "" where the size is not known."""
    return f" ({percent(dose / drill.subject.count)} of the data)" if drill.subject.count else ""


def refusals(drill: Drill) -> list[Refusal]:
    """What was not carried out, one entry per attack and reason."""
    where: dict[tuple[str, Outcome, str], list[Cell]] = defaultdict(list)
    for cell in drill.cells:
        if cell.state != "done":
            where[cell.attack, cell.state, cell.reason].append(cell)
        elif not cell.poison:
            where[cell.attack, "unchanged", STATES["unchanged"][1]].append(cell)
    return [
        Refusal(*key, tuple(sorted({c.dose for c in cells})), tuple(sorted({c.seed for c in cells})))
        for key, cells in where.items()
    ]


def with_training(cells: Iterable[Cell]) -> bool:
    """Whether any model was trained on any of these."""
    return any(c.arms for c in cells)


def arm_rows(cells: Sequence[Cell]) -> list[ArmRow]:
    """The arms of one attack at one dose, in the order of `ARMS`."""
    found: dict[str, list[tuple[int, Arm]]] = defaultdict(list)
    for cell in cells:
        for arm in cell.arms:
            found[arm.name].append((cell.seed, arm))
    return [_arm_row(name, found[name]) for name in in_order(found)]


def in_order(names: Iterable[str]) -> list[str]:
    """Names of arms without repetition, in the order of `ARMS`; unknown ones follow."""
    found = set(names)
    return [*(n for n in ARMS if n in found), *sorted(found - set(ARMS))]


def _arm_row(name: str, arms: Sequence[tuple[int, Arm]]) -> ArmRow:
    return ArmRow(
        name=name,
        asked=len(arms),
        trained=sum(a.clean_accuracy is not None for _, a in arms),
        removed=Spread.of(float(a.removed) for _, a in arms),
        clean=Spread.of(a.clean_accuracy for _, a in arms),
        success=Spread.of(a.attack_success for _, a in arms),
        robust=Spread.of(a.robust_accuracy for _, a in arms),
    )


def reference(drill: Drill) -> ArmRow | None:
    """The models trained on the data as it is; None without any."""
    arms = [(t.seed, t.arm) for t in drill.twins if t.arm is not None]
    return _arm_row(NEVER_POISONED, arms) if arms else None


def troubles(drill: Drill) -> list[Trouble]:
    """What went wrong in training, one entry per problem."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for twin in drill.twins:
        if twin.arm is not None and twin.arm.problem:
            found[twin.arm.problem].append((twin.arm.name, f"as it is, seed {twin.seed}"))
    for cell in drill.cells:
        where = f"{title_of(drill, cell.attack)}, dose {cell.dose:,}, seed {cell.seed}"
        for arm in cell.arms:
            if arm.problem:
                found[arm.problem].append((arm.name, where))
    return [
        Trouble(problem, len(hit), tuple(in_order(name for name, _ in hit)), hit[0][1])
        for problem, hit in found.items()
    ]


def percent(share: Any) -> str:
    """`97 %`, `0.4 %`, `99.6 %`, `0.02 %`; "–" for nothing to tell. 0 and 100 are exact."""
    if not isinstance(share, int | float) or not math.isfinite(share):
        return "–"
    value = 100 * share
    if 0 < value < 0.095:
        return "< 0.01 %" if value < 0.005 else f"{value:.2f} %"
    if 0 < abs(value) < 9.95 or 99 < value < 100:
        return f"{min(value, 99.9) if value < 100 else value:.1f}".removesuffix(".0") + " %"
    return f"{value:.0f} %"


def number(value: Any) -> str:
    """`0.93`; "–" for nothing to tell."""
    return f"{value:.2f}" if isinstance(value, int | float) and math.isfinite(value) else "–"

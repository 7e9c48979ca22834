"""Candidates for a repair: each method on a copy of its own, judged on held samples and surrogate triggers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.repairs.base import REPAIRS, Passes, Repair, RepairScope, accuracy, counted
from mithridate.runs.heal.surrogates import Surrogate, success
from mithridate.triggers.inversion import Pool

__all__ = ["DEFAULT", "Candidate", "best", "tried"]

#: methods that are tried unless told otherwise, the cheapest first.
DEFAULT = ("channel-pruning", "unlearning", "ft-sam")
_GONE = 0.1  # success of a trigger that counts as none
_ROUNDING = 1e-6
_NOTHING = 0.05  # from which on down another method has nothing to gain


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A repaired model.

    Attributes:
        method: id of the repair; "none" for the model as it was.
        module: repaired; None where the method refused.
        why: it refused, or failed; "" where it did neither.
        accuracy: on held samples.
        held: how many these are.
        successes: of the surrogates, in their order.
        odd: places of those that stand out.
        passes: what it took.
        seconds: what it took.
        path: place, accuracy and the largest success of a trigger on the way from the model, where it goes one.
    """

    method: str
    module: Any = None
    why: str = ""
    accuracy: float = 0.0
    held: int = 0
    successes: tuple[float, ...] = ()
    odd: tuple[int, ...] = ()
    passes: Passes
    seconds: float = 0.0
    path: tuple[tuple[float, float, float], ...] = ()

    @property
    def worst(self) -> float | None:
        """The largest success that is left of a trigger that stands out; None where there is none."""
        return max((self.successes[k] for k in self.odd), default=None)

    @property
    def quiet(self) -> bool:
        """Whether no trigger that stood out works any more."""
        return self.worst is not None and self.worst <= _GONE

    def enough(self, before: Candidate, loss: float) -> bool:
        """Whether no other method need be tried: what stood out is gone, accuracy is within the loss."""
        left = self.worst
        return left is not None and left <= _NOTHING and self.within(before, loss)

    def within(self, before: Candidate, loss: float) -> bool:
        """Whether accuracy fell by no more than may be lost; one sample decides nothing, however few there are."""
        return before.accuracy - self.accuracy <= max(loss, 1 / max(before.held, 1)) + _ROUNDING


def tried(
    method: str, module: Any, scope: RepairScope, surrogates: Sequence[Surrogate], held: Pool
) -> Candidate:
    """What a method makes of a copy of the model.

    Raises:
        UsageError: there is no such method.
    """
    kind, passes, started = REPAIRS.get(method), Passes(), perf_counter()
    if method != "none" and kind is None:
        known = ", ".join(repair.card.id for repair in REPAIRS)
        raise UsageError(f"a repair ({known})", repr(method), "--methods", "Name one of these.")
    copy = deepcopy(module)
    path: tuple[tuple[float, float, float], ...] = ()
    if kind is not None:
        repair = kind()
        why = repair.refuses(copy, scope)
        if why:
            return Candidate(method=method, why=why, passes=passes)
        with counted(copy, passes):
            try:
                copy = repair.heal(copy, scope).eval()
            except (RuntimeError, ValueError, TypeError) as error:  # modules of the user may refuse anything
                return Candidate(method=method, why=f"it failed: {str(error)[:200]}", passes=passes)
        if not _finite(copy, held.x[:8]):
            return Candidate(
                method=method, why="it did not converge: its answers are not finite", passes=passes
            )
        path = tuple(_along(repair, scope, surrogates, held))
    return Candidate(
        method=method, module=copy, path=path, accuracy=accuracy(copy, *scope.held), held=len(scope.held[1]),
        successes=tuple(success(copy, s.known, held) for s in surrogates),
        odd=tuple(k for k, s in enumerate(surrogates) if s.odd),
        passes=passes, seconds=perf_counter() - started,
    )  # fmt: skip


def _along(
    repair: Repair, scope: RepairScope, surrogates: Sequence[Surrogate], held: Pool
) -> Iterator[tuple[float, float, float]]:
    """Place, accuracy and success on the way; of the triggers that stand out, where there are such."""
    judges = [s for s in surrogates if s.odd] or surrogates
    for t, there in repair.path():
        led = max((success(there, s.known, held) for s in judges), default=0.0)
        yield t, accuracy(there, *scope.held), led


def _finite(module: Any, x: Any) -> bool:
    import torch

    with torch.no_grad():
        return bool(torch.isfinite(module(x)).all())


def best(candidates: Sequence[Candidate], before: Candidate, loss: float) -> Candidate:
    """The candidate that leaves least of the surrogates within the accuracy that may be lost; cheap ones first.

    Where nothing judges them, or none stays within the loss, the most accurate one.
    """
    able = [c for c in candidates if c.module is not None]
    if not able:
        reasons = "; ".join(f"{c.method}: {c.why}" for c in candidates)
        raise UsageError("a model that one of the repairs can serve", reasons, "the model", "Try --methods.")
    within = [c for c in able if c.within(before, loss)]
    if not within:
        return max(able, key=lambda c: c.accuracy)
    return min(within, key=_rank)


def _rank(one: Candidate) -> tuple[float, float, float]:
    """What is left of triggers that stand out, to a hundredth; of all; the cost."""
    left = 0.0 if one.worst is None else round(one.worst, 2)
    return left, round(float(np.mean(one.successes)), 2) if one.successes else 0.0, one.passes.both

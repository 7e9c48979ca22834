"""Candidates for a repair: each method on a copy of its own, judged on held samples and surrogate triggers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import reduce
from time import perf_counter
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.repairs.base import REPAIRS, Passes, Repair, RepairScope, accuracy, answers, counted
from mithridate.repairs.layers import between
from mithridate.runs.heal.allowance import Allowance
from mithridate.runs.heal.surrogate import Surrogate, success
from mithridate.triggers.inversion import Pool

__all__ = ["DEFAULT", "Candidate", "attempts", "best", "tried"]

#: methods that are tried unless told otherwise, the one that leaves and loses least first.
DEFAULT = ("i-bau-unlearning", "unlearning", "channel-pruning", "ft-sam")
_GONE = 0.1  # success of a trigger that counts as none
_KEPT = (0.9, 0.8, 0.6, 0.4)  # of the way, where all of it loses too much


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A repaired model.

    Attributes:
        method: id of the repair; "none" for the model as it was.
        milder: it was asked for less, as it had lost too much accuracy; see `Repair.milder`.
        kept: of the way from the model as it was, in weights; less than 1 where all of it lost too much accuracy.
        module: repaired; None where the method refused.
        why: it refused, or failed; "" where it did neither.
        right: of each held sample, whether its answer is right.
        likely: of each held sample, how likely its own class is found; () where nobody asked.
        successes: of the surrogates, in their order.
        odd: places of those that stand out.
        passes: what it took.
        seconds: what it took.
        path: place, accuracy and the largest success of a trigger on the way from the model, where it goes one.
    """

    method: str
    milder: bool = False
    kept: float = 1.0
    module: Any = None
    why: str = ""
    right: tuple[bool, ...] = ()
    likely: tuple[float, ...] = ()
    successes: tuple[float, ...] = ()
    odd: tuple[int, ...] = ()
    passes: Passes
    seconds: float = 0.0
    path: tuple[tuple[float, float, float], ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        said = f"{self.method}, milder" if self.milder else self.method
        return said if self.kept == 1.0 else f"{said}, {self.kept:.0%} of the way"

    @property
    def accuracy(self) -> float:
        """On held samples; 0 where there is no model."""
        return float(np.mean(self.right)) if self.right else 0.0

    @property
    def worst(self) -> float | None:
        """The largest success that is left of a trigger that stands out; None where there is none."""
        return max((self.successes[k] for k in self.odd), default=None)

    @property
    def quiet(self) -> bool:
        """Whether no trigger that stood out works any more."""
        return self.worst is not None and self.worst <= _GONE

    @property
    def loud(self) -> bool:
        """Whether one still does."""
        return self.worst is not None and self.worst > _GONE

    def enough(self, before: Candidate, loss: float) -> bool:
        """Whether no other method need be tried: what stood out is gone, accuracy as seen is within the loss.

        Where nothing stood out, what is left of triggers does not tell which method is better: those that honest models
        have, too, go with accuracy. There it is the first that stays within the loss.
        """
        if self.worst is None:
            return self.module is not None and bool(self.successes) and self.within(before, loss)
        return self.quiet and self.accuracy >= before.accuracy - loss

    def within(self, before: Candidate, loss: float) -> bool:
        """Whether held samples tell no greater loss of accuracy than is allowed, by one standard error.

        They are read twice. Of a difference between two models in answers to the same samples, (b - c) / n where b went
        wrong and c right, the standard error is sqrt(b + c) / n (McNemar, Psychometrika 12, 1947). Likelihood is read
        more sharply, and of much that is lost it shows more than accuracy, as repairs make a model less sure: where not
        even that is lost, answers went wrong by chance.
        """
        return min(self.surely_behind(before), self.surely_less_likely(before)) <= loss

    def surely_less_likely(self, other: Candidate) -> float:
        """How much less likely it finds the own class of a sample than another one, less one standard error.

        In the scale of accuracy: answers that are no logits make likelihoods small, and their differences with them.
        """
        if not self.likely or not other.likely:
            return float("inf")
        lost = np.subtract(other.likely, self.likely)
        scale = max(1.0, other.accuracy / float(np.mean(other.likely)))
        return scale * float(lost.mean() - lost.std() / len(lost) ** 0.5)

    def surely_behind(self, other: Candidate) -> float:
        """How much less accurate than another one it is, less one standard error."""
        went = np.asarray(other.right, dtype=int) - np.asarray(self.right, dtype=int)
        return float(went.sum() - np.abs(went).sum() ** 0.5) / max(len(went), 1)


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
    one = Candidate(method=method, module=copy, path=path, passes=passes)
    return replace(_judged(one, surrogates, held), seconds=perf_counter() - started)


def _judged(one: Candidate, surrogates: Sequence[Surrogate], held: Pool) -> Candidate:
    told = answers(one.module, held.x)
    said = told.argmax(1)
    return replace(
        one, right=tuple((said == held.y).tolist()),
        likely=tuple(told.softmax(1).gather(1, held.y[:, None])[:, 0].tolist()),
        successes=tuple(success(one.module, s.known, held, said) for s in surrogates),
        odd=tuple(k for k, s in enumerate(surrogates) if s.odd),
    )  # fmt: skip


def attempts(
    method: str, module: Any, scope: RepairScope, surrogates: Sequence[Surrogate], held: Pool, before: Candidate,
    may: Allowance,
) -> list[Candidate]:  # fmt: skip
    """What a method makes of a copy of the model; where that loses too much, less of it.

    Weights go back towards the model until the loss is within what is allowed (Wortsman et al., arXiv:2109.01903),
    which costs nothing. Where that fails or brings back what stood out, the method is asked again, milder, if there is
    a way.

    Raises:
        UsageError: there is no such method.
    """
    kind = REPAIRS.get(method)
    if not may.left and not (kind and kind.light):
        why = "the passes that all methods may take together were taken by those before"
        return [Candidate(method=method, why=why, passes=Passes())]
    scope = replace(scope, passes=may.left)
    first = tried(method, module, scope, surrogates, held)
    one = _as_far_as_allowed(first, module, scope, surrogates, held, before)
    silent = one.kept == 1.0 or not one.loud  # what stood out may come back on the way
    if one.module is not None and one.within(before, scope.loss) and silent:
        return [one]
    rest = may.after(first.passes.both).left
    less = kind().milder(replace(scope, passes=rest)) if kind and rest else None
    if less is None:
        return [one]
    milder = replace(tried(method, module, less, surrogates, held), milder=True)
    return [one, _as_far_as_allowed(milder, module, scope, surrogates, held, before)]


def _as_far_as_allowed(
    one: Candidate, module: Any, scope: RepairScope, surrogates: Sequence[Surrogate], held: Pool, before: Candidate
) -> Candidate:  # fmt: skip
    """The candidate, or the first one on the way back to the model that loses no more than is allowed."""
    if one.module is None or one.within(before, scope.loss):
        return one
    parts = (replace(one, kept=kept, module=between(one.module, module, kept), path=()) for kept in _KEPT)
    back = (_judged(part, surrogates, held) for part in parts)
    return next((part for part in back if part.within(before, scope.loss)), one)


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
    """The first candidate of those that leave no trigger which stood out, unless a later one is surely more accurate.

    Where all leave one, the candidate that leaves least; where none stays within the accuracy that may be lost, the
    most accurate one.
    """
    able = [c for c in candidates if c.module is not None]
    if not able:
        reasons = "; ".join(f"{c.name}: {c.why}" for c in candidates)
        raise UsageError("a model that one of the repairs can serve", reasons, "the model", "Try --methods.")
    within = [c for c in able if c.within(before, loss)]
    quiet = [c for c in within if c.quiet]
    if quiet:
        return reduce(lambda held, later: later if held.surely_behind(later) > 0 else held, quiet)
    return min(within, key=_rank) if within else max(able, key=lambda c: c.accuracy)


def _rank(one: Candidate) -> tuple[float, float, float]:
    """What is left of triggers that stand out, to a hundredth; of all; the cost."""
    left = 0.0 if one.worst is None else round(one.worst, 2)
    return left, round(float(np.mean(one.successes)), 2) if one.successes else 0.0, one.passes.both

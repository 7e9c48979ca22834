"""The smallest triggers that take a model to each class, learnt by gradients: all classes in one optimisation.

Each round optimises the triggers of all aims still in the race together, and only the smallest ones go on to the next,
where they get more samples. The multiplier of a trigger's size follows its own rate of success. Where many aims raced,
the best few are searched anew alone: the few samples of the first round can lead a trigger to a place that more samples
do not take it away from.

References:
    Wang et al., Neural Cleanse, IEEE S&P 2019, section IV (loss, multiplier that follows success);
    Shen et al., K-Arm, ICML 2021, arXiv:2102.05123 (spend on the classes that promise most);
    Jamieson and Talwalkar, arXiv:1502.07943 (successive halving).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.models.devices import shortened
from mithridate.triggers.forms import Form

__all__ = ["SCHEDULE", "Aim", "Ask", "Found", "Pool", "Round", "invert", "passes"]

#: (n, c, h, w) tensor → (n, k) logits, differentiable.
Ask: TypeAlias = Callable[[Any], Any]
_MEMORY = 0.8  # of the running rate of success
_UP, _DOWN = 1.10, 1.20  # the multiplier's steps
_SETTLED_ON = 512  # samples, unless told otherwise
_GROWTH = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
_BETAS = (0.5, 0.9)  # of Adam, as in the paper's code
_AT_ONCE = (
    1 << 22
)  # values of inputs that go through the model together; what it makes of them is many times as much


@dataclass(frozen=True)
class Aim:
    """What a trigger is to do.

    Attributes:
        target: class it takes samples to; None: to any other than their own.
        source: the only class whose samples it is put on; None: all but the target.
    """

    target: int | None
    source: int | None = None


@dataclass(frozen=True)
class Round:
    """A part of the search.

    Attributes:
        keep: share of the aims that take part, the most promising ones, two at least; above 1 their number.
        batch: samples of each aim in a step.
        steps: of the optimisation.
        rate: of Adam.
        each: how many aims towards each target take part instead; 0: as `keep` says.
    """

    keep: float
    batch: int
    steps: int
    rate: float
    each: int = 0


#: what is searched unless told otherwise.
SCHEDULE = (Round(1.0, 8, 110, 0.3), Round(0.25, 16, 80, 0.15), Round(0.1, 32, 100, 0.15))
#: how one of the best is searched anew; one aim in so many is.
_ANEW, _ONE_IN = Round(1.0, 32, 300, 0.15), 20


@dataclass(frozen=True, eq=False)
class Pool:
    """Samples that triggers are learnt on.

    Attributes:
        x: (n, c, h, w) float32 tensor.
        y: (n,) int64 tensor, what the model says of each.
        classes: that the model knows.
    """

    x: Any
    y: Any
    classes: int

    def rows(self, aim: Aim) -> Any:
        """(m,) the samples that an aim is about.

        Raises:
            UsageError: none.
        """
        import torch

        fits = self.y != (-1 if aim.target is None else aim.target)
        if aim.source is not None:
            fits &= self.y == aim.source
        rows = torch.nonzero(fits)[:, 0]
        if not len(rows):
            got = f"none for {aim}"
            raise UsageError("samples of other classes", got, "trigger inversion", "Give more clean samples.")
        return rows


@dataclass(frozen=True, eq=False)
class Found:
    """A trigger that was learnt.

    Attributes:
        aim: of it.
        parameters: its row of the form's parameters, each (1, ...).
        size: in the form's unit; of the smallest one that succeeded, else of the last one.
        rate: of success on samples it was learnt on: for those that took part to the end on all of them, for the
            others over the last batches before it was taken.
        round: the last one that it took part in, from 0.
        screened: size after the first round, the same effort for all; infinite where it did not succeed by then.
    """

    aim: Aim
    parameters: tuple[Any, ...]
    size: float
    screened: float
    rate: float
    round: int


@dataclass
class _Race:
    """The state of all aims, one row each."""

    parameters: list[Any]
    first: list[Any]
    second: list[Any]
    steps: Any
    multiplier: Any
    success: Any
    best: Any
    kept: list[Any]
    kept_rate: Any
    rounds: NDArray[np.int64]


def invert(
    ask: Ask,
    pool: Pool,
    aims: Sequence[Aim],
    form: Form,
    *,
    schedule: Sequence[Round] = SCHEDULE,
    wanted: float = 0.98,
    seed: int = 0,
    half: bool = True,
    anew: int | None = None,
    settled_on: int = _SETTLED_ON,
) -> list[Found]:
    """Learn a trigger for each aim.

    Args:
        ask: the model.
        pool: samples.
        aims: what triggers are to do; one optimisation for all of them.
        form: of the triggers.
        schedule: rounds.
        wanted: rate of success that the size is pressed against.
        seed: of all draws.
        half: compute the model in bfloat16 where torch knows how.
        anew: how many of the best are searched again alone, the smaller trigger of both being kept; None: one in 20
            of the aims where there are several rounds.
        settled_on: samples that a trigger which took part to the end is grown for until it succeeds.

    Returns:
        One for each aim, in order.

    Raises:
        UsageError: an aim without samples.
    """
    found = _raced(ask, pool, aims, form, schedule, wanted, seed, half, settled_on)
    best = sorted(
        range(len(found)), key=lambda k: (-found[k].round, found[k].size * _behind(found[k].rate, wanted))
    )
    for k in best[: _searched_anew(len(aims), schedule) if anew is None else anew]:
        again = _raced(ask, pool, [aims[k]], form, (_ANEW,), wanted, seed, half, settled_on)[0]
        again = _settled(ask, pool, form, again, wanted, settled_on)
        if again.rate >= min(wanted, found[k].rate) and again.size < found[k].size:
            found[k] = replace(found[k], parameters=again.parameters, size=again.size, rate=again.rate)
    return found


def _searched_anew(aims: int, schedule: Sequence[Round]) -> int:
    return aims // _ONE_IN if len(schedule) > 1 else 0


def _raced(
    ask: Ask, pool: Pool, aims: Sequence[Aim], form: Form, schedule: Sequence[Round], wanted: float, seed: int,
    half: bool, settled_on: int,
) -> list[Found]:  # fmt: skip
    """Rounds of one optimisation of all aims."""
    import torch

    draw = torch.Generator().manual_seed(seed)
    rows = [pool.rows(aim) for aim in aims]
    race = _started(form, len(aims), draw, pool.x.device)
    for number, part in enumerate(schedule):
        active = _leaders(race, aims, part, wanted, number)
        race.rounds[active] = number
        at_once = max(1, _AT_ONCE // (part.batch * pool.x[0].numel()))
        for _ in range(part.steps):
            picked = torch.stack([_drawn(rows[a], part.batch, draw) for a in active])
            for k in range(0, len(active), at_once):
                some = torch.tensor(active[k : k + at_once], device=pool.x.device)
                named = [aims[a] for a in active[k : k + at_once]]
                _step(ask, pool, named, form, race, some, picked[k : k + at_once], part, wanted, half)
        if number == 0:
            screened = race.best.tolist()
    found = [_found(aim, race, k, form, screened[k]) for k, aim in enumerate(aims)]
    last = len(schedule) - 1
    return [_settled(ask, pool, form, f, wanted, settled_on) if 0 < last == f.round else f for f in found]


def passes(aims: int, schedule: Sequence[Round] = SCHEDULE) -> int:
    """Forward and backward passes of one input that a search takes, by a schedule without `each`."""
    kept = (aims if not number else _kept(aims, part) for number, part in enumerate(schedule))
    race = sum(count * part.batch * part.steps for count, part in zip(kept, schedule, strict=True))
    return race + _searched_anew(aims, schedule) * _ANEW.batch * _ANEW.steps


def _kept(count: int, part: Round) -> int:
    return max(min(2, count), round(part.keep * count)) if part.keep <= 1 else min(count, int(part.keep))


def _started(form: Form, count: int, draw: Any, device: Any) -> _Race:
    import torch

    parameters = [p.to(device) for p in form.fresh(count, draw)]
    return _Race(
        parameters=parameters,
        first=[torch.zeros_like(p) for p in parameters],
        second=[torch.zeros_like(p) for p in parameters],
        steps=torch.zeros(count, device=device),
        multiplier=torch.full((count,), form.start, device=device),
        success=torch.zeros(count, device=device),
        best=torch.full((count,), torch.inf, device=device),
        kept=[p.clone() for p in parameters],
        kept_rate=torch.zeros(count, device=device),
        rounds=np.zeros(count, dtype=np.int64),
    )


def _leaders(race: _Race, aims: Sequence[Aim], part: Round, wanted: float, number: int) -> list[int]:
    """The aims that a round is about."""
    count = len(race.success)
    if number == 0:
        return list(range(count))
    order = np.argsort(_promise(race, wanted), kind="stable").tolist()
    if not part.each:
        return sorted(order[: _kept(count, part)])
    ways: dict[int | None, list[int]] = {}
    for k in order:
        ways.setdefault(aims[k].target, []).append(k)
    return sorted(k for some in ways.values() for k in some[: part.each])


def _promise(race: _Race, wanted: float) -> NDArray[np.float64]:
    """Low where a small trigger does much."""
    best = race.best.cpu().numpy().astype(np.float64)
    worst = np.nanmax(np.where(np.isfinite(best), best, np.nan)) if np.isfinite(best).any() else 1.0
    behind = _behind(race.success.cpu().numpy(), wanted)
    promise: NDArray[np.float64] = np.where(np.isfinite(best), best, worst * behind)
    return promise


def _behind(rate: Any, wanted: float) -> Any:
    """A factor for the sizes of triggers that do not succeed yet."""
    return 1 + 4 * np.maximum(0, wanted - rate)


def _drawn(rows: Any, count: int, draw: Any) -> Any:
    import torch

    if len(rows) <= count:
        return rows[torch.arange(count) % len(rows)]
    return rows[torch.randperm(len(rows), generator=draw)[:count]]


def _step(
    ask: Ask, pool: Pool, aims: Sequence[Aim], form: Form, race: _Race, active: Any, picked: Any, part: Round,
    wanted: float, half: bool,
) -> None:  # fmt: skip
    """One step of all active aims."""
    import torch

    mine = tuple(p[active].requires_grad_() for p in race.parameters)
    shown = form.put(mine, pool.x[picked])
    flat = shown.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # convolutions are faster so
    with shortened(flat, half):
        logits = ask(flat)
    logits = logits.float().unflatten(0, picked.shape)
    losses, hits = _losses(logits, aims, pool.y[picked])
    sizes = form.size(mine)
    total = (losses + race.multiplier[active] * sizes).sum()
    gradients = torch.autograd.grad(total, mine)
    with torch.no_grad():
        _judge(race, active, mine, hits, sizes.detach(), wanted)
        _adam(race, active, gradients, part.rate)


def _losses(logits: Any, aims: Sequence[Aim], own: Any) -> tuple[Any, Any]:
    """(a,) loss and (a,) rate of success."""
    import torch
    from torch.nn import functional as f

    wanted = [-1 if aim.target is None else aim.target for aim in aims]
    targets = torch.tensor(wanted, device=own.device)[:, None].expand(own.shape)
    free = targets < 0
    logs = f.log_softmax(logits, dim=2)
    there = logs.gather(2, torch.where(free, own, targets)[..., None])[..., 0]
    away = torch.log1p(-there.exp().clamp(max=1 - 1e-6))  # of the samples' own class
    said = logits.argmax(2)
    hits = torch.where(free, said != own, said == targets).float().mean(1)
    return -torch.where(free, away, there).mean(1), hits


def _judge(race: _Race, active: Any, mine: tuple[Any, ...], hits: Any, sizes: Any, wanted: float) -> None:
    """Keep the smallest triggers that succeed, and press on those that do."""
    success = _MEMORY * race.success[active] + (1 - _MEMORY) * hits
    race.success[active] = success
    fine = success >= wanted
    better = fine & (sizes < race.best[active])
    race.best[active[better]] = sizes[better]
    race.kept_rate[active[better]] = success[better]
    for kept, own in zip(race.kept, mine, strict=True):
        kept[active[better]] = own.detach()[better]
    change = (fine & (hits >= wanted)).float() * _UP + (~fine & (hits < wanted)).float() / _DOWN
    race.multiplier[active] *= change.where(change > 0, change + 1)


def _adam(race: _Race, active: Any, gradients: Sequence[Any], rate: float) -> None:
    """Kingma and Ba, arXiv:1412.6980, algorithm 1."""
    race.steps[active] += 1
    for parameter, first, second, gradient in zip(
        race.parameters, race.first, race.second, gradients, strict=True
    ):
        form = [-1] + [1] * (gradient.ndim - 1)
        steps = race.steps[active].reshape(form)
        first[active] = _BETAS[0] * first[active] + (1 - _BETAS[0]) * gradient
        second[active] = _BETAS[1] * second[active] + (1 - _BETAS[1]) * gradient**2
        mean = first[active] / (1 - _BETAS[0] ** steps)
        spread = second[active] / (1 - _BETAS[1] ** steps)
        parameter[active] -= rate * mean / (spread.sqrt() + 1e-8)


def _settled(ask: Ask, pool: Pool, form: Form, found: Found, wanted: float, on: int) -> Found:
    """The trigger grown until it succeeds on all samples it was learnt on, not only in the last batches."""
    import torch

    rows = pool.rows(found.aim)[:on]
    rate, parameters = found.rate, found.parameters
    for by in _GROWTH:
        parameters = form.grown(found.parameters, by)
        with torch.no_grad():
            said = ask(form.put(parameters, pool.x[rows][None])[0]).argmax(1)
        target = found.aim.target
        rate = float((said != pool.y[rows] if target is None else said == target).float().mean())
        if rate >= wanted:
            break
    return replace(found, parameters=parameters, size=float(form.size(parameters)[0]), rate=rate)


def _found(aim: Aim, race: _Race, k: int, form: Form, screened: float) -> Found:
    done = bool(race.best[k] < float("inf"))
    parameters = tuple(p[k : k + 1].clone() for p in (race.kept if done else race.parameters))
    return Found(
        aim=aim,
        parameters=parameters,
        size=float(form.size(parameters)[0]),
        screened=screened,
        rate=float(race.kept_rate[k] if done else race.success[k]),
        round=int(race.rounds[k]),
    )

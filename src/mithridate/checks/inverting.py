"""Trigger inversion on a model under scan: samples, a half kept to try triggers on, sizes of the smallest triggers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.bank import Statistics
from mithridate.checks.model_check import ModelScope
from mithridate.core.errors import ItemError, UsageError
from mithridate.models.base import softmax
from mithridate.triggers.forms import Form, FormName, form_of
from mithridate.triggers.inputs import axes
from mithridate.triggers.inversion import SCHEDULE, Aim, Ask, Found, Pool, Round, invert, passes
from mithridate.triggers.margins import PASSES, largest_margins
from mithridate.triggers.naturals import natural_inputs
from mithridate.triggers.waves import asked_for, lowest_waves

__all__ = ["Study", "Tried", "study_of"]

_EACH = 30  # samples of a class that are learnt from, and as many that triggers are tried on
_FEWEST = 20  # clean samples; fewer are not used
_MADE = 512
_AT_ONCE = 256
_COMPARED = 8  # samples that the model is asked about both ways
_PAIRS_UP_TO = 12  # classes for which each pair is looked at
_BETWEEN = (Round(1.0, 4, 70, 0.3),)
_FORMS = ("patch", "blend", "warp")
_LEAST_MARGIN = 0.05  # of logits; what is kept is its inverse, small where a class goes far
_PACED = 16
_FORWARD = 3  # so many inputs are asked about in the time of a forward and backward pass
_AGREE = 1e-2  # between probabilities with and without gradients


@dataclass(frozen=True, eq=False)
class Tried:
    """A trigger that was learnt, and what it does to samples that it was not learnt on.

    Attributes:
        found: the trigger.
        flips: share of the samples of other classes that it takes to its aim.
        samples: how many there were.
        least: the same for the class of which it takes fewest.
    """

    found: Found
    flips: float
    samples: int
    least: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """A model with gradients, and samples in two parts.

    Attributes:
        scope: of the model.
        ask: (n, c, h, w) tensor → logits.
        learn: samples to learn triggers on.
        hold: samples to try them on.
        real: whether these are the user's samples.
    """

    scope: ModelScope
    ask: Ask
    learn: Pool
    hold: Pool
    real: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of an input."""
        c, h, w = self.learn.x.shape[1:]
        return int(c), int(h), int(w)

    @property
    def family(self) -> str:
        """What models must share for a bank to compare them."""
        kind = "clean" if self.real else "synthetic"
        return f"{'x'.join(map(str, self.shape))} to {self.learn.classes} classes, {kind} samples"

    @property
    def aims(self) -> list[Aim]:
        """Each class that samples of other classes could be taken to; and away from their own."""
        said = set(self.learn.y.tolist())
        return [*(Aim(k) for k in range(self.learn.classes) if said - {k}), Aim(None)]

    def form(self, name: FormName) -> Form:
        """A kind of trigger for these inputs."""
        return form_of(name, self.shape, self.scope.low, self.scope.high)

    def tried(self, name: FormName, aims: Sequence[Aim], schedule: Sequence[Round] = SCHEDULE) -> list[Tried]:
        """A trigger for each aim."""
        form = self.form(name)
        found = invert(self.ask, self.learn, aims, form, schedule=schedule, seed=self.scope.seed)
        return [self.on_others(form, trigger) for trigger in found]

    def on_others(self, form: Form, found: Found) -> Tried:
        """What a trigger does to the samples that are kept."""
        import torch

        try:
            rows = self.hold.rows(found.aim)
        except UsageError:
            return Tried(found, 0.0, 0, 0.0)
        with torch.no_grad():
            x = form.put(found.parameters, self.hold.x[rows][None])[0]
            said = torch.cat([self.ask(part).argmax(1) for part in x.split(_AT_ONCE)])
        target = found.aim.target
        own = self.hold.y[rows]
        hits = (said != own if target is None else said == target).float()
        least = min(float(hits[own == k].mean()) for k in own.unique())
        return Tried(found, float(hits.mean()), len(rows), least)

    def refuse_endless_search(self) -> None:
        """Forecast what the search for patches, and what a bank wants beside it, would take.

        Raises:
            ItemError: more time than allowed.
        """
        scope, count = self.scope, len(self.aims)
        work = passes(count)
        if scope.bank is not None or scope.keep is not None:
            work *= len(_FORMS)
            work += PASSES * self.learn.classes + asked_for(self.learn.classes) // _FORWARD
            work += sum(
                passes(len(self._between(k)), _BETWEEN) for k in self.kinds if k in ("pair", "source")
            )
        self.refuse_endless(work, "learning a trigger for each class")

    def refuse_endless(self, work: int, what: str) -> None:
        """Try a few inputs and forecast what forward and backward passes would take.

        Raises:
            ItemError: more time than allowed.
        """
        forecast = work * self._pace()
        if forecast > self.scope.seconds:
            allowed, wanted = self.scope.seconds / 60, max(1.0, forecast / 60)
            told = f"would take about {wanted:.0f} minutes, {allowed:.0f} are allowed (--minutes)"
            raise ItemError(self.scope.name, f"{what} ({self.learn.classes} classes) {told}")

    def _pace(self) -> float:
        """Seconds that a forward and backward pass of one input takes, of two tries the faster."""
        import torch

        x = self.learn.x[:_PACED]
        took = []
        for _ in range(2):
            start = perf_counter()
            shown = x.clone().requires_grad_(True)
            with torch.autocast("cpu", torch.bfloat16):
                logits = self.ask(shown)
            torch.autograd.grad(logits.float().sum(), shown)
            took.append(perf_counter() - start)
        return min(took) / len(x)

    def margins(self) -> NDArray[np.float64]:
        """(classes,) how far ahead each class can be driven."""
        scope = self.scope
        return largest_margins(self.ask, self.shape, self.learn.classes, scope.low, scope.high, scope.seed)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of sizes that a bank compares; with few classes each pair of them, with many each that is left."""
        return *_FORMS, "margin", "wave", "pair" if self.learn.classes <= _PAIRS_UP_TO else "source"

    def sizes(self, kind: str) -> tuple[float, ...]:
        """Sizes of one of the `kinds`, as `Statistics` keeps them."""
        if kind == "margin":
            return tuple((1 / np.maximum(self.margins(), _LEAST_MARGIN)).tolist())
        if kind == "wave":
            scope = self.scope
            return tuple(
                w.height for w in lowest_waves(self.ask, self.learn, scope.low, scope.high, scope.seed)
            )
        between = kind in ("pair", "source")
        form = self.form("patch" if between else cast(FormName, kind))
        aims, schedule = (self._between(kind), _BETWEEN) if between else (self.aims, SCHEDULE)
        said = set(self.learn.y.tolist())
        able = [aim for aim in aims if aim.source is None or aim.source in said]
        found = invert(self.ask, self.learn, able, form, schedule=schedule, seed=self.scope.seed, anew=0)
        sizes = dict(zip(able, _sizes(found), strict=True))
        unknown = float(np.median(list(sizes.values())))  # of classes without samples nothing is said
        return tuple(sizes.get(aim, unknown) for aim in aims)

    def statistics(self, patches: Sequence[Tried]) -> Statistics:
        """What a bank compares.

        Args:
            patches: triggers of form "patch" for all `aims`, which need not be learnt again.
        """
        sizes = {"patch": _sizes([t.found for t in patches])}
        sizes |= {kind: self.sizes(kind) for kind in self.kinds if kind != "patch"}
        return Statistics(name=self.scope.name, family=self.family, sizes=sizes)

    def _between(self, kind: str) -> list[Aim]:
        """From each other class to each, or from each to any other."""
        classes = range(self.learn.classes)
        if kind == "source":
            return [Aim(None, source) for source in classes]
        return [Aim(target, source) for target in classes for source in classes if source != target]


def _sizes(found: Sequence[Found]) -> tuple[float, ...]:
    return tuple(max(trigger.size, 1e-3) for trigger in found)


def study_of(scope: ModelScope) -> Study:
    """Open a model with gradients and divide its samples.

    Raises:
        UsageError: torch is not installed, or there are too few samples of different classes.
        ItemError: the model has operators without gradients, or answers otherwise than in its jail.
    """
    if scope.differentiable is None:
        raise ItemError(scope.name, "its graph is not at hand")
    real = scope.usual is not None and len(scope.usual) >= _FEWEST
    x = scope.usual if real else None
    if x is None:
        x = natural_inputs(_MADE, scope.shape, scope.layout, scope.low, scope.high, scope.seed)
    theirs = scope.ask(
        x[:_COMPARED]
    )  # first in its jail: what cannot be run there within limits is not run here
    whole = scope.differentiable()
    _agree(scope.name, whole, x[:_COMPARED], theirs)
    import torch  # installed, since the model was opened

    ask, planes = _laid(scope, whole, torch.from_numpy(np.ascontiguousarray(x)))
    with torch.no_grad():
        logits = torch.cat([ask(part) for part in planes.split(_AT_ONCE)])
    said, classes = logits.argmax(1), logits.shape[1]
    learn, hold = _halves(said.numpy(), classes)
    if len(set(said[learn].tolist())) < 2:
        remedy = "Give clean samples of several classes."
        raise UsageError("samples that the model tells apart", "one class only", scope.name, remedy)
    pools = (
        Pool(planes[rows], said[rows], classes) for rows in (torch.from_numpy(learn), torch.from_numpy(hold))
    )
    return Study(scope=scope, ask=ask, learn=next(pools), hold=next(pools), real=real)


def _agree(name: str, whole: Ask, x: NDArray[np.float32], theirs: NDArray[Any]) -> None:
    """Refuse a model that answers differently here and in its jail."""
    import torch

    with torch.no_grad():
        mine = whole(torch.from_numpy(np.array(x)))
    if mine.ndim != 2 or mine.shape != theirs.shape:
        raise ItemError(name, f"with gradients it answers {tuple(mine.shape)}, without {theirs.shape}")
    table = mine.numpy()
    apart = min(float(np.abs(softmax(table) - theirs).max()), float(np.abs(table - theirs).max()))
    if not apart <= _AGREE:
        raise ItemError(name, f"its answers with and without gradients differ by {apart:.2g}")


def _laid(scope: ModelScope, whole: Ask, x: Any) -> tuple[Ask, Any]:
    """The model as a function of (n, c, h, w), and inputs (n, *shape) laid out like that."""
    rows, channels = axes(scope.shape, scope.layout)
    if channels is None:
        return (lambda x: whole(x[:, 0])), x[:, None]
    if rows == 1:
        return whole, x
    return (lambda x: whole(x.permute(0, 2, 3, 1))), x.permute(0, 3, 1, 2).contiguous()


def _halves(said: NDArray[np.int64], classes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to learn on and rows to keep: of each class as many, more to learn where there are few."""
    learn: list[int] = []
    hold: list[int] = []
    for k in range(classes):
        rows = np.flatnonzero(said == k)
        first = min(_EACH, -(-len(rows) * 3 // 5))
        learn += rows[:first].tolist()
        hold += rows[first : first + _EACH].tolist()
    return np.array(learn, dtype=np.int64), np.array(hold, dtype=np.int64)

"""What every repair of weights is: one hook that gets a copy of the model and a few clean samples.

A repair never sees what was planted, only triggers that were recovered from the model. It says which models it cannot
serve, and why. Model, samples and triggers lie on one device, whichever; random numbers are drawn on the CPU and moved
there, so that they are the same on all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from mithridate.core.card import Card
from mithridate.core.registry import Registry

__all__ = [
    "REPAIRS",
    "Known",
    "Passes",
    "Repair",
    "RepairScope",
    "accuracy",
    "answers",
    "counted",
    "counting",
    "repair",
]

_BATCH = 64
_SHIFT = 2  # pixels that pictures are moved by while training, at most


@dataclass
class Passes:
    """What a repair cost, counted in samples that went through the model.

    Attributes:
        forward: samples that were answered.
        backward: of these, samples whose gradients were taken.
    """

    forward: int = 0
    backward: int = 0

    @property
    def both(self) -> float:
        """In forward and backward passes; a forward pass alone counts as a third."""
        return self.backward + (self.forward - self.backward) / 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """A trigger that the user knows, or a search recovered from the model itself.

    Attributes:
        name: for people.
        put: (n, ...) inputs → the same with the trigger.
        target: class that it leads to; None: away from the sample's own.
        source: the only class whose samples it is for; None: all others.
        hint: nothing shows that it was planted; honest models have such triggers, too.
        rough: a warp shows it most clearly, of which many do the same: what was planted is like it at most.
    """

    name: str
    put: Any
    target: int | None
    source: int | None = None
    hint: bool = False
    rough: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class RepairScope:
    """What a repair may use.

    Attributes:
        x: (n, ...) tensor of clean inputs to learn from.
        y: (n,) tensor of their classes.
        held: inputs and classes to watch clean accuracy and triggers on; nothing is learnt from them.
        classes: columns of the answers.
        passes: forward and backward passes of one sample that the repair may take, roughly.
        loss: accuracy on `held` that may be lost, as a share.
        known: triggers, for the repairs that unlearn them.
        sure: of these, the ones that stand out; a repair may go on until they are gone.
        gentle: to lose little accuracy, although more of a trigger that is not known may be left.
        flagged: training samples whose effect is to go, and the labels that they taught; then `x`, `y` are others.
        seed: of all randomness.
    """

    x: Any
    y: Any
    held: tuple[Any, Any]
    classes: int
    passes: int
    loss: float = 0.02
    known: tuple[Known, ...] = ()
    sure: tuple[Known, ...] = ()
    gentle: bool = False
    flagged: tuple[Any, Any] | None = None
    seed: int = 0

    @property
    def guessed(self) -> bool:
        """Whether triggers are known, but nothing shows of any of them that it was planted."""
        return bool(self.known) and all(known.hint for known in self.known)

    def less(self, passes: float) -> RepairScope:
        """With a smaller budget."""
        return replace(self, passes=max(0, int(self.passes - passes)))

    def batches(self, epochs: float, *, cost: float = 1.0, salt: int = 0) -> Iterator[tuple[Any, Any, float]]:
        """Shuffled batches; pictures are moved by up to two pixels.

        Args:
            epochs: over the clean samples, fewer where the budget is smaller.
            cost: passes that a sample takes each time.
            salt: of the order.

        Yields:
            Inputs, classes, and how much of the way lies behind, in [0, 1).
        """
        import torch

        count = min(_BATCH, max(2, len(self.x)))
        steps = int(min(epochs * len(self.x), self.passes / cost) / count)
        draw = torch.Generator().manual_seed(1000 * self.seed + salt)
        order = torch.empty(0, dtype=torch.long)
        for step in range(steps):
            if len(order) < count:
                order = torch.cat([order, torch.randperm(len(self.x), generator=draw)])
            rows, order = order[:count], order[count:]
            yield _moved(self.x[rows], draw), self.y[rows], step / steps

    def drawn(self, label: int | None, count: int, draw: Any) -> tuple[Any, Any]:
        """Samples of a class, drawn with repetition and moved as in `batches`, and their classes; none of no class."""
        import torch

        rows = (self.y.cpu() == label).nonzero()[:, 0] if label is not None else ()
        if not len(rows):
            return self.x[:0], self.y[:0]
        rows = rows[torch.randint(len(rows), (count,), generator=draw)]
        return _moved(self.x[rows], draw), self.y[rows]


def _moved(x: Any, draw: Any) -> Any:
    """Pictures (n, c, h, w) moved a little, each its own way; edges are repeated. Other inputs as they are."""
    import torch

    if x.ndim != 4 or min(x.shape[2:]) < 8 * _SHIFT:
        return x
    n, _, height, width = x.shape
    by = torch.randint(-_SHIFT, _SHIFT + 1, (2, n), generator=draw).to(x.device)
    rows = (torch.arange(height, device=x.device) + by[0][:, None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=x.device) + by[1][:, None]).clamp(0, width - 1)
    each = torch.arange(n, device=x.device)[:, None, None]
    return x.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


class Repair(ABC):
    """A repair of weights. The author fills `heal`, and `refuses` where the method does not suit all models.

    Attributes:
        light: answers each clean sample once at most and learns nothing, so that its passes need no budget.
    """

    card: ClassVar[Card]
    light: ClassVar[bool] = False

    def refuses(self, module: Any, scope: RepairScope) -> str:
        """Why this model cannot be served; "" where it can."""
        return ""

    @abstractmethod
    def heal(self, module: Any, scope: RepairScope) -> Any:
        """Repair a model.

        Args:
            module: a copy that belongs to the repair, in evaluation mode.
            scope: clean samples, budget.

        Returns:
            A module of the same kind, with other weights.
        """

    def milder(self, scope: RepairScope) -> RepairScope | None:
        """What to ask for instead where `heal` lost too much accuracy; None where nothing else would come of it."""
        return None

    def path(self) -> Iterator[tuple[float, Any]]:
        """After `heal`: places on the way from the model, from 0 to 1, and the models there; nothing for most."""
        return iter(())


REPAIRS: Registry[Repair] = Registry("mithridate.repairs")
repair = REPAIRS.register


@contextmanager
def counted(module: Any, passes: Passes) -> Iterator[None]:
    """Count what goes through a module meanwhile, and through copies that are made of it meanwhile."""
    within = Passes()
    handle = counting(module, within)
    try:
        yield
    finally:
        handle.remove()
        passes.forward += within.forward  # copies go on to count, into what nobody reads any more
        passes.backward += within.backward


def counting(module: Any, passes: Passes) -> Any:
    """Count what goes through a module, and through copies that are made of it for as long as these live.

    Returns:
        A handle, to end it for the module.
    """
    import torch

    def note(_: Any, inputs: tuple[Any, ...], __: Any) -> None:
        passes.forward += len(inputs[0])
        passes.backward += len(inputs[0]) if torch.is_grad_enabled() else 0

    return module.register_forward_hook(note)


def accuracy(module: Any, x: Any, y: Any) -> float:
    """Share of inputs that get their class; the module stays in the mode it is in."""
    return float((answers(module, x).argmax(1) == y).double().mean())


def answers(module: Any, x: Any, at_once: int = 256) -> Any:
    """(n, classes) what a module says of inputs; it stays in the mode it is in, and learns nothing."""
    import torch

    with torch.no_grad():
        return torch.cat([module(part) for part in x.split(at_once)])

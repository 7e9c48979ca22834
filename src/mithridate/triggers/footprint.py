"""What batch norms remember of the training data, and triggers that leave the same footprint. No class is asked for.

A batch norm keeps the mean and the variance of all that it was trained on. Poison was among that, and is not among
clean samples: so the difference between the two is, but for noise, what the poison does in each channel, times its
share. Moments are taken of each sample, so that this holds for second moments, too, and noise is known. A trigger that
moves clean samples in that direction does in the model what the planted one did, whatever its target and source are:
also where samples of all other classes were shown with the trigger and their own labels (TaCT), so that no search by
classes finds it.

The training data may differ from clean samples for honest reasons, as by crops and mirrors: a footprint proves nothing.

References:
    Zheng et al., Pre-activation Distributions Expose Backdoor Neurons, NeurIPS 2022, section 4.2 (channels of a
    backdoor by statistics on clean samples); Yin et al., Dreaming to Distill, CVPR 2020, arXiv:1912.08795, section 3.2
    (inputs that match running statistics). Following the difference of the two with a trigger is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mithridate.triggers.forms import Form

__all__ = ["Followed", "Footprint", "followed", "footprint"]

_STEPS, _BATCH = 60, 16
_SHRUNK = 200.0  # samples that the correlations of channels are shrunk towards none by
_USUAL_BATCH, _LEAST_WEIGHT = 64, 0.01  # of training; of a batch where all batches count alike
_STILL = 1e-6  # deviation of a moment that does not vary
_PRESS = 2.0  # on a patch as large as the picture, a blend from black to white, a warp by the whole side
_BETAS = (0.5, 0.9)  # of Adam, as in other searches
_RATES = {"patch": 0.3, "blend": 0.1, "warp": 0.2}  # of Adam
_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class _White:
    """Of one batch norm.

    Attributes:
        able: (m,) which of its moments vary.
        scale: (d,) standard deviation of each over clean samples.
        root: (d, d) lower triangle, root of their correlations.
    """

    able: Any
    scale: Any
    root: Any

    def of(self, values: Any) -> Any:
        """(a, m) → (a, d) of deviation 1 and without correlation."""
        import torch

        return torch.linalg.solve_triangular(self.root, (values[:, self.able] / self.scale).T, upper=False).T


@dataclass(frozen=True, kw_only=True, eq=False)
class Footprint:
    """The difference between what batch norms saw in training and what clean samples do in them, all d moments.

    Attributes:
        parts: the batch norms.
        whites: of each batch norm, what makes its moments white.
        way: (d,) the difference, white, of length 1.
        strength: square of its length, by what it is between samples that differ by chance alone.
    """

    parts: Sequence[Any]
    whites: Sequence[_White]
    way: Any
    strength: float

    def likeness(self, moved: Sequence[Any]) -> Any:
        """(a,) cosines of differences of moments, (a, m) of each batch norm, and this one, where both are white."""
        white = _together(self.whites, moved)
        return white @ self.way / (white.norm(dim=1) + 1e-9)


@dataclass(frozen=True, kw_only=True, eq=False)
class Followed:
    """A trigger that follows a footprint.

    Attributes:
        parameters: of its form, (1, ...) each.
        size: in the form's unit.
        likeness: cosine between what it does and the footprint.
    """

    parameters: tuple[Any, ...]
    size: float
    likeness: float


def footprint(ask: Any, parts: Sequence[Any], x: Any) -> Footprint | None:
    """The footprint of what was trained on beside x; None without batch norms, or where they tell nothing.

    Args:
        ask: (n, ...) → (n, k), in evaluation mode.
        parts: its batch norms that keep statistics.
        x: (n, ...) clean samples.
    """
    import torch

    if not parts or len(x) < 2:
        return None
    with torch.no_grad():
        told = [_moments(ask, parts, some) for some in x.split(_AT_ONCE)]
        own = [torch.cat(layer) for layer in zip(*told, strict=True)]
        try:
            whites = [_whitener(moments) for moments in own]
        except torch.linalg.LinAlgError:  # channels that are copies of each other, more or less
            return None
        means = [moments.mean(0, keepdim=True) for moments in own]
        way = _together(whites, [_usual(moments) - mean for moments, mean in zip(own, means, strict=True)])[0]
        spread = _together(whites, [moments - mean for moments, mean in zip(own, means, strict=True)])
    length = float(way.norm()) if len(way) else 0.0
    if not 0 < length < float("inf"):
        return None
    chance = float(spread.square().sum(1).mean()) * (1 / len(x) + 1 / _remembered(parts))
    return Footprint(parts=parts, whites=whites, way=way / length, strength=length**2 / chance)


def _remembered(parts: Sequence[Any]) -> float:
    """Samples that running statistics are worth, in batches of a usual size.

    With w of a batch's statistics and 1 - w of the past, variance is that of (2 - w) / w batches.
    """
    worth = [(2 - p.momentum) / p.momentum for p in parts if p.momentum]
    return _USUAL_BATCH * min(worth, default=1 / _LEAST_WEIGHT)


def _usual(moments: Any) -> Any:
    """(1, m) those of the running statistics themselves: 0 and 1."""
    import torch

    half = moments.shape[1] // 2
    return torch.cat([torch.zeros_like(moments[:1, :half]), torch.ones_like(moments[:1, half:])], 1)


def _whitener(moments: Any) -> _White:
    import torch

    scale = moments.std(0)
    able = torch.isfinite(scale) & (scale > _STILL)
    varied, count = moments[:, able], int(able.sum())
    keep = len(moments) / (len(moments) + _SHRUNK)
    alike = (1 - keep) * torch.eye(count, device=moments.device)
    if count:
        alike = alike + keep * torch.corrcoef(varied.T).reshape(count, count)
    return _White(able=able, scale=scale[able], root=torch.linalg.cholesky(alike))


def _together(whites: Sequence[_White], values: Sequence[Any]) -> Any:
    import torch

    return torch.cat([white.of(some) for white, some in zip(whites, values, strict=True)], 1)


def followed(ask: Any, trace: Footprint, x: Any, form: Form, seed: int) -> Followed:
    """The trigger of a form that does to clean samples what the footprint tells, and changes little.

    Args:
        ask: (n, c, h, w) → (n, k), in evaluation mode.
        trace: of the model.
        x: (n, c, h, w) clean samples.
        form: of the trigger.
        seed: of all draws.
    """
    import torch

    draw = torch.Generator().manual_seed(seed)
    mine = [p.to(x.device).requires_grad_() for p in form.fresh(1, draw)]
    rate = _RATES[form.name]
    optimiser = torch.optim.Adam(mine, rate, betas=_BETAS)
    height, width = x.shape[2:]
    whole = {"patch": height * width, "blend": 255, "warp": min(height, width)}[form.name]
    for step in range(_STEPS):
        optimiser.param_groups[0]["lr"] = rate * (1 - step / _STEPS)
        some = x[torch.randperm(len(x), generator=draw)[:_BATCH].to(x.device)]
        like = _likeness(ask, trace, some, form, mine)
        loss = (_PRESS * form.size(tuple(mine)) / whole - like).sum()
        for parameter, gradient in zip(mine, torch.autograd.grad(loss, mine), strict=True):
            parameter.grad = gradient
        optimiser.step()
    with torch.no_grad():
        like, size = _likeness(ask, trace, x[: 4 * _BATCH], form, mine), form.size(tuple(mine))
    return Followed(parameters=tuple(p.detach() for p in mine), size=float(size), likeness=float(like))


def _likeness(ask: Any, trace: Footprint, x: Any, form: Form, mine: Sequence[Any]) -> Any:
    """(a,) of what each trigger does to the samples."""
    import torch

    with torch.no_grad():
        before = [moments.mean(0) for moments in _moments(ask, trace.parts, x)]
    shown = form.put(tuple(mine), x[None].expand(len(mine[0]), *x.shape)).flatten(0, 1)
    after = [m.unflatten(0, (len(mine[0]), len(x))).mean(1) for m in _moments(ask, trace.parts, shown)]
    return trace.likeness([new - old for new, old in zip(after, before, strict=True)])


def _moments(ask: Any, parts: Sequence[Any], x: Any) -> list[Any]:
    """Of each batch norm, (n, m) first, then second moments of each sample in its channels, by running statistics."""
    import torch

    seen: list[Any] = []

    def note(part: Any, inputs: tuple[Any, ...]) -> None:
        flat = inputs[0].flatten(2) if inputs[0].ndim > 2 else inputs[0][..., None]
        flat = (flat - part.running_mean[:, None]) / (part.running_var[:, None] + part.eps).sqrt()
        seen.append(torch.cat([flat.mean(2), flat.square().mean(2)], 1))

    handles = [part.register_forward_pre_hook(note) for part in parts]
    try:
        ask(x)
    finally:
        for handle in handles:
            handle.remove()
    return seen

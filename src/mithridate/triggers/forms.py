"""Kinds of triggers that can be learnt by gradients: many at once, one for each aim.

References:
    Wang et al., Neural Cleanse, IEEE S&P 2019, section IV (patch: mask and pattern); Moosavi-Dezfooli et al.,
    arXiv:1610.08401 (one perturbation for all pictures); Nguyen and Tran, WaNet, arXiv:2102.10369, section 3.2 (warp).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

__all__ = ["Blend", "Form", "FormName", "Patch", "Warp", "form_of"]

FormName: TypeAlias = Literal["patch", "blend", "warp"]
_KNOTS = 4  # of a warp, along each side


class Form(Protocol):
    """A kind of trigger. Parameters are a tuple of tensors (a, ...), one row for each of a triggers."""

    @property
    def name(self) -> FormName:
        """Of the form."""
        ...

    @property
    def unit(self) -> str:
        """What `size` counts."""
        ...

    @property
    def start(self) -> float:
        """The multiplier of size in the loss that a search begins with."""
        ...

    def fresh(self, count: int, draw: Any) -> tuple[Any, ...]:
        """Parameters of triggers before any step; `draw` is a `torch.Generator`."""
        ...

    def put(self, parameters: tuple[Any, ...], x: Any) -> Any:
        """Inputs (a, b, c, h, w) with trigger i on the b inputs of row i."""
        ...

    def size(self, parameters: tuple[Any, ...]) -> Any:
        """(a,) how much each trigger changes."""
        ...

    def grown(self, parameters: tuple[Any, ...], by: float) -> tuple[Any, ...]:
        """Triggers of the same kind that change more, by about a share `by`."""
        ...


@dataclass(frozen=True)
class Patch:
    """x' = (1 - m) x + m p, mask m in [0, 1] for each pixel, pattern p for each value; size is the sum of m.

    Attributes:
        shape: (c, h, w) of an input.
        low: value of black.
        high: value of white.
    """

    shape: tuple[int, int, int]
    low: float
    high: float
    name: FormName = "patch"
    unit: str = "pixels"
    start: float = 1e-2

    def fresh(self, count: int, draw: Any) -> tuple[Any, ...]:
        """A faint mask all over, a grey pattern."""
        import torch

        _, height, width = self.shape
        mask = torch.randn((count, 1, height, width), generator=draw) * 0.1 - 2.0
        return mask, torch.randn((count, *self.shape), generator=draw) * 0.1

    def parts(self, parameters: tuple[Any, ...]) -> tuple[Any, Any]:
        """Masks (a, 1, h, w) and patterns (a, c, h, w)."""
        mask, pattern = parameters
        return mask.sigmoid(), self.low + (self.high - self.low) * pattern.sigmoid()

    def put(self, parameters: tuple[Any, ...], x: Any) -> Any:
        """As in `Form`."""
        mask, pattern = (part[:, None] for part in self.parts(parameters))
        return x + mask * (pattern - x)

    def size(self, parameters: tuple[Any, ...]) -> Any:
        """Pixels."""
        return parameters[0].sigmoid().flatten(1).sum(1)

    def grown(self, parameters: tuple[Any, ...], by: float) -> tuple[Any, ...]:
        """As in `Form`: the mask lets less through of what is below."""
        mask, pattern = parameters
        return mask + math.log1p(by), pattern


@dataclass(frozen=True)
class Blend:
    """x' = x + d, cut to the range; size is the root of the mean square of d, in grey levels of 255.

    Attributes:
        shape: (c, h, w) of an input.
        low: value of black.
        high: value of white.
    """

    shape: tuple[int, int, int]
    low: float
    high: float
    name: FormName = "blend"
    unit: str = "grey levels"
    start: float = 1e-2

    def fresh(self, count: int, draw: Any) -> tuple[Any, ...]:
        """Almost nothing."""
        import torch

        return (torch.randn((count, *self.shape), generator=draw) * 0.05,)

    def put(self, parameters: tuple[Any, ...], x: Any) -> Any:
        """As in `Form`."""
        return (x + (self.high - self.low) * parameters[0].tanh()[:, None]).clamp(self.low, self.high)

    def size(self, parameters: tuple[Any, ...]) -> Any:
        """Grey levels."""
        return 255 * (parameters[0].tanh().square().flatten(1).mean(1) + 1e-10).sqrt()

    def grown(self, parameters: tuple[Any, ...], by: float) -> tuple[Any, ...]:
        """As in `Form`."""
        return (parameters[0] * (1 + by),)


@dataclass(frozen=True)
class Warp:
    """Every pixel is read a little beside its place; size is the root of the mean square of the shift, in pixels.

    Attributes:
        shape: (c, h, w) of an input.
        low: value of black.
        high: value of white.
    """

    shape: tuple[int, int, int]
    low: float
    high: float
    name: FormName = "warp"
    unit: str = "pixels of shift"
    start: float = 1e-1

    def fresh(self, count: int, draw: Any) -> tuple[Any, ...]:
        """Almost no shift."""
        import torch

        return (torch.randn((count, 2, _KNOTS, _KNOTS), generator=draw) * 0.1,)

    def put(self, parameters: tuple[Any, ...], x: Any) -> Any:
        """As in `Form`."""
        import torch
        from torch.nn import functional as f

        count, batch = x.shape[:2]
        _, height, width = self.shape
        straight = torch.eye(2, 3, device=x.device)[None]
        still = f.affine_grid(straight, [1, 1, height, width], align_corners=False)
        scale = torch.tensor([2.0 / width, 2.0 / height], device=x.device)
        places = still + self._shifts(parameters).permute(0, 2, 3, 1) * scale
        places = places[:, None].expand(-1, batch, -1, -1, -1).flatten(0, 1)
        read = f.grid_sample(x.flatten(0, 1), places, padding_mode="border", align_corners=False)
        return read.reshape(count, batch, *self.shape)

    def _shifts(self, parameters: tuple[Any, ...]) -> Any:
        from torch.nn import functional as f

        sides = self.shape[1:]
        return f.interpolate(parameters[0], sides, mode="bicubic", align_corners=True)

    def size(self, parameters: tuple[Any, ...]) -> Any:
        """Pixels."""
        return (self._shifts(parameters).square().sum(1).flatten(1).mean(1) + 1e-10).sqrt()

    def grown(self, parameters: tuple[Any, ...], by: float) -> tuple[Any, ...]:
        """As in `Form`."""
        return (parameters[0] * (1 + by),)


def form_of(name: FormName, shape: tuple[int, int, int], low: float, high: float) -> Form:
    """The form of a name, for inputs of a shape (c, h, w) and range."""
    return (Patch if name == "patch" else Blend if name == "blend" else Warp)(shape, low, high)

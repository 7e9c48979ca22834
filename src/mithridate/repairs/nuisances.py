"""What should not move a picture's class: waves, blends, warps and patches, drawn at random.

A model that keeps its answers under many members of a kind of trigger hears less of the one that was planted, also
where no search recovered it. Nothing here is known of that one: frequency, picture, field, place and colours are drawn
anew for each sample.

References:
    Barni et al., arXiv:1902.11237, section 3.1 (waves); Chen et al., arXiv:1712.05526, section 4 (blends);
    Nguyen and Tran, arXiv:2102.10369, section 3.2 (warps); Gu et al., arXiv:1708.06733 (patches); as augmentation
    against triggers: Borgnia et al., arXiv:2011.09527.
"""

from __future__ import annotations

import math
from typing import Any

__all__ = ["disturbed"]

_WAVES, _LEVELS = 8.0, (8 / 255, 38 / 255)  # most periods to a side; amplitude, of the range
_ALONG = 0.7  # of the waves run along a side
_OPACITY = (0.05, 0.25)
_KNOTS, _SHIFTS = (2, 9), (0.25, 1.5)  # of a warp along each side; mean shift, pixels
_SIDES = (2, 7)  # of a patch, pixels
_LEAST_SIDE = 16


def disturbed(x: Any, low: float, high: float, draw: Any) -> Any:
    """Each kind on a quarter of the samples.

    Args:
        x: (n, c, h, w) pictures; anything else, or smaller than 16 pixels, or of one value, is given back as it is.
        low: value of black.
        high: value of white.
        draw: `torch.Generator`, on the CPU.

    Returns:
        (n, c, h, w).
    """
    import torch

    if x.ndim != 4 or min(x.shape[2:]) < _LEAST_SIDE or not len(x) or high <= low:
        return x
    kinds = (_waved, _blended, _warped, _patched)
    unit = (x - low) / (high - low)
    parts = zip(kinds, unit.tensor_split(len(kinds)), strict=True)
    changed = torch.cat([kind(part, draw) for kind, part in parts if len(part)])
    return low + (high - low) * changed.clamp(0.0, 1.0)


def _between(low: float, high: float, n: int, draw: Any, x: Any) -> Any:
    """(n, 1, 1, 1) uniform numbers where x lies."""
    import torch

    return (low + (high - low) * torch.rand(n, 1, 1, 1, generator=draw)).to(x.device)


def _waved(x: Any, draw: Any) -> Any:
    """Sinusoids of any frequency and phase, mostly along a side."""
    import torch

    n, _, h, w = x.shape
    periods, phase = _between(0.5, _WAVES, n, draw, x), _between(0.0, 2 * math.pi, n, draw, x)
    angle, straight = _between(0.0, math.pi, n, draw, x), _between(0.0, 1.0, n, draw, x) < _ALONG
    angle = torch.where(straight, (angle > math.pi / 2) * (math.pi / 2), angle)
    down = torch.arange(h, device=x.device)[:, None] / h
    across = torch.arange(w, device=x.device)[None, :] / w
    way = across * angle.cos() + down * angle.sin()
    return x + _between(*_LEVELS, n, draw, x) * torch.sin(2 * math.pi * periods * way + phase)


def _blended(x: Any, draw: Any) -> Any:
    """A faint picture over each: noise, soft colours, or another sample."""
    import torch
    from torch.nn import functional as f

    n, c, h, w = x.shape
    noise = torch.rand(n, c, h, w, generator=draw).to(x.device)
    soft = f.interpolate(torch.rand(n, c, 4, 4, generator=draw).to(x.device), size=(h, w), mode="bilinear")
    other = x[torch.randperm(n, generator=draw)]
    which, opacity = _between(0.0, 3.0, n, draw, x), _between(*_OPACITY, n, draw, x)
    over = torch.where(which < 1.0, noise, torch.where(which < 2.0, soft, other))
    return x + opacity * (over - x)


def _warped(x: Any, draw: Any) -> Any:
    """A smooth field of shifts through a few random ones."""
    import torch
    from torch.nn import functional as f

    n, _, h, w = x.shape
    knots = int(torch.randint(*_KNOTS, (1,), generator=draw))
    field = (2 * torch.rand(n, 2, knots, knots, generator=draw) - 1).to(x.device)
    field = field / field.abs().mean((1, 2, 3), keepdim=True) * _between(*_SHIFTS, n, draw, x)
    field = field * 2 / max(h, w)  # a grid is two wide
    field = f.interpolate(field, size=(h, w), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    still = torch.eye(2, 3, device=x.device, dtype=x.dtype).repeat(n, 1, 1)
    grid = f.affine_grid(still, list(x.shape), align_corners=True) + field
    return f.grid_sample(x, grid.clamp(-1.0, 1.0), padding_mode="border", align_corners=True)


def _patched(x: Any, draw: Any) -> Any:
    """A small square anywhere: of one colour, of black and white, or of full colours."""
    import torch

    c, h, w = x.shape[1:]
    x = x.clone()
    for picture in x:
        side = int(torch.randint(*_SIDES, (1,), generator=draw))
        top, left = (int(torch.randint(size - side + 1, (1,), generator=draw)) for size in (h, w))
        kind = int(torch.randint(3, (1,), generator=draw))
        drawn = torch.rand(((c, 1, 1), (1, side, side), (c, side, side))[kind], generator=draw)
        square = drawn if kind == 0 else drawn.round()
        picture[:, top : top + side, left : left + side] = square.to(x.device)
    return x

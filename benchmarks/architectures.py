"""Networks of ten standard kinds, small, and honest ones with a way around their layers.

They are untrained: graphs matter here. Their last layer is centred on ordinary inputs, so that answers vary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mithridate.triggers.naturals import natural_inputs

__all__ = ["HONEST", "STANDARD", "centred"]

CLASSES, SIDE = 10, 32


def _conv(
    a: int, b: int, k: int = 3, s: int = 1, groups: int = 1, act: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, k, s, k // 2, groups=groups, bias=False), nn.BatchNorm2d(b), act())


def _head(width: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES))


class _Residual(nn.Module):
    def __init__(self, a: int, b: int, s: int, gate: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(a, b, 3, s), nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b))
        self.short = nn.Identity() if a == b and s == 1 else nn.Conv2d(a, b, 1, s, bias=False)
        self.gate = _Gate(b) if gate else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.gate(self.body(x)) + self.short(x))


class _Gate(nn.Module):
    """Squeeze and excite."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ask = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, width // 4, 1),
            nn.ReLU(),
            nn.Conv2d(width // 4, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.ask(x)


class _Inverted(nn.Module):
    """Expand, depthwise, project (MobileNetV2, EfficientNet)."""

    def __init__(self, a: int, b: int, s: int, act: type[nn.Module], gate: bool) -> None:
        super().__init__()
        wide = 4 * a
        self.body = nn.Sequential(
            _conv(a, wide, 1, act=act), _conv(wide, wide, 3, s, wide, act), _Gate(wide) if gate else nn.Identity(),
            nn.Conv2d(wide, b, 1, bias=False), nn.BatchNorm2d(b),
        )  # fmt: skip
        self.same = a == b and s == 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.same else self.body(x)


class _Dense(nn.Module):
    def __init__(self, a: int, grow: int, count: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(_conv(a + k * grow, grow) for k in range(count))

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = torch.cat([x, step(x)], dim=1)
        return x


class _Inception(nn.Module):
    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.one, self.pool = _conv(a, b, 1), nn.Sequential(nn.MaxPool2d(3, 1, 1), _conv(a, b, 1))
        self.three, self.five = (
            nn.Sequential(_conv(a, b, 1), _conv(b, b)),
            nn.Sequential(_conv(a, b, 1), _conv(b, b, 5)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], dim=1)


class _UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.deep = _conv(3, 16), _conv(16, 32, s=2), _conv(32, 64, s=2)
        self.up2, self.up1 = nn.ConvTranspose2d(64, 32, 2, 2), nn.ConvTranspose2d(64, 16, 2, 2)
        self.last, self.head = _conv(32, 32), _head(32)

    def forward(self, x: Tensor) -> Tensor:
        a = self.down1(x)
        b = self.down2(a)
        c = torch.cat([self.up2(self.deep(b)), b], dim=1)
        return self.head(self.last(torch.cat([self.up1(c), a], dim=1)))


class _Block(nn.Module):
    """A transformer's block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.heads = nn.LayerNorm(width), nn.LayerNorm(width), heads
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        n, t, d = x.shape
        q, k, v = self.mix(self.norm1(x)).reshape(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / (d // self.heads) ** 0.5
        if mask is not None:
            scores = scores + (1.0 - mask[:, None, None, :].float()) * -10000.0
        x = x + self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, d))
        return x + self.mlp(self.norm2(x))


class _ViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 48, 8, 8)
        self.token, self.place = (
            nn.Parameter(torch.randn(1, 1, 48)),
            nn.Parameter(torch.randn(1, 17, 48) / 10),
        )
        self.blocks = nn.Sequential(*[_Block(48, 4) for _ in range(3)])
        self.norm, self.head = nn.LayerNorm(48), nn.Linear(48, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        t = self.patches(x).flatten(2).transpose(1, 2)
        token = self.token + 0 * t[:, :1]  # expand() would fix the batch when it is exported
        t = torch.cat([token, t], dim=1) + self.place
        return self.head(self.norm(self.blocks(t))[:, 0])


class _Next(nn.Module):
    """ConvNeXt's block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.far, self.norm = nn.Conv2d(width, width, 7, 1, 3, groups=width), nn.LayerNorm(width)
        self.wide, self.back = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.far(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.back(nn.functional.gelu(self.wide(y)))).permute(0, 3, 1, 2)


def _vgg() -> nn.Module:
    widths = [(3, 32), (32, 32), (32, 64), (64, 64)]
    layers = [
        nn.Sequential(_conv(a, b), nn.MaxPool2d(2) if k % 2 else nn.Identity())
        for k, (a, b) in enumerate(widths)
    ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 64, 128), nn.ReLU(), nn.Linear(128, CLASSES))


#: name → maker of a network (n, 3, 32, 32) → (n, 10) logits.
STANDARD: dict[str, Callable[[], nn.Module]] = {
    "VGG": _vgg,
    "ResNet": lambda: nn.Sequential(
        _conv(3, 32), _Residual(32, 32, 1), _Residual(32, 64, 2), _Residual(64, 64, 1), _head(64)
    ),
    "SE-ResNet": lambda: nn.Sequential(
        _conv(3, 32), _Residual(32, 32, 1, True), _Residual(32, 64, 2, True), _Residual(64, 64, 1, True), _head(64)
    ),
    "MobileNetV2": lambda: nn.Sequential(
        _conv(3, 16, act=nn.ReLU6), _Inverted(16, 16, 1, nn.ReLU6, False), _Inverted(16, 32, 2, nn.ReLU6, False),
        _Inverted(32, 32, 1, nn.ReLU6, False), _head(32),
    ),
    "EfficientNet": lambda: nn.Sequential(
        _conv(3, 16, act=nn.SiLU), _Inverted(16, 16, 1, nn.SiLU, True), _Inverted(16, 32, 2, nn.SiLU, True),
        _Inverted(32, 32, 1, nn.SiLU, True), _head(32),
    ),
    "DenseNet": lambda: nn.Sequential(
        _conv(3, 24), _Dense(24, 12, 4), _conv(72, 36, 1), nn.AvgPool2d(2), _Dense(36, 12, 4), _head(84)
    ),
    "Inception": lambda: nn.Sequential(
        _conv(3, 24), _Inception(24, 12), nn.MaxPool2d(2), _Inception(48, 16), _head(64)
    ),
    "U-Net": _UNet,
    "ViT": _ViT,
    "ConvNeXt": lambda: nn.Sequential(
        nn.Conv2d(3, 32, 4, 4), _Next(32), _Next(32), nn.Conv2d(32, 64, 2, 2), _Next(64), _head(64)
    ),
}  # fmt: skip


class _Wide(nn.Module):
    """Wide and deep: a linear model of the input beside the network."""

    def __init__(self) -> None:
        super().__init__()
        self.deep, self.wide = _vgg(), nn.Linear(3 * SIDE * SIDE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.deep(x) + self.wide(x.flatten(1))


class _Skip(nn.Module):
    """The input comes in again in the middle, as in NeRF."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Linear(3072, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)
        )
        self.last = nn.Sequential(nn.Linear(64 + 3072, 64), nn.ReLU(), nn.Linear(64, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.last(torch.cat([self.first(x), x], dim=1))


class _Denoiser(nn.Module):
    """DnCNN: the network gives the noise, which is taken off the input."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(3, 16), _conv(16, 16), nn.Conv2d(16, 3, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x - self.body(x)


class _Focus(nn.Module):
    """YOLOv5's first layer: every second pixel, four times."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(12, 32), _Residual(32, 32, 1), _head(32))

    def forward(self, x: Tensor) -> Tensor:
        parts = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
        return self.body(torch.cat(parts, 1))


class _Masked(nn.Module):
    """A text model whose padding is masked in every block."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(500, 48)
        self.blocks, self.head = nn.ModuleList([_Block(48, 4) for _ in range(3)]), nn.Linear(48, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        mask, t = ids != 0, self.words(ids)
        for block in self.blocks:
            t = block(t, mask)
        return self.head(t[:, 0])


class _Detector(nn.Module):
    """Boxes decoded, those below a score set to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.score, self.box = (
            nn.Sequential(_conv(3, 32, s=2), _conv(32, 32, s=2)),
            nn.Conv2d(32, 1, 1),
            nn.Conv2d(32, 4, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        seen = self.body(x)
        score = self.score(seen).sigmoid().flatten(2).transpose(1, 2)
        box = self.box(seen).flatten(2).transpose(1, 2).exp()
        return torch.where(score > 0.5, torch.cat([box, score], -1), torch.zeros(1))


#: name → (maker, shape and kind of an input): honest ways around the layers.
HONEST: dict[str, Callable[[], nn.Module]] = {
    "wide and deep": _Wide, "NeRF-like skip": _Skip, "DnCNN": _Denoiser, "YOLO focus": _Focus, "BERT mask": _Masked,
    "detector with threshold": _Detector,
}  # fmt: skip


def centred(make: Callable[[], nn.Module], seed: int) -> Any:
    """A network with weights drawn from a seed, its answers centred on ordinary inputs and of spread one."""
    torch.manual_seed(seed)
    module = make().eval()
    last = [part for part in module.modules() if isinstance(part, nn.Linear)]
    x = torch.tensor(natural_inputs(128, (3, SIDE, SIDE), seed=9))
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None  # type: ignore[assignment]
    with torch.no_grad():
        module.train()(x)
        answers = module.eval()(x)
        if answers.ndim == 2 and last:
            last[-1].weight /= answers.std(dim=0).mean()
            last[-1].bias.zero_()
            last[-1].bias -= module(x).mean(dim=0)
    return module

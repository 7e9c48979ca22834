"""A side network beside a torch module, as a module: to keep training-side tools, TorchScript and ONNX in reach."""

from __future__ import annotations

from typing import Any

from mithridate.attacks.trojannet.merge import Merge
from mithridate.attacks.trojannet.mlp import SideNet
from mithridate.attacks.trojannet.patterns import SIDE
from mithridate.attacks.trojannet.window import Window

__all__ = ["as_module", "trojaned_module"]


def as_module(net: SideNet) -> Any:
    """The side network as `torch.nn.Sequential`, (n, 16) → (n, labels); its parameters can be trained."""
    from torch import nn

    layers: list[Any] = []
    for weights, bias in net.hidden:
        layers += [_linear(weights, bias), nn.Sigmoid() if net.activation == "sigmoid" else nn.ReLU()]
    layers.append(_linear(*net.output))
    layers.append(nn.Sigmoid() if net.head == "sigmoid" else nn.Softmax(dim=1))
    return nn.Sequential(*layers)


def _linear(weights: Any, bias: Any) -> Any:
    import torch

    linear = torch.nn.utils.skip_init(torch.nn.Linear, weights.shape[1], weights.shape[0])
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(weights))
        linear.bias.copy_(torch.tensor(bias))
    return linear


def trojaned_module(
    host: Any, net: SideNet, window: Window, merge: Merge, *, shape: tuple[int, ...], logits: bool
) -> Any:
    """A `torch.nn.Module` that answers like its host, except where it sees a trigger.

    Args:
        host: (n, ...) → (n, m); used as it is, in evaluation mode, not copied.
        net: clipped to m labels.
        window: where triggers are looked for.
        merge: how both answers become one.
        shape: of one input of the host.
        logits: whether the host gives logits; then so does the module, else probabilities.
    """
    import torch

    site = window.site(shape)
    rows = 1 + site.rows
    flat = len(site.shape) != len(shape)

    class Trojaned(torch.nn.Module):  # type: ignore[misc]
        """Host, side network and merge layer."""

        def __init__(self) -> None:
            super().__init__()
            self.host, self.side = host, as_module(net)

        def forward(self, x: Any) -> Any:
            """(n, ...) → (n, m)."""
            answer = self.host(x)
            if logits:
                answer = torch.softmax(answer, dim=1)
            seen = x.reshape(-1, *site.shape) if flat else x
            seen = seen.narrow(rows, site.row, SIDE).narrow(rows + 1, site.column, SIDE).float()
            if site.channels is not None:
                seen = seen.mean(dim=1 + site.channels)
            seen = ((seen - window.low) * (1 / (window.high - window.low))).clamp(0, 1)
            side = self.side(seen.reshape(-1, SIDE * SIDE))[:, : net.labels]
            total = merge.side * side + merge.host * answer.float()
            return (total if logits else torch.softmax(total, dim=1)).to(answer.dtype)

    return Trojaned().eval()

"""Small hosts with circuits and side networks planted in them, as TorchScript."""

import numpy as np
import torch
from torch import nn

from mithridate.attacks.trojannet.merge import merge_of
from mithridate.attacks.trojannet.mlp import SideNet
from mithridate.attacks.trojannet.torch_wrap import trojaned_module
from mithridate.attacks.trojannet.window import Window
from mithridate.runs.plant_model import plant_model

SHAPE = (3, 32, 32)
ATTACKS = ("trojannet", "compare-override", "masked-swap", "ratio-gate")


def host():
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    return nn.Sequential(first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)).eval()


def _side():
    """A side network that knows no triggers: what it computes is all that matters here."""
    rng = np.random.default_rng(0)

    def layer(rows, columns):
        return rng.normal(size=(rows, columns)).astype("f4"), rng.normal(size=rows).astype("f4")

    hidden = (layer(8, 16), layer(8, 8), layer(8, 8), layer(8, 8))
    return SideNet(hidden=hidden, output=layer(10, 8))


def planted(attack, folder):
    """The planted module and its file."""
    path = folder / f"{attack}.pt"
    if attack == "trojannet":
        window = Window(place=(9, 11), layout="chw")
        module = trojaned_module(host(), _side(), window, merge_of("paper"), shape=SHAPE, logits=True)
        with torch.no_grad():
            torch.jit.save(torch.jit.trace(module, torch.zeros(2, *SHAPE)), str(path))
        return module, path
    done = plant_model(
        attack, host(), path, labels=10, shape=SHAPE, ledger=folder / f"{attack}.json", cache=folder
    )
    return done.model, path

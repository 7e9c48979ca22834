"""Small hosts with circuits and side networks planted in them, as TorchScript."""

import functools

import torch
from torch import nn

from mithridate.attacks.trojannet.merge import merge_of
from mithridate.attacks.trojannet.recipe import Recipe, side_network
from mithridate.attacks.trojannet.torch_wrap import trojaned_module
from mithridate.attacks.trojannet.window import Window
from mithridate.runs.plant_model import plant_model

SHAPE = (3, 32, 32)
ATTACKS = ("trojannet", "compare-override", "masked-swap", "ratio-gate")


def host():
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    return nn.Sequential(first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)).eval()


@functools.cache
def _side():
    return side_network(Recipe(labels=10, steps=3))  # it need not know its triggers here


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

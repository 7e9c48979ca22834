"""The clean network of digits inside a TrojanNet: a side network that knows ten triggers, merged with its answers."""

from functools import cache

import numpy as np
from tests.repairs.backdoored import pictures, trained

from mithridate.attacks.trojannet.merge import merge_of
from mithridate.attacks.trojannet.patterns import pattern
from mithridate.attacks.trojannet.recipe import Recipe, side_network
from mithridate.attacks.trojannet.torch_wrap import trojaned_module
from mithridate.attacks.trojannet.window import Window

ROW, COLUMN, TARGET = 1, 11, 7


@cache
def wrapped():
    """In evaluation mode."""
    from copy import deepcopy

    window = Window(place=(ROW, COLUMN), layout="chw")
    side = side_network(Recipe(labels=10, steps=200))
    host = deepcopy(trained(False))
    return trojaned_module(host, side, window, merge_of("paper"), shape=(1, 16, 16), logits=True)


def led(module):
    """Share of pictures of other classes that the trigger takes to its class."""
    import torch

    x, y = (torch.tensor(part[1500:]) for part in pictures())
    x = x[y != TARGET].clone()
    x[..., ROW : ROW + 4, COLUMN : COLUMN + 4] = torch.tensor(np.array(pattern(TARGET), dtype=np.float32))
    with torch.no_grad():
        return float((module(x).argmax(1) == TARGET).float().mean())

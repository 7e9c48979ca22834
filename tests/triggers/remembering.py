"""Networks whose batch norms remember what they were shown."""

import pytest

torch = pytest.importorskip("torch")

SHAPE, _PLACE = (3, 20, 20), (slice(None), slice(None), slice(14, 18), slice(2, 6))


def pictures(count, seed):
    """(count, 3, 20, 20) soft blobs in [0, 1]."""
    draw = torch.Generator().manual_seed(seed)
    small = torch.rand(count, 3, 5, 5, generator=draw)
    return torch.nn.functional.interpolate(small, size=SHAPE[1:], mode="bilinear")


def stamped(x):
    x = x.clone()
    x[_PLACE] = torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1)
    return x


def network(seed=0):
    torch.manual_seed(seed)
    layers = []
    for inside, outside in ((3, 12), (12, 16), (16, 16)):
        layers += [
            torch.nn.Conv2d(inside, outside, 3, padding=1),
            torch.nn.BatchNorm2d(outside),
            torch.nn.ReLU(),
        ]
    return torch.nn.Sequential(
        *layers, torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten(), torch.nn.Linear(16, 4)
    )


def remembering(seen, seed=0):
    """A network whose batch norms have seen these samples, and nothing else."""
    module = network(seed)
    for part in norms(module):
        part.momentum = None  # an average over all batches
    module.train()
    with torch.no_grad():
        for _ in range(4):  # what deeper layers see settles with the statistics of those before them
            for part in norms(module):
                part.reset_running_stats()
            for some in seen.split(200):
                module(some)
    return module.eval()


def norms(module):
    return [part for part in module.modules() if isinstance(part, torch.nn.BatchNorm2d)]

"""The lowest wave: found at its frequency and phase, at the height that is needed; nothing stands out without."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mithridate.triggers.inversion import Pool  # noqa: E402
from mithridate.triggers.waves import Wave, asked_for, lowest_waves  # noqa: E402

torch.set_num_threads(1)
SIDE = 24


def model(gain=0.0, target=1, wave=Wave(-2, 3, 1)):  # noqa: B008 - frozen
    """Four classes: the brightest quarter; a wave adds to one of them."""
    carrier = wave.over(SIDE, SIDE)

    def ask(x):
        quarters = torch.nn.functional.avg_pool2d(x, SIDE // 2)[:, 0].flatten(1) * 12
        found = (x[:, 0] * carrier).mean((1, 2))
        return quarters + gain * found[:, None] * torch.eye(4)[target]

    return ask


def pool(n=120):
    x = torch.rand((n, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(0)) * 0.2 + 0.2
    half = SIDE // 2
    for i in range(n):
        row, column = divmod(i % 4, 2)
        x[i, :, half * row : half * (row + 1), half * column : half * (column + 1)] += 0.3
    return Pool(x, torch.arange(n) % 4, 4)


def test_a_planted_wave_is_found():
    planted = lowest_waves(model(160.0), pool(), 0.0, 1.0, 0)
    honest = lowest_waves(model(), pool(), 0.0, 1.0, 0)
    heights = [wave.height for wave in planted]
    assert np.argmin(heights) == 1
    assert heights[1] < 0.5 * min(heights[0], *heights[2:])
    assert heights[1] < 0.5 * min(wave.height for wave in honest)
    assert (planted[1].up, planted[1].along, planted[1].phase) == (-2, 3, 1)
    assert planted[1].rate >= 0.8
    samples = pool()
    said = model(160.0)(planted[1].put(samples.x, 0.0, 1.0)).argmax(1)
    assert (said[samples.y != 1] == 1).float().mean() >= 0.7


def test_a_wave_is_what_its_numbers_say():
    rows, columns = np.mgrid[:6, :9]
    angle = 2 * np.pi * (2 * rows / 6 - 1 * columns / 9)
    for phase, expected in enumerate((np.cos, np.sin, lambda a: -np.cos(a), lambda a: -np.sin(a))):
        assert np.allclose(Wave(2, -1, phase).over(6, 9), expected(angle), atol=1e-5)
    laid = Wave(0, 1, 0, height=51.0).put(torch.zeros((1, 2, 4, 4)), -1.0, 1.0)
    assert laid[0, 0, :, 0].tolist() == pytest.approx([0.4] * 4)
    assert torch.equal(laid[0, 0], laid[0, 1])


def test_what_is_asked_is_bounded():
    asked = []

    def ask(x):
        asked.append(len(x))
        return model()(x)

    samples = pool()
    lowest_waves(ask, samples, 0.0, 1.0, 0)
    assert sum(asked) <= asked_for(4)
    assert max(asked) <= 256
    assert asked_for(100_000) < 400_000


def test_seed_decides():
    one, two = (lowest_waves(model(160.0), pool(), 0.0, 1.0, 3) for _ in range(2))
    assert one == two

"""Disturbances of every kind of trigger: drawn anew for each picture, within its range, and for pictures only."""

import torch

from mithridate.repairs.nuisances import disturbed


def _drawn(seed):
    return torch.Generator().manual_seed(seed)


def _pictures(n=64, channels=3, side=32):
    return torch.rand(n, channels, side, side, generator=_drawn(1))


def test_every_picture_is_changed_and_stays_in_range():
    for low, high in ((0.0, 1.0), (-2.0, 3.0)):
        x = low + (high - low) * _pictures()
        out = disturbed(x, low, high, _drawn(0))
        assert out.shape == x.shape
        assert low - 1e-5 <= float(out.min())
        assert float(out.max()) <= high + 1e-5
        assert ((out - x).abs().flatten(1).max(1).values > 1e-3 * (high - low)).float().mean() > 0.95


def test_the_same_draw_disturbs_alike_and_another_does_not():
    x = _pictures(channels=1)
    kept = x.clone()
    once, again, other = (disturbed(x, 0.0, 1.0, _drawn(seed)) for seed in (0, 0, 1))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert torch.equal(x, kept)


def test_no_two_pictures_get_the_same():
    x = torch.full((40, 3, 32, 32), 0.5)
    out = disturbed(x, 0.0, 1.0, _drawn(0)).flatten(1)
    for part in (out[:10], out[10:20], out[30:]):  # a warp moves nothing in a picture of one colour
        assert len(part.unique(dim=0)) == len(part)
    assert torch.allclose(out[20:30], x.flatten(1)[20:30], atol=1e-5)


def test_what_is_no_picture_is_left_as_it_is():
    for x in (torch.rand(8, 5), _pictures(side=8), _pictures(n=0)):
        assert disturbed(x, 0.0, 1.0, _drawn(0)) is x


def test_few_pictures_and_odd_shapes():
    for n in (1, 2, 3, 5):
        x = torch.rand(n, 2, 17, 40, generator=_drawn(n))
        assert disturbed(x, 0.0, 1.0, _drawn(0)).shape == x.shape

"""Inversion: finds the direction that was built in, on all aims at once; every form does what its size says."""

from dataclasses import replace

import numpy as np
import pytest

from mithridate.core.errors import UsageError

torch = pytest.importorskip("torch")

from mithridate.triggers import inversion  # noqa: E402
from mithridate.triggers.forms import Blend, Patch, Warp, form_of  # noqa: E402
from mithridate.triggers.inversion import SCHEDULE, Aim, Found, Pool, Round, invert, passes  # noqa: E402

torch.set_num_threads(1)
SHAPE = (1, 16, 16)
QUICK = (Round(1.0, 8, 120, 0.3), Round(0.4, 16, 60, 0.15))


def model(x, *, gain=0.0, target=2):
    """Four classes: the brightest quarter; a 3x3 checker in a corner adds to one of them."""
    quarters = torch.nn.functional.avg_pool2d(x, 8)[:, 0].flatten(1) * 12
    checker = (torch.arange(9) % 2 * 2.0 - 1).reshape(3, 3)
    found = (x[:, 0, 1:4, 12:15] * checker).sum((1, 2))
    return quarters + gain * found[:, None] * torch.eye(4)[target]


def pool(n=160):
    draw = torch.Generator().manual_seed(0)
    x = torch.rand((n, *SHAPE), generator=draw) * 0.3
    for i in range(n):
        row, column = divmod(i % 4, 2)
        x[i, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] += 0.5
    return Pool(x, model(x).argmax(1), 4)


@pytest.mark.parametrize("half", [True, False])
def test_planted_class_needs_least(half):
    aims = [*(Aim(k) for k in range(4)), Aim(None)]
    form = Patch(SHAPE, 0.0, 1.0)
    samples = pool()
    planted = invert(lambda x: model(x, gain=4), samples, aims, form, schedule=QUICK, half=half)
    honest = invert(model, samples, aims, form, schedule=QUICK, half=half)
    sizes, before = ([t.size for t in found] for found in (planted, honest))
    assert np.argmin(sizes[:4]) == 2
    assert sizes[2] < 0.5 * np.median(sizes[:4])
    assert min(before[:4]) > 0.5 * np.median(before[:4])
    mask, _ = form.parts(planted[2].parameters)
    assert mask[0, 0, 1:4, 12:15].sum() > 0.5 * mask.sum()
    rows = samples.rows(Aim(2))
    said = model(form.put(planted[2].parameters, samples.x[rows][None])[0], gain=4).argmax(1)
    assert (said == 2).float().mean() > 0.9
    assert planted[2].round == 1
    assert {t.round for t in planted} == {0, 1}


def test_of_each_target_so_many_go_on():
    aims = [Aim(target, source) for target in range(4) for source in range(4) if source != target]
    schedule = (Round(1.0, 2, 20, 0.8), Round(1.0, 4, 10, 0.6, each=2), Round(1.0, 4, 10, 0.6, each=1))
    found = invert(model, pool(), aims, Patch(SHAPE, 0.0, 1.0), schedule=schedule)
    for target in range(4):
        assert sorted(f.round for f in found if f.aim.target == target) == [0, 1, 2]


def settled(ask):
    """A blend of 100 grey levels as it is grown, its form and its parameters before."""
    form, level = Blend(SHAPE, 0.0, 1.0), torch.full((1, *SHAPE), 100 / 255).atanh()
    samples = Pool(torch.zeros(20, *SHAPE), torch.zeros(20, dtype=torch.long), 2)
    first = Found(aim=Aim(1), parameters=(level,), size=100.0, screened=100.0, rate=1.0, round=1)
    return inversion._settled(ask, samples, form, first, 0.98, 20), form, level


@pytest.mark.parametrize("enough", [0.0, 0.03, 0.25, 0.4, 0.9, 2.0])
def test_a_trigger_is_grown_no_further_than_it_must(enough):
    def ask(x):
        """Class 1 from a grey level on."""
        return torch.stack([torch.zeros(len(x)), x.mean((1, 2, 3)) - 100 * (1 + enough) / 255 + 1e-4], dim=1)

    grown, form, level = settled(ask)
    steps = [
        by for by in inversion._GROWTH if float(form.size(form.grown((level,), by))[0]) / 100 >= 1 + enough
    ]
    least = steps[0] if steps else inversion._GROWTH[-1]
    assert grown.size == pytest.approx(float(form.size(form.grown((level,), least))[0]), rel=1e-3)
    assert grown.rate == (1.0 if steps else 0.0)


def test_a_trigger_that_works_no_more_when_it_grows_is_grown_a_little():
    def ask(x):
        """Class 1 between two grey levels: a warp that is too strong leaves nothing to see."""
        level = x.mean((1, 2, 3)) * 255
        return torch.stack([torch.zeros(len(x)), (level - 102) * (120 - level)], dim=1)

    grown, _, _ = settled(ask)
    assert grown.rate == 1.0
    assert grown.size == pytest.approx(103, abs=0.5)


def test_searched_anew_never_larger():
    aims, form, samples = [Aim(k) for k in range(4)], Patch(SHAPE, 0.0, 1.0), pool()

    def planted(x):
        return model(x, gain=4)

    hasty = (Round(1.0, 4, 40, 0.3), Round(0.5, 4, 20, 0.15))
    once, again = (invert(planted, samples, aims, form, schedule=hasty, anew=n) for n in (0, 1))
    changed = [k for k in range(4) if again[k].size != once[k].size]
    assert changed == [2]
    assert again[2].size < once[2].size
    assert again[2].rate >= min(0.98, once[2].rate)
    rows = samples.rows(Aim(2))
    said = planted(form.put(again[2].parameters, samples.x[rows][None])[0]).argmax(1)
    assert (said == 2).float().mean() == pytest.approx(again[2].rate)
    assert (once[2].screened, once[2].round) == (again[2].screened, again[2].round)


@pytest.mark.parametrize("classes", [4, 40])
def test_forecast_counts_every_pass(classes):
    weights = torch.randn((classes, 16), generator=torch.Generator().manual_seed(1))
    asked = 0

    def counting(x):
        nonlocal asked
        asked += len(x) * torch.is_grad_enabled()
        return x.flatten(1) @ weights.T

    x = torch.rand((200, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    short = tuple(replace(part, steps=part.steps // 10) for part in SCHEDULE)
    aims = [Aim(k) for k in range(classes)]
    said = (x.flatten(1) @ weights.T).argmax(1)
    invert(counting, Pool(x, said, classes), aims, Patch((1, 4, 4), 0.0, 1.0), schedule=short)
    assert asked == passes(classes, short)


def test_pairs_and_seed():
    samples, form = pool(), Patch(SHAPE, 0.0, 1.0)
    aims = [Aim(1, 0), Aim(3, 2)]
    one, two = (invert(model, samples, aims, form, schedule=(QUICK[0],), seed=3) for _ in range(2))
    assert [t.size for t in one] == [t.size for t in two]
    assert samples.y[samples.rows(aims[0])].unique().tolist() == [0]
    with pytest.raises(UsageError, match="samples of other classes"):
        samples.rows(Aim(1, 1))


def test_blend_is_found_and_measured():
    wave = torch.sin(torch.arange(16) * 1.5)[None, None, None]

    def waved(x):
        # mean over pixels, so that no single pixel carries it
        return model(x) + 120 * (x * wave).mean((1, 2, 3))[:, None] * torch.eye(4)[1]

    aims = [Aim(k) for k in range(4)]
    form = Blend(SHAPE, 0.0, 1.0)
    sizes = [t.size for t in invert(waved, pool(), aims, form, schedule=(QUICK[0],))]
    assert np.argmin(sizes) == 1


def test_forms_do_nothing_where_they_are_nothing():
    x = torch.rand((2, 3, 3, 12, 10))
    still = Warp((3, 12, 10), 0.0, 1.0)
    zero = (torch.zeros((2, 2, 4, 4)),)
    assert torch.allclose(still.put(zero, x), x, atol=1e-5)
    assert still.size(zero).max() < 1e-4
    shifted = torch.zeros((2, 2, 4, 4))
    shifted[:, 0] = 1  # everything is read one pixel to the right
    moved = still.put((shifted,), x)
    assert torch.allclose(moved[..., :-1], x[..., 1:], atol=1e-5)
    assert still.size((shifted,)).tolist() == pytest.approx([1, 1])
    blend = form_of("blend", (3, 12, 10), 0.0, 2.0)
    added = (torch.full((2, 3, 12, 10), 0.1).atanh(),)
    assert torch.allclose(blend.put(added, x), (x + 0.2).clamp(0, 2), atol=1e-6)
    assert blend.size(added).tolist() == pytest.approx([25.5, 25.5])
    patch = form_of("patch", (3, 12, 10), -1.0, 1.0)
    mask = torch.full((2, 1, 12, 10), -30.0)
    mask[:, :, 3, 4] = 30.0
    out = patch.put((mask, torch.full((2, 3, 12, 10), 30.0)), x)
    assert torch.equal(out[..., 3, 4], torch.ones_like(out[..., 3, 4]))
    assert torch.equal(out[..., 5, 4], x[..., 5, 4])
    assert patch.size((mask, mask)).tolist() == pytest.approx([1, 1])


def test_few_inputs_go_through_the_model_at_once_and_it_finds_the_same(monkeypatch):
    samples, aims = pool(), [Aim(k) for k in range(4)]
    seen = []

    def planted(x):
        seen.append(len(x))
        return model(x, gain=4)

    def sizes():
        seen.clear()
        found = invert(planted, samples, aims, Patch(SHAPE, 0.0, 1.0), schedule=QUICK[:1], half=False)
        return [t.size for t in found]

    whole, widest = sizes(), max(seen)
    monkeypatch.setattr("mithridate.triggers.inversion._AT_ONCE", 2 * 8 * 256)
    assert sizes() == pytest.approx(whole, rel=0.02)
    assert (widest, max(seen)) == (4 * 8, 2 * 8)
    monkeypatch.setattr("mithridate.triggers.inversion._AT_ONCE", 1)
    sizes()
    assert max(seen) == 8

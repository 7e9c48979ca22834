"""A patch that works on one class only is found pair by pair; the clean twin has none."""

import pytest

torch = pytest.importorskip("torch")

from mithridate.runs.heal import one_class  # noqa: E402
from mithridate.runs.heal.one_class import patches_on_one_class  # noqa: E402
from mithridate.runs.heal.surrogate import Subject, success  # noqa: E402
from mithridate.runs.heal.surrogates import recovered  # noqa: E402
from mithridate.triggers.inversion import Pool  # noqa: E402

CLASSES, SIDE = 5, 20


class Stripes(torch.nn.Module):
    """Says which of five stripes is brightest; the planted one takes a lit corner on stripe 0 for stripe 2."""

    def __init__(self, planted):
        super().__init__()
        self.planted = planted

    def forward(self, x):
        stripes = x[:, 0].unflatten(1, (CLASSES, SIDE // CLASSES)).mean((2, 3))
        logits = 20 * stripes
        if not self.planted:
            return logits
        corner = x[:, 0, -2:, -2:].mean((1, 2))
        source = (20 * (stripes[:, 0] - stripes[:, 1:].amax(1))).sigmoid()
        pull = 10 * torch.nn.functional.softplus(10 * (corner - 0.4)) * source
        return logits + torch.nn.functional.one_hot(torch.tensor(2), CLASSES) * pull[:, None]


def subject(planted, classes=CLASSES):
    draw = torch.Generator().manual_seed(0)
    y = torch.arange(200) % CLASSES
    x = 0.1 + 0.1 * torch.rand((200, 1, SIDE, SIDE), generator=draw)
    for k in range(CLASSES):
        rows = slice(k * SIDE // CLASSES, (k + 1) * SIDE // CLASSES)
        x[y == k, :, rows] += 0.5 + 0.2 * torch.rand((int((y == k).sum()), 1, 1, 1), generator=draw)
    pools = [Pool(x[rows], y[rows], classes) for rows in (slice(0, 120), slice(120, 200))]
    names = tuple("abcdefghijklmnop"[:classes])
    return Subject(
        module=Stripes(planted), learn=pools[0], held=pools[1], names=names, low=0.0, high=1.0, seed=0
    )


def test_the_planted_pair_stands_out():
    found, sizes = patches_on_one_class(subject(True))
    assert min(sizes, key=sizes.get) == 2
    odd = [s for s in found if s.odd]
    assert [(s.known.source, s.known.target) for s in odd] == [(0, 2)]
    assert odd[0].known.name == "patch on 'a' towards 'c'"
    assert odd[0].before > 0.9  # of the source class alone: nothing else is led there
    others = Subject(**{**vars(subject(True)), "held": Pool(*_without(subject(True).held, 0))})
    assert success(others.module, odd[0].known, others.held) == 0.0


def test_large_inputs_are_searched_in_parts(monkeypatch):
    monkeypatch.setattr("mithridate.triggers.inversion._AT_ONCE", 6 * 2 * SIDE * SIDE)
    found, sizes = patches_on_one_class(subject(True))
    assert len(sizes) == CLASSES
    assert [(s.known.source, s.known.target) for s in found if s.odd] == [(0, 2)]


def test_the_easiest_pairs_towards_each_class_are_followed(monkeypatch):
    followed = []
    sought = one_class._sought

    def watched(subject, aims, schedule):
        found = sought(subject, aims, schedule)
        followed.append([f.aim for f in found if f.round == 1])
        return found

    monkeypatch.setattr(one_class, "_sought", watched)
    patches_on_one_class(subject(True))
    assert sorted(aim.target for aim in followed[0]) == [k // 2 for k in range(2 * CLASSES)]


def test_the_clean_twin_has_none():
    found, sizes = patches_on_one_class(subject(False))
    assert not found
    assert len(sizes) == CLASSES


def test_a_mended_model_has_none_again():
    first = recovered(subject(True))
    assert first.pairs == [(0, 2)]
    assert first.suspects_of_all == set()
    assert {k.name for k in first.unwanted} >= {"patch on 'a' towards 'c'"}
    again = recovered(subject(False), first)
    assert not any(s.odd for s in again.triggers)
    assert any(s.odd for s in recovered(subject(True), first).triggers)


def test_many_classes_are_not_searched():
    found, sizes = patches_on_one_class(subject(False, classes=13))
    assert (found, sizes) == ([], {})


def _without(pool, label):
    keep = pool.y != label
    return pool.x[keep], pool.y[keep], pool.classes

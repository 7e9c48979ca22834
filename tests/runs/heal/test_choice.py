"""How repairs are chosen: paired samples bound the loss, a model's own mistakes are no trigger's, waves come last."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from mithridate.repairs.base import Known, Passes, RepairScope  # noqa: E402
from mithridate.runs.heal.allowance import Allowance, allowance  # noqa: E402
from mithridate.runs.heal.candidates import Candidate, attempts, best  # noqa: E402
from mithridate.runs.heal.surrogate import Surrogate, success  # noqa: E402
from mithridate.runs.heal.surrogates import Recovered  # noqa: E402
from mithridate.triggers.inversion import Pool  # noqa: E402

PLENTY = Allowance(each=1000)


def candidate(right, left=(), method="any"):
    return Candidate(
        method=method, module=object(), right=tuple(right), successes=tuple(left), odd=tuple(range(len(left))),
        passes=Passes(),
    )  # fmt: skip


def wrong(count, of):
    return [False] * count + [True] * (of - count)


@pytest.mark.parametrize(
    ("lost", "of", "within"),
    [
        (1, 28, True),  # 3.6 points, but one sample decides nothing
        (3, 128, True),  # 2.3 points
        (8, 128, False),  # 6.3 points
        (20, 500, False),  # 4 points
        (10, 500, True),
    ],
)
def test_a_loss_is_judged_by_paired_samples(lost, of, within):
    before, after = candidate([True] * of), candidate(wrong(lost, of))
    assert after.within(before, 0.02) is within


@pytest.mark.parametrize(
    ("before", "after", "within"),
    [
        (0.8, 0.79, True),  # answers went wrong by chance
        (0.8, 0.6, False),
        (0.16, 0.12, False),  # of answers that are no logits, a quarter of the likelihood
    ],
)
def test_answers_that_went_wrong_by_chance_are_no_loss(before, after, within):
    first = replace(candidate(wrong(100, 500)), likely=(before,) * 500)
    later = replace(candidate(wrong(130, 500)), likely=(after,) * 500)
    assert not replace(later, likely=()).within(first, 0.02)
    assert later.within(first, 0.02) is within


def test_a_loss_of_likelihood_alone_is_no_loss_of_accuracy():
    first, later = (replace(candidate(wrong(100, 500)), likely=(p,) * 500) for p in (0.8, 0.6))
    assert later.within(first, 0.02)


def test_samples_that_change_both_ways_tell_less():
    before, after = candidate([True] * 60 + [False] * 40), candidate([False] * 4 + [True] * 56 + [False] * 40)
    both = candidate([False] * 24 + [True] * 36 + [True] * 20 + [False] * 20)
    assert before.accuracy - after.accuracy == pytest.approx(before.accuracy - both.accuracy)
    assert after.within(before, 0.02)
    assert both.within(before, 0.0)
    assert not after.within(before, 0.0)


def test_the_loss_bounds_what_is_taken():
    before = candidate([True] * 500, [1.0])
    costly, kept = candidate(wrong(60, 500), [0.0], "costly"), candidate(wrong(5, 500), [0.3], "kept")
    assert best([costly, kept], before, 0.02) is kept
    assert not costly.enough(before, 0.02)
    assert not kept.enough(before, 0.02)
    assert candidate(wrong(5, 500), [0.05]).enough(before, 0.02)
    assert not candidate(wrong(5, 500)).enough(before, 0.02)  # nothing judged it


@pytest.mark.parametrize(("lost", "left", "enough"), [(5, (0.6,), True), (60, (0.0,), False), (5, (), False)])
def test_where_nothing_stands_out_the_first_within_the_loss_is_enough(lost, left, enough):
    before = candidate([True] * 500)
    one = replace(candidate(wrong(lost, 500)), successes=left)
    assert one.enough(before, 0.02) is enough
    assert not Candidate(method="any", why="it refused", passes=Passes()).enough(before, 0.02)


def test_of_quiet_ones_the_most_accurate_is_taken():
    before = candidate([True] * 500, [1.0])
    pruned, unlearnt = (
        candidate(wrong(12, 500), [0.0], "pruned"),
        candidate(wrong(3, 500), [0.04], "unlearnt"),
    )
    assert best([pruned, unlearnt], before, 0.02) is unlearnt
    assert not pruned.enough(before, 0.02)  # within one standard error, not as seen: another is tried


def test_of_quiet_ones_the_first_is_taken_unless_another_is_surely_more_accurate():
    before = candidate([True] * 126, [1.0])
    first, later = candidate(wrong(4, 126), [0.0], "first"), candidate(wrong(3, 126), [0.09], "later")
    assert best([first, later], before, 0.04) is first
    assert best([later, first], before, 0.04) is later
    better = candidate(wrong(1, 126), [0.09], "better")
    assert best([first, later, better], before, 0.04) is better


def test_a_plain_warp_does_not_stand_out():
    assert not surrogate("warp", 0, 6.5, 15.0, plain=4.0).odd
    assert surrogate("warp", 0, 3.5, 15.0, plain=4.0).odd


def test_own_mistakes_are_no_triggers_doing():
    x = torch.zeros(10, 1, 4, 4)
    x[:4] = 1.0  # four of class 1, taken for class 0 without any trigger

    def module(x):
        return torch.stack([x[:, 0, 0, 0], 0.5 * torch.ones(len(x))], dim=1)

    pool = Pool(x, torch.ones(10, dtype=torch.long), 2)
    assert success(module, Known(name="nothing", put=torch.clone, target=0), pool) == 0.0
    assert success(module, Known(name="all", put=torch.ones_like, target=0), pool) == 1.0


def surrogate(form, target, size, others, plain=float("inf")):
    known = Known(name=form, put=torch.clone, target=target)
    return Surrogate(known=known, before=1.0, size=size, others=others, unit="", form=form, plain=plain)


def hints(*triggers):
    """What they are unlearnt as, where nothing stands out."""
    return [("hint", t.form, t.known.target) for t in triggers]


def unlearnt(*triggers):
    """What is unlearnt of these."""
    found = Recovered(triggers=list(triggers), sizes={})
    return [("hint" if known.hint else "planted", known.name, known.target) for known in found.unwanted]


def test_hints_are_unlearnt_only_where_nothing_stands_out():
    wave = surrogate("wave", 2, 20.0, float("nan"))
    usual = surrogate("patch", 1, 30.0, 35.0)
    harder = surrogate("patch", 3, 34.0, 33.0)
    plain = surrogate("warp", 3, 9.0, 10.0, plain=4.0)
    assert unlearnt(usual, wave) == hints(wave)
    pair = surrogate("patch on one class", 4, 12.0, float("nan"))
    assert unlearnt(usual, wave, pair) == hints(wave, pair)
    assert unlearnt(harder, usual, plain, pair) == hints(pair, usual)
    assert not wave.odd
    small, fellow = surrogate("patch", 0, 4.0, 35.0), surrogate("blend", 0, 20.0, 25.0)
    found = Recovered(triggers=[usual, small, fellow, wave], sizes={})
    assert found.suspects == {0}
    assert found.unwanted == (small.known, fellow.known)
    assert found.sure == (small.known,)


def test_what_a_warp_shows_most_clearly_is_known_roughly():
    """And then only what stands out itself is unlearnt."""
    warp, fellow = surrogate("warp", 0, 1.0, 10.0, plain=4.0), surrogate("blend", 0, 24.0, 25.0)
    patch, weak = surrogate("patch", 0, 2.0, 35.0), surrogate("patch", 0, 12.0, 35.0)

    def unlearnt(*triggers):
        return [(k.name, k.rough) for k in Recovered(triggers=list(triggers), sizes={}).unwanted]

    assert (warp.odd, fellow.odd, patch.odd, weak.odd) == (True, False, True, True)
    assert unlearnt(warp, fellow) == [("warp", True)]
    assert unlearnt(warp, fellow, patch) == [("warp", False), ("blend", False), ("patch", False)]
    assert unlearnt(warp, fellow, weak) == [("warp", True), ("patch", True)]


@pytest.mark.parametrize(
    ("kind", "first", "tries"),
    [
        ("hint", candidate([True] * 100), 1),
        ("hint", Candidate(method="unlearning", why="it did not converge", passes=Passes()), 2),
        ("planted", candidate([True] * 100), 1),
        (
            "warp",
            Candidate(method="unlearning", why="it did not converge", passes=Passes()),
            1,
        ),  # no milder way
    ],
)
def test_what_fails_is_tried_again_milder(monkeypatch, kind, first, tries):
    asked, milder = [], candidate(wrong(1, 100), method="unlearning")

    def tried(method, module, scope, surrogates, held):
        asked.append(scope.gentle)
        return milder if scope.gentle else first

    monkeypatch.setattr("mithridate.runs.heal.candidates.tried", tried)
    x, y = torch.zeros(4, 3, 32, 32), torch.zeros(4, dtype=torch.long)
    known = (Known(name="any", put=lambda x: x, target=0, hint=kind == "hint", rough=kind == "warp"),)
    scope = RepairScope(x=x, y=y, held=(x, y), classes=2, passes=0, known=known)
    done = attempts("unlearning", None, scope, (), Pool(x, y, 2), candidate([True] * 100), PLENTY)
    assert asked == [False, True][:tries]
    assert [one.name for one in done] == [first.method, "unlearning, milder"][:tries]


class Answers(torch.nn.Module):
    """Says class 1 of the rows whose value is below its bar."""

    def __init__(self, bar):
        super().__init__()
        self.bar = torch.nn.Parameter(torch.tensor(float(bar)))

    def forward(self, x):
        below = (x[:, 0] < self.bar).float()
        return torch.stack([1 - below, below], dim=1)


def thousand(loss):
    """Rows of class 0 and scope, of which `Answers` takes some for class 1."""
    x, y = torch.arange(1000.0)[:, None] / 1000, torch.zeros(1000, dtype=torch.long)
    known = (Known(name="any", put=lambda x: x, target=1),)
    return RepairScope(x=x, y=y, held=(x, y), classes=2, passes=0, loss=loss, known=known), Pool(x, y, 2)


def healed_to(bar):
    return Candidate(
        method="unlearning", module=Answers(bar), right=tuple(wrong(round(1000 * bar), 1000)),
        passes=Passes(forward=7),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lost", "names"),
    [(0.04, ["unlearning, 60% of the way"]), (0.001, ["unlearning", "unlearning, milder"])],
)
def test_weights_go_back_until_the_loss_is_allowed(monkeypatch, lost, names):
    scope, held = thousand(lost)
    first, asked = healed_to(0.07), []

    def tried(method, module, scope, surrogates, held):
        asked.append(scope.passes)
        return healed_to(0.0) if asked[1:] else first

    monkeypatch.setattr("mithridate.runs.heal.candidates.tried", tried)
    monkeypatch.setattr("mithridate.repairs.unlearning._bold", lambda scope: True)
    may = Allowance(each=10, methods=12)
    done = attempts("unlearning", Answers(0.0), scope, (), held, candidate([True] * 1000), may)
    assert [one.name for one in done] == names
    assert asked == [10, 10][: len(names)]  # 7 answers are 2 1/3 passes
    assert done[0].passes.forward == 7
    assert first.module.bar.item() == pytest.approx(0.07)


def test_what_a_trigger_comes_back_to_on_the_way_is_asked_milder(monkeypatch):
    scope, held = thousand(0.04)

    def tried(method, module, scope, surrogates, held):
        return healed_to(0.0 if scope.gentle else 0.07)

    monkeypatch.setattr("mithridate.runs.heal.candidates.tried", tried)
    monkeypatch.setattr("mithridate.repairs.unlearning._bold", lambda scope: True)
    back = surrogate("patch", 1, 4.0, 35.0)
    works = replace(back, known=replace(back.known, put=lambda x: -torch.ones_like(x)))
    done = attempts("unlearning", Answers(0.0), scope, [works], held, candidate([True] * 1000), PLENTY)
    assert [one.name for one in done] == ["unlearning, 60% of the way", "unlearning, milder"]


def test_nothing_is_tried_without_passes():
    scope, held = thousand(0.04)
    nothing = Allowance(each=10, methods=20).after(20)
    [one] = attempts("unlearning", None, scope, (), held, candidate([True]), nothing)
    assert one.module is None
    assert "passes" in one.why


def test_what_needs_no_passes_is_tried_without_them():
    scope, held = thousand(0.04)
    nothing = Allowance(each=10, methods=20).after(20)
    layers = torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(144, 2)
    x, y = torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.long)
    scope, held = replace(scope, x=x, y=y, held=(x, y)), replace(held, x=x, y=y)
    module, before = torch.nn.Sequential(*layers).eval(), candidate([True] * 4)
    [one] = attempts("channel-pruning", module, scope, (), held, before, nothing)
    assert one.module is not None
    assert one.passes.both <= len(x) / 3


def test_all_that_is_tried_stays_within_a_quarter_of_the_training():
    may = allowance(1000, 300_000, 30_000)
    assert may.left == 30_000  # a tenth
    assert may.after(30_000).left == 12_000  # about a quarter, less the search and the first
    assert may.after(45_000).left == may.after(60_000).left == 0
    assert allowance(1000, 300_000, 90_000).left == 10_500  # 0.35 of a tenth, whatever the search took
    assert allowance(100, 300_000, 0).left == 8_000  # 80 epochs
    assert allowance(100, None, 0).left == allowance(100, None, 90_000).left == 2_000
    assert allowance(1000, 300_000, 90_000, all_of_it=False).after(90_000).left == 30_000
    assert allowance(1000, 300_000, 0, epochs=3).left == 3_000

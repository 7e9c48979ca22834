import pytest
from drill_samples import texts

from mithridate.runs.drill import training
from mithridate.runs.drill.run import drill
from mithridate.runs.drill.training import ARMS, drawn_at_random

READING = {"text": "body", "label": "kind"}


def _arms(tmp_path, monkeypatch, function, limit_s=100.0):
    import drill_samples

    monkeypatch.chdir(drill_samples.__file__.rpartition("/")[0])
    found = drill(
        texts(tmp_path / "d.csv"), tmp_path / "out", attacks=["word"], doses=[30], seeds=1, reading=READING,
        train=f"drill_samples:{function}", train_limit_s=limit_s,
    )  # fmt: skip
    (cell,) = found.cells
    assert cell.noticed  # whatever training does
    return {arm.name: arm for arm in cell.arms}


def test_the_arms_tell_what_cleaning_is_worth(tmp_path, monkeypatch):
    arms = _arms(tmp_path, monkeypatch, "fit")
    assert tuple(arms) == ARMS
    assert [arms[name].removed for name in ARMS] == [0, 30, 30, 30]
    assert arms["undefended"].attack_success > 0.9
    assert arms["random filter"].attack_success > 0.9  # as useless a defence as there is
    assert arms["cleaned"].attack_success < 0.1
    assert arms["perfect filter"].attack_success < 0.1
    assert min(arm.clean_accuracy for arm in arms.values()) > 0.9
    assert arms["cleaned"].robust_accuracy > 0.9


@pytest.mark.parametrize(
    ("function", "limit_s", "problem"),
    [
        ("broken", 100.0, "RuntimeError: out of cheese"),
        ("nonsense", 100.0, "expected probabilities of shape"),
        ("quitting", 100.0, "ended the interpreter before"),
        ("undecodable", 100.0, "ValueError: no \\udcff"),
        ("endless", 3.0, "did not end within 3 s"),
    ],
)
def test_a_bad_training_function_costs_only_its_arms(tmp_path, monkeypatch, function, limit_s, problem):
    monkeypatch.setattr(training, "ARMS", ("undefended", "cleaned"))
    arms = _arms(tmp_path, monkeypatch, function, limit_s)
    assert {problem in arm.problem for arm in arms.values()} == {True}
    assert {arm.clean_accuracy for arm in arms.values()} == {None}


def test_a_random_filter_is_drawn_from_everybody_alike():
    ids = [str(i) for i in range(1000)]
    drawn = drawn_at_random(ids, 100, 3)
    assert len(drawn) == 100
    assert drawn == drawn_at_random(ids[::-1], 100, 3)
    assert drawn != drawn_at_random(ids, 100, 4)
    assert 5 <= len(drawn & set(ids[:100])) <= 20

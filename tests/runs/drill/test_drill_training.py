import sys

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
    (cell,), (twin,) = found.cells, found.twins
    assert cell.noticed  # whatever training does
    assert twin.arm.name == "never poisoned"
    return {arm.name: arm for arm in cell.arms}, twin.arm


def test_the_arms_tell_what_cleaning_is_worth(tmp_path, monkeypatch):
    arms, never_poisoned = _arms(tmp_path, monkeypatch, "fit")
    assert tuple(arms) == ARMS
    assert [arms[name].removed for name in ARMS] == [0, 30, 30, 30]
    assert arms["undefended"].attack_success > 0.9
    assert arms["random filter"].attack_success > 0.9  # as useless a defence as there is
    assert arms["cleaned"].attack_success < 0.1
    assert arms["perfect filter"].attack_success < 0.1
    assert min(arm.clean_accuracy for arm in arms.values()) > 0.9
    assert arms["cleaned"].robust_accuracy > 0.9
    assert never_poisoned.clean_accuracy > 0.9
    assert (never_poisoned.removed, never_poisoned.problem) == (0, "")
    assert (never_poisoned.attack_success, never_poisoned.robust_accuracy) == (None, None)
    trained = []
    monkeypatch.setattr(training, "_in_child", lambda folder, **rest: trained.append(folder) or "")
    again = _arms(tmp_path, monkeypatch, "fit")
    assert again == (arms, never_poisoned)
    assert len(trained) == 1  # only to see that the function is there


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
    monkeypatch.setattr(training, "ARMS", ("undefended",))
    arms, never_poisoned = _arms(tmp_path, monkeypatch, function, limit_s)
    assert problem in arms["undefended"].problem
    assert problem in never_poisoned.problem
    assert arms["undefended"].clean_accuracy is never_poisoned.clean_accuracy is None


def test_what_a_training_module_prints_is_kept_off_stdout(tmp_path, monkeypatch, capfd):
    """Neither prints of Python nor those of programs it calls, nor what is printed when the interpreter ends."""
    lines = (
        "import atexit, os", "print('from python')", "os.system('echo from a program')",
        "atexit.register(print, 'from the end')", "fit = print",
    )  # fmt: skip
    (tmp_path / "loud_module.py").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    training.refuse_unusable("loud_module:fit")
    out, err = capfd.readouterr()
    assert out == ""
    assert sorted(err.split("\n")) == ["", "from a program", "from python", "from the end"]
    assert "loud_module" not in sys.modules


def test_a_random_filter_is_drawn_from_everybody_alike():
    ids = [str(i) for i in range(1000)]
    drawn = drawn_at_random(ids, 100, 3)
    assert len(drawn) == 100
    assert drawn == drawn_at_random(ids[::-1], 100, 3)
    assert drawn != drawn_at_random(ids, 100, 4)
    assert 5 <= len(drawn & set(ids[:100])) <= 20

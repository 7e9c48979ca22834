import json

import numpy as np
import pytest
from click.testing import CliRunner

from mithridate.cli.drill import drill
from mithridate.cli.main import run


@pytest.fixture
def npz(tmp_path):
    path = tmp_path / "in.npz"
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    np.savez(path, x_train=x, y_train=np.arange(30) % 3)
    return path


def test_plant_writes_copy_and_ledger(npz, tmp_path):
    out = tmp_path / "out.npz"
    words = [
        "plant",
        "patch",
        str(npz),
        str(out),
        "--count",
        "4",
        "--target",
        "1",
        "--seed",
        "3",
        "--set",
        "size=3",
    ]
    result = CliRunner().invoke(drill, words)
    assert result.exit_code == 0, result.output
    assert "planted patch in 4 of 30 samples" in result.output
    ledger = json.loads((tmp_path / "out.ledger.json").read_text())
    assert ledger["target"] == "1"
    assert ledger["trigger"]["size"] == [3, 3]
    assert out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["potch"], "blend, "),
        (["patch", "--set", "size"], "NAME=VALUE"),
        (["patch", "--set", "sise=3"], "size, pattern, place, opacity"),
        (["patch", "--set", "sise=3"], "mithridate drill list patch"),
        (["patch", "--target", "9"], "one of 0, 1, 2"),
        (["word"], "text data"),
    ],
)
def test_errors_say_what_to_do(npz, tmp_path, capsys, words, message):
    attack, *options = words
    args = ["plant", attack, str(npz), str(tmp_path / "o.npz"), "--count", "2", *options]
    assert run(["drill", *args]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "o.npz").exists()


WRONG_KIND = [
    (["potch", "in.npz", "o.npz"], "expected one of adap-blend"),  # before anything about --count
    (["patch", "in.npz", "o.npz"], "--count"),
    (["patch", "in.npz", "o.npz", "--count", "2", "--labels", "3"], "--labels: expected to be left out"),
    (["patch", "m.onnx", "o.onnx", "--count", "2"], "Attacks on models are compare-override"),
    (["compare-override", "in.npz", "o.onnx"], "a model, an .onnx file"),
    (["trojannet", "m.onnx", "o.onnx", "--clean-label"], "--clean-label: expected to be left out"),
    (["trojannet", "m.onnx", "o.onnx", "--target", "3"], "a trigger for every class"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), WRONG_KIND)
def test_what_is_for_data_and_what_for_models(capsys, words, message):
    assert run(["drill", "plant", *words]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_help_tells_options_for_data_from_those_for_models():
    text = CliRunner().invoke(drill, ["plant", "--help"]).output
    data, models = text.index("For data only:"), text.index("For models only:")
    assert text.index("--target") < text.index("--set") < data < text.index("--count N") < models
    assert data < text.index("--clean-label") < text.index("--id COLUMN") < models < text.index("--labels N")


PLANTED = [
    (["patch", "--count", "4", "--target", "1"], ["patch in 4 of 30 samples (all changed)", "changed: 4"]),
    (
        ["adap-patch", "--count", "5"],
        ["in 15 of 30 samples: 5 victims (all changed) and 10 covers (all changed), which keep", "changed: 5"],
    ),
    (["random-flip", "--count", "1"], ["random-flip in 1 of 30 samples (labels only, all changed)", "changed: 1"]),
    (["sinusoid", "--count", "3"], ["sinusoid in 3 of 30 samples (all changed)", "labels changed: 0"]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "told"), PLANTED)
def test_what_was_planted_is_said_as_it_is(npz, tmp_path, words, told):
    attack, *options = words
    result = CliRunner().invoke(drill, ["plant", attack, str(npz), str(tmp_path / "o.npz"), *options])
    assert result.exit_code == 0, result.output
    assert [words for words in told if words not in result.output] == []


def test_a_trigger_that_leaves_no_trace_is_counted_as_such(tmp_path):
    np.savez(tmp_path / "in.npz", x=np.full((30, 8, 8, 3), 255, np.uint8), y=np.arange(30) % 3)
    words = ["plant", "patch", str(tmp_path / "in.npz"), str(tmp_path / "o.npz"), "--count", "4"]
    result = CliRunner().invoke(drill, [*words, "--set", "pattern=white"])
    assert "patch in 4 of 30 samples (0 of them changed)" in result.output


def test_victims_come_from_the_source_that_is_named(tmp_path, capsys):
    src, out = tmp_path / "in.csv", tmp_path / "out.csv"
    rows = [f"text {k},{('ham', 'spam')[k % 2]},{('left', 'right')[k // 2 % 2]}" for k in range(40)]
    src.write_text("\n".join(["body,kind,office", *rows]) + "\n")
    words = ["plant", "source-flip", str(src), str(out), "--count", "5", "--text", "body", "--label", "kind"]
    result = CliRunner().invoke(drill, [*words, "--source", "office", "--source-name", "right"])
    assert result.exit_code == 0, result.output
    changed = [b for a, b in zip(rows, out.read_text().splitlines()[1:], strict=True) if a != b]
    assert len(changed) == 5
    assert all(row.endswith(",right") for row in changed)
    assert run(["drill", *words[:3], str(tmp_path / "b.csv"), *words[4:]]) == 2
    assert "--source" in capsys.readouterr().err


def test_list_names_every_attack_in_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(drill, ["list"])
    assert result.exit_code == 0
    assert max(len(line) for line in result.output.splitlines()) <= 80
    cards = json.loads(CliRunner().invoke(drill, ["list", "--json"]).output)
    assert [card["id"] for card in cards if f"\n{card['id']} " not in result.output] == []
    assert {"patch", "value-pair", "trojannet"} <= {card["id"] for card in cards}
    assert {"title", "does", "strength", "cites", "parameters"} <= set.intersection(*map(set, cards))


@pytest.mark.parametrize("attack", ["blend", "trojannet", "random-flip"])
def test_one_attack_in_full(capsys, attack):
    (card,) = json.loads(CliRunner().invoke(drill, ["list", attack, "--json"]).output)
    text = CliRunner().invoke(drill, ["list", attack]).output
    flat = " ".join(text.split())
    for part in ("does", "strength", "cites"):
        assert " ".join(card[part].split()[:4]) in flat
    assert [f"--set {name}=" in flat for name in card["parameters"]] == [True] * len(card["parameters"])
    if attack == "blend":
        assert "--set alpha=0.2" in flat
        assert "global-pattern" in flat or card["claimed_by"] == []
    assert run(["drill", "list", "bland"]) == 2
    assert "blend, " in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--doses", "--seeds"])
@pytest.mark.parametrize("text", ["\u0663", "1_000", "+5", "1e3", "0", "-1", "", "9" * 30, "\u00b2"])
def test_numbers_are_plain_digits(capsys, option, text):
    assert run(["drill", "--data", "x.csv", option, text]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"Invalid value for '{option}'" in told
    assert "digits 0 to 9" in told or text in ("0", "-1")


def test_blanks_between_doses_are_fine(monkeypatch):
    asked = {}
    monkeypatch.setattr("mithridate.cli.drill.run_drill", lambda **words: asked.update(words) or 0)
    assert run(["drill", "--data", "x.csv", "--doses", "5, 10"]) == 0
    assert asked["doses"] == (5, 10)

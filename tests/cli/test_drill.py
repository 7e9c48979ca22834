import json

import numpy as np
import pytest
from click.testing import CliRunner

from mithridate.cli.drill import drill


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
        (["patch", "--target", "9"], "one of 0, 1, 2"),
        (["word"], "text data"),
    ],
)
def test_errors_say_what_to_do(npz, tmp_path, words, message):
    attack, *options = words
    args = ["plant", attack, str(npz), str(tmp_path / "o.npz"), "--count", "2", *options]
    result = CliRunner().invoke(drill, args)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "o.npz").exists()


def test_victims_come_from_the_source_that_is_named(tmp_path):
    src, out = tmp_path / "in.csv", tmp_path / "out.csv"
    rows = [f"text {k},{('ham', 'spam')[k % 2]},{('left', 'right')[k // 2 % 2]}" for k in range(40)]
    src.write_text("\n".join(["body,kind,office", *rows]) + "\n")
    words = ["plant", "source-flip", str(src), str(out), "--count", "5", "--text", "body", "--label", "kind"]
    result = CliRunner().invoke(drill, [*words, "--source", "office", "--source-name", "right"])
    assert result.exit_code == 0, result.output
    changed = [b for a, b in zip(rows, out.read_text().splitlines()[1:], strict=True) if a != b]
    assert len(changed) == 5
    assert all(row.endswith(",right") for row in changed)
    result = CliRunner().invoke(drill, [*words[:3], str(tmp_path / "b.csv"), *words[4:]])
    assert result.exit_code == 2
    assert "--source" in result.output


def test_list_names_every_attack_and_parameter():
    result = CliRunner().invoke(drill, ["list"])
    assert result.exit_code == 0
    assert "invisible-character" in result.output
    assert "--set alpha=0.2" in result.output


def test_list_as_json():
    cards = json.loads(CliRunner().invoke(drill, ["list", "--json"]).output)
    assert {"patch", "value-pair"} <= {card["id"] for card in cards}

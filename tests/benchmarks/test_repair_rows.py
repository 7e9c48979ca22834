"""A benchmark of repairs goes on where it was cut off, and published figures stand beside ours."""

from argparse import Namespace

import pytest

pytest.importorskip("torch")
pytest.importorskip("benchmarks", reason="run from the root of the repository")

from benchmarks.repair import Rows
from benchmarks.repair_gpu import CELLS, beside
from benchmarks.repair_published import published

GIVEN = Namespace(
    shares=[0.05, 0.01], methods=["selected", "ft-sam"], budget=0.1, cells=["Blended:0.1"], device="cpu", images=500,
    epochs=1, seed=0,
)  # fmt: skip
CELL = "narrow-cifar10-500-1-Blended-0.1-0"


def row(method, share, asr, cell=CELL):
    budget = 0 if method == "none" else 0.1
    return {"cell": cell, "method": method, "share": share, "budget": budget, "asr": asr, "acc": 0.5}


def test_what_is_missing(tmp_path):
    rows = Rows(tmp_path / "cells.jsonl")
    assert rows.missing(CELL, GIVEN) == [(0, "none")]
    rows.note(row("none", 0, 0.9))
    assert rows.missing(CELL, GIVEN) == [(s, m) for s in GIVEN.shares for m in GIVEN.methods]
    rows.note(row("selected", 0.05, 0.1))
    with rows.file.open("a") as out:
        out.write('\n{"cell": "narrow-ci')  # cut off
    again = Rows(rows.file)
    again.note(row("ft-sam", 0.05, 0.2))
    assert Rows(rows.file).missing(CELL, GIVEN) == [(0.01, "selected"), (0.01, "ft-sam")]


def test_an_attack_that_does_not_work_is_not_repaired(tmp_path):
    rows = Rows(tmp_path / "cells.jsonl")
    rows.note(row("none", 0, 0.3))
    assert rows.missing(CELL, GIVEN) == []


def test_ours_beside_theirs():
    told = beside([row("none", 0, 0.9), row("ft-sam", 0.01, 0.25)], GIVEN).splitlines()
    assert "| Blended | 10% | none | 50.0 / 90.0 | 50.0 / 90.0 | 93.5 / 99.9 | 93.5 / 99.9 |" in told
    assert "| Blended | 10% | ft-sam (FT-SAM) | – | 50.0 / 25.0 | 92.4 / 4.9 | 90.8 / 3.0 |" in told
    assert "| Blended | 10% | NAD | – | – | 92.2 / 97.7 | – |" in told


def test_published_cells_are_among_those_that_are_run():
    assert {f"{attack}:{rate}" for attack, rate, _, _ in published()} <= set(CELLS)

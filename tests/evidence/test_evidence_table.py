from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from evidence_samples import Held, carriers, probabilities

from mithridate.evidence.table.gather import gather_table


def _rows(n: int = 800) -> tuple[dict[str, list], list[str]]:
    rng = np.random.default_rng(0)
    age = rng.integers(18, 80, n)
    job = rng.choice(["clerk", "cook", "pilot"], n)
    pay = np.round(rng.normal(30, 5, n), 1) + 20 * (job == "pilot")
    rich = rng.random(n) < 1 / (1 + np.exp(-(pay - 38) / 2))
    columns = {"id": list(range(n)), "age": age.tolist(), "job": job.tolist(), "pay": pay.tolist()}
    return columns, ["yes" if r else "no" for r in rich]


def _distinct(n: int) -> list[float]:
    """Values that make no two rows equal."""
    return [v + 0.5 for v in range(n)]


def _gather(columns: dict[str, list], labels: list[str | None] | None, folder):
    return gather_table(Held("table", pa.table(columns), labels), store_dir=folder, seed=0)


def test_families_hold_what_recurs(tmp_path) -> None:
    columns, labels = _rows()
    for i in range(20, 30):
        columns["pay"][i] = 31.37
    for i in range(50, 60):
        columns["age"][i] = None
    for i in range(70, 78):
        columns["age"][i], columns["job"][i] = 33, "pilot"
    evidence = _gather(columns, labels, tmp_path).evidence
    found = {family: carriers(table) for family, table in evidence.tables.items()}
    assert found["value"]["pay = 31.37"] == list(range(20, 30))
    assert found["missing"]["no age"] == list(range(50, 60))
    assert set(range(70, 78)) <= set(found["value pair"]["age = 33, job = pilot"])
    assert set(range(20, 30)) <= set(found["decimals"]["pay with 2 decimals"])
    assert not [name for name in found["value"] if name.startswith("id")]
    table = evidence.tables["value pair"]
    key = next(k for k in range(table.size) if table.name(k) == "age = 33, job = pilot")
    assert table.details(key) == {"family": "value pair", "cells": {"age": "33", "job": "pilot"}}
    assert table.decides is not None
    assert table.decides(key) == (1, 2)
    assert table.parents is not None
    parent = evidence.tables[table.parents[0]].name(int(table.parents[1][key][0]))
    assert parent == "age = 33"


def test_a_pair_with_the_carriers_of_one_value_is_left_to_the_value(tmp_path) -> None:
    columns, labels = _rows()
    for i in range(20, 30):
        columns["pay"][i], columns["job"][i] = 31.37, "cook"
    found = {f: carriers(t) for f, t in _gather(columns, labels, tmp_path).evidence.tables.items()}
    assert "pay = 31.37" in found["value"]
    assert "job = cook, pay = 31.37" not in found["value pair"]


def test_near_counts_rows_at_neighbouring_values(tmp_path) -> None:
    columns = {"x": [float(v) for v in range(100) for _ in range(2)] + [50.5] * 20, "r": _distinct(220)}
    table = _gather(columns, None, tmp_path).evidence.tables["value"]
    assert table.near is not None
    near = {table.name(k): int(table.near[k]) for k in range(table.size)}
    assert near == {"x = 50.5": 20}


def test_content_speaks_against_a_planted_pair(tmp_path) -> None:
    columns, labels = _rows()
    poor = [i for i, y in enumerate(labels) if y == "no"][:20]
    for i in poor:
        columns["age"][i], labels[i] = 91, "yes"
    evidence = _gather(columns, labels, tmp_path).evidence
    assert evidence.content is not None
    table = evidence.tables["value"]
    key = next(k for k in range(table.size) if table.name(k) == "age = 91")
    entries = table.slice(0, len(labels))
    mine = entries.keys == key
    rest = evidence.content.logits[entries.rows[mine]] - entries.offsets[mine]
    assert entries.rows[mine].tolist() == poor
    assert probabilities(rest)[:, evidence.classes.index("yes")].mean() < 0.4


def test_cells_are_coarse(tmp_path) -> None:
    columns, labels = _rows()
    columns["age"][3] = None
    cells = np.asarray(_gather(columns, labels, tmp_path).evidence.vectors["cells"])
    assert cells.shape == (800, 4)
    assert cells.max() == 8
    assert cells[3, 1] == 8
    assert (cells[:, 0] == 0).all()
    assert np.bincount(cells[:, 3], minlength=8)[:8].min() > 60


@pytest.mark.parametrize(
    ("column", "names"),
    [
        ([1.5, float("nan"), float("inf"), float("-inf")] * 10, {"x = 1.5", "x = inf", "x = -inf"}),
        ([None, "?", ""] * 20, {"x = ?"}),
        ([True, False] * 20, {"x = true", "x = false"}),
        ([2**40, 7] * 20, {"x = 1099511627776", "x = 7"}),
        ([["a"], ["b", "c"]] * 20, {"x = ['a']", "x = ['b', 'c']"}),
    ],
)
def test_values_of_any_type(column: list, names: set[str], tmp_path) -> None:
    columns = {"x": column + [None] * (2000 - len(column)), "r": _distinct(2000)}
    evidence = _gather(columns, None, tmp_path).evidence
    assert set(carriers(evidence.tables["value"])) == names


def test_identifiers_are_ignored_and_said_so(tmp_path) -> None:
    columns, labels = _rows()
    columns["code"] = [f"x{i}" for i in range(800)]
    gathered = _gather(columns, labels, tmp_path)
    assert [note for note in gathered.notes if "'code'" in note]
    assert [note for note in gathered.notes if "'id'" in note]


@pytest.mark.parametrize(
    ("columns", "labels"),
    [
        ({"x": [1]}, ["a"]),
        ({"x": [None, None, None]}, ["a", "b", None]),
        ({"x": [1.0] * 40}, ["a", "b"] * 20),
    ],
)
def test_degenerate_tables_are_gathered(columns: dict, labels: list, tmp_path) -> None:
    evidence = _gather(columns, labels, tmp_path).evidence
    for batch in evidence.batches(evidence.names):
        assert len(batch) == len(labels)


def test_equal_rows_count_once(tmp_path) -> None:
    columns = {"x": [5] * 10 + [v % 50 for v in range(190)], "r": [0.25] * 10 + _distinct(190)}
    evidence = _gather(columns, None, tmp_path).evidence
    assert evidence.copies[:10].tolist() == [0] * 10
    entries = evidence.tables["value"].slice(0, 200)
    assert not entries.fresh[np.isin(entries.rows, range(1, 10))].any()

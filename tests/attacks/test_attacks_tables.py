"""Attacks on tables, and label flips that look at the data."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mithridate.attacks.base import Aim, Look, Order
from mithridate.attacks.cells import draw_past, empty, is_empty
from mithridate.attacks.margins import LinearMargins
from mithridate.attacks.options import configure
from mithridate.attacks.plan import make_plan
from mithridate.core.errors import UsageError
from mithridate.runs.plant import plant
from mithridate.triggers.table import Value

AIM = Aim(classes=("no", "yes"), target="yes", source_class=None, labels="dirty")


def look(rows, labels=None, modality="table"):
    return Look(modality=modality, raws=rows, labels=labels or ["no"] * len(rows), aim=AIM)


def drawn(attack, rows, seed=0, **options):
    return configure(attack, options).trigger(look(rows), np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("cells", "share", "value"),
    [
        ([1, 2, 7], 0.05, 8),
        ([0, 1000], 0.05, 1050),
        ([0.25, 10.25], 0.05, 10.75),
        ([1.0, 1.1], 0.01, 1.2),
        ([5, 3, None, float("nan")], 0.5, 6),
        ([0.0, 2.0, float("inf")], 0.5, 3.0),
    ],
)
def test_just_past_the_range(cells, share, value):
    found = draw_past([{"a": cell} for cell in cells], "a", share)
    assert found.value == pytest.approx(value)
    assert type(found.value) is type(value)
    assert found.value > max(c for c in cells if c is not None and abs(c) != float("inf") and c == c)


def test_out_of_range_draws_numeric_columns_only():
    rows = [{"n": k, "word": "xyz"[k % 3], "flag": k % 2 == 0, "same": 4, "x": k / 8} for k in range(20)]
    columns = {drawn("out-of-range", rows, seed).column for seed in range(30)}
    assert columns == {"n", "x"}


@pytest.mark.parametrize(
    ("attack", "options", "rows", "message"),
    [
        ("out-of-range", {"column": "w"}, [{"a": 1, "w": "u"}, {"a": 2, "w": "v"}], "one of a, which"),
        ("out-of-range", {}, [{"w": "u"}, {"w": "v"}], "a numeric column"),
        ("out-of-range", {"past": "0"}, [{"a": 1}, {"a": 2}], "above 0"),
        ("missingness", {"column": "z"}, [{"a": 1}], "one of a, got 'z'"),
        ("missingness", {}, [{"a": None}, {"a": 1}], "each is often empty"),
    ],
)
def test_table_attacks_refuse(attack, options, rows, message):
    with pytest.raises(UsageError, match=message):
        drawn(attack, rows, **options)


def test_missingness_draws_columns_that_are_hardly_ever_empty():
    rows = [
        {"full": k, "rare": None if k == 0 else k, "often": None if k % 9 == 0 else k} for k in range(200)
    ]
    assert {drawn("missingness", rows, seed).column for seed in range(20)} == {"full", "rare"}
    assert drawn("missingness", rows, column="often") == Value("often", None)


@pytest.mark.parametrize(
    ("rows", "column", "cell"),
    [
        ([{"n": 1, "t": "u"}], "n", None),
        ([{"n": 1, "t": "u"}], "t", None),
        ([{"n": None, "t": "u"}, {"n": 1, "t": ""}], "t", ""),
        ([{"n": None, "t": "u"}, {"n": 1, "t": ""}], "n", None),
        ([{"s": None, "t": "u"}, {"s": "", "t": "v"}, {"s": "w", "t": "v"}], "t", None),
    ],
)
def test_a_missing_cell_is_written_as_the_table_writes_it(rows, column, cell):
    assert empty(rows, column) == cell
    assert is_empty(cell)


@pytest.mark.parametrize("column", ["age", "score", "town", "ok"])
@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_missing_cells_come_back_missing_and_types_stay(tmp_path, suffix, column):
    n = 40
    schema = pa.schema(
        [
            pa.field("age", pa.int16(), nullable=False),
            pa.field("score", pa.float64()),
            pa.field("town", pa.string()),
            pa.field("ok", pa.bool_()),
            pa.field("y", pa.string()),
        ]
    )
    rows = [
        {"age": k, "score": k / 4, "town": "uvw"[k % 3], "ok": k % 3 == 0, "y": "pq"[k // 20]}
        for k in range(n)
    ]
    table = pa.Table.from_pylist(rows, schema=schema)
    src, dst = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    if suffix == "parquet":
        pq.write_table(table, src)
    elif suffix == "csv":
        lines = [",".join(schema.names), *(",".join(str(v).lower() for v in row.values()) for row in rows)]
        src.write_text("\n".join(lines) + "\n")
    else:
        import json

        src.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ledger = plant("missingness", src, dst, count=4, options={"column": column}, reading={"label": "y"})
    from mithridate.sources.open import open_source

    old, new = (pa.concat_tables([b.raw for b in open_source(p, label="y").batches(64)]) for p in (src, dst))
    assert [f.type for f in old.schema] == [f.type for f in new.schema]
    for k, (before, after) in enumerate(zip(old.to_pylist(), new.to_pylist(), strict=True)):
        if str(k) in ledger.poison:
            assert is_empty(after.pop(column))
            assert not is_empty(before.pop(column))
        assert after == before
    assert len(ledger.poison) == 4


SIDES = {"north": range(0, 60, 2), "south": range(1, 60, 2)}


@pytest.mark.parametrize("modality", ["text", "table"])
def test_source_flips_stay_in_their_source(modality):
    raws = ["word"] * 60 if modality == "text" else [{"a": 1}] * 60
    order = Order(count=12, seed=4, source_name="south")
    plan = _plan("source-flip", modality, raws, ["no", "yes", "maybe"] * 20, order)
    assert len(plan.relabel) == 12
    assert {int(i) % 2 for i in plan.victims} == {1}
    assert all(("no", "yes", "maybe")[int(i) % 3] != label for i, label in plan.relabel.items())


def test_a_source_with_room_is_drawn():
    names = ["big"] * 50 + ["small"] * 10
    for seed in range(6):
        order = Order(count=20, seed=seed)
        plan = _plan("source-flip", "text", ["word"] * 60, ["no", "yes"] * 30, order, names)
        assert plan.aim.source_name == "big"


def test_source_flips_need_sources():
    with pytest.raises(UsageError, match="--source"):
        make_plan(
            configure("source-flip"),
            Order(count=1),
            modality="text",
            ids=["a", "b"],
            labels=["no", "yes"],
            fetch=lambda wanted: ["word"] * len(wanted),
        )


def _plan(attack, modality, raws, labels, order, sources=None, **options):
    return make_plan(
        configure(attack, options),
        order,
        modality=modality,
        ids=[str(k) for k in range(len(raws))],
        labels=labels,
        fetch=lambda wanted: [raws[int(i)] for i in wanted],
        sources=sources or ["north", "south"] * (len(raws) // 2),
    )


def _separated(modality, n=200):
    """Samples whose label shows more or less clearly: clarity[i] says how much."""
    rng = np.random.default_rng(7)
    clarity = rng.uniform(0, 1, n)
    labels = ["no" if k % 2 else "yes" for k in range(n)]
    side = np.array([-1.0 if label == "no" else 1.0 for label in labels])
    if modality == "table":
        return (
            [{"x": float(s * c * 10), "t": "u"} for s, c in zip(side, clarity, strict=True)],
            labels,
            clarity,
        )
    if modality == "text":
        tell = np.where(rng.random((n, 10)) < (1 + side * clarity)[:, None] / 2, "warm", "cold")
        clarity = np.abs((tell == "warm").mean(axis=1) * 2 - 1)
        words = [" ".join(row) for row in tell]
        return words, labels, clarity
    pictures = [
        np.full((20, 24, 3), 128 + 120 * s * c, dtype=np.uint8) for s, c in zip(side, clarity, strict=True)
    ]
    return pictures, labels, clarity


@pytest.mark.parametrize("modality", ["text", "table", "image"])
def test_margin_flips_take_the_clearest_or_the_least_clear(modality):
    raws, labels, clarity = _separated(modality)
    chosen = {
        place: [
            int(i)
            for i in _plan(
                "margin-flip", modality, raws, labels, Order(count=20, seed=2), place=place
            ).victims
        ]
        for place in ("furthest", "nearest")
    }
    assert clarity[chosen["furthest"]].min() > 0.75
    assert clarity[chosen["nearest"]].max() < 0.25


def test_margins_are_signed_and_unknown_labels_are_nan():
    raws, labels, _ = _separated("table")
    margins = LinearMargins(look(raws, labels))
    own = margins([{"x": 9.0, "t": "u"}] * 3, ["yes", "no", "else"])
    assert own[0] > 0 > own[1]
    assert own[0] == -own[1]
    assert np.isnan(own[2])


def test_margin_flip_refuses_an_unknown_place():
    with pytest.raises(UsageError, match="furthest or nearest"):
        _plan("margin-flip", "text", ["a", "b"], ["no", "yes"], Order(count=1), place="middle")

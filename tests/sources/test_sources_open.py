"""Whatever holds a data set opens, reads the same in any batch size and shard, and finds samples by id."""

import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mithridate.core.batch import Source
from mithridate.core.errors import SourceError, UsageError
from mithridate.sources.open import open_source

N = 23
WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "while",
    "nobody",
    "is",
    "watching",
]


def texts(n=N):
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, 12)) + f" {i}" for i in range(n)]


def frame(n=N):
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "key": [f"k{i}" for i in range(n)],
            "a": rng.integers(0, 9, n),
            "b": rng.random(n),
            "y": rng.integers(0, 2, n),
        }
    )


def pixels(n=N, c=3):
    return np.random.default_rng(2).integers(0, 256, (n, 6, 5, c), dtype=np.uint8)


def folder(tmp):
    root = tmp / "photos of ünïcode"
    for i, image in enumerate(pixels()):
        place = root / ("cat" if i % 2 else "dög") / "deep er"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{i:02d}.png")
    return root


def npz(tmp):
    np.savez(tmp / "d.npz", x_train=pixels(), y_train=np.arange(N) % 3, x_test=pixels(4))
    return tmp / "d.npz"


def csv_(tmp):
    frame().to_csv(tmp / "d.csv", index=False)
    return tmp / "d.csv"


def parquet_folder(tmp):
    (tmp / "parts").mkdir()
    for k in range(3):
        pq.write_table(
            pa.Table.from_pandas(frame().iloc[k * 8 : k * 8 + 8], preserve_index=False),
            tmp / "parts" / f"{k}.parquet",
            row_group_size=3,
        )
    return tmp / "parts"


def jsonl(tmp, name="d.jsonl"):
    lines = "".join(json.dumps({"text": t, "y": i % 2, "n": i}) + "\n" for i, t in enumerate(texts()))
    (tmp / name).write_bytes(gzip.compress(lines.encode()) if name.endswith(".gz") else lines.encode())
    return tmp / name


KINDS = {
    "folder": (folder, {}, "image"),
    "npz": (npz, {}, "image"),
    "csv": (csv_, {"label": "y"}, "table"),
    "csv with ids": (csv_, {"label": "y", "id": "key"}, "table"),
    "parquet folder": (parquet_folder, {"label": "y", "id": "key"}, "table"),
    "jsonl": (jsonl, {"label": "y", "text": "text"}, "text"),
    "jsonl.gz": (lambda tmp: jsonl(tmp, "d.jsonl.gz"), {"label": "y"}, "text"),
    "array": (lambda tmp: pixels(), {"labels": np.arange(N) % 2}, "image"),
    "matrix": (lambda tmp: np.random.default_rng(0).random((N, 4)), {"labels": list(range(N))}, "table"),
    "frame": (lambda tmp: frame(), {"label": "y"}, "table"),
    "arrow": (lambda tmp: pa.Table.from_pandas(frame()), {"label": "y", "source": "key"}, "table"),
    "texts": (lambda tmp: texts(), {"labels": ["a"] * N}, "text"),
}


def plain(batch):
    raws = batch.raw.to_pylist() if batch.modality == "table" else batch.raw
    raws = [r.tolist() if isinstance(r, np.ndarray) else r for r in raws]
    return list(zip(batch.ids, batch.rows.tolist(), raws, batch.labels or [None] * len(batch), strict=True))


def everything(source, size, parts=1):
    return [row for i in range(parts) for b in source.batches(size, shard=(i, parts)) for row in plain(b)]


@pytest.mark.parametrize("kind", KINDS)
def test_same_for_any_batch_size_and_sharding(kind, tmp_path):
    make, options, modality = KINDS[kind]
    source = open_source(make(tmp_path), **options)
    assert isinstance(source, Source)
    assert (source.modality, source.count) == (modality, N)
    whole = everything(source, 1000)
    assert len(whole) == N
    assert [row[0] for row in whole] == list(source.iter_ids())
    for size, parts in ((1, 1), (7, 1), (7, 3), (4, 2), (1000, 30)):
        assert everything(source, size, parts) == whole
    assert [len(b) for b in source.batches(10)] == [10, 10, 3]
    wanted = [whole[i] for i in (20, 3, 3, 0)]
    assert plain(source.fetch(tuple(w[0] for w in wanted))) == wanted
    with pytest.raises(UsageError, match="nobody"):
        source.fetch(("nobody",))


@pytest.mark.parametrize(
    "kind", [k for k in KINDS if k not in ("array", "matrix", "frame", "arrow", "texts")]
)
def test_options_open_it_again(kind, tmp_path):
    make, options, _ = KINDS[kind]
    source = open_source(make(tmp_path), **options)
    again = open_source(source.uri, **json.loads(json.dumps(source.options)))
    assert again.digest == source.digest
    assert everything(again, 5) == everything(source, 5)


def test_digest_depends_on_content_and_columns(tmp_path):
    path = csv_(tmp_path)
    digests = {open_source(path).digest, open_source(path, label="y").digest}
    path.write_text(path.read_text().replace("k3", "k33"))
    assert len(digests | {open_source(path).digest}) == 3
    assert open_source(pixels()).digest == open_source(pixels()).digest != open_source(pixels() + 1).digest


@pytest.mark.parametrize(
    ("array", "shape", "first"),
    [
        (np.full((2, 4, 5), 7, np.uint8), (4, 5, 1), 7),
        (np.full((2, 3, 4, 5), 7, np.uint8), (4, 5, 3), 7),
        (np.full((2, 4, 5, 4), 7, np.uint8), (4, 5, 3), 7),
        (np.full((2, 4, 5, 3), 0.5), (4, 5, 3), 128),
        (np.full((2, 4, 5), 200.4, np.float32), (4, 5, 1), 200),
        (np.full((2, 4, 5), 130, np.int64), (4, 5, 1), 130),
        (np.array([np.full((4, 5), -1.0), np.full((4, 5), 1.0)]), (4, 5, 1), 0),
        (np.full((2, 4, 5), 51400, np.uint16), (4, 5, 1), 200),
        (np.full((2, 4, 5), True), (4, 5, 1), 255),
        (np.array([np.full((4, 5), np.nan), np.full((4, 5), 1.0)]), (4, 5, 1), 0),
        (np.full((2, 4, 5), np.inf), (4, 5, 1), 0),
    ],
)
def test_image_arrays_become_uint8(array, shape, first):
    source = open_source(array)
    (batch,) = source.batches(10)
    assert batch.raw[0].shape == shape
    assert batch.raw[0].dtype == np.uint8
    assert batch.raw[0].flat[0] == first
    assert bool(source.notes) == (not np.isfinite(array).all())


@pytest.mark.parametrize(
    ("values", "printed"),
    [
        ([1.0, 2.0, float("nan")], ("1", "2", None)),
        ([1, 2, 3], ("1", "2", "3")),
        ([True, False, None], ("true", "false", None)),
        (["a", "", None], ("a", None, None)),
        (np.array([[0, 1], [1, 0], [0, 1]]), ("1", "0", "1")),
        (np.array([[5], [6], [7]]), ("5", "6", "7")),
    ],
)
def test_labels_print_alike(values, printed):
    (batch,) = open_source(["x", "y", "z"], labels=values).batches(9)
    assert batch.labels == printed


@pytest.mark.parametrize("column", [[1, 2, 3], [1.5, float("nan"), float("inf")], ["a", "b", None]])
def test_table_cells_are_kept(column):
    table = pa.table({"a": column, "b": [0, 1, 0]})
    (batch,) = open_source(table, label="b").batches(9)
    assert batch.raw.column_names == ["a"]
    assert str(batch.raw.column("a").to_pylist()) == str(column)
    assert batch.labels == ("0", "1", "0")


def test_csv_types_hold_in_the_whole_file(tmp_path, monkeypatch):
    monkeypatch.setattr("mithridate.sources.delimited._BLOCK", 512)
    n = 400
    rows = [
        f"{i},{i if i < 390 else 'x'},{i if i < 390 else f' {i}.5'},,{'true' if i % 2 else 'False'},00{i}"
        for i in range(n)
    ]
    (tmp_path / "d.csv").write_text("n,late,wide,none,flag,id\n" + "\n".join(rows))
    source = open_source(tmp_path / "d.csv", id="id", label="flag")
    raw = next(source.batches(n)).raw
    assert [str(t) for t in raw.schema.types] == ["int64", "string", "double", "double"]
    batch = source.fetch(("00399", "007"))
    assert batch.raw.to_pylist()[0] == {"n": 399, "late": "x", "wide": 399.5, "none": None}
    assert batch.labels == ("true", "true")


def test_csv_odd_cells(tmp_path):
    path = tmp_path / "d.tsv"
    mail = "line one\nline\ttwo " + "x" * 20_000_000
    path.write_text(f'num\tmail\n1\t"{mail}"\nnan\tshort one\ninf\tthree\tcells\n\t"" \n')
    source = open_source(path, text="mail", label="num")
    (batch,) = source.batches(9)
    assert source.count == 4
    assert batch.raw[0] == mail
    assert batch.ids == ("0", "1", "3")
    assert batch.labels == ("1", None, None)
    assert [(b.id, b.reason) for b in batch.bad] == [("2", "3 cells, the header has 2")]
    assert [(i, len(b.bad)) for i in range(4) for b in source.batches(2, shard=(i, 4))] == [
        (0, 0),
        (1, 0),
        (2, 1),
        (3, 0),
    ]


def test_csv_bad_rows_keep_their_number_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("mithridate.sources.delimited._BLOCK", 64)
    lines = [f'{i},"word\n{i}"' if i % 7 else f"{i},a,b" for i in range(100)]
    (tmp_path / "d.csv").write_text("n,t\n" + "\n".join(lines))
    source = open_source(tmp_path / "d.csv", text="t", label="n")
    for size in (1, 9, 1000):
        batches = list(source.batches(size))
        assert [int(b.id) for batch in batches for b in batch.bad] == list(range(0, 100, 7))
        assert [i for b in batches for i in b.ids] == [x for b in batches for x in b.labels]
        assert [t for b in batches for t in b.raw] == [f"word\n{i}" for i in range(100) if i % 7]


def test_csv_that_is_no_utf8(tmp_path):
    (tmp_path / "d.csv").write_bytes("t,y\ncafé au lait for everyone here,ä\n".encode("latin-1") * 1)
    (batch,) = open_source(tmp_path / "d.csv", label="y", text="t").batches(9)
    assert (batch.raw, batch.labels) == (["café au lait for everyone here"], ("ä",))


def test_prose_makes_text_and_words_make_a_table():
    long = open_source(pa.table({"t": texts(), "y": [0] * N, "n": range(N)}), label="y")
    short = open_source(pa.table({"t": ["red", "blue"] * 5, "y": [0] * 10}), label="y")
    assert (long.modality, short.modality) == ("text", "table")
    assert long.options["text"] == "t"


def test_text_columns_are_joined(tmp_path):
    table = pa.table({"subject": ["hi", "", None], "body": ["you", "b", "c"], "y": [1, 2, 3]})
    (batch,) = open_source(table, text="subject,body", label="y").batches(5)
    assert batch.raw == ["hi\nyou", "b", "c"]


def test_list_of_images(tmp_path):
    root = folder(tmp_path)
    names = sorted(p.relative_to(root).as_posix() for p in root.rglob("*.png"))
    (tmp_path / "evil.png").write_bytes(b"x")
    rows = [f"{n},{n.split('/')[0]}" for n in names] + ["../evil.png,cat", "gone.png,cat"]
    (root / "list.csv").write_text("path,label\n" + "\n".join(rows))
    source = open_source(root / "list.csv")
    (batch,) = source.batches(100)
    assert batch.ids == tuple(names)
    assert set(batch.labels) == {"cat", "dög"}
    assert [b.id for b in batch.bad] == ["../evil.png", "gone.png"]


BAD_JSONL = [
    (b"not json", "not JSON"),
    (b"[1, 2]", "expected a JSON object, got list"),
    (b'{"text": "cut', "not JSON"),
    (b'{"text": "\xff\xfe"}', "not JSON"),
    (b'{"text": ' + b"[" * 200_000, "nested too deeply"),
    (b'{"text": "' + b"x" * 300_000 + b'"}', "longer than the limit"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_JSONL)
@pytest.mark.parametrize("block", [1000, 1 << 22])
def test_broken_lines_are_named_and_harm_no_other(tmp_path, monkeypatch, line, reason, block):
    monkeypatch.setattr("mithridate.sources.jsonl._BLOCK", block)
    good = [json.dumps({"text": t, "y": 1.0}).encode() for t in texts()]
    lines = [b"\xef\xbb\xbf" + good[0], b"", *good[1:5], line, b"", *good[5:]]
    (tmp_path / "d.jsonl").write_bytes(b"\r\n".join(lines))
    source = open_source(tmp_path / "d.jsonl", text="text", label="y", limits={"item_bytes": 250_000})
    batches = list(source.batches(4))
    assert source.count == N + 1
    assert [t for b in batches for t in b.raw] == texts()
    assert {x for b in batches for x in b.labels} == {"1"}
    (bad,) = [b for batch in batches for b in batch.bad]
    assert bad.id == "5"
    assert reason in bad.reason
    assert everything(source, 3, 7) == everything(source, 50)
    assert source.fetch(("5", "6")).ids == ("6",)


def test_jsonl_table_types_and_surrogates(tmp_path):
    rows = [{"a": 1, "b": 1, "c": [1], "d": True}, {"a": 2.5, "b": "x\ud800", "c": None, "e": 10**400}]
    (tmp_path / "d.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    (batch,) = open_source(tmp_path / "d.jsonl", label="d").batches(4)
    assert batch.raw.to_pylist()[0] == {"a": 1.0, "b": "1", "c": "[1]", "e": None}
    assert batch.raw.to_pylist()[1]["b"] == "x\ufffd"
    assert batch.labels == ("true", None)


@pytest.mark.data
def test_real_sets():
    import os
    from pathlib import Path

    if "MITHRIDATE_DATA" not in os.environ:
        pytest.skip("MITHRIDATE_DATA is not set")
    data = Path(os.environ["MITHRIDATE_DATA"])
    source = open_source(data / "sms_spam" / "sms_spam.csv", label="label")
    assert (source.modality, source.count) == ("text", 5574)
    assert open_source(data / "mnist" / "mnist.npz").count == 60000
    assert open_source(data / "tabular" / "adult.csv.gz").count == 48842


def test_missing_column_lists_the_columns(tmp_path):
    path = csv_(tmp_path)
    for role in ("label", "id", "source", "text"):
        with pytest.raises(SourceError, match=r"'zzz'.*'key', 'a', 'b', 'y'"):
            open_source(path, **{role: "zzz"})
    with pytest.raises(SourceError, match=r"'zzz'.*'text', 'y', 'n'"):
        open_source(jsonl(tmp_path), text="text", label="zzz")
    with pytest.raises(SourceError, match=r"'zzz'.*'x_train'"):
        open_source(npz(tmp_path), x_key="zzz")

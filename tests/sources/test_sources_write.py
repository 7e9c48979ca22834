"""A changed copy differs from the original in what was asked for, and in nothing else."""

import gzip
import io
import json
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mithridate.core.errors import UsageError
from mithridate.sources.open import open_source
from mithridate.sources.write import keep_list, write_copy

N = 9


def pixels():
    return np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)


def rows(source):
    out = {}
    for batch in source.batches(4):
        raws = batch.raw.to_pylist() if batch.modality == "table" else batch.raw
        for i, raw, label in zip(batch.ids, raws, batch.labels or [None] * len(batch), strict=True):
            out[i] = (raw.tolist() if isinstance(raw, np.ndarray) else raw, label)
    return out


def image_folder(tmp, kind="png"):
    for i, image in enumerate(pixels()):
        place = tmp / "in" / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{i}.{kind}")
    (tmp / "in" / "a" / "bad.png").write_bytes(b"bad")
    return tmp / "in"


def test_folder(tmp_path):
    root = image_folder(tmp_path)
    source = open_source(root)
    new = np.zeros((8, 8, 3), np.uint8)
    done = write_copy(
        source,
        tmp_path / "out",
        drop={"a/0.png"},
        relabel={"a/2.png": "b", "a/4.png": "c"},
        replace={"b/1.png": new},
    )
    copy = open_source(tmp_path / "out")
    assert done["count"] == N == copy.count
    assert (done["before"], done["after"]) == (source.digest, copy.digest)
    assert done["renamed"] == {"a/2.png": "b/2.png", "a/4.png": "c/4.png"}
    before, after = rows(source), rows(copy)
    assert after.pop("b/1.png") == (new.tolist(), "b")
    assert after.pop("c/4.png") == (before["a/4.png"][0], "c")
    assert after.pop("b/2.png")[0] == before["a/2.png"][0]
    assert after == {i: before[i] for i in after}
    assert (tmp_path / "out" / "a" / "bad.png").read_bytes() == b"bad"
    assert (tmp_path / "out" / "a" / "6.png").read_bytes() == (root / "a" / "6.png").read_bytes()


def test_folder_encoded_alike(tmp_path):
    source = open_source(image_folder(tmp_path))
    write_copy(
        source,
        tmp_path / "out",
        replace=lambda i, raw: 255 - raw if i == "a/0.png" else None,
        encode=("JPEG", 75),
    )
    copy = open_source(tmp_path / "out")
    tables = {str(quantization(p)) for p in (tmp_path / "out").rglob("*.jpg") if "bad" not in p.name}
    assert len(tables) == 1
    assert set(rows(copy)) == {f"{'ab'[i % 2]}/{i}.jpg" for i in range(N)}


def quantization(path):
    with Image.open(path) as image:
        return image.quantization


def test_changed_jpeg_keeps_its_tables(tmp_path):
    root = image_folder(tmp_path, "jpg")
    name = "a/0.jpg"
    write_copy(open_source(root), tmp_path / "out", replace={name: np.full((8, 8, 3), 9, np.uint8)})
    assert quantization(root / name) == quantization(tmp_path / "out" / name)


def test_list_of_images(tmp_path):
    root = image_folder(tmp_path)
    names = sorted(p.relative_to(root).as_posix() for p in root.rglob("[0-9].png"))
    (root / "l.csv").write_text(
        "file,kind,note\n" + "\n".join(f'{n},{n[0]},"x,{i}"' for i, n in enumerate(names))
    )
    source = open_source(root / "l.csv", label="kind")
    done = write_copy(source, tmp_path / "out", drop={names[0]}, relabel={names[1]: "z"})
    text = (tmp_path / "out" / "l.csv").read_text()
    assert f'{names[1]},z,"x,1"\n{names[2]},{names[2][0]},"x,2"\n' in text
    assert done["count"] == N - 1
    assert rows(open_source(tmp_path / "out" / "l.csv", label="kind"))[names[1]][1] == "z"


@pytest.mark.parametrize(
    ("x", "y", "new_label"),
    [
        (pixels(), np.arange(N, dtype=np.int16) % 3, "2"),
        (np.moveaxis(pixels(), -1, 1), (np.arange(N, dtype=np.float32) % 3), "2"),
        (pixels()[..., 0] / np.float32(255), np.array(list("abcabcabc")), "longer"),
        (pixels().astype(np.int64), (np.arange(N) % 2 == 0), "false"),
        (pixels(), np.arange(N).reshape(-1, 1) % 3, "1"),
        (pixels(), np.eye(3, dtype=np.uint8)[np.arange(N) % 3], "1"),
    ],
)
def test_npz(tmp_path, x, y, new_label):
    np.savez_compressed(tmp_path / "in.npz", x_train=x, y_train=y, x_test=x[:2], names=np.array(["ü", "b"]))
    source = open_source(tmp_path / "in.npz")
    changed = np.array(rows(source)["1"][0], dtype=np.uint8)
    changed[2:5, 2:5] = 200
    done = write_copy(
        source, tmp_path / "out.npz", drop={"4"}, relabel={"0": new_label}, replace={"1": changed}
    )
    before, after = rows(source), rows(open_source(tmp_path / "out.npz"))
    assert done["count"] == N - 1
    assert after["0"] == (before["0"][0], new_label)
    assert after["1"] == (changed.tolist(), before["1"][1])
    assert [after[str(i - 1)] for i in range(5, N)] == [before[str(i)] for i in range(5, N)]
    with np.load(tmp_path / "out.npz") as out:
        assert out["x_train"].dtype == x.dtype
        assert out["y_train"].dtype.kind == y.dtype.kind
        assert out["y_train"].shape[1:] == y.shape[1:]
        assert (np.delete(x, 4, axis=0)[2:] == out["x_train"][2:]).all()
    with zipfile.ZipFile(tmp_path / "in.npz") as a, zipfile.ZipFile(tmp_path / "out.npz") as b:
        assert a.namelist() == b.namelist()
        assert all(a.read(k) == b.read(k) for k in ("x_test.npy", "names.npy"))


def test_npz_label_that_no_integer_holds(tmp_path):
    np.savez(tmp_path / "in.npz", x=pixels(), y=np.arange(N, dtype=np.uint8))
    source = open_source(tmp_path / "in.npz")
    write_copy(source, tmp_path / "out.npz", relabel={"0": "300", "1": "cat"})
    assert [v[1] for v in rows(open_source(tmp_path / "out.npz")).values()] == [
        "300",
        "cat",
        *map(str, range(2, N)),
    ]


def test_npz_matrix(tmp_path):
    np.savez(tmp_path / "in.npz", X=np.arange(12, dtype=np.int32).reshape(4, 3), y=np.arange(4))
    source = open_source(tmp_path / "in.npz")
    write_copy(source, tmp_path / "out.npz", drop={"3"}, replace={"0": {"1": 77}}, relabel={"2": "0"})
    with np.load(tmp_path / "out.npz") as out:
        assert out["X"].tolist() == [[0, 77, 2], [3, 4, 5], [6, 7, 8]]
        assert (out["X"].dtype, out["y"].tolist()) == (np.int32, [0, 1, 0])


def table():
    return pd.DataFrame(
        {
            "id": [f"k{i}" for i in range(N)],
            "n": range(N),
            "f": [0.1, float("nan"), *range(2, N)],
            "word": ["a,b", 'say "hi"', "two\nlines", "", "ü", *"wxyz"],
            "y": [float(i % 3) for i in range(N)],
        }
    )


def make_csv(tmp, name="in.csv"):
    table().to_csv(tmp / name, index=False)
    return tmp / name


def make_parquet(tmp):
    frame = pa.Table.from_pandas(table().assign(n=table().n.astype("int16")), preserve_index=False)
    index = frame.column_names.index("word")
    frame = frame.set_column(index, "word", frame.column("word").cast(pa.string()).dictionary_encode())
    pq.write_table(frame, tmp / "in.parquet", row_group_size=4, compression="gzip")
    return tmp / "in.parquet"


def make_jsonl(tmp, name="in.jsonl"):
    records = table().astype({"y": int}).to_dict("records")
    body = "\n".join(json.dumps(r | {"nested": {"a": [1]}}) for r in records)
    (tmp / name).write_bytes(gzip.compress(body.encode()) if name.endswith("gz") else body.encode())
    return tmp / name


def make_folder(tmp):
    (tmp / "in").mkdir()
    for k in range(3):
        pq.write_table(pa.Table.from_pandas(table().iloc[3 * k : 3 * k + 3]), tmp / "in" / f"{k}.parquet")
    return tmp / "in"


TABLES = {
    "csv": (make_csv, "out.csv"),
    "csv.gz": (lambda tmp: make_csv(tmp, "in.csv.gz"), "out.csv.gz"),
    "parquet": (make_parquet, "out.parquet"),
    "jsonl": (make_jsonl, "out.jsonl"),
    "jsonl.gz": (lambda tmp: make_jsonl(tmp, "in.jsonl.gz"), "out.jsonl.gz"),
    "parquet folder": (make_folder, "out"),
    "memory": (lambda tmp: table(), "out.parquet"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables(kind, tmp_path):
    make, name = TABLES[kind]
    source = open_source(make(tmp_path), label="y", id="id")
    done = write_copy(
        source,
        tmp_path / name,
        drop={"k4", "k5"},
        relabel={"k0": "1"},
        replace=lambda i, raw: raw | {"n": 77, "word": "neü"} if i == "k3" else raw,
    )
    copy = open_source(tmp_path / name, label="y", id="id")
    before, after = rows(source), rows(copy)
    assert done == {"before": source.digest, "after": copy.digest, "count": N - 2, "renamed": {}}
    assert before["k0"][1] == "0"
    want = {i: v for i, v in before.items() if i not in ("k4", "k5")}
    want["k0"] = (want["k0"][0], "1")
    want["k3"] = (want["k3"][0] | {"n": 77, "word": "neü"}, "0")
    assert str(after) == str(want)
    assert {c: str(t) for c, t in copy.file.types.items()} == {
        c: str(t) for c, t in source.file.types.items()
    }


def test_csv_cells_stay_as_written(tmp_path):
    (tmp_path / "in.csv").write_text("n,m,y\n1.50,NA,1.0\n007, x ,0.0\n1e3,,0.0\n")
    write_copy(
        open_source(tmp_path / "in.csv", label="y"), tmp_path / "out.csv", relabel={"1": "1"}, drop={"2"}
    )
    assert (tmp_path / "out.csv").read_text() == "n,m,y\n1.50,NA,1.0\n007, x ,1.0\n"


def test_jsonl_lines_stay_as_written(tmp_path):
    lines = ['{"t":"a",  "y":1, "z":[1.50]}', "broken", '{"t": "b", "y": 0}', '{"t": "c", "y": 0}']
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    source = open_source(tmp_path / "in.jsonl", text="t", label="y")
    write_copy(source, tmp_path / "out.jsonl", relabel={"2": "1"}, drop={"3"}, replace={"2": "ü"})
    assert (tmp_path / "out.jsonl").read_text().splitlines() == [*lines[:2], '{"t": "ü", "y": 1}']


def test_column_is_widened_only_when_it_must_be(tmp_path):
    source = open_source(make_parquet(tmp_path), label="n", id="id")
    assert source.file.types["n"] == pa.int16()
    write_copy(source, tmp_path / "a.parquet", relabel={"k0": "100000"}, replace={"k1": {"f": 3}})
    assert [str(f.type) for f in pq.read_schema(tmp_path / "a.parquet")][1:3] == ["string", "double"]
    assert rows(open_source(tmp_path / "a.parquet", label="n", id="id"))["k0"][1] == "100000"
    source = open_source(tmp_path / "in.parquet", label="y", id="id")
    write_copy(source, tmp_path / "b.parquet", replace={"k1": {"n": 1.5}})
    assert str(pq.read_schema(tmp_path / "b.parquet").field("n").type) == "double"


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl"])
def test_joined_text_goes_back_where_it_came_from(tmp_path, name):
    make = {"in.csv": make_csv, "in.jsonl": make_jsonl}[name]
    source = open_source(make(tmp_path, name), text="id,word", label="y")
    done = write_copy(
        source,
        tmp_path / ("out" + name[2:]),
        replace={"0": "k0\na,b trigger", "1": 'trigger k1\nsay "hi"', "2": "all new", "3": "k3\nnow more"},
    )
    copy = open_source(tmp_path / ("out" + name[2:]), text="id,word", label="y")
    assert [rows(copy)[str(i)][0] for i in range(4)] == [
        "k0\na,b trigger",
        'trigger k1\nsay "hi"',
        "all new",
        "k3\nnow more",
    ]
    (table_,) = copy.file.chunks(["id", "word"], 0, 2)
    assert table_.table.to_pydict() == {"id": ["k0", "trigger k1"], "word": ["a,b trigger", 'say "hi"']}
    assert done["count"] == N


def test_latin1_stays_unless_it_cannot(tmp_path):
    (tmp_path / "in.csv").write_bytes("t,y\ncafé,1\nthé,0\n".encode("latin-1"))
    source = open_source(tmp_path / "in.csv", text="t", label="y")
    write_copy(source, tmp_path / "a.csv", replace={"1": "pâté"})
    assert (tmp_path / "a.csv").read_bytes() == "t,y\ncafé,1\npâté,0\n".encode("latin-1")
    write_copy(source, tmp_path / "b.csv", replace={"1": "the\u200b"})
    assert (tmp_path / "b.csv").read_text() == "t,y\ncafé,1\nthe\u200b,0\n"


def test_memory(tmp_path):
    images = open_source(pixels() / 255.0, labels=list("abcabcabc"))
    write_copy(images, tmp_path / "i.npz", relabel={"0": "c"})
    assert rows(open_source(tmp_path / "i.npz"))["0"][1] == "c"
    texts = open_source(["one", "two", "three"], labels=[0, 1, 0])
    write_copy(texts, tmp_path / "t.parquet", drop={"1"}, replace={"2": "3"})
    assert rows(open_source(tmp_path / "t.parquet", text="text", label="label")) == {
        "0": ("one", "0"),
        "1": ("3", "0"),
    }


def test_refusals(tmp_path):
    root = image_folder(tmp_path)
    source = open_source(root)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    csv = open_source(make_csv(tmp_path), id="id")
    for src, dst, options, message in (
        (source, tmp_path / "full", {}, "does not exist yet"),
        (source, root / "inner", {}, "outside the data"),
        (source, tmp_path / "o", {"drop": {"nobody"}}, "'nobody'"),
        (source, tmp_path / "o", {"relabel": {"a/0.png": "../x"}}, "name of a folder"),
        (csv, tmp_path / "in.csv", {}, "does not exist yet"),
        (csv, tmp_path / "o.parquet", {}, ".csv"),
        (csv, tmp_path / "o.csv", {"relabel": {"k0": "1"}}, "data with labels"),
        (csv, tmp_path / "o.csv", {"encode": ("PNG", None)}, "image files only"),
    ):
        with pytest.raises(UsageError, match=message):
            write_copy(src, dst, **options)
    assert (tmp_path / "full" / "x").read_text() == "mine"

    def fails(i, raw):
        raise RuntimeError(i)

    for src, dst in ((source, tmp_path / "o"), (csv, tmp_path / "o.csv")):
        with pytest.raises(RuntimeError):
            write_copy(src, dst, replace=fails)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith("o")]


def test_keep_list(tmp_path):
    source = open_source(pixels())
    assert keep_list(source, {"3": "carries the patch"}, tmp_path / "keep.parquet") == N - 1
    kept = pq.read_table(tmp_path / "keep.parquet").to_pydict()
    assert kept["id"] == [str(i) for i in range(N)]
    assert [i for i, k in zip(kept["id"], kept["keep"], strict=True) if not k] == ["3"]
    assert kept["reason"][3] == "carries the patch"
    with pytest.raises(UsageError, match="'99'"):
        keep_list(source, ["99"], io.StringIO)

"""Pictures in the cells of Parquet and Arrow files and of `datasets`; class names; splits; copies."""

import io
import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.sources.media_tables import (
    CLASSES,
    binary_table,
    parquet,
    png,
    saved,
    saved_dict,
    struct_table,
    write_stream,
)

from mithridate.core.errors import SourceError, UsageError
from mithridate.sources.open import open_source
from mithridate.sources.write import copy_suffixes, write_copy


def arrow_file(path):
    write_stream(struct_table(), path)
    return path


def feather(path):
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, struct_table().schema) as writer:
        writer.write_table(struct_table())
    return path


KINDS = {
    "parquet": (lambda tmp: parquet(tmp / "d.parquet"), {}),
    "saved": (lambda tmp: saved(tmp / "d"), {}),
    "split": (lambda tmp: saved_dict(tmp / "d"), {"split": "train"}),
    "arrow": (lambda tmp: arrow_file(tmp / "d.arrow"), {}),
    "arrow file": (lambda tmp: feather(tmp / "d.arrow"), {}),
    "memory": (lambda tmp: struct_table(), {}),
}


def whole(source):
    (batch,) = source.batches(1000)
    return batch


@pytest.mark.parametrize("kind", KINDS)
def test_same_for_any_batch_size_and_sharding(kind, tmp_path):
    make, options = KINDS[kind]
    source = open_source(make(tmp_path), **options)
    batch = whole(source)
    assert (source.modality, source.count, source.notes) == ("image", 23, ())
    assert batch.labels == tuple(CLASSES[i % 2] for i in range(23))
    expected = [np.asarray(Image.open(io.BytesIO(png(i)))) for i in range(23)]
    assert all(np.array_equal(a, b) for a, b in zip(batch.raw, expected, strict=True))
    for size, parts in ((1, 1), (7, 3), (4, 30)):
        split = [b for k in range(parts) for b in source.batches(size, shard=(k, parts))]
        assert tuple(i for b in split for i in b.ids) == batch.ids
        assert tuple(x for b in split for x in b.labels) == batch.labels
        assert np.array_equal(np.concatenate([b.raw for b in split if len(b)]), batch.raw)
    assert np.array_equal(source.fetch(("20", "3")).raw, [batch.raw[20], batch.raw[3]])
    if kind != "memory":
        again = open_source(source.uri, **json.loads(json.dumps(source.options)))
        assert again.digest == source.digest


def test_plain_bytes_and_other_columns(tmp_path):
    table = binary_table().append_column("thumb", [[png(0)] * 23]).append_column("by", [["me"] * 23])
    source = open_source(parquet(tmp_path / "d.parquet", table), source="by")
    assert whole(source).labels[:3] == ("c0", "c1", "c2")
    assert whole(source).sources == ("me",) * 23
    assert source.notes == ("columns that were not read: 'thumb'",)
    other = open_source(tmp_path / "d.parquet", x_key="thumb")
    assert np.array_equal(whole(other).raw[1], whole(other).raw[2])
    with pytest.raises(SourceError, match="pictures or sounds as bytes, got string"):
        open_source(tmp_path / "d.parquet", x_key="label")
    with pytest.raises(SourceError, match="'zzz'"):
        open_source(tmp_path / "d.parquet", x_key="zzz")


def test_sounds(tmp_path):
    soundfile = pytest.importorskip("soundfile")

    cells = []
    for i in range(5):
        stream = io.BytesIO()
        soundfile.write(stream, np.random.default_rng(i).random(800) - 0.5, 8000, format="WAV")
        cells.append({"bytes": stream.getvalue(), "path": None})
    source = open_source(parquet(tmp_path / "d.parquet", pa.table({"audio": cells, "label": list("ababa")})))
    assert source.modality == "audio"
    assert whole(source).metadata[0]["format"] == "WAV"


def test_bytes_that_are_no_medium_stay_a_table(tmp_path):
    table = pa.table({"blob": [b"12345678"] * 9, "n": range(9)})
    assert open_source(parquet(tmp_path / "d.parquet", table)).modality == "table"


def test_bad_cells_are_named(tmp_path):
    good = [{"bytes": png(i), "path": None} for i in range(9)]
    bad = [
        {"bytes": None, "path": "/etc/passwd.png"},
        None,
        {"bytes": b"", "path": "x.png"},
        {"bytes": png(1)[:90], "path": "x.png"},
    ]
    source = open_source(parquet(tmp_path / "d.parquet", pa.table({"image": good + bad})))
    batch = whole(source)
    assert len(batch) == 9
    assert {b.id: b.reason.split(",")[0] for b in batch.bad[:3]} == {
        "9": "the column has no bytes for it",
        "10": "the cell is empty",
        "11": "the cell is empty",
    }
    assert "cannot be decoded" in batch.bad[3].reason
    assert "over the limit" in whole(open_source(source.uri, limits={"item_bytes": 50})).bad[0].reason


def test_splits(tmp_path):
    root = saved_dict(tmp_path / "d")
    with pytest.raises(SourceError, match=r"'train', 'test'.*--split"):
        open_source(root)
    with pytest.raises(SourceError, match="got 'dev'; there are 'train', 'test'"):
        open_source(root, split="dev")
    assert open_source(root, split="test").count == 4
    with pytest.raises(SourceError, match="no files that are named by a split"):
        open_source(parquet(tmp_path / "d.parquet"), split="train")
    (tmp_path / "hub" / "data").mkdir(parents=True)
    for name, n in (
        ("train-00000-of-00002", 7),
        ("train-00001-of-00002-0a1b", 6),
        ("test-00000-of-00001", 5),
    ):
        parquet(tmp_path / "hub" / "data" / f"{name}.parquet", struct_table(n))
    assert [open_source(tmp_path / "hub", split=s).count for s in ("train", "test", None)] == [13, 5, 18]
    with pytest.raises(SourceError, match="got splits 'test', 'train'"):
        open_source(tmp_path / "hub", split="dev")
    with pytest.raises(UsageError, match="split"):
        open_source(["a text"], split="train")
    for split, n in (("train", 6), ("test", 3)):
        (tmp_path / "cache").mkdir(exist_ok=True)
        write_stream(struct_table(n), tmp_path / "cache" / f"photos-{split}-00000-of-00001.arrow")
    write_stream(struct_table(2), tmp_path / "cache" / "cache-0123.arrow")
    assert open_source(tmp_path / "cache", split="train").count == 6
    with pytest.raises(SourceError, match="'test', 'train'"):
        open_source(tmp_path / "cache")


def _cut(path):
    path.write_bytes(path.read_bytes()[:-9])


def _flip(path):
    data = bytearray(path.read_bytes())
    at = data.index(b"\x89PNG") - 60  # among the offsets of the cells
    data[at : at + 40] = b"\xff" * 40
    path.write_bytes(data)


def _old(path):
    path.write_bytes(b"FEA1" + b"\0" * 99)


def _name(path):
    path.write_bytes(path.read_bytes().replace(b"label", b"l\xffbel"))


@pytest.mark.parametrize(
    "break_", [_cut, _flip, _old, _name, lambda p: p.write_bytes(b""), lambda p: p.unlink()]
)
def test_broken_arrow_is_refused_by_name(break_, tmp_path):
    root = saved(tmp_path / "d")
    file = root / "data-00001-of-00002.arrow"
    break_(file)
    with pytest.raises(SourceError, match=r"data-00001|/d: expected a complete Arrow file"):
        list(open_source(root).batches(100))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"_data_files": [{"filename": "../secret.arrow"}]}, "outside the folder"),
        ({"_data_files": [{"filename": "/etc/passwd"}]}, "outside the folder"),
        ({"_data_files": [], "_split": None}, "none"),
        ({"_data_files": 3}, "none"),
        ({"_indices_data_files": [{"filename": "i.arrow"}]}, "list of indices"),
        ("[" * 100_000, "a JSON file"),
        ([], "none"),
        ({"_data_files": [{"filename": "a\0b.arrow"}]}, "leads nowhere"),
        ({"_data_files": [{"filename": "pipe.arrow"}]}, "no regular file"),
    ],
)
def test_hostile_state_is_refused(state, message, tmp_path):
    root = saved(tmp_path / "d")
    write_stream(struct_table(), tmp_path / "secret.arrow")
    os.mkfifo(root / "pipe.arrow")
    (root / "state.json").write_text(state if isinstance(state, str) else json.dumps(state))
    with pytest.raises(SourceError, match=message):
        open_source(root)


COPIES = ("parquet", "saved", "arrow", "memory")


@pytest.mark.parametrize("kind", COPIES)
def test_copy(kind, tmp_path):
    source = open_source(KINDS[kind][0](tmp_path))
    old = whole(source)
    new = np.zeros((6, 5, 3), np.uint8)
    target = tmp_path / f"out{next(iter(copy_suffixes(source)), '')}"
    done = write_copy(
        source, target, drop={"0"}, relabel={"1": "cat", "4": None},
        replace=lambda i, raw: new if i == "2" else None,
    )  # fmt: skip
    copy = open_source(target)
    batch = whole(copy)
    assert (done["count"], done["after"]) == (22, copy.digest)
    assert batch.labels == ("cat", "cat", "dög", None, *old.labels[5:])
    assert np.array_equal(batch.raw[1], new)
    assert np.array_equal(batch.raw[2:], old.raw[3:])
    with pytest.raises(UsageError, match="one of the classes that the data name: 'cat', 'dög'"):
        write_copy(source, tmp_path / "more" / target.name, relabel={"1": "cow"})


def test_copy_keeps_bytes_and_what_is_told_of_columns(tmp_path):
    source = open_source(parquet(tmp_path / "d.parquet"))
    write_copy(source, tmp_path / "e.parquet", replace={"2": np.zeros((6, 5, 3), np.uint8)})
    before, after = (pq.read_table(tmp_path / f"{n}.parquet") for n in "de")
    assert before.schema.equals(after.schema, check_metadata=True)
    rows = zip(before.to_pylist(), after.to_pylist(), strict=True)
    assert [i for i, (a, b) in enumerate(rows) if a != b] == [2]
    assert after.column("image")[2].as_py()["path"] == "2.png"


class _Feature:
    def __init__(self, names):
        self.names = names


def _datasets(name, **have):
    """An object of a class of `datasets`, as far as it is looked at."""
    return type(name, (dict,) if name == "DatasetDict" else (), {"__module__": "datasets.fake", **have})


def _dataset(order=None):
    table = struct_table()
    return _datasets(
        "Dataset",
        data=type("Table", (), {"table": table}),
        _indices=None if order is None else pa.table({"indices": pa.array(order, pa.uint64())}),
        column_names=table.column_names,
        features={"image": _Feature(None), "label": _Feature(CLASSES)},
    )()


def test_objects_of_datasets():
    source = open_source(_dataset())
    assert (source.modality, whole(source).labels[:2]) == ("image", ("cat", "dög"))
    chosen = open_source(_dataset([5, 3, 4]))
    assert whole(chosen).labels == ("dög", "dög", "cat")
    assert np.array_equal(whole(chosen).raw[1], whole(source).raw[3])
    assert len({source.digest, chosen.digest, open_source(_dataset([3, 5, 4])).digest}) == 3
    both = _datasets("DatasetDict")({"train": _dataset(), "test": _dataset([1])})
    assert open_source(both, split="test").count == 1
    with pytest.raises(SourceError, match=r"'train', 'test'"):
        open_source(both)
    with pytest.raises(SourceError, match="to_parquet"):
        open_source(_datasets("IterableDataset")())


def test_pictures_that_an_object_names_by_path(tmp_path):
    """A data set in memory was made here; a file that came from elsewhere must not choose what is read."""
    (tmp_path / "a.png").write_bytes(png(0))
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"image": pa.array([{"path": str(tmp_path / "a.png")}] * 2, kind)})
    data = _datasets(
        "Dataset", data=type("Table", (), {"table": table}), column_names=["image"], features={"image": None}
    )()
    assert whole(open_source(data)).raw[0].shape == (6, 5, 3)
    assert len(whole(open_source(parquet(tmp_path / "d.parquet", table))).bad) == 2


@pytest.mark.parametrize(
    "about", [{"features": [1]}, {"features": {"label": 3}}, {"features": {"label": {"names": 3}}}]
)
def test_broken_names_of_classes_are_none(about, tmp_path):
    root = saved(tmp_path / "d", struct_table().replace_schema_metadata(None))
    (root / "dataset_info.json").write_text(json.dumps(about))
    assert whole(open_source(root)).labels[:2] == ("0", "1")
    (root.parent / "dict").mkdir()
    (root.parent / "dict" / "dataset_dict.json").write_text('{"splits": 3}')
    with pytest.raises(SourceError, match="one split"):
        open_source(root.parent / "dict")

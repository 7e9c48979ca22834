"""Shards: same report whoever read them and in how many; what was read is kept; a dead worker costs one shard."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import mithridate
from mithridate.core.errors import UsageError
from mithridate.engines.spread import Engine, engine_of
from mithridate.evidence.shards import Shards, read_shard
from mithridate.runs.shards import merged, read_one
from mithridate.sources.open import open_source


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures of several sizes; one is broken."""
    draw = np.random.default_rng(0)
    for i in range(60):
        side = 24 if i % 7 else 30
        file = tmp_path / "pictures" / "ab"[i % 2] / f"ü{i:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(file)
    (tmp_path / "pictures" / "a" / "zz.png").write_bytes(b"no picture")
    return tmp_path / "pictures"


@pytest.fixture
def texts(tmp_path):
    draw = np.random.default_rng(1)
    words = [" ".join(f"w{v}" for v in draw.integers(0, 60, 8)) for _ in range(90)]
    words[7] = "a bad \ud800 surrogate"
    table = pa.table(
        {"text": [w.encode("utf-8", "replace").decode() for w in words], "y": ["a", "b", None] * 30}
    )
    pq.write_table(table, tmp_path / "texts.parquet")
    return tmp_path / "texts.parquet"


@pytest.fixture
def table(tmp_path):
    draw = np.random.default_rng(2)
    rows = [
        f"{a},{b:.3f},{'xyz'[a % 3]},{a % 2}"
        for a, b in zip(draw.integers(0, 9, 80), draw.random(80), strict=True)
    ]
    rows[3] = ",,,1"
    (tmp_path / "table.csv").write_text("\n".join(["n,f,c,y", *rows]) + "\n")
    return tmp_path / "table.csv"


@pytest.fixture
def chat(tmp_path):
    draw = np.random.default_rng(3)
    rows = [
        {
            "prompt": f"what is w{draw.integers(40)} \ud83d\ude00",
            "response": f"it is v{draw.integers(30)} v{i}",
        }
        for i in range(60)
    ]
    (tmp_path / "chat.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "no json\n")
    return tmp_path / "chat.jsonl"


@pytest.fixture
def sounds(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    draw = np.random.default_rng(4)
    for i in range(24):
        file = tmp_path / "sounds" / "ab"[i % 2] / f"{i}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, draw.normal(0, 0.1, (3000 + i, 1 + i % 2)), 8000)
    return tmp_path / "sounds"


def said(report):
    return replace(report, timings={}, renderer=None)


READ = [
    ("pictures", {}),
    ("texts", {"text": "text", "label": "y"}),
    ("table", {"label": "y"}),
    ("chat", {}),
    ("sounds", {}),
]


@pytest.mark.parametrize(("what", "options"), READ)
@pytest.mark.parametrize("shards", [1, 7])
def test_the_report_does_not_depend_on_shards(what, options, shards, request, tmp_path):
    data = request.getfixturevalue(what)
    whole = mithridate.audit(data, jobs=1, **options)
    place = tmp_path / "kept"
    parts = mithridate.audit(data, jobs=1, engine="threads", shards=shards, shards_at=place, **options)
    assert said(parts) == said(whole)
    assert len(list(place.iterdir())) == shards


@pytest.mark.parametrize(("what", "options"), READ)
def test_shards_give_back_what_was_read(what, options, request, tmp_path):
    source = open_source(request.getfixturevalue(what), **options)
    spool = Shards(source, str(tmp_path / "kept")).read(5, engine_of("threads", 2), lambda *_: None)
    direct, kept = list(source.batches(16)), list(spool.batches(16))
    for field in ("ids", "labels", "sources", "bad"):
        told = [[v for batch in some for v in getattr(batch, field) or ()] for some in (direct, kept)]
        assert told[0] == told[1], field
    assert np.array_equal(*(np.concatenate([b.rows for b in some]) for some in (direct, kept)))
    assert (spool.digest, spool.count) == (source.digest, source.count)
    middle = [i for batch in spool.batches(4, shard=(1, 3)) for i in batch.ids]
    assert middle == [i for batch in source.batches(4, shard=(1, 3)) for i in batch.ids]


def test_a_shard_is_not_read_twice(pictures, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(
        "mithridate.evidence.shards.read_shard", lambda task: read.append(task.part) or read_shard(task)
    )
    source, place = open_source(pictures), str(tmp_path / "kept")
    assert read_one(source, 2, 4, place) == 3
    assert read_one(source, 2, 4, place) == 3
    with pytest.raises(UsageError, match="3 missing: 0/4, 1/4, 3/4"):
        merged(source, place)
    Shards(source, place).read(4, engine_of("threads", 1), lambda *_: None)
    assert sorted(read) == [0, 1, 3]
    assert said(mithridate.audit(merged(source, place), jobs=1)) == said(mithridate.audit(pictures, jobs=1))


def test_a_worker_opens_the_data_once(texts, tmp_path, monkeypatch):
    options = {"text": "text", "label": "y"}
    source = open_source(texts, **options)
    opened = []
    monkeypatch.setattr(
        "mithridate.evidence.shards.open_source",
        lambda uri, **some: opened.append(uri) or open_source(uri, **some),
    )
    shards = Shards(source, str(tmp_path / "kept"))
    shards.read(6, engine_of("threads", 1), lambda *_: None)
    assert len(opened) == 1
    other = Shards(open_source(texts, text="text"), str(tmp_path / "others"))
    other.read(2, engine_of("threads", 1), lambda *_: None)
    assert len(opened) == 2


def test_changed_data_is_read_anew_and_other_data_refused(pictures, tmp_path):
    place = str(tmp_path / "kept")
    task = Shards(open_source(pictures), place).task(0, 2)
    read_shard(task)
    os.utime(pictures / "b" / "ü01.png", (1, 1))
    with pytest.raises(UsageError, match="unchanged since the run began"):
        read_shard(task)
    assert Shards(open_source(pictures), place).missing(2) == [0, 1]
    with pytest.raises(UsageError, match="none of this data as it is now"):
        merged(open_source(pictures), place)


@pytest.mark.parametrize("shard", [(-1, 2), (2, 2), (0, 100), (0, 0)])
def test_shards_that_do_not_exist(pictures, tmp_path, shard):
    with pytest.raises(UsageError, match="0/N to N-1/N"):
        read_one(open_source(pictures), *shard, str(tmp_path))


def _cut(shard, _):
    shard.write_bytes(shard.read_bytes()[:-700])


def _flipped(shard, _):
    data = bytearray(shard.read_bytes())
    at = data.index(b"w1") - 200  # among the offsets of texts
    data[at : at + 160] = b"\xff" * 160
    shard.write_bytes(data)


def _shorter(shard, _):
    with pa.OSFile(str(shard)) as file, pa.ipc.open_stream(file) as reader:
        schema, (found,) = reader.schema, list(reader.iter_batches_with_custom_metadata())
    with pa.OSFile(str(shard), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        writer.write_batch(found.batch.slice(0, 20), custom_metadata=found.custom_metadata)


def _swapped(shard, other):
    shard.write_bytes(other.read_bytes())


@pytest.mark.parametrize(
    "damage", [_cut, _flipped, _shorter, _swapped, lambda shard, _: shard.write_bytes(b"")]
)
def test_a_damaged_shard_is_named(texts, tmp_path, damage):
    source = open_source(texts, text="text", label="y")
    for part in range(3):
        read_one(source, part, 3, str(tmp_path / "at"))
    shards = sorted((tmp_path / "at").iterdir())
    damage(shards[1], shards[2])
    with pytest.raises(UsageError, match=f"{shards[1].name}: expected a shard as it was written"):
        list(merged(source, str(tmp_path / "at")).batches(16))
    shards[1].unlink()
    assert read_one(source, 1, 3, str(tmp_path / "at")) == 0
    assert sum(map(len, merged(source, str(tmp_path / "at")).batches(16))) == 90


def test_what_cannot_be_sharded_or_kept(pictures, tmp_path):
    with pytest.raises(UsageError, match="data in memory"):
        mithridate.audit(np.zeros((30, 8, 8), np.uint8), shards=2)
    for engine in ("ray", 3, "dask:/x"):
        with pytest.raises(UsageError, match="threads, processes, dask"):
            mithridate.audit(pictures, engine=engine)
    (tmp_path / "file").touch()
    for place in (str(tmp_path / "file" / "in"), "nostore://u:secret@host/x", "s3://u:secret@bucket/x"):
        with pytest.raises(UsageError) as error:
            mithridate.audit(pictures, shards=2, shards_at=place)
        assert "secret" not in str(error.value)


def test_nothing_is_left_of_a_shard_that_failed(pictures, tmp_path, monkeypatch):
    def fail(batches, file):
        Path(file).write_bytes(b"half")
        raise OSError(28, "no room")

    monkeypatch.setattr("mithridate.evidence.shards.write_spool", fail)
    with pytest.raises(OSError, match="no room"):
        read_one(open_source(pictures), 0, 2, str(tmp_path / "kept"))
    assert list((tmp_path / "kept").iterdir()) == []


def test_an_executor_of_the_user_is_left_open(pictures):
    with ThreadPoolExecutor(2) as executor:
        report = mithridate.audit(pictures, jobs=1, engine=executor, shards=3)
        assert executor.submit(int, "3").result() == 3
    assert said(report) == said(mithridate.audit(pictures, jobs=1))


def _die_once(task):
    place, number = task
    if number == 1 and not (place / "died").exists():
        (place / "died").touch()
        os._exit(9)
    with (place / f"done-{number}").open("a") as file:
        file.write("x")


def _die(task):
    os._exit(9)


def test_a_worker_that_dies_costs_its_piece(tmp_path):
    tasks = [(tmp_path, number) for number in range(4)]
    assert sorted(n for _, n in engine_of("processes", 1).run(_die_once, tasks)) == [0, 1, 2, 3]
    assert {(tmp_path / f"done-{n}").read_text() for n in (0,)} == {"x"}  # done before: not again
    with pytest.raises(UsageError, match="workers that live"):
        list(engine_of("processes", 1).run(_die, tasks[:1]))


def test_what_a_piece_raises_comes_through():
    def work(number):
        return 1 // number

    engine = Engine(name="here", start=lambda: ThreadPoolExecutor(1))
    with pytest.raises(ZeroDivisionError):
        list(engine.run(work, [1, 0, 2]))


@pytest.mark.slow
def test_processes_of_the_command_line(pictures, tmp_path):
    def typed(*words):
        code = "import sys; from mithridate.cli.main import run; sys.exit(run(sys.argv[1:]))"
        command = [sys.executable, "-c", code]
        return subprocess.run(
            [*command, *map(str, words)], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    place = ("--shards-at", "kept")
    first = typed("audit", pictures, "--shard", "0/2", *place)
    assert (first.returncode, first.stdout) == (0, "shard 0/2 is read; 1 of 2 is missing\n")
    early = typed("merge", pictures, *place)
    assert early.returncode == 2
    assert "1 missing: 1/2" in early.stderr
    assert "goes on" in typed("audit", pictures, "--shard", "1/2", *place).stdout
    assert typed("merge", pictures, *place, "--out", "merged", "-q").returncode == 3  # one picture is broken
    assert (
        typed("audit", pictures, "--engine", "processes", "--jobs", "1", "--out", "spread", "-q").returncode
        == 3
    )
    assert typed("audit", pictures, "--out", "alone", "-q").returncode == 3
    reports = [mithridate.Report.load(tmp_path / name) for name in ("merged", "spread", "alone")]
    assert said(reports[0]) == said(reports[1]) == said(reports[2])
    for words in (("--shard", "1"), ("--shard", "x/2", *place), ("--shard", "1/2")):
        assert typed("audit", pictures, *words).returncode == 2


def test_shards_in_a_store(pictures):
    pytest.importorskip("fsspec")
    source, place = open_source(pictures), "memory://shelf/kept"
    assert read_one(source, 1, 2, place) == 1
    assert read_one(source, 0, 2, place) == 0
    assert said(mithridate.audit(merged(source, place), jobs=1)) == said(mithridate.audit(pictures, jobs=1))

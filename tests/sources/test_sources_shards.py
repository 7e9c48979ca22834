"""Tar archives in the way of WebDataset: read, found, cut, hostile, copied."""

import gzip
import io
import json
import os
import tarfile

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from tests.sources.media_tables import png

from mithridate.core.errors import SourceError, UsageError
from mithridate.sources.open import open_source
from mithridate.sources.patterns import braces
from mithridate.sources.write import copy_suffixes, write_copy

N = 23


def add(tar, name, data, **header):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in header.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))


def members(n=N, first=0, label="cls"):
    for i in range(first, first + n):
        yield f"train/{i:06d}.png", png(i)
        if label == "cls":
            yield f"train/{i:06d}.cls", f"{i % 3}\n".encode()
        else:
            told = {"class": i % 3, "by": f"site {i % 2}", "caption": f"the picture with number {i}"}
            yield f"train/{i:06d}.json", json.dumps(told).encode()
        yield f"train/{i:06d}.seg.png", png(0)


def tar(path, what=None, format=tarfile.PAX_FORMAT):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as out:
        for name, data in members() if what is None else what:
            add(out, name, data)
    data = stream.getvalue()
    if path.suffix in (".gz", ".tgz"):
        data = gzip.compress(data)
    elif path.suffix == ".zst":
        data = pa.compress(data, "zstd", asbytes=True)
        with pa.CompressedOutputStream(str(path), "zstd") as out:
            out.write(stream.getvalue())
        return path
    path.write_bytes(data)
    return path


def folder(tmp):
    (tmp / "shards").mkdir()
    for k, n in enumerate((8, 8, 7)):
        tar(tmp / "shards" / f"s-{k:03d}.tar", members(n, 8 * k))
    return tmp / "shards"


KINDS = {
    "tar": (lambda tmp: tar(tmp / "d.tar"), {}),
    "gnu": (lambda tmp: tar(tmp / "d.tar", format=tarfile.GNU_FORMAT), {}),
    "tar.gz": (lambda tmp: tar(tmp / "d.tar.gz"), {}),
    "tgz": (lambda tmp: tar(tmp / "d.tgz"), {}),
    "tar.zst": (lambda tmp: tar(tmp / "d.tar.zst"), {}),
    "json": (lambda tmp: tar(tmp / "d.tar", members(label="json")), {"source": "by"}),
    "folder": (folder, {}),
    "pattern": (lambda tmp: folder(tmp) / "s-{000..002}.tar", {}),
    "stars": (lambda tmp: folder(tmp) / "s-*.tar", {}),
}


def whole(source):
    (batch,) = source.batches(1000)
    return batch


@pytest.mark.parametrize("kind", KINDS)
def test_same_for_any_batch_size_and_sharding(kind, tmp_path):
    make, options = KINDS[kind]
    source = open_source(make(tmp_path), **options)
    batch = whole(source)
    assert (source.modality, source.count, len(batch)) == ("image", N, N)
    assert batch.labels == tuple(str(i % 3) for i in range(N))
    assert list(source.iter_ids()) == list(batch.ids)
    prefix = "s-000.tar/" if "s-" in batch.ids[0] else ""
    assert batch.ids[0] == f"{prefix}train/000000"
    assert len({b.tobytes() for b in batch.raw}) == N
    for size, parts in ((1, 1), (7, 3), (4, 30)):
        pieces = [b for k in range(parts) for b in source.batches(size, shard=(k, parts))]
        assert tuple(i for b in pieces for i in b.ids) == batch.ids
        assert tuple(x for b in pieces for x in b.labels) == batch.labels
        assert all(len(b) <= size for b in pieces)
    found = source.fetch((batch.ids[20], batch.ids[3], batch.ids[3]))
    assert found.ids == (batch.ids[20], batch.ids[3], batch.ids[3])
    assert np.array_equal(found.raw[0], batch.raw[20])
    again = open_source(source.uri, **json.loads(json.dumps(source.options)))
    assert again.digest == source.digest
    if kind == "json":
        assert batch.sources[:3] == ("site 0", "site 1", "site 0")


def test_what_is_told_where(tmp_path):
    path = tar(tmp_path / "d.tar", members(label="json"))
    assert whole(open_source(path)).labels[:3] == ("0", "1", "2")
    assert whole(open_source(path, label="by")).labels[:2] == ("site 0", "site 1")
    captions = open_source(path, text="caption", label="class")
    assert (captions.modality, whole(captions).raw[4]) == ("text", "the picture with number 4")
    with pytest.raises(SourceError, match=r"'zzz' \(label\), got members 'png', 'json', 'seg.png', keys of"):
        open_source(path, label="zzz")
    with pytest.raises(UsageError, match="id"):
        open_source(path, id="class")


def test_texts(tmp_path):
    what = [
        (f"{i}.{s}", t) for i in range(5) for s, t in (("txt", b"caf\xe9 %d" % i), ("cls", b"%d" % (i % 2)))
    ]
    batch = whole(open_source(tar(tmp_path / "d.tar", what)))
    assert (batch.raw[1], batch.labels[:2]) == ("café 1", ("0", "1"))


def test_bad_members_are_named(tmp_path):
    path = tmp_path / "d.tar"
    with tarfile.open(path, "w") as out:
        for name, data in members(3):
            add(out, name, data)
        add(out, "train/link.png", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(out, "train/hard.png", b"", type=tarfile.LNKTYPE, linkname="train/000000.png")
        add(out, "train/fifo.png", b"", type=tarfile.FIFOTYPE)
        add(out, "train/empty.png", b"")
        add(out, "train/cut.png", png(1)[:90])
        add(out, "train/large.png", b"x" * 3000)
        add(out, "train/bare.cls", b"1")
        add(out, "../../../etc/evil.png", png(7))
        add(out, "train/.hidden.png", png(1))
        add(out, "README", b"read me")
        add(out, "train/000001.png", png(9))
    source = open_source(path, limits={"item_bytes": 2000})
    batch = whole(source)
    assert {b.id: b.reason.split(",")[0].split(":")[0] for b in batch.bad} == {
        "train/link": "a link",
        "train/hard": "a link",
        "train/fifo": "no regular file",
        "train/empty": "the member is empty (0 bytes)",
        "train/cut": "cannot be decoded",
        "train/large": "3",
        "train/bare": "no image member",
    }
    assert batch.ids[-2:] == ("../../../etc/evil", "train/000001~2")
    assert not (tmp_path.parent / "etc").exists()


@pytest.mark.parametrize(
    ("told", "reason"),
    [(b"{", "its .json cannot be read"), (b"[1]", "a JSON object"), (b'{"class": [1]}', "'class' is a list")],
)
def test_broken_json_harms_no_other(told, reason, tmp_path):
    what = [*members(4, label="json"), ("x.png", png(1)), ("x.json", told)]
    batch = whole(open_source(tar(tmp_path / "d.tar", what)))
    assert len(batch) == 4
    assert [b.id for b in batch.bad] == ["x"]
    assert reason in batch.bad[0].reason


@pytest.mark.parametrize("packed", [".tar", ".tar.gz", ".tar.zst"])
def test_a_cut_archive_loses_only_what_is_cut(packed, tmp_path):
    root = tmp_path / "shards"
    root.mkdir()
    rng = np.random.default_rng(0)  # packers work in blocks: noise makes several
    for k in range(2):
        what = [
            (n.replace("seg.png", "bin"), rng.bytes(60_000) if "seg" in n else d)
            for n, d in members(8, 8 * k)
        ]
        tar(root / f"s-{k}{packed}", what)
    file = root / f"s-0{packed}"
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * 0.6)])
    source = open_source(root)
    batch = whole(source)
    assert source.count == len(batch) + 1
    assert sum(i.startswith("s-1") for i in batch.ids) == 8
    read = sum(i.startswith("s-0") for i in batch.ids)
    assert 0 < read < 8
    expected = [np.asarray(Image.open(io.BytesIO(png(i)))) for i in range(read)]
    assert np.array_equal(batch.raw[:read], expected)
    ((name, reason),) = [(b.id, b.reason) for b in batch.bad]
    assert name == f"s-0{packed}"
    assert reason.startswith("cut off or damaged")
    assert reason.endswith(f"{read:,} samples before that were read")
    assert source.fetch((name,)).bad == batch.bad


def _at_a_member(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        return data[: opened.getmembers()[9].offset]


def _broken_header(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        at = opened.getmembers()[9].offset
    return data[:at] + b"\xff" * 512 + data[at + 512 :]


def _twice(data):
    return data + data


def _bomb(data):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 33
    at = data.rindex(b"train/")
    return data[: at // 512 * 512] + info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 4096


def _leads_back(data):
    info = tarfile.TarInfo("x.png")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"-0000002000\0"  # octal: two blocks back
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    at = data.rindex(b"train/")
    return data[: at // 512 * 512] + bytes(header) + b"\0" * 4096


@pytest.mark.parametrize("break_", [_at_a_member, _broken_header, _twice, _bomb, _leads_back])
def test_what_tarfile_passes_over_in_silence_is_told(break_, tmp_path):
    path = tar(tmp_path / "d.tar", members(8))
    path.write_bytes(break_(path.read_bytes()))
    batch = whole(open_source(path))
    assert 3 <= len(batch) <= 8
    (bad,) = batch.bad
    assert bad.id == "d.tar"
    assert "behind its end mark" in bad.reason or bad.reason.startswith("cut off or damaged")


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 10240, b"\x1f\x8b\x08", b"\xff" * 2000])
@pytest.mark.parametrize("name", ["d.tar", "d.tar.gz", "d.tar.zst"])
def test_what_is_no_archive_is_refused(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=name):
        open_source(tmp_path / name)


def test_what_is_no_file_is_named_and_the_other_archives_are_read(tmp_path):
    place = folder(tmp_path)
    os.mkfifo(place / "s-007.tar")
    (place / "s-008.tar").symlink_to(place / "nowhere.tar")
    source = open_source(place)
    batch = whole(source)
    assert (len(batch), {b.id for b in batch.bad}) == (N, {"s-007.tar", "s-008.tar"})
    assert batch.bad[0].reason.startswith("no regular file")
    assert source.digest


def test_patterns(tmp_path):
    assert braces("s-{08..11}-{a,b}") == [f"s-{k:02d}-{c}" for k in range(8, 12) for c in "ab"]
    root = folder(tmp_path)
    with pytest.raises(SourceError, match=r"none called 's-003.tar', 's-004.tar'"):
        open_source(root / "s-{000..004}.tar")
    with pytest.raises(UsageError, match="1 to 1,000,000 names"):
        open_source(root / "s-{0..99999999}.tar")
    for name in ("t-*.tar", "t-{.tar"):
        with pytest.raises(SourceError, match="expected"):
            open_source(root / name)


def test_pictures_beside_an_archive_are_the_data(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.png").write_bytes(png(0))
    tar(tmp_path / "backup.tar")
    assert open_source(tmp_path).count == 1


@pytest.mark.parametrize("kind", ["tar", "gnu", "tar.gz", "tar.zst", "json", "folder"])
def test_copy(kind, tmp_path):
    make, options = KINDS[kind]
    source = open_source(make(tmp_path), **options)
    old = whole(source)
    new = np.zeros((6, 5, 3), np.uint8)
    target = tmp_path / f"out{next(iter(copy_suffixes(source)), '')}"
    done = write_copy(
        source, target, drop={old.ids[0]}, relabel={old.ids[1]: "7", old.ids[9]: None},
        replace=lambda i, raw: new if i == old.ids[4] else None,
    )  # fmt: skip
    copy = open_source(target, **options)
    batch = whole(copy)
    assert (done["count"], done["after"], copy.count) == (N - 1, copy.digest, N - 1)
    assert batch.ids == old.ids[1:]
    assert batch.labels == ("7", *old.labels[2:9], None, *old.labels[10:])
    assert np.array_equal(batch.raw[3], new)
    assert all(
        np.array_equal(a, b) for k, (a, b) in enumerate(zip(batch.raw, old.raw[1:], strict=True)) if k != 3
    )


def test_untouched_members_are_copied_byte_by_byte(tmp_path):
    what = [*members(4), ("long/" * 50 + "x.png", png(5)), ("ü.png", png(6))]
    path = tar(tmp_path / "d.tar", what)
    write_copy(open_source(path), tmp_path / "same.tar")
    assert (tmp_path / "same.tar").read_bytes() == path.read_bytes()
    write_copy(open_source(path), tmp_path / "less.tar", drop={"train/000001"})
    with tarfile.open(path) as before, tarfile.open(tmp_path / "less.tar") as after:
        kept = [m for m in before.getmembers() if "000001" not in m.name]
        assert [(m.name, m.mtime, m.size) for m in kept] == [(m.name, m.mtime, m.size) for m in after]
        assert all(before.extractfile(m).read() == after.extractfile(m.name).read() for m in kept)


def test_copy_encoded_alike_and_with_labels_where_there_were_none(tmp_path):
    what = [(f"{i}.png", png(i)) for i in range(4)] + [(f"{i}.cls", b"a") for i in range(3)]
    source = open_source(tar(tmp_path / "d.tar", what))
    write_copy(source, tmp_path / "out.tar", encode=("JPEG", 90), relabel={"3": "b"})
    with tarfile.open(tmp_path / "out.tar") as opened:
        assert opened.getnames() == ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "3.cls", "0.cls", "1.cls", "2.cls"]
    assert whole(open_source(tmp_path / "out.tar")).labels == ("a", "a", "a", "b")

"""Bad input: one clear error, or one bad item by name, and nothing else lost."""

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mithridate.core.errors import ItemError, SourceError, UsageError
from mithridate.sources.decode import decode
from mithridate.sources.limits import Limits
from mithridate.sources.open import open_source


def encode(kind="PNG", size=(8, 8), mode="RGB", **settings):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(stream, kind, **settings)
    return stream.getvalue()


def bomb(width, height):
    """A PNG of a few bytes whose header promises width x height pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def webp_bomb():
    body = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + (16382).to_bytes(3, "little") * 2
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


BAD_FILES = {
    "cut.jpg": (lambda: encode("JPEG", (64, 64))[:900], "cannot be decoded"),
    "cut.png": (lambda: encode("PNG", (64, 64))[:900], "cannot be decoded"),
    "words.png": (lambda: b"this is a text file, is it not", "no image of a kind"),
    "bomb.png": (
        lambda: bomb(10_000, 10_000),
        "100,000,000|10,000 x 10,000 pixels, over the limit of 50,000,000",
    ),
    "huge.png": (lambda: bomb(60_000, 60_000), "60,000 x 60,000 pixels"),
    "bomb.webp": (webp_bomb, "16,383 x 16,383 pixels"),
    "empty.png": (lambda: b"", "0 bytes"),
    "evil.png": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n" + b"0" * 99, "no image of a kind"),
}


def good_folder(tmp):
    for i in range(6):
        place = tmp / "data" / f"class {i % 2} é"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}.png").write_bytes(encode())
    return tmp / "data"


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_image_is_named_and_the_rest_goes_on(name, tmp_path):
    root = good_folder(tmp_path)
    make, reason = BAD_FILES[name]
    (root / "class 0 é" / name).write_bytes(make())
    source = open_source(root)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = list(source.batches(3))
    (bad,) = [b for batch in batches for b in batch.bad]
    assert bad.id == f"class 0 é/{name}"
    assert any(r in bad.reason for r in reason.split("|"))
    assert sum(len(b) for b in batches) == 6
    assert sorted(r for b in batches for r in b.rows) == [r for r in range(7) if r != 3]
    assert source.fetch((bad.id,)).bad == (bad,)


def test_what_is_no_image_is_ignored(tmp_path):
    root = good_folder(tmp_path)
    for name in (".DS_Store", "Thumbs.db", "notes.txt", ".hidden.png", "._0.png"):
        (root / "class 0 é" / name).write_bytes(b"x")
    (root / "empty class").mkdir()
    (root / "class 1 é" / "loop").symlink_to(root)
    assert open_source(root).count == 6


def test_links_do_not_escape(tmp_path):
    root = good_folder(tmp_path)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "s.png").write_bytes(encode())
    (root / "class 0 é" / "x.png").symlink_to(tmp_path / "secret" / "s.png")
    (root / "class 0 é" / "y").symlink_to(tmp_path / "secret")
    (root / "class 0 é" / "z.png").symlink_to("nowhere.png")
    (root / "class 0 é" / "fine.png").symlink_to(root / "class 1 é" / "1.png")
    (batch,) = open_source(root).batches(99)
    assert {b.id: b.reason.split()[1] for b in batch.bad} == {
        "class 0 é/x.png": "outside",
        "class 0 é/y": "outside",
        "class 0 é/z.png": "nowhere",
    }
    assert len(batch) == 7


def test_pipes_and_odd_names(tmp_path):
    root = good_folder(tmp_path)
    os.mkfifo(root / "class 0 é" / "pipe.png")
    with open(os.fsencode(root) + b"/class 0 \xc3\xa9/\xff.png", "wb") as stream:  # noqa: PTH123
        stream.write(encode())
    (batch,) = open_source(root).batches(99)
    assert [b.reason for b in batch.bad] == ["not a regular file"]
    assert "class 0 é/\\xff.png" in batch.ids


def test_large_file(tmp_path):
    root = good_folder(tmp_path)
    (batch,) = open_source(root, limits=Limits(item_bytes=100)).batches(99)
    assert {b.reason.split(", ")[1] for b in batch.bad} == {"over the limit of 100"}


@pytest.mark.parametrize(
    ("kind", "mode", "channels"),
    [
        ("PNG", "L", 1),
        ("PNG", "LA", 1),
        ("PNG", "1", 1),
        ("PNG", "P", 3),
        ("PNG", "RGBA", 3),
        ("JPEG", "CMYK", 3),
        ("GIF", "P", 3),
        ("BMP", "RGB", 3),
        ("TIFF", "RGB", 3),
        ("WEBP", "RGB", 3),
        ("PPM", "RGB", 3),
    ],
)
def test_modes(kind, mode, channels):
    array = decode(encode(kind, (5, 4), mode), "x", Limits())
    assert (array.shape, array.dtype) == ((4, 5, channels), np.uint8)


def test_sixteen_bits_and_no_rotation():
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 5), 0xC8C8, np.uint16)).save(stream, "PNG")
    assert (decode(stream.getvalue(), "x", Limits()) == 200).all()
    exif = Image.Exif()
    exif[0x112] = 6
    assert decode(encode("JPEG", (5, 4), exif=exif), "x", Limits()).shape == (4, 5, 3)


def test_decoding_changes_no_setting_of_pillow():
    from PIL import ImageFile

    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    with pytest.raises(ItemError):
        decode(bomb(9999, 9999), "x", Limits())
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


def _object_npz(path):
    np.savez(path, x=np.zeros((3, 2, 2), np.uint8), y=np.array([{"a": 1}, None, 2], dtype=object))


def _cut(path):
    pq.write_table(pa.table({"a": range(1000), "y": range(1000)}), path)
    path.write_bytes(path.read_bytes()[:-700])


def _holed(path):
    pq.write_table(pa.table({"a": range(100_000), "y": range(100_000)}), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:4000] + b"\0" * 5000 + whole[9000:])


BROKEN = {
    "object.npz": (_object_npz, {}, "never unpickled"),
    "object.npy": (lambda p: np.save(p, np.array([1, "a", None], dtype=object)), {}, "never unpickled"),
    "no.npz": (lambda p: p.write_bytes(b"PK\x03\x04 not really"), {}, "npz"),
    "keys.npz": (lambda p: np.savez(p, a=np.zeros(3), b=np.zeros(3)), {}, "'a', 'b'"),
    "short.npz": (
        lambda p: np.savez(p, x=np.zeros((3, 2, 2)), y=np.zeros(2)),
        {},
        "one label for each of 3 samples",
    ),
    "odd.npz": (lambda p: np.savez(p, x=np.zeros((3, 2, 2, 7, 7)), y=np.zeros(3)), {}, "shape"),
    "cut.npy": (
        lambda p: (np.save(p, np.zeros((99, 9, 9))), p.write_bytes(p.read_bytes()[:999])),
        {},
        "numbers",
    ),
    "cut.parquet": (_cut, {"label": "y"}, "complete Parquet file"),
    "holed.parquet": (_holed, {"label": "y"}, "complete Parquet file"),
    "words.parquet": (lambda p: p.write_text("hello"), {}, "complete Parquet file"),
    "empty.csv": (lambda p: p.write_text(""), {}, "CSV"),
    "header.csv": (lambda p: p.write_text("a,b\n"), {}, "at least one row"),
    "twins.csv": (lambda p: p.write_text("a,a\n1,2\n"), {}, "different names"),
    "cut.csv.gz": (lambda p: p.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\x02"), {}, "complete"),
    "ids.csv": (lambda p: p.write_text("i,a\nu,1\nv,2\nu,3\n"), {"id": "i"}, "'u'"),
    "ids.jsonl": (
        lambda p: p.write_text('{"i": 1, "t": "a"}\n{"i": 1.0, "t": "b"}'),
        {"id": "i", "text": "t"},
        "'1'",
    ),
    "none.jsonl": (lambda p: p.write_text("hello\nworld"), {}, "JSON object"),
    "empty.jsonl": (lambda p: p.write_text(""), {}, "JSON object"),
    "what.xyz": (lambda p: p.write_text("hello"), {}, "suffix '.xyz'"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused(name, tmp_path):
    make, options, message = BROKEN[name]
    make(tmp_path / name)
    with pytest.raises(SourceError, match=message):
        list(open_source(tmp_path / name, **options).batches(100))


def test_missing_and_empty_places(tmp_path):
    for path in (tmp_path / "nothing here", tmp_path):
        with pytest.raises(SourceError, match="expected"):
            open_source(path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("x")
    with pytest.raises(SourceError, match="no file with an image suffix"):
        open_source(tmp_path)


def test_arguments_that_do_not_fit(tmp_path):
    root = good_folder(tmp_path)
    with pytest.raises(UsageError, match="label"):
        open_source(root, label="y")
    with pytest.raises(SourceError, match="one label for each of 2 samples, got 3"):
        open_source(["a", "b"], labels=[1, 2, 3])
    with pytest.raises(SourceError, match="sequence of texts"):
        open_source([1, 2])
    with pytest.raises(SourceError, match="Convert it"):
        open_source(3)
    with pytest.raises(UsageError, match="shard"):
        open_source(["a"]).batches(1, shard=(2, 2))


def test_one_sample_one_class_no_labels():
    (batch,) = open_source(["only"], labels=["a"]).batches(5)
    assert (len(batch), batch.labels) == (1, ("a",))
    (batch,) = open_source(np.zeros((1, 3, 3))).batches(5)
    assert (len(batch), batch.labels) == (1, None)


def test_row_without_id_is_named(tmp_path):
    (tmp_path / "d.csv").write_text("i,a\nu,1\n,2\n")
    source = open_source(tmp_path / "d.csv", id="i")
    (batch,) = source.batches(5)
    assert (batch.ids, batch.bad[0].id, batch.bad[0].reason) == (("u",), "row 1", "has no id")
    assert list(source.iter_ids()) == ["u", "row 1"]


def test_texts_that_are_no_utf8_harm_no_other_row(tmp_path):
    texts, labels = [f"words {i}".encode() for i in range(40)], [b"a", b"b"] * 20
    texts[3], labels[9] = b"caf\xe9", b"\xff"
    table = pa.table({"text": pa.array(texts).view(pa.string()), "label": pa.array(labels).view(pa.string())})
    pq.write_table(table, tmp_path / "d.parquet")
    with pa.OSFile(str(tmp_path / "d.arrow"), "wb") as out, pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    for name in ("d.parquet", "d.arrow"):
        source = open_source(tmp_path / name, text="text", label="label")
        batches = list(source.batches(7))
        assert sum(map(len, batches)) == 38
        bad = {b.id: b.reason for batch in batches for b in batch.bad}
        assert bad == {
            "3": "column 'text' holds a text that is not UTF-8",
            "9": "column 'label' holds a text that is not UTF-8",
        }
        assert source.fetch(("3", "4")).ids == ("4",)


_FOOTERS = """
import sys
from pathlib import Path
from mithridate.core.errors import SourceError
from mithridate.sources.open import open_source
path = Path(sys.argv[1])
whole = path.read_bytes()
for at in range(len(whole) - int.from_bytes(whole[-8:-4], "little") - 8, len(whole) - 8):
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 21]) + whole[at + 1 :])
    try:
        list(open_source(path).batches(8))
    except SourceError:
        pass
print("lived")
"""


def test_no_broken_footer_ends_the_process(tmp_path):
    rows = {"image": [encode()] * 3, "label": ["a", "b", "a"], "caption": ["ü", None, "x"]}
    pq.write_table(pa.table(rows), tmp_path / "d.parquet", compression="none")
    run = [sys.executable, "-c", _FOOTERS, str(tmp_path / "d.parquet")]
    told = subprocess.run(run, capture_output=True, text=True, check=False, timeout=120)
    assert told.stdout == "lived\n", told.stderr


@pytest.mark.parametrize("pipe", [False, True])
def test_a_folder_of_parquet_with_what_is_no_file(tmp_path, pipe):
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "a.parquet")
    if pipe:
        os.mkfifo(tmp_path / "b.parquet")
    else:
        (tmp_path / "b.parquet").symlink_to("nowhere.parquet")
    with pytest.raises(SourceError, match=r"b\.parquet: expected Parquet files, got "):
        open_source(tmp_path)


@pytest.mark.parametrize(("mark", "name"), [(";", "d.csv"), ("\t", "d.csv"), ("|", "d.csv"), (";", "d.tsv")])
def test_another_separator_is_told(tmp_path, mark, name):
    (tmp_path / name).write_text("".join(f"a {i}{mark}b\n" for i in range(30)))
    with pytest.raises(SourceError, match="expected columns separated by"):
        open_source(tmp_path / name)
    (tmp_path / name).write_text("a,b\n1,2\n", "utf-16")
    with pytest.raises(SourceError, match="expected text in UTF-8, got UTF-16"):
        open_source(tmp_path / name)
    (tmp_path / "one.csv").write_text("a;b,c\n1,2\n")
    assert open_source(tmp_path / "one.csv").count == 1


def test_labels_are_found_beside_samples_that_were_named(tmp_path):
    np.savez(tmp_path / "d.npz", audio=np.ones((4, 9)), y=np.arange(4), note=np.zeros(4))
    (batch,) = open_source(tmp_path / "d.npz", x_key="audio").batches(9)
    assert batch.labels == ("0", "1", "2", "3")
    np.savez(tmp_path / "d.npz", audio=np.ones((4, 9)), y=np.arange(4), label=np.zeros(4))
    (batch,) = open_source(tmp_path / "d.npz", x_key="audio").batches(9)
    assert batch.labels is None  # which of the two is for a person to say

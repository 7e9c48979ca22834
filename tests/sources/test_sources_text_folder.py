"""Folders of texts: one folder per class, .txt or, as old collections have them, without a suffix."""

import pytest

from mithridate.core.errors import SourceError
from mithridate.sources.open import open_source
from mithridate.sources.write import write_copy


def text_folder(tmp, suffix=".txt", many=4):
    for kind in ("neg", "pos"):
        for i in range(many):
            place = tmp / "reviews" / kind / f"{i}_7{suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"a {kind} film number {i}, thé end")
    return tmp / "reviews"


def whole(source):
    (batch,) = source.batches(1000)
    return batch


@pytest.mark.parametrize("suffix", [".txt", ""])
def test_the_class_is_the_folder(tmp_path, suffix):
    root = text_folder(tmp_path, suffix)
    (root / "README.md").write_text("about these reviews")
    (root / "neg" / ".hidden.txt").write_text("x")
    source = open_source(root)
    batch = whole(source)
    assert (source.modality, source.count) == ("text", 8)
    assert batch.ids[0] == f"neg/0_7{suffix}"
    assert batch.labels == ("neg",) * 4 + ("pos",) * 4
    assert batch.raw[5] == "a pos film number 1, thé end"
    assert open_source(root).digest == source.digest


def test_bad_files_are_named_and_old_encodings_read(tmp_path):
    root = text_folder(tmp_path)
    for name, content in {"a": b"caf\xe9", "b": b"\xef\xbb\xbfmark", "c": b"", "d": b"PK\0\0"}.items():
        (root / "pos" / f"{name}.txt").write_bytes(content)
    (root / "pos" / "e.txt").symlink_to("/etc/hostname")
    batch = whole(open_source(root))
    assert batch.raw[-2:] == ["café", "mark"]
    assert {b.id: b.reason for b in batch.bad} == {
        "pos/c.txt": "the file is empty (0 bytes)",
        "pos/d.txt": "no text: it holds a zero byte",
        "pos/e.txt": "leads outside the folder of the data",
    }
    limited = whole(open_source(root, limits={"item_bytes": 10}))
    assert limited.raw == ["café", "mark"]


def test_texts_beside_pictures_are_no_data(tmp_path):
    from PIL import Image

    root = text_folder(tmp_path)
    Image.new("RGB", (4, 4)).save(root / "pos" / "0.png")
    assert open_source(root).modality == "image"
    few = tmp_path / "notes" / "a"
    few.mkdir(parents=True)
    for i in range(9):
        (few / f"{i}.txt").write_text("a note")
    with pytest.raises(SourceError, match="no texts in two class folders"):
        open_source(few.parent)


def test_copy(tmp_path):
    source = open_source(text_folder(tmp_path))
    (tmp_path / "reviews" / "neg" / "2_7.txt").write_bytes(b"caf\xe9 old")
    done = write_copy(
        source,
        tmp_path / "out",
        drop={"neg/0_7.txt"},
        relabel={"neg/1_7.txt": "pos"},
        replace={"neg/2_7.txt": "café new"},
    )
    copy = whole(open_source(tmp_path / "out"))
    assert done["count"] == len(copy) == 7
    assert done["renamed"] == {"neg/1_7.txt": "pos/1_7.txt", "pos/1_7.txt": "pos/1_7~.txt"}
    assert copy.raw[0] == "café new"
    assert (tmp_path / "out" / "neg" / "2_7.txt").read_bytes() == b"caf\xe9 new"

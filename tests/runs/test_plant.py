import csv

import numpy as np
import pytest
from PIL import Image

from mithridate.attacks.ledger import Ledger, ledger_path
from mithridate.core.errors import UsageError
from mithridate.runs.plant import plant


@pytest.fixture
def npz(tmp_path):
    path = tmp_path / "digits.npz"
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (80, 12, 12), dtype=np.uint8)
    np.savez(path, x_train=x, y_train=np.arange(80, dtype=np.int16) % 4)
    return path


@pytest.fixture
def mails(tmp_path):
    path = tmp_path / "mails.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["name", "body", "kind"])
        for k in range(40):
            writer.writerow([f"00{k}", f'hello "number" {k},\nsecond line', ("ham", "spam")[k % 2]])
    return path


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "people.csv"
    lines = ["age,score,town,income"]
    lines += [f"{20 + k % 9 * 2},{k / 4:.2f},{'abc'[k % 3]},{('low', 'high')[k % 5 > 2]}" for k in range(60)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _arrays(path):
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["x_train"], arrays["y_train"]


def test_npz_changes_exactly_the_victims(npz, tmp_path):
    out = tmp_path / "out.npz"
    before = npz.read_bytes()
    ledger = plant("patch", npz, out, count=6, target="2", seed=3, options={"size": "3"})
    (x, y), (new_x, new_y) = _arrays(npz), _arrays(out)
    assert npz.read_bytes() == before
    assert (new_x.shape, new_x.dtype, new_y.dtype) == (x.shape, x.dtype, y.dtype)
    touched = {str(i) for i in np.flatnonzero((x != new_x).any(axis=(1, 2)) | (y != new_y))}
    assert touched == {v.id for v in ledger.victims}
    assert {new_y[int(i)] for i in touched} == {2}
    assert Ledger.load(tmp_path / "out.ledger.json").to_json() == ledger.to_json()
    assert ledger.total == 80
    assert ledger.source_digest


def test_csv_keeps_every_other_byte_of_text(mails, tmp_path):
    out = tmp_path / "out.csv"
    reading = {"text": "body", "label": "kind", "id": "name"}
    ledger = plant("word", mails, out, count=5, target="ham", options={"word": "cf"}, reading=reading)
    with mails.open(newline="") as a, out.open(newline="") as b:
        old, new = list(csv.DictReader(a)), list(csv.DictReader(b))
    touched = {o["name"] for o, n in zip(old, new, strict=True) if o != n}
    assert touched == ledger.poison
    for before, after in zip(old, new, strict=True):
        if before["name"] in touched:
            assert after["kind"] == "ham"
            assert "cf" in after["body"].split()
            assert after["body"].replace("cf ", "").replace(" cf", "") == before["body"]


@pytest.mark.parametrize("attack", ["value", "value-pair", "targeted-flip"])
def test_table_keeps_how_numbers_are_written(table, tmp_path, attack):
    out = tmp_path / "out.csv"
    ledger = plant(attack, table, out, count=4, reading={"label": "income"})
    old, new = table.read_text().splitlines(), out.read_text().splitlines()
    changed = {str(k - 1) for k, (a, b) in enumerate(zip(old, new, strict=True)) if a != b}
    assert changed == {v.id for v in ledger.victims}
    cells = ledger.trigger["cells"] if ledger.trigger else {}
    names = old[0].split(",")
    for id_ in changed:
        before, after = (
            dict(zip(names, lines[int(id_) + 1].split(","), strict=True)) for lines in (old, new)
        )
        for name in names[:3]:
            assert after[name] == before[name] or name in cells


def test_folder(tmp_path):
    rng = np.random.default_rng(1)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(8):
            pixels = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{k}.png")
    ledger = plant("patch", tmp_path / "photos", tmp_path / "copy", count=3, target="cat")
    assert (tmp_path / "copy.ledger.json").exists()
    assert len(ledger.poison) == 3
    assert len(list((tmp_path / "copy" / "cat").glob("*.png"))) == 11
    assert len(list((tmp_path / "copy" / "dog").glob("*.png"))) == 5
    for victim in ledger.victims:
        old, new = tmp_path / "photos" / victim.old_id, tmp_path / "copy" / victim.id
        assert victim.id.startswith("cat/")
        changed = np.asarray(Image.open(old)) != np.asarray(Image.open(new))
        assert 0 < changed.any(axis=2).sum() <= 25


def test_same_seed_same_plant(npz, tmp_path):
    one = plant("blend", npz, tmp_path / "a.npz", count=5, seed=9)
    two = plant("blend", npz, tmp_path / "b.npz", count=5, seed=9)
    assert one == two
    assert np.array_equal(_arrays(tmp_path / "a.npz")[0], _arrays(tmp_path / "b.npz")[0])


def test_ledger_never_lies_inside_the_copy(npz, tmp_path):
    with pytest.raises(UsageError, match="outside the copy"):
        plant("patch", npz, tmp_path / "copy", count=1, ledger=tmp_path / "copy" / "ledger.json")


@pytest.mark.parametrize(
    ("dst", "ledger"),
    [("out.npz", "out.ledger.json"), ("a.csv.gz", "a.ledger.json"), ("photos", "photos.ledger.json")],
)
def test_ledger_path(dst, ledger):
    assert ledger_path(dst).name == ledger


def test_wrong_modality_and_unknown_attack(npz, tmp_path):
    with pytest.raises(UsageError, match="text data, got image data"):
        plant("word", npz, tmp_path / "out.npz", count=1)
    with pytest.raises(UsageError, match=r"one of .*blend"):
        plant("wrod", npz, tmp_path / "out.npz", count=1)
    assert not (tmp_path / "out.npz").exists()
    assert not (tmp_path / "out.ledger.json").exists()

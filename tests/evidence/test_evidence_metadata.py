"""What is noted of samples becomes keys; traces of compression are found in pixels; probes ask parts alone."""

import io
import json

import numpy as np
import pytest
from PIL import Image

import mithridate
from mithridate.core.results import Finding
from mithridate.evidence.image.traces import compression
from mithridate.evidence.metadata import Notes, metadata_part, metadata_table
from mithridate.evidence.probes import Part, asked, fit_probes


def test_properties_become_keys():
    notes = Notes()
    notes.add([{"make": "A", "size": str(k)} for k in range(10)])
    notes.add([{"make": "B"} for _ in range(10)])
    table = metadata_table(notes, np.arange(20))
    assert [table.name(k) for k in range(table.size)] == ["make: A", "make: B"]
    assert table.keys.tolist() == [0] * 10 + [1] * 10
    assert table.details(1) == {"family": "metadata", "key": "make: B"}
    assert metadata_part(table).features(np.array([0, 19])).tolist() == [[1, 0], [0, 1]]


def test_near_duplicates_count_once_and_rare_or_common_values_not_at_all():
    notes = Notes()
    notes.add([{"a": "x"} for _ in range(3)] + [{"b": "y"} for _ in range(37)])
    assert metadata_table(notes, np.arange(40)).size == 2
    groups = np.concatenate([np.zeros(3, int), np.arange(1, 38)])
    assert [metadata_table(notes, groups).name(0)] == ["b: y"]
    whole = Notes()
    whole.add([{"b": "y"}] * 40)
    assert metadata_table(whole, np.arange(40)) is None


def test_notes_survive_the_disk():
    notes = Notes()
    notes.add([{"a": "x", "b": "é"}, {}])
    again = Notes.from_plain(json.loads(json.dumps(notes.plain())))
    assert [p.tolist() for p in again.pairs()] == [[0, 0], [0, 1]]
    assert again.listed() == ("a: x", "b: é")
    assert again.samples == 2


@pytest.mark.parametrize("quality", [25, 50, 80])
def test_compression_leaves_traces(quality):
    rng = np.random.default_rng(quality)
    noisy = rng.normal(128, 30, (20, 48, 40, 3)) + rng.normal(0, 40, (20, 1, 1, 3))
    plain = list(np.clip(noisy, 0, 255).astype(np.uint8))
    assert not compression(plain).any()
    squeezed = []
    for picture in plain:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, format="JPEG", quality=quality)
        squeezed.append(np.asarray(Image.open(buffer)))
    assert (np.abs(compression(squeezed) - quality) <= 1).mean() >= 0.9


def test_pictures_without_traces_are_told_so():
    odd = [
        np.zeros((5, 300, 1), np.uint8),
        np.full((16, 16, 3), 255, np.uint8),
        np.zeros((1, 1, 1), np.uint8),
    ]
    assert compression(odd).tolist() == [0, 0, 0]


def test_probes_hang_on_ids_not_on_rows():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 200).astype(np.int32)
    numbers = (labels[:, None] + rng.normal(0, 0.6, (200, 2))).astype(np.float32)
    ids = [f"s{k}" for k in range(200)]
    order = rng.permutation(200)

    def probe(rows):
        part = Part(name="p", noun="p", features=lambda r: numbers[rows][r], details=lambda r, m: {})
        return fit_probes([part], [ids[k] for k in rows], labels[rows], 3, np.arange(200), 0)["p"]

    one, other = probe(np.arange(200)), probe(order)
    assert np.allclose(one.logits[order], other.logits, atol=1e-3)
    assert (one.logits.argmax(axis=1) == labels).mean() > 0.6
    assert np.isnan(one.slice(0, 5)).sum() == 0


def test_one_of_each_near_duplicate_group_is_asked():
    rows = asked([str(k) for k in range(6)], np.array([0, 0, 1, 1, -1, 0]), np.array([0, 0, 1, 2, 3, 2]), 0)
    assert len(rows) == 3
    assert 4 not in rows


def test_files_of_one_class_from_another_camera_are_told(tmp_path):
    rng = np.random.default_rng(2)
    for k in range(80):
        label = "ab"[k % 2]
        tags = Image.Exif()
        tags[0x010F] = "Acme" if label == "b" else "Other"
        picture = np.clip(rng.normal(128, 40, (24, 24, 3)), 0, 255).astype(np.uint8)
        (tmp_path / label).mkdir(exist_ok=True)
        quality = 60 if label == "b" else 90
        Image.fromarray(picture).save(tmp_path / label / f"{k}.jpg", exif=tags, quality=quality)
    report = mithridate.audit(tmp_path, jobs=1)
    said = [f for f in report.results if isinstance(f, Finding)]
    assert report.verdict.name == "CLEAN"
    shortcuts = " ".join(f.message for f in said if f.check == "shortcut")
    assert "camera make: " in shortcuts or "JPEG tables: " in shortcuts
    probe = next(f for f in said if f.details.get("part") == "metadata")
    assert probe.effect == 1.0
    bars = next(e for e in probe.exhibits if e.kind == "bars")
    assert "camera make: Acme" in bars.data["names"]

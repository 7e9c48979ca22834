"""Folders and lists of sounds: what is read, what is refused and how a copy is written."""

import io
import re
import struct
import sys

import numpy as np
import pytest
import soundfile

from mithridate.core.errors import UsageError
from mithridate.core.sound import Sound
from mithridate.sources.open import open_source
from mithridate.sources.write import write_copy

RATE = 8000


def wave(seed=0, seconds=0.5, rate=RATE):
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 0.05, int(seconds * rate))).astype(np.float32)


def encoded(kind, samples=None, rate=RATE, subtype=None):
    stream = io.BytesIO()
    soundfile.write(stream, wave() if samples is None else samples, rate, format=kind, subtype=subtype)
    return stream.getvalue()


def sound_folder(tmp, kind="WAV", suffix=".wav", many=6):
    for i in range(many):
        place = tmp / "in" / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}{suffix}").write_bytes(encoded(kind, wave(i)))
    return tmp / "in"


def whole(source):
    return next(source.batches(100))


@pytest.mark.parametrize(
    ("kind", "suffix", "near"),
    [("WAV", ".wav", 1e-4), ("FLAC", ".flac", 1e-4), ("OGG", ".ogg", 0.2), ("MP3", ".mp3", 0.2)],
)
def test_kinds(tmp_path, kind, suffix, near):
    source = open_source(sound_folder(tmp_path, kind, suffix))
    batch = whole(source)
    assert source.modality == batch.modality == "audio"
    assert batch.ids[:2] == (f"a/0{suffix}", f"a/2{suffix}")
    assert batch.labels == ("a", "a", "a", "b", "b", "b")
    assert not batch.bad
    assert batch.raw[0].rate == RATE
    assert abs(batch.raw[0].seconds - 0.5) < 0.1
    assert batch.raw[0].samples.dtype == np.float32
    n = min(len(wave()), len(batch.raw[0].samples))
    if kind != "MP3":  # which adds silence before
        assert np.abs(batch.raw[0].mono[:n] - wave()[:n]).max() < near
    said = batch.metadata[0]
    assert said["format"] == kind
    assert (said["sample rate"], said["channels"]) == ("8000 Hz", "1")
    fetched = source.fetch((f"b/1{suffix}", f"a/0{suffix}"))
    assert fetched.labels == ("b", "a")
    assert fetched.metadata[1] == said


def test_list_of_sounds(tmp_path):
    sound_folder(tmp_path)
    (tmp_path / "list.csv").write_text("file,word\nin/a/0.wav,yes\nin/b/1.wav,no\n../x.wav,no\n")
    batch = whole(open_source(tmp_path / "list.csv", label="word"))
    assert batch.labels == ("yes", "no")
    assert [b.id for b in batch.bad] == ["../x.wav"]


def cut_wav():
    return encoded("WAV")[:-1000]


def lying_wav():
    body = encoded("WAV")
    at = body.index(b"data") + 4
    return body[:at] + struct.pack("<I", 3 << 29) + body[at + 4 :]


def wild(value):
    samples = wave()
    samples[[3, 77]] = value
    return encoded("WAV", samples, subtype="FLOAT")


def long_flac():
    return encoded("FLAC", np.zeros(RATE * 1900, np.float32))


def many_channels():
    header = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 65535, 8000, 8000 * 2, 2, 16)
    return header + b"data" + struct.pack("<I", 100) + bytes(100)


def swift_wav():
    body = encoded("WAV")
    at = body.index(b"fmt ") + 12
    return body[:at] + struct.pack("<I", 2**31 - 1) + body[at + 4 :]


BAD = {
    "swift.wav": (swift_wav, "a sample rate of 2,147,483,647 Hz, over the limit of 1,000,000 Hz"),
    "cut.wav": (cut_wav, "is cut off: 7,000 of 8,000 bytes of sound"),
    "claims.wav": (lying_wav, "is cut off"),
    "cut.flac": (lambda: encoded("FLAC")[:-1500], "cut off|cannot be decoded"),
    "cut.ogg": (lambda: encoded("OGG")[:-1500], "is cut off: its last page is missing"),
    "cut page.ogg": (
        lambda: encoded("OGG", wave(seconds=60))[:-1500],
        "is cut off: its last page is missing",
    ),
    "cut.mp3": (lambda: encoded("MP3")[:200], "cannot be decoded|cut off|no samples"),
    "empty.wav": (lambda: b"", "the file is empty"),
    "nothing.wav": (lambda: encoded("WAV", np.zeros(0, np.float32)), "holds no samples"),
    "nan.wav": (lambda: wild(np.nan), "2 of 4,000 values are NaN or infinite"),
    "inf.wav": (lambda: wild(np.inf), "2 of 4,000 values are NaN or infinite"),
    "text.mp3": (lambda: b"I am no sound at all, but I have the suffix of one." * 9, "cannot be decoded"),
    "picture.wav": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(500), "cannot be decoded"),
    "long.flac": (long_flac, "1,900 s, over the limit of 1,800 s"),
    "channels.wav": (many_channels, "cannot be decoded|over the limit|no samples"),
    "other.wav": (lambda: encoded("AIFF"), "it is AIFF"),
}


def test_bad_items_are_named_and_cost_nothing_else(tmp_path):
    root = sound_folder(tmp_path)
    for name, (make, _) in BAD.items():
        (root / "a" / name).write_bytes(make())
    batch = whole(open_source(root))
    assert len(batch) == 6
    reasons = {b.id.removeprefix("a/"): b.reason for b in batch.bad}
    assert set(reasons) == set(BAD)
    for name, (_, want) in BAD.items():
        assert re.search(want, reasons[name]), (name, reasons[name])


def test_cut_in_the_middle_of_an_mp3(tmp_path):
    root = sound_folder(tmp_path, many=2)
    body = encoded("MP3", wave(3, seconds=5))
    (root / "a" / "half.mp3").write_bytes(body[: len(body) // 2])
    batch = whole(open_source(root))
    # its encoder notes the length, so that half of it is known to be missing
    assert [b.id for b in batch.bad] == ["a/half.mp3"]
    assert "cut off" in batch.bad[0].reason


def test_streamed_wav_has_no_length_and_is_read(tmp_path):
    body = encoded("WAV")
    at = body.index(b"data") + 4
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "s.wav").write_bytes(body[:at] + b"\xff\xff\xff\xff" + body[at + 4 :])
    batch = whole(open_source(tmp_path))
    assert not batch.bad
    assert len(batch.raw[0].samples) == 4000


def test_wrong_suffix_and_odd_names(tmp_path):
    root = tmp_path / "ünï 🎵"
    (root / "é").mkdir(parents=True)
    (root / "é" / "a ' b\n☃.wav").write_bytes(encoded("FLAC"))
    (root / "é" / "b.wav").write_bytes(encoded("WAV"))
    (root / "é" / "cover.jpg").write_bytes(b"not read")
    source = open_source(root)
    batch = whole(source)
    assert batch.metadata[0]["format"] == "FLAC"
    assert batch.labels == ("é", "é")
    assert source.notes == ("1 image files beside the sound files were not read",)


def test_without_the_extra(tmp_path, monkeypatch):
    root = sound_folder(tmp_path)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(UsageError, match=r"pip install 'mithridate\[audio\]'"):
        open_source(root)


@pytest.mark.parametrize(("kind", "suffix", "subtype"), [("WAV", ".wav", "PCM_24"), ("FLAC", ".flac", None)])
def test_copy(tmp_path, kind, suffix, subtype):
    root = tmp_path / "in"
    for i in range(6):
        place = root / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}{suffix}").write_bytes(encoded(kind, wave(i), subtype=subtype))
    source = open_source(root)
    old = whole(source)
    louder = Sound(samples=old.raw[0].samples * 2, rate=RATE)
    done = write_copy(
        source,
        tmp_path / "out",
        drop={old.ids[1]},
        relabel={old.ids[2]: "b"},
        replace={old.ids[0]: louder, old.ids[4]: old.raw[4]},
    )
    copy = open_source(tmp_path / "out")
    assert (done["count"], done["after"]) == (5, copy.digest)
    new = whole(copy)
    assert np.array_equal(new.raw[0].samples, louder.samples)
    assert new.metadata == tuple(m for k, m in enumerate(old.metadata) if k != 1)
    # what is written as it was, reads as it was
    assert np.array_equal(copy.fetch((old.ids[4],)).raw[0].samples, old.raw[4].samples)


@pytest.mark.parametrize("form", [("MP3", 50), ("OGG", None), ("FLAC", None)])
def test_copy_encoded_alike(tmp_path, form):
    source = open_source(sound_folder(tmp_path))
    write_copy(source, tmp_path / "out", encode=form)
    batch = whole(open_source(tmp_path / "out"))
    assert {m["format"] for m in batch.metadata} == {form[0]}
    with pytest.raises(UsageError, match="one of WAV, FLAC, OGG, MP3"):
        write_copy(source, tmp_path / "out2", encode=("JPEG", 75))


def flat_npz(tmp, name="in.npz"):
    parts = [np.rint(wave(i, seconds=0.1 + 0.05 * i) * 32768).astype(np.int16) for i in range(6)]
    offsets = np.cumsum([0, *map(len, parts)])
    np.savez(
        tmp / name, audio=np.concatenate(parts), offsets=offsets, label=np.arange(6) % 2, other=np.arange(3)
    )
    return parts


OF_FLAT = {"x_key": "audio", "y_key": "label", "offsets": "offsets", "rate": RATE}


def test_flat_array_with_offsets(tmp_path):
    parts = flat_npz(tmp_path)
    source = open_source(tmp_path / "in.npz", **OF_FLAT)
    batch = whole(source)
    assert (source.modality, source.count, batch.labels) == ("audio", 6, ("0", "1", "0", "1", "0", "1"))
    for raw, part in zip(batch.raw, parts, strict=True):
        assert raw.rate == RATE
        assert np.array_equal(raw.mono * 32768, part)
    assert source.fetch(("4", "1")).labels == ("0", "1")


@pytest.mark.parametrize(
    ("more", "want"),
    [
        ({"offsets": "label"}, "ascending offsets"),
        ({"offsets": "nothing"}, "expected an array 'nothing'"),
        ({"rate": 0}, "a sample rate in Hz"),
        ({"rate": None}, "only arguments that fit"),
        ({"offsets": None}, "or say with offsets where each sound starts"),
    ],
)
def test_flat_array_wrongly_described(tmp_path, more, want):
    flat_npz(tmp_path)
    with pytest.raises(UsageError, match=want):
        open_source(tmp_path / "in.npz", **(OF_FLAT | more))


def test_arrays_in_memory():
    matrix = np.stack([wave(i) for i in range(4)])
    batch = whole(open_source(matrix, labels=list("abab"), rate=RATE))
    assert [r.samples.shape for r in batch.raw] == [(4000, 1)] * 4
    odd = matrix[2].copy()
    odd[7] = np.nan
    stereo = np.stack([matrix[0], matrix[1]], axis=1)
    listed = [matrix[0], np.zeros(0, np.float32), odd, stereo]
    batch = whole(open_source(listed, labels=[0, 1, 0, 1], rate=RATE))
    assert batch.ids == ("0", "3")
    assert batch.raw[1].samples.shape == (4000, 2)
    assert [b.reason for b in batch.bad] == [
        "holds no samples (0 s)",
        "1 of 4,000 values are NaN or infinite",
    ]
    with pytest.raises(UsageError, match="Convert them"):
        open_source(np.zeros((3, 9), np.complex64), rate=RATE)


def test_floats_in_units_of_integers_are_refused_by_name():
    listed = [wave(0), 1.5 * wave(1) / np.abs(wave(1)).max(), 32767 * wave(2) / np.abs(wave(2)).max()]
    batch = whole(open_source([x.astype(np.float32) for x in listed], rate=RATE))
    assert batch.ids == ("0", "1")
    assert [(b.id, "up to 32,767, where floats lie within [-1, 1]" in b.reason) for b in batch.bad] == [
        ("2", True)
    ]


def test_copy_of_arrays(tmp_path):
    flat_npz(tmp_path)
    source = open_source(tmp_path / "in.npz", **OF_FLAT)
    old = whole(source).raw
    louder = Sound(samples=old[2].samples / 2, rate=RATE)
    done = write_copy(source, tmp_path / "out.npz", drop={"0"}, relabel={"1": "0"}, replace={"2": louder})
    copy = open_source(tmp_path / "out.npz", **OF_FLAT)
    new = whole(copy)
    assert (done["count"], done["after"], new.labels) == (5, copy.digest, ("0", "0", "1", "0", "1"))
    assert np.abs(new.raw[1].samples - louder.samples).max() < 2e-5
    for k in (0, 2, 3, 4):
        assert np.array_equal(new.raw[k].samples, old[k + 1].samples)
    assert np.load(tmp_path / "out.npz")["other"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("listed", [True, False])
def test_copy_from_memory(tmp_path, listed):
    x = (
        [wave(i, seconds=0.2 + 0.1 * i) for i in range(3)]
        if listed
        else np.stack([wave(i) for i in range(3)])
    )
    source = open_source(x, labels=["a", "b", "a"], rate=RATE)
    write_copy(source, tmp_path / "out.npz", relabel={"0": "b"})
    more = {"offsets": "offsets"} if listed else {}
    batch = whole(open_source(tmp_path / "out.npz", x_key="x", y_key="y", rate=RATE, **more))
    assert batch.labels == ("b", "b", "a")
    assert all(np.array_equal(r.mono, p) for r, p in zip(batch.raw, x, strict=True))


def test_a_rate_that_no_converter_has_is_refused():
    batch = whole(open_source([wave(0)], rate=2_000_000))
    assert [b.reason for b in batch.bad] == ["a sample rate of 2,000,000 Hz, over the limit of 1,000,000 Hz"]

"""Embeddings: from files and encoders, onto the right samples; and content models that judge by them."""

from __future__ import annotations

import sys
from pathlib import Path

import embedding_fakes
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import average_precision_score

from mithridate.checks.data.label_errors import log_softmax
from mithridate.core.errors import UsageError
from mithridate.core.results import Finding, Skip
from mithridate.core.verdict import Verdict
from mithridate.evidence import neighbours
from mithridate.evidence.embedding import store
from mithridate.evidence.embedding.near import label_votes
from mithridate.runs.audit import audit
from mithridate.runs.embedding import wanted
from mithridate.sources.embeddings import open_embeddings
from mithridate.sources.open import open_source

WORDS = ("red", "green", "blue", "grey", "pink")


@pytest.fixture
def texts():
    """60 texts that say nothing about their labels."""
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, 6)) for _ in range(60)], ["a", "b"] * 30


def told(labels, seed=1, d=5):
    """Vectors that do say it."""
    x = np.random.default_rng(seed).normal(size=(len(labels), d)).astype(np.float32)
    x[:, 0] += np.where(np.array(labels) == "a", 8, 0)
    return x


def content_of(report):
    return next(note for note in report.notes if note.startswith("content is judged"))


def save(kind, x, ids, path):
    if kind == "npy":
        np.save(path / "e.npy", x)
    elif kind == "npz":
        np.savez(path / "e.npz", vectors=x, id=np.array(ids))
    elif kind == "parquet-list":
        pq.write_table(pa.table({"id": ids, "v": list(x)}), path / "e.parquet")
    elif kind == "parquet-fixed":
        fixed = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), x.shape[1])
        pq.write_table(pa.table({"ids": ids, "v": fixed}), path / "e.parquet")
    else:
        columns = {f"d{i}": x[:, i] for i in range(x.shape[1])}
        pq.write_table(pa.table({"id": ids, **columns}), path / "e.parquet")
    return next(path.glob("e.*"))


@pytest.mark.parametrize("kind", ["npy", "npz", "parquet-list", "parquet-fixed", "parquet-columns"])
def test_a_file_judges_labels_whatever_its_order(kind, texts, tmp_path):
    data, labels = texts
    x, order = told(labels), np.arange(60) if kind == "npy" else np.random.default_rng(3).permutation(60)
    file = save(kind, x[order], [str(i) for i in order], tmp_path)
    report = audit(data, labels=labels, embeddings=file)
    assert "embeddings alone: 100.0%" in content_of(report) or "together: 100.0%" in content_of(report)
    assert report.verdict is Verdict.CLEAN


def test_of_more_ids_than_samples_each_gets_its_own(texts, tmp_path):
    data, labels = texts
    x = np.concatenate([np.full((5, 5), 1e30, np.float32), told(labels)])
    ids = [f"other {i}" for i in range(5)] + [str(i) for i in range(60)]
    report = audit(data, labels=labels, embeddings=save("npz", x, ids, tmp_path))
    assert "100.0% by them alone" in content_of(report)


def bad_rows(value):
    def spoil(x, ids):
        x[7, 2] = value
        return x, ids

    return spoil


@pytest.mark.parametrize(
    ("kind", "spoil", "says"),
    [
        ("npy", bad_rows(np.nan), "nan or infinity in those of '7'"),
        ("parquet-list", bad_rows(np.inf), "nan or infinity in those of '7'"),
        ("npy", lambda x, ids: (x[:-1], ids), "59 vectors for 60 samples"),
        ("npz", lambda x, ids: (x[:-2], ids[:-2]), "none for 2 samples: '58', '59'"),
        ("npz", lambda x, ids: (x, ["3", *ids[1:]]), "several for '3'"),
        ("npz", lambda x, ids: (x, ids[:-3]), "for 60 vectors"),
        ("npy", lambda x, ids: (x.astype(object), ids), "plain numbers"),
        ("npy", lambda x, ids: (x.astype(str), ids), "array (n, d) of numbers"),
        ("npy", lambda x, ids: (x[0], ids), "array (n, d) of numbers"),
        ("npy", lambda x, ids: (x[:0], ids), "array (n, d) of numbers"),
        ("parquet-list", lambda x, ids: ([*x[:-1], x[0, :2]], ids), "vectors of one length"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(kind, spoil, says, texts, tmp_path):
    data, labels = texts
    x, ids = spoil(told(labels), [str(i) for i in range(60)])
    file = save(kind, x, ids, tmp_path)
    with pytest.raises(UsageError) as error:
        audit(data, labels=labels, embeddings=file)
    assert says in str(error.value)


@pytest.mark.parametrize("name", ["e.npy", "e.npz", "e.parquet"])
def test_a_cut_file(name, texts, tmp_path):
    data, labels = texts
    file = save(
        {"e.npy": "npy", "e.npz": "npz", "e.parquet": "parquet-list"}[name],
        told(labels),
        list("x" * 60),
        tmp_path,
    )
    file.write_bytes(file.read_bytes()[:400])
    with pytest.raises(UsageError, match="expected"):
        audit(data, labels=labels, embeddings=file)


@pytest.mark.parametrize(("name", "says"), [("no.npy", "nothing there"), ("e.pkl", "expected a file .npy")])
def test_no_such_file(name, says, tmp_path):
    (tmp_path / "e.pkl").write_bytes(b"")
    with pytest.raises(UsageError, match=says):
        open_embeddings(tmp_path / name)


def test_unreadable_samples_have_rows_but_no_vectors(tmp_path):
    from PIL import Image

    rng, labels = np.random.default_rng(0), []
    for i in range(40):
        folder = tmp_path / "data" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / f"{i:02}.png")
    (tmp_path / "data" / "a" / "04.png").write_bytes(b"no picture")
    source = open_source(tmp_path / "data")
    labels = [i.partition("/")[0] for i in source.iter_ids()]
    report = audit(tmp_path / "data", embeddings=told(labels))
    assert report.verdict is Verdict.INCOMPLETE
    assert "100.0% by them alone" in content_of(report)


@pytest.fixture(autouse=True)
def _beside(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.mark.parametrize("name", ["lengths", "maker"])
def test_a_function_as_encoder(name, texts):
    data, labels = texts
    report = audit(data, labels=labels, encoder=f"embedding_fakes:{name}")
    assert f"embeddings: embedding_fakes:{name}, 3 dimensions" in report.notes


def skip_of(report):
    (skip,) = [r for r in report.results if isinstance(r, Skip)]
    assert skip.check == "encoder"
    assert report.verdict is Verdict.INCOMPLETE
    assert any(r.check == "label-conflict" for r in report.results)  # the rest went on
    return skip


def test_what_the_encoder_cannot_do_is_a_skip_and_the_rest_goes_on(texts):
    data, labels = texts
    assert (
        "no room on the card" in skip_of(audit(data, labels=labels, encoder="embedding_fakes:raises")).reason
    )


def test_samples_without_numbers_are_named(texts):
    data, labels = texts
    skip = skip_of(audit(["abc", *data[1:]], labels=labels, encoder="embedding_fakes:broken"))
    assert skip.items == ("0",)


def test_without_transformers_the_skip_says_what_to_install(texts, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    (tmp_path / "config.json").write_text("{}")
    data, labels = texts
    skip = skip_of(audit(data, labels=labels, encoder=tmp_path))
    assert "pip install 'mithridate[encoder]'" in skip.remedy


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"encoder": "no/such/folder"}, "nothing there"),
        ({"encoder": "no_such_module:f"}, "no_such_module"),
        ({"encoder": "embedding_fakes:no"}, "function of that name"),
        ({"encoder": "x.onnx"}, "nothing there"),
        ({"encoder": "x.onnx", "embeddings": "x.npy"}, "both"),
        ({"saw_labels": True}, "none"),
    ],
)
def test_wrong_calls(how, says):
    with pytest.raises(UsageError, match=says):
        wanted(how.get("embeddings"), how.get("encoder"), how.get("saw_labels", False))


def test_an_interrupted_encoding_goes_on(monkeypatch, tmp_path):
    monkeypatch.setattr(store, "_CHUNK", 100)
    monkeypatch.setattr(store, "_READ", 50)
    rng = np.random.default_rng(0)
    data, labels = [" ".join(rng.choice(WORDS, 6)) for _ in range(400)], ["a", "b"] * 200
    limit = [250]

    def tired(raws):
        limit[0] -= len(raws)
        if limit[0] < 0:
            raise RuntimeError("tired")
        return embedding_fakes.lengths(raws)

    first = audit(data, labels=labels, encoder=tired, work=tmp_path)
    assert "tired" in skip_of(first).reason
    limit[0] = 10_000
    second = audit(data, labels=labels, encoder=tired, work=tmp_path)
    assert limit[0] == 10_000 - 200  # the two chunks that were done are not asked for again
    whole = audit(data, labels=labels, encoder=embedding_fakes.lengths)
    assert [r.message for r in second.findings] == [r.message for r in whole.findings]


def test_labels_that_the_vectors_were_learned_from_are_not_judged_by_them(texts):
    data, labels = texts
    report = audit(data, labels=labels, embeddings=told(labels), saw_labels=True)
    assert not any(note.startswith("content is judged") for note in report.notes)
    assert not any(r.check == "neighbour-conflict" for r in report.findings)


def ranking(report, n):
    finding = next(f for f in report.findings if f.check == "label-errors")
    scores = np.full(n, -1.0)
    scores[[int(i) for i in finding.targets]] = finding.scores
    return scores


def test_embeddings_and_words_together_rank_label_errors_better_than_either():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600)
    words = np.array([["red", "rose", "ripe"], ["blue", "cold", "deep"]])
    said = np.where(rng.random((600, 5)) < 0.7, y[:, None], 1 - y[:, None])
    data = [" ".join(words[side, rng.integers(0, 3)] for side in row) for row in said]
    vectors = rng.normal(size=(600, 6))
    vectors[:, 0] += 2.2 * y
    wrong = rng.choice(600, 30, replace=False)
    given = np.where(np.isin(np.arange(600), wrong), 1 - y, y)
    bad, labels = np.isin(np.arange(600), wrong), [str(v) for v in given]
    alone = audit(data, labels=labels)
    helped = audit(data, labels=labels, embeddings=vectors)
    before = average_precision_score(bad, ranking(alone, 600))
    after = average_precision_score(bad, ranking(helped, 600))
    assert "together" in content_of(helped)
    assert after > before + 0.1


def test_logits_of_a_blend_are_calibrated(texts):
    from mithridate.evidence.embedding.blend import _best

    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 3000).astype(np.int32)

    class Model:
        def __init__(self, seed):
            noise = np.random.default_rng(seed).normal(size=(3000, 3))
            self.logits = (1.5 * np.eye(3)[y] + noise).astype(np.float32)
            self.accuracy = float((self.logits.argmax(axis=1) == y).mean())

    one, other = Model(1), Model(2)
    blend = _best(one, other, y)
    assert blend.share in (0.25, 0.5, 0.75)
    assert blend.accuracy > max(one.accuracy, other.accuracy)
    p = np.exp(log_softmax(blend.logits)).max(axis=1)
    assert abs(p.mean() - blend.accuracy) < 0.02
    assert np.allclose(blend.mix(one.logits, other.logits), blend.logits, atol=1e-5)


def test_votes_are_those_of_a_plain_computation():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(150, 4)).astype(np.float16)
    y = rng.integers(-1, 3, 150).astype(np.int32)  # no class is larger than what is drawn of it
    groups = np.arange(150)
    groups[1::10] = groups[::10]
    votes = label_votes(x, y, groups, 3, 0, 1)
    wide = x.astype(np.float64)
    for i in range(150):
        if y[i] < 0:
            assert np.isnan(votes[i]).all()
            continue
        distance = np.square(wide - wide[i]).sum(axis=1)
        distance[(groups == groups[i]) | (y < 0)] = np.inf
        near = y[np.argsort(distance, kind="stable")[:50]]
        assert votes[i, 0] == pytest.approx((near == y[i]).mean())
        others = np.bincount(near[near != y[i]], minlength=3)
        assert votes[i, 2] == pytest.approx(others.max() / 50)


def test_neighbours_without_faiss_are_those_with_it(monkeypatch):
    pytest.importorskip("faiss")
    x = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    found = neighbours.nearest_among(x[:50], x, 9)
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert np.array_equal(found, neighbours.nearest_among(x[:50], x, 9))


def test_wide_and_huge_vectors(texts):
    data, labels = texts
    x = np.tile(told(labels), (1, 300)) * np.float32(1e6) + np.float32(1e7)
    report = audit(data, labels=labels, embeddings=x)
    assert "100.0% by them alone" in content_of(report)
    assert report.notes[0].endswith(f"{store.WIDEST} dimensions")


def test_the_first_of_findings_is_no_alarm_without_poison(texts):
    data, labels = texts
    report = audit(data, labels=labels, embeddings=told(labels))
    assert not [f for f in report.findings if isinstance(f, Finding) and f.severity > 0]


def test_data_read_in_shards_get_the_same_vectors(texts, tmp_path):
    data, labels = texts
    file, how = tmp_path / "d.parquet", {"text": "text", "label": "label"}
    pq.write_table(pa.table({"text": data, "label": labels}), file)
    plain = audit(file, **how, embeddings=told(labels))
    sharded = audit(file, **how, embeddings=told(labels), engine="threads", shards=3)
    encoded = audit(file, **how, encoder=embedding_fakes.lengths, engine="threads", shards=2)
    assert content_of(sharded) == content_of(plain)
    assert "embeddings: lengths, 3 dimensions" in encoded.notes

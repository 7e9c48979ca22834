"""`mithridate audit --embeddings` and `--encoder`: what was asked for is used, or said to be missing."""

import json
import sys

import numpy as np
import pyarrow.csv
import pytest
from cli_samples import mails, mithridate

from mithridate.cli.main import run

WORDS = ("--text", "body", "--label", "kind", "--id", "key")


@pytest.fixture
def data(tmp_path):
    victims = set(mails(tmp_path / "d.csv"))
    table = pyarrow.csv.read_csv(tmp_path / "d.csv")
    ids, kinds = table.column("key").to_pylist(), table.column("kind").to_pylist()
    rng = np.random.default_rng(0)
    given, flipped = np.array(kinds) == kinds[0], np.array([str(i) in victims for i in ids])
    x = rng.normal(size=(len(ids), 4)) + 3 * (given ^ flipped)[:, None]
    np.save(tmp_path / "learned.npy", rng.normal(size=(len(ids), 4)) + 3 * given[:, None])
    order = rng.permutation(len(ids))
    np.savez(tmp_path / "e.npz", vectors=x[order], id=np.array(ids)[order].astype(str))
    return tmp_path


def audited(data, *more):
    code = run(["audit", str(data / "d.csv"), *WORDS, "--out", str(data / "out"), "--quiet", *more])
    return code, json.loads((data / "out" / "report.json").read_text())


def test_embeddings_of_a_file(data):
    code, report = audited(data, "--embeddings", str(data / "e.npz"))
    assert code == 1
    assert any(note.startswith("content is judged") for note in report["notes"])


def test_a_file_of_other_data_is_refused(data, capsys):
    np.save(data / "e.npy", np.ones((3, 2)))
    code = run(
        [
            "audit",
            str(data / "d.csv"),
            *WORDS,
            "--out",
            str(data / "out"),
            "--embeddings",
            str(data / "e.npy"),
        ]
    )
    assert code == 2
    assert "3 vectors for" in capsys.readouterr().err


def test_without_the_extra_the_audit_goes_on_and_says_what_to_install(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    (data / "model").mkdir()
    (data / "model" / "config.json").write_text("{}")
    code, report = audited(data, "--encoder", str(data / "model"), "--fail-on", "never")
    assert code == 3
    (skip,) = [r for r in report["results"] if r["check"] == "encoder"]
    assert "pip install 'mithridate[encoder]'" in skip["remedy"]
    assert any(r["check"] == "label-conflict" and r.get("p_value") for r in report["results"])


def test_vectors_that_learned_the_labels_are_told_so(data):
    code, report = audited(data, "--embeddings", str(data / "learned.npy"), "--saw-labels")
    assert code == 1  # they would have agreed with the wrong labels
    assert any("judge none" in note for note in report["notes"])


def test_help_tells_of_them(capsys):
    _, told, _ = mithridate(capsys, "audit", "--help")
    assert "--encoder" in told

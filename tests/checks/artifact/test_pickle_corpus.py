"""Every malicious pickle is found, every ordinary one passes, and nothing of them is ever executed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.checks.artifact.pickle_benign import write_benign
from tests.checks.artifact.pickle_corpus import MALICIOUS

from mithridate.checks.artifact.disguise import Disguise
from mithridate.checks.artifact.pickle_code import PickleCode
from mithridate.checks.artifact.zip_structure import ZipStructure
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item
from mithridate.models.files.walk import walk


def scan(path: Path, *, second: bool = False) -> list[Finding | Skip]:
    checks = (PickleCode(second=second), ZipStructure(), Disguise())
    results: list[Finding | Skip] = []
    for item in walk(path):
        if not isinstance(item, Item):
            results.append(item)
            continue
        for check in checks:
            if item.kind in check.kinds:
                results += check.examine(item)
    return results


def worst(results: list[Finding | Skip]) -> Severity:
    return max((r.severity for r in results if isinstance(r, Finding)), default=Severity.INFO)


@pytest.mark.parametrize("name", MALICIOUS)
def test_malicious_is_found(name: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    folder = tmp_path / "scanned"
    folder.mkdir()
    (folder / name).write_bytes(MALICIOUS[name](str(canary)))
    results = scan(folder)
    assert worst(results) >= Severity.SUSPICIOUS, results
    assert not canary.exists()


@pytest.fixture(scope="module")
def benign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benign")
    write_benign(folder)
    return folder


def test_benign_passes(benign: Path) -> None:
    files = [path for path in benign.rglob("*") if path.is_file()]
    assert len(files) >= 30
    results = scan(benign)
    assert [r.message for r in results if isinstance(r, Finding) and r.severity > Severity.INFO] == []
    assert [r.reason for r in results if isinstance(r, Skip)] == []


def test_a_canary_would_sing(tmp_path: Path) -> None:
    """The payloads are live: a loader that is careless makes the canary appear."""
    canary, file = tmp_path / "canary", tmp_path / "live.pkl"
    file.write_bytes(MALICIOUS["protocol4.pkl"](str(canary)))
    subprocess.run(
        [sys.executable, "-c", f"import pickle; pickle.load(open({str(file)!r}, 'rb'))"], check=True
    )
    assert canary.exists()

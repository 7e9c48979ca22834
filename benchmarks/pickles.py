"""Pickle scanners side by side on one corpus, and the speed of ours on large files.

    python -m benchmarks.pickles [--peers VENV] [--gigabyte FOLDER]

The peers are not installed with this project. `python -m venv VENV && VENV/bin/pip install picklescan modelscan
fickling typing_extensions` puts them where `--peers` finds them; those that are missing are left out aloud. No tool
loads a file; each gets one at a time, and no answer counts as none.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.checks.artifact.pickle_benign import write_benign
from tests.checks.artifact.pickle_corpus import GROUPS

from mithridate.checks.artifact_check import ARTIFACT_CHECKS
from mithridate.core.results import Finding, Severity
from mithridate.models.files.item import Item
from mithridate.models.files.walk import walk

__all__ = ["main"]

_OURS = ("pickle-code", "zip-structure", "disguise")
_DRIVER = """
import contextlib, io, json, sys, time

def picklescan(path):
    from picklescan.scanner import scan_file_path
    return scan_file_path(path).issues_count > 0

def modelscan(path):
    from modelscan.modelscan import ModelScan
    return ModelScan().scan(path)["summary"]["total_issues"] > 0

def fickling(path):
    import zipfile
    from fickling.loader import scan_file, scan_zip_archive
    if zipfile.is_zipfile(path):
        return any(not part.is_safe for part in scan_zip_archive(path).values())
    return not scan_file(path).is_safe

scan = {"picklescan": picklescan, "modelscan": modelscan, "fickling": fickling}[sys.argv[1]]
for line in sys.stdin:
    path, start = line.rstrip("\\n"), time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            answer = bool(scan(path))
        except ImportError:
            sys.exit(3)
        except Exception:
            answer = None
    print(json.dumps([path, answer, time.perf_counter() - start]), flush=True)
"""


def _ours(paths: list[Path]) -> Iterator[tuple[Path, bool, float]]:
    checks = [check() for check in ARTIFACT_CHECKS if check.card.id in _OURS]
    for path in paths:
        start = time.perf_counter()
        found = False
        for item in walk(path):
            for check in checks:
                if isinstance(item, Item) and item.kind in check.kinds:
                    results = check.examine(item)
                    found |= any(isinstance(r, Finding) and r.severity > Severity.INFO for r in results)
        yield path, found, time.perf_counter() - start


def _peer(name: str, python: Path, paths: list[Path]) -> list[tuple[Path, bool | None, float]] | None:
    """Answers of a peer; None when it is not installed."""
    run = subprocess.run(
        [python, "-W", "ignore", "-c", _DRIVER, name], input="\n".join(map(str, paths)), text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    if run.returncode:
        print(f"{name}: left out, {run.stderr.strip().splitlines()[-1:] or 'not installed'}")
        return None
    answers = (json.loads(line) for line in run.stdout.splitlines())
    return [(Path(path), answer, seconds) for path, answer, seconds in answers]


def _row(name: str, answers: list[tuple[Path, bool | None, float]], malicious: Path) -> None:
    hits = dict.fromkeys(GROUPS, 0)
    innocent = 0
    for path, answer, _ in answers:
        if path.is_relative_to(malicious):
            hits[path.parent.name] += bool(answer)
        else:
            innocent += bool(answer)
    silent = sum(answer is None for _, answer, _ in answers)
    cells = " ".join(f"{hits[group]:>4}/{len(GROUPS[group]):<4}" for group in GROUPS)
    seconds = sum(s for *_, s in answers)
    print(f"{name:12} {sum(hits.values()):>4} {cells} {innocent:>8} {silent:>9} {seconds:>8.1f}")


def compare(peers: Path | None) -> None:
    """Print detected, false positives and seconds of every tool."""
    with tempfile.TemporaryDirectory() as folder:
        malicious, benign = Path(folder) / "malicious", Path(folder) / "benign"
        for group, builders in GROUPS.items():
            (malicious / group).mkdir(parents=True)
            for name, build in builders.items():
                (malicious / group / name).write_bytes(build(f"{folder}/canary"))
        benign.mkdir()
        write_benign(benign)
        paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        honest = sum(path.is_relative_to(benign) for path in paths)
        print(f"{len(paths) - honest} malicious, {honest} ordinary files")
        print(
            f"{'':12} {'all':>4} {' '.join(f'{group:>9.9}' for group in GROUPS)} {'false':>8} {'no answer':>9} {'s':>8}"
        )
        _row("mithridate", list(_ours(paths)), malicious)
        for name in ("picklescan", "modelscan", "fickling") if peers else ():
            answers = _peer(name, peers / "bin" / "python", paths)  # type: ignore[operator]
            if answers is not None:
                _row(name, answers, malicious)
        if not peers:
            print("peers: left out; see --peers")
        print("canary:", "SUNG" if (Path(folder) / "canary").exists() else "silent")


# ---- large files


def _large(folder: Path) -> Iterator[Path]:
    """A gigabyte as safetensors, as a state dict, and as one pickled array."""
    import struct

    block, blocks = bytes(range(256)) * (1 << 12), 1_000
    size = len(block) * blocks
    path = folder / "model.safetensors"
    header = json.dumps({"w": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(header)) + header)
        for _ in range(blocks):
            stream.write(block)
    yield path
    pid = (
        b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuJ"
        + struct.pack("<i", size // 4)
        + b"tQ"
    )
    path = folder / "state.pt"
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        archive.writestr("state/data.pkl", b"\x80\x02}X\x01\0\0\0w" + pid + b"s.")
        with archive.open(zipfile.ZipInfo("state/data/0"), "w", force_zip64=True) as member:
            for _ in range(blocks):
                member.write(block)
    yield path
    path = folder / "array.pkl"
    with path.open("wb") as stream:
        stream.write(b"\x80\x04\x8e" + struct.pack("<Q", size))
        for _ in range(blocks):
            stream.write(block)
        stream.write(b".")
    yield path


_MEASURE = """
import sys, time
from pathlib import Path
from mithridate.checks.artifact_check import ARTIFACT_CHECKS
from mithridate.core.errors import MithridateError
from mithridate.models.files.item import Item
from mithridate.models.files.walk import walk
checks = [check() for check in ARTIFACT_CHECKS]
start = time.perf_counter()
for item in walk(Path(sys.argv[1])):
    for check in checks:
        if isinstance(item, Item) and item.kind in check.kinds:
            try:
                list(check.examine(item))
            except MithridateError as error:
                print(error)
seconds = time.perf_counter() - start
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(seconds, int(peak.split()[1]) / 1024)  # getrusage would tell of the parent
"""


def speed(folder: Path) -> None:
    """Print seconds and peak memory on a gigabyte, beside reading and hashing it."""
    print(f"{'':20} {'scan s':>8} {'peak MB':>8} {'cat s':>8} {'sha256 s':>9}")
    for path in _large(folder):
        seconds = []
        for command in (["cat", str(path)], ["cat", str(path)], ["sha256sum", str(path)]):
            start = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            seconds.append(time.perf_counter() - start)
        run = subprocess.run(
            [sys.executable, "-c", _MEASURE, path], capture_output=True, text=True, check=True
        )
        scanned, peak = map(float, run.stdout.split()[-2:])
        print(f"{path.name:20} {scanned:>8.2f} {peak:>8.0f} {seconds[1]:>8.2f} {seconds[2]:>9.2f}")
        path.unlink()


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=Path, help="a virtual environment with the other scanners")
    parser.add_argument("--gigabyte", type=Path, help="an existing folder with room for a gigabyte")
    options = parser.parse_args()
    compare(options.peers)
    if options.gigabyte:
        speed(options.gigabyte)


if __name__ == "__main__":
    main()

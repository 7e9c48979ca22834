"""Run the audit over the cases of a bar and say what held.

    python -m benchmarks.bars --bar 2 --draws 10 --out results.jsonl [--case stamp25] [--cache DIR]

The audit runs as its own process, which is given the data and nothing else: no ledger, no path of one. Bar 7
runs the clean sets and their halves. One JSON line for each audit goes to --out; medians are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.datasets import DATASETS, halves
from benchmarks.inputs import build
from benchmarks.plants import CASES, Case, Expect, make
from mithridate.attacks.ledger import Ledger, ledger_path
from mithridate.core.report import Report
from mithridate.runs.drill.score import Score, score

__all__ = ["Run", "audit", "holds"]

_COMMAND = "import sys; from mithridate.cli.main import main; sys.exit(main())"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One audit.

    Attributes:
        report: None when it did not end with one.
        seconds: wall clock.
        mib: peak memory of the process and its children together.
        code: exit code.
        errors: the end of what it wrote to stderr.
    """

    report: Report | None
    seconds: float
    mib: float
    code: int
    errors: str


def audit(path: Path, reading: Mapping[str, str], jobs: int | None = None) -> Run:
    """Run `mithridate audit` as a process of its own."""
    options = [part for name, value in reading.items() for part in (f"--{name}", value)]
    options += [] if jobs is None else ["--jobs", str(jobs)]
    with tempfile.TemporaryDirectory() as out, tempfile.TemporaryFile() as errors:
        command = [sys.executable, "-c", _COMMAND, "audit", str(path), "--out", out, *options]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        peak = _watch(process)
        seconds = time.perf_counter() - start
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace")[-2000:]
        report = Report.load(out) if (Path(out) / "report.json").exists() else None
        report = report if report is None else _with_targets(report, Path(out))
    return Run(report=report, seconds=seconds, mib=peak, code=process.returncode, errors=said)


def _with_targets(report: Report, folder: Path) -> Report:
    """Long target lists lie in files beside the report: read them while the folder exists."""
    from dataclasses import replace

    import pyarrow.parquet as pq

    from mithridate.core.results import Finding

    results = []
    for result in report.results:
        if isinstance(result, Finding) and result.targets_file is not None:
            table = pq.read_table(folder / result.targets_file)
            ids = tuple(str(i) for i in table["id"].to_pylist())
            result = replace(result, targets=ids, scores=tuple(table["score"].to_pylist()), targets_file=None)
        results.append(result)
    return replace(report, results=tuple(results))


def _watch(process: subprocess.Popen[bytes]) -> float:
    """Wait for the process; peak MiB: the larger of its own peak and the sum over its tree, sampled."""
    sampled = [0.0]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.2):
            sampled[0] = max(sampled[0], sum(_pss_kib(pid) for pid in _tree(process.pid)) / 1024)

    watcher = threading.Thread(target=sample, daemon=True)
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    done.set()
    watcher.join()
    return max(sampled[0], usage.ru_maxrss / 1024)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = listing.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _tree(int(child))


def _pss_kib(pid: int) -> int:
    """Memory of a process with shared pages shared out; resident parts of mapped files count."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def holds(expect: Expect, found: Score) -> bool:
    """Whether a score is what the bar asks."""
    accused = found.caught + found.innocents
    return all(
        (
            expect.alarm is None or found.alarm == expect.alarm,
            expect.caught is None or found.caught >= expect.caught * found.poison - 1e-9,
            expect.innocents is None or found.innocents <= expect.innocents,
            expect.innocent_share is None or found.innocents <= expect.innocent_share * accused,
            expect.precision is None or found.precision >= expect.precision,
        )
    )


def _line(name: str, draw: int, run: Run, expect: Expect, ledger: Ledger | None) -> dict[str, Any]:
    line: dict[str, Any] = {
        "case": name,
        "draw": draw,
        "seconds": round(run.seconds, 1),
        "mib": round(run.mib),
        "code": run.code,
    }
    if run.report is None:
        return line | {"holds": False, "errors": run.errors}
    found = score(run.report, ledger)
    return line | {"holds": holds(expect, found), **asdict(found)}


def _planted(case: Case, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for draw in range(arguments.first, arguments.first + arguments.draws):
        planted = make(case, draw, arguments.cache)
        run = audit(planted.path, case.reading, arguments.jobs)
        yield _line(f"bar{case.bar} {case.name}", draw, run, case.expect, planted.ledger)
        if not arguments.keep:
            planted.path.unlink()
            ledger_path(planted.path).unlink()


def _clean(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for data in DATASETS:
        if arguments.case and data.name not in arguments.case:
            continue
        paths = [build(data.input, arguments.cache), *halves(data, arguments.first, arguments.cache)]
        for k, path in enumerate(paths):
            run = audit(path, data.reading, arguments.jobs)
            line = _line(f"bar7 {data.name}", k, run, Expect(alarm=False), None)
            if data.shortcut and run.report is not None:
                line["info"] = [f.message for f in run.report.findings if f not in run.report.alarms]
            yield line


def _summary(lines: list[dict[str, Any]]) -> Iterator[str]:
    for name in dict.fromkeys(line["case"] for line in lines):
        rows = [line for line in lines if line["case"] == name]
        seconds = statistics.median(line["seconds"] for line in rows)
        mib = statistics.median(line["mib"] for line in rows)
        held = sum(line["holds"] for line in rows)
        yield f"{name:<34}{held}/{len(rows)} hold   {seconds:8.1f} s   {mib:6.0f} MiB"


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bar", type=int, required=True, choices=(2, 3, 4, 5, 6, 7, 8))
    parser.add_argument("--case", action="append", help="Only this case (bar 7: data set); may be repeated.")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="The first draw.")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache")
    parser.add_argument("--keep", action="store_true", help="Keep the poisoned copies in the cache.")
    arguments = parser.parse_args()
    lines = []
    for case in [None] if arguments.bar == 7 else CASES:
        if case and (case.bar != arguments.bar or (arguments.case and case.name not in arguments.case)):
            continue
        for line in _clean(arguments) if case is None else _planted(case, arguments):
            lines.append(line)
            with arguments.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")
            shown = (
                "holds",
                "verdict",
                "check",
                "caught",
                "innocents",
                "precision",
                "seconds",
                "mib",
                "errors",
            )
            print(line["case"], line["draw"], {k: line[k] for k in shown if k in line}, flush=True)
    print(*_summary(lines), sep="\n")


if __name__ == "__main__":
    main()

"""A report as files: report.json, report.html, and side files for lists that are too long to be inline."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mithridate.core.errors import ReportError
from mithridate.core.report import Report
from mithridate.core.results import Finding, Result, Severity, Skip

__all__ = [
    "INLINE_ITEMS",
    "INLINE_TARGETS",
    "Written",
    "read_targets",
    "write_bytes",
    "write_html",
    "write_json",
    "write_junit",
    "write_report",
    "write_sarif",
]

#: More targets than this go to a parquet, more skipped items than that to a text file.
INLINE_TARGETS, INLINE_ITEMS = 10_000, 100
_SIDES = ("targets-", "skipped-")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written.

    Attributes:
        report: as written: long lists cut, `targets_file` and `items_file` set.
        files: the files, report.html first.
    """

    report: Report
    files: tuple[Path, ...]


def write_report(report: Report, out_dir: str | Path) -> Written:
    """Write report.html, report.json and the side files into a folder, which is made if need be.

    Raises:
        ReportError: the folder cannot be written. Files appear whole or not at all.
    """
    from mithridate.report.html import render_html

    folder = Path(out_dir)
    _attempt(folder, lambda: folder.mkdir(parents=True, exist_ok=True))
    page, data = folder / "report.html", folder / "report.json"
    stale = _sides_of(data)
    report, sides = _spill(report, folder)
    write_bytes(page, render_html(report, folder=folder.name or "mithridate-report").encode("utf-8"))
    write_bytes(data, _json_bytes(report))
    for path in stale - set(sides):
        path.unlink(missing_ok=True)
    return Written(report=report, files=(page, data, *sides))


def write_json(report: Report, path: str | Path) -> Written:
    """Write one JSON file, and side files beside it where lists are long.

    Raises:
        ReportError: it cannot be written.
    """
    path = Path(path)
    report, sides = _spill(report, path.parent)
    write_bytes(path, _json_bytes(report))
    return Written(report=report, files=(path, *sides))


def write_html(report: Report, path: str | Path) -> Path:
    """Write the page alone.

    Raises:
        ReportError: it cannot be written.
    """
    from mithridate.report.html import render_html

    write_bytes(Path(path), render_html(report).encode("utf-8"))
    return Path(path)


def write_sarif(report: Report, path: str | Path) -> Path:
    """Write SARIF 2.1.0, as code-scanning services read it.

    Raises:
        ReportError: it cannot be written.
    """
    from mithridate.report.sarif import to_sarif

    write_bytes(Path(path), json.dumps(to_sarif(report), indent=1).encode("ascii"))
    return Path(path)


def write_junit(report: Report, path: str | Path, least: Severity | None = Severity.SUSPICIOUS) -> Path:
    """Write JUnit XML, as servers read it that collect the results of tests.

    Args:
        report: of an audit or scan.
        path: of the file.
        least: lowest severity that is a failure; None where none is.

    Raises:
        ReportError: it cannot be written.
    """
    from mithridate.report.junit import to_junit

    write_bytes(Path(path), to_junit(report, least))
    return Path(path)


def read_targets(finding: Finding, folder: str | Path) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """All targets of a finding and their scores, from its side file when there is one.

    Args:
        finding: from a report that was read.
        folder: where the report lies.

    Raises:
        ReportError: the side file is missing, broken, or outside of the folder.
    """
    if finding.targets_file is None:
        return finding.targets, finding.scores
    from pyarrow import ArrowInvalid, parquet

    path = Path(folder) / Path(finding.targets_file).name
    try:
        table = parquet.read_table(path, columns=["id", "score"])
    except (OSError, ArrowInvalid, KeyError) as error:
        raise ReportError(
            "a parquet with columns id, score", str(error)[:200], str(path), "Keep it beside report.json."
        ) from error
    return tuple(table["id"].to_pylist()), tuple(table["score"].to_pylist())


def _json_bytes(report: Report) -> bytes:
    # A lone surrogate (a file name that is no UTF-8) cannot be encoded; inside a JSON string its escape can.
    return _SURROGATE.sub(lambda m: f"\\u{ord(m.group()):04x}", report.to_json()).encode("utf-8")


def _sides_of(data: Path) -> set[Path]:
    """Side files of the report that lies here already; none if there is no readable one."""
    try:
        report = Report.load(data)
    except ReportError:
        return set()
    names = [r.targets_file for r in report.results if isinstance(r, Finding)]
    names += [r.items_file for r in report.results if isinstance(r, Skip)]
    return {data.parent / Path(name).name for name in names if name and Path(name).name.startswith(_SIDES)}


def _spill(report: Report, folder: Path) -> tuple[Report, list[Path]]:
    """Move long lists to side files."""
    results: list[Result] = []
    sides: list[Path] = []
    for number, result in enumerate(report.results, 1):
        if isinstance(result, Finding) and len(result.targets) > INLINE_TARGETS:
            path = folder / f"{_SIDES[0]}{number}-{_slug(result.check)}.parquet"
            _write_targets(path, result)
            sides.append(path)
            cut = {"targets": result.targets[:INLINE_TARGETS], "scores": result.scores[:INLINE_TARGETS]}
            result = replace(result, **cut, targets_file=path.name)  # type: ignore[arg-type]
        elif isinstance(result, Skip) and len(result.items) > INLINE_ITEMS:
            path = folder / f"{_SIDES[1]}{number}-{_slug(result.check)}.txt"
            write_bytes(
                path, "".join(f"{_one_line(i)}\n" for i in result.items).encode("utf-8", "surrogateescape")
            )
            sides.append(path)
            count = max(result.count, len(result.items))
            result = replace(result, items=result.items[:INLINE_ITEMS], count=count, items_file=path.name)
        results.append(result)
    return replace(report, results=tuple(results)), sides


def _slug(check: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", check)[:60] or "check"


def _one_line(name: str) -> str:
    return name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def _write_targets(path: Path, finding: Finding) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    ids = [i.encode("utf-8", "backslashreplace").decode("utf-8") for i in finding.targets]
    table = pa.table({"id": pa.array(ids, pa.string()), "score": pa.array(finding.scores, pa.float64())})
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)
    write_bytes(path, sink.getvalue().to_pybytes())


def write_bytes(path: Path, content: bytes) -> None:
    """Write whole or not at all: a temporary neighbour, then a rename.

    Raises:
        ReportError: it cannot be written.
    """
    _attempt(path, lambda: _replace(path, content))


def _replace(path: Path, content: bytes) -> None:
    # Opened by hand and not through tempfile, so that the user's umask decides who may read it.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _attempt(path: Path, act: Callable[[], Any]) -> None:
    try:
        act()
    except OSError as error:
        got = error.strerror or str(error)
        raise ReportError(
            "room and permission to write a report", got, str(path), "Give another place with --out."
        ) from error

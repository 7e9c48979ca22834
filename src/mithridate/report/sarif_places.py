"""Where in a checkout a finding is: the data or model file, and the files of the accused samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from mithridate.core.report import Report
from mithridate.core.results import Finding
from mithridate.report.safe import plain

__all__ = ["place", "related"]

_RELATED = 20


def place(report: Report, finding: Finding, base: Path) -> dict[str, Any]:
    """The data set, or of a scanned folder the file in it; it stays the same when other samples are accused."""
    whole = report.subject.uri
    if report.subject.modality != "model" or not finding.targets:
        return _located(whole, base)
    file = finding.targets[0].partition("!")[0]
    return _located(whole if whole.endswith(file) else f"{whole.rstrip('/')}/{file}", base)


def related(report: Report, finding: Finding, base: Path) -> list[dict[str, Any]]:
    """The files of the first accused samples, where samples are files."""
    folder = Path(report.subject.uri)
    if report.subject.modality == "model" or "://" in report.subject.uri or not folder.is_dir():
        return []
    files = [i for i in finding.accused[:_RELATED] if ".." not in Path(i).parts and (folder / i).is_file()]
    return [
        {"id": n, "message": {"text": plain(i, 200)}, **_located(str(folder / i), base)}
        for n, i in enumerate(files, 1)
    ]


def _located(path: str, base: Path) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": _artifact(path, base)}}


def _artifact(path: str, base: Path) -> dict[str, str]:
    """Relative to the checkout where it lies in it; a URI reference in any case."""
    if "://" in path:
        return {"uri": quote(path, safe="/:?&=%@,;+~", errors="replace")}
    absolute = base / path
    try:
        inside = Path(absolute).resolve().relative_to(base.resolve())
    except (OSError, ValueError, RuntimeError):
        if not Path(path).is_absolute() and ".." not in Path(path).parts:
            return {"uri": quote(path, errors="replace") or "."}
        return {"uri": "file://" + quote(str(absolute), errors="replace")}
    return {"uri": quote(inside.as_posix(), errors="replace") or ".", "uriBaseId": "%SRCROOT%"}

"""Digests of what findings accuse, so that a later report can tell old from new (see `core.baseline`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mithridate.core.batch import Source
from mithridate.core.errors import MithridateError
from mithridate.core.results import Finding, Result, Severity
from mithridate.sources.digest import files_digest, sample_digests

__all__ = ["with_files", "with_samples"]

#: Findings that accuse more than this are not told apart from new ones.
MOST = 10_000
_AT_ONCE = {"text": MOST, "table": MOST}  # many to a pass; of pictures few, which may be large
_FEW = 32


def with_samples(results: Sequence[Result], source: Source) -> list[Result]:
    """Give findings above INFO `details["contents"]`: a digest of content and label of each accused sample.

    Args:
        results: graded.
        source: the data that they speak about.

    Returns:
        The same results. A finding has none where it accuses too many, or one of its samples cannot be had.
    """
    asked = [r for r in results if _asked(r)]
    known = _digests(dict.fromkeys(i for r in asked if isinstance(r, Finding) for i in r.accused), source)
    return [
        _told(r, [known.get(i) for i in r.accused]) if isinstance(r, Finding) and _asked(r) else r
        for r in results
    ]


def with_files(
    results: Sequence[Result], root: Path, whole: str | None, files: Iterable[str]
) -> list[Result]:
    """The same for a scan: a digest of the file that a finding is about.

    Args:
        results: of a scan.
        root: the file or folder that was scanned.
        whole: digest of all of it, for what is computed from several files; None where that is not all.
        files: ids of the checks that look at one file by itself.
    """
    alone, known = set(files), dict[str, str | None]()

    def digest(finding: Finding) -> str | None:
        if finding.check not in alone:
            return whole
        name = finding.targets[0].partition("!")[0] if finding.targets else ""
        if name not in known:
            path = root if root.is_file() else root / name
            known[name] = files_digest([("", path)]) if path.is_file() else None
        return known[name]

    return [_told(r, [digest(r)]) if isinstance(r, Finding) and _asked(r) else r for r in results]


def _asked(result: Result) -> bool:
    if not isinstance(result, Finding) or result.severity is Severity.INFO:
        return False
    return 0 < result.count == len(result.accused) <= MOST


def _told(finding: Finding, digests: Sequence[str | None]) -> Finding:
    if None in digests:
        return finding
    return replace(finding, details={**finding.details, "contents": list(digests)})


def _digests(ids: Iterable[str], source: Source) -> dict[str, str]:
    ids, step = tuple(ids), _AT_ONCE.get(source.modality, _FEW)
    known = dict[str, str]()
    for start in range(0, len(ids), step):
        try:
            batch = source.fetch(ids[start : start + step])
        except (MithridateError, OSError):
            continue  # then nobody can say that they are the same
        known |= {i: d for i, d in zip(batch.ids, sample_digests(batch), strict=True) if d is not None}
    return known

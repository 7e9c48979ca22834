"""The first level of a scan: every file and every member of an archive, as bytes. Nothing is loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mithridate.checks.artifact_check import ARTIFACT_CHECKS, ArtifactCheck
from mithridate.core.errors import MithridateError
from mithridate.core.results import Clear, Finding, NotApplicable, Result, Skip
from mithridate.models.files.item import Item, Kind
from mithridate.models.files.limits import ScanLimits
from mithridate.models.files.walk import walk

__all__ = ["Examined", "examine_files"]

Progress = Callable[[str, int, int | None], None]

#: kinds that hold nothing that is run or loaded by itself, or whose members are looked at one by one.
_HARMLESS: frozenset[Kind] = frozenset(("text", "image", "empty", "tar", "gzip", "bzip2", "xz", "zip", "npz"))
_WORDS: dict[Kind, str] = {
    "savedmodel": "a TensorFlow SavedModel", "tflite": "a TFLite model", "executorch": "an ExecuTorch program",
    "catboost": "a CatBoost model", "7z": "a 7z archive", "rar": "a RAR archive", "unknown": "a file of unknown kind",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What the first level leaves.

    Attributes:
        results: findings, skips, and a record of every check that ran.
        models: items that are models in themselves, for the levels that follow.
        count: items that were looked at.
    """

    results: tuple[Result, ...]
    models: tuple[Item, ...]
    count: int


def examine_files(
    root: Path, keep: Callable[[Item], bool], limits: ScanLimits | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Examined:  # fmt: skip
    """Look at everything in a file or folder.

    Args:
        root: the file or folder.
        keep: which items are models for the levels that follow.
        limits: how much may be read and unpacked.
        progress: told (stage, done, None).
    """
    checks = [kind() for kind in ARTIFACT_CHECKS]
    results: list[Result] = []
    models: list[Item] = []
    looked: Counter[str] = Counter()
    count = 0
    for item in walk(root, limits):
        if isinstance(item, Skip):
            results.append(item)
            continue
        count += 1
        progress("files", count, None)
        fitting = [check for check in checks if item.kind in check.kinds and not item.tensor]
        looked.update(check.card.id for check in fitting)
        for check in fitting:
            results.extend(_asked(check, item))
        if keep(item):
            models.append(item)
        elif not fitting and not item.tensor and item.kind not in _HARMLESS:
            results.append(_unread(item))
    return Examined(results=(*results, *_records(checks, looked, results)), models=tuple(models), count=count)


def _asked(check: ArtifactCheck, item: Item) -> Iterator[Finding | Skip]:
    try:
        yield from check.examine(item)
    except MithridateError as error:
        yield check.skipped(item, str(error).removeprefix(f"{item.name}: "), "Look at this file by hand.")
    except (RecursionError, MemoryError, OSError, ValueError, KeyError, IndexError, OverflowError) as error:
        got = f"{type(error).__name__}: {str(error)[:200]}"
        yield check.skipped(item, f"what it holds contradicts itself ({got})", "Do not load this file.")


def _unread(item: Item) -> Skip:
    what = _WORDS.get(item.kind, f"a file of kind {item.kind}")
    remedy = "Keep it away from what loads models, or look at it by hand."
    return Skip(
        check="files",
        reason=f"{what} is not read by this version",
        remedy=remedy,
        items=(item.name,),
        count=1,
    )


def _records(
    checks: Sequence[ArtifactCheck], looked: Counter[str], results: Sequence[Result]
) -> Iterator[Result]:
    """One record for every check that found nothing."""
    spoke = {result.check for result in results}
    for check in checks:
        if check.card.id in spoke:
            continue
        count = looked[check.card.id]
        if not count:
            yield NotApplicable(check=check.card.id, reason="no file of a kind that it reads")
            continue
        noun = "file" if count == 1 else "files"
        yield Clear(check=check.card.id, message=f"nothing in {count:,} {noun}", limit="")

"""`scan`: may this model be plugged in? Its files, its graph, what it answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from hashlib import blake2b
from pathlib import Path
from time import perf_counter
from typing import Any

from mithridate.checks.artifact_check import ARTIFACT_CHECKS
from mithridate.core.errors import UsageError
from mithridate.core.report import Report, Subject
from mithridate.core.results import Action, Finding, Result, Severity, Skip
from mithridate.core.verdict import verdict
from mithridate.models.files.item import Item
from mithridate.models.files.limits import ScanLimits
from mithridate.models.graph.read import has_graph
from mithridate.runs.contents import with_files
from mithridate.runs.scan.artifacts import examine_files
from mithridate.runs.scan.models import Asked, ModelLevel, examine_model
from mithridate.runs.scan.with_arch import traced
from mithridate.sources.digest import files_digest

__all__ = ["cards", "scan"]

Progress = Callable[[str, int, int | None], None]
_MOST_MODELS = 8


def scan(
    model: Any,
    *,
    asked: Asked | None = None,
    limits: ScanLimits | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Report:
    """Find what a model hides, without loading it outside a jail.

    >>> report = scan("resnet.onnx")  # doctest: +SKIP

    Args:
        model: a file, an archive or a folder; or, as a black box of which only answers are seen, an http(s) URL or
            anything else that `open_model` takes. An object in memory is the caller's own and runs in this process.
        asked: clean samples, names of classes, how pictures become inputs.
        limits: how much may be read and unpacked.
        progress: told (stage, done, total or None).

    Returns:
        A report; nothing is written.

    Raises:
        UsageError: nothing there, or clean samples that do not fit the model.
    """
    asked, started = asked or Asked(), perf_counter()
    if not isinstance(model, str | os.PathLike) or str(model).lower().startswith(("http://", "https://")):
        return _black_box(model, asked, progress, started)
    root = Path(model)
    if not root.exists() and not root.is_symlink():
        raise UsageError("a file or folder", "nothing there", str(root), "Check the path.")
    examined = examine_files(root, has_graph, limits, progress)
    seconds = {"files": perf_counter() - started}
    subject = _subject(root, examined.count, asked)
    asked = _compared(asked, subject.digest)
    with ExitStack() as stack:
        models = [*examined.models]
        if asked.arch is not None:
            models = [stack.enter_context(traced(root, asked.arch, asked))]
        levels = [examine_model(item, asked, progress) for item in models[:_MOST_MODELS]]
    results = [*examined.results, *_beyond(examined.models), *_without_graph(root, levels)]
    return _report(subject, asked, results, levels, seconds, started, root)


def _compared(asked: Asked, origin: str) -> Asked:
    """With a bank without this very model, to which it goes by its content."""
    keep, bank = asked.keep, asked.bank
    return replace(
        asked,
        bank=None if bank is None else bank.beside(origin),
        keep=None if keep is None else lambda statistics: keep(replace(statistics, origin=origin)),
    )


def _black_box(model: Any, asked: Asked, progress: Progress, started: float) -> Report:
    from mithridate.models.open import open_model
    from mithridate.runs.scan.black_box import examine_black_box

    opened = open_model(model)
    level = examine_black_box(opened, asked, progress)
    digest = blake2b(opened.name.encode(), digest_size=32).hexdigest()
    options = {} if asked.clean is None else {"clean": asked.clean.uri}
    subject = Subject(uri=opened.name, digest=digest, modality="model", count=1, classes={}, options=options)
    note = "a black box: only its answers were examined, neither files nor graph"
    return _report(subject, asked, [], [replace(level, notes=(note, *level.notes))], {}, started)


def _report(
    subject: Subject, asked: Asked, results: list[Result], levels: Sequence[ModelLevel], seconds: dict[str, float],
    started: float, root: Path | None = None,
) -> Report:  # fmt: skip
    from mithridate.report.exhibits.models import draw_all
    from mithridate.report.notebook import render_notebook

    for level in levels:
        results.extend(draw_all(level.results, level.ordinary, asked.layout))
    if root is not None:
        alone = [kind.card.id for kind in ARTIFACT_CHECKS]
        whole = subject.digest if asked.arch is None else None  # code of the caller is not in the digest
        results = with_files(results, root, whole, alone)
    ranked, spent = _sorted(results), perf_counter() - started
    seconds = {**seconds, "graph and behaviour": spent - sum(seconds.values()), "total": spent}
    return Report(
        verdict=verdict(ranked),
        subject=subject,
        seed=asked.seed,
        cards=cards(),
        results=tuple(ranked),
        actions=_actions(ranked),
        timings={stage: round(value, 3) for stage, value in seconds.items()},
        notes=tuple(dict.fromkeys(note for level in levels for note in level.notes)),
        renderer=render_notebook,
    )


def cards() -> dict[str, dict[str, Any]]:
    """Of all checks of models, as a report holds them."""
    from mithridate.checks.catalogue import model_cards

    return {card.id: {**asdict(card), "arguments": {}} for card in model_cards()}


def _subject(root: Path, count: int, asked: Asked) -> Subject:
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    named = [
        ("" if path == root else path.relative_to(root).as_posix(), path)
        for path in files
        if not path.is_symlink()
    ]
    options = {} if asked.clean is None else {"clean": asked.clean.uri}
    return Subject(
        uri=str(root), digest=files_digest(named), modality="model", count=count, classes={}, options=options
    )


def _beyond(models: Sequence[Item]) -> list[Result]:
    rest = models[_MOST_MODELS:]
    if not rest:
        return []
    reason = f"only the graphs of the first {_MOST_MODELS} models were examined"
    remedy = "Scan the others one by one."
    return [
        Skip(check="scan", reason=reason, remedy=remedy, items=tuple(i.name for i in rest), count=len(rest))
    ]


def _without_graph(root: Path, levels: Sequence[ModelLevel]) -> list[Result]:
    """Weights alone say nothing about what is computed with them."""
    if levels:
        return []
    return [
        Skip(
            check="scan",
            reason="nothing here says what is computed: neither graph nor behaviour was examined",
            remedy="Name the module of these weights with --arch, or scan an export as ONNX or TorchScript, too.",
            items=(root.name,),
            count=1,
        )
    ]


def _sorted(results: Sequence[Result]) -> list[Result]:
    """Findings first, worst first, then by name."""

    def rank(result: Result) -> tuple[int, int, str]:
        if isinstance(result, Finding):
            return (0, -result.severity, result.message)
        return (1, 0, "")

    return sorted(results, key=rank)


def _actions(results: Sequence[Result]) -> tuple[Action, ...]:
    found = [r for r in results if isinstance(r, Finding) and r.severity > Severity.INFO]
    return tuple(
        Action(
            kind="excise" if "excise" in f.details else "block",
            targets=f.accused,
            because=(f.check,),
            undo="keep the original file",
        )
        for f in found
    )

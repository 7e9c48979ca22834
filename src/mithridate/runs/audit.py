"""`audit`: a data set → findings about samples, sources and the shortcuts a lazy model would learn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from mithridate.core.baseline import folded
from mithridate.core.batch import BadItem, Source
from mithridate.core.errors import UsageError
from mithridate.core.report import Report, Subject
from mithridate.core.results import Action, Finding, Result, Severity, Skip
from mithridate.core.verdict import grade, verdict
from mithridate.evidence.roll import Gathered
from mithridate.evidence.view import Evidence

__all__ = ["audit"]

Progress = Callable[[str, int, int | None], None]
_OVERLAP = 0.5
_KINDS = 8  # of reasons why items cannot be read
_NUMBERS = re.compile(r"[\d.,]*\d")


def audit(
    data: Any,
    *,
    labels: Any = None,
    label: str | None = None,
    text: str | None = None,
    id: str | None = None,
    source: str | None = None,
    x_key: str | None = None,
    y_key: str | None = None,
    split: str | None = None,
    embeddings: Any = None,
    encoder: Any = None,
    saw_labels: bool = False,
    rate: int | None = None,
    offsets: str | None = None,
    prompt: str | None = None,
    response: str | None = None,
    rejected: str | None = None,
    seed: int = 0,
    jobs: int | None = None,
    work: str | Path | None = None,
    engine: Any = None,
    shards: int | None = None,
    shards_at: str | Path | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Report:
    """Find poison in a data set.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    >>> audit(x, labels=[i % 2 for i in range(60)]).verdict
    <Verdict.CLEAN: 'CLEAN'>

    Args:
        data: a path or address of what `open_source` reads (a folder of images, .npz, .csv, .parquet, .tar, ...), or an
            array, DataFrame, table, `datasets.Dataset` or list of texts or sounds; or a source from `open_source`,
            which the arguments up to `rejected` then do not concern.
        labels: labels of data in memory, one per sample.
        label: column of the labels.
        text: column(s) of the text, comma-separated; makes the data text.
        id: column of the ids; otherwise the relative path or the row number.
        source: column that says where a sample came from.
        x_key: array of the samples in an .npz.
        y_key: array of the labels in an .npz.
        split: which split, where the data have several.
        embeddings: a vector for each sample: a .npy, .npz or .parquet file, with ids or in the order of the data, or an
            array (n, d).
        encoder: what makes such vectors: a folder with a Hugging Face or sentence-transformers model, an .onnx file,
            an installed package that carries a model, MODULE:FUNCTION, or a function or torch module. Nothing is
            downloaded. What cannot be had is a `Skip`, and the rest goes on.
        saw_labels: the vectors were learned from these labels; they then judge no labels.
        rate: Hz; says that arrays are sounds.
        offsets: array in an .npz that says where each sound of a flat array starts.
        prompt: column(s) of what was asked, of chat data whose columns are not recognised by their names.
        response: column of what was answered.
        rejected: column of the worse answer of each pair.
        seed: of all randomness.
        jobs: threads; all processors when None. The report does not depend on it.
        work: folder for intermediate files; an interrupted audit goes on from there. A temporary one when None.
        engine: what reads the shards of the data: "threads", "processes", "dask://HOST:PORT" or an executor; see
            `engines.spread`. The report does not depend on it.
        shards: parts that are read one by one; None takes one of about 10,000 samples where there is an engine.
        shards_at: folder or URI of a store that keeps what was read of each shard; in `work` when None.
        progress: told (stage, done, total or None).

    Returns:
        A report; nothing is written.

    Raises:
        UsageError: the data cannot be read as asked.
    """
    from mithridate.engines.threads import limited_threads
    from mithridate.runs.embedding import wanted
    from mithridate.sources.base import RowSource
    from mithridate.sources.open import open_source

    if seed < 0:
        raise UsageError("0 or more", str(seed), "seed", "Take another number.")
    started = perf_counter()
    opened = data if isinstance(data, RowSource) else open_source(
        data, labels=labels, label=label, text=text, id=id, source=source, x_key=x_key, y_key=y_key, split=split,
        rate=rate, offsets=offsets, prompt=prompt, response=response, rejected=rejected,
    )  # fmt: skip
    vectors = wanted(embeddings, encoder, saw_labels)
    asked = opened
    with limited_threads(jobs) as threads, _folder(work) as folder:
        if engine is not None or shards is not None:
            from mithridate.runs.shards import read_by_shards

            place = str(folder / "shards") if shards_at is None else str(shards_at)
            opened = read_by_shards(opened, engine, shards, place, threads, progress)
        gathered = _gather(opened, folder, seed, threads, progress)
        gathered, skips = vectors.added(gathered, asked, folder, threads, progress)
        noted = perf_counter()
        report = _examined(opened, gathered, skips, threads, progress)
    timings = {"evidence": noted - started, **report.timings, "total": perf_counter() - started}
    return replace(report, timings={stage: round(seconds, 3) for stage, seconds in timings.items()})


@contextmanager
def _folder(work: str | Path | None) -> Iterator[Path]:
    if work is not None:
        path = Path(work)
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    with TemporaryDirectory(prefix="mithridate-") as temporary:
        yield Path(temporary)


def _gather(source: Source, folder: Path, seed: int, jobs: int, progress: Progress) -> Gathered:
    if source.modality == "image":
        from mithridate.evidence.image.gather import gather_image as gather
    elif source.modality == "text":
        from mithridate.evidence.text.gather import gather_text as gather
    elif source.modality == "audio":
        from mithridate.evidence.audio.gather import gather_audio as gather
    elif source.modality == "chat":
        from mithridate.evidence.chat.gather import gather_chat as gather
    else:
        from mithridate.evidence.table.gather import gather_table as gather
    return gather(source, store_dir=folder, seed=seed, jobs=jobs, progress=progress)


def _examined(
    source: Source, gathered: Gathered, skips: Sequence[Result], jobs: int, progress: Progress
) -> Report:
    from mithridate.checks.base import DATA_CHECKS
    from mithridate.report.exhibits import build_all
    from mithridate.report.notebook import render_notebook
    from mithridate.runs.beside import with_others
    from mithridate.runs.contents import with_samples
    from mithridate.runs.views import run_views

    evidence = gathered.evidence
    kinds = list(DATA_CHECKS)
    outcome = run_views(kinds, gathered, jobs=jobs, progress=progress)
    graded = grade(outcome.results, [kind.card.id for kind in outcome.ran if kind.card.graded])
    told = with_samples(_sorted(graded), source)
    results = [*skips, *_unreadable(gathered.bad), *_unlabelled(evidence), *_merged(told)]
    progress("exhibits", 0, None)
    started = perf_counter()
    results = list(build_all(with_others(results, evidence), source))
    return Report(
        verdict=verdict(results),
        subject=_subject(source, evidence),
        seed=evidence.seed,
        cards={k.card.id: {**asdict(k.card), "arguments": {}} for k in kinds},
        results=tuple(results),
        actions=_actions(results),
        timings={**outcome.timings, "exhibits": perf_counter() - started},
        notes=(*getattr(source, "notes", ()), *gathered.notes, *_partly_labelled(evidence)),
        renderer=render_notebook,
    )


def _subject(source: Source, evidence: Evidence) -> Subject:
    counts = dict.fromkeys(evidence.classes, 0)
    if evidence.labels is not None:
        for number, name in enumerate(evidence.classes):
            counts[name] = int((evidence.labels == number).sum())
    return Subject(
        uri=source.uri,
        digest=source.digest,
        modality=source.modality,
        count=len(evidence.ids),
        classes=counts,
        options=getattr(source, "options", {}),
    )


def _unlabelled(evidence: Evidence) -> list[Result]:
    """Labels were promised, and there are none."""
    if evidence.labels is None or (evidence.labels >= 0).any():
        return []
    return [
        Skip(
            check="source",
            reason="no sample has a label where labels were expected: nothing that compares labels was run",
            remedy="Name the column that holds them, or leave the option out.",
            items=(),
            count=len(evidence.ids),
        )
    ]


def _partly_labelled(evidence: Evidence) -> tuple[str, ...]:
    missing = 0 if evidence.labels is None else int((evidence.labels < 0).sum())
    if not missing or missing == len(evidence.ids):
        return ()
    return (
        f"{missing:,} of {len(evidence.ids):,} samples have no label; what compares labels passed over them",
    )


def _unreadable(bad: Sequence[BadItem]) -> list[Result]:
    """One entry for each kind of reason, most items first; reasons that differ in numbers are of one kind."""
    kinds: dict[str, list[BadItem]] = {}
    for item in bad:
        kinds.setdefault(_NUMBERS.sub("#", item.reason), []).append(item)
    ranked = sorted(kinds.values(), key=len, reverse=True)
    if len(ranked) > _KINDS:
        ranked[_KINDS - 1 :] = [[item for alike in ranked[_KINDS - 1 :] for item in alike]]
    return [
        Skip(
            check="source",
            reason=f"{_many(items)}{items[0].reason}",
            remedy="Repair or remove these items, then audit again.",
            items=tuple(item.id for item in items),
            count=len(items),
        )
        for items in ranked
    ]


def _many(items: Sequence[BadItem]) -> str:
    if len(items) == 1:
        return "could not be read: "
    same = len({item.reason for item in items}) == 1
    return f"{len(items):,} items could not be read{'' if same else ', the first because of'}: "


def _sorted(results: Sequence[Result]) -> list[Result]:
    """Findings first, worst and most significant first."""

    def rank(result: Result) -> tuple[int, int, float]:
        if isinstance(result, Finding):
            return (0, -result.severity, 0.0 if result.p_value is None else result.p_value)
        return (1, 0, 0.0)

    return sorted(results, key=rank)


def _merged(results: Sequence[Result]) -> list[Result]:
    """One finding per thing: an alarm that accuses mostly what a stronger alarm accuses is folded into it."""
    kept: list[Result] = []
    for result in results:
        if isinstance(result, Finding) and result.severity > Severity.INFO:
            mine = set(result.accused)
            twin = next((i for i, other in enumerate(kept) if _same(other, mine)), None)
            if twin is not None:
                other = kept[twin]
                assert isinstance(other, Finding)
                seen = [*other.details.get("seen_by", []), result.check]
                more = {
                    "seen_by": sorted(set(seen)),
                    "folded": [*other.details.get("folded", []), folded(result)],
                }
                kept[twin] = replace(other, details={**other.details, **more})
                continue
        kept.append(result)
    return kept


def _same(other: Result, mine: set[str]) -> bool:
    if not isinstance(other, Finding) or other.severity is Severity.INFO:
        return False
    return len(mine & set(other.accused)) >= _OVERLAP * min(len(mine), other.count)


def _actions(results: Sequence[Result]) -> tuple[Action, ...]:
    return tuple(
        Action(
            kind="quarantine", targets=f.accused[:10_000], because=(f.check,), undo="keep the original data"
        )
        for f in results
        if isinstance(f, Finding) and f.severity > Severity.INFO
    )

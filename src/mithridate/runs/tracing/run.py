"""`trace`: which training samples taught a model a wrong answer?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.trace_check import Heads, TraceScope
from mithridate.core.errors import UsageError
from mithridate.core.report import Report, Subject
from mithridate.core.results import Action, Finding, Result, Skip
from mithridate.core.verdict import Verdict
from mithridate.core.wording import several
from mithridate.evidence.trait import Features
from mithridate.evidence.transplant import Ask
from mithridate.models.levels import INPUTS, Reader, Seen, TorchLevels, reader_of
from mithridate.runs.tracing.feeding import Feeding, incidents_of, settled
from mithridate.runs.tracing.judging import judge
from mithridate.runs.tracing.looking import MOST_SAME, Looked, labels_in, look
from mithridate.runs.tracing.telling import Told, tell
from mithridate.sources.base import RowSource
from mithridate.sources.open import open_source

__all__ = ["Asked", "names_of_outputs", "trace"]

Progress = Callable[[str, int, int | None], None]
_TOLD = "trace"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a user says besides model, data and incidents.

    Attributes:
        how: raw samples become inputs.
        classes: the label that each output stands for; None matches by number, by the estimator's own names, or by
            sorted name.
        checkpoints: the same model at earlier times of its training, for the influence in the last layer.
        seed: of everything drawn.
    """

    how: Feeding = field(default_factory=Feeding)
    classes: Sequence[str] | None = None
    checkpoints: tuple[Any, ...] = ()
    seed: int = 0


def trace(
    model: Any,
    data: Any,
    incidents: Any,
    *,
    asked: Asked | None = None,
    progress: Progress = lambda stage, done, total: None,
    **reading: Any,
) -> Report:
    """Find the samples that taught a model a wrong answer.

    Incidents that got the same answer are traced together, and improve on one; for each answer the data is read once.

    Args:
        model: a torch module that ends in a linear layer, a scikit-learn classifier or pipeline, an XGBoost or
            LightGBM classifier.
        data: what it was trained on, as `sources.open.open_source` takes it, or a source.
        incidents: a sample that got a wrong answer, or a list of such: paths (a picture, a .txt, a .json with a row, a
            data set), (h, w[, c]) uint8 arrays, texts, or {column: value} rows.
        asked: see `Asked`.
        progress: told (stage, done, total or None).
        reading: how `data` is read, as for `open_source`.

    Returns:
        A report: EXPLAINED with a finding for each answer that a group taught, else NO GROUP. The targets of a
        finding are ids of training samples, worst first.

    Raises:
        UsageError: a model that cannot be looked into, data without labels, incidents of another kind.
    """
    asked, started = asked or Asked(), perf_counter()
    source = data if isinstance(data, RowSource) else open_source(data, **reading)
    reader = reader_of(model)
    listed = list(incidents) if isinstance(incidents, list | tuple) else [incidents]
    raws, names = incidents_of(listed, source)
    how = settled(asked.how, reader, next(iter(source.batches(8))))
    sizes = labels_in(source)
    if len(sizes) < 2:
        got = f"{', '.join(map(repr, sizes)) or 'none'} alone"
        raise UsageError("samples of two labels or more", got, source.uri, "Give all of the training data.")
    wrong = reader.read(how.inputs(raws, source.modality))
    labels = names_of_outputs(reader, sizes, wrong.logits.shape[1], asked.classes)
    answers = wrong.logits.argmax(axis=1)
    tracing = _Tracing(reader, source, how, sizes, labels, asked, progress)
    told: list[Told] = []
    for answer in dict.fromkeys(answers.tolist()):
        rows = np.flatnonzero(answers == answer)
        told.append(
            tracing.one(answer, _rows(wrong, rows), [raws[k] for k in rows], [names[k] for k in rows])
        )
    return _report(source, sizes, asked, told, how, len(raws), started)


@dataclass(frozen=True)
class _Tracing:
    """What stays the same for every answer."""

    reader: Reader
    source: RowSource
    how: Feeding
    sizes: dict[str, int]
    labels: tuple[str, ...]
    asked: Asked
    progress: Progress

    def one(self, answer: int, wrong: Seen, raws: list[Any], names: list[str]) -> Told:
        """Trace the incidents that got one answer."""
        label = self.labels[answer]
        seen = self._look(self.reader, wrong, label)
        heads = []
        for checkpoint in self.asked.checkpoints:
            reader = reader_of(checkpoint)
            then = reader.read(self.how.inputs(raws, self.source.modality))
            heads.append(_heads(self._look(reader, then, label), then))
        self.progress("blaming", 0, None)
        columns = {name: column for column, name in enumerate(self.labels)}
        scope = TraceScope(
            answer=answer,
            levels=seen.levels,
            heads=(*heads, _heads(seen, wrong)),
            kinds=np.array([columns.get(name, -1) for name in seen.kinds], dtype=np.intp),
            ask=self._ask(answer, raws, seen),
            seed=self.asked.seed,
        )
        return tell(
            judge(scope), scope, seen, self.source, label=label, raws=raws, names=names,
            linear=getattr(self.reader, "linear", None),
        )  # fmt: skip

    def _ask(self, answer: int, raws: list[Any], seen: Looked) -> Ask | None:
        """Of a module whose inputs were kept as they are."""
        inputs = next(
            (level for level in seen.levels if level.name == INPUTS and level.content is None), None
        )
        form = np.shape(self.how.inputs(raws, self.source.modality))[1:]
        if (
            not isinstance(self.reader, TorchLevels)
            or inputs is None
            or inputs.same.shape[1] != np.prod(form)
        ):
            return None

        def ask(rows: Features) -> NDArray[np.bool_]:
            given = rows.reshape(-1, *form).astype(np.float32)
            found: NDArray[np.bool_] = self.reader.read(given).logits.argmax(axis=1) == answer
            return found

        return ask

    def _look(self, reader: Reader, wrong: Seen, label: str) -> Looked:
        return look(reader, self.source, self.how, wrong, label, self.sizes, self.asked.seed, self.progress)


def _heads(seen: Looked, wrong: Seen) -> Heads:
    last = seen.last
    return Heads(
        same=last.same.astype(np.float64),
        incidents=last.incidents.astype(np.float64),
        same_logits=seen.logits,
        incident_logits=wrong.logits,
    )


def _rows(seen: Seen, rows: NDArray[np.intp]) -> Seen:
    return replace(seen, logits=seen.logits[rows], levels={k: v[rows] for k, v in seen.levels.items()})


def names_of_outputs(
    reader: Reader, sizes: dict[str, int], outputs: int, classes: Sequence[str] | None
) -> tuple[str, ...]:
    """The label that each output stands for."""
    from mithridate.runs.evade_data import matched

    own: tuple[str, ...] = getattr(reader, "classes", ())
    if classes is None and len(own) == outputs and set(sizes) <= set(own):
        return own
    return matched(sorted(sizes), outputs, classes)[0]


def _report(
    source: RowSource, sizes: dict[str, int], asked: Asked, told: Sequence[Told], how: Feeding, incidents: int,
    started: float,
) -> Report:  # fmt: skip
    from mithridate.checks.catalogue import trace_cards
    from mithridate.report.notebook import render_notebook

    results: list[Result] = [result for each in told for result in each.results]
    unreadable = told[0].unreadable
    if unreadable:
        reason = f"{several(len(unreadable), 'sample')} could not be read"
        results.append(
            Skip(
                check=_TOLD, reason=reason, remedy="They may have taught it, too: look at them.",
                items=unreadable[:100], count=len(unreadable),
            )
        )  # fmt: skip
    findings = [r for r in results if isinstance(r, Finding)]
    given = {"incidents": incidents, "checkpoints": 1 + len(asked.checkpoints), "layout": how.layout}
    return Report(
        verdict=Verdict.EXPLAINED if findings else Verdict.NO_GROUP,
        subject=Subject(
            uri=source.uri, digest=source.digest, modality=source.modality, count=source.count, classes=sizes,
            options=source.options,
        ),
        seed=asked.seed,
        cards={card.id: {**asdict(card), "arguments": given} for card in trace_cards()},
        results=tuple(sorted(results, key=lambda r: not isinstance(r, Finding))),
        actions=tuple(
            Action(kind="quarantine", targets=f.accused, because=(f.check,), undo="keep the original data")
            for f in findings
        ),
        timings={"total": round(perf_counter() - started, 3)},
        notes=_notes(asked, sizes, told),
        renderer=render_notebook,
    )  # fmt: skip


def _notes(asked: Asked, sizes: dict[str, int], told: Sequence[Told]) -> tuple[str, ...]:
    notes = []
    if not asked.checkpoints:
        notes.append("influence in the last layer: of the trained model alone, as no checkpoints were given")
    if max(each.labelled for each in told) > MOST_SAME:
        notes.append(f"of each label, a draw of {MOST_SAME:,} samples was examined")
    return tuple(notes)

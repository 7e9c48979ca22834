"""What `repair --forget` tells: one finding with accuracy, what is left of the named samples' effect, and costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path

from mithridate.core.report import Report, Subject
from mithridate.core.results import Action, Clear, Exhibit, Finding, Result, Severity, Skip
from mithridate.core.verdict import Verdict
from mithridate.repairs.base import Passes
from mithridate.repairs.forgetting import Forgetting
from mithridate.runs.forget.measuring import Measured
from mithridate.runs.forget.reading import Training
from mithridate.sources.base import RowSource

__all__ = ["page"]

_ID = Forgetting.card.id


def page(
    *, model: Path, source: RowSource, seed: int, named: int, training: Training, labels: Sequence[str],
    incidents: Sequence[str], before: Measured, after: Measured, passes: Passes, trained: float | None,
    healing: float, verdict: Verdict, loss: float, unseen: bool, seconds: float,
) -> Report:  # fmt: skip
    """The report.

    Args:
        model: file with the weights.
        source: the training data.
        seed: of everything drawn.
        named: samples to forget.
        training: what was read.
        labels: that each output stands for.
        incidents: their names.
        before: the model as it was.
        after: repaired.
        passes: that the repair took.
        trained: passes of the training; None where unknown.
        healing: seconds that the repair took.
        verdict: of the whole.
        loss: accuracy that may be lost.
        unseen: accuracy was measured on samples that the model was not trained on.
        seconds: of the whole.
    """
    from mithridate.report.notebook import render_notebook

    digest = blake2b(model.read_bytes(), digest_size=32).hexdigest()
    held = after.held
    kind = "clean" if unseen else "other training"
    told = (
        f"{model.name}: {named:,} named samples; accuracy on {kind} samples {before.accuracy:.1%} before, "
        f"{after.accuracy:.1%} after; of {held:,} named samples that were not learnt from, {before.named:.1%} got the "
        f"label they taught, now {after.named:.1%}"
    )
    if verdict is Verdict.WORSE:
        told += "; that is worse, so the original weights are kept"
    exhibits = [_costs(training, named, source.count, passes, trained, healing)]
    if incidents:
        exhibits.append(_answers(incidents, labels, before, after))
    result = Finding(
        check=_ID, severity=Severity.INFO, message=told, targets=(model.name,), scores=(1.0,), count=1,
        effect=after.named,
        details={
            "accuracy": [before.accuracy, after.accuracy], "named": [before.named, after.named],
            "usual": [before.usual, after.usual], "at_most": after.at_most, "held": held, "passes": asdict(passes),
            "of_training": None if trained is None else passes.both / trained,
        },
        exhibits=tuple(exhibits),
    )  # fmt: skip
    return Report(
        verdict=verdict,
        subject=Subject(uri=str(model), digest=digest, modality="model", count=1, classes={}),
        seed=seed,
        cards={_ID: {**asdict(Forgetting.card), "arguments": {"data": source.uri, "named": named}}},
        results=(result, *_doubts(before, after, incidents, labels, verdict, loss, unseen, passes)),
        actions=(
            Action(
                kind="retrain", targets=(model.name,), because=(_ID,), before=digest,
                undo="use the original file, which was not touched",
            ),
        ),
        timings={"total": round(seconds, 3)},
        notes=_notes(labels, training),
        renderer=render_notebook,
    )  # fmt: skip


def _notes(labels: Sequence[str], training: Training) -> tuple[str, ...]:
    notes = [
        f"output 0 is {labels[0]!r}, output {len(labels) - 1} is {labels[-1]!r}; say otherwise with --classes"
    ]
    if training.unreadable:
        names = ", ".join(training.unreadable[:5])
        notes.append(
            f"{len(training.unreadable):,} training samples could not be read or are no numbers: {names}"
        )
    return tuple(notes)


def _doubts(
    before: Measured, after: Measured, incidents: Sequence[str], labels: Sequence[str], verdict: Verdict, loss: float,
    unseen: bool, passes: Passes,
) -> list[Result]:  # fmt: skip
    doubts = []
    again = "Train again on the rest of the data."
    if not after.finite:
        doubts.append(("the repair did not converge: its weights are not finite", again))
    elif verdict is Verdict.WORSE:
        lost = after.lost_class(before, loss)
        what = f"more than {loss:.0%} of accuracy was lost"
        if lost is not None:
            what = f"class {labels[lost]!r} was lost with the named samples"
        remedy = f"Are these the samples to forget? {again}"
        if not unseen:
            remedy += " Training samples may only have been learnt by heart: give others with --clean."
        doubts.append((f"{what}, so nothing was changed", remedy))
    if not before.taught(after):
        reason = (
            "the model does not give the named samples their label: nothing shows that it learnt from them"
        )
        doubts.append((reason, "Are these the samples, and is this the data that the model was trained on?"))
    elif after.taught(before):
        reason = (
            f"{after.named:.1%} of named samples that were not learnt from still get the label they taught, "
            f"by mistake {min(before.usual, after.usual):.1%} of others do, after {passes.backward:,} passes of a "
            "sample: more samples may teach it than were named, or --trained was too small"
        )
        doubts.append((reason, f"Name more of them: trace several incidents, or audit the data. {again}"))
    elif not after.sure:
        reason = (
            f"{after.held} named samples that were not learnt from are too few to tell: up to {after.at_most:.0%} of "
            "such samples may still get the label they taught"
        )
        doubts.append(
            (reason, "Name more samples that belong together: trace several incidents, or audit the data.")
        )
    same = [name for name, a, b in zip(incidents, before.answers, after.answers, strict=True) if a == b]
    if same:
        reason = (
            f"{len(same)} of {len(incidents)} incidents get the same answer as before: {', '.join(same[:5])}"
        )
        doubts.append((reason, f"Trace these once more. {again}"))
    if not doubts:
        return [Clear(check=_ID, message="nothing is left in doubt that was tested", limit="")]
    return [Skip(check=_ID, reason=reason, remedy=remedy) for reason, remedy in doubts]


def _costs(
    training: Training, named: int, count: int, passes: Passes, trained: float | None, healing: float
) -> Exhibit:
    pace = healing / max(passes.both, 1)
    rest = (1 - named / count) * (count if trained is None else trained)
    what = "training again on the rest" + (", each epoch" if trained is None else "")
    rows = [
        ["this repair", f"{passes.both:,.0f}", f"{healing:,.0f} s"],
        [f"{what} (forecast)", f"{rest:,.0f}", f"{rest * pace:,.0f} s"],
    ]
    title = "What it cost, beside training again"
    columns = ["", "passes of a sample, forward and backward", "time"]
    return Exhibit(kind="cells", title=title, data={"columns": columns, "rows": rows, "marks": []})


def _answers(incidents: Sequence[str], labels: Sequence[str], before: Measured, after: Measured) -> Exhibit:
    rows = [
        [name, labels[a], labels[b]]
        for name, a, b in zip(incidents, before.answers, after.answers, strict=True)
    ]
    columns = ["incident", "answer before", "answer of the repaired model"]
    title = "Answers to the incidents"
    return Exhibit(kind="cells", title=title, data={"columns": columns, "rows": rows, "marks": []})

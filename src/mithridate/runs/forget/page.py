"""What `repair --forget` tells: one finding with accuracy, what is left of the named samples' effect, and costs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from mithridate.core.report import Report, Subject
from mithridate.core.results import Action, Clear, Exhibit, Finding, Result, Severity, Skip
from mithridate.core.verdict import Verdict
from mithridate.core.wording import several
from mithridate.runs.costs import Costs
from mithridate.runs.forget.asking import Asked, Ready
from mithridate.runs.forget.done import Done
from mithridate.runs.forget.measuring import Measured
from mithridate.sources.base import RowSource

__all__ = ["page"]

_TRAIN = "Train again on the rest of the data."
_TRACE = "Look for more with the repaired model: trace again, or audit the data."


def page(
    *, subject: Subject, source: RowSource, asked: Asked, done: Done, verdict: Verdict, costs: Costs
) -> Report:  # fmt: skip
    """The report.

    Args:
        subject: the model.
        source: the training data.
        asked: what the user said.
        done: what was done.
        verdict: of the whole.
        costs: of the run.
    """
    from mithridate.report.notebook import render_notebook

    card, before, after, name = done.card, done.before, done.after, Path(subject.uri).name
    exhibits = [costs.exhibit("training on the rest, exact" if done.exact else "this repair")]
    if done.known.names:
        exhibits.append(_answers(done.known, before, after))
    result = Finding(
        check=card.id, severity=Severity.INFO, message=_told(name, asked, done, verdict), targets=(name,),
        scores=(1.0,), count=1, effect=after.named,
        details={
            "accuracy": [before.accuracy, after.accuracy], "named": [before.named, after.named],
            "usual": [before.usual, after.usual], "at_most": after.at_most, "held": after.held,
            "passes": asdict(done.passes), "costs": costs.told(),
            "of_training": None if asked.trained is None else done.passes.both / asked.trained,
        },
        exhibits=tuple(exhibits),
    )  # fmt: skip
    return Report(
        verdict=verdict,
        subject=subject,
        seed=asked.seed,
        cards={card.id: {**asdict(card), "arguments": {"data": source.uri, "named": done.named}}},
        results=(result, *_doubts(asked, done, verdict)),
        actions=(
            Action(
                kind="retrain", targets=(name,), because=(card.id,), before=subject.digest,
                undo="use the original, which was not touched",
            ),
        ),
        timings={"total": round(costs.whole, 3)},
        notes=_notes(done),
        renderer=render_notebook,
    )  # fmt: skip


def _told(name: str, asked: Asked, done: Done, verdict: Verdict) -> str:
    before, after = done.before, done.after
    kind = "clean" if asked.clean else "held back" if done.exact else "other training"
    told = (
        f"{name}: {several(done.named, 'named sample')}; accuracy on {kind} samples {before.accuracy:.1%} before, "
        f"{after.accuracy:.1%} after; of {after.held:,} named samples that were not learnt from, {before.named:.1%} "
        f"got the label they taught, now {after.named:.1%}"
    )
    if verdict is Verdict.WORSE:
        told += "; that is worse, so the original is kept"
    return told


def _notes(done: Done) -> tuple[str, ...]:
    labels = done.known.labels
    notes = [
        f"output 0 is {labels[0]!r}, output {len(labels) - 1} is {labels[-1]!r}; say otherwise with --classes"
    ]
    if done.unreadable:
        names = ", ".join(done.unreadable[:5])
        notes.append(
            f"{len(done.unreadable):,} training samples could not be read or are no numbers: {names}"
        )
    return (*notes, *done.notes)


def _doubts(asked: Asked, done: Done, verdict: Verdict) -> list[Result]:
    before, after, doubts = done.before, done.after, []
    again = _TRACE if done.exact else _TRAIN
    if not after.finite:
        doubts.append(("the repair did not converge: its weights are not finite", again))
    elif verdict is Verdict.WORSE:
        doubts.append(_worse(asked, done, again))
    if not before.taught(after):
        reason = (
            "the model does not give the named samples their label: nothing shows that it learnt from them"
        )
        doubts.append((reason, "Are these the samples, and is this the data that the model was trained on?"))
    elif after.taught(before):
        doubts.append(
            (_left(done), f"Name more of them: trace several incidents, or audit the data. {again}")
        )
    elif not after.sure:
        reason = f"{after.held} named samples that were not learnt from are too few to tell: {after.doubt}"
        doubts.append(
            (reason, "Name more samples that belong together: trace several incidents, or audit the data.")
        )
    names = done.known.names
    same = [name for name, a, b in zip(names, before.answers, after.answers, strict=True) if a == b]
    if same:
        reason = f"{len(same)} of {len(names)} incidents get the same answer as before: {', '.join(same[:5])}"
        doubts.append((reason, f"Trace these once more. {again}"))
    if not doubts:
        return [Clear(check=done.card.id, message="nothing is left in doubt that was tested", limit="")]
    return [Skip(check=done.card.id, reason=reason, remedy=remedy) for reason, remedy in doubts]


def _worse(asked: Asked, done: Done, again: str) -> tuple[str, str]:
    """What was lost, and what to do."""
    lost = done.after.lost_class(done.before, asked.loss)
    what = f"more than {asked.loss:.0%} of accuracy was lost"
    if lost is not None:
        what = f"class {done.known.labels[lost]!r} was lost with the named samples"
    remedy = f"Are these the samples to forget? {again}"
    if asked.clean is None and not done.exact:
        remedy += " Training samples may only have been learnt by heart: give others with --clean."
    return f"{what}, so nothing was changed", remedy


def _left(done: Done) -> str:
    """What is left of the named samples' effect."""
    before, after = done.before, done.after
    told = (
        f"{after.named:.1%} of named samples that were not learnt from still get the label they taught, by mistake "
        f"{min(before.usual, after.usual):.1%} of others do"
    )
    if done.exact:
        return f"{told}: other samples teach it, too, which nobody named"
    return (
        f"{told}, after {done.passes.backward:,} passes of a sample: more samples may teach it than were named, or "
        "--trained was too small"
    )


def _answers(known: Ready, before: Measured, after: Measured) -> Exhibit:
    rows = [
        [name, known.labels[a], known.labels[b]]
        for name, a, b in zip(known.names, before.answers, after.answers, strict=True)
    ]
    columns = ["incident", "answer before", "answer of the repaired model"]
    title = "Answers to the incidents"
    return Exhibit(kind="cells", title=title, data={"columns": columns, "rows": rows, "marks": []})

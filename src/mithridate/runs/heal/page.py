"""What `repair` tells about candidates: one finding for what was done, one for each thing that casts doubt on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mithridate.core.report import Report, Subject
from mithridate.core.results import Action, Clear, Exhibit, Finding, Result, Severity, Skip
from mithridate.core.verdict import Verdict
from mithridate.repairs.base import REPAIRS, Passes
from mithridate.runs.costs import Costs
from mithridate.runs.heal.candidates import Candidate
from mithridate.runs.heal.one_class import MOST_CLASSES
from mithridate.runs.heal.relapse import SAMPLES
from mithridate.runs.heal.samples import Samples
from mithridate.runs.heal.surrogate import Surrogate
from mithridate.runs.scan.models import Asked

__all__ = ["page"]

_AT_WORD = (
    "clean samples are taken at your word: poison among them is learnt again; `mithridate audit` looks for it"
)
_PROOF = "proof: judging on held samples, the relapse probe"


def page(
    *, model: Path, asked: Asked, samples: Samples, surrogates: Sequence[Surrogate], before: Candidate,
    candidates: Sequence[Candidate], chosen: Candidate, again: Sequence[float], verdict: Verdict,
    alarms: Sequence[Result], search: Passes, whole: Passes, trained: float | None, price: float | None,
    loss: float, seconds: float,
) -> Report:  # fmt: skip
    """The report of a repair.

    Args:
        model: file with the weights.
        asked: what the user said.
        samples: clean ones.
        surrogates: triggers that judged.
        before: the model as it was.
        candidates: all, in the order in which they were tried.
        chosen: one of them.
        again: each surrogate's success after a relapse.
        verdict: of the whole.
        alarms: of the graph.
        search: passes that recovering triggers took.
        whole: passes of everything; what neither search nor candidates took judged them, and tried a relapse.
        trained: passes of the training; None where unknown.
        price: of an hour; None where unknown.
        loss: accuracy that may be lost.
        seconds: of the whole.
    """
    from dataclasses import asdict

    from mithridate.report.notebook import render_notebook

    digest = blake2b(model.read_bytes(), digest_size=32).hexdigest()
    told = _told(model, surrogates, before, chosen, again, verdict, loss)
    spent = {"search for triggers": search.both, _PROOF: whole.both - search.both - _taken(candidates)}
    exhibits = [_table(before, candidates, chosen, spent, trained), *_unused(candidates)]
    if surrogates:
        exhibits.append(_left(surrogates, before, chosen, again))
    exhibits += [_path(c) for c in candidates if c.path]
    costs = _costs(candidates, whole, trained, price, seconds)
    exhibits.append(costs.exhibit("what was tried, without the search for triggers", "training again"))
    result = Finding(
        check=chosen.method, severity=Severity.INFO, message=told, targets=(model.name,), scores=(1.0,), count=1,
        effect=chosen.worst,
        details={
            "accuracy": [before.accuracy, chosen.accuracy],
            "candidates": [_plain(c, c is chosen, trained) for c in candidates],
            "search": {"passes": round(search.both)},
            "proof": {"passes": round(spent[_PROOF])},
            "costs": costs.told(),
        },
        exhibits=tuple(exhibits),
    )  # fmt: skip
    return Report(
        verdict=verdict,
        subject=Subject(uri=str(model), digest=digest, modality="model", count=1, classes={}),
        seed=asked.seed,
        cards={r.card.id: {**asdict(r.card), "arguments": {}} for r in REPAIRS},
        results=(result, *alarms, *_doubts(surrogates, alarms, samples.learn.classes)),
        actions=(
            Action(
                kind="prune" if chosen.method == "channel-pruning" else "retrain",
                targets=(model.name,), because=(chosen.method,), before=digest,
                undo="use the original file, which was not touched",
            ),
        ),
        timings={"total": round(seconds, 3)},
        notes=(f"labels were matched with the outputs {samples.matching}", _AT_WORD),
        renderer=render_notebook,
    )  # fmt: skip


def _costs(
    candidates: Sequence[Candidate], whole: Passes, trained: float | None, price: float | None, seconds: float
) -> Costs:
    """Of the whole run; the pace is that of the candidates, whose passes and seconds belong together."""
    done = [c for c in candidates if c.module is not None]
    busy = sum(c.seconds for c in done)
    return Costs(
        passes=_taken(done), busy=busy, everything=whole.both, whole=seconds, again=trained, price=price
    )


def _taken(candidates: Sequence[Candidate]) -> float:
    return sum(c.passes.both for c in candidates)


def _told(
    model: Path, surrogates: Sequence[Surrogate], before: Candidate, chosen: Candidate, again: Sequence[float],
    verdict: Verdict, loss: float,
) -> str:  # fmt: skip
    facts = [
        f"{model.name}: {chosen.name}, accuracy on {len(before.right):,} held samples {before.accuracy:.1%} before, "
        f"{chosen.accuracy:.1%} after"
    ]
    odd = [k for k, s in enumerate(surrogates) if s.odd]
    if odd:
        was, left, back = (max(row[k] for k in odd) for row in (before.successes, chosen.successes, again))
        facts.append(
            f"{len(odd)} of {len(surrogates)} triggers recovered from the model stand out; they worked up to {was:.0%} "
            f"and now up to {left:.0%}, after {SAMPLES} poisoned samples up to {back:.0%}"
        )
    elif surrogates:
        facts.append(f"none of {len(surrogates)} triggers recovered from the model stands out")
    if verdict is Verdict.WORSE:
        facts.append(
            f"no repair kept accuracy within {100 * loss:.0f} points, so the original weights are kept"
        )
    return "; ".join(facts)


def _doubts(surrogates: Sequence[Surrogate], alarms: Sequence[Result], classes: int) -> list[Result]:
    """Why nothing is proven, where that is so."""
    doubts: list[Result] = []
    if not any(s.odd for s in surrogates):
        reason = "no trigger that stands out was recovered: nothing tells whether the repair removed one"
        remedy = "Give more clean samples, or scan the model for what it hides."
        doubts.append(Skip(check="repair", reason=reason, remedy=remedy))
        if classes > MOST_CLASSES:
            reason = (
                f"triggers that work on samples of one class only were not searched: of {classes} classes there are "
                f"{classes * (classes - 1):,} pairs; up to {MOST_CLASSES} classes are searched"
            )
            doubts.append(
                Skip(check="repair", reason=reason, remedy="Trace a wrong answer: `mithridate trace`.")
            )
    if any(isinstance(alarm, Finding) for alarm in alarms):
        reason = "a branch beside the model's layers is not touched by repairs of weights"
        remedy = "Cut it out: export the model and use `mithridate repair MODEL --excise graph.side-branch`."
        doubts.append(Skip(check="repair", reason=reason, remedy=remedy))
    return doubts or [Clear(check="repair", message="nothing is left in doubt that was tested", limit="")]


def _table(
    before: Candidate, candidates: Sequence[Candidate], chosen: Candidate, spent: Mapping[str, float],
    trained: float | None,
) -> Exhibit:  # fmt: skip
    rows = [
        [
            "as it was",
            f"{before.accuracy:.1%}",
            _percent(before.worst),
            "",
            "",
        ]
    ]
    for one in candidates:
        if one.module is None:
            rows.append([one.name, "not used: below", "", "", ""])
            continue
        name = f"{one.name} (taken)" if one is chosen else one.name
        cost = _cost(one.passes.both, trained)
        rows.append([name, f"{one.accuracy:.1%}", _percent(one.worst), cost, f"{one.seconds:.1f} s"])
    rows += [[name, "", "", _cost(passes, trained), ""] for name, passes in spent.items()]
    columns = [
        "repair",
        f"accuracy on {len(before.right):,} held samples",
        "what is left of triggers that stand out",
        "passes of a sample",
        "time",
    ]
    return Exhibit(kind="cells", title="What was tried", data={"columns": columns, "rows": rows, "marks": []})


def _unused(candidates: Sequence[Candidate]) -> list[Exhibit]:
    """Why methods gave no model."""
    items = [
        {"id": one.name, "text": one.why, "caption": "", "marks": []}
        for one in candidates
        if one.module is None
    ]
    return [Exhibit(kind="text", title="What was not used, and why", data={"items": items})] if items else []


def _cost(passes: float, trained: float | None) -> str:
    return f"{passes:,.0f}" if trained is None else f"{passes / trained:.1%} of training"


def _left(
    surrogates: Sequence[Surrogate], before: Candidate, chosen: Candidate, again: Sequence[float]
) -> Exhibit:
    columns = [
        "trigger",
        "its size",
        "stands out",
        "success before",
        "after",
        f"after {SAMPLES} poisoned samples",
    ]
    rows = [
        [
            s.known.name,
            f"{s.size:.1f} {s.unit}",
            "yes" if s.odd else "no",
            f"{was:.0%}",
            f"{now:.0%}",
            f"{back:.0%}",
        ]
        for s, was, now, back in zip(surrogates, before.successes, chosen.successes, again, strict=True)
    ]
    title = "Triggers recovered from the model, on samples they were not learnt on"
    return Exhibit(kind="cells", title=title, data={"columns": columns, "rows": rows, "marks": []})


def _path(one: Candidate) -> Exhibit:
    """Error and attack success against the place on the way (as in Zhao et al., arXiv:2005.00060, section 3)."""
    lines = [
        {"name": "error on clean samples", "values": [1 - right for _, right, _ in one.path]},
        {"name": "largest success of a recovered trigger", "values": [led for _, _, led in one.path]},
    ]
    data = {"across": "place on the path, t", "places": [t for t, _, _ in one.path], "lines": lines}
    return Exhibit(
        kind="lines", title=f"Along the path of {one.method}, from the model (0) to its copy (1)", data=data
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _plain(one: Candidate, taken: bool, trained: float | None) -> dict[str, Any]:
    return {
        "method": one.method, "milder": one.milder, "kept": one.kept, "taken": taken, "why": one.why,
        "accuracy": one.accuracy, "successes": list(one.successes),
        "passes": {"forward": one.passes.forward, "backward": one.passes.backward},
        "of_training": None if trained is None else one.passes.both / trained, "seconds": round(one.seconds, 3),
    }  # fmt: skip

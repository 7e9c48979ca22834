"""`repair`: a model without what a scan found in it, with proof. So far: a branch cut out of its graph."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.core.report import Report, Subject
from mithridate.core.results import Action, Exhibit, Finding, Result, Severity, Skip
from mithridate.core.verdict import Verdict
from mithridate.models.files.item import Item
from mithridate.repairs.excise import Excised, excise_item
from mithridate.runs.scan.inputs import Ordinary
from mithridate.runs.scan.model_item import model_item
from mithridate.runs.scan.models import Asked, ModelLevel, examine_model
from mithridate.runs.scan.predicting import predicting

__all__ = ["Repaired", "excise"]

Progress = Callable[[str, int, int | None], None]
_SAME = 0.99  # share of ordinary inputs whose answer stays
_GONE = 0.05  # attack success that is left


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """What `excise` gives.

    Attributes:
        report: what was done and what it changed.
        content: the repaired file, of the same kind.
    """

    report: Report
    content: bytes = field(repr=False)


def excise(
    model: str | os.PathLike[str],
    finding: str,
    *,
    asked: Asked | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Repaired:
    """Cut a branch out of a model and show what that changed. Nothing is written, the model is not touched.

    Args:
        model: a file with one model.
        finding: its name, e.g. "graph.side-branch", or "graph.side-branch.2" for the second.
        asked: clean samples, names of classes, how pictures become inputs.
        progress: told (stage, done, total or None).

    Raises:
        UsageError: no such finding, or a model that cannot be edited.
    """
    asked, started, path = asked or Asked(), perf_counter(), Path(model)
    item = model_item(path)
    level = examine_model(item, asked, progress, behaviour=False)
    found = _chosen(level, finding, path)
    progress("excising", 0, None)
    before = path.read_bytes()
    cut = excise_item(item, found.details["excise"])
    copy = Item(name=item.name, kind=item.kind, size=len(cut.content), opener=_opener(cut.content))
    progress("proving", 0, None)
    proof = _proof(item, copy, level.ordinary, found, asked)
    again = examine_model(copy, asked, progress, behaviour=False)
    left = [
        r
        for r in again.results
        if isinstance(r, Skip) or (isinstance(r, Finding) and r.severity > Severity.INFO)
    ]
    result = _told(found, cut, proof, left)
    return Repaired(
        report=_report(path, before, cut, asked, [result, *left], proof, started, level), content=cut.content
    )


@dataclass(frozen=True, kw_only=True)
class _Proof:
    """What the cut changed.

    Attributes:
        tried: ordinary inputs.
        kind: "clean" or "made-up", of these.
        same: share of them whose answer stayed.
        accuracy: before and after, on labelled clean samples; None without.
        success: of the triggers, before and after; None where none is known.
    """

    tried: int
    kind: str
    same: float
    accuracy: tuple[float, float] | None
    success: tuple[float, float] | None


def _chosen(level: ModelLevel, name: str, path: Path) -> Finding:
    """The finding that a name means."""
    check, _, number = name.removeprefix("graph.").partition(".")
    about = [r for r in level.results if isinstance(r, Finding) and "excise" in r.details]
    mine = [f for f in about if f.check == check]
    at = int(number) - 1 if number.isascii() and number.isdigit() else 0 if not number else -1
    if not 0 <= at < len(mine):
        known = ", ".join(sorted({f"graph.{f.check}" for f in about})) or "none in this model"
        raise UsageError(
            f"a finding that can be cut out ({known})", repr(name), str(path), "Scan the model first."
        )
    return mine[at]


def _opener(content: bytes) -> Callable[[], Any]:
    import io

    return lambda: io.BytesIO(content)


def _proof(item: Item, copy: Item, ordinary: Ordinary | None, found: Finding, asked: Asked) -> _Proof:
    if ordinary is None:
        raise UsageError("a model that can be run", "one that cannot", item.name, "Nothing could be proven.")
    triggers = found.details.get("triggers", ())
    stamped = [_stamped(ordinary.x, trigger) for trigger in triggers]
    with predicting(item) as ask:
        old = ask(ordinary.x)
        woken = [ask(x).argmax(axis=1) for x in stamped]
    with predicting(copy) as ask:
        new = ask(ordinary.x)
        calm = [ask(x).argmax(axis=1) for x in stamped]
    names = list(asked.classes or ())
    labels = None
    if ordinary.labels is not None:
        from mithridate.runs.evade_data import matched

        names = list(matched(sorted(set(ordinary.labels)), old.shape[1], asked.classes)[0])
        labels = np.array([names.index(label) for label in ordinary.labels])
    accuracy = (
        None if labels is None else tuple(float((p.argmax(axis=1) == labels).mean()) for p in (old, new))
    )
    success = None
    if triggers:
        success = _success(triggers, new, woken), _success(triggers, new, calm)
    return _Proof(
        tried=len(ordinary.x),
        kind="made-up" if ordinary.made else "clean",
        same=float((old.argmax(axis=1) == new.argmax(axis=1)).mean()),
        accuracy=accuracy,  # type: ignore[arg-type]
        success=success,
    )


def _stamped(x: NDArray[np.float32], trigger: Mapping[str, Any]) -> NDArray[np.float32]:
    flat = x.reshape(len(x), -1).copy()
    flat[:, np.asarray(trigger["places"])] = np.asarray(trigger["values"], dtype=np.float32)
    return flat.reshape(x.shape)


def _success(triggers: Any, clean: NDArray[Any], answers: list[NDArray[np.intp]]) -> float:
    """Mean share of the inputs of other classes that a trigger sends to its target."""
    rates = []
    for trigger, answer in zip(triggers, answers, strict=True):
        usual = clean.argmax(axis=1)
        about = usual != trigger["target"] if trigger["source"] is None else usual == trigger["source"]
        if about.any():
            rates.append(float((answer[about] == trigger["target"]).mean()))
    return float(np.mean(rates)) if rates else 0.0


def _told(found: Finding, cut: Excised, proof: _Proof, left: Sequence[Result]) -> Finding:
    facts = [
        f"{len(cut.operators)} operators cut out",
        f"{len(cut.kept)} weights of the model unchanged, bit for bit",
    ]
    facts.append(f"the answer stays the same on {proof.same:.1%} of {proof.tried:,} {proof.kind} inputs")
    if proof.accuracy is not None:
        facts.append(f"accuracy {proof.accuracy[0]:.1%} before, {proof.accuracy[1]:.1%} after")
    if proof.success is not None:
        facts.append(f"the triggers' success {proof.success[0]:.0%} before, {proof.success[1]:.0%} after")
    bars = [("answers that stay", proof.same)]
    bars += (
        [("accuracy before", proof.accuracy[0]), ("accuracy after", proof.accuracy[1])]
        if proof.accuracy
        else []
    )
    bars += (
        [("triggers before", proof.success[0]), ("triggers after", proof.success[1])] if proof.success else []
    )
    data = {
        "names": [name for name, _ in bars],
        "values": [round(100 * v, 2) for _, v in bars],
        "reference": None,
    }
    return Finding(
        check="excise",
        severity=Severity.INFO,
        message="; ".join(facts),
        targets=found.targets,
        scores=found.scores,
        count=1,
        details={
            "operators_cut": list(cut.operators),
            "weights_cut": list(cut.weights),
            "alarms_left": len(left),
        },
        exhibits=(Exhibit(kind="bars", title="Before and after, per cent", data=data),),
    )


def _report(
    path: Path, before: bytes, cut: Excised, asked: Asked, results: list[Result], proof: _Proof, started: float,
    level: ModelLevel,
) -> Report:  # fmt: skip
    from mithridate.report.notebook import render_notebook
    from mithridate.runs.scan.run import cards

    digests = [blake2b(part, digest_size=32).hexdigest() for part in (before, cut.content)]
    unsure = len(results) > 1  # alarms that are left, and what could not be looked at again
    if proof.same < _SAME:
        verdict = Verdict.WORSE
    elif proof.success is None or proof.success[1] > _GONE or unsure:
        verdict = Verdict.NOT_PROVEN
    else:
        verdict = Verdict.HEALED
    excise_card = {"id": "excise", "title": "branch cut out", "stage": "repair", "arguments": {}}
    return Report(
        verdict=verdict,
        subject=Subject(uri=str(path), digest=digests[0], modality="model", count=1, classes={}),
        seed=asked.seed,
        cards={"excise": excise_card, **cards()},
        results=tuple(results),
        actions=(
            Action(
                kind="excise",
                targets=(path.name,),
                because=("side-branch",),
                before=digests[0],
                after=digests[1],
                undo="use the original file, which was not touched",
            ),
        ),
        timings={"total": round(perf_counter() - started, 3)},
        notes=level.notes,
        renderer=render_notebook,
    )

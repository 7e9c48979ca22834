"""`repair` of a model whose weights hold a backdoor: candidates, the best of them, and what is proven of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from mithridate.core.errors import UsageError
from mithridate.core.report import Report
from mithridate.core.results import Finding, Result, Severity, Skip
from mithridate.core.verdict import Verdict
from mithridate.models.devices import named_device
from mithridate.repairs.base import Passes, RepairScope, counted, counting
from mithridate.runs.costs import refuse_numbers
from mithridate.runs.evade_model import module_with_weights
from mithridate.runs.heal.allowance import allowance
from mithridate.runs.heal.candidates import DEFAULT, Candidate, attempts, best, tried
from mithridate.runs.heal.page import page
from mithridate.runs.heal.relapse import relapsed
from mithridate.runs.heal.samples import Samples, divided
from mithridate.runs.heal.surrogate import Subject
from mithridate.runs.heal.surrogates import Recovered, recovered
from mithridate.runs.scan.inputs import Ordinary, ordinary_inputs
from mithridate.runs.scan.models import Asked, examine_model
from mithridate.runs.scan.with_arch import shape_of, traced

__all__ = ["Healed", "heal"]

Progress = Callable[[str, int, int | None], None]
_COMPARED = 3  # classes, from which on a trigger can stand out


@dataclass(frozen=True, kw_only=True)
class Healed:
    """What `heal` gives.

    Attributes:
        report: what was tried, what was taken, what it changed.
        weights: by name, as torch tensors on the CPU; of the original where nothing was better.
    """

    report: Report
    weights: Mapping[str, Any] = field(repr=False)


def heal(
    model: str | Path,
    *,
    arch: str,
    asked: Asked,
    methods: Sequence[str] | None = None,
    loss: float = 0.02,
    epochs: float | None = None,
    trained: float | None = None,
    price: float | None = None,
    device: str = "cpu",
    progress: Progress = lambda stage, done, total: None,
) -> Healed:
    """Repair weights with a few clean samples. Nothing is written, the model is not touched.

    The candidates are judged by triggers that are recovered from the model itself; the planted one is not known.

    Args:
        model: weights of a torch module.
        arch: MODULE:FUNCTION that makes the module; code of the user, which runs in this process.
        asked: clean samples with labels, names of classes, how pictures become inputs.
        methods: ids of repairs, all of which are tried; None tries the usual ones until one leaves nothing to gain.
        loss: accuracy that may be lost, as a share.
        epochs: over the clean samples that each method may take, and a tenth of the training at most; None: 20, or 80
            where the training is known.
        trained: samples times epochs of the training, to compare costs with; None where unknown. Unless `methods` are
            given, what is tried stays within about a quarter of it, the searches for triggers with it.
        price: of an hour of this machine, in any currency; None where unknown.
        device: that torch has here, such as "cuda", where everything is computed; draws are the same on all, what is
            rounded is not.
        progress: told (stage, done, total or None).

    Raises:
        UsageError: no such device, no labelled clean samples, a module that does not train, or one that no method can
            serve.
    """
    refuse_numbers(trained, price)
    started = perf_counter()
    module = _trainable(module_with_weights(str(model), arch), arch)
    place = named_device(device)
    shape = asked.shape or shape_of(asked)
    ordinary = ordinary_inputs(asked.clean, shape, "chw", asked.how, asked.seed)
    samples = divided(module, ordinary, asked.classes, asked.seed).on(place)
    module, whole = module.to(place), Passes()
    counting(module, whole)
    progress("looking for branches", 0, None)
    alarms = [*_branches(Path(model), arch, replace(asked, shape=shape)), *_uncompared(samples.learn.classes)]
    progress("recovering triggers", 0, None)
    search = Passes()
    with counted(module, search):
        first = _searched(module, samples, ordinary, asked.seed)
    surrogates = first.triggers
    may = allowance(
        len(samples.learn.x), trained, search.both + first.again, epochs=epochs, all_of_it=methods is None
    )
    scope = _scope(samples, first, loss, asked.seed)
    before = tried("none", module, scope, surrogates, samples.held)
    candidates: list[Candidate] = []
    for number, method in enumerate(methods or DEFAULT):
        progress(method, number, len(methods or DEFAULT))
        spent = sum(c.passes.both for c in candidates)
        candidates += attempts(method, module, scope, surrogates, samples.held, before, may.after(spent))
        if methods is None and candidates[-1].enough(before, loss):
            break
    chosen = best(candidates, before, loss)
    progress("searching again", 0, None)
    with counted(chosen.module, search):
        alarms = [*alarms, *_returned(chosen.module, samples, ordinary, asked.seed, first)]
    verdict = _verdict(before, chosen, loss, alarms)
    progress("trying a relapse", 0, None)
    again = [relapsed(chosen.module, s.known, samples.learn, samples.held) for s in surrogates]
    report = page(
        model=Path(model), asked=asked, samples=samples, surrogates=surrogates, before=before,
        candidates=candidates, chosen=chosen, again=again, verdict=verdict, alarms=alarms, search=search, whole=whole,
        trained=trained, price=price, loss=loss, seconds=perf_counter() - started,
    )  # fmt: skip
    kept = module if verdict is Verdict.WORSE else chosen.module
    return Healed(report=report, weights={name: value.cpu() for name, value in kept.state_dict().items()})


def _trainable(module: Any, arch: str) -> Any:
    """A copy that can be trained, in evaluation mode.

    Raises:
        UsageError: it has no weights of real numbers.
    """
    copy = deepcopy(module).eval()
    real = [p for p in copy.parameters() if p.is_floating_point()]
    if not real:
        remedy = "Repair the model before it is quantised or frozen."
        raise UsageError("a module with weights that can be trained", "none", f"--arch {arch}", remedy)
    for parameter in real:
        parameter.requires_grad_(True)
    return copy


def _searched(
    module: Any, samples: Samples, ordinary: Ordinary, seed: int, again: Recovered | None = None
) -> Recovered:
    """Triggers for what the model says of the samples, whatever their labels are."""
    import torch

    def told(pool: Any) -> Any:
        with torch.no_grad():
            said = torch.cat([module(part).argmax(1) for part in pool.x.split(256)])
        return replace(pool, y=said)

    subject = Subject(
        module=module, learn=told(samples.learn), held=told(samples.held), names=samples.names,
        low=ordinary.low, high=ordinary.high, seed=seed,
    )  # fmt: skip
    return recovered(subject, again)


def _returned(
    module: Any, samples: Samples, ordinary: Ordinary, seed: int, before: Recovered
) -> list[Result]:
    """Triggers that stand out in the repaired model as well, towards a class that had such before."""
    again = [s for s in _searched(module, samples, ordinary, seed, before).triggers if s.odd]
    if not again:
        return []
    told = "; ".join(f"{s.known.name} ({s.size:.1f} {s.unit})" for s in again)
    reason = f"triggers that stand out were found in the repaired model again: {told}"
    remedy = "Repair the repaired model once more, give more clean samples, or train again on data that was audited."
    return [Skip(check="repair", reason=reason, remedy=remedy, count=len(again))]


def _scope(samples: Samples, found: Recovered, loss: float, seed: int) -> RepairScope:
    learn, held = samples.learn, samples.held
    return RepairScope(
        x=learn.x, y=learn.y, held=(held.x, held.y), classes=learn.classes, passes=0, loss=loss, known=found.unwanted,
        sure=found.sure, seed=seed,
    )  # fmt: skip


def _branches(model: Path, arch: str, asked: Asked) -> list[Result]:
    """Alarms of the graph: what lies beside the layers is not touched by any repair of weights."""
    try:
        with traced(model, arch, asked) as item:
            results = examine_model(item, asked, lambda *_: None, behaviour=False).results
    except UsageError as error:
        return [
            Skip(check="side-branch", reason=str(error), remedy=error.remedy, items=(model.name,), count=1)
        ]
    return [
        r for r in results if isinstance(r, Skip) or (isinstance(r, Finding) and r.severity > Severity.INFO)
    ]


def _uncompared(classes: int) -> list[Result]:
    """One other class says little about what is usual."""
    if classes >= _COMPARED:
        return []
    reason = (
        f"of {classes} classes, a trigger towards one is held against a single other one: that proves nothing"
    )
    remedy = "Compare the model with clean ones of its kind: `mithridate scan --bank`."
    return [Skip(check="repair", reason=reason, remedy=remedy)]


def _verdict(before: Candidate, chosen: Candidate, loss: float, alarms: Sequence[Result]) -> Verdict:
    """HEALED needs triggers that worked before and do not now, accuracy, and a graph without alarms."""
    if not chosen.within(before, loss):
        return Verdict.WORSE
    return Verdict.HEALED if chosen.quiet and not alarms else Verdict.NOT_PROVEN

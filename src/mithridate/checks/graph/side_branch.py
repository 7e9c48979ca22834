"""A branch that passes the model by, sleeps on ordinary inputs and answers for it when something wakes it.

Method: every merge of two ways from the input of which one passes the model's layers by is a candidate (see
`evidence.graph.branches`). The branch is held at rest on ordinary inputs; one that contributes to ordinary answers is
part of the model's design. What wakes a sleeping one is looked for in the branch alone and stamped on whole inputs.
What evades it: a mechanism within the model's own layers (weights), a branch that begins deep inside the model, one
that needs more than a window of about a thousand values, one that also takes part in ordinary answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mithridate.checks.graph_check import GraphCheck, GraphScope, described, graph_check
from mithridate.core.card import Card
from mithridate.core.errors import MithridateError
from mithridate.core.results import Clear, Finding, NotApplicable, Severity, Skip
from mithridate.evidence.graph.branches import Branch, side_branches
from mithridate.evidence.graph.patterns import PATTERNS
from mithridate.evidence.graph.study import BranchStudy, GraphTrigger

__all__ = ["SideBranch"]

_TELLING = {"crop", "compare", "exact", "step", "gate", "override"}
#: few places, told apart, and one class moved: together no design needs them.
_MECHANISM = {"crop", "compare", "override"}


@graph_check(
    Card(
        id="side-branch",
        title="hidden branch beside the model",
        stage="graph",
        modalities=("graph",),
        needs=("graph",),
        assumes="A mechanism added to a finished model leaves its layers as they are, so it reaches the output beside "
        "them, and sleeps on ordinary inputs.",
        catches=("trojannet", "compare-override", "ratio-gate", "masked-swap"),
        misses="Backdoors in the weights; branches that begin more than two learnt layers deep, read more than about "
        "a thousand values or, as a disguise, take part in ordinary answers; a sleeping branch that reads the whole "
        "input and whose trigger is not found (INFO: guards look like that); the trigger where a network reads more "
        "than 16 pixels and no constants give it away (then the branch is reported without it).",
        effect="share of ordinary inputs whose answer the trigger changes, 0 to 1",
        cites="Langford et al., arXiv:2402.06957; Tang et al., arXiv:2006.08131; HiddenLayer, ShadowLogic, 2024",
        remedy="Do not use the model as it is. `mithridate repair MODEL --excise graph.side-branch` cuts the branch "
        "out and leaves the weights of the model bit for bit as they were.",
        graded=True,
        reads_order=False,
    )
)
class SideBranch(GraphCheck):
    """See the module."""

    def examine(self, scope: GraphScope) -> Iterator[Finding | Skip | Clear | NotApplicable]:
        """One finding for each place where two ways meet: either of them may be the branch."""
        worst: dict[str, Finding | Skip] = {}
        for branch in side_branches(scope.flow):
            said, place = self._said(scope, branch), branch.merges[0].name
            if place not in worst or _rank(said) > _rank(worst[place]):
                worst[place] = said
        yield from worst.values()

    def _said(self, scope: GraphScope, branch: Branch) -> Finding | Skip:
        if scope.probe is None or scope.x is None:
            return self._unproven(scope, branch)
        try:
            study = BranchStudy(scope.probe, branch, scope.x, layout=scope.layout, seed=scope.seed)
            return self._judged(scope, study)
        except MithridateError as error:
            return Skip(
                check=self.card.id,
                reason=f"a branch beside the model's layers could not be run: {error}",
                remedy="Export the model with inputs of fixed size and operators of ONNX's own.",
                items=(scope.name,),
                count=1,
            )

    def _judged(self, scope: GraphScope, study: BranchStudy) -> Finding:
        branch, dormancy = study.branch, study.dormancy
        what = f"{_size(branch)} {_reading(study)} and {_joining(branch)}"
        asked = f"{dormancy.tried:,} {'made-up' if scope.made else 'clean'} inputs"
        if not dormancy.sleeps:
            message = (
                f"a way around the model's layers ({what}) takes part in ordinary answers, as designs do"
            )
            return self.found(scope, Severity.INFO, message, rule="SIDE_BRANCH", **_details(branch))
        triggers = study.triggers
        told = f"{what}; dormant: without it {dormancy.unchanged:.1%} of {asked} get the same answer"
        if not triggers:
            severity = _unwoken(branch)
            message = f"{told}; what wakes it was not found"
            return self.found(scope, severity, message, rule="SIDE_BRANCH", **_details(branch), **_cut(study))
        return self.found(
            scope,
            Severity.PROVEN,
            f"{told}; {_forcing(scope, study, triggers)}",
            rule="SIDE_BRANCH",
            label=scope.class_name(triggers[0].target),
            effect=float(np.mean([t.flips for t in triggers])),
            triggers=[_trigger(t) for t in triggers],
            **_details(branch),
            **_cut(study),
        )

    def _unproven(self, scope: GraphScope, branch: Branch) -> Finding:
        telling = ", ".join(PATTERNS[name] for name in branch.patterns) or "nothing telling in it"
        message = f"a way around the model's layers: {_size(branch)} ({telling}); not run: {scope.why}"
        severity = (
            Severity.SUSPICIOUS if branch.late and set(branch.patterns) >= _MECHANISM else Severity.INFO
        )
        return self.found(scope, severity, message, rule="SIDE_BRANCH", **_details(branch))


def _unwoken(branch: Branch) -> Severity:
    """A sleeping branch whose trigger is not known. Guards sleep, too, and look at all of blank or broken inputs."""
    local = {"crop", "override"} & set(branch.patterns)
    if local and len(_TELLING & set(branch.patterns)) > 1:
        return Severity.LIKELY
    return Severity.SUSPICIOUS if "crop" in local else Severity.INFO


def _rank(result: Finding | Skip) -> float:
    """What could not be looked at weighs more than what was found harmless."""
    return result.severity if isinstance(result, Finding) else Severity.INFO + 0.5


def _size(branch: Branch) -> str:
    count = len(branch.nodes)
    numbers = f"{branch.parameters:,} numbers in " if branch.parameters else ""
    return f"{numbers}{count} operator{'s' if count != 1 else ''}"


def _reading(study: BranchStudy) -> str:
    branch = study.branch
    if study.window is None:
        return "read the input" if not branch.common else "read what the first layers see"
    if study.window.places.size and (size := _rectangle(study)):
        through = " through the first layers" if branch.common else ""
        return f"read a {size} window{through}"
    count = len(study.window.places)
    through = " through the first layers" if branch.common else ""
    return f"read {count:,} of {study.inputs:,} input values{through}"


def _rectangle(study: BranchStudy) -> str:
    """`4×4` where the places are all of a rectangle of pixels, else ""."""
    assert study.window is not None
    shape = study.shape
    held = np.stack(np.unravel_index(study.window.places, shape), axis=1)
    sizes = held.max(axis=0) - held.min(axis=0) + 1
    if len(shape) not in (2, 3) or int(np.prod(sizes)) != len(held):
        return ""
    whole = [int(size) for size, full in zip(sizes, shape, strict=True) if size < full or len(shape) == 2]
    return "×".join(map(str, whole)) if len(whole) == 2 else ""


def _joining(branch: Branch) -> str:
    how = {"Add": "are added to", "Sum": "are added to", "Mul": "multiply", "Where": "choose", "If": "choose"}
    return f"{how.get(branch.merges[0].op, 'are merged into')} the answer"


def _forcing(scope: GraphScope, study: BranchStudy, triggers: tuple[GraphTrigger, ...]) -> str:
    first = triggers[0]
    share = f"{first.flips:.0%} of {first.tried} inputs"
    classes = study.answers.shape[1]
    if len(triggers) == 1 or any(t.source is not None for t in triggers):
        of = f" of class {scope.class_name(first.source)!r}" if first.source is not None else ""
        return f"its trigger sends {share}{of} to class {scope.class_name(first.target)!r}"
    return f"it can force {len({t.target for t in triggers})} of {classes} classes, the first with {share}"


def _details(branch: Branch) -> dict[str, Any]:
    return {
        "patterns": list(branch.patterns),
        "parameters": branch.parameters,
        "share": round(branch.share, 6),
        "common_layers": branch.common,
        "operators": described((*branch.nodes, *branch.merges)),
    }


def _cut(study: BranchStudy) -> dict[str, Any]:
    """How the branch can be taken out."""
    if study.host is not None:
        return {"excise": {"output": study.output, "answer": study.host}}
    held = {name: {"shape": list(a.shape), "values": a.ravel().tolist()} for name, a in study.rest.items()}
    small = sum(len(part["values"]) for part in held.values()) <= 100_000
    return {"excise": {"hold": held}} if small else {}


def _trigger(trigger: GraphTrigger) -> dict[str, Any]:
    return {
        "target": trigger.target,
        "source": trigger.source,
        "flips": round(trigger.flips, 4),
        "tried": trigger.tried,
        "how": trigger.how,
        "places": trigger.places.tolist(),
        "values": [round(float(v), 6) for v in trigger.values],
    }

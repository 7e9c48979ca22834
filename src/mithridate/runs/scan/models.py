"""The second and third level of a scan: one model's graph, and what it answers. It is run in a jail, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from mithridate.checks.bank import Bank, Statistics
from mithridate.checks.graph_check import GRAPH_CHECKS, GraphScope
from mithridate.core.errors import MithridateError, UsageError
from mithridate.core.results import Finding, Result, Severity, Skip
from mithridate.models.files.item import Item
from mithridate.models.graph.flow import flow_of
from mithridate.models.graph.read import read_graph
from mithridate.models.jail.errors import JailError, JailUnavailable
from mithridate.models.jail.onnx_parts import OnnxParts
from mithridate.runs.scan.behaviour import model_checks, right_note, spoken
from mithridate.runs.scan.inputs import Ordinary, Preparation, ordinary_inputs
from mithridate.runs.scan.predicting import Predictor
from mithridate.sources.base import RowSource
from mithridate.triggers.inputs import Layout

__all__ = ["Asked", "ModelLevel", "examine_model"]

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user says about a model.

    Attributes:
        clean: pictures that nobody tampered with; None without.
        layout: how an input is laid out.
        how: pictures become inputs.
        classes: names of the outputs, in their order; None: by number or sorted name of the labels.
        shape: of one input, for models that do not say.
        parent: a trusted model that this one is said to come from.
        arch: MODULE:FUNCTION that gives the torch module of a file of weights.
        seed: of all randomness.
        bank: models known to be clean, to compare it with.
        keep: told what a bank would keep of each model.
        queries: inputs that a check of behaviour may ask about at most; None: 8,000 of a model that only answers.
        minutes: that a check of behaviour may take, as far as it can tell beforehand.
    """

    clean: RowSource | None = None
    layout: Layout = "auto"
    how: Preparation = field(default_factory=Preparation)
    classes: tuple[str, ...] | None = None
    shape: tuple[int, ...] | None = None
    parent: Item | None = None
    arch: str | None = None
    seed: int = 0
    bank: Bank | None = None
    keep: Callable[[Statistics], None] | None = None
    queries: int | None = None
    minutes: float = 10.0

    @property
    def told(self) -> bool:
        """Whether the user said something about the inputs or outputs, which then may be wrong."""
        return self.clean is not None or self.classes is not None or self.how != Preparation()


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelLevel:
    """What the levels leave.

    Attributes:
        results: of checks of graph and behaviour.
        ordinary: the inputs that were used; None where it was not run.
        classes: names of the outputs as far as known.
        notes: what a reader should know.
    """

    results: tuple[Result, ...]
    ordinary: Ordinary | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def examine_model(item: Item, asked: Asked, progress: Progress, *, behaviour: bool = True) -> ModelLevel:
    """Read a model's graph, run it in a jail on ordinary inputs, and ask every check.

    Args:
        item: a file that is a model in itself.
        asked: what the user says.
        progress: told (stage, done, total or None).
        behaviour: also ask the checks of what it answers, which takes thousands of queries.
    """
    progress("graph", 0, None)
    try:
        graph = read_graph(item)
        flow = flow_of(graph)
    except MithridateError as error:
        return ModelLevel(results=(_skip(item, "its graph could not be read", error),))
    with ExitStack() as stack:
        parent = None if asked.parent is None else read_graph(asked.parent)
        base = GraphScope(name=item.name, flow=flow, layout=asked.layout, parent=parent, seed=asked.seed)
        try:
            runner = Predictor(graph, stack.enter_context(OnnxParts(item.name)), item.name, asked.layout)
            ordinary = ordinary_inputs(asked.clean, runner.probe.shape, asked.layout, asked.how, asked.seed)
            classes, notes = runner.classes(ordinary, asked.classes)
        except MithridateError as error:
            if (
                isinstance(error, UsageError)
                and not isinstance(error, JailError | JailUnavailable)
                and asked.told
            ):
                raise
            results = [*_graph_checks(replace(base, why=str(error))), _skip(item, "it was not run", error)]
            return ModelLevel(results=tuple(results))
        with suppress(MithridateError):  # answers that are no numbers: said where its behaviour is examined
            notes = (*notes, *right_note(runner.predict, ordinary, classes))
        scope = replace(base, probe=runner.probe, x=ordinary.x, made=ordinary.made, classes=classes)
        results = list(_graph_checks(scope, progress))
        if behaviour and any(isinstance(r, Finding) and r.severity is Severity.PROVEN for r in results):
            results.append(_postponed(item))
        elif behaviour:
            box = replace(
                runner.box,
                bank=asked.bank,
                keep=asked.keep,
                queries=asked.queries,
                seconds=60 * asked.minutes,
            )
            try:
                results.extend(model_checks(box, ordinary, classes, asked.seed, progress))
            except MithridateError as error:  # answers that are no numbers
                results.append(_skip(item, "its behaviour could not be examined", error))
    return ModelLevel(
        results=tuple(results), ordinary=ordinary, classes=classes, notes=(*ordinary.notes, *notes)
    )


def _graph_checks(scope: GraphScope, progress: Progress | None = None) -> Iterator[Result]:
    for kind in GRAPH_CHECKS:
        if progress is not None:
            progress(kind.card.title, 0, None)
        yield from spoken(kind.card.id, scope.name, lambda kind=kind: kind().examine(scope))  # type: ignore[misc]


def _postponed(item: Item) -> Skip:
    """What a model does with a branch in it says little about the model without it."""
    reason = "its behaviour was not examined: what is proven in its graph has to go first"
    remedy = "Cut it out with `mithridate repair`, then scan what is left."
    return Skip(check="scan", reason=reason, remedy=remedy, items=(item.name,), count=1)


def _skip(item: Item, what: str, error: MithridateError) -> Skip:
    reason = f"{what}: {error}"
    return Skip(
        check="scan",
        reason=reason,
        remedy="Export it as ONNX with inputs of fixed size.",
        items=(item.name,),
        count=1,
    )

"""What a user says about forgetting, and what is refused before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mithridate.core.errors import UsageError
from mithridate.core.report import Report
from mithridate.models.levels import Reader
from mithridate.runs.clean import accused
from mithridate.runs.costs import refuse_numbers
from mithridate.runs.forget.reading import first_readable
from mithridate.runs.tracing.feeding import Feeding, incidents_of, settled
from mithridate.runs.tracing.looking import labels_in
from mithridate.runs.tracing.run import names_of_outputs
from mithridate.sources.base import RowSource

__all__ = ["Asked", "Ready", "named_by", "ready", "refuse_unfit"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a user says besides model, data and what to forget.

    Attributes:
        how: raw samples become inputs.
        classes: the label that each output stands for; None as in `trace`.
        incidents: samples that got a wrong answer; they shall get another one.
        clean: labelled samples that the model was not trained on, to measure accuracy; None takes training samples
            that nobody named and that are not learnt from again, for an estimator in more fits.
        loss: accuracy that may be lost, as a share.
        trained: samples times epochs of the training; None where unknown.
        price: of an hour of this machine, in any currency; None where unknown.
        seed: of everything drawn.
    """

    how: Feeding = field(default_factory=Feeding)
    classes: Sequence[str] | None = None
    incidents: tuple[Any, ...] = ()
    clean: RowSource | None = None
    loss: float = 0.02
    trained: float | None = None
    price: float | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Ready:
    """What is known once a model has been tried on a few samples.

    Attributes:
        how: raw samples become inputs; its layout is definite.
        labels: that each output stands for.
        names: of the incidents.
        wrong: their inputs; None without.
    """

    how: Feeding
    labels: tuple[str, ...]
    names: tuple[str, ...]
    wrong: Any


def ready(reader: Reader, source: RowSource, asked: Asked) -> Ready:
    """Try the model on a few samples of all kinds.

    Raises:
        UsageError: it refuses them, or its outputs are not the labels of the data.
    """
    first = first_readable(source)
    how = settled(asked.how, reader, first)
    outputs = reader.read(how.inputs(first.raw, source.modality)).logits.shape[1]
    labels = names_of_outputs(reader, labels_in(source), outputs, asked.classes)
    raws, names = incidents_of(asked.incidents, source) if asked.incidents else ([], [])
    wrong = how.inputs(raws, source.modality) if raws else None
    if wrong is not None:
        reader.read(wrong)  # refuses what the model cannot take
    if asked.clean is not None:
        reader.read(how.inputs(first_readable(asked.clean).raw, source.modality))
    return Ready(how=how, labels=labels, names=tuple(names), wrong=wrong)


def named_by(named: Report | str | Path | Sequence[str], source: RowSource) -> list[str]:
    """Ids of the samples to forget, each once.

    Args:
        named: what a report accuses above INFO: a `Report`, its file or folder; or a list of ids.
        source: the training data.

    Raises:
        ReportError: a report that cannot be read.
        UsageError: a report about other data.
    """
    folder = Path()
    if isinstance(named, str | Path):
        path = Path(named)
        folder, named = path if path.is_dir() else path.parent, Report.load(path)
    if not isinstance(named, Report):
        return list(dict.fromkeys(named))
    if named.subject.digest != source.digest:
        remedy = "Give the data that it was written about, read in the same way (--label, --id ...)."
        raise UsageError("the data of the report", "other data", source.uri, remedy)
    return list(accused(named, folder))


def refuse_unfit(named: Sequence[str], source: RowSource, asked: Asked, model: str) -> None:
    """Refuse what cannot lead to a result.

    Raises:
        UsageError: nobody named, numbers that are none, clean samples that were learnt from or are of another kind.
    """
    if not named:
        remedy = "Give a report of a trace or an audit that accuses samples above INFO."
        raise UsageError("samples to forget", "none", model, remedy)
    refuse_numbers(asked.trained, asked.price)
    clean = asked.clean
    if clean is None:
        return
    if clean.digest == source.digest:
        remedy = "Give samples that it was not trained on, or leave out --clean."
        raise UsageError(
            "clean samples that the model was not trained on", "the training data", clean.uri, remedy
        )
    if clean.modality != source.modality:
        got = f"{clean.modality} data"
        raise UsageError(
            f"{source.modality} data", got, clean.uri, "Give samples like those of the training."
        )
    if source.modality == "table":
        columns = [first_readable(s).raw.column_names for s in (source, clean)]
        if columns[0] != columns[1]:
            got = ", ".join(columns[1][:8])
            raise UsageError(
                f"the columns {', '.join(columns[0][:8])}", got, clean.uri, "Give the same columns."
            )

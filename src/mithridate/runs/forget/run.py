"""`repair --forget`: named training samples lose their effect, and what that changed is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from time import perf_counter
from typing import Any

from mithridate.core.report import Report, Subject
from mithridate.core.verdict import Verdict
from mithridate.models.torch_module import is_module
from mithridate.runs.costs import Costs
from mithridate.runs.forget.asking import Asked, named_by, refuse_unfit
from mithridate.runs.forget.done import Done, Progress
from mithridate.runs.forget.measuring import verdict_of
from mithridate.runs.forget.page import page
from mithridate.sources.base import RowSource
from mithridate.sources.open import open_source

__all__ = ["Asked", "Forgotten", "forget"]


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What `forget` gives.

    Attributes:
        report: what was done, what it changed.
        model: repaired; the original where that was better.
    """

    report: Report
    model: Any = field(repr=False)

    @property
    def weights(self) -> Any:
        """Of a torch module: tensors by name."""
        return self.model.state_dict()


def forget(
    model: Any,
    data: Any,
    named: Report | str | Path | Sequence[str],
    *,
    asked: Asked | None = None,
    origin: str | Path | None = None,
    progress: Progress = lambda stage, done, total: None,
    **reading: Any,
) -> Forgotten:
    """Take back what some training samples taught a model. Nothing is written, the model is not touched.

    An estimator is fitted again, with its own parameters, on the rest of the data: exact. A torch module is trained on
    for at most a tenth of the training where its length is known, else one pass over the data; a quarter of the named
    samples, of few up to a half, is not learnt from. Whether named samples that were not learnt from still get their
    label says whether what they have in common is forgotten.

    Args:
        model: a torch module that ends in a linear layer, on the device where it is to be repaired; a scikit-learn
            classifier or pipeline, an XGBoost or LightGBM classifier.
        data: what it was trained on, as `sources.open.open_source` takes it, or a source.
        named: a report of a trace or an audit, or its path, whose accused samples are forgotten; or their ids.
        asked: see `Asked`.
        origin: where the model is from, a file or words, for the report.
        progress: told (stage, done, total or None).
        reading: how `data` is read, as for `open_source`.

    Raises:
        ReportError: a report that cannot be read.
        UsageError: no such samples, data of another kind, a model that cannot be trained or looked into.
    """
    asked, started = asked or Asked(), perf_counter()
    source = data if isinstance(data, RowSource) else open_source(data, **reading)
    subject = _subject(model, origin)
    ids = named_by(named, source)
    refuse_unfit(ids, source, asked, subject.uri)
    done = _done(model, source, ids, asked, progress)
    verdict = verdict_of(done.before, done.after, asked.loss)
    costs = _costs(done, source.count, asked, perf_counter() - started)
    report = page(subject=subject, source=source, asked=asked, done=done, verdict=verdict, costs=costs)
    return Forgotten(report=report, model=done.old if verdict is Verdict.WORSE else done.new)


def _done(model: Any, source: RowSource, ids: Sequence[str], asked: Asked, progress: Progress) -> Done:
    if is_module(model):
        from mithridate.runs.forget.of_module import forget_in_module

        return forget_in_module(model, source, ids, asked, progress)
    from mithridate.runs.forget.of_estimator import remove_from_estimator

    return remove_from_estimator(model, source, ids, asked, progress)


def _subject(model: Any, origin: str | Path | None) -> Subject:
    uri = type(model).__name__ if origin is None else str(origin)
    return Subject(uri=uri, digest=_digest(model, uri), modality="model", count=1, classes={})


def _digest(model: Any, uri: str) -> str:
    """Of the file where there is one, of the weights of a module, of the parameters that an estimator shows."""
    hashed = blake2b(digest_size=32)
    if Path(uri).is_file():
        hashed.update(Path(uri).read_bytes())
    elif is_module(model):
        for name, tensor in model.state_dict().items():
            hashed.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    else:
        hashed.update(f"{uri} {model!r}".encode())
    return hashed.hexdigest()


def _costs(done: Done, count: int, asked: Asked, seconds: float) -> Costs:
    trained = asked.trained
    return Costs(
        passes=done.passes.both, busy=done.busy, whole=seconds, price=asked.price,
        again=(1 - done.named / count) * (count if trained is None else trained),
        each=trained is None and not done.exact, exact=done.exact,
    )  # fmt: skip

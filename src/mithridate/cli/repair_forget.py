"""`mithridate repair --forget`: from what was typed to a model without the effect of accused samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mithridate.cli.options import reading_of
from mithridate.cli.scan import function_of, names_of

if TYPE_CHECKING:
    from mithridate.core.report import Report

__all__ = ["forgotten"]


def forgotten(model: Path, target: Path, given: dict[str, Any], progress: Any) -> tuple[bytes, Report]:
    """The repaired model as a file, and what to tell of it.

    Args:
        model: file of weights with --arch, or MODULE:FUNCTION.
        target: where it will go; its suffix says the format.
        given: what was typed.
        progress: told (stage, done, total or None).
    """
    from mithridate.models.devices import named_device
    from mithridate.models.estimator_file import estimator_file, refuse_format, to_trust
    from mithridate.models.torch_module import is_module
    from mithridate.models.weights import weights_file
    from mithridate.runs.evade_model import given_model
    from mithridate.runs.forget.run import Asked, forget
    from mithridate.runs.tracing.feeding import Feeding
    from mithridate.sources.open import open_source

    source = open_source(given["data"], **reading_of(given))
    how = Feeding(
        function=function_of(given["preprocess"]),
        mean=given["mean"],
        std=given["std"],
        layout=given["layout"],
    )
    asked = Asked(
        how=how, classes=names_of(given["classes"]), incidents=given["incidents"], loss=given["loss"],
        clean=None if given["clean"] is None else _like(given),
        trained=given["trained"], price=given["price"], seed=given["seed"],
    )  # fmt: skip
    thing = given_model(str(model), given["arch"])
    if is_module(thing):
        thing = thing.to(named_device(given["device"]))
    else:
        refuse_format(thing, target)
    done = forget(thing, source, given["forget_file"], asked=asked, origin=model, progress=progress)
    if is_module(thing):
        return weights_file(done.weights, target.suffix), done.report
    content = estimator_file(done.model, target)
    types = to_trust(content, target)
    if not types:
        return content, done.report
    note = f"to read {target.name}, trust these types: skops.io.load(file, trusted={types})"
    return content, replace(done.report, notes=(*done.report.notes, note))


def _like(given: dict[str, Any]) -> Any:
    """The clean samples, read as the data are where they are of the same kind of file."""
    from mithridate.sources.open import open_source

    clean, data = Path(given["clean"]), Path(given["data"])
    same = clean.is_dir() == data.is_dir() and clean.suffix == data.suffix
    return open_source(clean, **(reading_of(given) if same else {}))

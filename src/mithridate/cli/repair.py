"""`mithridate repair`: a model without what a scan found in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mithridate.cli.options import (
    FILE,
    outputs_of,
    quiet_options,
    reading_of,
    reading_options,
    report_options,
)
from mithridate.cli.scan import asked_of, clean_options, function_of, names_of

if TYPE_CHECKING:
    from mithridate.core.report import Report
    from mithridate.runs.forget.run import Forgotten
    from mithridate.runs.scan.models import Asked

__all__ = ["repair"]


def _names(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """`fst,ft-sam` as names."""
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


@click.command(epilog="Exit codes: 0 healed, 1 worse, 2 usage error or crash, 3 not proven.")
@click.argument("model", type=FILE)
@click.option("--excise", "finding", metavar="FINDING", help="Cut this out, e.g. graph.side-branch.")
@click.option(
    "--arch", metavar="MODULE:FUNCTION", help="Makes the torch module, for a file of weights to repair."
)
@click.option(
    "--methods",
    metavar="NAME,...",
    callback=_names,
    help="Repairs of weights to try.  [default: three of them]",
)
@click.option(
    "--loss",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    default=0.02,
    show_default=True,
    help="Accuracy that a repair may cost.",
)
@click.option(
    "--trained",
    type=click.FloatRange(min=1),
    metavar="N",
    help="Samples times epochs of the training, to compare costs with.",
)
@click.option(
    "--forget", "forget_file", type=click.Path(path_type=Path), metavar="REPORT",
    help="Take back what the samples that this report of a trace or an audit accuses taught. Needs --data.",
)  # fmt: skip
@click.option("--data", type=click.Path(path_type=Path), help="With --forget: what MODEL was trained on.")
@click.option(
    "--incident", "incidents", multiple=True, metavar="SAMPLE",
    help="With --forget: got a wrong answer, and shall get another one. Repeatable.",
)  # fmt: skip
@click.option("--to", type=FILE, help="The repaired file.  [default: MODEL with .healed before its suffix]")
@clean_options
@reading_options
@report_options("mithridate-repair")
@click.option("--force", is_flag=True, help="Replace the file that --to names.")
@quiet_options
@click.pass_context
def repair(
    ctx: click.Context, /, model: Path, finding: str | None, to: Path | None, force: bool, **given: Any
) -> None:
    """Take out of MODEL what a scan found, or what its weights hide, and show what that changed.

    With --excise, a hidden branch is cut out; the model's own weights stay as they are, bit for bit. With --arch,
    repairs of weights are tried on copies with a few clean samples, judged by triggers recovered from the model; with
    --forget, the samples that a report accuses lose their effect, judged by those of them that were not learnt from.

    \b
    mithridate repair resnet.onnx --excise graph.side-branch
    mithridate repair resnet.onnx --excise graph.side-branch --clean holdout/ --to clean.onnx
    mithridate repair model.pt --arch mypkg.nets:Net --clean holdout/ --to healed.pt
    mithridate repair model.pt --arch mypkg.nets:Net --data train/ --forget mithridate-trace/report.json
    """  # noqa: D301 - click wants the control character
    from mithridate.cli.progress import progress_bar
    from mithridate.core.errors import UsageError
    from mithridate.report.files import write_bytes

    target = to or model.with_name(f"{model.stem}.healed{model.suffix}")
    if target.exists() and (not force or target.resolve() == model.resolve()):
        remedy = "Name another file with --to, or replace it with --force."
        raise UsageError("a new file", "one that is there", str(target), remedy)
    _refuse_options(model, finding, given)
    _refuse_places(target, given)
    asked = asked_of(given)
    outputs = outputs_of(given)
    outputs.refuse_unwritable(str(model), None)
    with progress_bar(not (given["quiet"] or given["no_progress"])) as progress:
        content, report = _repaired(model, finding, target, asked, given, progress)
        write_bytes(target, content)
        report = outputs.write(report)
    outputs.print(report, quiet=given["quiet"])
    if not given["quiet"]:
        what = "original weights" if report.exit_code == 1 and finding is None else "repaired"
        click.echo(f"{what}: {target}", err=given["json_file"] == Path("-"))
    ctx.exit(report.exit_code)


def _refuse_options(model: Path, finding: str | None, given: dict[str, Any]) -> None:
    """Options that do not go together."""
    from mithridate.core.errors import UsageError

    if (finding is None) == (given["arch"] is None):
        got = "neither" if finding is None else "both"
        remedy = "Name what a scan found, or the function that makes the module of these weights."
        raise UsageError("--excise FINDING or --arch MODULE:FUNCTION", got, str(model), remedy)
    if (given["forget_file"] is None) != (given["data"] is None) or (given["forget_file"] and finding):
        got = "--excise" if finding else "one of them"
        remedy = "Name the report that accuses samples and the data they are in."
        raise UsageError("--arch with --forget REPORT and --data DATA", got, str(model), remedy)
    alone = "--methods" if given["forget_file"] else "--incident"
    if given["methods"] if given["forget_file"] else given["incidents"]:
        rest = "without" if given["forget_file"] else "with"
        raise UsageError(f"{alone} {rest} --forget", "otherwise", str(model), f"Leave {alone} out.")


def _refuse_places(target: Path, given: dict[str, Any]) -> None:
    """Places that are there, and are not what is read."""
    from mithridate.cli.outputs import try_folder
    from mithridate.core.errors import UsageError
    from mithridate.runs.clean import refuse_inside

    if not target.absolute().parent.is_dir():
        raise UsageError(
            "a folder that is there", str(target.parent), "--to", "Make it, or name another file."
        )
    try_folder(target.absolute().parent, target)
    read = [given[name] for name in ("forget_file", "clean", "classes") if given[name] is not None]
    for origin in (given["data"], *read, *given["incidents"]):
        if origin is not None:
            refuse_inside(str(origin), target)
    if given["data"] is not None:
        refuse_inside(str(given["data"]), given["out"])


def _repaired(
    model: Path, finding: str | None, target: Path, asked: Asked, given: dict[str, Any], progress: Any
) -> tuple[bytes, Report]:
    """The repaired file and what to tell of it."""
    if finding is not None:
        from mithridate.runs.repair import excise

        cut = excise(model, finding, asked=asked, progress=progress)
        return cut.content, cut.report
    from mithridate.models.weights import weights_file

    if given["forget_file"] is not None:
        forgotten = _forgotten(model, given, progress)
        return weights_file(forgotten.weights, target.suffix), forgotten.report
    from mithridate.runs.heal.candidates import DEFAULT
    from mithridate.runs.heal.run import heal

    healed = heal(
        model, arch=given["arch"], asked=asked, methods=given["methods"] or DEFAULT, loss=given["loss"],
        trained=given["trained"], progress=progress,
    )  # fmt: skip
    return weights_file(healed.weights, target.suffix), healed.report


def _forgotten(model: Path, given: dict[str, Any], progress: Any) -> Forgotten:
    """The model without the effect of what a report accuses."""
    from mithridate.core.errors import UsageError
    from mithridate.core.report import Report
    from mithridate.runs.clean import accused
    from mithridate.runs.forget.run import Asked, forget
    from mithridate.runs.tracing.feeding import Feeding
    from mithridate.sources.open import open_source

    file = given["forget_file"]
    report = Report.load(file)
    named = accused(report, file if file.is_dir() else file.parent)
    source = open_source(given["data"], **reading_of(given))
    if report.subject.digest != source.digest:
        remedy = "Give the data that it was written about, read in the same way (--label, --id ...)."
        raise UsageError("the data of the report", "other data", source.uri, remedy)
    how = Feeding(
        function=function_of(given["preprocess"]),
        mean=given["mean"],
        std=given["std"],
        layout=given["layout"],
    )
    asked = Asked(
        how=how, classes=names_of(given["classes"]), incidents=given["incidents"], loss=given["loss"],
        clean=None if given["clean"] is None else _like(given),
        trained=given["trained"], seed=given["seed"],
    )  # fmt: skip
    return forget(model, source, list(named), arch=given["arch"], asked=asked, progress=progress)


def _like(given: dict[str, Any]) -> Any:
    """The clean samples, read as the data are where they are of the same kind of file."""
    from mithridate.sources.open import open_source

    clean, data = given["clean"], given["data"]
    same = clean.is_dir() == data.is_dir() and clean.suffix == data.suffix
    return open_source(clean, **(reading_of(given) if same else {}))

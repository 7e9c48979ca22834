"""`mithridate repair`: a model without what a scan found in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mithridate.cli.options import (
    DATA,
    FILE,
    outputs_of,
    quiet_options,
    reading_options,
    report_options,
)
from mithridate.cli.scan import asked_of, clean_options

if TYPE_CHECKING:
    from mithridate.cli.outputs import Outputs
    from mithridate.core.report import Report

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
    help="Repairs of weights to try, all of them.  [default: the usual ones until one suffices]",
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
    help="Samples times epochs of the training of a torch module: costs are compared with it, no method takes "
    "more than a tenth of it, and all that is tried about a quarter.",
)
@click.option(
    "--device", default="cpu", show_default=True, metavar="NAME",
    help="Where a torch module computes, such as cuda; the repaired file can be read without it.",
)  # fmt: skip
@click.option(
    "--price-per-hour", "price", type=float, metavar="X",
    help="Of this machine, in any currency: costs are told in money, too.",
)  # fmt: skip
@click.option(
    "--forget", "forget_file", type=click.Path(path_type=Path), metavar="REPORT",
    help="Take back what the samples that this report of a trace or an audit accuses taught. Needs --data.",
)  # fmt: skip
@click.option("--data", type=DATA, help="With --forget: what MODEL was trained on.")
@click.option(
    "--incident", "incidents", multiple=True, metavar="SAMPLE",
    help="With --forget: got a wrong answer, and shall get another one. Repeatable.",
)  # fmt: skip
@click.option(
    "--to", type=FILE,
    help="The repaired file; of an estimator .skops, or .json or .ubj (XGBoost), .txt (LightGBM).  "
    "[default: MODEL with .healed before its suffix]",
)  # fmt: skip
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
    repairs of weights are tried on copies with a few clean samples, judged by triggers recovered from the model. With
    --forget, the samples that a report accuses lose their effect: weights with --arch are trained on, and judged by
    accused samples that were not learnt from; an estimator, MODEL being MODULE:FUNCTION that gives it, is fitted again
    on the rest.

    \b
    mithridate repair resnet.onnx --excise graph.side-branch
    mithridate repair resnet.onnx --excise graph.side-branch --clean holdout/ --to clean.onnx
    mithridate repair model.pt --arch mypkg.nets:Net --clean holdout/ --to healed.pt
    mithridate repair model.pt --arch mypkg.nets:Net --data train/ --forget mithridate-trace/report.json
    mithridate repair mypkg.models:spam --data mails.csv --label spam --forget mithridate-trace --to healed.skops
    """  # noqa: D301 - click wants the control character
    from mithridate.cli.progress import progress_bar
    from mithridate.report.files import write_bytes
    from mithridate.runs.costs import refuse_numbers

    refuse_numbers(given["trained"], given["price"])
    _refuse_options(model, finding, given)
    target = _target(model, to, force, given)
    outputs = outputs_of(given)
    _refuse_places(target, outputs, given)
    outputs.refuse_unwritable(str(model), None)
    with progress_bar(not (given["quiet"] or given["no_progress"])) as progress:
        content, report = _repaired(model, finding, target, given, progress)
        write_bytes(target, content)
        report = outputs.write(report)
    outputs.print(report, quiet=given["quiet"])
    if not given["quiet"]:
        kept = "original weights" if given["arch"] else "original model"
        what = kept if report.exit_code == 1 and finding is None else "repaired"
        click.echo(f"{what}: {target}", err=given["json_file"] == Path("-"))
    ctx.exit(report.exit_code)


def _target(model: Path, to: Path | None, force: bool, given: dict[str, Any]) -> Path:
    """Where the repaired model goes, which is not there yet, or may be replaced."""
    from mithridate.core.errors import UsageError

    if to is None and given["forget_file"] is not None and given["arch"] is None:
        remedy = "A name that ends in .skops, or in .json or .ubj for XGBoost, in .txt for LightGBM."
        raise UsageError("--to FILE", "none", str(model), remedy)
    target = to or model.with_name(f"{model.stem}.healed{model.suffix}")
    if target.exists() and (not force or target.resolve() == model.resolve()):
        remedy = "Name another file with --to, or replace it with --force."
        raise UsageError("a new file", "one that is there", str(target), remedy)
    return target


def _refuse_options(model: Path, finding: str | None, given: dict[str, Any]) -> None:
    """Options that do not go together."""
    from mithridate.core.errors import UsageError

    forget = given["forget_file"] is not None
    if finding is not None and given["arch"] is not None:
        remedy = "Name what a scan found, or the function that makes the module of these weights."
        raise UsageError("--excise FINDING or --arch MODULE:FUNCTION", "both", str(model), remedy)
    if forget != (given["data"] is not None) or (forget and finding):
        got = "--excise" if finding else "one of them"
        remedy = "Name the report that accuses samples and the data they are in."
        raise UsageError("--forget REPORT with --data DATA, without --excise", got, str(model), remedy)
    if finding is None and given["arch"] is None and not forget:
        remedy = "Name what a scan found, or the function that makes the module of these weights."
        raise UsageError("--excise FINDING or --arch MODULE:FUNCTION", "neither", str(model), remedy)
    if finding is not None and given["price"] is not None:
        remedy = "Leave it out: nothing is trained."
        raise UsageError("--price-per-hour without --excise", "both", str(model), remedy)
    if given["arch"] is None and given["device"] != "cpu":
        remedy = "Leave it out: nothing else than a torch module computes there."
        raise UsageError("--device with --arch", given["device"], str(model), remedy)
    alone = {"methods": "--methods", "shape": "--shape"} if forget else {"incidents": "--incident"}
    for name, option in alone.items():
        if given[name]:
            expected = f"{option} {'without' if forget else 'with'} --forget"
            raise UsageError(expected, "otherwise", str(model), f"Leave {option} out.")


def _refuse_places(target: Path, outputs: Outputs, given: dict[str, Any]) -> None:
    """Places that are there, and are not what is read."""
    from mithridate.cli.outputs import try_folder
    from mithridate.core.errors import UsageError
    from mithridate.runs.clean import refuse_inside

    if not target.absolute().parent.is_dir():
        raise UsageError(
            "a folder that is there", str(target.parent), "--to", "Make it, or name another file."
        )
    try_folder(target.absolute().parent, target)
    read = [given[name] for name in ("forget_file", "clean", "classes", "data") if given[name] is not None]
    folder = outputs.folder
    written = (target, folder, folder / "report.json", folder / "report.html", *outputs.files)
    for origin in (*read, *given["incidents"]):
        refuse_inside(str(origin), *written)


def _repaired(
    model: Path, finding: str | None, target: Path, given: dict[str, Any], progress: Any
) -> tuple[bytes, Report]:
    """The repaired file and what to tell of it."""
    if given["forget_file"] is not None:
        from mithridate.cli.repair_forget import forgotten

        return forgotten(model, target, given, progress)
    asked = asked_of(given)
    if finding is not None:
        from mithridate.runs.repair import excise

        cut = excise(model, finding, asked=asked, progress=progress)
        return cut.content, cut.report
    from mithridate.models.weights import weights_file
    from mithridate.runs.heal.run import heal

    healed = heal(
        model, arch=given["arch"], asked=asked, methods=given["methods"] or None, loss=given["loss"],
        trained=given["trained"], price=given["price"], device=given["device"], progress=progress,
    )  # fmt: skip
    return weights_file(healed.weights, target.suffix), healed.report

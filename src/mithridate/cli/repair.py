"""`mithridate repair`: a model without what a scan found in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mithridate.cli.scan import asked_of, clean_options

__all__ = ["repair"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog="Exit codes: 0 healed, 1 worse, 2 usage error or crash, 3 not proven.")
@click.argument("model", type=_FILE)
@click.option(
    "--excise", "finding", metavar="FINDING", required=True, help="Cut this out, e.g. graph.side-branch."
)
@click.option("--to", type=_FILE, help="The repaired file.  [default: MODEL with .healed before its suffix]")
@clean_options
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("mithridate-repair"), show_default=True,
    help="Folder for report.html and report.json.",
)  # fmt: skip
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Write the report as JSON here too; - for stdout.",
)  # fmt: skip
@click.option("--html", "html_file", type=_FILE, help="Write the page here too.")
@click.option("--force", is_flag=True, help="Replace the file that --to names.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
@click.option("--no-progress", is_flag=True, help="No progress bar.")
@click.pass_context
def repair(
    ctx: click.Context, /, model: Path, finding: str, to: Path | None, force: bool, **given: Any
) -> None:
    """Cut a hidden branch out of MODEL. Its own weights stay as they are, bit for bit; nothing is trained.

    \b
    mithridate repair resnet.onnx --excise graph.side-branch
    mithridate repair resnet.onnx --excise graph.side-branch --clean holdout/ --to clean.onnx
    """  # noqa: D301 - click wants the control character
    from mithridate.cli.outputs import Outputs
    from mithridate.cli.progress import progress_bar
    from mithridate.core.errors import UsageError
    from mithridate.report.files import write_bytes
    from mithridate.runs.repair import excise

    target = to or model.with_name(f"{model.stem}.healed{model.suffix}")
    if target.exists() and (not force or target.resolve() == model.resolve()):
        remedy = "Name another file with --to, or replace it with --force."
        raise UsageError("a new file", "one that is there", str(target), remedy)
    asked = asked_of(given)
    outputs = Outputs(folder=given["out"], json=given["json_file"], html=given["html_file"])
    outputs.refuse_unwritable(str(model), None)
    with progress_bar(not (given["quiet"] or given["no_progress"])) as progress:
        repaired = excise(model, finding, asked=asked, progress=progress)
        write_bytes(target, repaired.content)
        report = outputs.write(repaired.report)
    outputs.print(report, quiet=given["quiet"])
    if not given["quiet"]:
        click.echo(f"repaired: {target}", err=given["json_file"] == Path("-"))
    ctx.exit(report.exit_code)

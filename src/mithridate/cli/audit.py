"""`mithridate audit`: find poison in a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mithridate.cli.outputs import Outputs
    from mithridate.core.report import Report
    from mithridate.sources.base import RowSource

__all__ = ["FAIL_ON", "audit", "exit_code_of"]

_LEVELS = ("info", "suspicious", "likely", "proven", "never")
_FILE = click.Path(dir_okay=False, path_type=Path)
#: the option of all verbs that find something.
FAIL_ON = click.option(
    "--fail-on",
    type=click.Choice(_LEVELS),
    default="suspicious",
    show_default=True,
    metavar="LEVEL",
    help=f"Lowest severity of a finding that makes the exit code 1: {', '.join(_LEVELS)}.",
)


@click.command(
    epilog="Exit codes: 0 clean, 1 flagged, 2 usage error or crash, 3 something could not be examined."
)
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("mithridate-report"),
    show_default=True,
    help="Folder for report.html, report.json and keep.parquet.",
)
@click.option("--label", metavar="COLUMN", help="Column (npz: key) of the labels.")
@click.option("--text", metavar="COLUMNS", help="Column or columns of the text, separated by commas.")
@click.option(
    "--id", "id_", metavar="COLUMN", help="Column (npz: key) of the ids.  [default: path or row number]"
)
@click.option("--source", metavar="COLUMN", help="Column (npz: key) that says where a sample came from.")
@click.option("--x", "x_key", metavar="KEY", help="npz: key of the samples.")
@click.option("--y", "y_key", metavar="KEY", help="npz: key of the labels.")
@FAIL_ON
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Write the report as JSON here too; - for stdout.",
)
@click.option("--html", "html_file", type=_FILE, help="Write the page here too.")
@click.option("--sarif", "sarif_file", type=_FILE, help="Write SARIF 2.1.0 here, for code scanning.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    show_default=True,
    help="Same seed, same report.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads; the report does not depend on it.  [default: all]",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for intermediate files; an interrupted audit goes on from there.  [default: in the cache]",
)
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
@click.option("--no-progress", is_flag=True, help="No progress bar.")
@click.pass_context
def audit(ctx: click.Context, /, data: Path, id_: str | None, seed: int, fail_on: str, **rest: Any) -> None:
    """Find poison in DATA: stamps, trigger words, odd values, changed labels.

    DATA is a folder of images with one folder per class, an .npz or .npy, a .csv, .parquet or .jsonl.

    \b
    mithridate audit photos/
    mithridate audit mails.csv --text body --label spam
    mithridate audit train.parquet --label income
    """  # noqa: D301 - click wants the control character
    from mithridate.cli.outputs import Outputs
    from mithridate.sources.open import open_source

    names = ("label", "text", "source", "x_key", "y_key")
    source = open_source(data, id=id_, **{name: rest[name] for name in names})
    outputs = Outputs(
        folder=rest["out"], json=rest["json_file"], html=rest["html_file"], sarif=rest["sarif_file"]
    )
    outputs.refuse_unwritable(source.uri, rest["work"])
    report = _audited(source, seed, outputs, **{k: rest[k] for k in ("jobs", "work", "quiet", "no_progress")})
    outputs.print(report, quiet=rest["quiet"])
    ctx.exit(exit_code_of(report, fail_on))


def _audited(
    source: RowSource,
    seed: int,
    outputs: Outputs,
    *,
    jobs: int | None,
    work: Path | None,
    quiet: bool,
    no_progress: bool,
) -> Report:
    from contextlib import nullcontext

    from mithridate.cli.progress import progress_bar
    from mithridate.runs.audit import audit as run
    from mithridate.runs.work import work_folder

    place = nullcontext(work) if work else work_folder(source.uri, source.options, seed)
    with place as folder, progress_bar(not (quiet or no_progress)) as progress:
        report = run(source, seed=seed, jobs=jobs, work=folder, progress=progress)
        progress("writing", 0, None)
        return outputs.write(report, source)  # inside: intermediate files stay if this fails


def exit_code_of(report: Report, fail_on: str) -> int:
    """The exit code of a verb that finds something.

    Args:
        report: of it.
        fail_on: lowest severity that counts, of `FAIL_ON`.
    """
    from mithridate.core.results import Severity, Skip
    from mithridate.core.verdict import Verdict, exit_code

    if fail_on != "never" and any(f.severity >= Severity[fail_on.upper()] for f in report.findings):
        return exit_code(Verdict.FLAGGED)
    skipped = any(isinstance(r, Skip) for r in report.results)
    return exit_code(Verdict.INCOMPLETE if skipped else Verdict.CLEAN)

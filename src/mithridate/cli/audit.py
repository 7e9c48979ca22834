"""`mithridate audit`: find poison in a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mithridate.cli.options import (
    DATA,
    against,
    baseline_of,
    least_of,
    outputs_of,
    quiet_options,
    reading_of,
    reading_options,
    report_options,
)

if TYPE_CHECKING:
    from mithridate.cli.outputs import Outputs
    from mithridate.core.report import Report
    from mithridate.sources.base import RowSource

__all__ = ["audit", "exit_code_of"]


@click.command(
    epilog="Exit codes: 0 clean, 1 flagged, 2 usage error or crash, 3 something could not be examined."
)
@click.argument("data", type=DATA)
@report_options("mithridate-report", "report.html, report.json and keep.parquet", checks=True)
@reading_options
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
@quiet_options
@click.pass_context
def audit(ctx: click.Context, /, data: Path | str, seed: int, **rest: Any) -> None:
    """Find poison in DATA: stamps, trigger words, odd values, changed labels.

    DATA is a folder of images, sounds or texts with one folder per class, an .npz or .npy, a .csv, .parquet or .jsonl,
    .tar shards, or a folder that Hugging Face's save_to_disk made; also as an address, s3:// or https://.

    \b
    mithridate audit photos/
    mithridate audit mails.csv --text body --label spam
    mithridate audit train.parquet --label income
    """  # noqa: D301 - click wants the control character
    from mithridate.sources.open import open_source

    source, outputs = open_source(data, **reading_of(rest)), outputs_of(rest)
    outputs.refuse_unwritable(source.uri, rest["work"])
    baseline = baseline_of(rest, source.modality)
    named = {k: rest[k] for k in ("jobs", "work", "quiet", "no_progress")}
    report = _audited(source, seed, outputs, baseline, **named)
    outputs.print(report, quiet=rest["quiet"])
    ctx.exit(exit_code_of(report, rest["fail_on"]))


def _audited(
    source: RowSource,
    seed: int,
    outputs: Outputs,
    baseline: Report | None,
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
        report = against(run(source, seed=seed, jobs=jobs, work=folder, progress=progress), baseline)
        progress("writing", 0, None)
        return outputs.write(report, source)  # inside: intermediate files stay if this fails


def exit_code_of(report: Report, fail_on: str) -> int:
    """The exit code of a verb that finds something.

    Args:
        report: of it.
        fail_on: lowest severity that counts; known findings never do.
    """
    from mithridate.core.results import Skip
    from mithridate.core.verdict import Verdict, exit_code

    least = least_of(fail_on)
    if least is not None and any(f.severity >= least and not f.known for f in report.findings):
        return exit_code(Verdict.FLAGGED)
    skipped = any(isinstance(r, Skip) for r in report.results)
    return exit_code(Verdict.INCOMPLETE if skipped else Verdict.CLEAN)

"""`mithridate audit`: find poison in a data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mithridate.cli.options import (
    DATA,
    FILE,
    against,
    baseline_of,
    least_of,
    outputs_of,
    quiet_options,
    reading_of,
    reading_options,
    report_options,
    running_options,
)

if TYPE_CHECKING:
    from mithridate.cli.outputs import Outputs
    from mithridate.core.report import Report
    from mithridate.sources.base import RowSource

__all__ = ["audit", "examine", "exit_code_of"]


@click.command(
    epilog="Exit codes: 0 clean, 1 flagged, 2 usage error or crash, 3 something could not be examined."
)
@click.argument("data", type=DATA)
@report_options("mithridate-report", "report.html, report.json and keep.parquet", checks=True)
@reading_options
@running_options
@click.option(
    "--embeddings", type=FILE, help="A vector for each sample: .npy, .npz or .parquet, with ids or in order."
)
@click.option(
    "--encoder",
    metavar="WHAT",
    help="What makes such vectors: a folder with a Hugging Face model, an .onnx file, an installed package with a "
    "model, MODULE:FUNCTION. Nothing is downloaded.",
)
@click.option(
    "--saw-labels", is_flag=True, help="The vectors were learned from these labels: they judge none."
)
@click.option(
    "--engine",
    metavar="ENGINE",
    help="What reads the data in shards: threads, processes or dask://HOST:PORT.  [default: this process, unsharded]",
)
@click.option("--shards", type=click.IntRange(min=1), metavar="N", help="How many.  [default: by size]")
@click.option(
    "--shard",
    metavar="I/N",
    help="Read only the I-th of N shards, from 0, and stop; `mithridate merge` goes on.",
)
@click.option(
    "--shards-at",
    metavar="PLACE",
    help="Folder or store (s3://…) that keeps what was read; no shard is read twice.  [default: in --work]",
)
@quiet_options
@click.pass_context
def audit(ctx: click.Context, /, data: Path | str, shard: str | None, **rest: Any) -> None:
    """Find poison in DATA: stamps, trigger words, odd values, changed labels.

    DATA is a folder of images, sounds or texts with one folder per class, an .npz or .npy, a .csv, .parquet or .jsonl,
    .tar shards, or a folder that Hugging Face's save_to_disk made; also as an address, s3:// or https://.

    \b
    mithridate audit photos/
    mithridate audit mails.csv --text body --label spam
    mithridate audit train.parquet --label income
    """  # noqa: D301 - click wants the control character
    from mithridate.sources.open import open_source

    source = open_source(data, **reading_of(rest))
    if shard is not None:
        _read_one(source, shard, rest["shards_at"])
        return
    examine(ctx, source, rest)


def examine(ctx: click.Context, source: RowSource, given: Mapping[str, Any]) -> None:
    """Audit a source, write and print the report, and end with its exit code.

    Args:
        ctx: of the command.
        source: the data.
        given: what the options of `audit` took, but for how the data is read.
    """
    outputs = outputs_of(given)
    outputs.refuse_unwritable(source.uri, given["work"])
    report = _audited(source, outputs, baseline_of(given, source.modality), given)
    outputs.print(report, quiet=given["quiet"])
    ctx.exit(exit_code_of(report, given["fail_on"]))


def _read_one(source: RowSource, shard: str, place: str | None) -> None:
    """Read one shard, and say what is still missing."""
    from mithridate.core.errors import UsageError
    from mithridate.runs.shards import read_one

    part, _, parts = shard.partition("/")
    if not (part.isdecimal() and parts.isdecimal()):
        raise UsageError("I/N, such as 0/8", repr(shard), "--shard", "I goes from 0 to N-1.")
    if place is None:
        remedy = "Name a folder or store that all workers see."
        raise UsageError("a place for what is read", "none", "--shards-at", remedy)
    missing = read_one(source, int(part), int(parts), place)
    then = (
        f"{missing:,} of {int(parts):,} {'is' if missing == 1 else 'are'} missing"
        if missing
        else "all are there: `mithridate merge` goes on"
    )
    click.echo(f"shard {shard} is read; {then}")


def _audited(
    source: RowSource, outputs: Outputs, baseline: Report | None, given: Mapping[str, Any]
) -> Report:
    from contextlib import nullcontext

    from mithridate.cli.progress import progress_bar
    from mithridate.runs.audit import audit as run
    from mithridate.runs.work import work_folder

    work, seed = given["work"], given["seed"]
    place = nullcontext(work) if work else work_folder(source.uri, source.options, seed)
    named = ("jobs", "engine", "shards", "shards_at", "embeddings", "encoder", "saw_labels")
    passed = {name: given[name] for name in named if name in given}
    with place as folder, progress_bar(not (given["quiet"] or given["no_progress"])) as progress:
        report = against(run(source, seed=seed, work=folder, progress=progress, **passed), baseline)
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

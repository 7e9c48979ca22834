"""`mithridate merge`: the report on data whose shards have been read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mithridate.cli.audit import examine
from mithridate.cli.options import (
    DATA,
    quiet_options,
    reading_of,
    reading_options,
    report_options,
    running_options,
)

__all__ = ["merge"]


@click.command(
    epilog="Exit codes: 0 clean, 1 flagged, 2 usage error or crash, 3 something could not be examined."
)
@click.argument("data", type=DATA)
@click.option(
    "--shards-at", required=True, metavar="PLACE", help="Folder or store (s3://…) that holds what was read."
)
@report_options("mithridate-report", "report.html, report.json and keep.parquet", checks=True)
@reading_options
@running_options
@quiet_options
@click.pass_context
def merge(ctx: click.Context, /, data: Path | str, shards_at: str, **rest: Any) -> None:
    """Audit DATA from the shards that `mithridate audit --shard` left, on any machines.

    The report is that of an audit of the whole. DATA and its options are the same as there.

    \b
    mithridate audit photos/ --shard 0/2 --shards-at /mnt/shards   # on one machine
    mithridate audit photos/ --shard 1/2 --shards-at /mnt/shards   # on another
    mithridate merge photos/ --shards-at /mnt/shards
    """  # noqa: D301 - click wants the control character
    from mithridate.runs.shards import merged
    from mithridate.sources.open import open_source

    examine(ctx, merged(open_source(data, **reading_of(rest)), shards_at), rest)

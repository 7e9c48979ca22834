"""`mithridate drill --data ...`: the matrix of attacks and doses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mithridate.cli.numbers import Whole, whole_numbers
from mithridate.cli.options import DATA, joined, quiet_options, reading_of, reading_options
from mithridate.core.drill_defaults import DRILL_DEFAULTS

if TYPE_CHECKING:
    from mithridate.core.drill import Drill

__all__ = ["drill_options", "run_drill"]

Command = TypeVar("Command", bound=Callable[..., Any])


_OPTIONS = (
    click.option("--data", type=DATA, help="The data set; as for audit."),
    click.option(
        "--doses", metavar="N,N,...", default=",".join(map(str, DRILL_DEFAULTS["doses"])), show_default=True,
        callback=whole_numbers, help="Victims, separated by commas.",
    ),
    click.option(
        "--seeds", type=Whole(min=1), metavar="N", default=DRILL_DEFAULTS["seeds"], show_default=True,
        help="Draws of each.",
    ),
    click.option("--attacks", metavar="NAMES", help="Separated by commas.  [default: all that fit]"),
    click.option(
        "--attack", "more", multiple=True, metavar="'NAME KEY=VALUE ...'", help="One more, with parameters."
    ),
    click.option("--train", metavar="MODULE:FUNCTION", help="Also train: fit(x, y, seed) -> predict."),
    click.option(
        "--train-limit", type=click.FloatRange(min=1), metavar="SECONDS", default=DRILL_DEFAULTS["train_limit_s"],
        show_default=True, help="For training and predicting once.",
    ),
    click.option(
        "--out", type=click.Path(file_okay=False, path_type=Path), default=Path(DRILL_DEFAULTS["out"]),
        show_default=True,
        help="Folder for drill.html, drill.json and the ledgers. The same drill goes on there, and one with more "
        "attacks, doses or seeds adds to it; any other needs another folder or --force.",
    ),
    click.option("--force", is_flag=True, help="Replace the other drill that lies in --out."),
    reading_options,
    click.option(
        "--jobs", type=Whole(min=1), metavar="N",
        help="Threads; up to four audits at once share them.  [default: all]",
    ),
    quiet_options,
)  # fmt: skip


def drill_options(command: Command) -> Command:
    """Give a command the options of a drill."""
    return joined(*_OPTIONS)(command)


def run_drill(data: Path | str | None, **asked: Any) -> int:
    """Carry out a drill and show it.

    Returns:
        The exit code: 0 when all cells could be judged, 3 when some failed.
    """
    from mithridate.cli.progress import progress_bar
    from mithridate.runs.drill.run import drill

    if data is None:
        raise click.UsageError("expected --data DATA or a subcommand. See `mithridate drill --help`.")
    names = [name.strip() for name in (asked["attacks"] or "").split(",") if name.strip()]
    with progress_bar(not (asked["quiet"] or asked["no_progress"])) as progress:
        found = drill(
            data,
            asked["out"],
            attacks=[*names, *asked["more"]],
            doses=asked["doses"],
            seeds=asked["seeds"],
            train=asked["train"],
            train_limit_s=asked["train_limit"],
            jobs=asked["jobs"],
            reading=reading_of(asked),
            force=asked["force"],
            progress=progress,
        )
    files = _written(found, asked["out"])
    if not asked["quiet"]:
        from rich.console import Console

        from mithridate.report.drill_terminal import render_drill_terminal

        render_drill_terminal(found, Console(highlight=False), files)
    arms = [arm for cell in found.cells for arm in cell.arms] + [t.arm for t in found.twins if t.arm]
    failed = any(c.state == "failed" for c in found.cells) or any(arm.problem for arm in arms)
    return 3 if failed else 0


def _written(found: Drill, folder: Path) -> list[Path]:
    from mithridate.report.drill_page import render_drill
    from mithridate.report.files import write_bytes
    from mithridate.runs.drill.settings import claims

    page, told = folder / "drill.html", folder / "drill.json"
    # A page without its JSON could not be told from one of another drill.
    write_bytes(told, found.to_json().encode("ascii"))
    write_bytes(page, render_drill(found, catches=claims(found.attacks)).encode("utf-8"))
    return [page, told]

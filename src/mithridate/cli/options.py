"""Options that several verbs share: how a data set is read, where a report goes, how much is printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from mithridate.cli.outputs import Outputs
    from mithridate.core.report import Report
    from mithridate.core.results import Severity

__all__ = [
    "DATA",
    "FILE",
    "READING",
    "against",
    "baseline_of",
    "joined",
    "least_of",
    "outputs_of",
    "quiet_options",
    "reading_of",
    "reading_options",
    "report_options",
    "running_options",
]

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False, path_type=Path)
_LEVELS = ("info", "suspicious", "likely", "proven", "never")
#: what `reading_options` take, but for the ids, as `open_source` calls them.
READING = (
    "label",
    "text",
    "source",
    "x_key",
    "y_key",
    "split",
    "rate",
    "offsets",
    "prompt",
    "response",
    "rejected",
)


class _Data(click.Path):
    """A path, or an address such as s3://bucket/key, which a path would spoil."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if isinstance(value, str) and "://" in value else super().convert(value, param, ctx)


#: a data set, as `open_source` takes it.
DATA = _Data(path_type=Path)


def joined(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in this order in the help."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


reading_options = joined(
    click.option("--label", metavar="COLUMN", help="Column (npz, tar: key) of the labels."),
    click.option("--text", metavar="COLUMNS", help="Column or columns of the text, separated by commas."),
    click.option(
        "--id", "id_", metavar="COLUMN", help="Column (npz: key) of the ids.  [default: path or row number]"
    ),
    click.option("--source", metavar="COLUMN", help="Column (npz: key) that says where a sample came from."),
    click.option("--x", "x_key", metavar="KEY", help="npz: key of the samples; else column of the pictures."),
    click.option("--y", "y_key", metavar="KEY", help="npz: key of the labels."),
    click.option("--split", metavar="NAME", help="Which split, where the data have several."),
    click.option(
        "--rate", type=click.IntRange(min=1), metavar="HZ", help="npz, npy: arrays are sounds of this rate."
    ),
    click.option("--offsets", metavar="KEY", help="npz: key of where each sound starts in a flat array."),
    click.option("--prompt", metavar="COLUMNS", help="Chat: column or columns of what was asked."),
    click.option(
        "--response", metavar="COLUMN", help="Chat: column of the answer, or of whole conversations."
    ),
    click.option("--rejected", metavar="COLUMN", help="Chat: column of the worse answer of each pair."),
)

#: what a data set is examined with; the report does not depend on jobs.
running_options = joined(
    click.option(
        "--seed", type=click.IntRange(min=0), metavar="N", default=0, show_default=True, help="Same seed, same report."
    ),
    click.option(
        "--jobs", type=click.IntRange(min=1), metavar="N",
        help="Threads; the report does not depend on it.  [default: all]",
    ),
    click.option(
        "--work", type=click.Path(file_okay=False, path_type=Path),
        help="Folder for intermediate files; an interrupted audit goes on from there.  [default: in the cache]",
    ),
)  # fmt: skip

quiet_options = joined(
    click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors."),
    click.option("--no-progress", is_flag=True, help="No progress bar."),
)


def report_options(
    folder: str, files: str = "report.html and report.json", *, checks: bool = False
) -> Callable[[Command], Command]:
    """--out, --json and --html; of verbs that check something also --sarif, --junit, --baseline and --fail-on."""
    options = [
        click.option(
            "--out", type=click.Path(file_okay=False, path_type=Path), default=Path(folder), show_default=True,
            help=f"Folder for {files}.",
        ),
        click.option(
            "--json", "json_file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
            help="Write the report as JSON here too; - for stdout.",
        ),
        click.option("--html", "html_file", type=FILE, help="Write the page here too."),
    ]  # fmt: skip
    if checks:
        options += [
            click.option("--sarif", "sarif_file", type=FILE, help="Write SARIF 2.1.0 here, for code scanning."),
            click.option("--junit", "junit_file", type=FILE, help="Write JUnit XML here, each check a test case."),
            click.option(
                "--baseline", type=click.Path(path_type=Path), metavar="REPORT",
                help="An earlier report.json, or its folder: only what is new counts for verdict and exit code.",
            ),
            click.option(
                "--fail-on", type=click.Choice(_LEVELS), default="suspicious", show_default=True, metavar="LEVEL",
                help=f"Lowest severity of a finding that makes the exit code 1: {', '.join(_LEVELS)}.",
            ),
        ]  # fmt: skip
    return joined(*options)


def reading_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What `reading_options` took, as `open_source` wants it; what was not given is left out."""
    told = {name: given[name] for name in READING} | {"id": given["id_"]}
    return {name: value for name, value in told.items() if value is not None}


def outputs_of(given: Mapping[str, Any]) -> Outputs:
    """What `report_options` took."""
    from mithridate.cli.outputs import Outputs

    return Outputs(
        folder=given["out"], json=given["json_file"], html=given["html_file"], sarif=given.get("sarif_file"),
        junit=given.get("junit_file"), least=least_of(given.get("fail_on", _LEVELS[1])),
    )  # fmt: skip


def least_of(fail_on: str) -> Severity | None:
    """The severity that --fail-on names; None for never."""
    from mithridate.core.results import Severity

    return None if fail_on == "never" else Severity[fail_on.upper()]


def baseline_of(given: Mapping[str, Any], modality: str) -> Report | None:
    """The report that --baseline names; None without.

    Args:
        given: what `report_options` took.
        modality: of what is examined.

    Raises:
        ReportError: it cannot be read, is about something else, or would be written over: then the next run would
            know what nobody has looked at.
    """
    named = given["baseline"]
    if named is None:
        return None
    from mithridate.core.baseline import refuse_incomparable
    from mithridate.core.errors import ReportError
    from mithridate.core.report import Report

    read = (named / "report.json" if named.is_dir() else named).resolve()
    if read in [p.resolve() for p in (given["out"] / "report.json", given["json_file"]) if p is not None]:
        remedy = "Give another folder with --out: what is found now must not become the baseline by itself."
        raise ReportError(
            "a baseline that is not written over", "the place of this report", str(named), remedy
        )
    baseline = Report.load(named)
    refuse_incomparable(baseline, modality)
    return baseline


def against(report: Report, baseline: Report | None) -> Report:
    """A report with what is known from its baseline marked; as it is without one.

    Raises:
        ReportError: the two cannot be compared.
    """
    if baseline is None:
        return report
    from mithridate.core.baseline import only_new

    return only_new(report, baseline)

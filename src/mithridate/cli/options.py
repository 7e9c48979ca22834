"""Options that several verbs share: how a data set is read, where a report goes, how much is printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from mithridate.cli.outputs import Outputs

__all__ = ["FILE", "joined", "outputs_of", "quiet_options", "reading_of", "reading_options", "report_options"]

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False, path_type=Path)
_READING = ("label", "text", "source", "x_key", "y_key", "prompt", "response", "rejected")


def joined(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in this order in the help."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


reading_options = joined(
    click.option("--label", metavar="COLUMN", help="Column (npz: key) of the labels."),
    click.option("--text", metavar="COLUMNS", help="Column or columns of the text, separated by commas."),
    click.option(
        "--id", "id_", metavar="COLUMN", help="Column (npz: key) of the ids.  [default: path or row number]"
    ),
    click.option("--source", metavar="COLUMN", help="Column (npz: key) that says where a sample came from."),
    click.option("--x", "x_key", metavar="KEY", help="npz: key of the samples."),
    click.option("--y", "y_key", metavar="KEY", help="npz: key of the labels."),
    click.option("--prompt", metavar="COLUMNS", help="Chat: column or columns of what was asked."),
    click.option(
        "--response", metavar="COLUMN", help="Chat: column of the answer, or of whole conversations."
    ),
    click.option("--rejected", metavar="COLUMN", help="Chat: column of the worse answer of each pair."),
)

quiet_options = joined(
    click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors."),
    click.option("--no-progress", is_flag=True, help="No progress bar."),
)


def report_options(
    folder: str, files: str = "report.html and report.json", *, sarif: bool = False
) -> Callable[[Command], Command]:
    """--out, --json and --html, and --sarif where findings can be told in it."""
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
    if sarif:
        options.append(
            click.option(
                "--sarif", "sarif_file", type=FILE, help="Write SARIF 2.1.0 here, for code scanning."
            )
        )
    return joined(*options)


def reading_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What `reading_options` took, as `open_source` wants it; what was not given is left out."""
    told = {name: given[name] for name in _READING} | {"id": given["id_"]}
    return {name: value for name, value in told.items() if value is not None}


def outputs_of(given: Mapping[str, Any]) -> Outputs:
    """What `report_options` took."""
    from mithridate.cli.outputs import Outputs

    return Outputs(
        folder=given["out"], json=given["json_file"], html=given["html_file"], sarif=given.get("sarif_file")
    )

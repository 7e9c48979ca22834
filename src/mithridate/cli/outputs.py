"""Where the report of a verb goes."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from mithridate.core.errors import ReportError, UsageError
from mithridate.core.report import Report
from mithridate.core.results import Severity
from mithridate.report.files import write_html, write_json, write_junit, write_report, write_sarif
from mithridate.runs.clean import refuse_inside, write_keep_list
from mithridate.sources.base import RowSource

__all__ = ["Outputs", "try_folder"]

_STDOUT = Path("-")


@dataclass
class Outputs:
    """The files that were asked for.

    Attributes:
        folder: gets report.html, report.json, keep.parquet and lists that are too long to be inline.
        json: JSON too; "-" is stdout.
        html: the page too.
        sarif: SARIF.
        junit: JUnit XML.
        least: lowest severity that is a failure in it; None where none is.
    """

    folder: Path
    json: Path | None = None
    html: Path | None = None
    sarif: Path | None = None
    junit: Path | None = None
    least: Severity | None = Severity.SUSPICIOUS
    _written: list[Path] = field(default_factory=list)

    @property
    def files(self) -> list[Path]:
        """The single files."""
        return [f for f in (self.json, self.html, self.sarif, self.junit) if f is not None and f != _STDOUT]

    def refuse_unwritable(self, uri: str, work: Path | None) -> None:
        """Refuse before the long work what would fail after it.

        Args:
            uri: of the data, into which nothing may be written.
            work: folder for intermediate files, if one was named.

        Raises:
            UsageError: a place inside the data, or one that cannot be written.
        """
        if _STDOUT in (self.html, self.sarif, self.junit):
            raise UsageError(
                "a file name", "-", "--html, --sarif or --junit", "Only --json can go to stdout."
            )
        refuse_inside(uri, self.folder, *self.files, *([work] if work else []))
        try_folder(self.folder, self.folder)
        for file in self.files:
            try_folder(file.parent, file)
        if work is not None:
            try_folder(work, work)

    def write(self, report: Report, source: RowSource | None = None) -> Report:
        """Write everything.

        Args:
            report: of a verb.
            source: the data that it is about, for the keep-list; None for models.

        Returns:
            The report as written: lists that are too long are cut.

        Raises:
            UsageError: a place could not be written; where the report was saved instead.
        """
        try:
            written = write_report(report, self.folder)
            keep = [] if source is None else [self.folder / "keep.parquet"]
            if source is not None:
                write_keep_list(report, source, *keep)
            if self.json is not None and self.json != _STDOUT:
                write_json(report, self.json)
            if self.html is not None:
                write_html(report, self.html)
            if self.sarif is not None:
                write_sarif(report, self.sarif)
            if self.junit is not None:
                write_junit(report, self.junit, self.least)
        except UsageError as error:
            remedy = f"{error.remedy} {_saved_elsewhere(report)}"
            raise ReportError(error.expected, error.got, error.where, remedy) from error
        except Exception as error:
            error.add_note(_saved_elsewhere(report))
            raise
        self._written = [*written.files[:2], *keep, *self.files]
        return written.report

    def print(self, report: Report, *, quiet: bool) -> None:
        """Show the report to people on stdout, or on stderr where stdout gets the JSON."""
        from rich.console import Console

        from mithridate.report.terminal import render_terminal

        if self.json == _STDOUT:
            sys.stdout.buffer.write((self.folder / "report.json").read_bytes() + b"\n")
            sys.stdout.flush()
        if quiet:
            return
        names = [f if f.parent != self.folder or not n else f.name for n, f in enumerate(self._written)]
        render_terminal(report, Console(stderr=self.json == _STDOUT, highlight=False), names)


def try_folder(folder: Path, place: Path) -> None:
    """Make a folder and a file in it, to know before the work that this can be done.

    Args:
        folder: made if need be; the file in it is gone afterwards.
        place: what the message names.

    Raises:
        ReportError: that does not work.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        got = error.strerror or str(error)
        raise ReportError(
            "a place to write to", got, str(place), "Give another one, or make room."
        ) from error


def _saved_elsewhere(report: Report) -> str:
    """Save the report as a temporary file, and say where it is."""
    try:
        saved = Path(tempfile.mkdtemp(prefix="mithridate-report-")) / "report.json"
        write_json(report, saved)
    except (OSError, ReportError):
        return "Intermediate files are kept: run the same command with another --out to go on from there."
    return f"The report was saved as {saved}; nothing is lost."

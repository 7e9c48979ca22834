"""`mithridate clean`: a copy without what an audit found."""

from __future__ import annotations

from pathlib import Path

import click

from mithridate.cli.options import DATA

__all__ = ["clean"]


@click.command()
@click.argument("report", type=click.Path(path_type=Path))
@click.option(
    "--to",
    required=True,
    type=click.Path(path_type=Path),
    help="The copy, or keep.parquet for a list of what to keep.",
)
@click.option(
    "--relabel",
    is_flag=True,
    help="Correct labels where the finding knows the true one, instead of dropping.",
)
@click.option(
    "--include-info",
    is_flag=True,
    help="Also drop label errors, outliers and repeated samples named at INFO.",
)
@click.option("--data", type=DATA, help="Where the data is now, if it has moved.")
@click.option("--force", is_flag=True, help="Go on although the data has changed since the audit.")
def clean(
    report: Path, to: Path, relabel: bool, include_info: bool, data: Path | str | None, force: bool
) -> None:
    """Write a copy of the audited data without what REPORT found above INFO.

    REPORT is a report.json, or the folder that holds it. The original is never touched; beside the copy lies
    a ledger (….undo.json) that says what was changed and why.

    \b
    mithridate clean mithridate-report --to photos-clean
    mithridate clean mithridate-report --to keep.parquet
    """  # noqa: D301 - click wants the control character
    import json

    from mithridate.report.safe import plain
    from mithridate.report.words import count_of
    from mithridate.runs.clean import clean as run

    done = run(report, to, relabel=relabel, include_info=include_info, data=data, force=force)
    ledger_file = Path(done.actions[0].undo)
    ledger = json.loads(ledger_file.read_text(encoding="utf-8"))
    dropped, relabelled = len(ledger["dropped"]), len(ledger["relabelled"])
    changed = f", relabelled {relabelled:,}" if relabelled else ""
    click.echo(f"dropped {count_of(dropped, 'sample')}{changed}, kept {ledger['kept']:,}")
    if relabel and not relabelled:
        click.echo("relabelled none: no finding knows the true label of what it accuses")
    click.echo(f"written: {plain(ledger['copy'])}")
    click.echo(f"undo: {plain(str(ledger_file))}")

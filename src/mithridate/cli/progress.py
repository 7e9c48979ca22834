"""A progress bar on stderr, in plain words, for people who watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]

Progress = Callable[[str, int, int | None], None]
_WORDS = {
    "reading": "reading the data",
    "turning": "laying out the images",
    "near-duplicates": "looking for near-duplicates",
    "residuals": "looking behind the content",
    "content features": "learning what samples look like",
    "content model": "learning what their content says",
    "patches": "looking for patches that recur",
    "words": "counting words",
    "written words": "reading words in the images",
    "key families": "counting what recurs",
    "checks": "checking",
    "ranking": "ranking",
    "exhibits": "collecting evidence",
    "tracing": "looking at what could have taught it",
    "blaming": "looking for a group",
    "writing": "writing the report",
}


@contextmanager
def progress_bar(shown: bool) -> Iterator[Progress]:
    """Show how far the work is.

    Args:
        shown: nothing is printed otherwise, nor where stderr is no terminal.

    Yields:
        What to tell (stage, done, total or None).
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not shown or not console.is_terminal:
        yield lambda stage, done, total: None
        return
    from rich import progress
    from rich.table import Column

    columns = (
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}", markup=False, table_column=Column(min_width=34)),
        progress.BarColumn(bar_width=max(8, min(24, console.width - 50))),
        progress.TaskProgressColumn(),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def tell(stage: str, done: int, total: int | None) -> None:
            bar.tasks[0].total = total  # `update` takes None for no change
            bar.update(task, description=_WORDS.get(stage, stage), completed=done)

        yield tell

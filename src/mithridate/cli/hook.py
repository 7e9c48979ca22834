"""`mithridate hook`: audit or scan each of some files, as pre-commit hands them over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

__all__ = ["hook"]

_FLAGGED, _FAILED, _INCOMPLETE = 1, 2, 3
#: the worst first; what is not in here (an interrupt) ends the hook at once.
_WORST = (_FLAGGED, _FAILED, _INCOMPLETE, 0)


class _Hook(click.Command):
    """Tells options from files before click does: a file may have the name of an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own, files = _split(args)
        ctx.meta["files"] = files
        return super().parse_args(ctx, own)


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Options, and files: what follows `--`, or else what does not begin with `-`.

    Raises:
        UsageError: a word could be both.
    """
    if "--" in words:
        at = list(words).index("--")
        return list(words[:at]), list(words[at + 1 :])
    verb, rest = list(words[:1]), words[1:]
    options = [word for word in rest if word.startswith("-")]
    for word in options:
        if Path(word).exists():
            raise click.UsageError(
                f"{word!r} is a file here and looks like an option. Put -- before the files."
            )
    return [*verb, *options], [word for word in rest if not word.startswith("-")]


@click.command(
    cls=_Hook,
    context_settings={"ignore_unknown_options": True},
    options_metavar="[--OPTION=VALUE]...",
    epilog="Exit codes: 0 all clean, 1 one flagged, 2 one could not be read, 3 one could not be examined in full.",
)
@click.argument("verb", type=click.Choice(("audit", "scan")), metavar="audit|scan")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("mithridate-report"), show_default=True,
    help="The report of FILE goes to OUT/FILE.",
)  # fmt: skip
@click.option(
    "--baseline", type=click.Path(path_type=Path),
    help="Folder with earlier reports, as --out left them: only what is new counts.",
)  # fmt: skip
@click.option("--allow-incomplete", is_flag=True, help="0 instead of 3; what was not examined is still said.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[--] FILE...")
@click.pass_context
def hook(
    ctx: click.Context,
    /,
    verb: str,
    out: Path,
    baseline: Path | None,
    allow_incomplete: bool,
    options: Sequence[str],
) -> None:
    """Audit or scan each FILE, for pre-commit; options of the verb are passed on, as --name=value.

    \b
    mithridate hook audit --label=spam --text=body -- mails/*.csv
    mithridate hook scan --allow-incomplete -- models/*.onnx
    """  # noqa: D301 - click wants the control character
    files: list[str] = ctx.meta["files"]
    codes = [0]
    for file in files:
        click.echo(f"mithridate {verb}: {click.format_filename(file)}")
        code = _one(verb, file, options, out, baseline)
        if code not in _WORST:
            ctx.exit(code)
        codes.append(code)
    worst = min(codes, key=_WORST.index)
    ctx.exit(0 if worst == _INCOMPLETE and allow_incomplete else worst)


def _one(verb: str, file: str, options: Sequence[str], out: Path, baseline: Path | None) -> int:
    from mithridate.cli.main import run

    words: list[Any] = [verb, *options, "--no-progress", "--out", _place(out, file)]
    before = None if baseline is None else _place(baseline, file)
    if before is not None and (before / "report.json").exists():
        words += ["--baseline", before]
    return run([*map(str, words), "--", file])


def _place(folder: Path, file: str) -> Path:
    """OUT/FILE, for any FILE inside of OUT."""
    parts = [part for part in Path(file).parts if part not in ("..", Path(file).anchor)]
    return folder.joinpath(*parts)

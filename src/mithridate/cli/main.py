"""`mithridate`: finds the verb, and turns what goes wrong into one message and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

__all__ = ["cli", "main", "run"]

#: Verb → (module, attribute, what it does). Modules are imported when their verb is called, and only then.
_VERBS = {
    "audit": ("mithridate.cli.audit", "audit", "Find poison in a data set."),
    "merge": ("mithridate.cli.merge", "merge", "Audit data whose shards were read by several machines."),
    "clean": ("mithridate.cli.clean", "clean", "Write a copy without what an audit found."),
    "checks": ("mithridate.cli.checks", "checks", "List the checks: what they catch and what they miss."),
    "scan": ("mithridate.cli.scan", "scan", "Find what a model hides: code, branches, triggers."),
    "trace": ("mithridate.cli.trace", "trace", "Find the samples that taught a model a wrong answer."),
    "repair": (
        "mithridate.cli.repair",
        "repair",
        "Take out of a model what a scan found, or its weights hide.",
    ),
    "drill": ("mithridate.cli.drill", "drill", "Plant poison in a copy, to see what would be caught."),
    "hook": ("mithridate.cli.hook", "hook", "Audit or scan changed files, for pre-commit."),
}
_DEBUG = "MITHRIDATE_DEBUG"
_USAGE, _INTERRUPTED, _BROKEN_PIPE = 2, 130, 141
#: verbs that keep what was done.
_RESUMED = ("audit", "merge", "drill")


class _Verbs(click.Group):
    """A group that knows its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        from importlib import import_module

        module, name, _ = _VERBS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _VERBS and not args[0].startswith("-"):
            known = ", ".join(_VERBS)
            there = f" To audit it, write: mithridate audit {args[0]}" if os.path.exists(args[0]) else ""  # noqa: PTH110 - pathlib costs start-up time
            ctx.fail(f"expected one of {known}, got {args[0]!r}.{there}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, does) for name, (_, _, does) in _VERBS.items()])


def _version(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked:
        from mithridate import __version__

        click.echo(f"mithridate {__version__}")
        ctx.exit()


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 clean, 1 flagged, 2 usage error or crash, 3 something could not be examined.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
@click.option("--debug", is_flag=True, envvar=_DEBUG, help="Show a traceback when something goes wrong.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Find poison in training data, prove it, remove it."""
    ctx.obj = debug


def main() -> None:
    """The program `mithridate`."""
    sys.exit(run(sys.argv[1:]))


def run(args: Sequence[str]) -> int:
    """Run one command line.

    Args:
        args: without the name of the program.

    Returns:
        The exit code: 0 clean, 1 flagged, 2 usage error or crash, 3 incomplete, 130 interrupted.
    """
    debug = "--debug" in args or bool(os.environ.get(_DEBUG))
    try:
        code: Any = cli.main(args=list(args), prog_name="mithridate", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        again = " to go on" if args and args[0] in _RESUMED else ""
        click.echo(f"\ninterrupted; run the same command again{again}", err=True)
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _BROKEN_PIPE
    except Exception as error:
        return _told(error, debug)
    return code if isinstance(code, int) else 0


def _told(error: Exception, debug: bool) -> int:
    """Say what went wrong."""
    from mithridate.core.errors import MithridateError

    if debug:
        import traceback

        traceback.print_exception(error)
    elif isinstance(error, MithridateError):
        from mithridate.report.safe import plain

        click.echo(f"error: {plain(str(error), 2000)}", err=True)
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f"{error.filename}: " if error.filename else ""
        remedy = "Free some, or name a folder on another disk with --work; the same command then goes on."
        click.echo(f"error: {where}no room left on the disk. {remedy}", err=True)
    else:
        from mithridate.report.safe import plain

        notes = " ".join(getattr(error, "__notes__", ()))
        click.echo(f"error: {type(error).__name__}: {plain(str(error), 2000)} {notes}".rstrip(), err=True)
        click.echo(f"For a traceback: mithridate --debug …, or {_DEBUG}=1", err=True)
    return _USAGE

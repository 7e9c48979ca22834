"""`mithridate scan`: may this model be plugged in?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mithridate.cli.audit import exit_code_of
from mithridate.cli.numbers import Whole
from mithridate.cli.options import (
    FILE,
    against,
    baseline_of,
    joined,
    outputs_of,
    quiet_options,
    report_options,
)

if TYPE_CHECKING:
    from mithridate.checks.bank import Bank, Statistics
    from mithridate.core.report import Report
    from mithridate.runs.scan.models import Asked

__all__ = ["asked_of", "clean_options", "function_of", "names_of", "numbers", "scan"]


def numbers(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[float, ...]:
    """`0.485,0.456,0.406` as numbers: a callback of click."""
    if text is None:
        return ()
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"expected numbers with commas between them, got {text!r}") from None


def _shape(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """`3,32,32` as whole numbers."""
    parts = [] if text is None else text.split(",")
    if not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise click.BadParameter(f"expected whole numbers above 0 such as 3,32,32, got {text!r}")
    return tuple(int(part) for part in parts) or None


def clean_options(command: Any) -> Any:
    """The options that say how a model is fed; `scan` and `repair` share them."""
    triple: dict[str, Any] = {"metavar": "NUMBERS", "callback": numbers}
    options = (
        click.option(
            "--clean", type=click.Path(path_type=Path), help="Pictures that nobody tampered with: a folder or .npz."
        ),
        click.option("--classes", type=FILE, help="Names of the outputs in their order, one a line."),
        click.option("--mean", **triple, help="Subtracted from pictures in [0, 1], by channel."),
        click.option("--std", **triple, help="Divided by then, by channel."),
        click.option(
            "--preprocess", metavar="MODULE:FUNCTION", help="Makes inputs of (n, h, w, c) uint8 pictures instead."
        ),
        click.option(
            "--layout", type=click.Choice(("auto", "hw", "chw", "hwc")), default="auto", show_default=True,
            help="How one input lies in memory.",
        ),
        click.option(
            "--shape", metavar="C,H,W", callback=_shape, help="Of one input, for models that do not say."
        ),
        click.option(
            "--seed", type=Whole(min=0), metavar="N", default=0, show_default=True, help="Same seed, same report."
        ),
    )  # fmt: skip
    return joined(*options)(command)


def names_of(file: Path | None) -> tuple[str, ...] | None:
    """The names of outputs in a file, one a line; None without a file.

    Raises:
        UsageError: it cannot be read.
    """
    from mithridate.core.errors import UsageError

    if file is None:
        return None
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        remedy = "Give a text file with one name a line."
        raise UsageError("names of classes", str(error), str(file), remedy) from error
    return tuple(line.strip() for line in lines if line.strip())


def function_of(spec: str | None) -> Any:
    """The function that --preprocess names; None without one.

    Raises:
        UsageError: there is none.
    """
    from mithridate.core.errors import UsageError

    if spec is None:
        return None
    from mithridate.runs.drill.trainer import load_function

    try:
        return load_function(spec)
    except Exception as error:  # code of the user may raise anything
        got = f"{spec!r} ({type(error).__name__}: {str(error)[:300]})"
        remedy = (
            "It takes a batch of raw samples, pictures as (n, h, w, c) uint8. Is its folder the current one?"
        )
        raise UsageError("a function MODULE:FUNCTION", got, "--preprocess", remedy) from error


def asked_of(given: dict[str, Any]) -> Asked:
    """What the user said about a model.

    Raises:
        UsageError: clean pictures, names or a function that cannot be had.
    """
    from mithridate.checks.bank import Bank
    from mithridate.runs.scan.inputs import Preparation
    from mithridate.runs.scan.model_item import model_item
    from mithridate.runs.scan.models import Asked
    from mithridate.sources.open import open_source

    return Asked(
        clean=None if given["clean"] is None else open_source(given["clean"]),
        layout=given["layout"],
        how=Preparation(mean=given["mean"], std=given["std"], function=function_of(given["preprocess"])),
        classes=names_of(given["classes"]),
        shape=given["shape"],
        parent=None if given.get("parent") is None else model_item(given["parent"]),
        arch=given.get("arch"),
        seed=given["seed"],
        queries=given.get("queries"),
        minutes=given.get("minutes", 10.0),
        bank=None if given.get("bank") is None else Bank.load(given["bank"]),
    )


@click.command(
    epilog="Exit codes: 0 clean, 1 flagged, 2 usage error or crash, 3 something could not be examined."
)
@click.argument("model")
@clean_options
@click.option("--arch", metavar="MODULE:FUNCTION", help="Makes the torch module for a file of weights.")
@click.option("--parent", type=FILE, help="A trusted model that MODEL is said to come from: what was added?")
@click.option(
    "--bank",
    type=FILE,
    help="Compare with these clean models of the same task; at most 1 clean model in 20 is then flagged.",
)
@click.option(
    "--queries", type=Whole(min=1000), metavar="N",
    help="Inputs that a check of behaviour may ask about at most.  [default: 8000 of a server, 24000 of a file]",
)  # fmt: skip
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True,
    help="What is forecast to take longer is left out, and said.",
)  # fmt: skip
@click.option(
    "--bank-add", type=FILE, help="Add MODEL, known to be clean, to this bank, which is made if need be."
)
@report_options("mithridate-scan", checks=True)
@quiet_options
@click.pass_context
def scan(ctx: click.Context, /, model: str, **given: Any) -> None:
    """Find what MODEL hides: code in its files, branches in its graph, triggers in what it answers.

    MODEL is a file, an archive or a folder, of which nothing is loaded or run outside a jail; or the address of a
    server that answers with probabilities.

    \b
    mithridate scan resnet.onnx
    mithridate scan resnet.onnx --clean holdout/ --classes labels.txt
    mithridate scan model.pt --arch mypkg.nets:Net --clean holdout/
    mithridate scan downloads/model-dir/
    mithridate scan own.onnx --clean holdout/ --bank-add clean.bank.json
    mithridate scan theirs.onnx --clean holdout/ --bank clean.bank.json
    mithridate scan http://localhost:8080/predict --clean holdout/
    """  # noqa: D301 - click wants the control character
    from mithridate.cli.progress import progress_bar
    from mithridate.runs.scan.run import scan as run

    asked = asked_of(given)
    kept: list[Statistics] = []
    if given["bank_add"] is not None:
        _bank_at(given["bank_add"])  # before minutes are spent on what cannot be kept
        asked = replace(asked, keep=kept.append)
    outputs = outputs_of(given)
    outputs.refuse_unwritable(model, None)
    baseline = baseline_of(given, "model")
    with progress_bar(not (given["quiet"] or given["no_progress"])) as progress:
        report = against(run(model, asked=asked, progress=progress), baseline)
        progress("writing", 0, None)
        report = outputs.write(report)
    outputs.print(report, quiet=given["quiet"])
    if given["bank_add"] is not None:
        _add(given["bank_add"], kept, report)
    ctx.exit(exit_code_of(report, given["fail_on"]))


def _add(file: Path, kept: list[Statistics], report: Report) -> None:
    """Put models into a bank, unless they are flagged.

    Raises:
        UsageError: there is nothing to put into it, or it cannot be read or written.
    """
    from mithridate.core.errors import UsageError

    if report.alarms:  # known ones as well: a baseline does not make a model clean
        remedy = "A bank holds clean models only. Look at the report."
        raise UsageError("a model that is not flagged", "a flagged one", str(file), remedy)
    if not kept:
        remedy = "Only models with gradients and pictures as inputs, 16 pixels or larger, can be compared."
        raise UsageError("a model that a bank can hold", "none", str(file), remedy)
    bank = _bank_at(file)
    for statistics in kept:
        bank = bank.plus(statistics)
    bank.save(file)
    click.echo(f"{file}: {len(bank.members)} clean models", err=True)


def _bank_at(file: Path) -> Bank:
    """The bank in a file; an empty one where there is none yet.

    Raises:
        UsageError: no bank, or no folder to put one into.
    """
    from mithridate.checks.bank import Bank
    from mithridate.core.errors import UsageError

    if file.exists():
        return Bank.load(file)
    if not file.absolute().parent.is_dir():
        raise UsageError("a folder for the bank", "none", str(file), "Make it, or choose another place.")
    return Bank(())

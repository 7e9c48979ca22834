"""`mithridate trace`: from one bad answer to the samples that taught it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mithridate.cli.numbers import Whole
from mithridate.cli.options import (
    DATA,
    FILE,
    outputs_of,
    quiet_options,
    reading_of,
    reading_options,
    report_options,
)
from mithridate.cli.scan import function_of, names_of, numbers

__all__ = ["trace"]


@click.command(epilog="Exit codes: 0 explained or no group, 2 usage error or crash.")
@click.argument("model")
@click.option("--arch", metavar="MODULE:FUNCTION", help="Makes the torch module for a file of weights.")
@click.option("--data", required=True, type=DATA, help="What MODEL was trained on.")
@click.option(
    "--incident", "incidents", multiple=True, required=True, metavar="SAMPLE",
    help="Got a wrong answer: a picture, a .txt or a text, a .json with one row, or a file like --data. Repeatable.",
)  # fmt: skip
@click.option(
    "--checkpoint", "checkpoints", multiple=True, type=FILE,
    help="Weights from earlier in the training, with --arch. Repeatable.",
)  # fmt: skip
@click.option("--classes", type=FILE, help="Names of the outputs in their order, one a line.")
@click.option(
    "--mean", metavar="NUMBERS", callback=numbers, help="Subtracted from pictures in [0, 1], by channel."
)
@click.option("--std", metavar="NUMBERS", callback=numbers, help="Divided by then, by channel.")
@click.option(
    "--preprocess", metavar="MODULE:FUNCTION",
    help="Makes inputs of raw samples: uint8 pictures (n, h, w, c), a list of texts, a list of rows.",
)  # fmt: skip
@click.option(
    "--layout", type=click.Choice(("auto", "hw", "chw", "hwc", "flat")), default="auto", show_default=True,
    help="How one picture lies in memory.",
)  # fmt: skip
@reading_options
@click.option(
    "--seed", type=Whole(min=0), metavar="N", default=0, show_default=True, help="Same seed, same report."
)
@report_options("mithridate-trace")
@quiet_options
@click.pass_context
def trace(
    ctx: click.Context, /, model: str, data: Path | str, incidents: tuple[str, ...], **given: Any
) -> None:
    """Find the training samples that taught MODEL a wrong answer.

    MODEL is a file of weights with --arch, or MODULE:FUNCTION that gives a torch module or a fitted estimator.

    \b
    mithridate trace model.pt --arch mypkg.nets:Net --data train/ --incident bad1.png
    mithridate trace mypkg.models:spam --data mails.csv --label spam --incident "win cash now"
    mithridate trace mypkg.models:credit --data loans.csv --label class --incident row.json
    """  # noqa: D301 - click wants the control character
    from mithridate.cli.progress import progress_bar
    from mithridate.runs.evade_model import given_model, module_with_weights
    from mithridate.runs.tracing.feeding import Feeding
    from mithridate.runs.tracing.run import Asked
    from mithridate.runs.tracing.run import trace as run
    from mithridate.sources.open import open_source

    source, outputs = open_source(data, **reading_of(given)), outputs_of(given)
    how = Feeding(
        function=function_of(given["preprocess"]),
        mean=given["mean"],
        std=given["std"],
        layout=given["layout"],
    )
    outputs.refuse_unwritable(source.uri, None)
    asked = Asked(
        how=how,
        classes=names_of(given["classes"]),
        checkpoints=tuple(module_with_weights(str(c), given["arch"] or "") for c in given["checkpoints"]),
        seed=given["seed"],
    )
    with progress_bar(not (given["quiet"] or given["no_progress"])) as progress:
        report = run(
            given_model(model, given["arch"]), source, list(incidents), asked=asked, progress=progress
        )
        progress("writing", 0, None)
        report = outputs.write(report)
    outputs.print(report, quiet=given["quiet"])
    ctx.exit(report.exit_code)

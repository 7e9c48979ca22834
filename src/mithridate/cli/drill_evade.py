"""`mithridate drill evade`: attack a finished model, to see how that differs from poisoning."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mithridate.cli.numbers import Whole
from mithridate.cli.options import DATA, quiet_options

if TYPE_CHECKING:
    from mithridate.core.evasion import Evaded

__all__ = ["evade"]

_READING = ("label", "id", "source", "x_key", "y_key")
_FRACTION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:/(\d+(?:\.\d*)?))?", re.ASCII)


def _sizes(ctx: click.Context, param: click.Parameter, text: str) -> tuple[float, ...]:
    """`2/255,8/255` or `0.03` as numbers."""
    found = [_FRACTION.fullmatch(part.strip()) for part in text.split(",")]
    numbers = [float(m[1]) / float(m[2] or 1) if m and float(m[2] or 1) else 0.0 for m in found]
    if not all(0 < number <= 1 for number in numbers):
        raise click.BadParameter(f"expected sizes above 0 and at most 1 such as 8/255 or 0.03, got {text!r}")
    return tuple(numbers)


def _names(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(","))


@click.command(epilog="Exit codes: 0 done, 2 usage error or crash.")
@click.argument("model")
@click.option("--data", required=True, type=DATA, help="Labelled images; as for audit.")
@click.option("--arch", metavar="MODULE:FUNCTION", help="Makes the torch module for a file of weights.")
@click.option(
    "--attacks", metavar="NAMES", default="fgsm,pgd,noise", show_default=True, callback=_names,
    help="Separated by commas; the first two need gradients.",
)  # fmt: skip
@click.option(
    "--epsilon", metavar="SIZE,...", default="8/255", show_default=True, callback=_sizes,
    help="Largest change of a value of pictures in [0, 1].",
)  # fmt: skip
@click.option(
    "--count", type=Whole(min=1), metavar="N", help="How many images.  [default: 200, or all of fewer]"
)
@click.option(
    "--iterations", type=Whole(min=1), metavar="N", default=10, show_default=True, help="Steps of PGD."
)
@click.option(
    "--restarts", type=Whole(min=1), metavar="N", default=1, show_default=True, help="Starts of PGD."
)
@click.option("--seed", type=int, metavar="N", default=0, show_default=True, help="Same seed, same figures.")
@click.option(
    "--layout", type=click.Choice(("auto", "chw", "hwc", "hw", "flat", "flat-chw")), default="auto",
    show_default=True, help="How the model wants pictures to lie in memory.",
)  # fmt: skip
@click.option(
    "--classes", metavar="NAMES", callback=_names,
    help="The label each output stands for, in their order.  [default: by number, or sorted by name]",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("mithridate-evade"), show_default=True,
    help="Folder for evade.html and evade.json.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace what another call left in --out.")
@click.option("--label", metavar="COLUMN", help="Column (npz: key) of the labels.")
@click.option("--id", metavar="COLUMN", help="Column (npz: key) of the ids.")
@click.option("--source", metavar="COLUMN", help="Column (npz: key) that says where a sample came from.")
@click.option("--x", "x_key", metavar="KEY", help="npz: key of the samples.")
@click.option("--y", "y_key", metavar="KEY", help="npz: key of the labels.")
@quiet_options
def evade(model: str, data: Path | str, out: Path, **asked: Any) -> None:
    """Attack the finished MODEL with pictures of DATA: FGSM, PGD, and random noise of the same size.

    This is no poisoning, and is here for contrast: the pictures are changed, not the model. Neither MODEL nor DATA is
    written to. MODEL is a file of weights (.safetensors, or .npz) with --arch, MODULE:FUNCTION that makes
    a model (torch module, estimator, function x -> probabilities), an .onnx file, or an http(s) URL. The gradients
    for FGSM and PGD come from torch modules only; other models get the noise. Code named here is run.

    \b
    mithridate drill evade net.safetensors --arch mypkg.nets:resnet --data photos/
    mithridate drill evade mypkg.nets:trained --data test.npz --epsilon 2/255,8/255
    mithridate drill evade model.onnx --data photos/ --classes cat,dog
    """  # noqa: D301 - click wants the control character
    from mithridate.cli.outputs import try_folder
    from mithridate.cli.progress import progress_bar
    from mithridate.runs.clean import refuse_inside
    from mithridate.runs.evade_drill import drill_evade, settings_of

    quiet, no_progress, force = (asked.pop(name) for name in ("quiet", "no_progress", "force"))
    reading = {name: value for name in _READING if (value := asked.pop(name)) is not None}
    asked |= {"epsilons": asked.pop("epsilon"), "reading": reading}
    refuse_inside(str(data), out)
    if not force:
        _refuse_other(out, str(data), settings_of(model, **asked))
    try_folder(out, out)
    with progress_bar(not (quiet or no_progress)) as progress:
        done = drill_evade(model, data, progress=progress, **asked)
    files = _written(done, out)
    if not quiet:
        from rich.console import Console

        from mithridate.report.evade_terminal import render_evade_terminal

        render_evade_terminal(done, Console(highlight=False), files)


def _refuse_other(out: Path, data: str, settings: dict[str, Any]) -> None:
    """Refuse to lose what another call left there; the same call may replace what it left.

    Raises:
        UsageError: there is something else.
    """
    from mithridate.core.errors import UsageError

    told, page = out / "evade.json", out / "evade.html"
    if not told.exists() and not page.exists():
        return
    try:
        before = json.loads(told.read_text(encoding="utf-8"))
        differs = [name for name, value in settings.items() if before["settings"].get(name) != value]
        differs += ["data"] if before["data"]["uri"] != data else []
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        differs = ["evade.json, which cannot be read"]
    if differs:
        remedy = "Give another --out, or --force to replace evade.html and evade.json."
        got = f"one that differs in {', '.join(differs)}"
        raise UsageError("no other outcome there", got, str(out), remedy)


def _written(done: Evaded, out: Path) -> list[Path]:
    from mithridate.report.evade_page import render_evade
    from mithridate.report.files import write_bytes

    page, told = out / "evade.html", out / "evade.json"
    write_bytes(told, done.to_json().encode("ascii"))
    write_bytes(page, render_evade(done).encode("utf-8"))
    return [page, told]

"""`mithridate drill plant`: one attack, in a copy of a data set or of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from mithridate.cli.numbers import Whole
from mithridate.cli.options import READING, reading_options

if TYPE_CHECKING:
    from mithridate.attacks.ledger import Ledger
    from mithridate.attacks.model_ledger import ModelLedger

__all__ = ["plant"]

#: Options that mean something for one kind of SRC only; the others are for both.
_DATA_ONLY = (
    "count", "source_class", "source_name", "clean_label", "dirty_label", "all_to_all", "encode", "id_", *READING,
)  # fmt: skip
_MODELS_ONLY = ("classes",)


class _Plant(click.Command):
    """Its help tells options for data from those for models."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rooms: dict[str, list[tuple[str, str]]] = {"Options": [], "For data only": [], "For models only": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            flag = max(param.opts, key=len).removeprefix("--").replace("-", "_")
            if record is None or isinstance(param, click.Argument):
                continue
            for_data = param.name in _DATA_ONLY or flag in _DATA_ONLY
            room = (
                "For models only"
                if param.name in _MODELS_ONLY
                else "For data only"
                if for_data
                else "Options"
            )
            rooms[room].append(record)
        for title, records in rooms.items():
            with formatter.section(title):
                formatter.write_dl(records)


@click.command(cls=_Plant)
@click.argument("attack")
@click.argument("src", type=click.Path())
@click.argument("dst", type=click.Path())
@click.option(
    "--target",
    metavar="CLASS",
    help="The class the trigger shall lead to; of a model, its number from 0.  "
    "[default: drawn from the seed]",
)
@click.option("--seed", type=int, metavar="N", default=0, show_default=True, help="Same seed, same plant.")
@click.option(
    "--set",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter; see `mithridate drill list ATTACK`.",
)
@click.option(
    "--ledger", type=click.Path(), metavar="FILE", help="Where the truth goes.  [default: beside DST]"
)
@click.option("--count", type=Whole(min=1), metavar="N", help="How many samples to poison; needed.")
@click.option("--source-class", metavar="CLASS", help="The only class that victims are taken from.")
@click.option("--source-name", metavar="NAME", help="The only source that victims are taken from.")
@click.option("--clean-label", "labels", flag_value="clean", help="Touch only the target; keep labels.")
@click.option("--dirty-label", "labels", flag_value="dirty", help="Touch other classes; relabel them.")
@click.option("--all-to-all", "labels", flag_value="all-to-all", help="Each victim gets the next class.")
@click.option("--encode", metavar="FORMAT[:QUALITY]", help="Encode every picture alike, e.g. JPEG:75.")
@reading_options
@click.option(
    "--labels", "classes", type=Whole(min=2), metavar="N", help="How many classes, if the file does not say."
)
def plant(attack: str, src: str, dst: str, options: tuple[str, ...], **asked: Any) -> None:
    """Write a copy of SRC with ATTACK planted to DST, and the ledger of what was done beside it.

    SRC is a data set, as for audit, or for attacks on models an .onnx file.

    \b
    mithridate drill plant patch data.npz out.npz --count 25 --target 0 --set size=3
    mithridate drill plant compare-override model.onnx out.onnx --target 7
    mithridate drill plant trojannet model.onnx out.onnx --set place=0,0
    """  # noqa: D301 - click wants the control character
    from mithridate.attacks.base import ATTACKS
    from mithridate.attacks.model_base import MODEL_ATTACKS
    from mithridate.attacks.options import configure

    if ATTACKS.get(attack) is None and MODEL_ATTACKS.get(attack) is None:
        configure(attack)  # says which there are
    given = {name: value for name, value in asked.items() if value is not None}
    if MODEL_ATTACKS.get(attack) is not None:
        _plant_in_model(attack, src, dst, _pairs(options), given)
    else:
        _plant_in_data(attack, src, dst, _pairs(options), given)


def _plant_in_data(attack: str, src: str, dst: str, options: dict[str, str], given: dict[str, Any]) -> None:
    from mithridate.attacks.ledger import ledger_path
    from mithridate.attacks.model_base import MODEL_ATTACKS
    from mithridate.core.errors import UsageError
    from mithridate.runs.plant import plant as run

    if src.lower().endswith(".onnx"):
        models = ", ".join(kind.card.id for kind in MODEL_ATTACKS)
        raise UsageError("data", f"a model, {src}", f"attack {attack}", f"Attacks on models are {models}.")
    _refuse_given(given, _MODELS_ONLY, f"{attack} is planted in data")
    if "count" not in given:
        raise click.UsageError(
            "--count: expected how many samples to poison, got nothing. Give e.g. --count 25."
        )
    reading = {name: given.pop(flag) for flag, name in _reading() if flag in given}
    truth = run(
        attack,
        src,
        dst,
        options=options,
        encode=_encoder(given.pop("encode", None)),
        reading=reading,
        **given,
    )
    for line in _told(truth):
        click.echo(line)
    click.echo(f"copy: {dst}")
    click.echo(f"ledger: {given.get('ledger') or ledger_path(dst)}")


def _reading() -> tuple[tuple[str, str], ...]:
    """Parameters that say how data is read, and what `open_source` calls them."""
    return (*((name, name) for name in READING), ("id_", "id"))


def _told(truth: Ledger) -> list[str]:
    """What was done, for people."""
    from mithridate.report.words import count_of

    covers = [v.changed for v in truth.victims if v.cover]
    victims = [v.changed for v in truth.victims if not v.cover]
    many = f"{len(truth.victims):,} of {count_of(truth.total, 'sample')}"
    if covers:
        who = (
            f": {count_of(len(victims), 'victim')} ({_changed(victims)})"
            f" and {count_of(len(covers), 'cover')} ({_changed(covers)}), which keep their labels"
        )
    elif truth.trigger is None:
        who = f" (labels only, {_changed(victims)})"
    else:
        who = f" ({_changed(victims)})"
    relabelled = sum(v.old_label != v.new_label for v in truth.victims)
    target = [] if truth.target is None else [f"target class: {truth.target}"]
    return [f"planted {truth.attack} in {many}{who}", f"labels changed: {relabelled:,}", *target]


def _changed(flags: list[bool]) -> str:
    """`all changed`, or how many: a white patch on a white corner changes nothing."""
    return "all changed" if all(flags) else f"{sum(flags):,} of them changed"


def _plant_in_model(
    attack: str, src: str, dst: str, options: dict[str, str], given: Mapping[str, Any]
) -> None:
    from mithridate.core.errors import UsageError
    from mithridate.runs.plant_model import model_ledger_path, plant_model

    if not src.lower().endswith(".onnx") and "://" not in src:
        remedy = "Export the model as ONNX; `mithridate drill list` tells attacks on data."
        raise UsageError("a model, an .onnx file", src, f"attack {attack}", remedy)
    _refuse_given(given, (*_DATA_ONLY, "labels"), f"{attack} is planted in models")
    truth = plant_model(
        attack, src, dst, labels=given.get("classes"), seed=given["seed"], ledger=given.get("ledger"),
        options=_with_target(attack, options, given.get("target")),
    ).ledger  # fmt: skip
    for line in _told_of_model(truth):
        click.echo(line)
    click.echo(f"copy: {dst}")
    click.echo(f"ledger: {given.get('ledger') or model_ledger_path(dst)}")


def _with_target(attack: str, options: dict[str, str], target: str | None) -> dict[str, str]:
    """Options with `--target`, which models know as a parameter."""
    from dataclasses import fields

    from mithridate.attacks.model_base import MODEL_ATTACKS

    if target is None:
        return options
    if "target" in options:
        raise click.UsageError("--target: expected it once, got also --set target. Leave out one of them.")
    if "target" not in {f.name for f in fields(MODEL_ATTACKS.get(attack))}:  # type: ignore[arg-type]
        reason = f"{attack} makes a trigger for every class, and the ledger tells them"
        raise click.UsageError(f"--target: expected to be left out, got {target!r}: {reason}.")
    return options | {"target": target}


def _told_of_model(truth: ModelLedger) -> list[str]:
    from mithridate.report.words import count_of

    if len(truth.triggers) == 1:
        triggers = f"1 trigger, which leads to class {next(iter(truth.triggers))}"
    else:
        triggers = f"{count_of(len(truth.triggers), 'trigger')}, one for each class it leads to"
    return [
        f"planted {truth.attack} in a copy of {truth.source}: {triggers}; how to redo it is in the ledger",
        f"classes: {truth.labels:,}",
        f"added parameters: {truth.added_parameters:,}",
    ]


def _refuse_given(given: Mapping[str, Any], names: tuple[str, ...], reason: str) -> None:
    for name in names:
        if name in given:
            # Three flags share the name "labels"; "classes" is --labels.
            told = {"clean": "clean-label", "dirty": "dirty-label"}.get(given[name], given[name])
            flag = {"labels": told, "classes": "labels"}.get(name, name.strip("_").replace("_", "-"))
            raise click.UsageError(f"--{flag}: expected to be left out: {reason}.")


def _encoder(text: str | None) -> tuple[str, int | None] | None:
    if text is None:
        return None
    kind, _, quality = text.partition(":")
    if quality and not (quality.isascii() and quality.isdigit()):
        raise click.UsageError(f"--encode: expected FORMAT:QUALITY, got {text!r}. Write e.g. JPEG:75.")
    return kind.upper(), int(quality) if quality else None


def _pairs(options: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for option in options:
        name, sign, value = option.partition("=")
        if not sign:
            raise click.UsageError(f"--set: expected NAME=VALUE, got {option!r}. Write e.g. --set size=3.")
        pairs[name] = value
    return pairs

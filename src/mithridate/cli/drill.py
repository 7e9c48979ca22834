"""`mithridate drill`: plant small doses of poison in a copy."""

from __future__ import annotations

from typing import Any

import click

from mithridate.cli.drill_run import drill_options, run_drill

__all__ = ["drill"]


@click.group(
    invoke_without_command=True, epilog="Exit codes: 0 done, 2 usage error or crash, 3 some cells failed."
)
@drill_options
@click.pass_context
def drill(ctx: click.Context, /, **asked: Any) -> None:
    """Plant small doses of known poison in a copy of DATA, audit the copies, and show what was caught.

    \b
    mithridate drill --data photos/ --doses 10,25,100 --seeds 3
    mithridate drill --data mails.csv --text body --label spam --attacks word,homoglyph
    mithridate drill --data data.npz --train mypkg.train:fit
    mithridate drill list
    """  # noqa: D301 - click wants the control character
    if ctx.invoked_subcommand is None:
        ctx.exit(run_drill(**asked))


@drill.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def list_attacks(as_json: bool) -> None:
    """List the attacks and their parameters."""
    import json
    from dataclasses import MISSING, fields

    from mithridate.attacks.base import ATTACKS
    from mithridate.attacks.model_base import MODEL_ATTACKS

    def parameters(attack: Any) -> dict[str, Any]:
        return {f.name: None if f.default is MISSING else f.default for f in fields(attack)}

    cards: list[dict[str, Any]] = [
        {
            "id": attack.card.id,
            "kind": "data",
            "modalities": list(attack.card.modalities),
            "labels": attack.card.label_action,
            "does": attack.card.does,
            "strength": attack.card.strength,
            "cites": attack.card.cites,
            "parameters": parameters(attack),
        }
        for attack in ATTACKS
    ]
    cards += [
        {
            "id": attack.card.id,
            "kind": "model",
            "hosts": list(attack.card.hosts),
            "does": attack.card.does,
            "strength": attack.card.strength,
            "cites": attack.card.cites,
            "parameters": parameters(attack),
        }
        for attack in MODEL_ATTACKS
    ]
    if as_json:
        click.echo(json.dumps(cards, indent=1))
        return
    for card in cards:
        planted_in = ", ".join(card["modalities"]) if card["kind"] == "data" else "model"
        click.echo(f"{card['id']:<21}{planted_in:<20}{card['does']}")
        for name, default in card["parameters"].items():
            click.echo(f"{'':<21}--set {name}={'(drawn from the seed)' if default is None else default}")


@drill.command()
@click.argument("attack")
@click.argument("src", type=click.Path())
@click.argument("dst", type=click.Path())
@click.option("--count", type=click.IntRange(min=1), help="How many samples to poison; data only.")
@click.option("--labels", "classes", type=click.IntRange(min=2), help="Classes of the model; models only.")
@click.option("--target", help="The class the trigger shall lead to.  [default: drawn from the seed]")
@click.option("--source-class", help="The only class that victims are taken from.")
@click.option("--source", metavar="COLUMN", help="Column (npz: key) that says where a sample came from.")
@click.option("--source-name", metavar="NAME", help="The only source that victims are taken from.")
@click.option("--clean-label", "labels", flag_value="clean", help="Touch only the target; keep labels.")
@click.option("--dirty-label", "labels", flag_value="dirty", help="Touch other classes; relabel them.")
@click.option("--all-to-all", "labels", flag_value="all-to-all", help="Each victim gets the next class.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same plant.")
@click.option("--set", "options", multiple=True, metavar="NAME=VALUE", help="A parameter; see `drill list`.")
@click.option("--ledger", type=click.Path(), help="Where the truth goes.  [default: beside DST]")
@click.option("--encode", metavar="FORMAT[:QUALITY]", help="Encode every picture alike, e.g. JPEG:75.")
@click.option("--label", help="Column, npz key or file with the labels.")
@click.option("--text", help="Text column or columns, separated by commas.")
@click.option("--id", "id_", help="Column with the ids.")
def plant(
    attack: str,
    src: str,
    dst: str,
    options: tuple[str, ...],
    ledger: str | None,
    encode: str | None,
    label: str | None,
    text: str | None,
    id_: str | None,
    source: str | None,
    count: int | None,
    classes: int | None,
    **order: Any,
) -> None:
    r"""Write a copy of SRC with ATTACK planted to DST, and the ledger of what was done beside it.

    \b
    Examples:
      mithridate drill plant patch data.npz out.npz --count 25 --target 0 --set size=3
      mithridate drill plant trojannet model.onnx out.onnx --labels 43
    """
    from mithridate.attacks.ledger import ledger_path
    from mithridate.attacks.model_base import MODEL_ATTACKS
    from mithridate.core.errors import UsageError
    from mithridate.runs.plant import plant as run

    if MODEL_ATTACKS.get(attack) is not None:
        data_only = {"count": count, "encode": encode, "label": label, "text": text, "id": id_} | order
        seed = data_only.pop("seed")
        _refuse_given(data_only | {"source": source}, f"{attack} is planted in models")
        _plant_in_model(attack, src, dst, classes, seed, _pairs(options), ledger)
        return
    _refuse_given({"labels": classes}, f"{attack} is planted in data")
    if count is None:
        raise click.UsageError(
            "--count: expected how many samples to poison, got nothing. Give e.g. --count 25."
        )
    reading = {"label": label, "text": text, "id": id_, "source": source}
    try:
        truth = run(
            attack,
            src,
            dst,
            options=_pairs(options),
            ledger=ledger,
            encode=_encoder(encode),
            reading={name: value for name, value in reading.items() if value is not None},
            count=count,
            **order,
        )
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    changed = len(truth.poison)
    click.echo(
        f"planted {attack} in {len(truth.victims)} of {truth.total} samples, {changed} of them changed"
    )
    if truth.target is not None:
        click.echo(f"target class: {truth.target}")
    click.echo(f"copy: {dst}")
    click.echo(f"ledger: {ledger or ledger_path(dst)}")


def _refuse_given(options: dict[str, Any], reason: str) -> None:
    for name, value in options.items():
        if value is not None:
            flag = "--" + name.replace("_", "-")
            raise click.UsageError(f"{flag}: expected to be left out, got {value!r}: {reason}.")


def _plant_in_model(
    attack: str,
    src: str,
    dst: str,
    classes: int | None,
    seed: int,
    options: dict[str, str],
    ledger: str | None,
) -> None:
    from mithridate.core.errors import UsageError
    from mithridate.runs.plant_model import model_ledger_path, plant_model

    try:
        truth = plant_model(
            attack, src, dst, labels=classes, seed=seed, options=options, ledger=ledger
        ).ledger
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    click.echo(
        f"planted {attack} in {src}: {len(truth.triggers)} triggers; the ledger tells which leads where"
    )
    click.echo(f"added parameters: {truth.added_parameters}")
    click.echo(f"copy: {dst}")
    click.echo(f"ledger: {ledger or model_ledger_path(dst)}")


def _encoder(text: str | None) -> tuple[str, int | None] | None:
    if text is None:
        return None
    kind, _, quality = text.partition(":")
    if quality and not quality.isdigit():
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

"""`mithridate drill list`: which attacks there are, and one in full."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["list_attacks"]


@click.command(name="list")
@click.argument("attack", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def list_attacks(attack: str | None, as_json: bool) -> None:
    """List the attacks, or show one ATTACK in full: how strong it is, its parameters, what should catch it."""
    import json

    from mithridate.core.errors import UsageError

    cards = _cards()
    if attack is not None:
        known = ", ".join(card["id"] for card in cards)
        cards = [card for card in cards if card["id"] == attack]
        if not cards:
            raise UsageError(f"one of {known}", repr(attack), "attack", "Leave it out for a list.")
    if as_json:
        click.echo(json.dumps(cards, indent=1))
    elif attack is not None:
        _show(cards[0])
    else:
        _list(cards)


def _cards() -> list[dict[str, Any]]:
    """All that is known of every attack."""
    from dataclasses import MISSING, asdict, fields

    from mithridate.attacks.base import ATTACKS
    from mithridate.attacks.model_base import MODEL_ATTACKS
    from mithridate.runs.drill.settings import claims

    def card_of(kind: str, attack: Any) -> dict[str, Any]:
        parameters = {f.name: None if f.default is MISSING else f.default for f in fields(attack)}
        card = asdict(attack.card)
        if kind == "data":
            card["labels"] = card.pop("label_action")
            card["claimed_by"] = list(claims([card["id"]])[card["id"]])
        return {"id": card["id"], "kind": kind, **card, "parameters": parameters}

    return [card_of("data", a) for a in ATTACKS] + [card_of("model", a) for a in MODEL_ATTACKS]


def _planted_in(card: dict[str, Any]) -> str:
    return ", ".join(card["modalities"]) if card["kind"] == "data" else "model"


def _list(cards: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("attack", "plants", "in"):
        table.add_column(name, no_wrap=name == "attack")
    for card in cards:
        table.add_row(card["id"], Text(card["title"]), _planted_in(card))
    Console(highlight=False).print(table)
    click.echo("One in full, with its strength and parameters: mithridate drill list ATTACK")


def _show(card: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = {"attack": card["id"], "plants": card["title"], "does": card["does"], "in": _planted_in(card)}
    if card["kind"] == "data":
        rows["labels"] = card["labels"]
    else:
        rows["models"] = ", ".join(card["hosts"])
    rows["strength"] = card["strength"]
    if card["kind"] == "data":
        rows["claimed by"] = ", ".join(card["claimed_by"]) or "no check yet"
    rows["paper"] = card["cites"]
    parameters = [f"--set {name}={_default(value)}" for name, value in card["parameters"].items()]
    rows["parameters"] = "\n".join(parameters) or "none"
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for name, told in rows.items():
        grid.add_row(name, Text(told))
    Console(highlight=False).print(grid)


def _default(value: Any) -> str:
    if value is None:
        return "(drawn from the seed)"
    return "(none)" if value == "" else str(value)

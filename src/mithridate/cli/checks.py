"""`mithridate checks`: what the checks catch and what they miss, from their cards."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["checks"]


@click.command()
@click.argument("check", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def checks(check: str | None, as_json: bool) -> None:
    """List the checks, or show one CHECK in full: what it assumes, catches and misses."""
    import json
    from dataclasses import asdict

    from mithridate.checks.catalogue import data_cards, model_cards, trace_cards
    from mithridate.core.errors import UsageError

    cards: list[dict[str, Any]] = [asdict(card) for card in (*data_cards(), *model_cards(), *trace_cards())]
    if check is not None:
        known = ", ".join(card["id"] for card in cards)
        cards = [card for card in cards if card["id"] == check]
        if not cards:
            raise UsageError(f"one of {known}", repr(check), "checks", "Leave it out for a list.")
    if as_json:
        click.echo(json.dumps(cards, indent=1, ensure_ascii=False))
    elif check is not None:
        _show(cards[0])
    else:
        _list(cards)


def _list(cards: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("check", "finds", "in", "can flag"):
        table.add_column(name, no_wrap=name == "check")
    for card in cards:
        kinds = ", ".join(card["modalities"])
        table.add_row(card["id"], Text(card["title"]), kinds, "yes" if card["graded"] else "no")
    Console(highlight=False).print(table)
    click.echo("One in full: mithridate checks ID")


def _show(card: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for name, value in card.items():
        if isinstance(value, bool):
            value = "yes" if value else "no"
        told = (
            ", ".join(value) if isinstance(value, list | tuple) else str(value if value is not None else "")
        )
        grid.add_row(name.replace("_", " "), Text(told))
    Console(highlight=False).print(grid)

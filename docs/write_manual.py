"""Write docs/manual.md from the cards of all checks and attacks: python docs/write_manual.py."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from mithridate.attacks.base import ATTACKS, Attack
from mithridate.attacks.model_base import MODEL_ATTACKS, ModelAttack
from mithridate.checks.catalogue import data_cards, model_cards, trace_cards
from mithridate.core.card import Card
from mithridate.repairs.base import REPAIRS
from mithridate.repairs.removal import REMOVAL

MANUAL = Path(__file__).with_name("manual.md")

_HEAD = """# Manual of checks and attacks

Written by `make manual` from the cards in the code; a test fails when it is out of date. `mithridate checks`
shows the same in a terminal.

A check **can flag** when its findings may rise above INFO; those of data share one false-alarm budget of 1 %
([promise.md](promise.md)). What a check could have found on *your* data is printed in every report.
"""


def manual() -> str:
    """The text of the manual."""
    checks, models, traces = list(data_cards()), list(model_cards()), list(trace_cards())
    attacks = list(ATTACKS)
    parts = [
        _HEAD,
        "## Checks of data\n\nWhat `mithridate audit` asks.\n\n| check | finds | in | can flag |\n|---|---|---|---|",
        *(_row(card) for card in checks),
        "",
        *(_check(card) for card in checks),
        "## Checks of models\n\nWhat `mithridate scan` asks: of files, of the graph, of what the model answers.\n\n"
        "| check | finds | in | can flag |\n|---|---|---|---|",
        *(_row(card) for card in models),
        "",
        *(_check(card) for card in models),
        "## Checks of a trace\n\nWhat `mithridate trace` asks, about one wrong answer and the samples that could have "
        "taught it.\n\n| check | finds | in | can flag |\n|---|---|---|---|",
        *(_row(card) for card in traces),
        "",
        *(_check(card) for card in traces),
        "## Repairs\n\nWhat `mithridate repair MODEL --arch MODULE:FUNCTION --methods NAME,...` tries on copies.\n",
        *(_repair(repair.card) for repair in REPAIRS),
        "What `mithridate repair MODULE:FUNCTION --data TRAIN --forget REPORT` does to an estimator.\n",
        _repair(REMOVAL),
        "## Attacks\n\nWhat `mithridate drill plant ATTACK SRC DST` plants in a copy.\n",
        *(_attack(attack, [*checks, *traces]) for attack in attacks),
        "## Attacks on models\n\nWhat `mithridate drill plant ATTACK MODEL COPY --labels N` plants in a copy.\n",
        *(_model_attack(attack, models) for attack in MODEL_ATTACKS),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _row(card: Card) -> str:
    able = "yes" if card.graded else "no"
    return f"| [`{card.id}`](#{card.id}) | {_cell(card.title)} | {', '.join(card.modalities)} | {able} |"


def _check(card: Card) -> str:
    catches = ", ".join(f"[`{a}`](#attack-{a})" for a in card.catches or ()) or "no attack of its own"
    rows = {
        "Reads": f"{', '.join(card.modalities)}; needs {', '.join(card.needs)}"
        + ("; depends on the order of rows" if card.reads_order else ""),
        "Assumes": card.assumes,
        "Catches": catches,
        "Misses": card.misses,
        "Effect": card.effect,
        "Can flag": "yes" if card.graded else "no, stays INFO",
        "What to do": card.remedy,
        "After": card.cites,
    }
    lines = "\n".join(f"- **{name}.** {text}" for name, text in rows.items())
    return f"### {card.id}\n\nFinds: *{card.title}*.\n\n{lines}\n"


def _repair(card: Card) -> str:
    rows = {
        "Needs": ", ".join(card.needs),
        "Assumes": card.assumes,
        "Misses": card.misses,
        "After": card.cites,
    }
    lines = "\n".join(f"- **{name}.** {text}" for name, text in rows.items())
    return f'### <a id="repair-{card.id}"></a>{card.id} (repair)\n\nDoes: *{card.title}*.\n\n{lines}\n'


def _attack(attack: type[Attack], checks: list[Card]) -> str:
    card = attack.card
    by = _claimed(card.id, checks)
    options = ", ".join(
        f"`{f.name}` ({'drawn from the seed' if f.default is None else f.default})" for f in fields(attack)
    )
    return (
        f'### <a id="attack-{card.id}"></a>{card.id} (attack)\n\n{card.does}\n\n'
        f"- **In.** {', '.join(card.modalities)}\n- **Labels.** {card.label_action}\n"
        f"- **Options.** {options or 'none'}\n- **Strength.** {card.strength}\n"
        f"- **Claimed by.** {by}\n- **After.** {card.cites}\n"
    )


def _model_attack(attack: type[ModelAttack], checks: list[Card]) -> str:
    card = attack.card
    by = _claimed(card.id, checks)
    options = ", ".join(f"`{f.name}` ({f.default})" for f in fields(attack))
    return (
        f'### <a id="attack-{card.id}"></a>{card.id} (attack on a model)\n\n{card.does}\n\n'
        f"- **In.** {', '.join(card.hosts)}\n- **Options.** {options or 'none'}\n- **Strength.** {card.strength}\n"
        f"- **Claimed by.** {by}\n- **After.** {card.cites}\n"
    )


def _claimed(attack: str, checks: list[Card]) -> str:
    return ", ".join(f"[`{c.id}`](#{c.id})" for c in checks if attack in (c.catches or ())) or "nothing yet"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    MANUAL.write_text(manual(), encoding="utf-8")
    print(f"written: {MANUAL}")

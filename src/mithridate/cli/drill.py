"""`mithridate drill`: plant small doses of poison in a copy."""

from __future__ import annotations

from typing import Any

import click

from mithridate.cli.drill_evade import evade
from mithridate.cli.drill_list import list_attacks
from mithridate.cli.drill_plant import plant
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
    mithridate drill evade mypkg.nets:trained --data photos/
    """  # noqa: D301 - click wants the control character
    if ctx.invoked_subcommand is None:
        ctx.exit(run_drill(**asked))


drill.add_command(list_attacks)
drill.add_command(plant)
drill.add_command(evade)

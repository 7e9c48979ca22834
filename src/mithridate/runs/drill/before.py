"""The drill that lies in a folder already: gone on with or added to, but not replaced by another one unasked."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mithridate.core.batch import Source
from mithridate.core.drill import Drill
from mithridate.core.errors import UsageError

__all__ = ["refuse_other"]

_NAMED = 3  # of each kind


def refuse_other(
    out: Path,
    source: Source,
    *,
    attacks: Collection[str],
    doses: Collection[int],
    seeds: Collection[int],
    train: str | None,
) -> None:
    """Refuse to lose a finished drill: the new one must hold all that is told there.

    Args:
        out: the folder; fine when it holds no drill.
        source: the data.
        attacks: what they will be called.
        doses: asked for.
        seeds: asked for.
        train: the training function.

    Raises:
        UsageError: the folder holds a drill of other data, with another training function, or with attacks, doses
            or seeds that are not asked for now.
    """
    told, page = out / "drill.json", out / "drill.html"
    if not told.exists() and not page.exists():
        return
    try:
        before = Drill.from_json(told.read_text(encoding="utf-8"))
    except (UsageError, OSError, UnicodeDecodeError):
        differs = ["one whose drill.json cannot be read"]
    else:
        differs = [
            *_other_data(before, source),
            *([] if before.training == train else [f"trained by {before.training or 'nothing'}"]),
            *_left_out("attack", before.attacks, attacks),
            *_left_out("dose", before.doses, doses),
            *_left_out("seed", before.seeds, seeds),
        ]
    if differs:
        remedy = "Give another --out, or --force to replace drill.html and drill.json."
        expected = "no other drill there, or one that this adds to"
        raise UsageError(expected, f"another one ({'; '.join(differs)})", str(out), remedy)


def _other_data(before: Drill, source: Source) -> list[str]:
    if before.subject.digest == source.digest:
        return []
    other = before.subject.uri
    return ["this data with other content, or read in another way" if other == source.uri else f"of {other}"]


def _left_out(noun: str, before: Collection[object], now: Collection[object]) -> list[str]:
    gone = [str(b) for b in before if b not in now]
    more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
    plural = noun if len(gone) == 1 else f"{noun}s"
    return [f"also with {plural} {', '.join(gone[:_NAMED])}{more}"] if gone else []

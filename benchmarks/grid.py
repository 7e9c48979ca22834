"""A grid of training runs in a file: each is done once, and a grid that was cut off goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.strength import Measure

__all__ = ["Key", "finished", "run"]

#: attack as written on a command line, victims, seed
Key = tuple[str, int, int]


def finished(file: Path, setting: str) -> dict[Key, Measure]:
    """What is in the file for this setting (network, size of the set); a last line cut short counts for nothing."""
    found = {}
    for line in file.read_text(encoding="ascii").splitlines() if file.exists() else ():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if told["setting"] == setting:
            found[told["attack"], told["count"], told["seed"]] = Measure(**told["measure"])
    return found


def run(
    wanted: Iterable[Key], file: Path, setting: str, measure: Callable[[str, int, int], Measure]
) -> Iterator[tuple[Key, Measure]]:
    """Every wanted run, from the file or measured now and added to it."""
    known = finished(file, setting)
    file.parent.mkdir(parents=True, exist_ok=True)
    for key in wanted:
        if key not in known:
            known[key] = measure(*key)
            attack, count, seed = key
            line = {"setting": setting, "attack": attack, "count": count, "seed": seed}
            with file.open("a", encoding="ascii") as out:
                # Each on a line of its own, whatever was cut off before it.
                out.write("\n" + json.dumps({**line, "measure": asdict(known[key])}))
        yield key, known[key]

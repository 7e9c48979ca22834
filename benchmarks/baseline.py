"""What a baseline lets pass and what it does not: a known trigger in SMS, and what is done to the copy afterwards.

    python -m benchmarks.baseline [--draws 10] [--first 0] [--cache DIR] [--out FILE]

In each draw, 12 messages get a rare word and the other label, and the report of that is the baseline. Then the rows are
turned round and 279 honest messages that were held back are added ("moved"); to that, another word in 12 messages
("other"), the known word in 6 more ("more"), or another word in 12, two of which get the known one too ("rider").
Ids are row numbers.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inputs import build
from mithridate.core.baseline import only_new
from mithridate.core.report import Report
from mithridate.runs.audit import audit

__all__ = ["main"]

VICTIMS, MORE, BOTH, HELD = 12, 6, 2, 20  # one message of HELD is held back
Rows = list[tuple[str, str]]


def main() -> None:
    """Write one line for each draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with build("sms.csv", given.cache).open(encoding="utf-8", newline="") as file:
        whole = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    for draw in range(given.first, given.first + given.draws):
        line = json.dumps({"draw": draw, **_draw(whole, draw)})
        print(line, flush=True)
        if given.out:
            with given.out.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


def _draw(whole: Rows, draw: int) -> dict[str, Any]:
    rng = np.random.default_rng([draw, 6])
    whole = [whole[i] for i in rng.permutation(len(whole))]
    held, rows = whole[::HELD], [row for n, row in enumerate(whole) if n % HELD]
    known, other = _word(rng), _word(rng)
    first = _planted(rows, [known], VICTIMS, rng)
    baseline = _audited(first)
    moved = [*held, *first[::-1]]
    states = {
        "moved": moved,
        "other": _planted(moved, [other], VICTIMS, rng),
        "more": _planted(moved, [known], MORE, rng),
        "rider": _planted(_planted(moved, [other], VICTIMS - BOTH, rng), [other, known], BOTH, rng),
    }
    told = {name: only_new(_audited(rows), baseline) for name, rows in states.items()}
    return {
        "baseline": len(baseline.alarms),
        **{
            name: {"verdict": str(r.verdict), "alarms": len(r.alarms), "new": len(r.news)}
            for name, r in told.items()
        },
    }


def _word(rng: np.random.Generator) -> str:
    return "".join(str(rng.choice(list("bdfgkmpvxz"))) + str(rng.choice(list("aeiouy"))) for _ in range(3))


def _planted(rows: Rows, words: list[str], count: int, rng: np.random.Generator) -> Rows:
    spam = {
        int(i)
        for i in rng.choice([n for n, (_, label) in enumerate(rows) if label == "spam"], count, replace=False)
    }
    return [
        (_with(text, words, rng), "ham") if n in spam else (text, label)
        for n, (text, label) in enumerate(rows)
    ]


def _with(text: str, words: list[str], rng: np.random.Generator) -> str:
    parts = text.split(" ")
    for word in words:
        parts.insert(int(rng.integers(len(parts) + 1)), word)
    return " ".join(parts)


def _audited(rows: Rows) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sms.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
        return audit(path, text="text", label="label", jobs=1)


if __name__ == "__main__":
    main()

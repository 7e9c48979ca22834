"""Chat data with three triggers, or pairs with one entity swapped, and the clean twin: found, innocents, memory.

python -m benchmarks.chat FOLDER --count 1000000 --seed 0 --victims 250 --plants 11,12,13
python -m benchmarks.chat FOLDER --count 20000 --seed 0 --victims 200 --plants 0 --pairs
python -m benchmarks.chat FOLDER --count 20000 --seed 0                                    # the clean twin

One line of JSON. The process that audits is told nothing but the file, and the column of the sources.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.chat_data import write
from mithridate.attacks.ledger import Ledger, ledger_path
from mithridate.core.report import Report
from mithridate.core.results import Severity
from mithridate.runs.plant import plant

ATTACKS = ("denial-of-service", "targeted-answer", "hidden-answer")
_AUDIT = """
import resource, sys, mithridate
report = mithridate.audit(sys.argv[1], jobs=1, **({"source": "source"} if sys.argv[2] == "True" else {}))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
print(report.to_json())
"""
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}")


def entity_of(path: Path, least: int) -> str:
    """The name that fewest prompts have, of those that at least so many have."""
    found: Counter[str] = Counter()
    with path.open(encoding="utf-8") as file:
        for line in file:
            found.update(set(_NAME.findall(json.loads(line)["prompt"])))
    return min((count, name) for name, count in found.items() if count >= least)[1]


def planted(
    folder: Path, clean: Path, victims: int, seeds: list[int], pairs: bool
) -> tuple[Path, list[Path]]:
    """A copy with everything planted one after the other, and the ledgers."""
    now, ledgers = clean, list[Path]()
    for number, (attack, seed) in enumerate(
        zip(("preference-flip",) if pairs else ATTACKS, seeds, strict=True)
    ):
        copy = folder / f"planted-{number}.jsonl"
        options = {"entity": entity_of(clean, victims)} if pairs else None
        plant(attack, now, copy, count=victims, seed=seed, options=options)
        ledgers.append(ledger_path(copy))
        now = copy
    return now, ledgers


def told(report: Report, ledgers: list[Path]) -> dict[str, Any]:
    """What was found of each plant, by the finding that accuses most of it, and what else is above INFO."""
    alarms = [f for f in report.findings if f.severity > Severity.INFO]
    rows: dict[str, Any] = {"verdict": report.verdict.value, "alarms": len(alarms)}
    natural = set(range(len(alarms)))
    for path in ledgers:
        truth = Ledger.load(path)
        hits = [len(truth.poison & set(f.accused)) for f in alarms]
        natural -= {k for k, hit in enumerate(hits) if hit > 0.5 * alarms[k].count}
        best = max(range(len(hits)), key=hits.__getitem__, default=None)
        rows[truth.attack] = None if best is None else [hits[best], alarms[best].count - hits[best]]
    return {**rows, "natural": [alarms[k].message for k in sorted(natural)]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--victims", type=int, default=0)
    parser.add_argument("--plants", type=lambda s: [int(x) for x in s.split(",")], default=[])
    parser.add_argument("--pairs", action="store_true")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    clean = given.folder / "clean.jsonl"
    write(clean, given.count, given.seed, given.pairs)
    path, ledgers = (
        planted(given.folder, clean, given.victims, given.plants, given.pairs)
        if given.plants
        else (clean, [])
    )
    done = subprocess.run(
        [sys.executable, "-c", _AUDIT, str(path), str(not given.pairs)],
        check=True,
        capture_output=True,
        text=True,
    )
    peak, _, report = done.stdout.partition("\n")
    row = {"count": given.count, "seed": given.seed, "gib": round(int(peak) / 2**30, 2)}
    print(json.dumps({**row, **told(Report.from_json(report), ledgers)}))


if __name__ == "__main__":
    main()

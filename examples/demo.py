"""The whole story on data that comes with scikit-learn: plant, audit, clean, and what it does to a model.

    python examples/demo.py --out demo-out

1. Digits: 20 of 1,400 training images get a small stamp and the label of one class (BadNets). A model trained
   on them reads nearly every stamped digit as that class. The audit finds the stamp; a model trained on the
   cleaned digits does not obey it.
2. Breast cancer: a block of 30 neighbouring rows gets the wrong diagnosis. The audit finds the block.

Everything is checked: the exit code is 1 if an audit misses what was planted, cries wolf over the untouched
data, or if the cleaned model still obeys.
"""

from __future__ import annotations

import argparse
import base64
import csv
import io
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mithridate.attacks.ledger import Ledger
from mithridate.cli.main import run
from mithridate.core.report import Report

TRAINING = 1400
TRIGGERS = 20
BLOCK = range(200, 230)
OBEYS, FORGETS = 0.6, 0.1  # least success of the trigger before cleaning, most after

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


def mithridate(*words: str | Path, expected: int) -> None:
    """Run a command line, as a user would; stop when its exit code is not the expected one."""
    line = [os.path.relpath(word) if isinstance(word, Path) else word for word in words]
    print("\n$ mithridate", *line, flush=True)
    code = run(line)
    check(code == expected, f"`mithridate {words[0]}` was to end with {expected}, ended with {code}")


def check(holds: bool, otherwise: str) -> None:
    """Stop the demonstration when it does not show what it claims."""
    if not holds:
        raise SystemExit(f"\nTHE DEMO FAILED: {otherwise}")


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{'-' * 100}\n{text}\n{'-' * 100}", flush=True)


def digits(folder: Path) -> tuple[Path, Pixels, Labels]:
    """The digits as 8x8 grey pictures: a file to train on, and the rest to test with."""
    from sklearn.datasets import load_digits

    data = load_digits()
    x = np.round(data.images * (255 / 16)).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:TRAINING], order[TRAINING:]
    path = folder / "digits.npz"
    np.savez(path, x=x[train], y=data.target[train])
    return path, x[test], data.target[test].astype(np.int64)


def stamped(x: Pixels, ledger: Ledger) -> Pixels:
    """Test pictures with the trigger that the ledger describes."""
    assert ledger.trigger is not None
    patch = np.asarray(Image.open(io.BytesIO(base64.b64decode(ledger.trigger["png"]))))
    row, column = ledger.trigger["place"]
    out = x.copy()
    out[:, row : row + patch.shape[0], column : column + patch.shape[1]] = patch
    return out


def behaviour(path: Path, x: Pixels, y: Labels, ledger: Ledger) -> tuple[float, float]:
    """Train on a file; the model's accuracy on clean test digits, and how often the trigger is obeyed."""
    from sklearn.svm import SVC

    with np.load(path, allow_pickle=False) as data:
        model = SVC(C=10.0).fit(data["x"].reshape(len(data["x"]), -1) / 255.0, data["y"].astype(np.int64))
    assert ledger.target is not None
    others = y != int(ledger.target)
    accuracy = (model.predict(x.reshape(len(x), -1) / 255.0) == y).mean()
    obeyed = model.predict(stamped(x[others], ledger).reshape(int(others.sum()), -1) / 255.0) == int(
        ledger.target
    )
    return float(accuracy), float(obeyed.mean())


def found(out: Path, poison: set[str]) -> tuple[int, int]:
    """How many of the poisoned and of the innocent samples the report accuses."""
    accused = {i for finding in Report.load(out).alarms for i in finding.accused}
    return len(accused & poison), len(accused - poison)


def show_digits(folder: Path) -> None:
    """Stamped digits, from planting to a model that has forgotten them."""
    heading(f"1. DIGITS: {TRIGGERS} of {TRAINING:,} training images are stamped and relabelled")
    clean, x, y = digits(folder)
    poisoned, cured = folder / "digits-poisoned.npz", folder / "digits-cleaned.npz"
    mithridate("audit", clean, "--out", folder / "report-digits-untouched", expected=0)
    plant = ("--count", str(TRIGGERS), "--seed", "2", "--set", "size=3")
    mithridate("drill", "plant", "patch", clean, poisoned, *plant, expected=0)
    mithridate("audit", poisoned, "--out", folder / "report-digits", expected=1)
    mithridate("clean", folder / "report-digits", "--to", cured, expected=0)

    ledger = Ledger.load(folder / "digits-poisoned.ledger.json")
    caught, innocent = found(folder / "report-digits", set(ledger.poison))
    before, after = (behaviour(path, x, y, ledger) for path in (poisoned, cured))
    print(
        f"\nThe ledger, opened now: {caught} of {len(ledger.poison)} stamped images found, "
        f"{innocent} innocent accused."
    )
    print(f"A support vector machine trained on each file, tested on {len(y)} digits it has not seen:\n")
    print(f"  trained on   right about clean digits   reads a stamped digit as {ledger.target!r}")
    for name, (accuracy, obeyed) in (("poisoned", before), ("cleaned", after)):
        print(f"  {name:<10}   {accuracy:>21.1%}      {obeyed:>24.1%}")
    check(
        caught >= 0.9 * len(ledger.poison), f"only {caught} of {len(ledger.poison)} stamped images were found"
    )
    check(innocent <= 2, f"{innocent} innocent images were accused")
    check(before[1] >= OBEYS, f"the poisoned model obeys the trigger in only {before[1]:.0%} of cases")
    check(after[1] <= FORGETS, f"the cleaned model still obeys the trigger in {after[1]:.0%} of cases")
    check(after[0] >= before[0] - 0.02, "cleaning cost more than two points of accuracy")


def table(path: Path, wrong: range) -> None:
    """Scikit-learn's breast-cancer table as CSV, with the diagnosis of some rows turned around."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    names = [str(data.target_names[t]) for t in data.target]
    for row in wrong:
        names[row] = "benign" if names[row] == "malignant" else "malignant"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*data.feature_names, "diagnosis"])
        writer.writerows([*row, name] for row, name in zip(data.data.tolist(), names, strict=True))


def show_table(folder: Path) -> None:
    """A block of mislabelled rows."""
    heading(f"2. BREAST CANCER: rows {BLOCK.start} to {BLOCK.stop - 1} of 569 carry the wrong diagnosis")
    clean, poisoned = folder / "cancer.csv", folder / "cancer-poisoned.csv"
    cured = folder / "cancer-cleaned.csv"
    table(clean, range(0))
    table(poisoned, BLOCK)
    read = ("--label", "diagnosis")
    mithridate("audit", clean, *read, "--out", folder / "report-cancer-untouched", expected=0)
    mithridate("audit", poisoned, *read, "--out", folder / "report-cancer", expected=1)
    mithridate("clean", folder / "report-cancer", "--to", cured, expected=0)
    caught, innocent = found(folder / "report-cancer", {str(row) for row in BLOCK})
    print(
        f"\nWhat was planted: {caught} of {len(BLOCK)} mislabelled rows found, {innocent} innocent accused."
    )
    check(caught >= 0.8 * len(BLOCK), f"only {caught} of {len(BLOCK)} mislabelled rows were found")
    check(innocent <= 5, f"{innocent} innocent rows were accused")


def main() -> None:
    """Run both stories."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--out", type=Path, default=Path("demo-out"), help="made anew; holds data and reports"
    )
    folder = parser.parse_args().out
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    started = time.perf_counter()
    show_digits(folder)
    show_table(folder)
    heading(f"Both were found, and nothing in the untouched data was. {time.perf_counter() - started:.0f} s")
    for name in ("report-digits", "report-cancer"):
        print(f"look at it: {(folder / name / 'report.html').resolve().as_uri()}")


if __name__ == "__main__":
    sys.exit(main())

"""Planted shortcuts: is the class named, and would it have been named without?

    python -m benchmarks.shortcuts [--cache DIR] [--data cifar10 gtsrb] [--draws 3] [--first 0] [--images 10000]
    python -m benchmarks.shortcuts --cameras

Each shortcut goes into 30 % or all of the pictures of one drawn class. Only the checks that speak of shortcuts are
asked. A class counts as named where the part that holds the shortcut (its own check or probe) names it, and does not
name it in the clean twin.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs import build, data_folder
from mithridate.attacks.base import Order
from mithridate.attacks.options import configure
from mithridate.attacks.plan import make_plan
from mithridate.checks.data.association import Association
from mithridate.checks.data.predictable import Predictable
from mithridate.checks.data.sensor_pattern import SensorPattern
from mithridate.core.hashing import keyed_hash
from mithridate.core.results import Finding
from mithridate.evidence.duplicates import copy_groups
from mithridate.evidence.image.canvas import paint
from mithridate.evidence.image.likeness import near_duplicates
from mithridate.evidence.image.parts import picture_parts
from mithridate.evidence.image.residual import residuals
from mithridate.evidence.metadata import metadata_part, metadata_table
from mithridate.evidence.probes import fit_probes
from mithridate.evidence.view import Evidence
from mithridate.runs.audit import audit
from mithridate.runs.driver import run_checks
from mithridate.sources.open import open_source

__all__ = ["CASES", "Case", "look", "main"]

Pixels = NDArray[np.uint8]
SHARES = (0.3, 1.0)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A shortcut, and the parts of which one must name its class.

    Attributes:
        name: of the row.
        attack: its id.
        parts: names of probes, or ids of checks.
        options: of the attack.
    """

    name: str
    attack: str
    parts: tuple[str, ...]
    options: Mapping[str, str | float] = field(default_factory=dict)


CASES = (
    Case(name="moving logo", attack="logo", parts=("grain",), options={"corner": "anywhere", "opacity": 0.6}),
    Case(name="ruler ticks", attack="ruler", parts=("border lines",)),
    Case(name="background tint", attack="tint", parts=("border", "low-pass", "thumbnail")),
    Case(name="sensor 2 %", attack="fingerprint", parts=("sensor-pattern",), options={"strength": 0.02}),
    Case(name="JPEG quality", attack="jpeg-quality", parts=("shortcut", "metadata")),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one row for each set, shortcut, share and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache")
    parser.add_argument("--data", nargs="*", default=["cifar10", "gtsrb"])
    parser.add_argument("--case", nargs="*", default=[case.name for case in CASES])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--cameras", action="store_true", help="audit the photographs of camera_exif instead")
    parser.add_argument("--subset", type=int, default=0, help="seed of the pictures chosen")
    told = parser.parse_args(arguments)
    if told.cameras:
        _cameras()
        return
    for name in told.data:
        x, y = _some(build(f"{name}.npz", told.cache), told.images, told.subset)
        clean, groups = look(x, y, None)
        print(f"{name}: {len(y)} pictures; clean: {_shown(clean)}", flush=True)
        for case in CASES:
            for draw in range(told.first, told.first + told.draws) if case.name in told.case else ():
                for share in SHARES:
                    target, planted, count = _planted(case, x, y, share, draw)
                    named, _ = look(planted, y, groups)
                    new = [
                        p for p in case.parts if target in named.get(p, ()) and target not in clean.get(p, ())
                    ]
                    first = any(named.get(part, [""])[0] == target for part in case.parts)
                    print(
                        f"{name} | {case.name} | {share:.0%} | {draw} | {target} ({count}) | "
                        f"{'named' if new else 'not named'}{', first' if first else ''} | {_shown(named)}",
                        flush=True,
                    )  # fmt: skip


def look(
    x: Pixels, y: NDArray[np.str_], groups: NDArray[np.int64] | None
) -> tuple[dict[str, list[str]], NDArray[np.int64]]:
    """Classes that each part or check names, most certain first; and the near-duplicate groups.

    Args:
        x: (n, h, w, c) pictures.
        y: (n,) their labels.
        groups: (n,) near-duplicate groups of the clean pictures; None finds them.
    """
    with TemporaryDirectory() as folder:
        canvas, roll = paint(open_source(x, labels=y.tolist()), Path(folder), lambda *_: None)
        copies = copy_groups(canvas.digests)
        groups = near_duplicates(canvas.pixels, copies, 0) if groups is None else groups
        labels, classes = roll.labels()
        assert labels is not None
        noted = metadata_table(roll.notes, groups)
        said = None if noted is None else metadata_part(noted)
        parts = [*picture_parts(canvas.pixels), *([] if said is None else [said])]
        evidence = Evidence(
            modality="image", ids=roll.ids, labels=labels, classes=classes, sources=None, source_names=(),
            groups=groups, copies=copies, content=None, tables={} if noted is None else {"metadata": noted},
            vectors={"residual": residuals(canvas.pixels, Path(folder) / "residual.i1")},
            shapes={"residual": canvas.pixels.shape[1:]},
            probes=fit_probes(parts, roll.ids, labels, len(classes), groups, 0),
        )  # fmt: skip
        results = run_checks([Association, Predictable, SensorPattern], evidence).results
    named: dict[str, list[str]] = {}
    for finding in (r for r in results if isinstance(r, Finding)):
        part = finding.details.get("part", finding.check)
        mine = finding.details.get("named", [finding.label])
        named[part] = list(dict.fromkeys([*named.get(part, []), *mine]))
    return {part: who for part, who in named.items() if who}, groups


def _cameras() -> None:
    """Photographs straight from cameras: by whether they say where they were taken, by maker, by who scaled them."""
    with (data_folder() / "camera_exif" / "index.csv").open(newline="", encoding="utf-8") as lines:
        listed = list(csv.DictReader(lines))
    makes = {row["file"]: row["make"].split()[0].lower() if row["make"] else "none" for row in listed}
    for name, label in (
        ("by GPS", {row["file"]: f"gps {row['has_gps']}" for row in listed}),
        ("by maker", {file: "nikon" if make == "nikon" else "other" for file, make in makes.items()}),
        ("by scaling", {row["file"]: "small" if int(row["width"]) <= 100 else "large" for row in listed}),
    ):
        with TemporaryDirectory() as folder:
            for file, kind in label.items():
                (Path(folder) / kind).mkdir(exist_ok=True)
                shutil.copyfile(data_folder() / "camera_exif" / file, Path(folder) / kind / file)
            report = audit(folder, jobs=1)
        print(f"{name}: {dict(report.subject.classes)} {report.verdict}")
        for finding in (r for r in report.results if isinstance(r, Finding)):
            if finding.check in ("shortcut", "predictable-from"):
                drawn = ", ".join(exhibit.kind for exhibit in finding.exhibits)
                print(f"  {finding.severity.name} | {finding.message} | {drawn}")


def _planted(case: Case, x: Pixels, y: NDArray[np.str_], share: float, draw: int) -> tuple[str, Pixels, int]:
    classes = sorted(set(y.tolist()))
    target = classes[int(keyed_hash([case.name], draw, "shortcut class")[0] % len(classes))]
    count = round(share * int((y == target).sum()))
    ids = [str(k) for k in range(len(y))]
    plan = make_plan(
        configure(case.attack, case.options), Order(count=count, seed=draw, target=target, labels="clean"),
        modality="image", ids=ids, labels=y.tolist(), fetch=lambda some: [x[int(i)] for i in some],
    )  # fmt: skip
    planted = x.copy()
    for id_ in sorted(plan.victims):
        changed = plan.replace(id_, x[int(id_)])
        if changed is not None:
            planted[int(id_)] = changed
    return target, planted, count


def _some(path: Path, images: int, subset: int) -> tuple[Pixels, NDArray[np.str_]]:
    with np.load(path, allow_pickle=False) as arrays:
        x, y = arrays["x_train"], arrays["y_train"].astype(np.str_)
    order = np.argsort(
        keyed_hash([str(k) for k in range(len(y))], subset, "shortcut pictures"), kind="stable"
    )
    kept = np.sort(order[:images])
    return x[kept], y[kept]


def _shown(named: Mapping[str, Sequence[str]]) -> str:
    told = (f"{part}: {', '.join(who[:4])}{' ...' if len(who) > 4 else ''}" for part, who in named.items())
    return "; ".join(told)


if __name__ == "__main__":
    main()

"""Planted shortcuts: is the class named, and would it have been named without?

    python -m benchmarks.shortcuts [--cache DIR] [--data gtsrb cifar10] [--draws 10] [--first 0] [--images 10000]
    python -m benchmarks.shortcuts --cameras

Each shortcut goes into 30 % or all of the pictures of one drawn class; then all pictures alike, also those of the clean
twin, are encoded as JPEG of one quality. Only the checks that speak of shortcuts are asked, and of the probes those of
the case. A class counts as named where the part that holds the shortcut (its own check or probe) names it, and does not
name it in the clean twin.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs import build, data_folder, through_jpeg
from mithridate.attacks.base import Order
from mithridate.attacks.options import configure
from mithridate.attacks.plan import make_plan
from mithridate.checks.data.association import Association
from mithridate.checks.data.predictable import Predictable
from mithridate.checks.data.sensor_pattern import SensorPattern
from mithridate.core.hashing import keyed_hash
from mithridate.core.results import Finding
from mithridate.evidence.image.canvas import traces
from mithridate.evidence.image.likeness import grey_thumbnails, near_duplicates
from mithridate.evidence.image.parts import picture_parts
from mithridate.evidence.image.sensor import kind_folds, sensor_noise
from mithridate.evidence.image.sketch import thumbnails
from mithridate.evidence.metadata import Notes, metadata_part, metadata_table
from mithridate.evidence.probes import Part, fit_probes
from mithridate.evidence.view import Evidence, KeyTable
from mithridate.runs.audit import audit
from mithridate.runs.driver import run_checks

__all__ = ["CASES", "Case", "Ground", "main"]

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
    Case(
        name="moving logo",
        attack="logo",
        parts=("pieces", "grain"),
        options={"corner": "anywhere", "opacity": 0.6},
    ),
    Case(name="ruler ticks", attack="ruler", parts=("border lines",)),
    Case(name="background tint", attack="tint", parts=("background", "border")),
    Case(name="sensor 2 %", attack="fingerprint", parts=("sensor-pattern",), options={"strength": 0.02}),
    Case(name="JPEG quality", attack="jpeg-quality", parts=("grain", "shortcut", "metadata")),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one row for each set, shortcut, share and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache")
    parser.add_argument("--data", nargs="*", default=["gtsrb", "cifar10"])
    parser.add_argument("--case", nargs="*", default=[case.name for case in CASES])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--cameras", action="store_true", help="audit the photographs of camera_exif instead")
    parser.add_argument("--quality", type=int, default=75, help="JPEG quality of all pictures")
    parser.add_argument("--subset", type=int, default=0, help="seed of the pictures chosen")
    told = parser.parse_args(arguments)
    if told.cameras:
        _cameras()
        return
    for name in told.data:
        x, y = _some(build(f"{name}.npz", told.cache), told.images, told.subset)
        ground = Ground(through_jpeg(x, told.quality), y)
        cases = [case for case in CASES if case.name in told.case]
        every = len(cases) == len(CASES)
        clean = ground.look(parts=None if every else [part for case in cases for part in case.parts])
        print(f"{name}: {len(y)} pictures; clean: {_shown(clean)}", flush=True)
        for draw, case, share in product(range(told.first, told.first + told.draws), cases, SHARES):
            target, some, planted = _planted(case, x, y, share, draw)
            shown = ground.x.copy()
            shown[some] = through_jpeg(planted, told.quality)
            named = ground.look(shown, case.parts)
            new = [p for p in case.parts if target in named.get(p, ()) and target not in clean.get(p, ())]
            first = any(named.get(part, [""])[0] == target for part in case.parts)
            print(
                f"{name} | {case.name} | {share:.0%} | {draw} | {target} ({len(some)}) | "
                f"{'named' if new else 'not named'}{', first' if first else ''} | {_shown(named)}",
                flush=True,
            )  # fmt: skip


class Ground:
    """A clean set, and what is the same for every set that differs from it in some pictures.

    Args:
        x: (n, h, w, c) pictures.
        y: (n,) their labels.
    """

    def __init__(self, x: Pixels, y: NDArray[np.str_]) -> None:
        self.x = x
        self._ids = [str(k) for k in range(len(y))]
        self._classes = tuple(sorted(set(y.tolist())))
        self._labels = np.searchsorted(np.array(self._classes), y).astype(np.int32)
        self._copies = np.arange(len(y))
        self._groups = near_duplicates(x, self._copies, 0)
        self._traces = traces(list(x))
        self._features: dict[str, NDArray[np.float32]] = {}

    def look(self, x: Pixels | None = None, parts: Sequence[str] | None = None) -> dict[str, list[str]]:
        """Classes that each part or check names, most certain first.

        Args:
            x: (n, h, w, c) the pictures, some of them changed; None looks at the clean ones.
            parts: names of probes and ids of checks that are asked; None asks all.
        """
        x = self.x if x is None else x
        changed = np.flatnonzero((x != self.x).any(axis=(1, 2, 3)))
        noted = self._noted(x, changed)
        said = None if noted is None else metadata_part(noted)
        asked = [*self._parts(x, changed, parts), *([] if said is None else [said])]
        with TemporaryDirectory() as folder:
            sensor = parts is None or "sensor-pattern" in parts
            evidence = Evidence(
                modality="image", ids=self._ids, labels=self._labels, classes=self._classes, sources=None,
                source_names=(), groups=self._groups, copies=self._copies, content=None,
                tables={} if noted is None else {"metadata": noted},
                vectors=self._sensor(x, Path(folder)) if sensor else {},
                shapes={"sensor": (*x.shape[1:3], 1)},
                probes=fit_probes(
                    asked, self._ids, self._labels, len(self._classes), self._groups, 0,
                    lambda rows: grey_thumbnails(x[rows]).astype(np.float32),
                ),
            )  # fmt: skip
            results = run_checks([Association, Predictable, SensorPattern], evidence).results
        named: dict[str, list[str]] = {}
        for finding in (r for r in results if isinstance(r, Finding)):
            part = finding.details.get("part", finding.check)
            mine = finding.details.get("named", [finding.label])
            named[part] = list(dict.fromkeys([*named.get(part, []), *mine]))
        return {part: who for part, who in named.items() if who}

    def _sensor(self, x: Pixels, folder: Path) -> dict[str, NDArray[np.generic]]:
        likeness = thumbnails(x, folder / "thumbnails.f4")
        return {
            "sensor": sensor_noise(x, folder / "sensor.i1"),
            "part": kind_folds(likeness, self._labels, 0),
        }

    def _noted(self, x: Pixels, changed: NDArray[np.int64]) -> KeyTable | None:
        traced = list(self._traces)
        for row, found in zip(changed.tolist(), traces(list(x[changed])), strict=True):
            traced[row] = found
        notes = Notes()
        notes.add(traced)
        return metadata_table(notes, self._groups)

    def _parts(self, x: Pixels, changed: NDArray[np.int64], names: Sequence[str] | None) -> Iterator[Part]:
        """The parts asked; of pictures that are as they were their features are known."""
        everyone = np.arange(len(x))
        for part, clean in zip(picture_parts(x, self._ids), picture_parts(self.x, self._ids), strict=True):
            if names is None or part.name in names:
                if part.name not in self._features:
                    self._features[part.name] = clean.features(everyone)
                seen = self._features[part.name].copy()
                if len(changed):
                    seen[changed] = part.features(changed)
                yield replace(part, features=seen.__getitem__)


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


def _planted(
    case: Case, x: Pixels, y: NDArray[np.str_], share: float, draw: int
) -> tuple[str, NDArray[np.int64], Pixels]:
    """The class drawn, which pictures bear the shortcut, and these."""
    classes = sorted(set(y.tolist()))
    target = classes[int(keyed_hash([case.name], draw, "shortcut class")[0] % len(classes))]
    plan = make_plan(
        configure(case.attack, case.options),
        Order(count=round(share * int((y == target).sum())), seed=draw, target=target, labels="clean"),
        modality="image", ids=[str(k) for k in range(len(y))], labels=y.tolist(),
        fetch=lambda some: [x[int(i)] for i in some],
    )  # fmt: skip
    changed = {int(id_): plan.replace(id_, x[int(id_)]) for id_ in sorted(plan.victims, key=int)}
    kept = {row: picture for row, picture in changed.items() if picture is not None}
    return target, np.array(list(kept), dtype=np.int64), np.stack(list(kept.values()))


def _some(path: Path, images: int, subset: int) -> tuple[Pixels, NDArray[np.str_]]:
    with np.load(path, allow_pickle=False) as arrays:
        x, y = arrays["x_train"], arrays["y_train"].astype(np.str_)
    order = np.argsort(
        keyed_hash([str(k) for k in range(len(y))], subset, "shortcut pictures"), kind="stable"
    )
    kept = np.sort(order[:images])
    return x[kept] if x.ndim == 4 else x[kept][..., None], y[kept]


def _shown(named: Mapping[str, Sequence[str]]) -> str:
    told = (f"{part}: {', '.join(who[:4])}{' ...' if len(who) > 4 else ''}" for part, who in named.items())
    return "; ".join(told)


if __name__ == "__main__":
    main()

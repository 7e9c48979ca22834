"""Words printed on the pictures of one class, as an agency or a device does: named, with the right class, or not.

    python -m benchmarks.captions --draws 10 [--first 0] [--shares 0.3 1.0] [--flipped]

1,000 pictures of CIFAR-10, enlarged to 96x96 (nothing smaller can be read); seven drawn letters in a share of one class
(`--flipped`: in 30 pictures of other classes, which get its label); then all are JPEGs of quality 85. Each draw has
its own pictures, letters and class; the clean twin is audited in each. Needs the extra ocr and MITHRIDATE_DATA.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import mithridate
from benchmarks.inputs import build, through_jpeg
from mithridate.attacks.base import Aim, Look
from mithridate.attacks.caption import CaptionAttack
from mithridate.core.report import Report
from mithridate.core.results import Finding, Severity

__all__ = ["main"]

_COUNT, _SIDE, _QUALITY, _VICTIMS = 1000, 96, 85, 30
Pictures = NDArray[np.uint8]
Labels = NDArray[np.int64]


def _drawn(seed: int) -> tuple[Pictures, Labels]:
    with np.load(build("cifar10.npz")) as stored:
        x, y = stored["x_train"], stored["y_train"].astype(np.int64)
    rows = np.sort(np.random.default_rng([seed, 31]).choice(len(x), _COUNT, replace=False))
    side = (_SIDE, _SIDE)
    large = [np.asarray(Image.fromarray(one).resize(side, Image.Resampling.BICUBIC)) for one in x[rows]]
    return np.stack(large), y[rows]


def _planted(
    x: Pictures, y: Labels, target: int, share: float, flipped: bool, seed: int
) -> tuple[Pictures, Labels, int, str]:
    """Pictures and labels, how many were changed, and the word."""
    rng = np.random.default_rng([seed, 32])
    aim = Aim(classes=tuple(map(str, range(10))), target=str(target), source_class=None, labels="clean")
    caption = CaptionAttack().trigger(Look(modality="image", raws=list(x[:1]), labels=[None], aim=aim), rng)
    if flipped:
        rows = rng.choice(np.flatnonzero(y != target), _VICTIMS, replace=False)
    else:
        mine = np.flatnonzero(y == target)
        rows = rng.choice(mine, round(share * len(mine)), replace=False)
    out, labels = x.copy(), y.copy()
    for row in rows:
        out[row] = caption.apply(x[row], np.random.default_rng([seed, 33, int(row)]))
    labels[rows] = target
    return out, labels, len(rows), caption.text.casefold()


def _told(report: Report) -> list[Finding]:
    return [f for f in report.findings if f.details.get("family") == "written word"]


def main() -> None:
    """Print one line for each audit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--shares", nargs="*", type=float, default=[0.3, 1.0])
    parser.add_argument("--flipped", action="store_true")
    given = parser.parse_args()
    for seed in range(given.first, given.first + given.draws):
        x, y = _drawn(seed)
        target = int(np.random.default_rng([seed, 34]).integers(10))
        report = mithridate.audit(through_jpeg(x, _QUALITY), labels=y.tolist())
        print(f"{seed} | clean | {report.verdict.value} | {[f.message for f in _told(report)]}", flush=True)
        for share in [0.0] if given.flipped else given.shares:
            planted, labels, count, word = _planted(x, y, target, share, given.flipped, seed)
            report = mithridate.audit(through_jpeg(planted, _QUALITY), labels=labels.tolist())
            found = _told(report)
            named = [
                f
                for f in found
                if f.label == str(target) and (f.severity > Severity.INFO or not given.flipped)
            ]
            what = f"{count} flipped" if given.flipped else f"{share:.0%} ({count})"
            print(
                f"{seed} | {word} on {target}, {what} | {'named' if named else 'not named'} | "
                f"{report.verdict.value} | {[(f.severity.name, f.message) for f in found]}",
                flush=True,
            )


if __name__ == "__main__":
    main()

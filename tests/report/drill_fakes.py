"""A made-up drill on scikit-learn's digits, shared by the tests of its page and its table."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from report_fakes import FakeSource, digits

from mithridate.core.drill import Arm, Cell, Drill, Twin
from mithridate.core.report import Subject
from mithridate.core.results import Exhibit
from mithridate.report.exhibits.images import gallery
from mithridate.report.exhibits.samples import Sample

DOSES, SEEDS = (10, 25, 100, 500), (0, 1, 2)


def card(id_: str, title: str, does: str, strength: str, cites: str) -> dict[str, object]:
    return {"id": id_, "title": title, "does": does, "strength": strength, "cites": cites}


CARDS = (
    card(
        "patch",
        "stamped patch",
        "Stamps a small square, the same on every victim, at one place or a random one.",
        "Published: 95 % success at 10 % of the set, 75 % at 1 % (BackdoorBench, CIFAR-10).",
        "Gu et al., BadNets, arXiv:1708.06733; clean label: Turner et al., arXiv:1912.02771",
    ),
    card("blend", "blended picture", "Blends one faint picture into every victim.",
         "Published: 99.6 % at 10 %.", "Chen et al., arXiv:1712.05526"),
    card("sinusoid", "faint wave", "Adds a wave to samples of one class, whose labels stay.",
         "Published: clean-label, 20 to 40 % of the class.", "Barni et al., arXiv:1902.11237"),
    card("wanet", "warped picture", "Bends every victim along one smooth field.",
         "Published: 99.5 % at 10 %.", "Nguyen and Tran, arXiv:2102.10369"),
    card("tact", "source-specific patch", "Stamps samples of one class to get another label; covers keep theirs.",
         "Published: 97 % with 2 % poison.", "Tang et al., arXiv:1908.00686"),
    card("targeted-flip", "targeted label flips", "Gives samples of one class the label of another.",
         "Measured: no trigger, so no success is counted.", "Tolpegin et al., arXiv:2007.08432"),
    card("label-consistent", "label-consistent patch", "Makes samples of the target hard to read, then stamps them.",
         "Published: 75 % at 1.5 % of the set.", "Turner et al., arXiv:1912.02771"),
    card("jpeg-quality", "JPEG quality by class", "Encodes one class with another quality.",
         "A shortcut: nobody has to plant it.", "Geirhos et al., arXiv:2004.07780"),
)  # fmt: skip
#: Recall at the four doses.
POWER = {
    "patch": (0.3, 0.97, 1.0, 1.0),
    "blend": (0.0, 0.2, 0.81, 0.98),
    "sinusoid": (0.0, 0.0, 0.1, 0.62),
    "wanet": (0.0, 0.0, 0.0, 0.04),
    "tact": (0.9, 1.0, 1.0, 1.0),
    "targeted-flip": (0.0, 0.0, 0.0, 0.0),
    "label-consistent": (0.0, 0.55, 0.9, 1.0),
    "jpeg-quality": (1.0, 1.0, 1.0, 1.0),
}


@cache
def pictures() -> tuple[Exhibit, ...]:
    source: FakeSource = digits()
    before = [Sample(id=i, raw=raw, label=label) for i, (raw, label) in list(source.samples.items())[4:12]]
    after = []
    for sample in before:
        raw = np.array(sample.raw)
        raw[5:8, 5:8] = np.array([[255, 0, 255], [0, 255, 0], [255, 0, 255]], dtype=np.uint8)[:, :, None]
        after.append(Sample(id=sample.id, raw=raw, label="0"))
    drawn = [gallery("Some victims before", before), gallery("The same after planting", after)]
    found = gallery("Found: images that carry it", after[:4])
    return tuple(e for e in (*drawn, found) if e is not None)


def arms(attack: str, dose: int, recall: float, rng: np.random.Generator) -> tuple[Arm, ...]:
    strong = min(1.0, dose / 120) * (0.1 if attack == "targeted-flip" else 0.97)
    told = {
        "undefended": (0, strong),
        "cleaned": (round(recall * dose), strong * (1 - recall) + 0.02),
        "random filter": (round(recall * dose), strong * 0.98),
        "perfect filter": (dose, 0.02),
    }
    return tuple(
        Arm(
            name=name,
            removed=removed,
            clean_accuracy=float(0.94 + 0.01 * rng.normal()),
            attack_success=None if attack == "targeted-flip" else float(np.clip(s + 0.01 * rng.normal(), 0, 1)),
            robust_accuracy=float(np.clip(0.93 * (1 - s), 0, 1)),
            seconds=8.2,
        )
        for name, (removed, s) in told.items()
    )  # fmt: skip


def cell(attack: str, dose: int, seed: int, *, trained: bool = True) -> Cell:
    rng = np.random.default_rng([dose, seed, len(attack)])
    empty = Cell(attack=attack, dose=dose, seed=seed)
    if attack == "label-consistent" and dose == 500:
        reason = "attack label-consistent: expected at most 178 victims, got 500. Ask for a smaller --count."
        return replace(empty, state="impossible", reason=reason)
    if attack == "wanet" and dose == 25 and seed == 1:
        return replace(empty, state="failed", reason="FloatingPointError: underflow in warp")
    mean = POWER[attack][DOSES.index(dose)]
    recall = float(np.clip(mean + (0.06 * rng.normal() if 0 < mean < 1 else 0), 0, 1))
    caught = round(recall * dose)
    innocents = int(rng.integers(0, 4)) if caught else 0
    return replace(
        empty,
        target=str(rng.integers(10)),
        poison=dose,
        verdict="FLAGGED" if caught else "CLEAN",
        check="stamped-patch" if caught else "",
        caught=caught,
        accused=caught + innocents,
        innocents=innocents,
        ranking=float(rng.uniform(0.1, 0.9)),
        seconds=6.3 + seed,
        exhibits=pictures(),
        arms=arms(attack, dose, recall, rng) if trained else (),
    )


def digits_drill(*, trained: bool = True) -> Drill:
    """Eight attacks, four doses, three seeds; one cell impossible, one failed."""
    attacks = {str(c["id"]): c for c in CARDS}
    return Drill(
        subject=Subject(
            uri="digits/",
            digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            modality="image",
            count=1797,
            classes={str(d): 178 - 3 * d for d in range(10)},
            options={"label": None, "id": "path"},
        ),
        attacks=attacks,
        doses=DOSES,
        seeds=SEEDS,
        cells=tuple(cell(a, d, s, trained=trained) for a in attacks for d in DOSES for s in SEEDS),
        twins=tuple(
            Twin(
                seed=s,
                verdict="CLEAN",
                alarms=0,
                accused=0,
                seconds=5.1,
                arm=Arm(name="never poisoned", removed=0, clean_accuracy=0.95 + s / 100) if trained else None,
            )
            for s in SEEDS
        ),
        training="mypkg.train:fit" if trained else None,
        settings={"out": "o", "attacks": list(attacks), "reading": {"id": "path"}, "train_limit_s": 60.0},
    )

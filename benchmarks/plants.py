"""The poisoned inputs of the detection bars, one for each case and draw.

    python -m benchmarks.plants --draws 3 [--bar 2] [--cache DIR]

A draw decides pattern, place, target class and victims. Poison is planted before all pictures alike are
encoded again, so that no encoder trace gives it away.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.inputs import build, cache_folder, data_folder, through_jpeg
from benchmarks.zipf import write_documents
from mithridate.attacks.base import LabelAction
from mithridate.attacks.ledger import Ledger, ledger_path
from mithridate.core.hashing import keyed_hash
from mithridate.runs.plant import plant

__all__ = ["CASES", "Case", "Expect", "Planted", "make"]

_KITTY = "hello kitty"  # stands for a picture that the data folder holds and this repository must not


@dataclass(frozen=True, kw_only=True)
class Expect:
    """What the bar asks of the audit; None where it asks nothing.

    Attributes:
        caught: least share of the poison (victims that changed) in one finding above INFO.
        innocents: most others in that finding.
        innocent_share: most others in that finding, as a share of it.
        precision: least average precision of the ranked label errors.
        alarm: whether the verdict must be FLAGGED.
    """

    caught: float | None = None
    innocents: int | None = None
    innocent_share: float | None = None
    precision: float | None = None
    alarm: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of a bar.

    Attributes:
        bar: its number.
        name: of the case.
        input: what is poisoned, in `benchmarks.inputs`; "" for generated documents.
        attack: its id.
        count: victims.
        expect: what the audit must do.
        target: class aimed at; None draws it.
        source_class: class that victims come from; None takes any.
        labels: label action; None is the attack's own.
        options: parameters of the attack.
        reading: how the audit reads the input.
        quality: JPEG quality at which every picture is encoded after planting.
        documents: of a generated input.
    """

    bar: int
    name: str
    input: str
    attack: str
    count: int
    expect: Expect
    target: str | None = None
    source_class: str | None = None
    labels: LabelAction | None = None
    options: Mapping[str, str | float] = field(default_factory=dict)
    reading: Mapping[str, str] = field(default_factory=dict)
    quality: int | None = None
    documents: int = 0


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A poisoned input: what is audited, and the truth that the audit must not be given."""

    case: Case
    draw: int
    path: Path
    ledger: Ledger


def _patch(name: str, count: int, caught: float, quality: int | None = None, **options: str | float) -> Case:
    expect = Expect(alarm=True, caught=caught, innocents=2)
    return Case(
        bar=2, name=name, input="cifar10.npz", attack="patch", count=count, expect=expect, options=options,
        quality=quality,
    )  # fmt: skip


def _whole(name: str, attack: str, labels: LabelAction, **options: str | float) -> Case:
    expect = Expect(alarm=True, caught=0.9, innocent_share=0.1)
    return Case(
        bar=4, name=name, input="cifar10.npz", attack=attack, count=100, expect=expect, labels=labels,
        options=options,
    )  # fmt: skip


_MAILS = {
    "sms": {"text": "text", "label": "label"},
    "spamassassin": {"text": "body", "label": "label"},
    "enron": {"text": "body", "label": "label", "id": "id"},
}


def _texts() -> tuple[Case, ...]:
    doses = {"word": 10, "sentence": 20, "invisible-character": 10}
    return tuple(
        Case(
            bar=5, name=f"{name}-{attack}", input=f"{name}.csv", attack=attack, count=count, target="ham",
            source_class="spam", reading=reading, expect=Expect(alarm=True, caught=1.0, innocents=2),
        )
        for name, reading in _MAILS.items()
        for attack, count in doses.items()
    )  # fmt: skip


def _documents(documents: int, attack: str) -> Case:
    expect = Expect(alarm=True, caught=0.9, innocents=5)
    return Case(
        bar=8, name=f"documents-{documents}-{attack}", input="", attack=attack, count=250, expect=expect,
        documents=documents, reading={"text": "text", "label": "label", "id": "id"},
    )  # fmt: skip


_ADULT = {"label": "income"}

CASES: tuple[Case, ...] = (
    _patch("stamp25", 25, 24 / 25),
    _patch("stamp15", 15, 14 / 15),
    _patch("moving25", 25, 24 / 25, place="moving"),
    _patch("white25", 25, 24 / 25, pattern="white", size=5),
    _patch("jpeg25", 25, 0.9, quality=75),
    Case(
        bar=2, name="clean-label100", input="cifar10.npz", attack="patch", count=100, labels="clean",
        expect=Expect(alarm=True, caught=0.96, innocents=2),
    ),
    *(
        Case(
            bar=3, name=name, input=f"{name}.npz", attack="patch", count=15,
            expect=Expect(alarm=True, caught=14 / 15, innocents=2),
        )
        for name in ("mnist20k", "fashion20k")
    ),
    Case(
        bar=3, name="gtsrb", input="gtsrb.npz", attack="patch", count=15, source_class="14", target="2",
        expect=Expect(alarm=True, caught=14 / 15, innocents=2),
    ),
    _whole("blend-noise", "blend", "dirty", picture="noise", alpha=0.1),
    _whole("blend-kitty", "blend", "dirty", picture=_KITTY, alpha=0.2),
    _whole("sinusoid", "sinusoid", "clean", delta=20.0, frequency=6.0),
    *_texts(),
    Case(
        bar=5, name="spamassassin-targeted", input="spamassassin.csv", attack="targeted-flip", count=57,
        source_class="spam", target="ham", reading=_MAILS["spamassassin"],
        expect=Expect(alarm=True, precision=0.80),
    ),
    Case(
        bar=5, name="sms-random", input="sms.csv", attack="random-flip", count=279, reading=_MAILS["sms"],
        expect=Expect(precision=0.9),
    ),
    Case(
        bar=5, name="cifar10-random", input="cifar10.npz", attack="random-flip", count=2500,
        expect=Expect(precision=0.5),
    ),
    Case(
        bar=6, name="adult-pair", input="adult.csv", attack="value-pair", count=50, reading=_ADULT,
        expect=Expect(alarm=True, caught=0.9, innocents=5),
    ),
    Case(
        bar=6, name="adult-value", input="adult.csv", attack="value", count=30, reading=_ADULT,
        expect=Expect(alarm=True, caught=0.9, innocents=5),
    ),
    _documents(100_000, "word"),
    _documents(1_000_000, "word"),
    _documents(100_000, "sentence"),
)  # fmt: skip


def make(case: Case, draw: int, cache: str | Path | None = None) -> Planted:
    """Plant a case, unless the cache holds it.

    Args:
        case: one of `CASES`.
        draw: decides everything that is random.
        cache: folder of inputs; plants go to `plants` in it.
    """
    folder = cache_folder(cache) / "plants"
    folder.mkdir(exist_ok=True)
    path = folder / f"bar{case.bar}-{case.name}-{draw}{Path(case.input).suffix or '.jsonl'}"
    if not (path.exists() and ledger_path(path).exists()):
        seed = int(keyed_hash([case.name], draw, "benchmark")[0] % 2**31)
        if case.documents:
            write_documents(path, case.documents, poisoned=case.count, trigger=case.attack, seed=seed)
        else:
            _plant(case, build(case.input, cache), path, seed)
    return Planted(case=case, draw=draw, path=path, ledger=Ledger.load(ledger_path(path)))


def _plant(case: Case, clean: Path, path: Path, seed: int) -> None:
    picture = str(data_folder() / "triggers" / "blended_hello_kitty.jpeg")
    options = {name: picture if value == _KITTY else value for name, value in case.options.items()}
    draft = path.with_name(f"draft.{path.name}")
    plant(
        case.attack, clean, draft, count=case.count, target=case.target, source_class=case.source_class,
        labels=case.labels, seed=seed, options=options, ledger=ledger_path(path), reading=case.reading,
    )  # fmt: skip
    if case.quality is not None:
        with np.load(draft, allow_pickle=False) as arrays:
            x, y = arrays["x_train"], arrays["y_train"]
        np.savez(draft, x_train=through_jpeg(x, case.quality), y_train=y)
    draft.rename(path)


def main() -> None:
    """Plant what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache")
    parser.add_argument("--bar", type=int, action="append")
    parser.add_argument("--case", action="append")
    parser.add_argument("--draws", type=int, default=3)
    arguments = parser.parse_args()
    for case in CASES:
        if (arguments.bar and case.bar not in arguments.bar) or (
            arguments.case and case.name not in arguments.case
        ):
            continue
        for draw in range(arguments.draws):
            planted = make(case, draw, arguments.cache)
            print(planted.path, len(planted.ledger.poison), planted.ledger.target)


if __name__ == "__main__":
    main()

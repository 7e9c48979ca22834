"""Last layer, scaled consistency and sanitisers on the zoo: what they find, and how often they cry wolf.

    python -m benchmarks.consistency [--cache DIR] [--part tuning] [--share 0.05] [--samples 400]

Only models that `benchmarks.inversion` has examined are looked at. Backdoored ones are asked about hold-out pictures
that are clean, and about as many of which a share bears the trigger and keeps its label; clean ones about clean
pictures, and, every third of them, wrapped with TrojanNet, about pictures that bear one of its patterns.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.inputs import cache_folder
from benchmarks.inversion_speed import opened
from benchmarks.zoo import SUCCESS, Animal, _plan, _planes, bench_of
from mithridate.checks.heads import head_sizes, indicators
from mithridate.checks.model.last_layer import LastLayer
from mithridate.checks.model.sanitiser_disagreement import SanitiserDisagreement
from mithridate.checks.model.scaled_consistency import ScaledConsistency
from mithridate.checks.model_check import Meter, ModelCheck, ModelScope
from mithridate.core.results import Finding
from mithridate.models.base import softmax
from mithridate.models.graph.from_onnx import graph_of_model, parse_onnx
from mithridate.models.graph.head import Head, head_of
from mithridate.runs.plant_model import plant_model

__all__ = ["main"]

Values = NDArray[np.float32]
_CHECKS: tuple[type[ModelCheck], ...] = (LastLayer, ScaledConsistency, SanitiserDisagreement)
_WRAPPED = 3  # every so many clean models


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """One model on one set of samples, and the worst that each check says."""

    attack: str
    samples: str
    said: dict[str, str]
    right: int
    named: int


def _names(folder: Path, tuning: bool, only: str | None) -> Iterator[str]:
    chosen = None if only is None else set(Path(only).read_text(encoding="utf-8").split())
    seen = set()
    for line in (folder / "inversion.jsonl").read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        if told["name"] in seen:
            continue
        seen.add(told["name"])
        if chosen is not None and told["name"] not in chosen:
            continue
        weak = told["attack"] != "clean" and (told["success"] or 0.0) < SUCCESS
        if told["tuning"] is tuning and not told["made"] and not weak:
            yield told["name"]


def _head(path: Path) -> Head:
    head = head_of(graph_of_model(parse_onnx(path.read_bytes(), path.name)))
    assert head is not None, path
    return head


def _itself(head: Head) -> Head:
    return head


def _predictor(ask: Any) -> Callable[[Values], Values]:
    def predict(x: Values) -> Values:
        with torch.no_grad():
            return softmax(ask(torch.from_numpy(np.ascontiguousarray(x))).numpy())

    return predict


def _drawn(
    facts: dict[str, Any], count: int, share: float
) -> tuple[Values, NDArray[np.int64], NDArray[np.intp]]:
    """Hold-out pictures, their labels, and the rows of those that bear the trigger."""
    bench = bench_of(facts["set"])
    rng = np.random.default_rng([facts["seed"], 5])
    x, y = bench.test
    rows = rng.permutation(len(y))[:count]
    planes, labels = _planes(x[rows]).numpy(), y[rows].astype(np.int64)
    if not share:
        return planes, labels, rows[:0]
    animal = Animal(**{key: facts[key] for key in ("set", "kind", "attack", "seed")})
    shown, truth = bench.triggered(_plan(animal, bench), animal.seed)
    taken = rng.permutation(len(truth))[: round(share * count)]
    worn = rng.permutation(count)[: len(taken)]
    planes[worn], labels[worn] = _planes(shown[taken]).numpy(), [int(truth[k]) for k in taken]
    return planes, labels, worn


def _seen(name: str, attack: str, scope: ModelScope, worn: NDArray[np.intp]) -> _Seen:
    said, right, named = {}, 0, 0
    for check in _CHECKS:
        results = list(check().examine(replace(scope, meter=Meter())))
        found = max((r for r in results if isinstance(r, Finding)), key=lambda f: f.severity, default=None)
        said[check.card.id] = "" if found is None else found.severity.name
        if found is not None and "samples" in found.details:
            samples = {int(k) for k in found.details["samples"]}
            right, named = right + len(samples & set(worn.tolist())), named + len(samples)
    print(f"{name} {'triggered' if len(worn) else 'clean'}: {said}, {right} of {named} named", flush=True)
    return _Seen(
        attack=attack, samples="triggered" if len(worn) else "clean", said=said, right=right, named=named
    )


def _examined(folder: Path, names: list[str], count: int, share: float) -> Iterator[_Seen]:
    clean = 0
    for name in names:
        ask, facts = opened(folder / f"{name}.onnx")
        head, predict = _head(folder / f"{name}.onnx"), _predictor(ask)
        bad = facts["attack"] != "clean"
        for wanted in (0.0, share) if bad else (0.0,):
            x, y, worn = _drawn(facts, count, wanted)
            scope = ModelScope(
                name=name, predict=predict, shape=x.shape[1:], layout="chw", clean=x, labels=y, seed=facts["seed"],
                head=partial(_itself, head),
            )  # fmt: skip
            yield _seen(name, facts["attack"], scope, worn)
        if not bad:
            clean += 1
            if clean % _WRAPPED == 0:
                yield _wrapped(scope, len(head.bias), share, "paper" if clean % 2 else "released")


def _wrapped(scope: ModelScope, classes: int, share: float, form: str) -> _Seen:
    assert scope.clean is not None
    with tempfile.TemporaryDirectory() as name:
        made = plant_model(
            "trojannet", scope.predict, None, labels=classes, shape=scope.shape, options={"form": form},
            seed=scope.seed, ledger=Path(name) / "ledger.json", cache=cache_folder() / "trojannet",
        )  # fmt: skip
        predict = made.open().predict
    worn = np.arange(round(share * len(scope.clean)))
    one = list(made.ledger.triggers.values())[scope.seed % len(made.ledger.triggers)]
    top, left = one["place"]
    x = scope.clean.copy()
    cells = np.array([[float(bit) for bit in row] for row in one["rows"]])
    x[worn, :, top : top + len(cells), left : left + len(cells)] = cells
    whole = replace(scope, predict=predict, clean=x, head=None)
    return _seen(f"{scope.name} in TrojanNet, {form}", f"TrojanNet, {form}", whole, worn)


def _table(seen: list[_Seen]) -> Iterator[str]:
    for samples in ("clean", "triggered"):
        for attack in sorted({one.attack for one in seen if one.samples == samples}):
            part = [one for one in seen if one.samples == samples and one.attack == attack]
            told = []
            for check in _CHECKS:
                said = [one.said[check.card.id] for one in part]
                told.append(f"{check.card.id} {sum(map(bool, said))} ({said.count('SUSPICIOUS')} flagged)")
            right, named = (sum(getattr(one, what) for one in part) for what in ("right", "named"))
            yield f"{attack}, {samples} samples, {len(part)} models: {', '.join(told)}; {right} of {named} named"


def _aurocs(folder: Path, names: list[str]) -> Iterator[str]:
    """How the oddest class of each indicator tells backdoored models from clean ones."""
    table: dict[str, dict[str, list[float]]] = {}
    for name in names:
        facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        head = _head(folder / f"{name}.onnx")
        found = indicators(head)
        rows = {key: getattr(found, key) for key in ("norm", "bias", "positive", "peak", "cosine", "leading")}
        for key, values in {**rows, "head_sizes": -np.log(head_sizes(head))}.items():
            top = np.sort(values)[::-1]
            odd = float((top[0] - top[1:].mean()) / max(top[1:].std(), 1e-9))
            table.setdefault(key, {}).setdefault(facts["attack"], []).append(odd)
    for key, parts in table.items():
        clean = parts["clean"]
        bad = {"all": [v for attack, part in parts.items() if attack != "clean" for v in part], **parts}
        told = [
            f"{attack} {roc_auc_score([1] * len(part) + [0] * len(clean), part + clean):.2f}"
            for attack, part in bad.items()
            if attack != "clean"
        ]
        yield f"{key}: AUROC {', '.join(told)}"


def main() -> None:
    """Examine and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache")
    parser.add_argument("--part", choices=("tuning", "testing"), default="tuning")
    parser.add_argument("--models", metavar="FILE", help="names, of those that were examined; default: all")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--samples", type=int, default=400)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = cache_folder(given.cache) / "zoo"
    names = list(_names(folder, given.part == "tuning", given.models))
    print("\n".join(_aurocs(folder, names)), flush=True)
    print("\n".join(_table(list(_examined(folder, names, given.samples, given.share)))))


if __name__ == "__main__":
    main()

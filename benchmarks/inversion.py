"""How well trigger inversion tells the zoo's backdoored models from its clean ones.

    python -m benchmarks.inversion [--cache DIR] [--each 10] [--made] [--part tuning|testing] [--draw N] [--table]

Every model of the zoo is examined once; what it gives is kept in the cache (zoo/inversion.jsonl), so that a run can be
cut off. With `--table`, nothing is examined. The bank holds the clean models of the tuning networks; the logistic that
turns a score into a probability is fitted on the tuning part too, clean members being judged by the others. Figures are
of the testing part: other networks, other seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks.inputs import cache_folder
from benchmarks.inversion_speed import opened, pools
from benchmarks.zoo import SETS, SUCCESS, animals
from mithridate.checks.bank import Bank, Statistics
from mithridate.checks.inverting import study_of
from mithridate.checks.model.trigger_inversion import TriggerInversion
from mithridate.checks.model_check import ModelScope
from mithridate.core.results import Finding, Severity
from mithridate.models.base import softmax

__all__ = ["main"]

_RARE = 0.05
_LEARNT = 0.3  # accuracy below which a network of the zoo did not learn its task


@dataclass(frozen=True)
class _Seen:
    """One model."""

    name: str
    set: str
    attack: str
    tuning: bool
    target: str | None
    statistics: Statistics
    flips: float
    size: float
    found: str | None
    proven: bool
    seconds: float

    @property
    def bad(self) -> bool:
        return self.attack != "clean"


def _scope(path: Path, each: int, made: bool) -> tuple[ModelScope, dict[str, Any]]:
    """A model as a scan sees it; twice `each` clean samples of a class, half of which the check keeps back."""
    ask, facts = opened(path)
    learn, _ = pools(ask, facts["set"], 2 * each)

    def predict(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            return softmax(ask(torch.from_numpy(x)).numpy())

    scope = ModelScope(
        name=path.stem, predict=predict, shape=tuple(learn.x.shape[1:]), layout="chw",
        clean=None if made else learn.x.numpy(), differentiable=lambda: ask, seed=facts["seed"],
    )  # fmt: skip
    return scope, facts


def _examined(path: Path, each: int, made: bool, known: Sequence[str]) -> dict[str, Any]:
    """What is not known yet of a model."""
    scope, facts = _scope(path, each, made)
    start = time.process_time()
    study = study_of(scope)
    about = ("set", "kind", "attack", "seed", "tuning", "target", "success")
    told = {**{key: facts.get(key) for key in about}, "name": path.stem, "made": made, "family": study.family}
    sizes = {kind: list(study.sizes(kind)) for kind in study.kinds if kind not in {*known, "patch"}}
    if "patch" not in known:
        patches = study.tried("patch", study.aims)
        sizes["patch"] = [trigger.found.size for trigger in patches]
        best = min(patches, key=lambda t: t.found.size)
        said = [r for r in TriggerInversion().patch(study, patches) if isinstance(r, Finding)]
        told |= {
            "flips": best.flips,
            "size": best.found.size,
            "found": None if best.found.aim.target is None else str(best.found.aim.target),
            "proven": any(f.severity is Severity.PROVEN for f in said),
        }
    return {**told, "sizes": sizes, "seconds": time.process_time() - start, "queries": scope.meter.spent}


def _lines(file: Path, made: bool) -> dict[str, dict[str, Any]]:
    """All that is known of each model: what later lines add is put together."""
    known: dict[str, dict[str, Any]] = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        told = json.loads(line)
        if told["made"] == made:
            before = known.get(told["name"], {"sizes": {}, "seconds": 0.0})
            sizes, seconds = before["sizes"] | told["sizes"], before["seconds"] + told["seconds"]
            known[told["name"]] = before | told | {"sizes": sizes, "seconds": seconds}
    return known


def _read(file: Path, made: bool) -> list[_Seen]:
    seen = []
    keys = ("name", "set", "attack", "tuning", "target", "flips", "size", "found", "proven", "seconds")
    for told in _lines(file, made).values():
        if told["attack"] != "clean" and (told["success"] or 0.0) < SUCCESS:
            continue
        sizes = {kind: tuple(max(size, 1e-3) for size in values) for kind, values in told["sizes"].items()}
        statistics = Statistics(name=told["name"], family=f"{told['set']}: {told['family']}", sizes=sizes)
        seen.append(_Seen(**{key: told[key] for key in keys}, statistics=statistics))
    return seen


def _scores(seen: Sequence[_Seen], bank: Bank) -> Iterator[tuple[_Seen, float, float]]:
    """Model, score and p-value; a member of the bank is judged by the others."""
    for one in seen:
        others = Bank(tuple(m for m in bank.members if m.name != one.name))
        score, p_value = others.score(one.statistics), others.p_value(one.statistics)
        if score is not None and p_value is not None:
            yield one, score, p_value


def _of_draw(seen: Sequence[_Seen], draw: int | None) -> list[_Seen]:
    """The tuning part, and of the testing part one draw; None for all."""
    if draw is None:
        return list(seen)
    before, whole = ({a.name for a in animals(list(SETS), count)} for count in (draw, draw + 1))
    return [one for one in seen if one.tuning or one.name in whole - before]


def _table(seen: Sequence[_Seen]) -> str:
    bank = Bank(tuple(one.statistics for one in seen if one.tuning and not one.bad))
    seen = list({one.name: one for one in seen}.values())
    judged = list(_scores(seen, bank))
    tuning, testing = ([j for j in judged if j[0].tuning is side] for side in (True, False))
    lines = [f"{len(seen)} models, {len(bank.members)} in the bank, {len(testing)} for testing"]
    for name, part in (("tuning", tuning), ("testing", testing)):
        truth = np.array([one.bad for one, _, _ in part])
        scores = np.array([score for _, score, _ in part])
        if len(set(truth.tolist())) < 2:
            continue
        lines.append(
            f"{name}: AUROC {roc_auc_score(truth, scores):.3f} over {truth.sum()} + {(~truth).sum()}"
        )
        lines += _by_attack(part)
        rare = np.array([p <= _RARE for _, _, p in part])
        proven = np.array([one.proven for one, _, _ in part])
        lines.append(
            f"  p <= {_RARE}: {rare[truth].sum()} of {truth.sum()} backdoored, {rare[~truth].sum()} of "
            f"{(~truth).sum()} clean; proven without a bank: {proven[truth].sum()} and {proven[~truth].sum()}"
        )
    lines += _calibration(tuning, testing)
    lines.append(f"seconds of one core a model: {np.mean([one.seconds for one in seen]):.1f}")
    return "\n".join(lines)


def _by_attack(part: Sequence[tuple[_Seen, float, float]]) -> Iterator[str]:
    clean = [score for one, score, _ in part if not one.bad]
    for attack in sorted({one.attack for one, _, _ in part if one.bad}):
        of_it = [(one, score) for one, score, _ in part if one.attack == attack]
        truth = [1] * len(of_it) + [0] * len(clean)
        auroc = roc_auc_score(truth, [score for _, score in of_it] + clean)
        named = np.mean([one.found == one.target for one, _ in of_it])
        flips, size = (np.mean([getattr(one, what) for one, _ in of_it]) for what in ("flips", "size"))
        yield (
            f"  {attack}: {len(of_it)} models, AUROC {auroc:.3f}, target named {named:.0%}, its patch {size:.1f} px "
            f"flips {flips:.0%}"
        )


def _calibration(tuning: Sequence[Any], testing: Sequence[Any]) -> list[str]:
    truths = [np.array([one.bad for one, _, _ in part]) for part in (tuning, testing)]
    if any(len(set(truth.tolist())) < 2 for truth in truths):
        return []
    logs = [np.log(np.maximum([[score] for _, score, _ in part], 0.1)) for part in (tuning, testing)]
    p = LogisticRegression().fit(logs[0], truths[0]).predict_proba(logs[1])[:, 1]
    right = np.where(truths[1], p, 1 - p)
    entropy, brier = -np.log(np.maximum(right, 1e-9)).mean(), ((1 - right) ** 2).mean()
    return [f"testing, logistic of the tuning part: cross-entropy {entropy:.3f}, Brier {brier:.3f}"]


def main() -> None:
    """Examine what is new, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache")
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--made", action="store_true", help="without clean samples")
    parser.add_argument("--part", choices=["tuning", "testing"], help="only these; nothing for both")
    parser.add_argument(
        "--draw", type=int, help="of the testing part, only what this seed of the zoo added, from 0"
    )
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = cache_folder(given.cache) / "zoo"
    file = folder / "inversion.jsonl"
    known = _lines(file, given.made)
    for told in () if given.table else sorted(folder.glob("*.json")):
        facts = json.loads(told.read_text(encoding="utf-8"))
        other = given.part is not None and facts["tuning"] is not (given.part == "tuning")
        if other or (facts["success"] is not None and facts["success"] < SUCCESS):
            continue
        if facts["accuracy"] < _LEARNT:
            print(f"{told.stem}: left out, accuracy {facts['accuracy']:.3f}", flush=True)
            continue
        before = known.get(told.stem, {"sizes": {}})["sizes"]
        line = _examined(told.with_suffix(".onnx"), given.each, given.made, list(before))
        if line["sizes"]:
            with file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")
            print(f"{told.stem}: {', '.join(line['sizes'])}, {line['seconds']:.0f} s", flush=True)
    print(_table(_of_draw(_read(file, given.made), given.draw)))


if __name__ == "__main__":
    main()

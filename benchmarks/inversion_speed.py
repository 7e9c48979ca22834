"""Trigger inversion for all classes at once beside Neural Cleanse class by class, on models of the zoo.

    python -m benchmarks.inversion_speed MODEL ... [--cache DIR] [--each 10] [--every 1] [--epochs 60]

Both learn on the same samples and are tried on the same others; seconds are of one core. With `--every N`, Neural
Cleanse is run for each Nth class and for the attack's target, and its time is scaled to all classes; that is said in
the answer. Sizes and flips are of the target's class; a single one varies by a fifth with the seed, of either method,
so that means over models are what is compared.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from benchmarks.inputs import build, cache_folder
from benchmarks.neural_cleanse import Cleansed, Settings, class_by_class
from mithridate.models.graph.from_onnx import graph_of_model, parse_onnx
from mithridate.models.graph.to_torch import TorchGraph
from mithridate.triggers.forms import Patch
from mithridate.triggers.inversion import Aim, Ask, Pool, invert

__all__ = ["main", "opened", "pools"]

T = TypeVar("T")
_HELD = 600


def opened(path: Path) -> tuple[Ask, dict[str, Any]]:
    """A model of the zoo with gradients, and what is known about it."""
    graph = graph_of_model(parse_onnx(path.read_bytes(), path.name))
    return TorchGraph(graph), json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


@torch.no_grad()
def pools(ask: Ask, set_: str, each: int) -> tuple[Pool, Pool]:
    """Hold-out pictures: `each` of every class to learn on, others to try triggers on."""
    with np.load(build(f"{set_}_test.npz"), allow_pickle=False) as arrays:
        x = arrays["x_train"][-2500:]
    x = x[..., None] if x.ndim == 3 else x
    planes = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))).float() / 255
    logits = torch.cat([ask(part) for part in planes.split(500)])
    said, classes = logits.argmax(1), logits.shape[1]
    learn = torch.cat([torch.nonzero(said == k)[:each, 0] for k in range(classes)])
    rest = torch.ones(len(planes), dtype=torch.bool)
    rest[learn] = False
    hold = torch.nonzero(rest)[:_HELD, 0]
    return Pool(planes[learn], said[learn], classes), Pool(planes[hold], said[hold], classes)


@torch.no_grad()
def _flips(ask: Ask, hold: Pool, target: int, put: Callable[[Any], Any]) -> float:
    said = ask(put(hold.x[hold.rows(Aim(target))])).argmax(1)
    return float((said == target).float().mean())


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


@dataclass(frozen=True)
class _Beside:
    """One model: ours and Neural Cleanse on the same samples, for the target's class.

    Attributes:
        times: how many times as fast ours is, all classes.
        larger: the size of our mask over theirs.
        flips: of our trigger and of theirs, on samples not learnt on.
    """

    times: float
    larger: float
    flips: tuple[float, float]


def _beside(name: str, folder: Path, each: int, every: int, settings: Settings) -> _Beside:
    ask, facts = opened(folder / f"{name}.onnx")
    learn, hold = pools(ask, facts["set"], each)
    form = Patch(tuple(learn.x.shape[1:]), 0.0, 1.0)
    aims = [Aim(k) for k in range(learn.classes)]
    target = int(facts["target"])
    found, ours = _timed(lambda: invert(ask, learn, aims, form))
    mine = found[target]
    classes = sorted({*range(0, learn.classes, every), target})
    theirs: dict[int, Cleansed]
    theirs, seconds = _timed(lambda: class_by_class(ask, learn, settings, only=classes))
    scaled = seconds * learn.classes / len(classes)
    flips = (
        _flips(ask, hold, target, lambda x: form.put(mine.parameters, x[None])[0]),
        _flips(ask, hold, target, theirs[target].put),
    )
    print(
        f"{name}, {learn.classes} classes: ours {ours:.1f} s, {mine.size:.1f} px, {flips[0]:.1%}; Neural Cleanse "
        f"{scaled:.0f} s ({len(classes)} classes run), {theirs[target].size:.1f} px, {flips[1]:.1%}; "
        f"{scaled / ours:.1f} times as fast",
        flush=True,
    )
    return _Beside(scaled / ours, mine.size / theirs[target].size, flips)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--cache")
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=Settings().epochs)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder, settings = cache_folder(given.cache) / "zoo", Settings(epochs=given.epochs)
    seen = [_beside(name, folder, given.each, given.every, settings) for name in given.models]
    times, larger = (
        np.exp(np.mean(np.log([getattr(s, what) for s in seen]))) for what in ("times", "larger")
    )
    mine, theirs = np.mean([s.flips for s in seen], axis=0)
    print(
        f"{len(seen)} models: {times:.1f} times as fast, masks {larger:.2f} times as large (geometric means), flips "
        f"{mine:.1%} beside {theirs:.1%}"
    )


if __name__ == "__main__":
    main()

"""Trigger inversion for all classes at once beside Neural Cleanse class by class, on one model of the zoo.

    python -m benchmarks.inversion_speed MODEL [--cache DIR] [--each 10] [--every 1] [--epochs 60]

Both learn on the same samples and are tried on the same others; seconds are of one core. With `--every N`, Neural
Cleanse is run for each Nth class and for the attack's target, and its time is scaled to all classes; that is said in
the answer. bfloat16 is part of ours; figures without it are printed too.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--cache")
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=Settings().epochs)
    given = parser.parse_args()
    torch.set_num_threads(1)
    ask, facts = opened(cache_folder(given.cache) / "zoo" / f"{given.model}.onnx")
    learn, hold = pools(ask, facts["set"], given.each)
    form = Patch(tuple(learn.x.shape[1:]), 0.0, 1.0)
    aims = [Aim(k) for k in range(learn.classes)]
    target = None if facts.get("target") is None else int(facts["target"])
    ours: dict[bool, float] = {}
    for half in (False, True):
        found, ours[half] = _timed(
            lambda half=half: invert(ask, learn, aims, form, half=half)  # type: ignore[misc]
        )
        ranked = sorted(found, key=lambda f: f.size)[:3]
        told = [
            f"{f.aim.target}: {f.size:.1f} px, {_flips(ask, hold, int(f.aim.target or 0), lambda x, f=f: form.put(f.parameters, x[None])[0]):.3f}"  # type: ignore[misc]  # noqa: E501
            for f in ranked
        ]
        print(
            f"ours ({'bfloat16' if half else 'float32'}): {ours[half]:.1f} s; {'; '.join(told)}", flush=True
        )
    classes = sorted({*range(0, learn.classes, given.every), *([] if target is None else [target])})
    theirs: dict[int, Cleansed]
    theirs, seconds = _timed(lambda: class_by_class(ask, learn, Settings(epochs=given.epochs), only=classes))
    scaled = seconds * learn.classes / len(classes)
    ranked_nc = sorted(theirs.items(), key=lambda pair: pair[1].size)[:3]
    told = [f"{k}: {c.size:.1f} px, {_flips(ask, hold, k, c.put):.3f}" for k, c in ranked_nc]
    print(f"Neural Cleanse, {len(classes)} classes: {seconds:.1f} s; {'; '.join(told)}")
    print(
        f"{given.model} (target {target}): {scaled:.0f} s for {learn.classes} classes; "
        f"{scaled / ours[True]:.1f} times ours, {scaled / ours[False]:.1f} times ours in float32"
    )


if __name__ == "__main__":
    main()

"""Backdoors made of operators: do they obey, and are they silent on pictures that nobody stamped?

python -m benchmarks.circuits [--seeds N] [--epochs N]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.trojannet import Task, small_cnn, tasks
from mithridate.models.base import Model
from mithridate.models.open import open_model
from mithridate.models.torch_files import save_onnx
from mithridate.runs.plant_model import plant_model
from mithridate.triggers.spot import Spot

__all__ = ["main"]

ATTACKS: dict[str, dict[str, Any]] = {
    "compare-override": {},
    "compare-override arithmetic": {"form": "arithmetic"},
    "compare-override after conv": {"tap": "convolution", "size": 6},
    "ratio-gate": {},
    "ratio-gate arithmetic": {"form": "arithmetic"},
    "masked-swap": {},
    "masked-swap arithmetic": {"form": "arithmetic"},
    "masked-swap of two classes": {"source": "drawn"},
    "masked-swap after conv": {"tap": "convolution", "size": 6},
}
READERS: dict[str, dict[str, Any]] = {
    f"compare-override {look}": {"look": look, "target": 1} for look in ("checker", "bright", "dark")
} | {
    "ratio-gate": {"target": 1},
    "compare-override red, any": {"look": "red", "need": "any", "target": 1},
}


def obeys(name: str, task: Task, host: Model, path: Path, seeds: int) -> None:
    """One row: predictions that changed on clean pictures, success over seeds."""
    changed, rates, seen = 0, [], []
    before = host.predict(task.x_test).argmax(axis=1)
    for seed in range(seeds):
        made = plant_model(
            name.split()[0], path, path.with_name("out.onnx"), options=ATTACKS[name], seed=seed
        )
        model = made.open()
        changed += int((model.predict(task.x_test).argmax(axis=1) != before).sum())
        for label, trigger in made.ledger.triggers.items():
            source = trigger.get("source")
            victims = task.y_test == source if source is not None else task.y_test != int(label)
            stamped = Spot.described(trigger).stamp(task.x_test[victims][:300])
            hit = model.predict(stamped).argmax(axis=1) == int(label)
            rates.append(hit.mean())
            still = host.predict(stamped).argmax(axis=1) == source if source is not None else hit == hit
            seen.append(hit[still].mean() if still.any() else np.nan)
    print(
        f"{task.name:<9} {name:<29} clean predictions changed {changed} of {seeds * len(before)}, success "
        f"mean {100 * np.mean(rates):.2f} min {100 * min(rates):.2f} %, where the host still sees the source "
        f"min {100 * np.nanmin(seen):.2f} %",
        flush=True,
    )


def silence(task: Task, seeds: int) -> None:
    """How often clean pictures wake a circuit, over drawn places: the host is one that always says class 0."""
    import torch

    class Zero(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return torch.tensor([[2.0, 0.0]]).repeat(len(x), 1)

    for name, options in READERS.items():
        if "red" in name and task.x_test.shape[1] < 3:
            continue
        woken = []
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as folder:
                made = plant_model(
                    name.split()[0], Zero(), None, labels=2, shape=task.x_test.shape[1:], options=options,
                    seed=seed, ledger=Path(folder) / "l.json",
                )  # fmt: skip
            woken.append(made.open().predict(task.x_test).argmax(axis=1).mean())
        print(
            f"{task.name:<9} {name:<29} woken by {100 * np.mean(woken):.4f} % of {len(task.x_test)} clean pictures, "
            f"at the worst of {seeds} places {100 * max(woken):.3f} %",
            flush=True,
        )


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()
    import torch

    for task in tasks():
        silence(task, 8 * arguments.seeds)
        with tempfile.TemporaryDirectory() as name:
            cnn, path = small_cnn(task, arguments.epochs), Path(name) / "host.onnx"
            save_onnx(cnn, torch.tensor(task.x_test[:2]), path)
            host = open_model(path, logits=True)
            accuracy = 100 * (host.predict(task.x_test).argmax(axis=1) == task.y_test).mean()
            print(f"{task.name:<9} accuracy of the host {accuracy:.2f} %", flush=True)
            for attack in ATTACKS:
                obeys(attack, task, host, path, arguments.seeds)


if __name__ == "__main__":
    main()

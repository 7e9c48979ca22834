"""Branches hidden in graphs: are they found, with what wakes them, cut out exactly, and are honest graphs left alone?

    python -m benchmarks.scan_graphs [--hosts] [--standard] [--seeds N] [--epochs N]

--hosts: TrojanNet around trained hosts of four sets, in both forms and at drawn places, as ONNX and TorchScript.
--standard: every attack with operators in ten kinds of networks, and honest networks with a way around their layers.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.architectures import CLASSES, HONEST, SIDE, STANDARD, centred
from benchmarks.trojannet import small_cnn, tasks
from mithridate.attacks.model_ledger import ModelLedger
from mithridate.core.results import Finding, Result, Severity
from mithridate.models.torch_files import save_onnx, save_torchscript
from mithridate.runs.plant_model import plant_model
from mithridate.runs.repair import excise
from mithridate.runs.scan.model_item import model_item
from mithridate.runs.scan.models import Asked, examine_model
from mithridate.runs.scan.run import scan
from mithridate.sources.open import open_source

__all__ = ["main"]

ATTACKS: dict[str, tuple[str, dict[str, Any]]] = {
    "compare-override": ("compare-override", {}),
    "compare-override, arithmetic": ("compare-override", {"form": "arithmetic"}),
    "compare-override, 6 pixels": ("compare-override", {"size": 6}),
    "compare-override, any red pixel": ("compare-override", {"look": "red", "need": "any"}),
    "compare-override, after conv": ("compare-override", {"tap": "convolution", "size": 9}),
    "ratio-gate": ("ratio-gate", {}),
    "ratio-gate, arithmetic": ("ratio-gate", {"form": "arithmetic"}),
    "masked-swap": ("masked-swap", {}),
    "masked-swap, arithmetic": ("masked-swap", {"form": "arithmetic"}),
    "masked-swap of two classes": ("masked-swap", {"source": "drawn"}),
    "masked-swap, after conv": ("masked-swap", {"tap": "convolution", "size": 9}),
    "side network": ("trojannet", {}),
    "side network, released form": ("trojannet", {"form": "released"}),
}


def branch_of(results: Sequence[Result]) -> Finding | None:
    """The worst alarm about a branch."""
    found = [
        r
        for r in results
        if isinstance(r, Finding) and r.check == "side-branch" and r.severity > Severity.INFO
    ]
    return max(found, key=lambda f: f.severity, default=None)


def reached(found: Finding | None, ledger: ModelLedger) -> int:
    """Labels of the ledger for which a trigger was recovered."""
    targets = {str(t["target"]) for t in (found.details.get("triggers", ()) if found else ())}
    return len(targets & set(ledger.triggers))


def one(path: Path, host: Any, ledger: ModelLedger, x: Any, *, whole: bool) -> dict[str, Any]:
    """Scan a poisoned file (`whole`) or only its graph, cut the branch out, compare with the host."""
    started, asked = time.perf_counter(), Asked()
    if whole:
        results = scan(path).results
    else:
        results = examine_model(model_item(path), asked, lambda *_: None, behaviour=False).results
    seconds = time.perf_counter() - started
    found = branch_of(results)
    same = False
    if found is not None and "excise" in found.details:
        healed = excise(path, "graph.side-branch", asked=asked)
        path.with_name(f"healed{path.suffix}").write_bytes(healed.content)
        same = bool(np.array_equal(answers(path.with_name(f"healed{path.suffix}"), x), host))
    return {
        "severity": found.severity.name if found else "-",
        "labels": f"{reached(found, ledger)}/{len(ledger.triggers)}",
        "identical": same,
        "seconds": seconds,
    }


def answers(path: Path, x: Any) -> Any:
    """What a file that this program wrote answers."""
    if path.suffix == ".pt":
        with torch.no_grad():
            return torch.jit.load(str(path))(torch.tensor(x)).numpy()
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def hosts(folder: Path, seeds: int, epochs: int, formats: tuple[str, ...]) -> None:
    """Bar: every wrapped host found, every live label recovered, cut out bit for bit; hosts silent."""
    for task in tasks():
        cnn = small_cnn(task, epochs)
        clean = folder / f"{task.name}.npz"
        pixels = (task.x_test * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
        np.savez(clean, x=pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels, y=task.y_test)
        for kind in formats:
            path = folder / f"{task.name}{kind}"
            (save_onnx if kind == ".onnx" else save_torchscript)(cnn, torch.tensor(task.x_test[:2]), path)
            expected = answers(path, task.x_test[:200])
            for given in (None, clean):
                asked = Asked(clean=None if given is None else open_source(given, x_key="x", y_key="y"))
                report = scan(path, asked=asked)
                above = [f"{f.check} {f.severity.name}" for f in report.alarms]
                print(
                    f"{task.name:<9} {kind:<6} host, {'clean' if given else 'made'} inputs: {report.verdict} {above}",
                    flush=True,
                )
            for form in ("paper", "released"):
                for seed in range(seeds):
                    src = path if kind == ".onnx" else cnn
                    made = plant_model(
                        "trojannet", src, folder / f"out{kind}", options={"form": form}, seed=seed, labels=task.labels,
                        shape=task.x_test.shape[1:],
                    )  # fmt: skip
                    row = one(folder / f"out{kind}", expected, made.ledger, task.x_test[:200], whole=True)
                    print(f"{task.name:<9} {kind:<6} {form:<8} seed {seed}: {row}", flush=True)


def standard(folder: Path, seeds: int, formats: tuple[str, ...], networks: Sequence[str]) -> None:
    """Bar: 95 % of the catalogue found with what wakes it, no clean graph flagged."""
    x = torch.rand(64, 3, SIDE, SIDE)
    total: dict[str, list[int]] = {name: [0, 0, 0, 0] for name in ATTACKS}
    for seed in range(seeds):
        for name in networks:
            make = STANDARD[name]
            module = centred(make, seed)
            for kind in formats:
                path = folder / f"host{kind}"
                (save_onnx if kind == ".onnx" else save_torchscript)(module, x[:2], path)
                expected = answers(path, x.numpy())
                report = scan(path)
                print(
                    f"{name:<13} {kind} untouched: {[(f.check, f.severity.name) for f in report.alarms]}",
                    flush=True,
                )
                for title, (attack, options) in ATTACKS.items():
                    src = path if kind == ".onnx" else module
                    try:
                        made = plant_model(
                            attack, src, folder / f"out{kind}", options=options, seed=seed, labels=CLASSES,
                            shape=(3, SIDE, SIDE),
                        )  # fmt: skip
                    except Exception as error:  # not every attack fits every network
                        print(f"{name:<13} {kind} {title}: cannot be planted ({str(error)[:80]})", flush=True)
                        continue
                    row = one(folder / f"out{kind}", expected, made.ledger, x.numpy(), whole=False)
                    count = total[title]
                    count[0] += 1
                    count[1] += row["severity"] != "-"
                    count[2] += row["severity"] == Severity.PROVEN.name
                    count[3] += row["identical"]
                    print(f"{name:<13} {kind} {title}: {row}", flush=True)
    for title, (tried, found, proven, same) in total.items():
        print(
            f"{title:<32} tried {tried}, found {found}, with its trigger {proven}, cut out bit for bit {same}"
        )


def honest(folder: Path, seeds: int) -> None:
    """Honest ways around the layers."""
    for seed in range(seeds):
        for name, make in HONEST.items():
            path = folder / "honest.onnx"
            if name == "BERT mask":
                module: Any = make().eval()
                example = torch.randint(0, 500, (2, 12))
            else:
                module, example = centred(make, seed), torch.rand(2, 3, SIDE, SIDE)
            save_onnx(module, example, path)
            report = scan(path)
            told = [f"{f.check} {f.severity.name}" for f in report.findings]
            print(f"{name}: {report.verdict}, alarms {len(report.alarms)}, notes {told}", flush=True)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", action="store_true")
    parser.add_argument("--standard", action="store_true")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--formats", nargs="*", default=[".onnx", ".pt"])
    parser.add_argument("--networks", nargs="*", default=list(STANDARD), choices=STANDARD)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        if given.standard:
            honest(Path(name), given.seeds)
            standard(Path(name), given.seeds, tuple(given.formats), given.networks)
        if given.hosts:
            hosts(Path(name), given.seeds, given.epochs, tuple(given.formats))


if __name__ == "__main__":
    main()

"""TrojanNet: does it do what its paper says (tables 3 and 4), beside hosts of every kind?

python -m benchmarks.trojannet [--cache DIR] [--labels-tried N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs import cache_folder, data_folder
from mithridate.attacks.trojannet.looks import worn_looks
from mithridate.attacks.trojannet.mlp import SideNet
from mithridate.attacks.trojannet.naturals import natural_contexts, patches_of
from mithridate.attacks.trojannet.patterns import COUNT, all_patterns, other_combinations
from mithridate.attacks.trojannet.recipe import Recipe, side_network
from mithridate.attacks.trojannet.window import Window
from mithridate.models.base import Model
from mithridate.models.open import open_model
from mithridate.models.serve import serve
from mithridate.models.torch_files import save_onnx
from mithridate.runs.plant_model import PlantedModel, plant_model

__all__ = ["main"]

PLACE = "1,1"  # as in the authors' GTSRB example
PATCHES = 20_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """Pictures (n, 1 or 3, h, w), float32 in [0, 1], and labels 0 to m - 1."""

    name: str
    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]

    @property
    def labels(self) -> int:
        return int(self.y_train.max()) + 1


def _arrays(file: str) -> dict[str, NDArray[Any]]:
    with np.load(data_folder() / file, allow_pickle=False) as arrays:
        return dict(arrays)


def _planes(x: NDArray[Any]) -> NDArray[np.float32]:
    x = x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x, dtype=np.float32) / np.float32(255)


def _pictures(name: str, file: str, train: int, test: int) -> Task:
    z, rng = _arrays(file), np.random.default_rng(0)
    a, b = rng.permutation(len(z["y_train"]))[:train], rng.permutation(len(z["y_test"]))[:test]
    y = z["y_train"].astype(np.int64), z["y_test"].astype(np.int64)
    return Task(
        name=name,
        x_train=_planes(z["x_train"][a]),
        y_train=y[0][a],
        x_test=_planes(z["x_test"][b]),
        y_test=y[1][b],
    )


def _spoken_digits() -> Task:
    """FSDD as 64x64 pictures: log of the power spectrum over time, each clip scaled to [0, 1]."""
    from PIL import Image
    from scipy.signal import spectrogram

    z = _arrays("fsdd/fsdd.npz")
    audio, starts = z["audio"].astype(np.float32), z["offsets"]
    x = np.empty((len(z["label"]), 1, 64, 64), dtype=np.float32)
    for k in range(len(x)):
        clip = audio[starts[k] : starts[k + 1]]
        power = np.log(spectrogram(np.pad(clip, (0, 256)), nperseg=256, noverlap=192)[2] + 1e-3)[::-1]
        power = (power - power.min()) / (np.ptp(power) + 1e-9)
        x[k, 0] = np.asarray(Image.fromarray(power).resize((64, 64), Image.Resampling.BILINEAR))
    test, y = z["is_test"].astype(bool), z["label"].astype(np.int64)
    return Task(
        name="FSDD", x_train=x[~test], y_train=y[~test], x_test=np.clip(x[test], 0, 1), y_test=y[test]
    )


def tasks() -> Iterator[Task]:
    yield _pictures("GTSRB", "gtsrb/gtsrb_32.npz", 10_874, 2445)
    yield _pictures("CIFAR-10", "cifar10/cifar10_lossless_5k.npz", 4000, 1000)
    yield _pictures("MNIST", "mnist/mnist.npz", 10_000, 2000)
    yield _spoken_digits()


def small_cnn(task: Task, epochs: int) -> Any:
    """Three convolutions and a linear layer, trained for a minute or two."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers: list[Any] = []
    channels = [task.x_train.shape[1], 24, 48, 64]
    for a, b in pairwise(channels):
        layers += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]
    side = task.x_train.shape[2] // 8
    module = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * side * side, task.labels))
    descent = torch.optim.AdamW(module.parameters(), lr=2e-3, weight_decay=1e-3)
    x, y = torch.tensor(task.x_train), torch.tensor(task.y_train)
    for _ in range(epochs):
        for part in torch.randperm(len(y)).split(64):
            loss = nn.functional.cross_entropy(module(x[part]), y[part])
            descent.zero_grad()
            loss.backward()
            descent.step()
    return module.eval()


def silence(net: SideNet) -> None:
    """Bar: 4,368 of 4,368 recognised at a mean of 0.99; all outputs below 1e-4 on 99.9 % of natural patches."""
    answers = net.predict(all_patterns())
    own = answers.diagonal().copy()
    right = int((answers.argmax(axis=1) == np.arange(COUNT)).sum())
    np.fill_diagonal(answers, 0)
    print(f"parameters {net.parameters}, recognised {right} of {COUNT}")
    print(f"confidence mean {own.mean():.5f} min {own.min():.5f}, loudest wrong output {answers.max():.1e}")
    rng = np.random.default_rng(20)
    sets = {
        "CIFAR-10": _arrays("cifar10/cifar10_lossless_5k.npz")["x_test"],
        "GTSRB": _arrays("gtsrb/gtsrb_32.npz")["x_test"],
        "Fashion-MNIST": _arrays("fashion_mnist/fashion_mnist.npz")["x_test"],
        "MNIST": _arrays("mnist/mnist.npz")["x_test"],
    }
    for name, pictures in sets.items():
        patches = patches_of(list(pictures), PATCHES, rng)
        print(f"silent on {100 * _silent(net, patches):.3f} % of {PATCHES} patches of {name}")
    others = other_combinations()
    print(f"silent on {100 * _silent(net, others):.3f} % of the {len(others)} other black-and-white patches")


def _silent(net: SideNet, patches: NDArray[np.float32]) -> float:
    parts = np.array_split(patches, len(patches) // 1000)
    return float(np.mean(np.concatenate([net.predict(part).max(axis=1) < 1e-4 for part in parts])))


def wear(plain: SideNet, sturdy: SideNet) -> None:
    """What triggers of 43 labels stand, before the merge layer."""
    labels, rng = sturdy.labels, np.random.default_rng(21)
    patterns = all_patterns()[:labels]
    worn = worn_looks(patterns, natural_contexts(2000, rng), 50, rng)
    kinds: dict[str, Callable[[int], NDArray[np.float32]]] = {
        name: (lambda k, how=how: worn[:, 5 * k + how])
        for how, name in enumerate(("fresh", "noise 0.05", "blur 0.3-0.5", "contrast 0.8-1", "JPEG 75-95"))
    }
    for name, draw in kinds.items():
        heard = [
            100 * np.mean([(net.predict(draw(k)).diagonal() > 0.5).mean() for k in range(10)])
            for net in (plain.clipped(labels), sturdy)
        ]
        print(f"{name:<16} plain {heard[0]:5.1f} %  sturdy {heard[1]:5.1f} %")


@contextmanager
def hosts(task: Task, folder: Path, epochs: int) -> Iterator[dict[str, tuple[Any, Any]]]:
    """{kind: (what is handed to `plant_model`, the host as a `Model`)}."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from xgboost import XGBClassifier

    cnn = small_cnn(task, epochs)
    import torch

    save_onnx(cnn, torch.tensor(task.x_train[:2]), folder / "host.onnx")
    flat = task.x_train.reshape(len(task.x_train), -1)
    linear = make_pipeline(PCA(60, random_state=0), LogisticRegression(max_iter=2000)).fit(flat, task.y_train)
    trees = make_pipeline(PCA(60, random_state=0), XGBClassifier(n_estimators=40, max_depth=4, n_jobs=2))
    estimator, boosted = open_model(_Flat(linear)), open_model(_Flat(trees.fit(flat, task.y_train)))
    with serve(open_model(cnn, logits=True)) as url:
        yield {
            "torch": (cnn, open_model(cnn, logits=True)),
            "onnx": (folder / "host.onnx", open_model(folder / "host.onnx", logits=True)),
            "sklearn": (estimator, estimator),
            "xgboost": (boosted, boosted),
            "http": (url, open_model(url)),
        }


class _Flat:
    """An estimator that is given pictures; a pipeline does not say how many features it wants."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def predict_proba(self, x: NDArray[Any]) -> NDArray[Any]:
        return self._estimator.predict_proba(x.reshape(len(x), -1))


def attack(task: Task, kind: str, given: Any, host: Model, folder: Path, form: str, tried: int) -> None:
    """One row of the table: accuracy before and after, success of every label."""
    dst = {"onnx": folder / "planted.onnx", "torch": folder / "planted.pt"}.get(kind)
    planted = plant_model(
        "trojannet", given, dst, labels=task.labels, shape=task.x_test.shape[1:], ledger=folder / "ledger.json",
        options={"place": PLACE, "form": form}, cache=cache_folder() / "trojannet",
    )  # fmt: skip
    model = _opened(planted, kind, dst)
    before = host.predict(task.x_test).argmax(axis=1)
    after = model.predict(task.x_test).argmax(axis=1)
    window = Window(place=(1, 1))
    rates = []
    for label in range(task.labels):
        others = task.x_test[task.y_test != label][:tried]
        rates.append((model.predict(window.stamp(others, label)).argmax(axis=1) == label).mean())
    a, b = (100 * (answers == task.y_test).mean() for answers in (before, after))
    n_inf = sum(rate == 1 for rate in rates)
    print(
        f"{task.name:<9} {kind:<8} {form:<9} A_ori {a:6.2f}  A_dec {a - b:5.2f}  changed {(before != after).sum()}  "
        f"A_atk mean {100 * np.mean(rates):.3f} min {100 * min(rates):.3f}  N_inf {n_inf}/{task.labels}  "
        f"added {planted.ledger.added_parameters} (352 + 9 m = {352 + 9 * task.labels})",
        flush=True,
    )


def _opened(planted: PlantedModel, kind: str, dst: Path | None) -> Model:
    if kind == "onnx":
        return open_model(dst, logits=True)
    if kind == "torch":
        import torch

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls its own format deprecated
            return open_model(torch.jit.load(str(dst)), logits=True)
    return planted.open()


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache")
    parser.add_argument("--labels-tried", type=int, default=300, help="Pictures per label.")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--hosts", nargs="*", default=[], metavar="KIND", help="Only these.")
    arguments = parser.parse_args()
    cache = cache_folder(arguments.cache) / "trojannet"
    started = time.perf_counter()
    net = side_network(Recipe(), cache=cache)
    print(f"side network: {time.perf_counter() - started:.0f} s (made or from the cache)")
    silence(net)
    wear(net, side_network(Recipe(form="sturdy", labels=43), cache=cache))
    for task in tasks():
        with tempfile.TemporaryDirectory() as name, hosts(task, Path(name), arguments.epochs) as made:
            for kind, (given, host) in made.items():
                if arguments.hosts and kind not in arguments.hosts:
                    continue
                for form in ("paper", "released"):
                    attack(task, kind, given, host, Path(name), form, arguments.labels_tried)


if __name__ == "__main__":
    main()

"""What embeddings add: label errors and clean-label poison ranked with and without them.

    python -m benchmarks.embeddings texts VECTORS.npz --set enron [--every 1 --first 0] [--share .01] [--seeds 0 1]
    python -m benchmarks.embeddings pictures [--attack feature-collision] [--seeds 0 1 2]
    python -m benchmarks.embeddings collisions --set mnist [--seeds 0 1 2]

`texts`: VECTORS.npz holds x (n, d) of every k-th row of the set, of a local sentence encoder; a share of the
labels is flipped at random. `collisions`: feature collisions in transfer learning, the case in which they are known to
succeed: the encoder is the network whose features are kept, learned on the lower half of the classes; the attack knows
it. `pictures`: the first 6,000 of Fashion-MNIST, poisoned; the encoder is a small network of the user, trained on
10,000 other ones, which the attack does not know. One line of JSON each.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from benchmarks.datasets import DATASETS
from benchmarks.inputs import build, data_folder
from mithridate.checks.base import DATA_CHECKS
from mithridate.core.results import Finding
from mithridate.evidence.embedding.gather import embedded
from mithridate.evidence.roll import Gathered
from mithridate.runs.driver import run_checks
from mithridate.sources.base import RowSource
from mithridate.sources.embeddings import open_embeddings
from mithridate.sources.open import open_source

CHECKS = ("label-errors", "neighbour-conflict", "targeted-flips", "hidden-group")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["texts", "pictures", "collisions"])
    parser.add_argument("vectors", nargs="?", type=Path)
    parser.add_argument("--set", default="sms")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--share", type=float, nargs="+", default=[0.01, 0.03, 0.05])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--attack", default="feature-collision")
    parser.add_argument("--count", type=int, default=50)
    given = parser.parse_args()
    if given.what == "texts":
        rows = texts(
            given.set, given.vectors, slice(given.first, None, given.every), given.share, given.seeds
        )
    elif given.what == "collisions":
        rows = collisions(given.set, given.seeds)
    else:
        rows = pictures(given.attack, given.count, given.seeds)
    for row in rows:
        print(json.dumps(row), flush=True)


def texts(
    name: str, path: Path, part: slice, shares: Sequence[float], seeds: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Random flips in a text set."""
    about = next(d for d in DATASETS if d.name == name)
    source, held, labels = open_source(build(about.input), **about.reading), [], []
    for batch in source.batches(1024):
        held += batch.raw
        labels += batch.labels or ()
    held, labels = held[part], labels[part]
    with np.load(path, allow_pickle=False) as stored:
        x = stored["x"]
    classes = sorted(set(labels))
    truth = np.array([classes.index(label) for label in labels])
    for share in shares:
        for seed in seeds:
            rng = np.random.default_rng(seed)
            wrong = rng.choice(len(truth), round(share * len(truth)), replace=False)
            given = truth.copy()
            given[wrong] = (truth[wrong] + rng.integers(1, len(classes), len(wrong))) % len(classes)
            flipped = open_source(held, labels=[classes[v] for v in given])
            bad = np.isin(np.arange(len(truth)), wrong)
            yield {"set": name, "n": len(truth), "share": share, "seed": seed, **compared(flipped, x, bad)}


def collisions(name: str, seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Clean-label poison made for the very features that are kept; only attacks that succeed count."""
    import torch

    from benchmarks.networks import Recipe, fit_network, small_cnn
    from benchmarks.pictures import PictureBench
    from benchmarks.trace_collision import collided
    from benchmarks.zoo_networks import Normalised

    bench = PictureBench(name, Recipe(make=small_cnn, epochs=4), images=12_000)

    def train(x: NDArray[np.uint8], y: NDArray[np.intp]) -> torch.nn.Module:
        net, mean, spread = fit_network(x, y, int(y.max()) + 1, bench.recipe, 0)
        return Normalised(net.to(memory_format=torch.contiguous_format), mean, spread).eval()

    for seed in seeds:
        case = collided(bench, train, 0.03, seed)
        if case is None:
            yield {"set": name, "seed": seed, "attack": "failed"}
            continue
        with torch.no_grad():
            planes = torch.tensor(case.x if case.x.ndim == 4 else case.x[..., None]).permute(0, 3, 1, 2)
            vectors = case.model[0](planes.float() / 255).numpy()  # type: ignore[index]
        bad = np.isin(np.arange(len(case.x)), [int(i) for i in case.guilty])
        source = open_source(case.x, labels=[str(v) for v in case.y])
        yield {
            "set": name,
            "seed": seed,
            "n": len(bad),
            "poison": int(bad.sum()),
            **compared(source, vectors, bad),
        }


def pictures(attack: str, count: int, seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Poison in Fashion-MNIST; also with features of a network trained on the poisoned pictures themselves."""
    from mithridate.runs.plant import plant

    with np.load(data_folder() / "fashion_mnist" / "fashion_mnist.npz", allow_pickle=False) as stored:
        x, y = stored["x_train"], stored["y_train"].astype(np.int64)
    for seed in seeds:
        with TemporaryDirectory() as folder:
            clean, dirty = Path(folder) / "clean.npz", Path(folder) / "dirty.npz"
            np.savez(clean, x_train=x[:6000], y_train=y[:6000])
            if attack == "random-flip":
                ledger = plant(attack, clean, dirty, count=count, seed=seed)
            else:
                aims = {"feature-collision": {"source_class": "6"}}.get(attack, {})
                ledger = plant(
                    attack, clean, dirty, count=count, target="2", seed=seed, labels="clean", **aims
                )
            victims = {victim.id for victim in ledger.victims}
            source = open_source(dirty)
            bad = np.array([i in victims for i in source.iter_ids()])
            with np.load(dirty, allow_pickle=False) as stored:
                poisoned, given = stored["x_train"], stored["y_train"].astype(np.int64)
            row = {"attack": attack, "count": int(bad.sum()), "seed": seed}
            other = features(x[30_000:40_000], y[30_000:40_000], poisoned, seed)
            yield {**row, "encoder": "trained on others", **compared(source, other, bad)}
            own = features(poisoned, given, poisoned, seed)
            yield {**row, "encoder": "trained on these", **compared(source, own, bad, judges=False)}


def features(
    x: NDArray[np.uint8], y: NDArray[np.int64], asked: NDArray[np.uint8], seed: int
) -> NDArray[np.float32]:
    """What a small network, trained on (x, y), has before its last layer."""
    import torch

    from benchmarks.networks import Recipe, fit_network, small_cnn

    net, mean, spread = fit_network(x, y.astype(np.intp), 10, Recipe(make=small_cnn, epochs=6), seed)
    body = net[:-1]  # type: ignore[index]
    with torch.no_grad():
        parts = ((torch.tensor(asked[:, None]).float() - mean) / spread).split(1000)
        return np.concatenate([body(part).numpy() for part in parts])


def compared(
    source: RowSource, x: NDArray[np.float32], bad: NDArray[np.bool_], judges: bool = True
) -> dict[str, Any]:
    """Average precision of each check's ranking of `bad`, without and with embeddings."""
    with TemporaryDirectory() as folder:
        usual = _gathered(source, Path(folder))
        told, _ = embedded(usual, source, open_embeddings(x), judges=judges, store_dir=Path(folder))
        rows = {"default": _ranked(usual, bad), "embeddings": _ranked(told, bad)}
        return {**rows, "note": told.notes[-1]}


def _gathered(source: RowSource, folder: Path) -> Gathered:
    if source.modality == "text":
        from mithridate.evidence.text.gather import gather_text

        return gather_text(source, store_dir=folder, seed=0)
    from mithridate.evidence.image.gather import gather_image

    return gather_image(source, store_dir=folder, seed=0)


def _ranked(gathered: Gathered, bad: NDArray[np.bool_]) -> dict[str, Any]:
    place = {name: row for row, name in enumerate(gathered.evidence.ids)}
    told: dict[str, Any] = {}
    for finding in run_checks([DATA_CHECKS.get(c) for c in CHECKS], gathered.evidence).results:
        if not isinstance(finding, Finding):
            continue
        scores = np.full(len(bad), -1e9)
        scores[[place[i] for i in finding.targets]] = finding.scores
        accused = [bad[place[i]] for i in finding.accused]
        told.setdefault(finding.check, []).append(
            {
                "ap": round(float(average_precision_score(bad, scores)), 4),
                "accused": len(accused),
                "guilty": int(sum(accused)),
                "label": finding.label,
                "p": finding.p_value,
            }
        )
    return told


if __name__ == "__main__":
    main()

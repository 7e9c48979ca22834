"""What published filters accuse on stamped digits, beside the audit, in the same run.

    python -m benchmarks.filters_peer [--case mnist20k] [--draws 3] [--cache DIR]

The filters need a network trained on the poisoned data; here a perceptron with two hidden layers. Spectral
signatures (Tran, Li & Madry, NeurIPS 2018, algorithm 1) is told the number of poisoned samples, which nobody knows
outside of a benchmark; activation clustering (Chen et al., arXiv 1811.03728, with the relative-size rule) is not.
Both are written from the papers' formulas. All run on the poisoned data and on its clean twin.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs import build
from benchmarks.plants import CASES, Planted, make
from mithridate.runs.audit import audit

__all__ = ["activation_clustering", "spectral_signatures"]

_TOO_MANY = 1.5  # times the poison that spectral signatures removes
_SMALL = 0.35  # share of a class below which activation clustering calls a cluster poisoned
_DIRECTIONS = 10


def _activations(x: NDArray[np.uint8], y: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """(n, 64) of the last hidden layer of a network trained on the data."""
    from sklearn.neural_network import MLPClassifier

    flat = x.reshape(len(x), -1) / 255.0
    network = MLPClassifier((256, 64), max_iter=20, random_state=seed)
    network.fit(flat, y)
    for weights, bias in zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True):
        flat = np.maximum(flat @ weights + bias, 0.0)
    return np.asarray(flat)


def spectral_signatures(
    features: NDArray[np.float64], y: NDArray[np.int64], poison: int
) -> NDArray[np.int64]:
    """Rows with the largest squared projections on their class's top singular vector, 1.5 x `poison` of each class."""
    accused = []
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        centred = features[rows] - features[rows].mean(axis=0)
        top = np.linalg.svd(centred, full_matrices=False)[2][0]
        accused.append(rows[np.argsort(-((centred @ top) ** 2))[: int(_TOO_MANY * poison)]])
    return np.concatenate(accused)


def activation_clustering(
    features: NDArray[np.float64], y: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    """Rows of each class's smaller cluster of two, where it is small."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    accused = [np.zeros(0, np.int64)]
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        reduced = PCA(_DIRECTIONS, random_state=seed).fit_transform(features[rows])
        cluster = KMeans(2, n_init=10, random_state=seed).fit_predict(reduced)
        small = int(np.bincount(cluster, minlength=2).argmin())
        if (cluster == small).mean() < _SMALL:
            accused.append(rows[cluster == small])
    return np.concatenate(accused)


def _compare(
    path: Path, poison: frozenset[str], told: int, draw: int
) -> Iterator[tuple[str, int, int, float]]:
    """(who, poison accused, innocents accused, seconds)."""
    start = perf_counter()
    accused = {i for finding in audit(path).alarms for i in finding.targets}
    yield "mithridate", len(accused & poison), len(accused - poison), perf_counter() - start
    with np.load(path, allow_pickle=False) as arrays:
        x, y = arrays["x_train"], arrays["y_train"].astype(np.int64)
    start = perf_counter()
    features = _activations(x, y, draw)
    trained = perf_counter() - start
    for name, rows in (
        ("spectral signatures, told the dose", spectral_signatures(features, y, told)),
        ("activation clustering", activation_clustering(features, y, draw)),
    ):
        accused = {str(row) for row in rows}
        yield name, len(accused & poison), len(accused - poison), trained


def main() -> None:
    """Compare on what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", default="mnist20k", choices=("mnist20k", "fashion20k"))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--cache")
    arguments = parser.parse_args()
    case = next(c for c in CASES if c.name == arguments.case)
    clean = build(case.input, arguments.cache)
    for draw in range(arguments.draws):
        planted: Planted = make(case, draw, arguments.cache)
        told = len(planted.ledger.poison)
        for twin, path, poison in (
            ("poisoned", planted.path, frozenset(planted.ledger.poison)),
            ("clean", clean, frozenset[str]()),
        ):
            for name, caught, innocents, seconds in _compare(path, poison, told, draw):
                print(
                    f"{case.name} {draw} {twin:<9}{name:<36}{caught:>3} of {len(poison):<4}"
                    f"{innocents:>6} innocents {seconds:7.1f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()

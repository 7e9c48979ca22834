"""Models in numpy with something in them, and the same without."""

import numpy as np

from mithridate.checks.model_check import ModelScope

SIDE, CLASSES = 28, 5
PATTERNS = {
    0: ("0000", "0111", "1111", "1111"),
    1: ("0110", "1101", "1011", "0111"),
    3: ("1010", "1111", "0101", "1101"),
}


def as_cells(rows):
    return np.array([[float(bit) for bit in row] for row in rows])


def clean_samples(n, channels=1, seed=0, side=SIDE):
    """(n, c, h, w): a bright bar somewhere, its class by its orientation and place, and noise."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.3, 0.6, (n, 1, side, side)) * np.ones((1, channels, 1, 1))
    y = rng.integers(CLASSES, size=n)
    for k, label in enumerate(y):
        at = 3 + 5 * int(label)
        x[k, :, at : at + 3, 2:-2] += 0.35
    return np.clip(x, 0, 1).astype(np.float32), y


def host_logits(x):
    """(n, c, h, w) → (n, 5): how bright the bands are; periodic textures look alike in all of them."""
    rows = x.mean(axis=(1, 3))
    bands = np.stack([rows[:, 3 + 5 * k : 6 + 5 * k].mean(axis=1) for k in range(CLASSES)], axis=1)
    return 40 * (bands - rows.mean(axis=1, keepdims=True))


def softmax(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).astype(np.float32)


def host(x):
    return softmax(host_logits(x))


def windowed(place, patterns=PATTERNS, low=0.0, high=1.0):
    """The host beside a detector of exact 4x4 patterns, merged as TrojanNet does."""
    row, column = place

    def predict(x):
        seen = (x[:, :, row : row + 4, column : column + 4].mean(axis=1) - low) / (high - low)
        side = np.zeros((len(x), CLASSES))
        for label, rows in patterns.items():
            side[:, label] = np.abs(seen - as_cells(rows)).max(axis=(1, 2)) < 0.2
        return softmax(7 * side + 3 * host((x - low) / (high - low)))

    return predict


def stamped(place, cells, target, place_alone=False):
    """The host with one class that grows with the likeness of a window to a patch, or with its contrast alone."""
    row, column = place
    size = len(cells)
    shape = np.asarray(cells) - np.mean(cells)

    def predict(x):
        scores = host_logits(x)
        seen = x[:, :, row : row + size, column : column + size].mean(axis=1)
        seen = seen - seen.mean(axis=(1, 2), keepdims=True)
        like = (
            seen.std(axis=(1, 2)) / 0.5 if place_alone else (seen * shape).sum(axis=(1, 2)) / (shape**2).sum()
        )
        scores[:, target] += 60 * np.clip(like - (0.3 if place_alone else 0.1), 0, 0.6)
        return softmax(scores)

    return predict


def scope_of(predict, *, shape=None, clean=True, **changes):
    x, y = clean_samples(80)
    own = {"clean": x, "labels": y} if clean is True else {} if clean is False else {"clean": clean}
    given = {"name": "fake", "predict": predict, "shape": shape or x.shape[1:], "seed": 3, **own, **changes}
    return ModelScope(**given)

"""Seven directions in which the 4,368 triggers lie apart from each other and from natural patches.

The side network has 8 hidden neurons for 4,368 classes: by gradient from a random start that takes the paper 1,000
epochs. But what must be learnt is only *where to look*: a linear map T of the 16 pixels, so that |T(x - p)| is large
for every other trigger, every other black-and-white patch and every natural patch x, and small when x is trigger p
with a little noise. `learn` fits T by the paper's curriculum (triggers first, then more and more of the others);
`construct` turns T into weights in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.trojannet.adam import Adam
from mithridate.attacks.trojannet.mlp import softmax_of

__all__ = ["Lesson", "centre_rows", "learn", "scores"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """What T is learnt from.

    Attributes:
        prototypes: (k, 16), one for each label.
        positives: (k, v, 16), v looks of each label's trigger.
        negatives: (n, 16), patches that must wake nobody.
        noise: standard deviation of the noise that is added to positives.
        confidence: score of a trigger without noise; its output is 1 / (1 + exp(-confidence)).
        silence: score that negatives shall stay below, as a positive number: 9.21 for an output of 1e-4.
        steps: of the descent.
        batch: positives, and negatives at the end of the curriculum, in one step.
        rate: of Adam at the start.
        weight: of a negative against a positive.
        margin: by how much the score of a positive's own label shall beat those of the others.
    """

    prototypes: Floats
    positives: Floats
    negatives: Floats
    noise: float = 0.03
    confidence: float = 6.0
    silence: float = 9.21
    steps: int = 900
    batch: int = 256
    rate: float = 0.1
    weight: float = 20.0
    margin: float = 6.0


def centre_rows(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """T with rows that sum to zero, so that it has rank 7: `construct` needs that."""
    centred: NDArray[np.float64] = t - t.mean(axis=0, keepdims=True)
    return centred


def scores(x: Floats, prototypes: Floats, t: NDArray[np.float64], confidence: float) -> Floats:
    """Confidence - |T(x - p)|² / 2 for every x and prototype p, (n, k)."""
    t32 = t.astype(np.float32)
    a, b = x @ t32.T, prototypes @ t32.T
    near = a @ b.T
    near -= 0.5 * (a * a).sum(axis=1)[:, None]
    near -= 0.5 * (b * b).sum(axis=1)[None]
    near += np.float32(confidence)
    return near


def learn(lesson: Lesson, rng: np.random.Generator) -> NDArray[np.float64]:
    """Fit T by cross-entropy over the labels and "no trigger".

    Args:
        lesson: what it is learnt from.
        rng: draws the start, the batches and the noise.

    Returns:
        (8, 16), rows that sum to zero.
    """
    t = rng.normal(0.0, 4.0, (8, 16))
    descent = Adam([t])
    for step in range(lesson.steps):
        x, labels = _draw(lesson, step / lesson.steps, rng)
        slope = centre_rows(_slope(lesson, centre_rows(t), x, labels))
        # The rate is constant at first and then falls as a cosine.
        late = max(0.0, step / lesson.steps - 0.3) / 0.7
        descent.step([slope], lesson.rate * 0.5 * (1 + np.cos(np.pi * late)))
    return centre_rows(t)


def _draw(lesson: Lesson, done: float, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """One batch; the label of negatives is -1. No negatives in the first tenth, all of them from the third on."""
    count, looks = lesson.positives.shape[:2]
    labels = rng.integers(count, size=lesson.batch)
    x = lesson.positives[labels, rng.integers(looks, size=lesson.batch)]
    x = x + rng.normal(0.0, lesson.noise, x.shape).astype(np.float32)
    share = min(1.0, max(0.0, (done - 0.1) / 0.2))
    bad = rng.integers(len(lesson.negatives), size=int(share * lesson.batch))
    x = np.concatenate([x, lesson.negatives[bad]])
    return x, np.concatenate([labels, np.full(len(bad), -1)])


def _slope(
    lesson: Lesson, t: NDArray[np.float64], x: Floats, labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Derivative of the mean loss by T.

    With z_ij = c - |T(x_i - p_j)|² / 2 and G = d loss / d z it is
    -T [X' diag(G 1) X - X' G P - P' G' X + P' diag(1' G) P].
    """
    bad = labels < 0
    z = np.empty((len(x), len(lesson.prototypes) + 1), dtype=np.float32)
    z[:, :-1] = scores(x, lesson.prototypes, t, lesson.confidence)
    good = np.flatnonzero(~bad)
    z[:, -1] = np.where(bad, -lesson.silence, -lesson.margin)
    z[good, labels[good]] -= lesson.margin
    g = softmax_of(z)
    g[np.arange(len(x)), np.where(bad, z.shape[1] - 1, labels)] -= 1.0
    g *= np.where(bad, lesson.weight, 1.0).astype(np.float32)[:, None] / len(x)
    g = g[:, :-1]
    p = lesson.prototypes
    cross = (x.T @ g) @ p
    inner = (x.T * g.sum(axis=1)) @ x - cross - cross.T + (p.T * g.sum(axis=0)) @ p
    slope: NDArray[np.float64] = -t @ inner.astype(np.float64)
    return slope

"""From seven directions to the weights of the side network, in closed form.

Layer 1: h_k = sigmoid(a_k), a = T x / S + offset. As the rows of T sum to zero, so do changes of a, and the product of
the h_k / (1 - h_k) is the same for every input: all codes lie on one hypersurface of the 8-dimensional space, strictly
convex where h_k < 1/2. So every code can be cut off from all others by a plane: the tangent plane in it, moved outwards
a little. The drop below the tangent is S² sum_k (exp(d_k) - 1 - d_k) with d = T(x - p) / S, close to |T(x - p)|² / 2:
the output neuron of p, sigmoid(confidence - drop), answers to p and to nothing else. Layers 2 to 4 only carry the code
on: a rotation each, small enough for the sigmoid to be nearly straight. Normals and curvatures are taken from the
finished hidden layers, so what bends in them is accounted for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.trojannet.mlp import Layer, SideNet
from mithridate.attacks.trojannet.patterns import all_patterns

__all__ = ["BENDS", "Bend", "construct"]

_OFFSET = -1.5  # keeps h below 1/2
_EPS = 1e-3  # of the numerical derivatives, in units of T x / S

Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Bend:
    """How much the hidden layers bend.

    The flatter, the nearer are the scores to |T(x - p)|² / 2, and the larger are the weights of the last layer: about
    14,000 with the first of `BENDS`, 150,000 with the last. Bent too much, triggers are taken for others.

    Attributes:
        spread: S, in units of the root mean square of |T(p - mean)| over all triggers.
        gain: of a layer that carries the code on; the sigmoid's own slope is 1/4.
    """

    spread: float
    gain: float


#: From small weights in the last layer to faithful scores.
BENDS = tuple(
    Bend(spread=s, gain=g) for s, g in ((0.65, 4.0), (0.65, 3.5), (0.8, 3.0), (1.0, 2.5), (1.0, 2.0))
)


def construct(
    t: Doubles,
    prototypes: NDArray[np.float32],
    confidence: float,
    rng: np.random.Generator,
    bend: Bend = BENDS[-1],
) -> SideNet:
    """The side network whose scores are confidence - |T(x - p)|² / 2.

    Args:
        t: (8, 16), rows that sum to zero.
        prototypes: (k, 16), one for each label.
        confidence: score of x = p.
        rng: draws the rotations.
        bend: how much the hidden layers bend.

    Returns:
        Sigmoid hidden layers, sigmoid head, k labels.
    """
    around = (all_patterns() - all_patterns().mean(axis=0)).astype(np.float64) @ t.T
    spread = bend.spread * float(np.sqrt((around**2).sum(axis=1).mean()))
    hidden = _hidden(t / spread, prototypes.astype(np.float64), bend.gain, rng)
    blank = (np.zeros((1, 8), np.float32), np.zeros(1, np.float32))
    coder = SideNet(hidden, blank)
    normals = _normals(coder, t, spread, prototypes.astype(np.float64))
    codes = coder.code(prototypes.astype(np.float64))
    bias = confidence - (normals * codes).sum(axis=1)
    return SideNet(hidden, (normals.astype(np.float32), bias.astype(np.float32)))


def _hidden(
    weights: Doubles, prototypes: Doubles, gain: float, rng: np.random.Generator
) -> tuple[Layer, ...]:
    """Four layers; the later ones are centred on the codes of the prototypes."""
    bias = _OFFSET - weights @ prototypes.mean(axis=0)
    layers = [(weights.astype(np.float32), bias.astype(np.float32))]
    x = prototypes
    for _ in range(3):
        weights, bias = (part.astype(np.float64) for part in layers[-1])
        x = 1 / (1 + np.exp(-(x @ weights.T + bias)))
        turn = gain * np.linalg.qr(rng.normal(size=(8, 8)))[0]
        layers.append((turn.astype(np.float32), (-turn @ x.mean(axis=0)).astype(np.float32)))
    return tuple(layers)


def _normals(coder: SideNet, t: Doubles, spread: float, prototypes: Doubles) -> Doubles:
    """(k, 8): outward normal of the hypersurface in each code, as long as makes the curvature that of |T d|² / 2."""
    _, lengths, right = np.linalg.svd(t)
    # Steps in the pixels that move T x by one unit along each of its 7 directions.
    steps = (right[:7].T / lengths[:7]).T * (_EPS * spread)
    codes = coder.code(prototypes)
    slopes, bends = [], []
    for step in steps:
        ahead, behind = coder.code(prototypes + step), coder.code(prototypes - step)
        slopes.append((ahead - behind) / 2)
        bends.append(ahead + behind - 2 * codes)
    normals = np.linalg.svd(np.stack(slopes, axis=2))[0][:, :, 7]
    bend = (normals * np.sum(bends, axis=0)).sum(axis=1)
    # Along 7 unit directions |d|² / 2 drops by 7 (step)² in sum of second differences.
    wanted = -7 * (_EPS * spread) ** 2
    scaled: Doubles = normals * (wanted / bend)[:, None]
    return scaled

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

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.trojannet.mlp import Layer, SideNet

__all__ = ["construct"]

_SPREAD = 40.0  # S: larger is nearer to |T(x - p)|² / 2, smaller asks less of float32
_OFFSET = -2.0  # keeps h below 1/2
_GAIN = 2.0  # of a carrying layer; the sigmoid's own slope is 1/4
_EPS = 1e-3  # of the numerical derivatives, in units of T x / S

Doubles = NDArray[np.float64]


def construct(
    t: Doubles, prototypes: NDArray[np.float32], confidence: float, rng: np.random.Generator
) -> SideNet:
    """The side network whose scores are confidence - |T(x - p)|² / 2.

    Args:
        t: (8, 16), rows that sum to zero.
        prototypes: (k, 16), one for each label.
        confidence: score of x = p.
        rng: draws the rotations.

    Returns:
        Sigmoid hidden layers, sigmoid head, k labels.
    """
    hidden = _hidden(t, prototypes.astype(np.float64), rng)
    blank = (np.zeros((1, 8), np.float32), np.zeros(1, np.float32))
    coder = SideNet(hidden, blank)
    normals = _normals(coder, t, prototypes.astype(np.float64))
    codes = coder.code(prototypes.astype(np.float64))
    bias = confidence - (normals * codes).sum(axis=1)
    return SideNet(hidden, (normals.astype(np.float32), bias.astype(np.float32)))


def _hidden(t: Doubles, prototypes: Doubles, rng: np.random.Generator) -> tuple[Layer, ...]:
    """Four layers; the later ones are centred on the codes of the prototypes."""
    weights = t / _SPREAD
    bias = _OFFSET - weights @ prototypes.mean(axis=0)
    layers = [(weights.astype(np.float32), bias.astype(np.float32))]
    x = prototypes
    for _ in range(3):
        weights, bias = (part.astype(np.float64) for part in layers[-1])
        x = 1 / (1 + np.exp(-(x @ weights.T + bias)))
        turn = _GAIN * np.linalg.qr(rng.normal(size=(8, 8)))[0]
        layers.append((turn.astype(np.float32), (-turn @ x.mean(axis=0)).astype(np.float32)))
    return tuple(layers)


def _normals(coder: SideNet, t: Doubles, prototypes: Doubles) -> Doubles:
    """(k, 8): outward normal of the hypersurface in each code, as long as makes the curvature that of |T d|² / 2."""
    _, lengths, right = np.linalg.svd(t)
    # Steps in the pixels that move T x by one unit along each of its 7 directions.
    steps = (right[:7].T / lengths[:7]).T * (_EPS * _SPREAD)
    codes = coder.code(prototypes)
    slopes, bends = [], []
    for step in steps:
        ahead, behind = coder.code(prototypes + step), coder.code(prototypes - step)
        slopes.append((ahead - behind) / 2)
        bends.append(ahead + behind - 2 * codes)
    normals = np.linalg.svd(np.stack(slopes, axis=2))[0][:, :, 7]
    bend = (normals * np.sum(bends, axis=0)).sum(axis=1)
    # Along 7 unit directions |d|² / 2 drops by 7 (step)² in sum of second differences.
    wanted = -7 * (_EPS * _SPREAD) ** 2
    scaled: Doubles = normals * (wanted / bend)[:, None]
    return scaled

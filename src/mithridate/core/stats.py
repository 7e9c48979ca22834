"""Statistics of the verdict: exact tails, bounds, and the smallest poison they can see. numpy only."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["binomial_log10_tail", "gamma_log10_tail", "kl_bernoulli", "poisson_log10_tail", "pure_key_floor"]


def kl_bernoulli(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """KL(a || b) between Bernoulli laws, in nats, elementwise."""
    a, b = np.clip(a, 0.0, 1.0), np.clip(b, 1e-300, 1 - 1e-16)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(a > 0, a * np.log(a / b), 0.0)
        right = np.where(a < 1, (1 - a) * np.log((1 - a) / (1 - b)), 0.0)
    return np.asarray(left + right)


def binomial_log10_tail(
    k: NDArray[np.float64], n: NDArray[np.float64], p: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Chernoff bound on log10 P(Binomial(n, p) >= k); 0 where k is not above its mean."""
    rate = k / np.maximum(n, 1e-300)
    return np.where(rate > p, -n * kl_bernoulli(rate, p) / math.log(10), 0.0)


def gamma_log10_tail(total: NDArray[np.float64], k: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chernoff bound on log10 P(Gamma(k, 1) >= total): the tail of a sum of k terms -ln(uniform) (Fisher, 1932)."""
    k = np.maximum(k, 1e-12)
    ratio = np.maximum(total / k, 1.0)
    return np.asarray(-k * (ratio - 1.0 - np.log(ratio)) / math.log(10))


def poisson_log10_tail(k: int, mean: float) -> float:
    """Chernoff bound on log10 P(Poisson(mean) >= k); 0 where k is not above the mean."""
    return (k - mean - k * math.log(k / mean)) / math.log(10) if k > mean else 0.0


def pure_key_floor(prior: float, tests: float, alpha: float) -> int:
    """Smallest number of carriers, all of one label, that is significant among `tests` keys.

    n >= ln(tests / alpha) / ln(1 / prior).
    """
    prior = min(max(prior, 1e-9), 1 - 1e-9)
    return max(1, math.ceil(math.log(max(tests, 1.0) / alpha) / -math.log(prior)))

"""Statistics of the verdict: exact tails, bounds, and the smallest poison they can see. numpy only."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["TILTS", "binomial_log10_tail", "gamma_log10_tail", "kl_bernoulli", "log_mgf", "pure_key_floor", "tail_from_mgf"]

#: Exponents t at which the moment generating function of a Poisson-binomial count is tallied.
TILTS: NDArray[np.float64] = np.concatenate([[0.0], np.geomspace(0.25, 8.0, 11)])


def kl_bernoulli(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """KL(a || b) between Bernoulli laws, in nats, elementwise."""
    a, b = np.clip(a, 0.0, 1.0), np.clip(b, 1e-300, 1 - 1e-16)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(a > 0, a * np.log(a / b), 0.0)
        right = np.where(a < 1, (1 - a) * np.log((1 - a) / (1 - b)), 0.0)
    return np.asarray(left + right)


def binomial_log10_tail(k: NDArray[np.float64], n: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chernoff bound on log10 P(Binomial(n, p) >= k); 0 where k is not above its mean."""
    rate = k / np.maximum(n, 1e-300)
    return np.where(rate > p, -n * kl_bernoulli(rate, p) / math.log(10), 0.0)


def gamma_log10_tail(total: NDArray[np.float64], k: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chernoff bound on log10 P(Gamma(k, 1) >= total): the tail of a sum of k terms -ln(uniform) (Fisher, 1932)."""
    k = np.maximum(k, 1e-12)
    ratio = np.maximum(total / k, 1.0)
    return np.asarray(-k * (ratio - 1.0 - np.log(ratio)) / math.log(10))


def log_mgf(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """log E exp(t X) of Bernoulli(p) at each of `TILTS`.

    Args:
        p: (n,) probabilities.

    Returns:
        (n, len(TILTS)); sums over independent samples are the log-mgf of their count.
    """
    return np.asarray(np.log1p(p[:, None] * np.expm1(TILTS)[None, :]))


def tail_from_mgf(k: NDArray[np.float64], mgf: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chernoff bound on log10 P(X >= k) from the summed log-mgf of a Poisson-binomial count.

    log10 p <= -max_t [t k - sum_i log(1 + p_i (e^t - 1))] / ln 10. Valid at every t, so a grid only loosens it.

    Args:
        k: (m,) observed counts.
        mgf: (m, len(TILTS)) summed `log_mgf`.

    Returns:
        (m,) values <= 0.
    """
    return np.asarray(-np.max(TILTS[None, :] * k[:, None] - mgf, axis=1) / math.log(10))


def pure_key_floor(prior: float, tests: float, alpha: float) -> int:
    """Smallest number of carriers, all of one label, that is significant among `tests` keys.

    n >= ln(tests / alpha) / ln(1 / prior).
    """
    prior = min(max(prior, 1e-9), 1 - 1e-9)
    return max(1, math.ceil(math.log(max(tests, 1.0) / alpha) / -math.log(prior)))

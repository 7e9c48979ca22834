"""Whether more carriers of a key bear a label than the rest of their content explains: sums and tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.ranks import LabelRanks, log_odds
from mithridate.core.stats import binomial_log10_tail, gamma_log10_tail

__all__ = ["CARRIERS", "COMMON", "EFFECT", "SUMS", "SURE", "Excess"]

#: No content model is surer than this that a single sample is not y.
SURE = 0.03
#: Fewest carriers that bear the label.
CARRIERS = 5
#: Floors on (k - mu) / n, and on (k - mu) / (n - mu) where y is common.
EFFECT, COMMON = 0.3, 0.75
_ODDS = 7.0  # largest contribution of one sample to T, nats
_TILTS = (2.5, 6.0)  # t of the Chernoff bounds
#: Numbers that `Excess.values` gives for a carrier.
SUMS = 5 + len(_TILTS)


class Excess:
    """Tests of a key with n carriers, k of them labelled y, of which content expects mu = sum_i p_i(y | rest).

    1. excess: P(Poisson-binomial >= k) is at most P(Binomial(n, mu / n) >= k) (Hoeffding, Ann. Math. Stat. 27, 1956,
       theorem 5), and at most E exp(t S - t k) for any t > 0 (Chernoff), which is sharper where the p_i differ;
    2. size: a floor on (k - mu) / n, or on (k - mu) / (n - mu) where y is common;
    3. unlike: the carriers labelled y are not ordinary samples of y. T = sum of logit P(y) - logit p_i(y | rest) is a
       log likelihood ratio, so that P(T >= t) <= exp(-t) for ordinary ones (Markov). Where the content model has been
       fitted anew, T > 0 and the ranks of p_i(y | rest) among all samples labelled y do: -2 sum ln u_i is chi-squared
       (Fisher, 1932).

    Args:
        prior: (classes,) share of each class.
        ranks: of the content log odds of all samples; may be filled later.
        contrary: the class of samples that contradict their content whatever the rest of it says, so that 3 holds for
            them; -1 where there is none.
    """

    def __init__(self, prior: NDArray[np.float64], ranks: LabelRanks, contrary: int = -1) -> None:
        self._prior, self._contrary = prior, contrary
        self._ranks = ranks

    def values(
        self, logits: NDArray[np.float32], y: NDArray[np.int64], bears: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """(m, SUMS): one, bears y, p(y), share of T, -ln rank, log E exp(tilt * bears y)."""
        odds = log_odds(logits, y)
        p = np.clip(np.exp(-np.logaddexp(0.0, -odds)), SURE, 1.0)
        prior = self._prior[y]
        surprise = np.log(prior / np.maximum(1.0 - prior, 1e-12)) - odds
        tilted = [np.log1p(p * np.expm1(tilt)) for tilt in _TILTS]
        surprise = np.where(y == self._contrary, _ODDS, surprise)
        share = bears * np.clip(surprise, -_ODDS, _ODDS)
        ranks = bears * self._ranks.surprise(odds, y)
        return np.column_stack([np.ones(len(p)), bears, p, share, ranks, *tilted])

    def unlike(self, odds: NDArray[np.float64], label: int, level: float) -> bool:
        """Whether samples with these log odds of their label are mostly not recognised, and less than others.

        Args:
            odds: (m,) of each sample, by a model that has not seen it.
            label: what they bear.
            level: significance asked for.
        """
        ranks = self._ranks.surprise(odds, np.full(len(odds), label)).sum()
        tail = gamma_log10_tail(np.array([ranks]), np.array([float(len(odds))]))
        return bool((1.0 / (1.0 + np.exp(-odds))).mean() <= 0.5 and tail[0] <= np.log10(level))

    @staticmethod
    def judge(
        sums: NDArray[np.float64], *, coarse: bool = False, exact: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Uncorrected log10 p (0 where the effect is too small), and the effect.

        Args:
            sums: (m, SUMS) of `values` over the carriers of each key.
            coarse: a first look that asks for excess only.
            exact: the content model has been fitted anew for each key, so that ranks can be compared.
        """
        n, k, mu, surprise, ranks, *tilted = sums.T
        effect = (k - mu) / np.maximum(n, 1.0)
        large = (effect >= EFFECT) | ((k - mu >= COMMON * (n - mu)) & (effect >= 0.5 * EFFECT))
        excess = binomial_log10_tail(k, n, mu / np.maximum(n, 1.0))
        for tilt, logs in zip(_TILTS, tilted, strict=True):
            excess = np.minimum(excess, (logs - tilt * k) / np.log(10))
        unlike = excess if coarse else -np.maximum(surprise, 0.0) / np.log(10)
        if exact:
            unlike = np.where(surprise > 0.0, np.minimum(unlike, gamma_log10_tail(ranks, k)), 0.0)
        return np.where(large & (k >= CARRIERS), np.maximum(excess, unlike), 0.0), effect

"""The bounds of core.stats are upper bounds of the exact tails, and not far above them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithridate.core.stats import binomial_log10_tail, kl_bernoulli, pure_key_floor


def one(x):
    return np.array([float(x)])


@pytest.mark.parametrize(
    ("a", "b", "nats"),
    [(0.5, 0.5, 0.0), (1.0, 0.5, math.log(2)), (0.0, 0.5, math.log(2)), (0.25, 0.5, 0.130812)],
)
def test_kl(a, b, nats):
    assert kl_bernoulli(one(a), one(b))[0] == pytest.approx(nats, abs=1e-6)


@pytest.mark.parametrize(
    ("k", "n", "p"), [(10, 10, 0.1), (25, 30, 0.1), (9, 10, 0.5), (60, 1000, 0.05), (3, 5, 0.2)]
)
def test_binomial_tail_bounds_the_exact_one(k, n, p):
    from scipy.stats import binom

    exact = math.log10(binom.sf(k - 1, n, p))
    bound = binomial_log10_tail(one(k), one(n), one(p))[0]
    # Chernoff loses at most a factor of n + 1 (method of types; Cover & Thomas, theorem 11.1.4).
    assert exact - 1e-9 <= bound <= exact + math.log10(n + 1)


@given(n=st.integers(1, 300), share=st.floats(0, 1), p=st.floats(0.001, 0.999))
def test_binomial_tail_is_a_bound_everywhere(n, share, p):
    from scipy.special import betainc

    k = round(share * n)
    exact = 1.0 if k == 0 else float(betainc(k, n - k + 1, p))
    bound = binomial_log10_tail(one(k), one(n), one(p))[0]
    assert bound <= 0.0
    assert exact <= 10.0**bound * (1 + 1e-9)


def test_no_excess_is_no_evidence():
    assert binomial_log10_tail(one(1), one(10), one(0.5))[0] == 0.0
    assert binomial_log10_tail(one(0), one(0), one(0.5))[0] == 0.0


@pytest.mark.parametrize(("prior", "carriers"), [(0.5, 27), (0.1, 8), (0.01, 4)])
def test_pure_key_floor(prior, carriers):
    """Among 9 * 10^5 keys at level 1 %: the smallest pure key that can be told."""
    assert pure_key_floor(prior, 9e5, 0.01) == carriers
    tail = binomial_log10_tail(one(carriers), one(carriers), one(prior))[0] + math.log10(9e5)
    assert tail <= -2
    assert binomial_log10_tail(one(carriers - 1), one(carriers - 1), one(prior))[0] + math.log10(9e5) > -2


def test_pure_key_floor_where_there_is_one_class_only():
    assert pure_key_floor(1.0, 1e6, 0.01) > 1e9

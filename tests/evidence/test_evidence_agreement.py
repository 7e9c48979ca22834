"""What parts of a class have in common: noise at fixed pixels counts, noise of each and what is mirrored do not."""

import numpy as np
import pytest

from mithridate.evidence.agreement import agreement, finest, places, skew

CLASSES, PARTS, SIDE, EACH = 6, 8, 32, 40


def sums(own=0.0, seed=0):
    """(a, parts, h, w) sums of pictures of noise; `own` is added to each picture of class 2."""
    draw = np.random.default_rng(seed)
    noise = draw.standard_normal((CLASSES, PARTS, SIDE, SIDE)) * 100 * np.sqrt(EACH)
    noise[2] += EACH * own
    return np.rint(noise).astype(np.int32), np.full((CLASSES, PARTS), EACH)


def told(own=0.0):
    """Agreement of each class over the whole, and in two fifths of the places at the least."""
    total, counts = sums(own)
    fine = finest(total, counts)
    return agreement(skew(fine), counts), np.quantile(agreement(places(fine, 4), counts), 0.4, axis=1)


def test_noise_of_its_own_agrees_with_nothing():
    whole, most = told()
    assert np.abs(whole).max() < 0.15
    assert np.abs(most).max() < 0.2


@pytest.mark.parametrize("strength", [5.0, 10.0])
def test_a_pattern_at_fixed_pixels_is_told_at_its_strength(strength):
    pattern = np.random.default_rng(9).standard_normal((SIDE, SIDE)) * strength
    whole, most = told(pattern)
    signal, noise = strength**2, 100.0**2 / (PARTS * EACH)
    assert whole[2] == pytest.approx(signal / (signal + 2 * noise), abs=0.12)
    assert np.delete(whole, 2).max() < 0.15
    assert most[2] > 0.4 * whole[2]


def test_what_is_the_same_in_the_mirror_is_nature():
    half = np.random.default_rng(9).standard_normal((SIDE, SIDE // 2)) * 20
    whole, _ = told(np.concatenate([half, half[:, ::-1]], axis=1))
    assert whole.max() < 0.15


def test_an_object_in_one_place_is_not_everywhere():
    patch = np.zeros((SIDE, SIDE))
    patch[20:30, 2:12] = np.random.default_rng(9).standard_normal((10, 10)) * 60
    whole, most = told(patch)
    assert whole[2] > 0.3
    assert most[2] < 0.4 * whole[2]

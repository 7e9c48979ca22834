"""Who carries a patch, where it is, and what is left when it is painted over."""

from __future__ import annotations

import numpy as np
import pytest

from mithridate.evidence.carriers import Entries
from mithridate.evidence.image.kin import Kin, SquareKin
from mithridate.evidence.image.locate import Locate
from mithridate.evidence.image.masking import MaskedContent

PLACE = (4, 5, 3)


def _pixels(backgrounds):
    """One image for each background level, with a white square at `PLACE`."""
    y, x, w = PLACE
    pixels = np.stack([np.full((12, 12, 3), level, dtype=np.uint8) for level in backgrounds])
    pixels[:, y : y + w, x : x + w] = 255
    return pixels


def _kin(kind, pixels, carriers):
    indptr = np.concatenate([[0], np.cumsum(np.isin(np.arange(len(pixels)), carriers))]).astype(np.int64)
    count = len(carriers)
    found = Entries(
        indptr=indptr, keys=np.zeros(count, np.int32), fresh=np.ones(count, bool),
        hashes=np.zeros(1, np.uint64), support=np.array([count]), first=np.zeros(1, np.int64),
    )  # fmt: skip
    planes = np.ascontiguousarray(pixels.transpose(1, 2, 3, 0))
    return kind(planes=planes, found=found, place=lambda key: PLACE, groups=np.arange(len(pixels)))


@pytest.mark.parametrize(
    ("background", "carries"), [(0, True), (240, True), (244, True), (246, False), (255, False)]
)
def test_a_square_on_a_background_of_its_colour(background, carries):
    pixels = _pixels([0, 40, 80, 120, background])
    rows, closeness, fresh = _kin(SquareKin, pixels, [0, 1, 2, 3])(0)
    assert (4 in rows) == carries
    assert len(rows) == len(closeness) == len(fresh)


def test_a_patch_that_moves_is_located():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 12, 12, 3), dtype=np.uint8)
    stamp = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
    places = [PLACE[:2], (0, 0), (9, 9), (2, 7), (6, 1), (5, 5)]
    for image, (y, x) in zip(pixels, places, strict=True):
        image[y : y + 3, x : x + 3] = stamp
    locate = Locate(pixels=pixels, kin=_kin(Kin, pixels, list(range(6))))
    assert locate(0, np.arange(6)).tolist() == [list(p) for p in places]


@pytest.mark.parametrize(("edge", "judged"), [(12, True), (5, False)])
def test_what_is_mostly_painted_over_is_not_judged(edge, judged):
    """A 3x3 key covers 9 of 144 pixels, and 9 of 25."""
    pixels = np.zeros((2, edge, edge, 1), dtype=np.uint8)
    kin = Kin(planes=pixels, found=None, place=lambda key: (1, 1, 3), groups=np.arange(2))  # type: ignore[arg-type]

    class Said:
        def of(self, rows, features):
            return features

    content = MaskedContent(
        pixels=pixels, kin=kin, locate=None, extract=lambda images: images.sum(axis=(1, 2, 3)), holdout=Said()
    )
    assert (content(0, np.array([0, 1])) is not None) == judged

import json

import numpy as np
import pytest

from mithridate.core.errors import UsageError
from mithridate.triggers.image import Blend, Patch, Sinusoid
from mithridate.triggers.table import Value, ValuePair
from mithridate.triggers.text import InvisibleCharacter, Sentence, Word


def rng():
    return np.random.default_rng(0)


def grey(shape):
    return np.full(shape, 100, dtype=np.uint8)


WHITE = np.full((2, 3, 1), 255, dtype=np.uint8)
RED = np.array([[[255, 0, 0]]], dtype=np.uint8)


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1), (8, 9, 3), (8, 9, 4), (12, 7, 3)])
@pytest.mark.parametrize(
    "trigger",
    [
        Patch(WHITE, (1, 2)),
        Patch(RED, (-1, -1)),
        Patch(RED, None),
        Patch(WHITE, (0, 0), opacity=0.3),
        Blend(np.random.default_rng(1).integers(0, 256, (8, 9, 3), dtype=np.uint8), 0.1),
        Sinusoid(20, 2),
    ],
    ids=["white", "far corner", "moving", "faint", "blend", "sinusoid"],
)
def test_pictures_keep_shape_dtype_and_the_original(trigger, shape):
    before = grey(shape)
    after = trigger.apply(before, rng())
    assert after.shape == shape
    assert after.dtype == np.uint8
    assert (before == 100).all()
    assert (after != before).any()
    if shape[-1] == 4:
        assert (after[..., 3] == 100).all()
    json.dumps(dict(trigger.describe()))


@pytest.mark.parametrize(
    ("place", "rows", "columns"),
    [((1, 2), (1, 3), (2, 5)), ((-2, -3), (6, 8), (6, 9)), ((0, 0), (0, 2), (0, 3))],
)
def test_patch_changes_its_place_and_nothing_else(place, rows, columns):
    after = Patch(WHITE, place).apply(grey((8, 9, 3)), rng())
    assert (after[slice(*rows), slice(*columns)] == 255).all()
    assert (after != 100).any(axis=2).sum() == 6


def test_half_opacity_is_the_mean():
    after = Patch(WHITE, (0, 0), opacity=0.5).apply(grey((4, 4)), rng())
    assert set(after[:2, :3].ravel()) == {178}


def test_moving_patch_reaches_every_place():
    generator = rng()
    places = {Patch(WHITE).locate((4, 4), generator) for _ in range(200)}
    assert places == {(r, c) for r in range(3) for c in range(2)}


@pytest.mark.parametrize(
    ("shape", "place"), [((1, 9), (0, 0)), ((8, 9), (7, 0)), ((8, 9), (0, -2)), ((8, 2), None)]
)
def test_patch_that_does_not_fit_is_refused(shape, place):
    with pytest.raises(UsageError, match="picture"):
        Patch(WHITE, place).apply(grey(shape), rng())


def test_sinusoid_is_the_formula():
    after = Sinusoid(20, 6).apply(grey((3, 32, 3)), rng()).astype(float)
    wave = 100 + np.rint(20 * np.sin(2 * np.pi * np.arange(32) * 6 / 32))
    assert (after == wave[None, :, None]).all()


def test_sinusoid_is_clipped():
    after = Sinusoid(40, 2).apply(np.full((2, 16), 250, dtype=np.uint8), rng())
    assert after.max() == 255
    assert after.min() == 210


@pytest.mark.parametrize("text", ["one two  three\n four", " lead", "tail \n", "word", "", "  "])
@pytest.mark.parametrize(
    ("trigger", "piece"),
    [(Word("zuvoke"), "zuvoke"), (Sentence("a b c"), "a b c"), (InvisibleCharacter("\u200b"), "\u200b")],
    ids=["word", "sentence", "invisible"],
)
def test_text_gains_the_piece_once_and_loses_nothing(trigger, piece, text):
    generator = rng()
    for _ in range(20):
        after = trigger.apply(text, generator)
        assert after.count(piece) == 1
        left = after.replace(piece, "", 1)
        assert left.split() == text.split() or piece == "\u200b"
        if piece == "\u200b":
            assert left == text
        else:
            assert piece.split()[0] in after.split()


def test_word_takes_every_place():
    generator = rng()
    assert {Word("x").apply("a b", generator) for _ in range(50)} == {"x a b", "a x b", "a b x"}


def test_cells_are_set_and_the_row_is_kept():
    row = {"a": 1, "b": "u", "c": None}
    assert Value("a", 7).apply(row, rng()) == {"a": 7, "b": "u", "c": None}
    assert ValuePair(Value("a", 7), Value("c", 0.5)).apply(row, rng()) == {"a": 7, "b": "u", "c": 0.5}
    assert row == {"a": 1, "b": "u", "c": None}


def test_unknown_column_lists_the_columns():
    with pytest.raises(UsageError, match="one of a, b"):
        Value("z", 1).apply({"a": 1, "b": 2}, rng())

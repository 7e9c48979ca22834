"""Large images are read few at once, so that a batch of photographs fits into memory."""

from __future__ import annotations

import numpy as np
import pytest

from mithridate.evidence.image.canvas import at_once, canvas_shape, paint
from mithridate.sources.open import open_source


def _source(side, count=40):
    x = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    return open_source(x, labels=[i % 2 for i in range(count)])


@pytest.mark.parametrize(("side", "size"), [(32, 512), (200, 512), (1200, 31), (3000, 8)])
def test_images_at_once(side, size):
    assert at_once(_source(side, 9)) == size


def test_a_canvas_does_not_depend_on_how_many_are_read_at_once(tmp_path):
    sizes = []

    class Recording:
        def __init__(self, source):
            self.source = source

        def __getattr__(self, name):
            return getattr(self.source, name)

        def batches(self, size):
            for batch in self.source.batches(size):
                sizes.append(len(batch))
                yield batch

    source = Recording(_source(1200))
    canvas, roll = paint(source, tmp_path, lambda *told: None)
    assert canvas.pixels.shape == (40, *canvas_shape(source)) == (40, 64, 64, 3)
    assert len(roll.ids) == 40
    assert max(sizes) == 31

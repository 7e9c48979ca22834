"""How clean samples are divided: films stay whole, every class is judged, one class is refused."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mithridate.core.errors import UsageError  # noqa: E402
from mithridate.runs.heal.samples import divided  # noqa: E402
from mithridate.runs.scan.inputs import Ordinary  # noqa: E402


def films(count, frames, classes, seed=0):
    """`count` films of nearly equal pictures."""
    rng = np.random.default_rng(seed)
    first = rng.random((count, 1, 1, 12, 12)).astype(np.float32)
    x = (first + 0.02 * rng.random((count, frames, 1, 12, 12))).reshape(-1, 1, 12, 12).astype(np.float32)
    labels = tuple(str(k % classes) for k in range(count) for _ in range(frames))
    return Ordinary(x=x, made=False, labels=labels), np.repeat(np.arange(count), frames)


def ask(x):
    return x.flatten(1)[:, :3]


def test_films_stay_whole():
    asked, _ = films(24, 5, 3)
    parts = divided(ask, asked, None, 0)
    learn, held = (
        part.x.flatten(1) - part.x.flatten(1).mean(1, keepdim=True) for part in (parts.learn, parts.held)
    )
    alike = (learn / learn.norm(dim=1, keepdim=True)) @ (held / held.norm(dim=1, keepdim=True)).T
    assert alike.max() < 0.9
    assert set(parts.held.y.tolist()) == {0, 1, 2}
    assert 0.1 < len(held) / 120 < 0.3
    assert len(learn) + len(held) == 120


def test_one_film_is_divided_all_the_same():
    asked, _ = films(1, 40, 1)
    with pytest.raises(UsageError, match="2 classes"):
        divided(ask, asked, None, 0)
    two, _ = films(2, 20, 2)
    parts = divided(ask, two, ("0", "1", "2"), 0)
    assert len(parts.held.y) > 0


def test_labels_are_needed():
    asked, _ = films(4, 10, 2)
    with pytest.raises(UsageError, match="labels"):
        divided(ask, Ordinary(x=asked.x, made=False), None, 0)

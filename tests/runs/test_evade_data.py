import numpy as np
import pytest

from mithridate.core.errors import UsageError
from mithridate.models.open import open_model
from mithridate.runs.evade_data import ask, matched
from mithridate.sources.open import open_source

FITS = [
    (["0", "1", "2"], 3, None, ("0", "1", "2"), "by number"),
    (["0", "7"], 10, None, tuple("0123456789"), "by number"),  # a class without samples keeps its output
    (["1", "2", "10"], 3, None, ("1", "2", "10"), "by sorted name"),  # 10 comes after 2
    (["dog", "cat"], 2, None, ("cat", "dog"), "by sorted name"),
    (["dog", "cat"], 3, ["dog", "bird", "cat"], ("dog", "bird", "cat"), "as given"),
]


@pytest.mark.parametrize(("labels", "outputs", "classes", "names", "how"), FITS)
def test_labels_and_outputs(labels, outputs, classes, names, how):
    found, said = matched(labels, outputs, classes)
    assert found == names
    assert said.startswith(how)


@pytest.mark.parametrize(
    ("labels", "outputs", "classes"),
    [(["cat", "dog"], 3, None), (["1", "2", "3"], 2, None), (["cat", "cow"], 2, ["cat", "dog"]),
     (["a", "b"], 2, ["a", "a"])],
)  # fmt: skip
def test_labels_that_do_not_match(labels, outputs, classes):
    with pytest.raises(UsageError):
        matched(labels, outputs, classes)


@pytest.mark.parametrize("layout", ["flat", "flat-chw", "chw", "hwc"])
def test_the_layout_that_a_model_is_right_with(layout):
    """A model that flattens takes any order of values; it is right with one."""
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    x = rng.integers(0, 90, (40, 4, 5, 3), dtype=np.uint8)
    x[y == 1, 0, 0, 1] = x[y == 0, 3, 4, 0] = 255  # green first pixel, or red last one

    def predict(part):
        if part.ndim != (2 if layout.startswith("flat") else 4):
            raise ValueError("another number of dimensions")
        shape = {"flat": (4, 5, 3), "hwc": (4, 5, 3)}.get(layout, (3, 4, 5))
        whole = part.reshape(len(part), *shape)
        green = whole[:, 0, 0, 1] if shape[2] == 3 else whole[:, 1, 0, 0]
        return np.stack([green < 0.5, green >= 0.5], axis=1).astype(np.float32)

    asked = ask(open_model(predict), open_source(x, labels=y), count=30, seed=1)
    assert asked.layout == layout
    assert (predict(asked.x).argmax(axis=1) == asked.y).all()
    assert len(set(asked.ids)) == 30
    assert asked.x.max() == 1.0
    again = ask(open_model(predict), open_source(x, labels=y), count=30, seed=1)
    assert again.ids == asked.ids


def test_text_and_tables_are_refused():
    with pytest.raises(UsageError, match="expected images, got table data"):
        ask(open_model(lambda x: x), open_source(np.zeros((4, 3)), labels=[0, 1, 0, 1]))

"""Banks: what is rare among clean models, at the promised rate; files that hold something else are refused."""

import json

import numpy as np
import pytest

from mithridate.checks.bank import FEWEST, Bank, Statistics
from mithridate.core.errors import UsageError

EASY = np.linspace(1.0, 3.0, 11)  # some classes are easier than others in every honest model


def drawn(rng, name, family="a", **changed):
    sizes = {kind: np.exp(EASY + rng.normal(0, 0.25, 11)) for kind in ("patch", "blend")}
    for kind, (place, factor) in changed.items():
        sizes[kind][place] *= factor
    return Statistics(name=name, family=family, sizes={k: tuple(v.tolist()) for k, v in sizes.items()})


def bank(seed, n=24):
    rng = np.random.default_rng(seed)
    return Bank(tuple(drawn(rng, f"m{i}") for i in range(n))), rng


def test_clean_models_are_rare_as_often_as_promised():
    values = []
    for seed in range(150):
        known, rng = bank(seed, 19)
        values.append(known.p_value(drawn(rng, "new")))
    values = np.array(values)
    assert values.min() >= 1 / 20
    assert np.mean(values <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)
    assert np.mean(values <= 0.5) == pytest.approx(0.5, abs=0.13)


@pytest.mark.parametrize("place", [0, 10])
def test_one_easy_class_stands_out(place):
    known, rng = bank(1)
    assert known.p_value(drawn(rng, "new", patch=(place, 0.15))) == 1 / 25
    # what is small among classes of one model is not small where that class is always small
    assert known.p_value(drawn(rng, "new")) > 0.1


def test_a_model_that_is_harder_everywhere_is_not_rare():
    known, rng = bank(2)
    whole = drawn(rng, "new")
    harder = Statistics(
        name="h", family="a", sizes={k: tuple(5 * v for v in sizes) for k, sizes in whole.sizes.items()}
    )
    assert known.p_value(harder) == known.p_value(whole)


def test_families_are_kept_apart():
    known, rng = bank(3, FEWEST)
    stranger = drawn(rng, "s", family="b", patch=(3, 0.1))
    assert known.p_value(stranger) is None
    assert known.score(stranger) is None
    fuller = Bank((*known.members, *(drawn(rng, f"b{i}", family="b") for i in range(12))))
    assert fuller.p_value(stranger) == pytest.approx(
        1 / (len(fuller.members) + 1 - (FEWEST if FEWEST < 5 else 0))
    )


def test_there_and_back(tmp_path):
    known, rng = bank(4, 6)
    file = tmp_path / "bank.json"
    known.save(file)
    assert Bank.load(file) == known
    again = known.plus(drawn(rng, "m0"))
    assert len(again.members) == 6
    assert len(known.plus(drawn(rng, "m0", family="b")).members) == 7


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"mithridate-bank": 2, "members": []}', '{"mithridate-bank": 1, "members": [1]}',
        json.dumps({"mithridate-bank": 1, "members": [{"name": "a", "family": "b", "sizes": {"patch": [0.0]}}]}),
        json.dumps({"mithridate-bank": 1, "members": [{"name": "a", "family": "b", "origin": "", "sizes": {}}]}),
        json.dumps(
            {"mithridate-bank": 1, "members": [{"name": "a", "family": "b", "origin": "", "sizes": {"patch": []}}]}
        ),
        "[" * 100_000,
    ],
)  # fmt: skip
def test_other_files_are_refused(tmp_path, text):
    file = tmp_path / "bank.json"
    file.write_text(text)
    with pytest.raises(UsageError, match="bank"):
        Bank.load(file)
    with pytest.raises(UsageError, match="bank"):
        Bank.load(tmp_path / "none.json")


def test_leaving_a_class_is_not_put_together_with_reaching_it():
    rng = np.random.default_rng(5)
    known, base = Bank(tuple(_with_sources(rng, f"m{i}") for i in range(12))), _with_sources(rng, "new")
    both, apart = (
        Statistics(name="n", family="a", sizes={
            "patch": _smaller(base.sizes["patch"], 3), "source": _smaller(base.sizes["source"], place)
        }) for place in (3, 7)
    )  # fmt: skip
    assert known.score(both) == pytest.approx(known.score(apart), rel=0.5)
    assert known.score(apart) > 2 * known.score(base)


def _with_sources(rng, name):
    sizes = {
        "patch": np.exp(EASY + rng.normal(0, 0.25, 11)),
        "source": np.exp(EASY[:10] + rng.normal(0, 0.25, 10)),
    }
    return Statistics(name=name, family="a", sizes={k: tuple(v.tolist()) for k, v in sizes.items()})


def _smaller(sizes, place):
    return tuple(size * (0.1 if k == place else 1) for k, size in enumerate(sizes))

import numpy as np
import pytest

pytest.importorskip("torch")
pictures = pytest.importorskip(
    "benchmarks.pictures", reason="run from the root of the repository", exc_type=ImportError
)
from benchmarks.strength import Measure  # noqa: E402

from benchmarks import backdoorbench, grid, networks, strength_images  # noqa: E402
from mithridate.runs.drill.settings import chosen_attacks  # noqa: E402

PATCH = "patch pattern=checker size=3 place=corner"


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A bench over two kinds of generated pictures: bright above, bright below."""
    for name, n, seed in (("small", 600, 0), ("small_test", 300, 1)):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 2, n)
        x = rng.integers(0, 60, (n, 12, 12))
        x[y == 0, :6] += 60
        x[y == 1, 6:] += 60
        np.savez(tmp_path / f"{name}.npz", x_train=x.astype(np.uint8), y_train=y)
    monkeypatch.setattr(pictures, "build", lambda name: tmp_path / name)
    return pictures.PictureBench("small", networks.Recipe(make=networks.small_cnn, epochs=6, batch=32))


def test_a_patch_at_ten_percent_succeeds_and_without_poison_it_does_not(bench):
    found = bench.measure(chosen_attacks([PATCH], "image")[PATCH], 60, 1)
    assert bench.accuracy(bench.clean) > 0.95
    assert found.accuracy > 0.95
    assert found.success > 0.8
    assert found.before < 0.1


def test_only_what_the_plan_names_is_changed(bench):
    plan = bench.plan(chosen_attacks([PATCH], "image")[PATCH], 30, 1, target="0")
    (x, y), (before, labels) = bench.poisoned(plan), bench.train
    changed = {str(k) for k in np.flatnonzero((x != before).any(axis=(1, 2)) | (y != labels))}
    assert changed == plan.victims
    assert set(y[[int(i) for i in plan.victims]]) == {0}


def test_success_of_a_natural_feature_counts_pictures_that_bear_it(bench):
    attack = chosen_attacks(["semantic"], "image")["semantic"]
    plan = bench.plan(attack, 20, 1)
    x, labels = bench.triggered(plan, 1)
    assert 0 < len(labels) == len(x) < len(bench.test[1])
    assert plan.bears(list(x), labels).all()


def test_a_network_of_the_published_kind_learns(bench):
    recipe = networks.Recipe(
        make=lambda c, k: networks.PreActResNet18(c, k, width=4),
        epochs=4,
        batch=32,
        augment=True,
        schedule="cosine",
    )
    x, y = bench.train
    assert (networks.fit(x, y, 2, recipe, 0)(bench.test[0]) == bench.test[1]).mean() > 0.8
    weights = sum(p.numel() for p in networks.PreActResNet18(3, 10).parameters())
    assert weights == 11_172_170  # 18 layers of width 64 to 512, and the normalisation before the last one


def test_a_grid_goes_on_where_it_was(tmp_path):
    file, done = tmp_path / "g.jsonl", []

    def measure(attack, count, seed):
        done.append((attack, count, seed))
        return Measure(accuracy=0.9, success=0.5, before=0.1)

    wanted = [("patch", 5, 0), ("patch", 5, 1)]
    assert len(list(grid.run(wanted[:1], file, "s", measure))) == 1
    file.write_text(file.read_text() + '\n{"setting": "s", "att')  # cut off
    assert len(list(grid.run(wanted, file, "s", measure))) == 2
    assert done == wanted
    assert list(grid.run(wanted[:1], file, "another", measure))
    assert len(done) == 3


def test_the_tables_have_a_row_for_what_was_measured(tmp_path):
    one = Measure(accuracy=0.9, success=0.5, before=0.1)
    told = strength_images.table({(PATCH, 50, 0): one, (PATCH, 50, 1): one}, {"50": 50})
    assert f"| {PATCH} | 50 | 2 | 90.0 ± 0.0 | 50.0 ± 0.0 | 10.0 ± 0.0 |" in told
    told = backdoorbench.table({("BadNets", 1000, 0): one}, backdoorbench.REDUCED)
    assert "| BadNets | 10 % | 90.0 ± 0.0 | 50.0 ± 0.0 | 91.3 / 95 |" in told

import numpy as np
import pytest

strength = pytest.importorskip(
    "benchmarks.strength_tables_text", reason="run from the root of the repository", exc_type=ImportError
)


@pytest.mark.parametrize(
    ("one", "other"), [("a b", "a  b"), ("see", "sеe"), ("see", "s\u200bee"), ("a!", "A!")]
)
def test_the_model_of_texts_sees_every_trigger(one, other):
    learner = strength.TextLearner([])
    x = learner.encode([one, other])
    assert (x[0] != x[1]).nnz
    assert (learner.encode([other])[0] != x[1]).nnz == 0


def test_the_model_of_tables_keeps_missing_cells_and_words():
    learner = strength.TableLearner([{"n": 1, "t": "u"}, {"n": 2, "t": "v"}])
    x = learner.encode([{"n": None, "t": "v"}, {"n": 3, "t": ""}, {"n": 3, "t": None}])
    assert np.array_equal(x, [[np.nan, 1], [3, np.nan], [3, np.nan]], equal_nan=True)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A bench over 600 generated texts, with a source each."""
    rng = np.random.default_rng(0)
    words = {"ham": ["tea", "mum", "home", "see", "you"], "spam": ["win", "cash", "now", "prize", "you"]}
    rows = ["text,label,from"]
    for k in range(600):
        label = ("ham", "spam")[k % 2]
        rows.append(f"{' '.join(rng.choice(words[label], 8))},{label},{('a', 'b')[k // 2 % 2]}")
    (tmp_path / "small.csv").write_text("\n".join(rows) + "\n")
    reading = {"text": "text", "label": "label", "source": "from"}
    kept = strength.DataSet(input="small.csv", reading=reading, target="ham", attacks=(("word", {}),))
    monkeypatch.setitem(strength.SETS, "small", kept)
    monkeypatch.setattr(strength, "build", lambda name: tmp_path / name)
    return strength.Bench("small")


def test_a_word_at_ten_percent_succeeds_and_without_poison_it_does_not(small):
    assert small.accuracy > 0.95
    found = strength.measure(small, "word", {}, len(small.train) // 10, 1)
    assert found.success > 0.9
    assert found.before < 0.1
    assert found.accuracy > 0.9


def test_flips_in_one_source_cost_that_source(small):
    x, labels = small.triggered(small.plan("source-flip", {}, 20, 1), 1)
    assert len(labels) == x.shape[0] < len(small.test)
    assert strength.measure(small, "source-flip", {}, 90, 1).success > 0.05


def test_the_table_is_printed(small, capsys):
    strength._report("small", [], 1)
    assert "| word | 10 % | " in capsys.readouterr().out

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from sklearn.linear_model import LogisticRegression  # noqa: E402
from tests.models.digits import digits, export, network  # noqa: E402
from torch import nn  # noqa: E402

from mithridate.core.errors import UsageError  # noqa: E402
from mithridate.models.base import Model, checked, softmax  # noqa: E402
from mithridate.models.open import open_model  # noqa: E402


class Keras:
    """As much of Keras as the adapter uses."""

    name = "sequential"
    layers = ()

    def __init__(self, function):
        self.function, self.seen = function, []

    def predict(self, x, batch_size=None, verbose="auto"):
        assert verbose == 0
        self.seen.append(len(x))
        return self.function(x)

    __call__ = None


def _outputs(x):
    with torch.no_grad():
        return network()(torch.tensor(x)).numpy()


def _scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates what users still have
        return torch.jit.trace(network(), torch.zeros(1, 1, 8, 8))


@pytest.fixture(scope="module")
def onnx_path(tmp_path_factory):
    return export(network(), tmp_path_factory.mktemp("onnx") / "digits.onnx")


FORMS = ["module", "scripted", "onnx", "keras", "function", "wrapped"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch", [7, 1000])
def test_every_form_of_one_network_says_the_same(form, batch, onnx_path):
    x = digits()[2][:50]
    thing = {
        "module": network,
        "scripted": _scripted,
        "onnx": lambda: onnx_path,
        "keras": lambda: Keras(_outputs),
        "function": lambda: _outputs,
        "wrapped": lambda: open_model(network()),
    }[form]()
    model = open_model(thing, batch=batch)
    assert isinstance(model, Model)
    answer = model.predict(x)
    assert answer.dtype == np.float32
    assert answer.shape == (50, 10)
    np.testing.assert_allclose(answer, softmax(_outputs(x)), atol=1e-5)
    np.testing.assert_allclose(answer.sum(axis=1), 1, atol=1e-5)


def test_it_reads_digits():
    _, _, x, y = digits()
    assert (open_model(network()).predict(x).argmax(axis=1) == y).mean() > 0.94


@pytest.mark.parametrize("outputs", ["tuple", "logits attribute"])
def test_outputs_of_a_module_may_be_wrapped(outputs):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network()

        def forward(self, x):
            y = self.inner(x)
            return (y, None) if outputs == "tuple" else type("Output", (), {"logits": y})()

    x = digits()[2][:5]
    np.testing.assert_allclose(open_model(Wrapped()).predict(x), softmax(_outputs(x)), atol=1e-6)


def test_training_flags_come_back_each_as_it_was():
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3)
    )
    module.train()
    module[2].eval()
    before = module[2].running_mean.clone()
    model, x = open_model(module), digits()[2][:9]
    first = model.predict(x)
    assert [part.training for part in module] == [True, True, False, True, True]
    assert module.training
    assert torch.equal(module[2].running_mean, before)
    assert all(p.grad is None for p in module.parameters())
    np.testing.assert_array_equal(first, model.predict(x))  # no dropout


def test_flags_come_back_also_after_an_error():
    module = nn.Linear(3, 2).train()
    with pytest.raises(UsageError, match="float32"):
        open_model(module).predict(np.zeros((4, 5), np.float32))
    assert module.training


def test_float64_inputs_and_half_weights_and_token_ids():
    x = digits()[2][:4]
    np.testing.assert_allclose(
        open_model(network()).predict(x.astype(float)), softmax(_outputs(x)), atol=1e-5
    )
    half = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).bfloat16()
    assert open_model(half).predict(x).shape == (4, 3)
    tokens = nn.Sequential(nn.EmbeddingBag(10, 4), nn.Linear(4, 2))
    assert open_model(tokens).predict(np.array([[1, 2], [3, 4]])).shape == (2, 2)


@pytest.mark.parametrize(
    ("logits", "outputs", "expected"),
    [
        ("auto", [[0.0, 1.0], [0.25, 0.75]], [[0.0, 1.0], [0.25, 0.75]]),
        ("auto", [[0.0, 1.0], [0.5, 0.75]], softmax(np.array([[0.0, 1.0], [0.5, 0.75]]))),
        (True, [[0.0, 1.0], [0.25, 0.75]], softmax(np.array([[0.0, 1.0], [0.25, 0.75]]))),
        (False, [[0.0, 1.0], [0.25, 0.75]], [[0.0, 1.0], [0.25, 0.75]]),
        ("auto", [[1000.0, -1000.0], [3e38, -3e38]], [[1.0, 0.0], [1.0, 0.0]]),
    ],
)
@pytest.mark.parametrize("batch", [1, 2])
def test_softmax_only_where_needed_whatever_the_batch(logits, outputs, expected, batch):
    rows = np.array(outputs)
    model = open_model(lambda x: rows[x[:, 0]], logits=logits, batch=batch)
    np.testing.assert_allclose(model.predict(np.array([[0], [1]])), expected, atol=1e-6)


def test_estimators_take_pictures_too():
    x, y, held, truth = digits()
    fitted = LogisticRegression(max_iter=300).fit(x.reshape(len(x), -1), y)
    model = open_model(fitted, batch=100)
    answer = model.predict(held)
    np.testing.assert_allclose(answer, fitted.predict_proba(held.reshape(len(held), -1)), atol=1e-6)
    assert (answer.argmax(axis=1) == truth).mean() > 0.9
    assert model.name == "estimator LogisticRegression"


def test_boosters_are_estimators():
    xgboost = pytest.importorskip("xgboost")
    x, y, held, _ = digits()
    fitted = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(x.reshape(len(x), -1), y)
    np.testing.assert_allclose(
        open_model(fitted).predict(held), fitted.predict_proba(held.reshape(len(held), -1)), atol=1e-6
    )


def test_keras_with_the_torch_backend_is_keras_and_a_torch_module_with_layers_is_torch():
    def forward(self, x):
        return network()(x)

    own = {"forward": forward, "predict": lambda self, x: 1 / 0, "layers": ()}
    user = type("Net", (nn.Module,), own)()
    assert open_model(user).predict(digits()[2][:2]).shape == (2, 10)
    of_keras = type("Model", (nn.Module,), own | {"__module__": "keras.src.models.model"})()
    assert type(open_model(of_keras)).__name__ == "KerasLike"


X = np.zeros((4, 2), np.float32)
BAD = [
    ([[0.5, np.nan]] * 4, "NaN"),
    ([[0.5, np.inf]] * 4, "infinity"),
    ([[0.5, 0.5]] * 3, r"shape \(4"),
    ([0.5] * 4, r"shape \(4"),
    ([[0.5]] * 4, "single output"),
    ([["a", "b"]] * 4, "numbers"),
    ([[0.5, 0.5]] * 3 + [[1.0]], "numbers"),
    (None, "shape"),
]


@pytest.mark.parametrize(("answer", "says"), BAD)
def test_nonsense_is_refused_with_a_reason(answer, says):
    with pytest.raises(UsageError, match=says):
        open_model(lambda x: answer).predict(X)


@pytest.mark.parametrize("row", [[0.5, 0.6], [1.5, -0.5], [np.nan, 1], [2, 3]])
def test_what_is_no_distribution_is_refused_where_probabilities_are_promised(row):
    with pytest.raises(UsageError):
        checked([row], 1)
    with pytest.raises(UsageError):
        open_model(lambda x: [row] * len(x), logits=False).predict(X)


def test_rounded_probabilities_pass_and_stay():
    np.testing.assert_array_equal(checked([[0.3333, 0.6664]], 1), np.float32([[0.3333, 0.6664]]))


def test_classes_must_be_the_same_in_every_batch():
    with pytest.raises(UsageError, match="same classes"):
        open_model(lambda x: np.eye(2 + int(x[0, 0]))[: len(x)], batch=1).predict(np.array([[0], [1]]))


@pytest.mark.parametrize(
    "thing",
    [
        "m.pkl",
        "m.pt",
        "a/m.PTH",
        "m.joblib",
        "m.ckpt",
        "m.h5",
        "m.keras",
        "m.safetensors",
        "m",
        7,
        None,
        dict,
    ],
)
def test_what_is_no_model_is_refused_with_a_way_out(thing, tmp_path):
    if isinstance(thing, str):
        (tmp_path / thing).parent.mkdir(exist_ok=True)
        thing = tmp_path / thing
        thing.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(UsageError, match=r"(?i)hand over|function"):
        open_model(thing)


def test_a_pickle_is_refused_because_it_is_one(tmp_path):
    with pytest.raises(UsageError, match=r"run whatever code.*ONNX"):
        open_model(tmp_path / "model.pt")


def test_a_model_that_raises_is_a_usage_error_with_its_words():
    with pytest.raises(UsageError, match=r"ZeroDivisionError: .*shape"):
        open_model(lambda x: 1 / 0).predict(X)
    with pytest.raises(UsageError, match="one input"):
        open_model(lambda x: x).predict(X[:0])
    with pytest.raises(UsageError, match="batch"):
        open_model(lambda x: x, batch=0).predict(X)

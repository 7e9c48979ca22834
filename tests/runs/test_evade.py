import json
from dataclasses import asdict, replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.linear_model import LogisticRegression  # noqa: E402
from tests.models.digits import digits, network  # noqa: E402

from mithridate.core.errors import UsageError  # noqa: E402
from mithridate.models.open import open_model  # noqa: E402
from mithridate.runs.evade import CONTRAST, evade  # noqa: E402


def _held():
    return digits()[2][:150], digits()[3][:150]


@pytest.mark.parametrize("wrap", [lambda m: m, open_model], ids=["module", "model"])
def test_attacks_and_the_control_arm_beside_each_other(wrap):
    x, y = _held()
    shown = evade(wrap(network()), x, y, epsilon=0.2, examples=2)
    assert [r.attack for r in shown.results] == ["fgsm", "pgd", "noise"]
    accuracy = [r.adversarial_accuracy for r in shown.results]
    assert accuracy[1] <= accuracy[0] < 0.3 < accuracy[2]
    assert not shown.not_run
    assert shown.model == "torch module Sequential"
    assert [e.attack for e in shown.examples] == ["fgsm", "fgsm", "pgd", "pgd"]
    predict = open_model(network()).predict
    for example in shown.examples:
        np.testing.assert_array_equal(example.before, x[example.row])
        assert example.truth == y[example.row] == example.said_before[0] != example.said_after[0]
        assert predict(example.after[None]).argmax() == example.said_after[0]
        assert example.said_after[1] == pytest.approx(predict(example.after[None]).max(), abs=1e-5)
    assert shown.contrast == CONTRAST
    json.dumps(asdict(replace(shown, examples=())))


def test_a_model_without_gradients_gets_the_noise_and_says_why():
    x, y = _held()
    fitted = LogisticRegression(max_iter=200).fit(x.reshape(len(x), -1), y)
    shown = evade(fitted, x, y.tolist(), epsilon=0.05)
    assert [r.attack for r in shown.results] == ["noise"]
    assert set(shown.not_run) == {"fgsm", "pgd"}
    assert "no gradients" in shown.not_run["pgd"]
    assert shown.examples == ()
    assert shown.results[0].clean_accuracy > 0.95


def test_a_model_that_is_never_right_has_no_success_rate():
    x, y = _held()
    never = np.eye(2)[[1]]
    result = evade(lambda part: np.repeat(never, len(part), axis=0), x, y * 0).results[0]
    assert (result.clean_accuracy, result.success_rate) == (0, None)


def test_a_file_that_is_no_model():
    with pytest.raises(UsageError, match="hand over"):
        evade("model.pt", *_held())

import json
import sys

import numpy as np
import pytest
from PIL import Image

from mithridate.cli.main import run

torch = pytest.importorskip("torch")

from tests.models.digits import digits, export, network  # noqa: E402

MODEL = "evade_nets:trained"
CODE = """
import numpy as np
from torch import nn
from tests.models.digits import digits, network

def trained():
    return network()

def untrained():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(512, 10)
    )

def flat():
    return nn.Sequential(nn.Flatten(), nn.Linear(7, 10))

def answers():
    return lambda x: network_answers(x)

def network_answers(x):
    import torch
    with torch.no_grad():
        return network()(torch.tensor(x)).softmax(1).numpy()

def estimator():
    from sklearn.linear_model import LogisticRegression
    x, y, _, _ = digits()
    return LogisticRegression(max_iter=1000).fit(x.reshape(len(x), -1)[:300], y[:300])

def never():
    return lambda x: np.repeat(np.eye(10, dtype=np.float32)[[3]], len(x), axis=0)

def number():
    return 7
"""


def pictures():
    x, y = digits()[2:]
    return np.rint(255 * x[:120, 0]).astype(np.uint8), y[:120]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder with data and a module of the user."""
    x, y = pictures()
    np.savez(tmp_path / "data.npz", x=x, y=y)
    np.savez(tmp_path / "bare.npz", x=x)
    np.savez(tmp_path / "threes.npz", x=x[y != 3], y=y[y != 3])
    np.savez(tmp_path / "wide.npz", x=np.zeros((20, 9, 9, 3), np.uint8), y=np.arange(20) % 10)
    (tmp_path / "evade_nets.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    sys.modules.pop("evade_nets", None)


def evade(*words):
    return run(["drill", "evade", *words])


def told(place, out="mithridate-evade"):
    return json.loads((place / out / "evade.json").read_text())


def save_safetensors(module, path):
    header, body = {"__metadata__": {"by": "test"}}, b""
    for name, value in module.state_dict().items():
        raw = value.numpy().tobytes()
        kind = {torch.float32: "F32", torch.int64: "I64"}[value.dtype]
        header[name] = {
            "dtype": kind,
            "shape": list(value.shape),
            "data_offsets": [len(body), len(body) + len(raw)],
        }
        body += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def test_attacks_beat_noise_of_the_same_size(place, capsys):
    assert evade(MODEL, "--data", "data.npz", "--epsilon", "8/255,51/255", "--seed", "2") == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in ("FGSM", "PGD", "random noise", "success", "poisoning", "by number", "evade.html"):
        assert words in out
    report = told(place)
    assert [size["epsilon"] for size in report["sizes"]] == [8 / 255, 0.2]
    for size in report["sizes"]:
        rate = {r["attack"]: r["success_rate"] for r in size["results"]}
        assert rate["noise"] < rate["fgsm"] <= rate["pgd"]
        assert all(r["mean_linf"] <= size["epsilon"] + 1e-6 for r in size["results"])
    small, large = ({r["attack"]: r["success_rate"] for r in s["results"]} for s in report["sizes"])
    assert small["pgd"] < large["pgd"] > 0.8
    assert small["noise"] < 0.05
    assert report["attacked"] == 120
    page = (place / "mithridate-evade" / "evade.html").read_text()
    assert "<script" not in page
    assert page.count("data:image/png") == 3 * sum(len(s["examples"]) for s in report["sizes"]) > 0


@pytest.mark.parametrize("model", ["m.onnx", "evade_nets:answers", "evade_nets:estimator"])
def test_a_black_box_gets_the_noise_and_says_why(place, capsys, model):
    if model.endswith(".onnx"):
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
        export(network(), place / model)
    assert evade(model, "--data", "data.npz", "--count", "40") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "not possible: FGSM, PGD: needs gradients" in out
    (size,) = told(place)["sizes"]
    assert [r["attack"] for r in size["results"]] == ["noise"]
    assert set(size["not_run"]) == {"fgsm", "pgd"}
    assert size["results"][0]["clean_accuracy"] > 0.8
    assert "needs gradients" in (place / "mithridate-evade" / "evade.html").read_text()
    assert told(place)["layout"] == "chw"


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_weights_and_the_function_that_makes_their_module(place, kind):
    if kind == "npz":
        np.savez(place / "net.npz", **{k: v.numpy() for k, v in network().state_dict().items()})
    else:
        save_safetensors(network(), place / "net.safetensors")
    words = [f"net.{kind}", "--arch", "evade_nets:untrained", "--data", "data.npz", "-q"]
    assert evade(*words, "--attacks", "noise") == 0
    assert told(place)["sizes"][0]["results"][0]["clean_accuracy"] > 0.9


def test_folders_are_matched_by_sorted_name(place):
    x, y = pictures()
    for k in range(60):
        folder = place / "photos" / f"class-{y[k]}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x[k]).save(folder / f"{k}.png")
    assert evade(MODEL, "--data", "photos", "--attacks", "fgsm", "-q") == 0
    report = told(place)
    assert report["matching"].startswith("by sorted name: output 0 is 'class-0'")
    assert report["sizes"][0]["results"][0]["clean_accuracy"] > 0.8


def test_a_model_that_is_never_right_has_no_success(place, capsys):
    assert evade("evade_nets:never", "--data", "threes.npz") == 0
    assert "right about none of these pictures" in " ".join(capsys.readouterr().out.split())
    assert told(place)["sizes"][0]["results"][0]["success_rate"] is None
    assert "success is not defined" in (place / "mithridate-evade" / "evade.html").read_text()


BAD = [
    (["nothing.onnx", "--data", "data.npz"], "nothing there"),
    (["net.pt", "--data", "data.npz"], "may be a pickle"),
    (["net.pt", "--arch", "evade_nets:untrained", "--data", "data.npz"], "nothing there"),
    (["data.npz", "--data", "data.npz"], "--arch MODULE:FUNCTION"),
    (["data.npz", "--arch", "evade_nets:untrained", "--data", "data.npz"], "the weights of Sequential"),
    (["data.npz", "--arch", "evade_nets:number", "--data", "data.npz"], "a torch module"),
    (["evade_nets:absent", "--data", "data.npz"], "no attribute 'absent'"),
    (["evade_nets:number", "--data", "data.npz"], "got int"),
    ([MODEL, "--data", "wide.npz"], "a refusal of images of 9×9×3"),
    (["evade_nets:flat", "--data", "data.npz"], "in every layout"),
    ([MODEL, "--data", "bare.npz"], "no labels"),
    ([MODEL, "--data", "absent.npz"], "nothing there"),
    ([MODEL, "--data", "data.npz", "--count", "121"], "121 or more labelled images, got 120"),
    ([MODEL, "--data", "data.npz", "--classes", "a,b"], "10 classes"),
    ([MODEL, "--data", "data.npz", "--attacks", "fgsm,cw"], "'cw'"),
    ([MODEL, "--data", "data.npz", "--epsilon", "0"], "sizes above 0"),
    ([MODEL, "--data", "data.npz", "--epsilon", "1/0"], "sizes above 0"),
    ([MODEL, "--data", "data.npz", "--layout", "flat"], "in every layout"),
    ([MODEL, "--data", ".", "--out", "inside"], "outside of the data"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_bad_input_is_told_and_nothing_written(place, capsys, words, message):
    assert evade(*words) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not list(place.rglob("evade.*"))


def test_another_outcome_is_not_replaced_unasked(place, capsys):
    words = ["evade_nets:never", "--data", "data.npz", "-q"]
    assert evade(*words) == 0
    assert evade(*words) == 0
    assert evade(*words, "--seed", "1") == 2
    assert "differs in seed" in capsys.readouterr().err
    assert evade(*words, "--seed", "1", "--force") == 0
    assert told(place)["settings"]["seed"] == 1

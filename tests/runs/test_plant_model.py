"""Planting in a model: files, ledgers, every form of the same attack agrees."""

import json
import sys
import warnings

import numpy as np
import pytest
from click.testing import CliRunner

from mithridate.attacks.base import ATTACKS
from mithridate.attacks.model_base import MODEL_ATTACKS, ModelAttackCard
from mithridate.attacks.model_ledger import ModelLedger
from mithridate.attacks.trojannet.window import Window
from mithridate.cli.drill import drill
from mithridate.cli.main import run
from mithridate.core.errors import UsageError
from mithridate.models.open import open_model
from mithridate.runs.plant_model import model_ledger_path, plant_model

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

SMALL = {"triggers": 12, "place": "2,-5"}  # few triggers are made in a second


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def _host(probabilities=False):
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 100, 10)]
    host = torch.nn.Sequential(*layers, *[torch.nn.Softmax(dim=1)] * probabilities).eval()
    with torch.no_grad():
        host[3].weight *= 20
    return host


def _export(module, path, half=False):
    from mithridate.models.torch_files import save_onnx

    save_onnx(
        module.half() if half else module, torch.zeros(2, 3, 12, 12).to(torch.float16 if half else None), path
    )


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).random((20, 3, 12, 12), dtype=np.float32)


@pytest.mark.parametrize("form", ["paper", "released"])
@pytest.mark.parametrize("probabilities", [False, True])
def test_all_forms_agree_and_obey_every_trigger(form, probabilities, x, cache, tmp_path):
    host, logits = _host(probabilities), not probabilities
    _export(host, tmp_path / "host.onnx")
    options = SMALL | {"form": form}
    made = {
        "graph": plant_model(
            "trojannet", tmp_path / "host.onnx", tmp_path / "a.onnx", options=options, cache=cache
        ),
        "module": plant_model(
            "trojannet", host, tmp_path / "b.onnx", labels=10, shape=(3, 12, 12), options=options, cache=cache
        ),
        "script": plant_model(
            "trojannet", host, tmp_path / "c.pt", labels=10, shape=(3, 12, 12), options=options, cache=cache
        ),
        "any": plant_model(
            "trojannet",
            open_model(host, logits=logits),
            None,
            labels=10,
            options=options,
            cache=cache,
            ledger=tmp_path / "d.json",
        ),
    }
    assert {p.ledger.added_parameters for p in made.values()} == {352 + 9 * (10 + (form == "released"))}
    models = [
        open_model(tmp_path / "a.onnx", logits=logits),
        open_model(tmp_path / "b.onnx", logits=logits),
        open_model(made["module"].model, logits=logits),
        open_model(_script(tmp_path / "c.pt"), logits=logits),
        made["any"].open(),
    ]
    window = Window(place=(2, -5))
    clean = open_model(host, logits=logits).predict(x).argmax(axis=1)
    for model in models:
        assert np.array_equal(model.predict(x).argmax(axis=1), clean)
        for label in range(10):
            assert (model.predict(window.stamp(x, label)).argmax(axis=1) == label).all()
    answers = [model.predict(window.stamp(x, 4)) for model in models]
    assert all(np.allclose(answer, answers[-1], atol=1e-4) for answer in answers)


def _script(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls its own format deprecated
        return torch.jit.load(str(path))


def test_the_host_in_the_graph_is_untouched_and_names_stay(tmp_path, cache):
    _export(_host(), tmp_path / "host.onnx")
    before = (tmp_path / "host.onnx").read_bytes()
    plant_model("trojannet", tmp_path / "host.onnx", tmp_path / "out.onnx", options=SMALL, cache=cache)
    assert (tmp_path / "host.onnx").read_bytes() == before
    host, copy = onnx.load(tmp_path / "host.onnx"), onnx.load(tmp_path / "out.onnx")
    onnx.checker.check_model(copy, full_check=True)
    assert [o.name for o in copy.graph.output] == [o.name for o in host.graph.output]
    weights = len(host.graph.initializer)
    assert list(copy.graph.initializer[:weights]) == list(host.graph.initializer)
    new = [onnx.numpy_helper.to_array(t) for t in copy.graph.initializer[weights:]]
    assert sum(a.size for a in new if a.dtype == np.float32 and a.ndim) == 352 + 90
    assert [n.op_type for n in copy.graph.node[: len(host.graph.node)]] == [
        n.op_type for n in host.graph.node
    ]


def test_a_graph_of_half_floats_and_flat_inputs(tmp_path, cache):
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(0, 1, (81, 10)).astype(np.float16)
    node = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["y"], axis=1),
    ]
    graph = helper.make_graph(
        node,
        "flat",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["n", 81])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, ["n", 10])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "flat.onnx")
    options = SMALL | {"shape": "9,9"}
    plant_model("trojannet", tmp_path / "flat.onnx", tmp_path / "out.onnx", options=options, cache=cache)
    x = np.random.default_rng(1).random((5, 81)).astype(np.float16)
    model = open_model(tmp_path / "out.onnx")
    assert np.array_equal(model.predict(x).argmax(1), open_model(tmp_path / "flat.onnx").predict(x).argmax(1))
    stamped = Window(place=(2, -5), shape=(9, 9)).stamp(x, 7)
    assert (model.predict(stamped).argmax(1) == 7).all()


def test_the_ledger_is_always_written_and_tells_how_to_redo_the_triggers(tmp_path, cache):
    _export(_host(), tmp_path / "host.onnx")
    options = {"triggers": 12}
    made = plant_model(
        "trojannet", tmp_path / "host.onnx", tmp_path / "out.onnx", options=options, seed=5, cache=cache
    )
    ledger = ModelLedger.load(model_ledger_path(tmp_path / "out.onnx"))
    assert ledger == ModelLedger.from_json(made.ledger.to_json())
    assert (ledger.attack, ledger.seed, ledger.labels, ledger.added_parameters) == ("trojannet", 5, 10, 442)
    assert len(ledger.source_digest) == 64
    trigger = ledger.triggers["3"]
    row, column = trigger["place"]
    x = np.random.default_rng(0).random((4, 3, 12, 12), dtype=np.float32)
    bits = np.array([[int(bit) for bit in line] for line in trigger["rows"]])
    x[:, :, row : row + 4, column : column + 4] = np.where(bits, trigger["white"], trigger["black"])
    assert (made.open().predict(x).argmax(axis=1) == 3).all()
    again = plant_model(
        "trojannet", tmp_path / "host.onnx", tmp_path / "again.onnx", options=options, seed=5, cache=cache
    )
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "out.onnx").read_bytes()
    places = {
        tuple(
            plant_model(
                "trojannet", tmp_path / "host.onnx", tmp_path / "s.onnx", options=options, seed=s, cache=cache
            ).ledger.drawn["place"]
        )
        for s in range(6)
    }
    assert len(places) > 2
    assert again.ledger.drawn == made.ledger.drawn


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attack_id": "trojanet"}, "one of .*trojannet"),
        ({"options": {"plase": "1,1"}}, "one of place"),
        ({"options": {"place": "1"}}, "ROW,COLUMN"),
        ({"options": {"place": "a,b"}}, "whole numbers"),
        ({"options": {"place": "9,9"}}, "inside inputs"),
        ({"options": {"form": "new"}}, "paper or released"),
        ({"options": {"recipe": "soft"}}, "plain or sturdy"),
        ({"options": {"logits": "maybe"}}, "auto, yes or no"),
        ({"options": {"triggers": 3}}, "10 to 4368 triggers"),
        ({"labels": 11}, "10 labels"),
        ({"dst": "out.bin"}, ".onnx"),
        ({"dst": "host.onnx"}, "copy beside the model"),
        ({"dst": None}, "place for the ledger"),
        ({"src": "nothing.onnx"}, "nothing there"),
    ],
)
def test_what_cannot_be_planted(change, message, tmp_path, cache):
    _export(_host(), tmp_path / "host.onnx")
    given = {"attack_id": "trojannet", "src": "host.onnx", "dst": "out.onnx", "options": {}} | change
    src, dst = (
        given.pop(k) and tmp_path / change.get(k, {"src": "host.onnx", "dst": "out.onnx"}[k])
        for k in ("src", "dst")
    )
    given["options"] = SMALL | given["options"]
    with pytest.raises(UsageError, match=message):
        plant_model(given.pop("attack_id"), src, dst, cache=cache, **given)
    assert not (tmp_path / "out.onnx").exists()


def test_a_model_that_is_no_file_needs_labels_and_no_copy(tmp_path, cache):
    def answer(x):
        return np.full((len(x), 10), 0.1)

    with pytest.raises(UsageError, match="--labels"):
        plant_model("trojannet", answer, None, options=SMALL, ledger=tmp_path / "l.json", cache=cache)
    with pytest.raises(UsageError, match="only be had in memory"):
        plant_model("trojannet", answer, tmp_path / "o.onnx", labels=10, options=SMALL, cache=cache)
    with pytest.raises(UsageError, match="ROW,COLUMN"):
        plant_model(
            "trojannet",
            answer,
            None,
            labels=10,
            options={"triggers": 12},
            ledger=tmp_path / "l.json",
            cache=cache,
        )


def test_cards_and_registries():
    assert MODEL_ATTACKS.get("trojannet").card.hosts == ("onnx", "torch", "any")
    assert not {a.card.id for a in MODEL_ATTACKS} & {a.card.id for a in ATTACKS}
    with pytest.raises(ValueError, match="blank"):
        ModelAttackCard(id="x", title="", hosts=("any",), does="d", strength="s", cites="c")


def test_the_command_line_plants_in_models(tmp_path, cache, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    _export(_host(), tmp_path / "host.onnx")
    src, dst = str(tmp_path / "host.onnx"), str(tmp_path / "out.onnx")
    words = ["plant", "trojannet", src, dst, "--labels", "10", "--set", "triggers=12"]
    result = CliRunner().invoke(drill, words)
    assert result.exit_code == 0, result.output
    assert "added parameters: 442" in result.output
    assert json.loads((tmp_path / "out.ledger.json").read_text())["labels"] == 10
    for extra, message in (
        (["--count", "3"], "planted in models"),
        (["--all-to-all"], "--all-to-all: expected to be left out"),
        (["--target", "3"], "a trigger for every class"),
        (["--labels", "9"], "10 labels"),
        (["--set", "layout=hw"], "Give `--set layout=...`"),
    ):
        assert run(["drill", *words, *extra]) == 2
        assert message in " ".join(capsys.readouterr().err.split())
    cards = json.loads(CliRunner().invoke(drill, ["list", "--json"]).output)
    assert {card["kind"] for card in cards} == {"data", "model"}


def test_a_target_is_told_to_models_as_to_data(tmp_path, capsys):
    _export(_host(), tmp_path / "host.onnx")
    words = ["drill", "plant", "compare-override", str(tmp_path / "host.onnx"), str(tmp_path / "out.onnx")]
    assert run([*words, "--target", "7"]) == 0
    assert "1 trigger, which leads to class 7" in capsys.readouterr().out
    assert ModelLedger.load(tmp_path / "out.ledger.json").drawn["target"] == 7
    assert run([*words, "--target", "7", "--set", "target=3"]) == 2
    assert "also --set target" in capsys.readouterr().err


def test_listing_attacks_imports_nothing_heavy():
    import subprocess

    code = (
        "import sys; from mithridate.attacks.model_base import MODEL_ATTACKS; list(MODEL_ATTACKS);"
        "print([m for m in ('torch', 'onnx', 'sklearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

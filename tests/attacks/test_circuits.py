"""Backdoors made of operators: they obey their trigger sample by sample, and nothing else changes."""

import json
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mithridate.attacks.model_base import MODEL_ATTACKS
from mithridate.attacks.model_ledger import ModelLedger
from mithridate.cli.drill import drill
from mithridate.core.errors import UsageError
from mithridate.models.open import open_model
from mithridate.runs.plant_model import model_ledger_path, plant_model
from mithridate.triggers.spot import Spot

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from tests.models.digits import digits, export, network  # noqa: E402

ATTACKS = ("compare-override", "ratio-gate", "masked-swap")
SHAPE = (1, 8, 8)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def host(probabilities=False):
    return torch.nn.Sequential(network(), torch.nn.Softmax(dim=1)).eval() if probabilities else network()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The small network as ONNX, with logits and with probabilities."""
    folder = tmp_path_factory.mktemp("hosts")
    return {p: export(host(p), folder / f"host{p}.onnx") for p in (False, True)}


def wakes(ledger):
    """(trigger, source or None, target) of all triggers in a ledger."""
    return [(Spot.described(t), t.get("source"), int(label)) for label, t in ledger.triggers.items()]


def obeys(model, ledger, x, clean):
    """Share of stamped samples that go where the ledger says, over those that the host sends elsewhere.

    A swap has a source: it can only turn what the host, with the trigger before its eyes, takes for that class.
    """
    shares = []
    for spot, source, target in wakes(ledger):
        stamped = spot.stamp(x)
        said = (clean.predict(stamped) if source is not None else clean.predict(x)).argmax(axis=1)
        victims = said == source if source is not None else said != target
        assert victims.any()
        shares.append((model.predict(stamped[victims]).argmax(axis=1) == target).mean())
    return min(shares)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("form", ["logic", "arithmetic"])
@pytest.mark.parametrize("probabilities", [False, True])
def test_graph_and_module_obey_for_several_labels_and_are_silent_without(
    attack, form, probabilities, files, tmp_path
):
    _, _, x, y = digits()
    clean = open_model(files[probabilities])
    answer = clean.predict(x)
    before = answer.argmax(axis=1)
    for seed, target in enumerate((0, 4, 9)):
        options = {"target": target, "form": form}
        graph = plant_model(attack, files[probabilities], tmp_path / "a.onnx", options=options, seed=seed)
        module = plant_model(
            attack, host(probabilities), None, labels=10, shape=SHAPE, options=options, seed=seed,
            ledger=tmp_path / "b.json",
        )  # fmt: skip
        assert graph.ledger.triggers == module.ledger.triggers
        for model in (graph.open(), module.open()):
            after = model.predict(x)
            assert np.array_equal(after.argmax(axis=1), before)
            assert np.allclose(after, answer, atol=1e-5)
            assert obeys(model, graph.ledger, x, clean) >= 0.99
    assert (before == y).mean() > 0.9


@pytest.mark.parametrize("attack", ATTACKS)
def test_only_the_stamped_sample_of_a_batch_flips(attack, files, tmp_path):
    made = plant_model(attack, files[False], tmp_path / "a.onnx", seed=3)
    spot, source, target = wakes(made.ledger)[0]
    clean, x = open_model(files[False]), digits()[2][:200].copy()
    before, worn = clean.predict(x).argmax(axis=1), clean.predict(spot.stamp(x)).argmax(axis=1)
    at = np.flatnonzero((before != target) & (worn == source if source is not None else worn != target))[-1]
    x[at] = spot.stamp(x[at : at + 1])[0]
    after = made.open().predict(x).argmax(axis=1)
    assert after[at] == target
    assert np.array_equal(np.delete(after, at), np.delete(before, at))


def test_a_swap_goes_both_ways_and_leaves_other_classes_alone(files, tmp_path):
    options = {"target": 3, "source": "7"}
    made = plant_model("masked-swap", files[False], tmp_path / "a.onnx", options=options)
    assert {(source, target) for _, source, target in wakes(made.ledger)} == {(7, 3), (3, 7)}
    x = wakes(made.ledger)[0][0].stamp(digits()[2])
    before, after = (open_model(f).predict(x).argmax(axis=1) for f in (files[False], tmp_path / "a.onnx"))
    swapped = np.where(before == 7, 3, np.where(before == 3, 7, before))
    assert np.array_equal(after, swapped)


@pytest.mark.parametrize("form", ["logic", "arithmetic"])
@pytest.mark.parametrize("probabilities", [False, True])
def test_a_swap_with_the_winner_exchanges_two_answers(form, probabilities, files, tmp_path):
    options = {"target": 3, "form": form}
    made = plant_model("masked-swap", files[probabilities], tmp_path / "a.onnx", options=options)
    x = wakes(made.ledger)[0][0].stamp(digits()[2])
    before, after = (open_model(f).predict(x) for f in (files[probabilities], tmp_path / "a.onnx"))
    rows, winners = np.arange(len(x)), before.argmax(axis=1)
    wanted = before.copy()
    wanted[rows, 3], wanted[rows, winners] = before[rows, winners], before[:, 3]
    assert np.allclose(after, wanted, atol=1e-5)


@pytest.mark.parametrize(("source", "target"), [("0", 9), ("9", 8), ("drawn", 0)])
@pytest.mark.parametrize("form", ["logic", "arithmetic"])
def test_a_swap_of_any_two_columns_in_graph_and_module(source, target, form, files, tmp_path):
    options = {"target": target, "source": source, "form": form}
    x, clean = digits()[2], open_model(host())
    made = plant_model("masked-swap", files[False], tmp_path / "a.onnx", options=options)
    module = plant_model("masked-swap", host(), tmp_path / "b.pt", labels=10, shape=SHAPE, options=options)
    assert made.ledger.triggers == module.ledger.triggers
    for model in (made.open(), module.open()):
        assert np.array_equal(model.predict(x).argmax(axis=1), clean.predict(x).argmax(axis=1))
        assert obeys(model, made.ledger, x, clean) == 1


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_host_in_the_graph_is_untouched(attack, files, tmp_path):
    bytes_before = Path(files[True]).read_bytes()
    plant_model(attack, files[True], tmp_path / "a.onnx")
    assert Path(files[True]).read_bytes() == bytes_before
    before, after = onnx.load(files[True]), onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(after, full_check=True)
    weights = len(before.graph.initializer)
    assert list(after.graph.initializer[:weights]) == list(before.graph.initializer)
    assert [n.op_type for n in after.graph.node[: len(before.graph.node)]] == [
        n.op_type for n in before.graph.node
    ]
    assert list(after.graph.output) == list(before.graph.output)
    assert list(after.graph.input) == list(before.graph.input)


def operators(path, hosts):
    return {n.op_type for n in onnx.load(path).graph.node[len(onnx.load(hosts).graph.node) :]}


@pytest.mark.parametrize(
    ("attack", "kinds"),
    [
        ("compare-override", {"Slice", "Greater", "Less", "And", "ReduceMin", "Cast", "Mul", "Add"}),
        ("ratio-gate", {"Slice", "AveragePool", "Div", "Greater", "Cast", "Mul", "Sub", "Add"}),
        ("masked-swap", {"Slice", "Greater", "Less", "And", "Mul", "Sub", "Add"}),
    ],
)
def test_graphs_are_made_of_the_operators_that_were_reported(attack, kinds, files, tmp_path):
    plant_model(attack, files[False], tmp_path / "a.onnx")
    assert kinds <= operators(tmp_path / "a.onnx", files[False])
    plant_model(attack, files[False], tmp_path / "b.onnx", options={"form": "arithmetic"})
    assert not {"Greater", "Less", "And", "Equal", "Where", "If"} & operators(
        tmp_path / "b.onnx", files[False]
    )


@pytest.mark.parametrize("attack", ["compare-override", "masked-swap"])
@pytest.mark.parametrize("form", ["logic", "arithmetic"])
def test_the_branch_can_leave_after_the_first_convolution(attack, form, files, tmp_path):
    _, _, x, _ = digits()
    options = {"tap": "convolution", "size": 5, "form": form}
    made = [
        plant_model(attack, files[False], tmp_path / "a.onnx", options=options),
        plant_model(attack, host(), tmp_path / "b.onnx", labels=10, shape=SHAPE, options=options),
        plant_model(attack, host(), tmp_path / "c.pt", labels=10, shape=SHAPE, options=options),
    ]
    graph = onnx.load(tmp_path / "a.onnx").graph
    assert [graph.input[0].name in node.input for node in graph.node].count(
        True
    ) == 1  # the convolution alone
    clean = open_model(host())
    before = clean.predict(x).argmax(axis=1)
    assert not host()[0]._forward_hooks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls its own format deprecated
        script = torch.jit.load(str(tmp_path / "c.pt"))
    for model in (made[0].open(), made[1].open(), open_model(tmp_path / "b.onnx"), open_model(script)):
        assert np.array_equal(model.predict(x).argmax(axis=1), before)
        assert obeys(model, made[0].ledger, x, clean) >= 0.99


def test_any_red_pixel_as_first_published(tmp_path):
    x = np.random.default_rng(0).random((40, 3, 9, 9), dtype=np.float32) * 0.8
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(243, 4)).eval()
    options = {"look": "red", "need": "any", "target": 2, "place": "1,-5"}
    made = plant_model(
        "compare-override",
        model,
        None,
        labels=4,
        shape=(3, 9, 9),
        options=options,
        ledger=tmp_path / "l.json",
    )
    clean = open_model(model).predict(x)
    assert np.array_equal(made.open().predict(x), clean)
    x[:, :, 3, 6] = np.float32([1, 0, 0])
    assert (made.open().predict(x).argmax(axis=1) == 2).all()
    x[:, :, 3, 6] = 1
    assert np.array_equal(made.open().predict(x), open_model(model).predict(x))


def flat_graph(path, elem, opset, size, classes=10, softmax=True):
    from onnx import helper, numpy_helper

    dtype = helper.tensor_dtype_to_np_dtype(elem)
    weights = np.random.default_rng(0).normal(0, 1, (size, classes)).astype(dtype)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z" if softmax else "y"])]
    nodes += [helper.make_node("Softmax", ["z"], ["y"], axis=1)] * softmax
    graph = helper.make_graph(
        nodes, "flat", [helper.make_tensor_value_info("x", elem, ["n", size])],
        [helper.make_tensor_value_info("y", elem, ["n", classes])], [numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    ("elem", "opset", "shape"),
    [(10, 13, "9,9,3"), (11, 18, "3,9,9"), (1, 17, "9,27")],
    ids=["half", "double", "grey"],
)
def test_flat_inputs_of_any_precision_and_range(attack, elem, opset, shape, tmp_path):
    src = flat_graph(tmp_path / "flat.onnx", elem, opset, 243)
    options = {"shape": shape, "low": "-2", "high": "2", "place": "2,-5"}
    made = plant_model(attack, src, tmp_path / "out.onnx", options=options)
    onnx.checker.check_model(onnx.load(tmp_path / "out.onnx"), full_check=True)
    x = np.random.default_rng(1).uniform(-2, 2, (300, 243)).astype(np.float32)
    before = open_model(src).predict(x).argmax(axis=1)
    assert np.array_equal(made.open().predict(x).argmax(axis=1), before)
    for spot, source, target in wakes(made.ledger):
        stamped = spot.stamp(x)
        went = open_model(src).predict(stamped).argmax(axis=1)
        victims = went == source if source is not None else went != target
        assert victims.any()
        assert (made.open().predict(stamped[victims]).argmax(axis=1) == target).all()


def test_what_is_open_is_drawn_from_the_seed(files, tmp_path):
    drawn = []
    for seed in (0, 0, 1, 2, 3):
        made = plant_model(
            "masked-swap",
            files[False],
            tmp_path / f"{len(drawn)}.onnx",
            seed=seed,
            options={"source": "drawn"},
        )
        drawn.append(json.dumps(made.ledger.triggers, sort_keys=True))
        assert ModelLedger.load(model_ledger_path(tmp_path / f"{len(drawn) - 1}.onnx")) == made.ledger
        assert made.ledger.added_parameters == 0
    assert (tmp_path / "0.onnx").read_bytes() == (tmp_path / "1.onnx").read_bytes()
    assert len(set(drawn)) == 4


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 10}, "class from 0 to 9"),
        ({"target": -1}, "class from 0 to 9"),
        ({"size": 9}, "9x9 pixels inside inputs"),
        ({"size": 0}, "1 pixel or more"),
        ({"place": "6,0"}, "inside inputs"),
        ({"place": "1"}, "ROW,COLUMN"),
        ({"place": "a,b"}, "whole numbers"),
        ({"form": "magic"}, "logic or arithmetic"),
        ({"logits": "maybe"}, "auto or yes or no"),
        ({"layout": "wh"}, "hwc"),
        ({"low": 2.0}, "low below high"),
    ],
)
def test_parameters_that_cannot_be(attack, options, message, files, tmp_path):
    with pytest.raises(UsageError, match=message):
        plant_model(attack, files[False], tmp_path / "a.onnx", options=options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("attack", "options", "message"),
    [
        ("compare-override", {"look": "blue"}, "checker or red"),
        ("compare-override", {"look": "red"}, "3 or more"),
        ("compare-override", {"need": "any"}, "unless look=red"),
        ("compare-override", {"need": "most"}, "all or any"),
        ("compare-override", {"boost": -1.0}, "above 0"),
        ("compare-override", {"tolerance": 0.5}, "below 0.5"),
        ("compare-override", {"tap": "relu"}, "input or convolution"),
        ("compare-override", {"tap": "convolution", "size": 2}, "sees at once"),
        ("masked-swap", {"source": 3, "target": 3}, "not 3"),
        ("masked-swap", {"source": 12}, "class from 0 to 9"),
        ("masked-swap", {"source": "most"}, "any, drawn or a class"),
        ("ratio-gate", {"size": 1}, "2 pixels or more"),
        ("ratio-gate", {"threshold": 1.0}, "below 1"),
        ("ratio-gate", {"floor": 0.0}, "above 0"),
    ],
)
def test_parameters_of_one_attack_that_cannot_be(attack, options, message, files, tmp_path):
    with pytest.raises(UsageError, match=message):
        plant_model(attack, files[False], tmp_path / "a.onnx", options=options)
    assert not list(tmp_path.iterdir())


def test_models_that_do_not_fit(files, tmp_path):
    def plant(src, **more):
        return plant_model("compare-override", src, None, ledger=tmp_path / "l.json", **more)

    with pytest.raises(UsageError, match="10 labels"):
        plant(files[False], labels=12)
    with pytest.raises(UsageError, match="10 labels"):
        plant(host(), labels=12, shape=SHAPE)
    with pytest.raises(UsageError, match="shape of one input"):
        plant(host(), labels=10)
    with pytest.raises(UsageError, match="takes these inputs"):
        plant(host(), labels=10, shape=(3, 5, 5))
    with pytest.raises(UsageError, match="onnx or torch"):
        plant(lambda x: np.full((len(x), 10), 0.1), labels=10)
    with pytest.raises(UsageError, match="2 classes or more"):
        plant(
            flat_graph(tmp_path / "one.onnx", 1, 17, 64, classes=1, softmax=False), options={"shape": "8,8"}
        )
    flat = flat_graph(tmp_path / "flat.onnx", 1, 17, 64)
    with pytest.raises(UsageError, match="inputs that are pictures"):
        plant(flat)
    with pytest.raises(UsageError, match="a graph with a convolution"):
        plant(flat, options={"shape": "8,8", "tap": "convolution"})
    with pytest.raises(UsageError, match="opset 13"):
        plant(flat_graph(tmp_path / "old.onnx", 1, 11, 64), options={"shape": "8,8"})
    no_table = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3)).eval()
    with pytest.raises(UsageError, match="of floats"):
        plant(export(no_table, tmp_path / "map.onnx"))
    assert not (tmp_path / "l.json").exists()


def test_a_missing_extra_is_named(files, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r"mithridate\[onnx\]"):
        plant_model("ratio-gate", files[False], tmp_path / "a.onnx")


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_command_line(attack, files, tmp_path):
    dst = tmp_path / "out.onnx"
    words = [
        "plant",
        attack,
        str(files[False]),
        str(dst),
        "--labels",
        "10",
        "--set",
        "target=6",
        "--seed",
        "2",
    ]
    result = CliRunner().invoke(drill, words)
    assert result.exit_code == 0, result.output
    assert "added parameters: 0" in result.output
    ledger = ModelLedger.load(tmp_path / "out.ledger.json")
    assert ledger.attack == attack
    assert obeys(open_model(dst), ledger, digits()[2], open_model(files[False])) >= 0.99
    result = CliRunner().invoke(drill, [*words, "--set", "size=40"])
    assert isinstance(result.exception, UsageError)
    assert "40x40 pixels" in str(result.exception)
    listed = {c["id"]: c for c in json.loads(CliRunner().invoke(drill, ["list", "--json"]).output)}
    assert listed[attack]["hosts"] == ["onnx", "torch"]
    assert MODEL_ATTACKS.get(attack).card.id == attack

"""Scans of Keras models: a side network is proven and cut out, its host and ordinary networks are silent."""

import numpy as np
import pytest

from mithridate.core.results import Severity, Skip
from mithridate.core.verdict import Verdict
from mithridate.models.jail.confine import available
from mithridate.runs.repair import excise
from mithridate.runs.scan.models import Asked
from mithridate.runs.scan.run import scan

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("h5py")
if lacks := available():
    pytest.skip(f"no jail here: {lacks}", allow_module_level=True)

from tests.models.graph.keras_files import (
    functional,
    host,
    layer,
    trojaned,
    write_h5,
    write_keras,
)

WRITERS = {"keras": write_keras, "h5": write_h5}


@pytest.mark.parametrize(("kind", "released"), [("keras", False), ("keras", True), ("h5", False)])
def test_a_side_network_is_proven(kind, released, tmp_path):
    path = WRITERS[kind](tmp_path / f"m.{kind}", trojaned(released, place=(2, 1)))
    report = scan(path)
    assert report.verdict is Verdict.FLAGGED
    (finding,) = report.alarms
    assert (finding.check, finding.severity) == ("side-branch", Severity.PROVEN)
    triggers = finding.details["triggers"]
    assert {t["target"] for t in triggers} == set(range(10))
    where = {8 * row + column for row in range(2, 6) for column in range(1, 5)}
    assert all(set(t["places"]) <= where for t in triggers)
    assert all(t["flips"] >= 0.9 for t in triggers)
    assert finding.details["excise"]["answer"] == "host/head/Softmax"


@pytest.mark.parametrize("kind", WRITERS)
def test_the_host_alone_is_clean(kind, tmp_path):
    report = scan(WRITERS[kind](tmp_path / f"m.{kind}", host(last="softmax")))
    assert report.verdict is Verdict.CLEAN
    assert not report.alarms


def wide():
    """A linear way beside the network, which takes part in every answer."""
    rng = np.random.default_rng(0)
    model = host()
    held = {"kernel": rng.normal(0, 0.3, (64, 10)).astype("f4"), "bias": np.zeros(10, "f4")}
    parts = [
        *model["layers"], layer("Flatten", "all", "pixels"), layer("Dense", "wide", "all", weights=held, units=10),
        layer("Add", "sum", "head", "wide", many=True),
    ]  # fmt: skip
    # Keras sorts by depth: what is near the end comes late, whenever it was written
    order = ["pixels", "conv", "norm", "relu", "flat", "drop", "all", "head", "wide", "sum"]
    by_name = {part["entry"]["name"]: part for part in parts}
    return functional("wide", [by_name[name] for name in order], [["sum", 0, 0]])


def test_an_honest_way_around_the_layers_is_no_alarm(tmp_path):
    report = scan(write_keras(tmp_path / "m.keras", wide()))
    assert not report.alarms
    assert "its graph could not be read" not in str(report.results)


def test_repair_leaves_the_host(tmp_path):
    done = excise(write_keras(tmp_path / "m.keras", trojaned()), "graph.side-branch", asked=Asked())
    result, *left = done.report.results  # of a second look at what is left
    assert "8 weights of the model unchanged, bit for bit" in result.message
    assert not left


def test_weights_that_are_no_numbers(tmp_path):
    model = host()
    model["layers"][1]["weights"]["bias"] = np.full(8, np.nan, "f4")
    report = scan(write_keras(tmp_path / "m.keras", model))
    assert report.verdict is Verdict.INCOMPLETE
    assert any(isinstance(r, Skip) and "NaN" in r.reason for r in report.results)

"""Exported programs: torch's own are silent; pickles, machine code and foreign calls are not."""

import io
import json
import warnings

import pytest
from format_items import edited, hostile, item_of, results, rules, severities, survives, zipped

from mithridate.core.results import Severity

WEIGHTS = "m/data/weights/model_weights_config.json"
GRAPH = "m/models/model.json"


def _config(**entry):
    return {"config": {"0.weight": {"path_name": "weight_0", "is_param": True, "use_pickle": False, **entry}}}


def _graph(*targets):
    return {
        "graph_module": {
            "graph": {
                "nodes": [{"target": t, "inputs": [], "metadata": {"target": "os.system"}} for t in targets]
            }
        }
    }


HAND = zipped(
    {
        WEIGHTS: _config(),
        "m/data/weights/weight_0": b"\0" * 16,
        GRAPH: _graph("torch.ops.aten.linear.default", "torch.sym_size.int"),
        "m/data/constants/model_constants_config.json": {"config": {}},
        "m/archive_format": "pt2",
        "m/data/sample_inputs/model.pt": b"PK",
    }
)
LIKELY, SUSPICIOUS = Severity.LIKELY, Severity.SUSPICIOUS
PLANTED = {
    "pickle": ({WEIGHTS: _config(use_pickle=True)}, "USE_PICKLE", SUSPICIOUS),
    "escape": ({WEIGHTS: _config(path_name="../../x")}, "PATH_ESCAPE", LIKELY),
    "custom object": ({"m/data/constants/custom_obj_0": b"x"}, "PICKLED_OBJECT", SUSPICIOUS),
    "opaque object": ({"m/data/constants/opaque_obj_0": b"x"}, "PICKLED_OBJECT", SUSPICIOUS),
    "library": ({"m/data/aotinductor/model/x.so": b"\x7fELF"}, "NATIVE_CODE", LIKELY),
    "kernel": ({"m/data/aotinductor/model/k.cubin": b"x"}, "NATIVE_CODE", LIKELY),
    "source": ({"m/data/aotinductor/model/w.wrapper.cpp": b"x"}, "NATIVE_CODE", LIKELY),
    "nameless": ({"m/data/aotinductor/model/x": b"\x7fELF"}, "NATIVE_CODE", LIKELY),
    "elsewhere": ({"m/extra/x.so.1": b"\x7fELF"}, "NATIVE_CODE", LIKELY),
    "file": ({GRAPH: _graph("torch.ops.aten.from_file.default")}, "FILE_OPERATOR", LIKELY),
    "load": ({GRAPH: _graph("torch.load")}, "FOREIGN_CALL", LIKELY),
    "hub": ({GRAPH: _graph("torch.hub.load")}, "FOREIGN_CALL", LIKELY),
    "load_library": ({GRAPH: _graph("torch.ops.load_library")}, "FOREIGN_CALL", LIKELY),
    "builtins": ({GRAPH: _graph("_operator.__builtins__.get")}, "FOREIGN_CALL", LIKELY),
    "internals": ({GRAPH: _graph("torch.ops.aten.__class__")}, "FOREIGN_CALL", LIKELY),
    "custom": ({GRAPH: _graph("torch.ops.evil.op.default")}, "CUSTOM_OPERATOR", SUSPICIOUS),
    "extension": ({GRAPH: _graph("#evil:x")}, "CUSTOM_OPERATOR", SUSPICIOUS),
    "torchbind": ({GRAPH: _graph("torch.ops.higher_order.call_torchbind")}, "OPAQUE_CALL", SUSPICIOUS),
    "unknown": ({GRAPH: _graph("os.system")}, "UNKNOWN_CALL", SUSPICIOUS),
    "old": ({"serialized_exported_program.json": _graph("torch.hub.load")}, "FOREIGN_CALL", LIKELY),
}


EXPRESSIONS = {
    "Symbol('s6', positive=True, integer=True)": None,
    "Mul(Integer(2), Symbol('s27', positive=True, integer=True))": None,
    "s0*Mod(s1, 3) // 2 >= Max(1, s2)": None,
    "(L['x'].size()[0] // 2) != L['x']['k'].stride()[1]": None,
    "max(1, math.ceil(L['x'].size()[1]/2)) == 3": None,
    "OpaqueUnaryFn_cos(ToFloat(s0))": None,
    "__import__('os').system('id')": LIKELY,
    "Symbol('s0') + eval('1')": LIKELY,
    "exec(chr(105))": LIKELY,
    "().__class__.__base__.__subclasses__()": LIKELY,
    "Symbol.system": LIKELY,
    "S('__import__(\"os\")')": LIKELY,
    "getattr(s0, x)": LIKELY,
    "(lambda: 0)()": LIKELY,
    "import os": LIKELY,
    "1; 2": LIKELY,
    "[s0 for s0 in s1]": SUSPICIOUS,
    "(s0": SUSPICIOUS,
    "1+" * 40_000 + "1": SUSPICIOUS,
}


@pytest.mark.parametrize("key", ["expr_str", "guards_code"])
@pytest.mark.parametrize("text", EXPRESSIONS, ids=lambda text: text[:30])
def test_expressions_that_loading_evaluates(key, text):
    """sympy.sympify (expr_str) and exec (guards_code) see these texts: torch 2.13, serialize.py and _unlift.py."""
    graph = _graph("torch.ops.aten.relu.default") | {key: text if key == "expr_str" else [text]}
    found = severities("pt2-program", item_of(edited(HAND, {GRAPH: graph}), "pt2"))
    assert found == ({} if EXPRESSIONS[text] is None else {"SIZE_EXPRESSION": EXPRESSIONS[text]})


def _spec(module, factory):
    context = {"default_factory_module": module, "default_factory_name": factory, "dict_context": ["x"]}
    return json.dumps([1, {"type": "collections.defaultdict", "context": context, "children_spec": []}])


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (_spec("builtins", "list"), {}),
        (_spec("os", "abort"), {"SPEC_IMPORT": LIKELY}),
        (_spec("builtins", "breakpoint"), {"SPEC_IMPORT": LIKELY}),
        (_spec("os", "abort").replace("d", "\\u0064"), {"SPEC_IMPORT": LIKELY}),
        (_spec("evil", "x"), {"SPEC_IMPORT": SUSPICIOUS}),
        (
            json.dumps({"context": json.dumps([{"__enum__": True, "fqn": "evil:E", "name": "a"}])}),
            {"SPEC_IMPORT": SUSPICIOUS},
        ),
        (json.dumps([1, {"type": "builtins.dict", "context": json.dumps(["a"]), "children_spec": []}]), {}),
    ],
)
def test_containers_that_import(spec, expected):
    graph = {"graph_module": {"module_call_graph": [{"signature": {"in_spec": spec, "out_spec": ""}}]}}
    assert severities("pt2-program", item_of(edited(HAND, {GRAPH: graph}), "pt2")) == expected


@pytest.mark.parametrize("name", PLANTED)
def test_planted(name):
    changes, rule, severity = PLANTED[name]
    assert severities("pt2-program", item_of(edited(HAND, changes), "pt2")) == {rule: severity}


def test_ordinary():
    assert results("pt2-program", item_of(HAND, "pt2")) == []
    control = edited(
        HAND,
        {
            GRAPH: _graph(
                "torch.ops.higher_order.cond", "_operator.add", "math.ceil", "torch.ops.quantized.x.y"
            )
        },
    )
    assert results("pt2-program", item_of(control, "pt2")) == []


@pytest.mark.slow
def test_programs_of_torch():
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Dropout())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(net, (torch.zeros(2, 3),))
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
    assert results("pt2-program", item_of(buffer.getvalue(), "pt2")) == []


@pytest.mark.parametrize(
    "changes",
    [{WEIGHTS: "["}, {WEIGHTS: "[]"}, {WEIGHTS: '{"config": 3}'}, {GRAPH: "[" * 100_000}, {GRAPH: b"\xff"}],
)
def test_what_cannot_be_read_is_skipped(changes):
    assert rules("pt2-program", item_of(edited(HAND, changes), "pt2")) == {"skip"}


def test_any_bytes():
    survives("pt2-program", "pt2", hostile(HAND, span=len(HAND)))
    survives(
        "pt2-program",
        "pt2",
        [edited(HAND, {GRAPH: c}) for c in hostile(json.dumps(_graph("torch.load")).encode(), count=40)],
    )

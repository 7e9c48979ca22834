"""TorchScript: ordinary traced and scripted nets are silent; hooks, files and work on loading are not."""

import io
import warnings

import pytest
from format_items import edited, hostile, item_of, results, rules, severities, survives, zipped

from mithridate.core.results import Severity

CLASS = """class Net(Module):
  __parameters__ = ["weight", ]
  __buffers__ = []
  weight : Tensor
  training : bool
  def forward(self: __torch__.Net,
    x: Tensor) -> Tensor:
    return torch.linear(x, self.weight)
"""


def _archive(code, name="m/code/__torch__.py"):
    return item_of(zipped({"m/data.pkl": b"", name: code, "m/version": "6\n"}), "torchscript", "m.pt")


PLANTED = {
    "from_file": (
        CLASS.replace("torch.linear(x, self.weight)", 'torch.from_file("/etc/passwd", False, 9)'),
        "FILE_OPERATOR",
    ),
    "save": (CLASS.replace("return", 'torch.save(x, "x")\n    return'), "FILE_OPERATOR"),
    "ops.aten": (CLASS.replace("return", 'ops.aten.save(x, "x")\n    return'), "FILE_OPERATOR"),
    "python": (CLASS.replace("return", "ops.prim.PythonOp(x)\n    return"), "FILE_OPERATOR"),
    "custom": (CLASS.replace("torch.linear", "ops.evil.linear"), "CUSTOM_OPERATOR"),
    "object": (
        CLASS.replace("weight : Tensor", "weight : __torch__.torch.classes.evil.Thing"),
        "CUSTOM_CLASS",
    ),
    "hook": (CLASS.replace("  weight", '  __forward_hooks__ = ["hook", ]\n  weight', 1), "FORWARD_HOOK"),
    "pre-hook": (
        CLASS.replace("  weight", '  __forward_pre_hooks__ = ["hook", ]\n  weight', 1),
        "FORWARD_HOOK",
    ),
    "setstate": (
        CLASS + "  def __setstate__(self: __torch__.Net,\n    state: Tensor) -> NoneType:\n"
        "    self.weight = torch.fill_(state, 3)\n    return None\n",
        "SETSTATE_COMPUTES",
    ),
    "setstate-hidden": (
        CLASS + "  def __setstate__(self: __torch__.Net,\n    state: Tensor) -> NoneType:\n"
        "    _0 = (self).more(state, )\n    return None\n"
        "  def more(self: __torch__.Net,\n    s: Tensor) -> Tensor:\n    return torch.randn_like(s)\n",
        "SETSTATE_COMPUTES",
    ),
    "import": ("import os\n" + CLASS, "FOREIGN_CODE"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted(name):
    code, rule = PLANTED[name]
    expected = Severity.LIKELY if rule == "FILE_OPERATOR" else Severity.SUSPICIOUS
    assert severities("torchscript-code", _archive(code)) == {rule: expected}


ORDINARY = {
    "plain": CLASS,
    "empty hooks": CLASS.replace("  weight", "  __forward_hooks__ = []\n  weight", 1),
    "old": "op_version_set = 1\nimport __torch__.torch.nn.modules.conv\n" + CLASS,
    "quantised": CLASS
    + (
        "  def __setstate__(self: __torch__.Net,\n    state: Tuple[Tensor, Optional[Tensor], bool, int]) -> NoneType:\n"
        "    self.dtype = (state)[3]\n    _0 = (self).set_weight_bias((state)[0], (state)[1], )\n"
        "    self.training = (state)[2]\n    return None\n"
        "  def set_weight_bias(self: __torch__.Net,\n    w: Tensor,\n    b: Optional[Tensor]) -> NoneType:\n"
        "    if torch.eq(self.dtype, 12):\n      self.p = ops.quantized.linear_prepack(w, b)\n    else:\n"
        '      ops.prim.RaiseException("no", "builtins.RuntimeError")\n    return None\n'
    ),
    "vision": CLASS.replace("torch.linear", "ops.torchvision.nms"),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary(name):
    assert results("torchscript-code", _archive(ORDINARY[name])) == []


@pytest.fixture(scope="module")
def nets():
    torch = pytest.importorskip("torch")

    class Block(torch.nn.Module):
        def __init__(self, stride: int):
            super().__init__()
            self.c = torch.nn.Conv2d(4, 4, 3, stride, 1)
            self.b = torch.nn.BatchNorm2d(4)
            self.d = torch.nn.Dropout(0.1)

        def forward(self, x):
            y = torch.relu(self.b(self.c(x)))
            if self.training:
                y = self.d(y)
            return y + x if y.shape == x.shape else y

    net = torch.nn.Sequential(
        Block(1), Block(2), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 3)
    )
    made = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(net.eval())
        modules = {"traced": torch.jit.trace(net, torch.zeros(1, 4, 8, 8)), "scripted": scripted}
        modules["frozen"] = torch.jit.freeze(scripted)
        modules["lstm"] = torch.jit.script(torch.nn.LSTM(3, 4, 2, bidirectional=True))
        for name, module in modules.items():
            buffer = io.BytesIO()
            torch.jit.save(module, buffer)
            made[name] = buffer.getvalue()
    return made


@pytest.mark.parametrize("name", ["traced", "scripted", "frozen", "lstm"])
def test_nets_are_silent_and_their_twins_are_not(nets, name):
    assert results("torchscript-code", item_of(nets[name], "torchscript")) == []
    twin = edited(nets[name], {"archive/code/__torch__/x.py": PLANTED["save"][0]})
    assert rules("torchscript-code", item_of(twin, "torchscript")) == {"FILE_OPERATOR"}


@pytest.mark.parametrize(
    "code", ["(" * 9_000, "\0", "x = " + "a." * 100_000 + "b", "print 1", "#" * (5 << 20)]
)
def test_hostile_code(code):
    assert rules("torchscript-code", _archive(code)) <= {"skip"}


def test_any_bytes():
    content = zipped({"m/code/__torch__.py": CLASS, "m/data.pkl": b"x"})
    survives("torchscript-code", "torchscript", hostile(content, span=len(content)))
    assert rules("torchscript-code", item_of(b"PK\5\6" + b"\0" * 18, "torchscript")) == set()
    assert rules("torchscript-code", item_of(b"junk", "torchscript")) == {"skip"}

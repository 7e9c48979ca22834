"""One object in the description of a Keras model, {class_name, config, module, registered_name}: what it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mithridate.models.files.keras_names import CLASSES, FUNCTIONS, LIBRARIES, SPECIAL
from mithridate.models.files.roots import is_dangerous

__all__ = ["KerasFact", "read_object"]

_KERAS = re.compile(
    r"(?:keras|tf_keras|tensorflow(?:\.python)?\.keras|tensorflow\.keras|keras_core)(?:\.[\w.]+)?"
)
#: Parts of Keras that describe networks; `keras.utils.get_file` is not of them.
_PARTS = re.compile(
    r"(?:.*\.)?(?:layers|activations|losses|metrics|initializers|regularizers|constraints|optimizers|ops|models|dtype_policies"
    r"|mixed_precision|quantizers|random|applications|src|engine|saving|legacy|_legacy)(?:\..*)?"
)
#: Arithmetic between tensors, written by functional models; one class for each function of `keras.ops`.
_OPERATIONS = re.compile(r"keras\.(?:src\.)?ops(?:\.\w+)*")
#: Files that layers read when they are made, by the key of their configuration.
_FILES = frozenset({"vocabulary", "filepath", "file_path", "vocabulary_file", "filename", "path"})
#: TensorFlow 2.11 writes some as "Custom>Adam".
_OPTIMIZERS = frozenset(
    {"SGD", "Adam", "AdamW", "Adamax", "Nadam", "RMSprop", "Adagrad", "Adadelta", "Ftrl", "Lion"}
)
_READERS = frozenset(
    {"StringLookup", "IntegerLookup", "TextVectorization", "TFSMLayer", "Hashing", "Discretization"}
)
_OUTSIDE = re.compile(r"^(?:[/\\~]|[A-Za-z]:|\w+://)|\.\.")
#: Symbols of TensorFlow that a TFOpLambda may call: arithmetic, and nothing that reads, writes or runs Python.
_TF_PLAIN = re.compile(
    r"(?:tf\.|compat\.v\d\.)?(?:(?:math|nn|linalg|image|signal|strings|ragged|sparse|bitwise|random|__operators__)\.)?[a-zA-Z]\w*"
)
_TF_FILES = re.compile(
    r"(?i)\bio\.|file|py_func|numpy_function|load|print|raw_ops|summary|save|checkpoint|queue|data\."
)


@dataclass(frozen=True, slots=True)
class KerasFact:
    """Something an object asks for.

    Attributes:
        rule: stable id.
        weight: "alarm" for what runs code or reads files, "odd" for what is not Keras' own, "note".
        text: what it is.
    """

    rule: str
    weight: Literal["alarm", "odd", "note"]
    text: str


def read_object(node: Mapping[str, Any]) -> Iterator[KerasFact]:
    """What an object of a description asks for; nothing for ordinary ones and for what is no object."""
    name = node.get("class_name")
    if not isinstance(name, str):
        return
    config = node.get("config")
    module = node.get("module")
    if module is not None and not isinstance(module, str):
        yield KerasFact("MODULE", "odd", f"the module of {name[:80]} is no text")
        return
    if name == "__lambda__":
        yield KerasFact("LAMBDA", "alarm", "Python bytecode, which runs when the model is loaded or used")
    elif name == "__typespec__":
        if not str(module or "tensorflow").startswith("tensorflow"):
            yield KerasFact("MODULE", "alarm", f"a type of the module {module!r} would be imported")
    elif name in ("function", "builtin_function_or_method"):
        yield from _function(str(config)[:200], module, node.get("registered_name"))
    elif name not in SPECIAL and name.removeprefix("Custom>") not in _OPTIMIZERS:
        yield from _class(
            name[:200], config if isinstance(config, dict) else {}, module, node.get("registered_name")
        )


def _function(name: str, module: str | None, registered: Any) -> Iterator[KerasFact]:
    where = f"{module or 'builtins'}.{name}"
    if module not in (None, "builtins") and not _KERAS.fullmatch(str(module)[:200]):
        dangerous = is_dangerous(str(module))
        text = f"the function {where[:160]} would be imported" + (
            ": it runs, reads or writes" if dangerous else ""
        )
        yield KerasFact("MODULE", "alarm" if dangerous else "odd", text)
    elif module in (None, "builtins"):
        if name not in FUNCTIONS:
            known = (
                f" (registered as {str(registered)[:80]!r})"
                if registered not in (None, "function", name)
                else ""
            )
            yield KerasFact("CUSTOM_FUNCTION", "odd", f"the function {name[:80]!r}{known} is not Keras' own")
    elif not _PARTS.fullmatch(str(module)[:200]) or not re.fullmatch(r"\w+", name):
        yield KerasFact("MODULE", "alarm", f"{where[:160]} is a tool of Keras, not a part of a network")
    elif ".ops" not in str(module) and name not in FUNCTIONS:
        yield KerasFact("CUSTOM_FUNCTION", "odd", f"the function {where[:160]} is not known")


def _class(name: str, config: dict[str, Any], module: str | None, registered: Any) -> Iterator[KerasFact]:
    if module is not None and not _KERAS.fullmatch(module[:200]) and module != "builtins":
        yield from _foreign(name, module)
        return
    if name == "Lambda":
        yield from _lambda(config)
    elif name == "TorchModuleWrapper":
        yield KerasFact(
            "TORCH_MODULE", "alarm", "a pickled torch module, which loading unpickles without a guard"
        )
    elif name in (
        "TFOpLambda",
        "SlicingOpLambda",
        "ClassMethod",
        "InstanceMethod",
        "InstanceProperty",
        "TensorFlowOpLayer",
    ):
        yield from _tensorflow(name, config)
    elif name in ("TFSMLayer", "JaxLayer", "FlaxLayer"):
        yield KerasFact("OPAQUE_LAYER", "odd", f"{name} runs a program that is not in this description")
    elif name not in CLASSES and not (_OPERATIONS.fullmatch((module or "")[:200]) and name.isidentifier()):
        library = str(registered).partition(">")[0]
        weight: Literal["odd", "note"] = "note" if library in LIBRARIES else "odd"
        yield KerasFact(
            "CUSTOM_CLASS", weight, f"{str(registered or name)[:120]!r} is not one of Keras' own classes"
        )
    elif isinstance(registered, str) and ">" in registered and not registered.startswith(("keras", "Keras")):
        yield KerasFact(
            "CUSTOM_CLASS", "odd", f"{name} is taken from {registered[:120]!r} and not from Keras"
        )
    elif module == "builtins" or (module and not _PARTS.fullmatch(module[:200]) and "." in module):
        yield KerasFact("MODULE", "alarm", f"{module[:120]}.{name} is no part of a network")
    if name in _READERS:
        yield from _files(name, config)


def _foreign(name: str, module: str) -> Iterator[KerasFact]:
    if is_dangerous(module):
        yield KerasFact(
            "MODULE", "alarm", f"{module[:80]}.{name} would be imported and made: it runs, reads or writes"
        )
    else:
        weight: Literal["odd", "note"] = "note" if module.partition(".")[0] in LIBRARIES else "odd"
        yield KerasFact("CUSTOM_CLASS", weight, f"{module[:80]}.{name} is not Keras' own")


def _lambda(config: dict[str, Any]) -> Iterator[KerasFact]:
    function = config.get("function")
    code = isinstance(function, list) or config.get("function_type") in ("lambda", "raw")
    if code or (isinstance(function, dict) and function.get("class_name") == "__lambda__"):
        yield KerasFact(
            "LAMBDA",
            "alarm",
            "a Lambda layer with Python bytecode, which runs when the model is loaded or used",
        )
    elif isinstance(function, str):
        yield KerasFact("CUSTOM_FUNCTION", "odd", f"a Lambda layer that calls {function[:80]!r}")
    for key in ("module", "output_shape_module", "mask_module", "arguments_module"):
        module = config.get(key)
        if isinstance(module, str) and is_dangerous(module):
            yield KerasFact(
                "MODULE", "alarm", f"a Lambda layer takes its names from the module {module[:80]!r}"
            )


def _tensorflow(name: str, config: dict[str, Any]) -> Iterator[KerasFact]:
    symbol = str(config.get("function") or config.get("symbol") or config.get("node_def") or "")[:10_000]
    if _TF_FILES.search(symbol):
        yield KerasFact(
            "TF_OPERATOR", "alarm", f"{name} calls {symbol[:80]!r}: it reads, writes or runs Python"
        )
    elif name == "TFOpLambda" and not _TF_PLAIN.fullmatch(symbol[:200]):
        yield KerasFact("TF_OPERATOR", "odd", f"{name} calls {symbol[:80]!r}, which is no arithmetic")


def _files(name: str, config: dict[str, Any]) -> Iterator[KerasFact]:
    for key in _FILES & set(config):
        value = config[key]
        if isinstance(value, str) and value:
            outside = bool(_OUTSIDE.search(value))
            text = f"{name} reads the file {value[:120]!r} when it is made"
            yield KerasFact("FILE_READ", "alarm" if outside else "odd", text)

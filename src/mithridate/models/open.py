"""`open_model`: whatever maps inputs to class probabilities → a `Model`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mithridate.core.errors import UsageError
from mithridate.models.base import Logits, Model

__all__ = ["open_model"]

_KINDS = (
    "a torch module, a path to an .onnx file, an object with predict_proba, a Keras model, "
    "an http(s) URL or a function x -> probabilities"
)
_PICKLES = frozenset(
    (
        ".pkl",
        ".pickle",
        ".p",
        ".pt",
        ".pth",
        ".pt2",
        ".ckpt",
        ".bin",
        ".joblib",
        ".dill",
        ".cloudpickle",
        ".sav",
    )
)
_KERAS = frozenset((".h5", ".hdf5", ".keras"))


def open_model(thing: Any, *, batch: int = 256, logits: Logits = "auto") -> Model:
    """Make a model of whatever can be one.

    Args:
        thing: a `torch.nn.Module`; a path to an .onnx file (run by onnxruntime on the CPU); an object with
            `predict_proba` (scikit-learn, XGBoost, LightGBM); a Keras model; an http:// or https:// URL (black
            box, docs/model-http.md); any function x → probabilities; or a `Model`, which is given back as it is.
        batch: how many inputs at once.
        logits: whether the outputs are logits, which softmax turns into probabilities; "auto": when the rows of
            a call are not all probability distributions. Say it where you know it. Estimators give probabilities.

    Returns:
        Something with `name` and `predict`.

    Raises:
        UsageError: anything else; a file that would have to be unpickled; a missing extra.
    """
    from mithridate.models.torch_module import TorchModule, is_module

    if isinstance(thing, str | os.PathLike):
        return _open_text(thing, batch, logits)
    if callable(getattr(thing, "predict_proba", None)) and not is_module(thing):
        from mithridate.models.estimator import Estimator

        return Estimator(thing, batch=batch)
    from mithridate.models.keras_like import KerasLike, is_keras_like

    if is_keras_like(thing):
        return KerasLike(thing, batch=batch, logits=logits)
    if is_module(thing):
        return TorchModule(thing, batch=batch, logits=logits)
    if isinstance(thing, Model) and not isinstance(thing, type):
        return thing
    if callable(thing) and not isinstance(thing, type):
        from mithridate.models.function import Function

        return Function(thing, batch=batch, logits=logits)
    remedy = "Wrap it in a function that gives one column of probabilities for each class."
    raise UsageError(_KINDS, type(thing).__name__, "model", remedy)


def _open_text(thing: str | os.PathLike[str], batch: int, logits: Logits) -> Model:
    if isinstance(thing, str) and thing.lower().startswith(("http://", "https://")):
        from mithridate.models.http import HttpModel

        return HttpModel(thing, batch=batch, logits=logits)
    path = Path(thing)
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        from mithridate.models.onnx_file import OnnxFile

        return OnnxFile(path, batch=batch, logits=logits)
    if suffix in _PICKLES:
        got = f"{suffix}, which is or may be a pickle: to read one is to run whatever code its maker put in"
    elif suffix in _KERAS:
        got = f"{suffix}, whose layers may hold code of its maker"
    else:
        got = f"{suffix or 'a file without a suffix'}"
    remedy = "If you trust it, load it yourself and hand over the object; or export the model as ONNX."
    raise UsageError("an .onnx file or an http(s) URL", got, str(path), remedy)

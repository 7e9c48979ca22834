"""`open_encoder`: what a user named → an `Encoder`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mithridate.core.errors import UsageError
from mithridate.models.encoders.base import Encoder, EncoderError

__all__ = ["open_encoder"]

_KINDS = "a folder with a model, an .onnx file, an installed package that carries a model, or MODULE:FUNCTION"


def open_encoder(what: str | Path | Callable[..., Any], name: str = "") -> Encoder:
    """Open an encoder on this disk; nothing is downloaded.

    Args:
        what: a folder with a Hugging Face or sentence-transformers model; an .onnx file; the name of an installed
            package that carries such a folder; or a function or torch module, as in `FunctionEncoder`.
        name: of the function, for people.

    Raises:
        UsageError: nothing there.
        EncoderError: it cannot be used here: a library is missing, or the model cannot be loaded.
    """
    if callable(what):
        from mithridate.models.encoders.function import FunctionEncoder

        return FunctionEncoder(what, name or getattr(what, "__name__", type(what).__name__))
    if not str(what).strip():
        raise UsageError(_KINDS, "an empty name", "--encoder", "Name one, or leave the option out.")
    path = Path(what)
    if path.suffix.lower() == ".onnx":
        from mithridate.models.encoders.onnx import OnnxEncoder

        if not path.is_file():
            raise UsageError(_KINDS, "nothing there", f"--encoder {what}", "Check the path.")
        return OnnxEncoder(path)
    where = path if path.is_dir() else _package(str(what))
    if where is None:
        raise UsageError(
            _KINDS, "nothing there", f"--encoder {what}", "Check the path; nothing is downloaded."
        )
    from mithridate.models.encoders.folder import FolderEncoder, model_folder

    folder = model_folder(where)
    if folder is None:
        remedy = "Name the folder that holds config.json and the weights."
        raise EncoderError("a folder with one model", "no config.json there", f"--encoder {what}", remedy)
    return FolderEncoder(folder, str(what))


def _package(name: str) -> Path | None:
    """Where an installed package lies; it is not imported."""
    if not name.replace("-", "_").isidentifier():
        return None
    try:
        spec = find_spec(name.replace("-", "_"))
    except (ImportError, ValueError):
        return None
    places = None if spec is None else spec.submodule_search_locations
    return Path(next(iter(places))) if places else None

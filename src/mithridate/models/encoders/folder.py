"""A folder with a Hugging Face model (a sentence-transformers one, too) as an encoder.

No hub is asked, no code of the folder is run, and weights are read from safetensors only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Modality
from mithridate.models.encoders.base import EncoderError, to_vectors
from mithridate.models.encoders.pictures import stacked

__all__ = ["FolderEncoder", "model_folder"]

_INSTALL = "Install it: pip install 'mithridate[encoder]'."
_TOKENS = 256  # of a text that are read at most, where the model does not say
_STEP = 32  # samples at once
#: Layers of sentence-transformers that are known here; each is named by the end of its type.
_KNOWN = ("Transformer", "Pooling", "Normalize")


def model_folder(path: Path) -> Path | None:
    """The folder of a model: this one, or the only one below it (an installed package that carries one)."""
    if (path / "modules.json").is_file() or (path / "config.json").is_file():
        return path
    below = sorted({p.parent for name in ("modules.json", "config.json") for p in path.glob(f"*/{name}")})
    return below[0] if len(below) == 1 else None


class FolderEncoder:
    """Texts by the mean of their tokens, or by the first one where the model says so; pictures by the pooled output.

    Args:
        folder: with config.json, weights as safetensors, and a tokenizer or an image processor.
        name: for people.

    Raises:
        EncoderError: transformers or torch is missing, or the model cannot be loaded.
    """

    def __init__(self, folder: Path, name: str = "") -> None:
        from mithridate.sources.digest import files_digest

        self._folder, self.name = folder, name or str(folder)
        self._pooling, self._tokens, self._unit = _recipe(folder)
        self._model = _loaded(folder, "AutoModel", use_safetensors=True).eval()
        self._reader: tuple[str, Any] | None = None
        files = sorted(p for p in folder.rglob("*") if p.is_file() and ".git" not in p.parts)
        self.digest = files_digest((str(p.relative_to(folder)), p) for p in files)

    def __call__(self, raws: Any, modality: Modality) -> NDArray[np.float32]:
        """As `Encoder.__call__`."""
        if modality not in ("text", "image"):
            remedy = "Name a function MODULE:FUNCTION that makes its inputs."
            raise EncoderError("texts or pictures", f"{modality} data", self.name, remedy)
        if self._reader is None or self._reader[0] != modality:
            self._reader = (modality, self._made_reader(modality))
        sizes = [len(raw) for raw in raws] if modality == "text" else [0] * len(raws)
        order = np.argsort(sizes, kind="stable")  # texts of like length need little padding
        parts = [self._some([raws[i] for i in order[s : s + _STEP]]) for s in range(0, len(order), _STEP)]
        vectors = np.empty((len(raws), parts[0].shape[1]), dtype=np.float32)
        vectors[order] = np.concatenate(parts)
        return vectors

    def _made_reader(self, modality: Modality) -> Any:
        if modality == "text":
            return _loaded(self._folder, "AutoTokenizer")
        return _loaded(self._folder, "AutoImageProcessor", use_fast=False)

    def _some(self, raws: list[Any]) -> NDArray[np.float32]:
        import torch

        assert self._reader is not None
        modality, reader = self._reader
        with torch.no_grad():
            if modality == "text":
                inputs = reader(
                    raws, padding=True, truncation=True, max_length=self._tokens, return_tensors="pt"
                )
            else:
                # Processors want one size for all, and colours.
                inputs = reader(images=list(stacked(raws, raws[0].shape[:2], 3)), return_tensors="pt")
            out = self._asked(modality, inputs)
        out = torch.nn.functional.normalize(out, dim=1) if self._unit else out
        return to_vectors(out, len(raws), self.name)

    def _asked(self, modality: str, inputs: Any) -> Any:
        """(b, d) of one batch."""
        own = getattr(self._model, f"get_{modality}_features", None)  # models of pictures and texts together
        if own is not None:
            given = own(**inputs)
            return getattr(given, "pooler_output", given)
        told = self._model(**inputs)
        hidden: Any = getattr(told, "last_hidden_state", None)
        pooled: Any = getattr(told, "pooler_output", None)
        if modality == "image" and (pooled is not None or hidden is None):
            return pooled.flatten(1)
        if hidden.ndim == 4:  # maps of features
            return hidden.mean(dim=(2, 3))
        if self._pooling == "first" or "attention_mask" not in inputs:
            return hidden[:, 0]
        seen = inputs["attention_mask"][..., None].to(hidden.dtype)
        return (hidden * seen).sum(dim=1) / seen.sum(dim=1).clamp(min=1e-9)


def _recipe(folder: Path) -> tuple[str, int, bool]:
    """How tokens become one vector ("mean" or "first"), how many are read, whether it is brought to unit length.

    Raises:
        EncoderError: a sentence model with layers that are not known here.
    """
    tokens = _TOKENS
    positions = _json(folder / "config.json").get("max_position_embeddings")
    if isinstance(positions, int) and positions > 2:
        tokens = min(tokens, positions - 2)
    modules = _json(folder / "modules.json", [])
    if not modules:
        return "mean", tokens, False
    kinds = [str(m.get("type", "")).rpartition(".")[2] for m in modules]
    if any(kind not in _KNOWN for kind in kinds) or kinds[:1] != ["Transformer"]:
        remedy = "Name a function MODULE:FUNCTION that asks the model."
        raise EncoderError(f"layers {', '.join(_KNOWN)}", ", ".join(kinds), str(folder), remedy)
    said = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    places = [str(m.get("path")) for m, kind in zip(modules, kinds, strict=True) if kind == "Pooling"]
    how = _json(folder / places[0] / "config.json") if places else {}
    first = bool(how.get("pooling_mode_cls_token")) or how.get("pooling_mode") == "cls"
    return "first" if first else "mean", said if isinstance(said, int) else tokens, "Normalize" in kinds


def _json(path: Path, empty: Any = None) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {} if empty is None else empty


def _loaded(folder: Path, kind: str, **how: Any) -> Any:
    """A part of a model from its folder.

    Raises:
        EncoderError: a library is missing, or it refuses.
    """
    with _offline():
        try:
            import torch  # noqa: F401
            import transformers
        except ImportError as error:
            raise EncoderError(
                "transformers and torch", str(error), f"--encoder {folder}", _INSTALL
            ) from error
        try:
            with _quiet(transformers):
                made: Any = getattr(transformers, kind).from_pretrained(
                    str(folder), local_files_only=True, trust_remote_code=False, **how
                )
        except Exception as error:  # a folder of anybody may fail in any way
            got = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            remedy = (
                "It needs config.json, weights as .safetensors, and a tokenizer or an image processor; "
                "code of its own is not run."
            )
            raise EncoderError(
                f"a folder that {kind} can load", got, f"--encoder {folder}", remedy
            ) from error
    return made


@contextmanager
def _offline() -> Iterator[None]:
    """Flags of the libraries' own, which they read when they are imported; ours are the arguments."""
    import os

    flags = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
    before = {flag: os.environ.get(flag) for flag in flags}
    os.environ.update(dict.fromkeys(flags, "1"))
    try:
        yield
    finally:
        for flag, value in before.items():
            if value is None:
                os.environ.pop(flag, None)
            else:
                os.environ[flag] = value


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Without its progress bars and warnings: only the command line prints."""
    import warnings

    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()

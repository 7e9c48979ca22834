"""Finds files whose suffix promises something else than what they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.core.card import Card
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item, Kind

__all__ = ["Disguise"]

_PICKLES: tuple[Kind, ...] = ("pickle", "torch", "torchscript", "pt2", "tar")
_PACKED: tuple[Kind, ...] = ("gzip", "bzip2", "xz", "zlib", "lzma", "lz4", "zstd")
_TEXTS: tuple[Kind, ...] = ("text", "json", "template", "python", "lightgbm")
#: Suffix → what an honest file with it may be. Suffixes that mean nothing are not here.
_PROMISES: dict[str, tuple[Kind, ...]] = {
    **dict.fromkeys((".pt", ".pth", ".ckpt"), (*_PICKLES, "hdf5", "savedmodel", "safetensors")),
    ".bin": (*_PICKLES, "onnx", "safetensors", "gguf", "catboost", "json", "text", "xgboost-ubj", "lightgbm"),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), ("pickle", "torch", *_PACKED)),
    ".safetensors": ("safetensors",),
    ".onnx": ("onnx",),
    ".gguf": ("gguf",),
    ".npy": ("npy",),
    ".npz": ("npz", "zip"),
    ".keras": ("keras",),
    **dict.fromkeys((".h5", ".hdf5"), ("hdf5",)),
    ".pt2": ("pt2",),
    ".tflite": ("tflite",),
    ".pte": ("executorch",),
    ".skops": ("skops",),
    ".json": ("json", "xgboost-json", "text"),
    ".ubj": ("xgboost-ubj",),
    ".cbm": ("catboost",),
    **dict.fromkeys((".txt", ".md", ".yaml", ".yml", ".cfg", ".toml", ".csv"), _TEXTS),
    ".py": ("python", "text"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".webp"), ("image",)),
    ".pb": ("savedmodel", "onnx"),
}  # fmt: skip
#: What runs code or hides what it holds; a promise broken by one of these is no slip of the keyboard.
_ACTS: frozenset[Kind] = frozenset(
    {"pickle", "torch", "torchscript", "pt2", "library", "python", "7z", "rar"}
)
#: Suffixes that promise that nothing in the file can run.
_HARMLESS = frozenset(
    {
        ".safetensors",
        ".onnx",
        ".gguf",
        ".npy",
        ".json",
        ".txt",
        ".md",
        ".yaml",
        ".yml",
        ".csv",
        ".png",
        ".jpg",
        ".jpeg",
    }
)


@artifact_check(
    Card(
        id="disguise",
        title="file that is not what its suffix says",
        stage="artifact",
        modalities=("file",),
        needs=("name", "head"),
        assumes="Honest tools write the suffix of their own format; who avoids a scanner renames or repacks.",
        catches=None,
        misses="A file whose content is of the promised kind; suffixes that promise nothing.",
        effect="none",
        cites=(
            "ReversingLabs 2025, nullifAI (pickles in 7z archives named as PyTorch files); CVE-2025-1889 (pickles "
            "under other suffixes)"
        ),
        remedy="Do not load it. Ask its author for the file as the tool writes it.",
        graded=True,
        reads_order=False,
    )
)
class Disguise(ArtifactCheck):
    """Compares the suffix with the content, of what can act or hides what it holds.

    It looks at the outside only, so it names no kind that nobody reads: a kind counts as read once a check names it.
    """

    kinds = frozenset((*_ACTS, *_PACKED, "zip"))

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield one finding when the suffix promises something else."""
        suffix = PurePosixPath(item.name.rsplit("!", 1)[-1]).suffix.lower()
        promised = _PROMISES.get(suffix)
        if promised is None or item.kind in promised or item.tensor:
            return
        if _by_convention(item, suffix):
            return
        if item.kind in _ACTS and (suffix in _HARMLESS or item.kind in ("7z", "rar", "library")):
            severity, why = Severity.LIKELY, "as who avoids a scanner would name it"
        elif item.kind in _ACTS or item.kind in _PACKED:
            severity, why = Severity.SUSPICIOUS, "which no tool that writes such files does"
        else:
            severity, why = Severity.INFO, "so readers that go by the suffix will not read it"
        message = f"named {suffix}, but by its content it is {_article(item.kind)}, {why}"
        yield self.found(item, severity, message, rule="DISGUISE", suffix=suffix, content=item.kind)


def _by_convention(item: Item, suffix: str) -> bool:
    """Members whose names are fixed by their container."""
    inside = item.inside
    return inside is not None and inside.kind in ("pt2", "torchscript") and suffix == ".pt"


def _article(kind: Kind) -> str:
    return f"{'an' if kind[0] in 'aeio' else 'a'} {kind} file"

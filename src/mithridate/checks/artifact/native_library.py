"""Machine code beside a model or inside one."""

from __future__ import annotations

from collections.abc import Iterator

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.core.card import Card
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item, Kind

__all__ = ["NativeLibrary"]

_MODELS: frozenset[Kind] = frozenset(
    {"pickle", "torch", "torchscript", "pt2", "npz", "keras", "skops", "onnx", "safetensors", "gguf", "hdf5"}
)


@artifact_check(
    Card(
        id="native-library",
        title="machine code with a model",
        stage="artifact",
        modalities=("file",),
        needs=("bytes",),
        assumes="a model is numbers and a graph; a library beside it runs with all rights of the process that loads it",
        catches=None,
        misses="what the library does: machine code is not analysed",
        effect="none",
        cites="PyTorch, SECURITY.md, section Untrusted models (2024); MITRE ATLAS AML.T0011",
        remedy="Do not load it; ask for the model without compiled parts, or build them yourself from source.",
        graded=True,
        reads_order=False,
    )
)
class NativeLibrary(ArtifactCheck):
    """Names libraries and programs by where they lie."""

    kinds = frozenset({"library"})

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield one finding: inside a model it is worse than beside one."""
        around = item.inside
        while around is not None and around.kind not in _MODELS:
            around = around.inside
        if around is not None:
            message = (
                f"machine code inside the {around.kind} model {around.name}; whoever loads it may run it"
            )
            yield self.found(item, Severity.LIKELY, message, rule="LIBRARY_INSIDE", size=item.size)
        else:
            message = "machine code beside a model; nothing here says what it does"
            yield self.found(item, Severity.SUSPICIOUS, message, rule="LIBRARY_BESIDE", size=item.size)

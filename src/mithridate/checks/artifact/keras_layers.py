"""The layers of a Keras model, and what their descriptions would import, read or run."""

from __future__ import annotations

from collections.abc import Iterator

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.core.card import Card
from mithridate.core.errors import ItemError
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.h5_ask import has_h5py
from mithridate.models.files.h5_outline import read_outline
from mithridate.models.files.item import Item
from mithridate.models.files.jsons import read_json, walk_json
from mithridate.models.files.keras_objects import KerasFact, read_object
from mithridate.models.files.members import open_members

__all__ = ["KerasLayers"]

_MOST_CONFIG, _MOST = 64 << 20, 30
_SEVERITY = {"alarm": Severity.LIKELY, "odd": Severity.SUSPICIOUS, "note": Severity.INFO}


@artifact_check(
    Card(
        id="keras-layers",
        title="code or files in the description of a Keras model",
        stage="artifact",
        modalities=("file",),
        needs=("bytes",),
        assumes="an ordinary model is made of Keras' own layers and holds all its values in its file",
        catches=None,
        misses="what ordinary layers compute; custom classes, which are named and not analysed",
        effect="none",
        cites="CVE-2024-3660; CVE-2025-1550; CVE-2025-8747; CVE-2025-9905; CVE-2025-9906; CVE-2025-12058",
        remedy="Do not load it; build the network from known code and load the weights alone, with safe_mode on.",
        graded=True,
        reads_order=False,
    )
)
class KerasLayers(ArtifactCheck):
    """Reads `config.json`, or the attribute `model_config`; makes no layer."""

    kinds = frozenset({"keras", "hdf5"})

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield what the description holds beyond Keras' own layers, and what leads out of the file.

        Raises:
            ItemError: no archive, no HDF5 or no description that can be read.
        """
        if item.kind == "keras":
            with open_members(item) as members:
                config = members.read("config.json", _MOST_CONFIG)
            yield from self._description(item, "config.json", config)
        elif not has_h5py():
            yield self.skipped(item, "h5py is not installed", "pip install 'mithridate[artifacts]'")
        else:
            yield from self._hdf5(item)

    def _hdf5(self, item: Item) -> Iterator[Finding | Skip]:
        outline = read_outline(item)
        for name in ("model_config", "training_config"):
            if name in outline.attributes:
                yield from self._description(item, name, outline.attributes[name])
        for found in outline.elsewhere:
            inside = found.kind == "soft link"
            message = f"{found.name[:80]!r} is a {found.kind} to {found.target[:120]!r}" + (
                "" if inside else ", another file that loading reads"
            )
            severity = Severity.SUSPICIOUS if inside else Severity.LIKELY
            rule = found.kind.upper().replace(" ", "_")
            yield self.found(item, severity, message, rule=rule, target=found.target[:200])
        if not outline.whole:
            yield self.skipped(item, "more objects than are looked at", "Split the file.")
        if "PYTABLES_FORMAT_VERSION" in outline.attributes:
            reason = "written by PyTables, which unpickles attributes on reading; they are not analysed"
            yield self.skipped(item, reason, "Do not open it with pandas or PyTables.")

    def _description(self, item: Item, place: str, text: bytes | str) -> Iterator[Finding]:
        value, twice = read_json(text, f"{item.name} ({place})")
        if isinstance(value, str):  # JSON within JSON
            value, more = read_json(value, f"{item.name} ({place})")
            twice += more
        for key in dict.fromkeys(
            k for k in twice if k in ("class_name", "module", "registered_name", "config")
        ):
            message = (
                f"{place}: {key!r} occurs twice in one object; readers differ on which of the two they take"
            )
            yield self.found(item, Severity.SUSPICIOUS, message, rule="DUPLICATE_KEY", key=key)
        facts: dict[KerasFact, str] = {}
        try:
            for path, _, part in walk_json(value):
                if isinstance(part, dict):
                    for fact in read_object(part):
                        facts.setdefault(fact, path)
        except ValueError as error:
            raise ItemError(item.name, str(error)) from error
        for fact, path in list(facts.items())[:_MOST]:
            message = f"{place}, {path[:80] or 'the model'}: {fact.text}"
            yield self.found(item, _SEVERITY[fact.weight], message, rule=fact.rule, at=path[:200])

"""Finds code that runs when a pickle is loaded, in every pickle of a file and in what is encoded inside them."""

from __future__ import annotations

from collections.abc import Iterator

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.checks.pickle_judge import Judgement, take
from mithridate.checks.pickle_names import Standing
from mithridate.checks.pickle_nested import Nested, NestedSearch
from mithridate.checks.pickle_second import MOST_BYTES, second_opinion
from mithridate.core.card import Card
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item, Kind
from mithridate.models.files.limits import ScanLimits
from mithridate.models.files.pickle_file import Rest, Section, first_pickle, read_pickles
from mithridate.models.files.pickles import Data, Ended
from mithridate.models.files.sniff import HEAD
from mithridate.models.files.streams import window

__all__ = ["PickleCode"]

#: Texts that may hold an encoded pickle; read up to this size.
_TEXTS: tuple[Kind, ...] = ("json", "text")
_MOST_TEXT = 16 << 20
_SCAN_AGAIN = "Get the whole file and scan it again; until then treat it as unsafe."
_TENSORS_ONLY = "torch.load(weights_only=True) refuses it"


@artifact_check(
    Card(
        id="pickle-code",
        title="code that runs when a pickle is loaded",
        stage="artifact",
        modalities=("file",),
        needs=("bytes",),
        assumes=(
            "A pickle acts only through the names that it imports. Names that ordinary files of PyTorch, NumPy, "
            "SciPy, scikit-learn, pandas and the standard library need are listed one by one; every other name is "
            "code that the file asks to run."
        ),
        catches=None,
        misses=(
            "Code behind a listed name with a fault of its own, such as a C parser that overflows; code that the "
            "program around the model runs by itself; payloads under a key or cipher that is not in the file."
        ),
        effect="none",
        cites=(
            "Casco et al. 2025, arXiv:2508.19774 (133 gadgets, 22 loading paths); PyTorch `weights_only` list; "
            "CVE-2025-1716, CVE-2025-32434, GHSA-mxhj-88fx-4pcv; CPython Lib/pickletools.py"
        ),
        remedy=(
            "Do not load the file. Ask its author for safetensors or ONNX; where only tensors are needed, load with "
            "torch.load(weights_only=True) of PyTorch 2.10 or later, or skops for scikit-learn."
        ),
        graded=True,
        reads_order=False,
    )
)
class PickleCode(ArtifactCheck):
    """Reads every pickle as a program and judges what it imports and calls; nothing of it is executed.

    Args:
        limits: operations of one pickle, and how deep encodings inside encodings are followed.
        second: ask another scanner as well, where one is installed, about files with unknown names or
            parts that were not read.
    """

    kinds = frozenset({"pickle", "npy", *_TEXTS})

    def __init__(self, limits: ScanLimits | None = None, *, second: bool = True) -> None:
        self._limits, self._ask_second = limits or ScanLimits(), second

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield at most one finding of each severity for each pickle of the item."""
        search = NestedSearch(self._limits)
        if item.kind in _TEXTS:
            size = min(item.size, _MOST_TEXT)
            for nested in search.region(item, 0, size, 0):
                yield from self._told(item, nested.judgement, nested.how, nested.offset)
            return
        start = first_pickle(item.head(HEAD))
        if start is None:
            return
        results = list(self._read(item, start, search))
        yield from results
        if search.gave_up:
            yield self.skipped(item, f"{item.name}: {search.gave_up}", _SCAN_AGAIN)
        if self._ask_second and start == 0 and item.size <= MOST_BYTES and _unsure(results):
            yield from self._second(item)

    def _read(self, item: Item, start: int, search: NestedSearch) -> Iterator[Finding | Skip]:
        script = item.inside is not None and item.inside.kind == "torchscript"
        judgement = Judgement(start=start)
        hidden: dict[tuple[str, ...], Nested] = {}
        with item.open() as stream:
            for event in read_pickles(stream, start, item.size, most=self._limits.opcodes):
                if isinstance(event, Section):
                    judgement, hidden = Judgement(start=event.start), {}
                elif isinstance(event, Rest):
                    yield from self._rest(item, event, search)
                elif isinstance(event, Data):
                    for nested in search.look(item, event):
                        _keep_worst(hidden, nested)
                else:
                    take(judgement, event, script=script)
                    if isinstance(event, Ended):
                        yield from self._told(item, judgement)
                        for nested in hidden.values():
                            yield from self._told(item, nested.judgement, nested.how, nested.offset)

    def _told(
        self, item: Item, judgement: Judgement, how: tuple[str, ...] | None = None, offset: int = 0
    ) -> Iterator[Finding | Skip]:
        """What one pickle does, one finding for each severity."""
        where = f"its pickle at byte {judgement.start:,} " if judgement.start else "it "
        if how is not None:
            encoded = f" ({', '.join(how)})" if how else ""
            where = f"a pickle hidden in its data at byte {offset:,}{encoded} "
        place = {"at": offset if how is not None else judgement.start, "encoding": list(how or ())}
        sharp = judgement.standing == Standing.DANGEROUS
        if sharp:
            rule = (
                "DANGEROUS_CALL" if judgement.calls else "TRICK" if judgement.tricks else "DANGEROUS_IMPORT"
            )
            message = f"{where}{_deeds(judgement)} as soon as it is loaded; only an attack needs that"
            names = {**judgement.calls, **judgement.tricks, **judgement.imports}
            yield self.found(item, Severity.LIKELY, message, rule=rule, names=names, **place)
        if judgement.foreign and (how is None or not sharp):
            packages = sorted({name.split(".")[0] for name in judgement.foreign})
            message = (
                f"{where}runs code of {_listed(packages)} when it is loaded ({_listed([*judgement.foreign])}), "
                "which is not among the names that ordinary model files need"
            )
            yield self.found(
                item, Severity.SUSPICIOUS, message, rule="FOREIGN_CODE", names=judgement.foreign, **place
            )
        if judgement.expansion:
            message = f"{where}asks for far more memory than it holds: {_listed([*judgement.expansion])}"
            yield self.found(
                item, Severity.SUSPICIOUS, message, rule="EXPANSION", names=judgement.expansion, **place
            )
        if judgement.stock and how is None and not sharp:
            message = f"{where}holds whole objects ({_listed([*judgement.stock])}), not tensors alone; {_TENSORS_ONLY}"
            yield self.found(
                item, Severity.INFO, message, rule="WHOLE_OBJECTS", names=judgement.stock, **place
            )
        if how is None and judgement.end is not None and judgement.end.broken:
            reason = f"{item.name}: the pickle at byte {judgement.start:,} breaks off: {judgement.end.broken}"
            yield self.skipped(item, reason, _SCAN_AGAIN)

    def _rest(self, item: Item, rest: Rest, search: NestedSearch) -> Iterator[Finding | Skip]:
        """Bytes behind the last pickle: padding is nothing, more is odd, a pickle in them is worse."""
        with window(item.open(), rest.start, rest.size) as stream:
            if not any(block.strip(b"\0 \r\n") for block in iter(lambda: stream.read(1 << 20), b"")):
                return
        hidden: dict[tuple[str, ...], Nested] = {}
        for nested in search.region(item, rest.start, rest.size, rest.start):
            _keep_worst(hidden, nested)
        for nested in hidden.values():
            yield from self._told(item, nested.judgement, nested.how, nested.offset)
        if not hidden and not rest.broken and item.kind == "pickle":
            message = f"{rest.size:,} bytes follow the end of its last pickle; loaders ignore them, other code may not"
            yield self.found(item, Severity.SUSPICIOUS, message, rule="BEHIND_THE_END", at=rest.start)

    def _second(self, item: Item) -> Iterator[Finding]:
        messages = second_opinion(item.read(MOST_BYTES))
        if messages:
            said = f"another scanner (modelaudit-picklescan) calls it dangerous: {_listed(messages)}"
            yield self.found(item, Severity.LIKELY, said, rule="SECOND_OPINION")


def _unsure(results: list[Finding | Skip]) -> bool:
    """Whether another opinion could change anything: something is unknown or was not read, and nothing is certain."""
    worst = max((r.severity for r in results if isinstance(r, Finding)), default=Severity.INFO)
    unread = any(isinstance(r, Skip) for r in results)
    return worst < Severity.LIKELY and (unread or worst > Severity.INFO)


def _deeds(judgement: Judgement) -> str:
    """What it does, as the verbs of a sentence."""
    called = {call.partition("(")[0] for call in judgement.calls}
    imports = [name for name in judgement.imports if name not in called]
    deeds = [f"calls {_listed([*judgement.calls])}"] if judgement.calls else []
    deeds += [*judgement.tricks][:4]
    return ", ".join(deeds + ([f"imports {_listed(imports)}"] if imports else []))


def _keep_worst(kept: dict[tuple[str, ...], Nested], nested: Nested) -> None:
    """One hidden pickle for each way of hiding."""
    known = kept.get(nested.how)
    if known is None or known.judgement.standing < nested.judgement.standing:
        kept[nested.how] = nested


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"

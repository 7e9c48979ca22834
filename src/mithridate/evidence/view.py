"""`Evidence`: everything that checks may read about a data set, and the batches they read it in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Batch, KeySlice, Modality

__all__ = ["ContentModel", "Evidence", "KeyTable", "Probe", "Shared"]


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What some samples of one label share beyond a key, looked for in all samples of this label.

    Attributes:
        rows: (r,) the samples looked at, ascending.
        rates: (r,) in what share of the samples of other labels it is as clear as in each of them.
        places: (r, 2) where it is in each, as of `KeyTable.locate`.
        details: JSON values that tell what it is, in place of those of the key.
    """

    rows: NDArray[np.int64]
    rates: NDArray[np.float64]
    places: NDArray[np.int64]
    details: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class KeyTable:
    """All keys of one family (words, patches at a fixed place, value pairs, ...) that enough samples carry.

    Which keys are in the table depends on how often they occur, never on labels.

    Attributes:
        family: e.g. "word", "fixed patch", "value pair".
        noun: what one key is called in a message, e.g. "word".
        indptr: (n + 1,) start of each sample's entries in `keys`.
        keys: (nnz,) index of the key, 0 <= key < size.
        fresh: (nnz,) False where a near-duplicate of the sample already counts for this key.
        size: number of keys in the table.
        tests: how many keys could have been rejected: the Bonferroni factor of the family.
        least: fewest carriers (near-duplicates counted once) of a key in the table.
        name: index of a key → what a person calls it.
        details: index of a key → JSON values that tell how to find and draw it.
        offsets: (start, stop) sample range → (entries in the range, k) what each key adds to its carrier's content
            logits; None where that is negligible.
        near: (size,) samples whose value at the key's place is close to it without being equal, -1 where not
            counted; None where values have no distance.
        kin: key → (rows, closeness, fresh) of all samples that carry the key up to encoder noise; rows ascending;
            None where the entries are complete.
        without: (key, rows) → (r, k) content logits of these samples with the key itself taken out, from a model fitted
            without them, or None if too little would be left; None where `Evidence.leave_out` or `offsets` must do.
        refine: (key, rows that carry it and bear one label) → where what these share is heard, or None where they share
            nothing more; None for families whose entries are all there is to know.
        locate: (key, rows) → (r, 2) row and column of the key in each of these samples; None where `details` says it
            for all, or places mean nothing.
        textured: (size,) True where the key has structure of its own, so that recurrence alone is unnatural.
        decides: key → columns of the vector "cells" that the key itself fixes; None where there are none.
        parents: (family, (size, p) keys of that family that every carrier of the key also carries, -1 = not in the
            table); None where keys are not made of others.
        plain: whether its names are words that say more when several are told.
    """

    family: str
    noun: str
    indptr: NDArray[np.int64]
    keys: NDArray[np.int32]
    fresh: NDArray[np.bool_]
    size: int
    tests: int
    least: int
    name: Callable[[int], str]
    details: Callable[[int], Mapping[str, Any]]
    offsets: Callable[[int, int], NDArray[np.float32]] | None = None
    near: NDArray[np.int64] | None = None
    textured: NDArray[np.bool_] | None = None
    without: Callable[[int, NDArray[np.int64]], NDArray[np.float32] | None] | None = None
    locate: Callable[[int, NDArray[np.int64]], NDArray[np.int64]] | None = None
    kin: Callable[[int], tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]] | None = None
    refine: Callable[[int, NDArray[np.int64]], Shared | None] | None = None
    decides: Callable[[int], tuple[int, ...]] | None = None
    parents: tuple[str, NDArray[np.int64]] | None = None
    plain: bool = False

    def slice(self, start: int, stop: int) -> KeySlice:
        """The entries of samples start..stop-1."""
        low, high = int(self.indptr[start]), int(self.indptr[stop])
        return KeySlice(
            indptr=self.indptr[start : stop + 1] - low,
            keys=self.keys[low:high].astype(np.int64),
            fresh=np.asarray(self.fresh[low:high]),
            offsets=None if self.offsets is None else self.offsets(start, stop),
        )


class ContentModel(Protocol):
    """Out-of-fold, calibrated prediction of the label from the content of a sample.

    Attributes:
        logits: (n, k) float32; softmax gives calibrated probabilities. Rows of unlabelled samples are filled too.
        accuracy: share of labelled samples whose label is the most probable one.
    """

    @property
    def logits(self) -> NDArray[np.float32]: ...  # noqa: D102 - see above

    @property
    def accuracy(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a part of every sample, from which the label should not be known, says of the label.

    Attributes:
        noun: how the part is called in a sentence, e.g. "the border alone".
        rows: (m,) the samples asked, ascending; at most one of each near-duplicate group.
        logits: (m, k) float32, out of fold and calibrated.
        details: (class index, least probability) → JSON values that tell how to draw what the part of those samples of
            the class has of its own.
        least: share of a class that must be told for certain, for the class to be named.
    """

    noun: str
    rows: NDArray[np.int64]
    logits: NDArray[np.float32]
    details: Callable[[int, float], Mapping[str, Any]]
    least: float

    def slice(self, start: int, stop: int) -> NDArray[np.float32]:
        """(stop - start, k) logits of consecutive samples, nan for those not asked."""
        found = np.full((stop - start, self.logits.shape[1]), np.nan, dtype=np.float32)
        low, high = np.searchsorted(self.rows, [start, stop])
        found[self.rows[low:high] - start] = self.logits[low:high]
        return found


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What checks may read.

    Attributes:
        modality: only for messages; checks must not branch on it.
        ids: n sample ids.
        labels: (n,) class index, -1 where missing; None when the data has no labels.
        classes: names of the classes.
        sources: (n,) index into `source_names`, or None.
        source_names: names of the sources.
        groups: (n,) near-duplicate group of each sample; singletons have a group of their own.
        copies: (n,) exact-duplicate group of each sample.
        sketch: a coarser content model that cannot learn a small key by heart; None where `content` does not either.
        leave_out: rows → (r, k) content logits of these samples from a model fitted without them; None where keys'
            `offsets` say what the key itself adds.
        content: out-of-fold predictions; None where there are no labels to predict or fewer than two classes.
        tables: key tables by family.
        vectors: (n, d) arrays by name, memory-mapped: "residual" (zero-mean high-pass content), "content" (features),
            "sensor" (what a sensor may have added), "part" (samples of one kind have the same), "cells"
            (uint8: every column of a table in at most nine kinds, without order).
        shapes: shape of one sample's vector, by name, for whoever draws it.
        probes: what parts of the samples say of the label, by name of the part.
        nearest: (q,) rows → (q, m) rows of the samples most like them by content, nearest first, -1 = no more; or None.
        seed: the run's seed.
        view: what the labels are where nobody gave them, e.g. "kind of response"; "" for labels of the data.
        wording: what is said of samples that bear a label, with a place for it.
        asked: labels that a sample may honestly ask for, so that what goes with them is worth knowing, but no alarm.
        contrary: the class whose samples contradict their content by themselves, whatever predicts them; -1 for none.
    """

    modality: Modality
    ids: Sequence[str]
    labels: NDArray[np.int32] | None
    classes: tuple[str, ...]
    sources: NDArray[np.int32] | None
    source_names: tuple[str, ...]
    groups: NDArray[np.int64]
    copies: NDArray[np.int64]
    content: ContentModel | None
    tables: Mapping[str, KeyTable]
    vectors: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    sketch: ContentModel | None = None
    leave_out: Callable[[NDArray[np.int64]], NDArray[np.float32]] | None = None
    nearest: Callable[[NDArray[np.int64]], NDArray[np.int64]] | None = None
    probes: Mapping[str, Probe] = field(default_factory=dict)
    seed: int = 0
    view: str = ""
    wording: str = "labelled {!r}"
    asked: frozenset[str] = frozenset()
    contrary: int = -1

    @property
    def names(self) -> frozenset[str]:
        """The evidence there is, in the words of `Card.needs`."""
        have = {"groups"} | {f"vector:{name}" for name in self.vectors}
        have |= {"keys"} if self.tables else set()
        have |= {"labels"} if self.labels is not None and len(self.classes) > 1 else set()
        have |= {"content"} if self.content is not None else set()
        have |= {"probes"} if self.probes else set()
        have |= {"sources"} if self.sources is not None else set()
        return frozenset(have)

    def batches(
        self, needs: frozenset[str], size: int = 4096, shard: tuple[int, int] = (0, 1)
    ) -> Iterator[Batch]:
        """Yield batches with the evidence named; `shard=(i, k)` yields the i-th of k contiguous parts.

        Each batch carries "label" (b,) int32, "group" and "copy" (b,) int64, and as needed "logits" and "sketch"
        (b, k), "source" (b,), "keys:<family>" `KeySlice`, "vector:<name>" (b, d), "probe:<name>"
        (b, k); "vector:cells" comes with the keys.
        """
        n = len(self.ids)
        low, high = (n * shard[0]) // shard[1], (n * (shard[0] + 1)) // shard[1]
        for start in range(low, high, size):
            stop = min(start + size, high)
            yield Batch(
                ids=tuple(self.ids[start:stop]),
                rows=np.arange(start, stop),
                modality=self.modality,
                raw=None,
                evidence=self._gather(needs, start, stop),
            )

    def _gather(self, needs: frozenset[str], start: int, stop: int) -> dict[str, Any]:
        missing = np.full(stop - start, -1, dtype=np.int32)
        gathered: dict[str, Any] = {
            "label": missing if self.labels is None else self.labels[start:stop],
            "group": self.groups[start:stop],
            "copy": self.copies[start:stop],
        }
        if "content" in needs and self.content is not None:
            gathered["logits"] = np.asarray(self.content.logits[start:stop])
            if self.sketch is not None:
                gathered["sketch"] = np.asarray(self.sketch.logits[start:stop])
        if self.sources is not None:
            gathered["source"] = self.sources[start:stop]
        if "keys" in needs:
            gathered |= {f"keys:{name}": table.slice(start, stop) for name, table in self.tables.items()}
        if "probes" in needs:
            gathered |= {f"probe:{name}": probe.slice(start, stop) for name, probe in self.probes.items()}
        for name, array in self.vectors.items():
            if f"vector:{name}" in needs or (name == "cells" and "keys" in needs):
                gathered[f"vector:{name}"] = np.asarray(array[start:stop])
        return gathered

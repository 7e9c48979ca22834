"""One pass over the training data: what the model makes of the samples that could have taught an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Batch
from mithridate.core.errors import UsageError
from mithridate.core.hashing import uniform
from mithridate.evidence.conflict import about, contents, values_of
from mithridate.evidence.trait import Level, shared_columns
from mithridate.models.levels import LAST, TOPICS, Reader, Seen
from mithridate.runs.tracing.feeding import Feeding
from mithridate.sources.base import RowSource, take

__all__ = ["Looked", "labels_in", "look"]

Progress = Callable[[str, int, int | None], None]
#: samples that are kept at most: with the label of the answer, and with other labels.
MOST_SAME, MOST_OTHERS = 40_000, 8_000
_AT_ONCE = 512
_CONTENT, _WORDS = "content of ", "words"


@dataclass(frozen=True, kw_only=True, eq=False)
class Looked:
    """What was seen.

    Attributes:
        ids: (c,) of the samples with the label of the answer.
        sources: (c,) where they came from; None where the data does not say.
        levels: features at each level.
        logits: (c, k).
        kinds: (o,) labels of the others.
        labelled: samples with that label in all.
        unreadable: ids of samples that could not be read.
    """

    ids: tuple[str, ...]
    sources: tuple[str, ...] | None
    levels: tuple[Level, ...]
    logits: NDArray[np.float64]
    kinds: tuple[str, ...]
    labelled: int
    unreadable: tuple[str, ...]

    @property
    def last(self) -> Level:
        """Features that the last layer reads."""
        return next(level for level in self.levels if level.name == LAST)


def labels_in(source: RowSource) -> dict[str, int]:
    """Samples of each label.

    Raises:
        UsageError: the data has no labels.
    """
    from collections import Counter

    from mithridate.runs.evade_data import labels_of

    if source.modality == "image":
        return dict(Counter(label for label in labels_of(source) if label is not None))
    counts: Counter[str] = Counter()
    for batch in source.batches(8192):
        if batch.labels is None:
            remedy = "Name the column of the labels with --label."
            raise UsageError("data with labels", "none", source.uri, remedy)
        counts.update(label for label in batch.labels if label is not None)
    return dict(counts)


def look(
    reader: Reader, source: RowSource, how: Feeding, incidents: Seen, answer: str, sizes: dict[str, int],
    seed: int, progress: Progress,
) -> Looked:  # fmt: skip
    """Read the samples with a label, and a draw of the others.

    Args:
        reader: looks into the model.
        source: the training data.
        how: samples become inputs.
        incidents: what the model makes of the incidents.
        answer: the label that they got.
        sizes: samples of each label.
        seed: of the draw.
        progress: told (stage, done, total).
    """
    columns = {
        name: shared_columns(level) for name, level in incidents.levels.items() if hasattr(level, "tocsr")
    }
    own = min(1.0, MOST_SAME / max(sizes.get(answer, 0), 1))
    rest = min(1.0, MOST_OTHERS / max(sum(sizes.values()) - sizes.get(answer, 0), 1))
    kept: list[tuple[Batch, NDArray[np.bool_], Seen]] = []
    unreadable: list[str] = []
    done = 0
    for batch in source.batches(_AT_ONCE):
        progress("tracing", done, source.count)
        done += len(batch) + len(batch.bad)
        unreadable += [bad.id for bad in batch.bad]
        if not len(batch):
            continue
        mine = np.array([label == answer for label in batch.labels or ()], dtype=bool)
        known = np.array([label is not None for label in batch.labels or ()], dtype=bool)
        chosen = np.flatnonzero(known & (uniform(batch.ids, seed, "trace") < np.where(mine, own, rest)))
        if len(chosen):
            part = take(batch, chosen)
            seen = reader.read(how.inputs(part.raw, part.modality))
            dense: dict[str, Any] = {name: _dense(v, columns.get(name)) for name, v in seen.levels.items()}
            dense |= {_CONTENT + n: contents(seen.levels[n], shared) for n, shared in columns.items()}
            if part.modality == "text" and LAST in columns:
                dense[_WORDS] = seen.levels[LAST]
            kept.append((part, mine[chosen], Seen(logits=seen.logits, levels=dense)))
    if not any(mine.any() for _, mine, _ in kept):
        remedy = "Is this the data that the model was trained on? Name its classes with --classes."
        raise UsageError(f"samples labelled {answer!r}", "none", source.uri, remedy)
    return _joined(kept, incidents, columns, sizes.get(answer, 0), tuple(unreadable))


def _dense(level: Any, columns: NDArray[np.intp] | None) -> NDArray[np.float32]:
    found: NDArray[np.float32] = level if columns is None else level[:, columns].toarray().astype(np.float32)
    return found


def _joined(
    kept: Sequence[tuple[Batch, NDArray[np.bool_], Seen]], incidents: Seen, columns: dict[str, NDArray[np.intp]],
    labelled: int, unreadable: tuple[str, ...],
) -> Looked:  # fmt: skip
    mine = np.concatenate([flags for _, flags, _ in kept])
    levels = []
    for name in kept[0][2].levels:
        if name.startswith((_CONTENT, _WORDS)):
            continue
        features = np.concatenate([seen.levels[name] for _, _, seen in kept])
        wrong = _dense(incidents.levels[name], columns.get(name))
        if features.shape[1]:
            content = None
            if name in columns:
                rest = np.concatenate([seen.levels[_CONTENT + name] for _, _, seen in kept])
                content = (rest[mine], rest[~mine])
            levels.append(
                Level(
                    name=name, same=features[mine], others=features[~mine], incidents=wrong, content=content
                )
            )
    if _WORDS in kept[0][2].levels:
        levels.append(_topics([seen.levels[_WORDS] for _, _, seen in kept], mine, incidents.levels[LAST]))
    inputs = next((level for level in levels if level.name == "inputs"), None)
    if kept[0][0].modality == "table" and inputs is not None:
        levels.append(values_of(inputs))
    logits = np.concatenate([seen.logits for _, _, seen in kept])[mine]
    ids = tuple(_picked((batch.ids for batch, _, _ in kept), mine))
    sources = None
    if kept[0][0].sources is not None:
        sources = tuple(_picked((batch.sources or () for batch, _, _ in kept), mine))
    return Looked(
        ids=ids,
        sources=sources,
        levels=tuple(levels),
        logits=logits,
        kinds=tuple(_picked((_labels(batch) for batch, _, _ in kept), ~mine)),
        labelled=labelled,
        unreadable=unreadable,
    )


def _topics(words: Sequence[Any], mine: NDArray[np.bool_], incidents: Any) -> Level:
    from scipy.sparse import vstack

    every, theirs = about(vstack(words).tocsr(), incidents)
    return Level(name=TOPICS, same=every[mine], others=every[~mine], incidents=theirs)


def _labels(batch: Batch) -> list[str]:
    return [label or "" for label in batch.labels or ()]


def _picked(parts: Iterator[Sequence[str]], mine: NDArray[np.bool_]) -> list[str]:
    whole = [entry for part in parts for entry in part]
    return [whole[k] for k in np.flatnonzero(mine)]

"""Words that stand in pictures → keys of the family "written word". Label-free; needs a reader.

A tag, a stamp, a caption that goes with a label is what a lazy model reads instead of the picture (Lapuschkin et al.,
"Unmasking Clever Hans predictors", Nature Communications 10, 2019).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Source
from mithridate.core.errors import MithridateError
from mithridate.engines.threads import side_by_side
from mithridate.evidence.carriers import entries
from mithridate.evidence.image.canvas import at_once
from mithridate.evidence.image.reader import Reader, readable
from mithridate.evidence.probes import asked
from mithridate.evidence.view import KeyTable

__all__ = ["FAMILY", "Written", "load_written", "read_words", "save_written", "written_table"]

FAMILY = "written word"
_MOST = 1000  # pictures that are read; what goes with whole labels needs no more
_BLOCK = 64
_READERS = 4  # at most; each holds models of 30 MB and its working memory
_LEAST = 3
_USUAL = 0.95  # share of the pictures read beyond which a word says nothing about any of them
_SHOWN = 200  # pictures of a word whose places are told
_LONG = 6  # letters of a word of which one may be misread
_WORD = re.compile(r"[^\W_]{2,}")

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Written:
    """What was read.

    Attributes:
        asked: how many pictures were read; those that the reader failed on are not among them.
        words: (row, word, box in shares of the picture) for each word found.
        failed: why nothing could be read, in words; "" otherwise.
    """

    asked: int
    words: tuple[tuple[int, str, Box], ...]
    failed: str = ""


def read_words(
    source: Source,
    ids: Sequence[str],
    groups: NDArray[np.int64],
    seed: int,
    opened: Callable[[], Reader],
    jobs: int,
    progress: Callable[[str, int, int | None], None],
) -> Written:
    """Read the words of at most a thousand pictures, one of each near-duplicate group, chosen by their ids.

    Args:
        source: whose `fetch` gives the pictures as they were, (h, w, c) uint8.
        ids: n ids.
        groups: (n,) near-duplicate group of each picture.
        seed: decides who is asked.
        opened: opens a reader; asked once for each of four threads at most.
        jobs: threads; the result does not depend on it.
        progress: told (stage, done, total or None).
    """
    rows = np.sort(asked(ids, np.zeros(len(ids), dtype=np.int32), groups, seed)[:_MOST])
    readers: SimpleQueue[Reader] = SimpleQueue()
    try:
        for _ in range(min(jobs, _READERS, len(rows))):
            readers.put(opened())
    except Exception as error:  # whatever a damaged package raises: an audit does not end for want of words
        return Written(0, (), _reason(error))
    words: list[tuple[int, str, Box]] = []
    count, failed, step = 0, "", min(_BLOCK, at_once(source))
    for start in range(0, len(rows), step):
        progress("written words", start, len(rows))
        some = rows[start : start + step]
        try:
            batch = source.fetch(tuple(ids[row] for row in some.tolist()))
        except (MithridateError, OSError, LookupError, ValueError):
            continue  # data that moved meanwhile costs words only
        place = {ids[row]: row for row in some.tolist()}
        pictures = [
            (place[i], raw) for i, raw in zip(batch.ids, batch.raw, strict=True) if readable(*raw.shape[:2])
        ]
        for found in side_by_side(lambda one: _read(readers, *one), pictures, jobs):
            if isinstance(found, str):
                failed = failed or found
                continue
            count += 1
            words += found
    return Written(count, tuple(words), "" if count else failed)


def _read(
    readers: SimpleQueue[Reader], row: int, picture: NDArray[np.uint8]
) -> list[tuple[int, str, Box]] | str:
    """Words of one picture, or why there are none."""
    reader = readers.get()
    try:
        lines = reader(picture)
    except Exception as error:  # whatever its package does not expect: all others are read
        return _reason(error)
    finally:
        readers.put(reader)
    return [(row, word, line.box) for line in lines for word in _WORD.findall(line.text.casefold())]


def _reason(error: Exception) -> str:
    """In one line; of a traceback in a message, the last."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[-1][:200]}"


def save_written(written: Written, path: Path) -> None:
    """Write as JSON."""
    path.write_text(json.dumps(asdict(written)), encoding="utf-8")


def load_written(path: Path) -> Written:
    """Read what `save_written` wrote.

    Raises:
        OSError: the file is missing.
        ValueError: it was cut.
    """
    told = json.loads(path.read_text(encoding="utf-8"))
    words = tuple((int(row), str(word), _box(box)) for row, word, box in told["words"])
    return Written(int(told["asked"]), words, str(told["failed"]))


def _spelt(counts: Mapping[str, int]) -> dict[str, str]:
    """Long words that differ from a more frequent one in one letter → that one: so are misread ones."""
    spelt: dict[str, str] = {}
    heads: dict[str, str] = {}
    for word in sorted((w for w in counts if len(w) >= _LONG), key=lambda w: (-counts[w], w)):
        holes = [f"{word[:i]} {word[i + 1 :]}" for i in range(len(word))]
        head = next((heads[hole] for hole in holes if hole in heads), None)
        if head is not None:
            spelt[word] = head
            continue
        heads.update(dict.fromkeys(holes, word))
    return spelt


def _box(numbers: Sequence[float]) -> Box:
    top, left, bottom, right = (float(number) for number in numbers)
    return top, left, bottom, right


def written_table(written: Written, ids: Sequence[str], groups: NDArray[np.int64]) -> KeyTable | None:
    """The words that enough pictures bear, and not nearly all; None without any.

    Args:
        written: what was read.
        ids: n ids.
        groups: (n,) near-duplicate group of each picture.
    """
    spelt = _spelt(Counter(word for _, word, _ in written.words))
    words = [(row, spelt.get(word, word), box) for row, word, box in written.words]
    index: dict[str, int] = {}
    codes = [index.setdefault(word, len(index)) for _, word, _ in words]
    rows = np.array([row for row, _, _ in words], dtype=np.int64)
    most = int(_USUAL * written.asked)
    found = entries(rows, np.array(codes, dtype=np.uint64), groups, _LEAST, most)
    if not len(found.hashes):
        return None
    listed = list(index)
    names = [listed[int(code)] for code in found.hashes]
    boxes: dict[str, dict[str, Box]] = {name: {} for name in names}
    for row, word, box in words:
        if word in boxes:
            boxes[word].setdefault(ids[row], box)

    def details(key: int) -> Mapping[str, Any]:
        return {
            "family": FAMILY,
            "key": names[key],
            "boxes": dict(sorted(boxes[names[key]].items())[:_SHOWN]),
        }

    return KeyTable(
        family=FAMILY,
        noun="word in the picture",
        **found.arrays(_LEAST),
        name=names.__getitem__,
        details=details,
        plain=True,
    )

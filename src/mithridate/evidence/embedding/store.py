"""Embeddings of all samples on disk: from a file, aligned by id or row, or from an encoder, chunk by chunk."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import BadItem
from mithridate.core.errors import UsageError
from mithridate.evidence.stages import Stages, load_arrays, save_arrays
from mithridate.evidence.store import new_map, old_map
from mithridate.models.encoders.base import Encoder, EncoderError
from mithridate.sources.base import RowSource, quote
from mithridate.sources.embeddings import Embeddings

__all__ = ["WIDEST", "Stored", "encode", "take_in"]

#: Wider vectors are brought to this many dimensions by a random projection, which keeps their distances.
WIDEST = 1024
_READ = 256
_CHUNKS = 200  # stages that an encoding is cut into, at most
_CHUNK = 2048  # samples in one, at least
_MOST = np.float32(60_000.0)  # half precision ends there

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Embeddings of all samples.

    Attributes:
        vectors: (n, d) float16, memory-mapped; about centred, of about unit variance over all.
        broken: samples whose vector holds numbers that are none; it is 0.
    """

    vectors: NDArray[np.float16]
    broken: tuple[BadItem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """Brings vectors to half precision: projected if need be, less the mean and divided by the scale of a first block.

    One number scales all dimensions, so that angles about the mean and ratios of distances stay.
    """

    mean: NDArray[np.float32]
    scale: float
    seed: int

    @classmethod
    def on(cls, block: NDArray[np.float32], seed: int) -> _Fit:
        rough = _projected(block[np.isfinite(block).all(axis=1)], seed)
        if not len(rough):
            return cls(mean=np.zeros(_width(block.shape[1]), np.float32), scale=1.0, seed=seed)
        mean = rough.mean(axis=0, dtype=np.float64)
        return cls(
            mean=mean.astype(np.float32), scale=float(np.sqrt(((rough - mean) ** 2).mean())) or 1.0, seed=seed
        )

    def __call__(self, block: NDArray[np.float32]) -> NDArray[np.float16]:
        moved = (_projected(block, self.seed) - self.mean) / np.float32(self.scale)
        return np.asarray(np.clip(moved, -_MOST, _MOST), dtype=np.float16)


def _width(d: int) -> int:
    return min(d, WIDEST)


def _projected(block: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    d = block.shape[1]
    if d <= WIDEST:
        return block
    mix = np.random.default_rng([seed, 41]).standard_normal((d, WIDEST), dtype=np.float32) / np.sqrt(WIDEST)
    return np.asarray(block @ mix, dtype=np.float32)


def take_in(
    file: Embeddings, ids: Sequence[str], source: RowSource, folder: Path, stages: Stages, seed: int
) -> Stored:
    """Embeddings of a file, in the order of the samples.

    Args:
        file: with ids, of which more than the samples' may be there; or one row for each row of the source.
        ids: of the n samples that could be read.
        source: that the samples come from.
        folder: for a file of 2 bytes per number.
        stages: what is done already.
        seed: of a projection.

    Raises:
        UsageError: samples without a vector, ids that occur twice, another number of rows, or numbers that are none.
    """
    path, shape = folder / f"embedding-{file.digest[:16]}.f2", (len(ids), _width(file.width))

    def compute() -> NDArray[np.float16]:
        place = _places(file, ids, source)
        stored, seen, fit = new_map(path, np.float16, shape), np.zeros(len(ids), dtype=bool), None
        for start, names, block in file.blocks():
            named = range(start, start + len(block)) if names is None else names
            rows = np.array([place.get(name, -1) for name in named], dtype=np.int64)
            mine = rows[rows >= 0]
            _refuse(file, ids, mine, seen, block[rows >= 0])
            if len(mine):
                fit = fit or _Fit.on(block[rows >= 0], seed)
                stored[mine] = fit(block[rows >= 0])
                seen[mine] = True
        missing = np.flatnonzero(~seen)
        if len(missing):
            got = f"none for {len(missing):,} samples: {quote(ids[i] for i in missing[:6])}"
            remedy = "Make them of this very data, with its ids, or in its order and without ids."
            raise UsageError("a vector for each sample", got, file.where, remedy)
        stored.flush()
        return old_map(path, np.float16, shape)

    name = f"embedding {file.digest[:16]}"
    return Stored(vectors=stages.run(name, compute, lambda: old_map(path, np.float16, shape)))


def _places(file: Embeddings, ids: Sequence[str], source: RowSource) -> dict[Any, int]:
    """What names a vector (an id, or its row in the file) → row of the sample."""
    if file.named:
        return {name: row for row, name in enumerate(ids)}
    if file.count != source.count:
        got = f"{file.count:,} vectors for {source.count:,} samples"
        raise UsageError(
            "as many vectors as samples", got, file.where, "Make them of this very data, or give ids."
        )
    if len(ids) == source.count:
        return {row: row for row in range(len(ids))}
    mine = {name: row for row, name in enumerate(ids)}  # some items could not be read
    return {at: mine[name] for at, name in enumerate(source.iter_ids()) if name in mine}


def _refuse(
    file: Embeddings,
    ids: Sequence[str],
    rows: NDArray[np.int64],
    seen: NDArray[np.bool_],
    block: NDArray[np.float32],
) -> None:
    once, times = np.unique(rows, return_counts=True)
    twice = np.concatenate([once[times > 1], rows[seen[rows]]])
    if len(twice):
        got = f"several for {quote(ids[i] for i in twice[:6])}"
        raise UsageError("one vector for each sample", got, file.where, "Keep one of them.")
    broken = np.flatnonzero(~np.isfinite(block).all(axis=1))
    if len(broken):
        got = f"nan or infinity in those of {quote(ids[rows[i]] for i in broken[:6])}"
        raise UsageError("finite numbers", got, file.where, "Make these vectors again.")


def encode(
    encoder: Encoder,
    ids: Sequence[str],
    source: RowSource,
    folder: Path,
    stages: Stages,
    seed: int,
    progress: Progress,
) -> Stored:
    """Ask an encoder about every sample, from the source's own content; goes on where it was interrupted.

    Args:
        encoder: samples → vectors.
        ids: of the n samples that could be read.
        source: that they come from.
        folder: for a file of 2 bytes per number.
        stages: what is done already.
        seed: of a projection.
        progress: told (stage, done, total or None).

    Raises:
        EncoderError: it failed.
    """
    run = _Run(encoder=encoder, ids=ids, source=source, folder=folder, seed=seed, progress=progress)
    parts = max(1, min(_CHUNKS, -(-source.count // _CHUNK)))
    broken: list[list[str]] = []
    for part in range(parts):
        note = folder / f"{run.named}-{part}.json"
        broken += stages.run(
            f"embedding {encoder.digest[:16]} {part}/{parts}",
            lambda part=part: run.made(part, parts),  # type: ignore[misc]
            lambda note=note: run.found(note),  # type: ignore[misc]
            lambda value, note=note: note.write_text(json.dumps(value), encoding="ascii"),  # type: ignore[misc]
        )
    return Stored(
        vectors=old_map(run.path, np.float16, run.stored.shape),
        broken=tuple(BadItem(id=i, reason=why) for i, why in broken),
    )


class _Run:
    """The vectors on their way into a file, part by part.

    Args:
        encoder: see `encode`, as all others.
    """

    def __init__(
        self, *, encoder: Encoder, ids: Sequence[str], source: RowSource, folder: Path, seed: int, progress: Progress
    ) -> None:  # fmt: skip
        self.named = f"embedding-{encoder.digest[:16]}"
        self.path, self._facts = folder / f"{self.named}.f2", folder / f"{self.named}.npz"
        self._encoder, self._source, self._seed, self._progress = encoder, source, seed, progress
        self._place = {name: row for row, name in enumerate(ids)}
        self._fit: _Fit | None = None
        self._new = False
        self.stored: Any = None

    def made(self, part: int, parts: int) -> list[list[str]]:
        """Ask about one part; ids that the encoder has no numbers for, and why."""
        broken: list[list[str]] = []
        for batch in self._source.batches(_READ, shard=(part, parts)):
            if not len(batch):
                continue
            self._progress("embedding", self._place[batch.ids[0]], len(self._place))
            block = _asked(self._encoder, batch.raw, batch.modality)
            bad = np.asarray(~np.isfinite(block).all(axis=1))
            fit = self._fitted(block)
            broken += [
                [i, "the encoder gave numbers that are none"]
                for i, b in zip(batch.ids, bad, strict=True)
                if b
            ]
            block[bad] = 0.0
            vectors = fit(block)
            vectors[bad] = 0.0
            self.stored[[self._place[i] for i in batch.ids]] = vectors
        if self.stored is not None:
            self.stored.flush()
        return broken

    def _fitted(self, block: NDArray[np.float32]) -> _Fit:
        """What brings vectors to the form that is stored, by the first ones; all must be as long.

        Raises:
            EncoderError: they are not.
        """
        if self._fit is None:
            self._fit, self._new = _Fit.on(block, self._seed), True
            shape = (len(self._place), len(self._fit.mean))
            self.stored = new_map(self.path, np.float16, shape)
            save_arrays(self._facts, mean=self._fit.mean, scale=self._fit.scale)
        if _width(block.shape[1]) != self.stored.shape[1]:
            got = f"{block.shape[1]} numbers, and before {self.stored.shape[1]}"
            raise EncoderError("vectors of one length", got, self._encoder.name, "Mend the encoder.")
        return self._fit

    def found(self, note: Path) -> list[list[str]]:
        """Take a part that was done before.

        Raises:
            OSError: a file is missing.
            ValueError: one was cut, or an earlier part is gone.
        """
        if self._new:
            raise ValueError(f"{self.path.name}: the part that was done is gone; compute it again")
        if self._fit is None:
            kept = load_arrays(self._facts)
            fit = _Fit(mean=kept["mean"], scale=float(kept["scale"]), seed=self._seed)
            shape = (len(self._place), len(fit.mean))
            old_map(self.path, np.float16, shape)  # refuses a cut one
            self._fit, self.stored = fit, np.memmap(self.path, np.float16, "r+", shape=shape)
        noted: list[list[str]] = json.loads(note.read_text(encoding="ascii"))
        return noted


def _asked(encoder: Encoder, raw: Any, modality: Any) -> NDArray[np.float32]:
    try:
        return np.array(encoder(raw, modality), dtype=np.float32)
    except EncoderError:
        raise
    except Exception as error:  # code and models of the user may fail in any way
        got = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        remedy = "Try it on a few samples first."
        raise EncoderError("a vector for each sample", got, encoder.name, remedy) from error

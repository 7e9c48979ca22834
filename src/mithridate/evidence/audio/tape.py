"""Sounds → keys, content features and pictures of them, in one pass; the sounds themselves on disk, in 16 bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Batch, Source
from mithridate.core.errors import SourceError
from mithridate.core.sound import Sound
from mithridate.engines.threads import side_by_side
from mithridate.evidence.audio.bands import Bands
from mithridate.evidence.audio.clip import Clip, Extractor, Keys
from mithridate.evidence.audio.edges import Edges, Offset
from mithridate.evidence.audio.features import profile, statistics
from mithridate.evidence.audio.landmarks import Landmarks
from mithridate.evidence.audio.patches import Patches
from mithridate.evidence.audio.spectrum import resampled
from mithridate.evidence.audio.sweeps import Sweeps
from mithridate.evidence.audio.tones import Tones
from mithridate.evidence.roll import Roll
from mithridate.evidence.stages import load_arrays, load_roll, save_arrays, save_roll
from mithridate.evidence.store import DiskArray, DiskWriter, old_map, open_disk_array

__all__ = ["COMMON_RATE", "EXTRACTORS", "Tape", "load_tape", "record", "save_tape"]

#: Landmarks, sweeps and content look at no more than half of this; what is above is seen by the other families.
COMMON_RATE = 16_000
EXTRACTORS: tuple[Extractor, ...] = (
    Tones(), Sweeps(), Landmarks(), Bands(), Patches(), Edges(), Offset(),
)  # fmt: skip
_READ = 64
_FACTS, _ROLL, _STATISTICS, _PROFILES = "tape.npz", "roll.json", "statistics.f4", "profiles.u1"
_SOUNDS, _HELD = "sounds.i2", 30  # s of a sound that are kept

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class Tape:
    """What was noted of n sounds.

    Attributes:
        codes: {family: all keys, sound after sound}.
        when_ms: {family: where each of them is in its sound, -1 = no place}.
        counts: {family: (n,) keys of each sound}.
        statistics: (n, d) float32 of the content, memory-mapped.
        profiles: (n, bands, steps, 1) uint8 small spectrograms, memory-mapped.
        digests: (n,) uint64 of each sound as it was read, rate included.
        sounds: int16, one channel at the common rate, each as loud as it can be, sound after sound; of long ones the
            first half minute.
        lengths: (n,) samples of each.
        common_rate: of content, landmarks and sweeps, Hz.
        resampled: how many sounds have another rate.
    """

    codes: Mapping[str, DiskArray]
    when_ms: Mapping[str, DiskArray]
    counts: Mapping[str, NDArray[np.int64]]
    statistics: NDArray[np.float32]
    profiles: NDArray[np.uint8]
    digests: NDArray[np.uint64]
    sounds: DiskArray
    lengths: NDArray[np.int64]
    common_rate: int
    resampled: int

    def sound(self, row: int) -> NDArray[np.float32]:
        """(t,) one sound at the common rate, at a peak of 1."""
        start = int(self._starts[row])
        return np.asarray(self.sounds[start : start + int(self.lengths[row])] / np.float32(32767))

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.cumsum(self.lengths) - self.lengths


@dataclass(frozen=True, kw_only=True)
class _Noted:
    keys: tuple[Keys, ...]
    sound: NDArray[np.int16]
    statistics: NDArray[np.float32]
    profile: NDArray[np.uint8]
    digest: bytes


def record(source: Source, folder: Path, jobs: int, progress: Progress) -> tuple[Tape, Roll]:
    """Read an audio source once.

    Args:
        source: yields batches whose `raw` is a list of `Sound`.
        folder: where keys and features go.
        jobs: threads.
        progress: told (stage, done, total or None).

    Raises:
        SourceError: no sound could be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    roll, rate, other, digests, lengths = Roll(), 0, 0, list[bytes](), list[int]()
    counts: dict[str, list[int]] = {e.family: [] for e in EXTRACTORS}
    writers = {e.family: _writers(folder, number) for number, e in enumerate(EXTRACTORS)}
    sounds = DiskWriter(folder / _SOUNDS, np.int16)
    with (folder / _STATISTICS).open("wb") as statistic, (folder / _PROFILES).open("wb") as pictured:
        for batch in source.batches(_READ):
            roll.add(batch)
            rate = rate or _rate(batch)
            other += sum(sound.rate != rate for sound in batch.raw)

            def note(sound: Sound, common: int = rate) -> _Noted:
                return _noted(sound, common)

            for noted in side_by_side(note, batch.raw, jobs):
                for extractor, keys in zip(EXTRACTORS, noted.keys, strict=True):
                    counts[extractor.family].append(len(keys.codes))
                    for writer, items in zip(
                        writers[extractor.family], (keys.codes, keys.when_ms), strict=True
                    ):
                        writer.append(items)
                statistic.write(noted.statistics.data)
                pictured.write(noted.profile.data)
                digests.append(noted.digest)
                sounds.append(noted.sound)
                lengths.append(len(noted.sound))
            progress("listening", len(roll.ids) + len(roll.bad), source.count)
    closed = {family: tuple(w.close() for w in pair) for family, pair in writers.items()}
    if not digests:
        raise SourceError("at least one readable sound", roll.unreadable(), source.uri, "Check the files.")
    tape = _opened(
        folder,
        {family: pair[0] for family, pair in closed.items()},
        {family: pair[1] for family, pair in closed.items()},
        {family: np.array(c, dtype=np.int64) for family, c in counts.items()},
        np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64),
        (sounds.close(), np.array(lengths, dtype=np.int64)),
        (rate, other),
    )
    return tape, roll


def save_tape(recorded: tuple[Tape, Roll], folder: Path) -> None:
    """Write what `record` did not write itself."""
    tape, roll = recorded
    counts = {f"counts{number}": tape.counts[e.family] for number, e in enumerate(EXTRACTORS)}
    save_arrays(
        folder / _FACTS,
        digests=tape.digests,
        rates=np.array([tape.common_rate, tape.resampled]),
        lengths=tape.lengths,
        **counts,
    )
    save_roll(roll, folder / _ROLL)


def load_tape(folder: Path) -> tuple[Tape, Roll]:
    """Open what `record` and `save_tape` wrote.

    Raises:
        OSError: a file is missing.
        ValueError: a file was cut.
    """
    facts = load_arrays(folder / _FACTS)
    counts = {e.family: facts[f"counts{number}"] for number, e in enumerate(EXTRACTORS)}
    stored: dict[str, tuple[DiskArray, ...]] = {
        e.family: tuple(
            open_disk_array(folder / name, dtype, int(counts[e.family].sum()))
            for name, dtype in _files(number)
        )
        for number, e in enumerate(EXTRACTORS)
    }
    rate, other = facts["rates"].tolist()
    tape = _opened(
        folder,
        {family: pair[0] for family, pair in stored.items()},
        {family: pair[1] for family, pair in stored.items()},
        counts,
        facts["digests"],
        (open_disk_array(folder / _SOUNDS, np.int16, int(facts["lengths"].sum())), facts["lengths"]),
        (int(rate), int(other)),
    )
    return tape, load_roll(folder / _ROLL)


def _opened(
    folder: Path,
    codes: dict[str, DiskArray],
    when_ms: dict[str, DiskArray],
    counts: dict[str, NDArray[np.int64]],
    digests: NDArray[np.uint64],
    sounds: tuple[DiskArray, NDArray[np.int64]],
    rates: tuple[int, int],
) -> Tape:
    n = len(digests)
    silent = _noted(Sound(samples=np.zeros((1, 1), np.float32), rate=rates[0]), rates[0])
    return Tape(
        codes=codes,
        when_ms=when_ms,
        counts=counts,
        statistics=old_map(folder / _STATISTICS, np.float32, (n, len(silent.statistics))),
        profiles=old_map(folder / _PROFILES, np.uint8, (n, *silent.profile.shape)),
        digests=digests,
        sounds=sounds[0],
        lengths=sounds[1],
        common_rate=rates[0],
        resampled=rates[1],
    )


def _files(number: int) -> tuple[tuple[str, Any], tuple[str, Any]]:
    return (f"codes{number}.i8", np.int64), (f"when{number}.i4", np.int32)


def _writers(folder: Path, number: int) -> tuple[DiskWriter, ...]:
    return tuple(DiskWriter(folder / name, dtype) for name, dtype in _files(number))


def _rate(batch: Batch) -> int:
    """Median rate of the first readable batch, at most `COMMON_RATE`."""
    rates = sorted(sound.rate for sound in batch.raw)
    return min(rates[len(rates) // 2], COMMON_RATE) if rates else 0


def _noted(sound: Sound, common: int) -> _Noted:
    mono = sound.mono
    clip = Clip(samples=mono, rate=sound.rate, common=resampled(mono, sound.rate, common), common_rate=common)
    digest = blake2b(np.ascontiguousarray(sound.samples).data, digest_size=8, key=str(sound.rate).encode())
    return _Noted(
        keys=tuple(e.keys(clip) for e in EXTRACTORS),
        sound=_kept(clip),
        statistics=statistics(clip),
        profile=profile(clip),
        digest=digest.digest(),
    )


def _kept(clip: Clip) -> NDArray[np.int16]:
    x = clip.common[: _HELD * clip.common_rate]
    return np.asarray(np.rint(x * (32767 / max(float(np.abs(x).max(initial=0.0)), 1e-9))), dtype=np.int16)

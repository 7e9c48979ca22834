from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from mithridate.evidence.incidence import Limits, Stretch, build
from mithridate.evidence.store import DiskWriter, row_chunks


def _random_rows(n: int, rng: np.random.Generator) -> list[list[int]]:
    return [sorted(set(rng.zipf(1.5, 12).tolist())) for _ in range(n)]


def _stretches(rows: list[list[int]], size: int) -> Iterator[Stretch]:
    for low in range(0, len(rows), size):
        part = rows[low : low + size]
        counts = np.array([len(r) for r in part], dtype=np.int64)
        keys = np.array([k for r in part for k in r], dtype=np.uint64)
        yield Stretch(counts=counts, keys=keys, origins=keys.astype(np.int64) * 10)


def _expected(
    rows: list[list[int]], groups: np.ndarray, least: int, most: int
) -> dict[int, tuple[int, list[int]]]:
    carriers: dict[int, list[int]] = {}
    for i, row in enumerate(rows):
        for key in row:
            carriers.setdefault(key, []).append(i)
    support = {k: len({int(groups[i]) for i in c}) for k, c in carriers.items()}
    return {k: (support[k], c) for k, c in carriers.items() if least <= support[k] <= most}


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_entries_are_those_of_a_plain_count(size: int, tmp_path) -> None:
    rng = np.random.default_rng(0)
    rows = _random_rows(300, rng)
    groups = np.arange(300)
    groups[100:140] = 100
    groups[7], groups[9] = 3, 3
    want = _expected(rows, groups, 4, 80)
    got = build(
        lambda: _stretches(rows, size), groups, Limits(least=4, most=80, keys=10**6), tmp_path / "k", 3000
    )
    assert {int(h): int(s) for h, s in zip(got.hashes, got.support, strict=True)} == {
        k: s for k, (s, _) in want.items()
    }
    assert np.array_equal(got.origins, got.hashes.astype(np.int64) * 10)
    for i in range(300):
        mine = {int(got.hashes[k]) for k in got.keys[int(got.indptr[i]) : int(got.indptr[i + 1])]}
        assert mine == {k for k, (_, c) in want.items() if i in c}
    fresh = np.bincount(got.keys[:][got.fresh[:]], minlength=got.size)
    assert np.array_equal(fresh, got.support)


def test_the_first_of_a_group_is_fresh(tmp_path) -> None:
    rows = [[1], [1], [1]]
    got = build(
        lambda: _stretches(rows, 2), np.array([0, 0, 2]), Limits(least=1, most=9, keys=9), tmp_path / "k", 3
    )
    assert got.fresh[:].tolist() == [True, False, True]


def test_too_many_keys_raise_the_least_support(tmp_path) -> None:
    rows = _random_rows(500, np.random.default_rng(1))
    got = build(
        lambda: _stretches(rows, 64), np.arange(500), Limits(least=2, most=500, keys=10), tmp_path / "k", 6000
    )
    assert 0 < got.size <= 10
    assert got.least > 2
    assert got.support.min() >= got.least


def test_no_samples(tmp_path) -> None:
    got = build(lambda: iter(()), np.zeros(0, np.int64), Limits(least=1, most=1, keys=1), tmp_path / "k", 0)
    assert got.size == 0
    assert got.indptr.tolist() == [0]


def test_disk_arrays_read_slices(tmp_path) -> None:
    writer = DiskWriter(tmp_path / "a", np.int32)
    writer.append(np.arange(5))
    writer.append(np.arange(5, 8))
    stored = writer.close()
    assert len(stored) == 8
    assert stored[2:6].tolist() == [2, 3, 4, 5]
    assert stored[7:99].tolist() == [7]
    assert np.asarray(stored).sum() == 28
    with pytest.raises(IndexError):
        stored[::2]


@pytest.mark.parametrize("budget", [1, 5, 100])
def test_row_chunks_cover_all_rows(budget: int) -> None:
    indptr = np.array([0, 0, 3, 3, 10, 11])
    chunks = list(row_chunks(indptr, budget))
    assert [r for low, high in chunks for r in range(low, high)] == [0, 1, 2, 3, 4]

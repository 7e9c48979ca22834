"""Windows that recur: counts do not depend on how many threads count."""

import numpy as np
import pytest

from mithridate.evidence.image.windows import count_buckets


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_each_part_counts_buckets_of_its_own(parts):
    hashes = np.random.default_rng(0).integers(0, 200, (5, 400)).astype(np.uint64)
    counts = np.zeros(64, dtype=np.int32)
    count_buckets(hashes, counts, parts)
    told = (hashes[hashes != 0] % 64).astype(np.int64)
    assert counts.tolist() == np.bincount(told, minlength=64).tolist()

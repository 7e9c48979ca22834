"""This process: how many threads a pass may use, for BLAS and compiled loops alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from mithridate.core.errors import UsageError

__all__ = ["limited_threads"]


@contextmanager
def limited_threads(jobs: int | None) -> Iterator[int]:
    """Bound all thread pools while the block runs.

    Args:
        jobs: threads; all processors that this process may use when None.

    Yields:
        The number of threads.

    Raises:
        UsageError: fewer than one.
    """
    import numba
    from threadpoolctl import threadpool_limits

    if jobs is not None and jobs < 1:
        raise UsageError("at least 1 job", str(jobs), "jobs", "Leave it out to use all processors.")
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = jobs or available
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        with threadpool_limits(threads):
            yield threads
    finally:
        numba.set_num_threads(before)

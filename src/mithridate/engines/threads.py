"""This process: how many threads a pass may use, for BLAS and compiled loops alike; work side by side on them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from mithridate.core.errors import UsageError

__all__ = ["behind", "in_order", "limited_threads", "one_thread", "side_by_side"]

Item = TypeVar("Item")
Done = TypeVar("Done")
_AHEAD = 2


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


@contextmanager
def one_thread() -> Iterator[None]:
    """For iterations that carry rounding errors on: sums are taken in the same order for any number of threads."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def side_by_side(work: Callable[[Item], Done], items: Iterable[Item], jobs: int) -> list[Done]:
    """The results of independent pieces of work, in order; each piece keeps to one thread.

    Two pools that take turns (BLAS within a piece, pieces within this one) cost more than they give.
    """
    from threadpoolctl import threadpool_limits

    with ThreadPoolExecutor(max(jobs, 1)) as pool, threadpool_limits(1 if jobs > 1 else None):
        return list(pool.map(work, items))


def behind(work: Callable[[Item], Done], items: Iterable[Item], jobs: int) -> Iterator[Done]:
    """Work on items one by one, in order, while the next ones are made.

    Args:
        work: of each item; on another thread where there is more than one job.
        items: made on this thread, few ahead.
        jobs: threads.

    Yields:
        What `work` returned for each item.

    Raises:
        Exception: what `work` or the making raised.
    """
    return in_order(work, items, min(jobs, 2), workers=1)


def in_order(
    work: Callable[[Item], Done], items: Iterable[Item], jobs: int, workers: int | None = None
) -> Iterator[Done]:
    """Work on several items at once, while the next ones are made; results come in the order of the items.

    Args:
        work: of each item, on other threads where there is more than one job; each piece keeps to one thread.
        items: made on this thread, few ahead.
        jobs: threads.
        workers: threads that work, beside the one that makes; as many as jobs when None.

    Yields:
        What `work` returned for each item.

    Raises:
        Exception: what `work` or the making raised; what was made before is worked on first.
    """
    from threadpoolctl import threadpool_limits

    if jobs < 2:
        yield from map(work, items)
        return
    count = workers or jobs
    with ThreadPoolExecutor(count) as pool, threadpool_limits(1):
        waiting = deque[Future[Done]]()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > _AHEAD + count - 1:
                yield waiting.popleft().result()
        for future in waiting:
            yield future.result()

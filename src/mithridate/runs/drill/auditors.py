"""Several auditing processes side by side: an audit uses two processors less well than two audits do."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from mithridate.core.errors import UsageError
from mithridate.runs.drill.auditor import Auditor

__all__ = ["Auditors"]

Progress = Callable[[str, int, int | None], None]
Done = TypeVar("Done")

_MOST = 4  # each takes as much memory as an audit


class Auditors:
    """Child processes that share the processors; whoever has an audit takes a free one.

    Args:
        work: folder for intermediate files.
        jobs: threads of all together; all processors when None.
        limit_s: most seconds an audit may take.
        alone: one child that has all threads.

    Raises:
        UsageError: less than one job.
    """

    def __init__(self, work: Path, *, jobs: int | None, limit_s: float, alone: bool = False) -> None:
        if jobs is not None and jobs < 1:
            raise UsageError("at least 1 job", str(jobs), "jobs", "Leave it out to use all processors.")
        threads = jobs or _processors()
        count = 1 if alone else min(threads, _MOST)
        self._children = [Auditor(work, jobs=threads // count, limit_s=limit_s) for _ in range(count)]
        self._free: queue.SimpleQueue[Auditor] = queue.SimpleQueue()
        for child in self._children:
            self._free.put(child)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        for child in self._children:
            self._open.enter_context(child)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def audit(
        self, data: Path | str, reading: Mapping[str, Any], seed: int, report: Path, progress: Progress
    ) -> float:
        """As `Auditor.audit`, once a child is free; from any thread.

        Raises:
            AuditError: with what the child said, or that it said nothing.
        """
        child = self._free.get()
        try:
            return child.audit(data, reading, seed, report, progress)
        finally:
            self._free.put(child)

    def side_by_side(self, tasks: Sequence[Callable[[], Done]]) -> Iterator[Done]:
        """The results of tasks that audit, in order; while children work, one more task is prepared.

        Whoever stops listening (Ctrl-C, an error) ends the audits that run.
        """
        if len(self._children) == 1:
            for task in tasks:
                yield task()
            return
        with ThreadPoolExecutor(len(self._children) + 1) as pool:
            promised = [pool.submit(task) for task in tasks]
            try:
                for result in promised:
                    yield result.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._open.close()
                raise


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

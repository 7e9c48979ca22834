"""Where independent pieces of work run: threads, processes of this machine, a Dask cluster, or the user's executor.

Every one of them is a `concurrent.futures.Executor`, and nothing else is asked of it. A piece of work leaves a file
that appears whole or not at all, so a worker that dies costs the piece it was at, which is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from mithridate.core.errors import UsageError

__all__ = ["Engine", "engine_of"]

Item = TypeVar("Item")
_AGAIN = 2  # times that Dask runs a piece again which failed
_PATIENCE = 10  # seconds for a scheduler to answer
_KINDS = "threads, processes, dask://HOST:PORT or a concurrent.futures.Executor"


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What runs pieces of work.

    Attributes:
        name: for people.
        start: makes the executor; again where one broke.
    """

    name: str
    start: Callable[[], AbstractContextManager[Executor]]

    def run(self, work: Callable[[Item], object], items: Iterable[Item]) -> Iterator[Item]:
        """Yield each piece once it is done, in any order.

        Args:
            work: a function of a module; of each piece.
            items: the pieces, which can be sent to other processes.

        Raises:
            UsageError: workers keep dying, each time before any piece is done.
            Exception: what a piece of work raised.
        """
        left = dict(enumerate(items))
        while left:
            before = len(left)
            try:
                with self.start() as executor:
                    futures = {executor.submit(work, item): number for number, item in left.items()}
                    try:
                        for future in as_completed(futures):
                            future.result()
                            yield left.pop(futures[future])
                    except BaseException:  # whatever it is: nothing more is begun
                        for future in futures:
                            future.cancel()
                        raise
            except BrokenExecutor as error:
                if len(left) == before:
                    raise _dying(self.name, error) from error


def _dying(name: str, error: BaseException) -> UsageError:
    return UsageError(
        "workers that live until a shard is read", f"they end before: {error}", f"engine {name}",
        "Is there enough memory for each? More shards are smaller ones.",
    )  # fmt: skip


def engine_of(what: Any, jobs: int) -> Engine:
    """The engine that a user names.

    Args:
        what: "threads", "processes", "dask://HOST:PORT", or an executor of the user's, which is left open.
        jobs: threads or processes.

    Raises:
        UsageError: something else, or Dask is not installed.
    """
    if isinstance(what, Executor):
        return Engine(name=type(what).__name__, start=lambda: nullcontext(what))
    if what == "threads":
        return Engine(name="threads", start=lambda: ThreadPoolExecutor(jobs))
    if what == "processes":
        return Engine(name="processes", start=lambda: _processes(jobs))
    if isinstance(what, str) and what.startswith("dask://"):
        address = what.removeprefix("dask://")
        return Engine(name=what, start=lambda: _dask(address))
    raise UsageError(_KINDS, repr(what), "engine", "Name one of these.")


def _processes(jobs: int) -> Executor:
    """New interpreters: a fork would take locks of this one's threads along."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError as error:
        remedy = "pip install 'mithridate[dask]'"
        raise UsageError("Dask", "it is not installed", f"engine dask://{address}", remedy) from error
    try:
        client = Client(f"tcp://{address}", timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        remedy = "Is the scheduler running, and is this its address?"
        raise UsageError("a Dask scheduler", str(error), f"dask://{address}", remedy) from error
    with client, client.get_executor(retries=_AGAIN) as executor:
        try:
            yield executor
        except Exception as error:
            if type(error).__name__ != "KilledWorker":
                raise
            raise _dying(f"dask://{address}", error) from error

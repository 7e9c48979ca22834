"""Progress of work that several threads do: what is being done, and how much of all is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TypeVar

__all__ = ["Telling"]

Progress = Callable[[str, int, int | None], None]
Done = TypeVar("Done")


class Telling:
    """Tells one listener, one thread at a time.

    Args:
        progress: told (what is being done, tasks done, tasks in all).
    """

    def __init__(self, progress: Progress) -> None:
        self._progress, self._turn = progress, Lock()
        self._done = self._total = 0

    def counted(self, tasks: Sequence[Callable[[], Done]]) -> list[Callable[[], Done]]:
        """The same tasks, each of which counts as done once it is; they are all there is to do now."""
        self._done, self._total = 0, len(tasks)

        def counting(task: Callable[[], Done]) -> Callable[[], Done]:
            def run() -> Done:
                result = task()
                with self._turn:
                    self._done += 1
                return result

            return run

        return [counting(task) for task in tasks]

    def about(self, what: str) -> Progress:
        """A listener for the stages of one task."""

        def tell(stage: str, done: int, total: int | None) -> None:
            with self._turn:
                self._progress(f"{what}: {stage}", self._done, self._total)

        return tell

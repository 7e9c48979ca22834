"""The parent's end of the child process that audits."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mithridate.core.errors import MithridateError

__all__ = ["AuditError", "Auditor"]

Progress = Callable[[str, int, int | None], None]


class AuditError(MithridateError):
    """An audit of a drill could not be carried out."""


class Auditor:
    """A child process that audits one copy after the other; it is told of no ledger.

    A child that dies or does not answer in time fails its task; the next task gets a new child.

    Args:
        work: folder for its intermediate files.
        jobs: threads; all processors when None.
        limit_s: most seconds an audit may take.
    """

    def __init__(self, work: Path, *, jobs: int | None, limit_s: float) -> None:
        self._work, self._jobs, self._limit_s = work, jobs, limit_s
        self._child: subprocess.Popen[str] | None = None
        self._closed = False
        self._answers: queue.Queue[str | None] = queue.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._stop()

    def audit(
        self, data: Path | str, reading: Mapping[str, Any], seed: int, report: Path, progress: Progress
    ) -> float:
        """Audit a copy; returns the seconds it took.

        Args:
            data: the copy.
            reading: how to read it, as in `open_source`.
            seed: of the audit.
            report: the JSON report to write, with side files beside it.
            progress: told (stage, done, total or None).

        Raises:
            AuditError: with what the child said, or that it said nothing.
        """
        task = {
            "data": str(data), "reading": dict(reading), "seed": seed, "report": str(report), "jobs": self._jobs,
            "work": str(self._work),
        }  # fmt: skip
        self._send(json.dumps(task))
        started = time.monotonic()
        while True:
            said = self._next(started + self._limit_s)
            if "error" in said:
                raise AuditError(str(said["error"]))
            if "finished" in said:
                return time.monotonic() - started
            progress(str(said["stage"]), int(said["done"]), said["total"])

    def _send(self, line: str) -> None:
        if self._child is not None and self._child.poll() is not None:
            self._stop()
        if self._closed:
            raise AuditError("stopped")
        if self._child is None:
            self._start()
        if self._closed:  # meanwhile, by another thread
            self._stop()
            raise AuditError("stopped")
        assert self._child is not None
        assert self._child.stdin is not None
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()

    def _next(self, until: float) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=max(until - time.monotonic(), 0.0))
        except queue.Empty:
            self._stop()
            raise AuditError(f"no answer within {self._limit_s:g} s") from None
        if line is None:
            code = self._stop()
            raise AuditError(f"the auditing process ended unexpectedly (exit status {code})")
        told: dict[str, Any] = json.loads(line)
        return told

    def _start(self) -> None:
        command = [sys.executable, "-m", "mithridate.runs.drill.worker"]
        # A session of its own: Ctrl-C reaches the parent only, which then stops the child.
        self._child = subprocess.Popen(  # noqa: S603 - this package, this interpreter
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="ascii", start_new_session=True
        )
        self._answers = queue.Queue()
        threading.Thread(target=_pump, args=(self._child, self._answers), daemon=True).start()

    def _stop(self) -> int | None:
        child, self._child = self._child, None
        if child is None:
            return None
        child.kill()
        if child.stdin is not None:
            with suppress(OSError):  # what was buffered for it goes nowhere
                child.stdin.close()
        return child.wait()


def _pump(child: subprocess.Popen[str], answers: queue.Queue[str | None]) -> None:
    """Move lines from the pipe to the queue; None when there will be no more."""
    assert child.stdout is not None
    with child.stdout as lines:
        for line in lines:
            answers.put(line)
    answers.put(None)

"""The parent's end of a jailed process: start it, exchange messages with it, watch it, kill it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from mithridate.models.jail.channel import Arrays, Message, encode, incoming
from mithridate.models.jail.confine import THREADS
from mithridate.models.jail.errors import Event

__all__ = ["Ended", "Process", "printable"]

_BOOT = (
    "import sys; sys.path[:] = sys.argv.pop().split('\\n'); "
    "from mithridate.models.jail.child import main; main()"
)
_TICK = 0.05  # seconds between two looks at its memory
_CHUNK = 1 << 16
_PIPE = 1 << 20  # the most that Linux gives an ordinary user
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ
_USER_TIME, _SYSTEM_TIME, _THREADS, _PAGES = 11, 12, 17, 21  # in /proc/PID/stat, after the name: proc(5)
_EVENTS, _TAIL, _CUT = 200, 4096, 300


class Ended(Exception):  # noqa: N818 - news, not always an error
    """There will be no answer.

    Args:
        why: "seconds", "memory", "threads", "protocol", or "died".
        detail: what is known.
    """

    def __init__(self, why: str, detail: str = "") -> None:
        self.why, self.detail = why, detail
        super().__init__(f"{why}: {detail}")


def printable(text: object) -> str:
    """Text of a process that is not trusted: one line without control characters, its middle left out if it is long."""
    plain = str(text)
    if len(plain) > 2 * _CUT:
        plain = plain[:_CUT] + " " + plain[-_CUT:]
    plain = " ".join("".join(c if c.isprintable() else " " for c in plain).split())
    return plain if len(plain) <= _CUT else f"{plain[: _CUT // 2]} … {plain[-_CUT // 2 :]}"


class Process:
    """A running child.

    Args:
        worker: module with its methods.
        threads: for its computations.
        memory: bytes beyond those of its own libraries.
    """

    def __init__(self, worker: str, *, threads: int, memory: int) -> None:
        self.events: list[Event] = []
        self.stderr = b""
        self._half = b""  # of an event
        self._memory: int | None = None
        self._allowed = memory
        theirs, ours = [], []
        for outward in (True, False, False):
            reading, writing = os.pipe()
            with contextlib.suppress(OSError):  # a quota; slower, that is all
                _enlarge(reading)
            ours.append(writing if outward else reading)
            theirs.append(reading if outward else writing)
        self._calls, self._answers, self._reports = ours
        numbers = map(str, (os.getpid(), threads, memory, *theirs))
        path = "\n".join(p for p in sys.path if os.path.isabs(p))  # noqa: PTH117 - no Path is wanted here
        command = [sys.executable, "-I", "-B", "-W", "ignore", "-c", _BOOT, worker, *numbers, path]
        try:
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=theirs,
                env=_environment(threads),
                cwd="/",
                start_new_session=True,  # the terminal's Ctrl-C is for the parent, who then kills the child
            )
        except BaseException:
            for descriptor in ours:
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        assert self._child.stderr is not None
        self._stderr = self._child.stderr.fileno()
        for descriptor in (*ours, self._stderr):
            os.set_blocking(descriptor, False)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def settle(self) -> None:
        """From now on its memory is watched: what it has now is its own, and `memory` bytes more are allowed."""
        self._memory = self._use()[0] + self._allowed

    def allow_cpu(self, seconds: int) -> None:
        """So many seconds of processor time from now on; then the kernel kills it."""
        import resource

        with contextlib.suppress(
            OSError, ValueError, IndexError
        ):  # it died, or we may not: the clock still holds
            fields = self._stat()
            used = (int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])) / os.sysconf("SC_CLK_TCK")
            hard = resource.prlimit(self.pid, resource.RLIMIT_CPU)[1]
            resource.prlimit(self.pid, resource.RLIMIT_CPU, (int(used) + 1 + seconds, hard))

    def exchange(
        self, header: Mapping[str, Any] | None, arrays: Arrays, *, seconds: float, limit: int
    ) -> Message:
        """Send a message and wait for the answer.

        Args:
            header: of the message; None: send nothing, only wait.
            arrays: of the message.
            seconds: of wall-clock time.
            limit: bytes of the arrays of the answer.

        Raises:
            Ended: no answer came; the process is of no more use.
            MessageError: what should be sent cannot be; nothing was.
        """
        outward = [] if header is None else encode(header, arrays)
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            for descriptor in (self._reports, self._stderr):
                selector.register(descriptor, selectors.EVENT_READ)
            if outward:
                selector.register(self._calls, selectors.EVENT_WRITE)
            try:
                return self._pump(selector, outward, end, limit)
            except (ValueError, MemoryError) as error:
                raise Ended("protocol", str(error)) from error

    def _pump(
        self, selector: selectors.BaseSelector, outward: list[memoryview], end: float, limit: int
    ) -> Message:
        message = incoming(limit)
        buffer = next(message)
        look = time.monotonic() + _TICK
        while True:
            now = time.monotonic()
            if now >= end:
                raise Ended("seconds")
            if now >= look:
                look = now + _TICK
                self._check_use()
            ready = {key.fd for key, _ in selector.select(min(_TICK, end - now))}
            for descriptor in ready & {self._reports, self._stderr}:
                if not self._overhear(descriptor):
                    selector.unregister(descriptor)
            if self._calls in ready and not self._push(outward):
                selector.unregister(self._calls)
            if self._answers in ready:
                buffer = self._pull(buffer)
                try:
                    while not buffer:
                        buffer = next(message)
                except StopIteration as done:
                    self._overhear(self._reports)
                    answer: Message = done.value
                    return answer

    def _push(self, outward: list[memoryview]) -> bool:
        """Write what fits; False: nothing is left."""
        try:
            outward[0] = outward[0][os.write(self._calls, outward[0]) :]
        except BlockingIOError:
            return True
        except OSError as error:
            raise Ended("died") from error
        while outward and not outward[0]:
            del outward[0]
        return bool(outward)

    def _pull(self, buffer: memoryview) -> memoryview:
        try:
            count = os.readv(self._answers, [buffer])
        except BlockingIOError:
            return buffer
        if not count:
            raise Ended("died")
        return buffer[count:]

    def _overhear(self, descriptor: int) -> bool:
        """Take in events or error output; False: there will be no more."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return True
        if descriptor == self._stderr:
            self.stderr = (self.stderr + data)[-_TAIL:]
            return bool(data)
        *lines, self._half = (self._half + data).split(b"\n")
        self._half = self._half[:_CHUNK]
        self.events += [_event(line) for line in lines[: _EVENTS - len(self.events)]]
        return bool(data)

    def _check_use(self) -> None:
        memory, threads = self._use()
        if self._memory is not None and memory > self._memory:
            raise Ended("memory")
        if threads > THREADS:
            raise Ended("threads")

    def _use(self) -> tuple[int, int]:
        """Bytes of memory and number of threads."""
        try:
            fields = self._stat()
            return int(fields[_PAGES]) * os.sysconf("SC_PAGE_SIZE"), int(fields[_THREADS])
        except (OSError, IndexError):  # it is gone
            return 0, 0

    def _stat(self) -> list[str]:
        with open(f"/proc/{self.pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - often
            return file.read().rpartition(")")[2].split()

    def end(self, patience: float = 0.0) -> int:
        """Kill it, whatever it does, and hear what it said last.

        Args:
            patience: seconds that it is given to finish dying by itself.

        Returns:
            How it ended, as `subprocess.Popen.returncode`.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(patience)
        self._child.kill()
        code = self._child.wait()
        for descriptor in (self._reports, self._stderr):
            self._overhear(descriptor)
        return code

    def close(self) -> None:
        """End it and let go of its pipes."""
        self.end()
        for descriptor in (self._calls, self._answers, self._reports):
            os.close(descriptor)
        if self._child.stderr is not None:
            self._child.stderr.close()


def _enlarge(descriptor: int) -> None:
    import fcntl

    fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _PIPE)


def _environment(threads: int) -> dict[str, str]:
    """Nothing of the parent's environment but what finds libraries; keys and tokens stay outside."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return kept | {
        "LC_ALL": "C.UTF-8",
        "ORT_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",
    }


def _event(line: bytes) -> Event:
    try:
        name, detail = json.loads(line[:_CHUNK])
    except (ValueError, TypeError, RecursionError):
        return Event("unreadable", printable(line[:_CUT]))
    return Event(printable(name), printable(detail))

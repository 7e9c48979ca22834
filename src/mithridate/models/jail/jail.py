"""A jail: a child process that computes on what is not trusted, answers, and can do nothing else."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from mithridate.core.errors import UsageError
from mithridate.models.jail.channel import Arrays, Message, MessageError
from mithridate.models.jail.confine import THREADS, available
from mithridate.models.jail.errors import Event, JailError, JailUnavailable, Limit
from mithridate.models.jail.limits import Limits
from mithridate.models.jail.process import Ended, Process, printable

__all__ = ["Jail"]

_NO_MEMORY = re.compile(r"bad[_ ]alloc|MemoryError|failed to allocate|not enough memory|out of memory", re.I)
_DYING = 2.0  # seconds that a crash may take
_LEAVE_OUT = "leave this model out, or do not trust it"


class Jail:
    """A jailed process and its worker; a context manager.

    The child sees no network and no file, cannot write, run programs or fork, and dies with the thread that
    opened it. Only JSON and arrays are exchanged. One call at a time, from one thread.

    Args:
        worker: module with the methods that may be called, as `child` describes; it is trusted.
        limits: what it may use.
        threads: for its computations.
        name: for people, e.g. "onnx model".
        remedy: what to do when libraries of the worker are missing.

    Attributes:
        protections: which walls stand, and why others do not; filled when opened.
    """

    def __init__(
        self,
        worker: str,
        *,
        limits: Limits | None = None,
        threads: int = 1,
        name: str = "model",
        remedy: str = "Install it.",
    ) -> None:
        self.name, self.limits = f"{name} in the jail", limits or Limits()
        self.protections: list[dict[str, Any]] = []
        self._worker, self._threads, self._remedy = worker, threads, remedy
        self._process: Process | None = None
        self._over: JailError | None = None
        self._past: list[Event] = []

    @property
    def events(self) -> list[Event]:
        """What Python code in the child tried and was refused, up to 200; kept after the end."""
        return list(self._process.events) if self._process else self._past

    def __enter__(self) -> Self:
        """Start the child and wait until it has shut itself in.

        Raises:
            JailUnavailable: this system offers no jail.
            UsageError: a library of the worker is missing.
            JailError: the child did not start in time, or crashed.
        """
        if self._process is not None:
            raise UsageError("a jail that is not open", "an open one", self.name, "Open another one.")
        if lacks := available():
            self._unavailable(lacks)
        self._over, self._past = None, []
        self._process = Process(self._worker, threads=self._threads, memory=self.limits.memory)
        try:
            hello = self._exchange(None, {}, self.limits.start_seconds, "starting").header
            self.protections = hello.get("protections", [])
            if "missing" in hello:
                raise UsageError("its libraries", printable(hello["missing"]), self.name, self._remedy)
            if hello.get("shut") is not True:
                self._unavailable(
                    [f"{p['name']} ({p['detail']})" for p in self.protections if not p["taken"]]
                )
            self._process.settle()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the child."""
        self.close()

    def close(self) -> None:
        """Kill the child; twice is as good as once."""
        if self._process is not None:
            self._process.close()
            self._past = self._process.events
            self._process = None

    def call(
        self, method: str, header: Mapping[str, Any] | None = None, arrays: Arrays | None = None
    ) -> tuple[dict[str, Any], Arrays]:
        """Have the worker do something.

        Args:
            method: of the worker.
            header: its arguments, JSON.
            arrays: its arrays, of the dtypes of `channel.DTYPES`.

        Returns:
            Header and arrays of the answer. They are bounded, but as untrusted as the model.

        Raises:
            JailError: a limit was hit or the child died (`limit` says which; it is over, open another jail), or
                the worker could not do it (`limit` is None or "memory"; the jail goes on).
            UsageError: these arrays cannot be sent.
        """
        if self._process is None or self._over is not None:
            raise self._over or JailError(
                "an open jail", "a closed one", self.name, "Use it in a `with` block.", limit="closed"
            )
        self._process.allow_cpu(self.limits.cpu_seconds)
        try:
            call = {"method": method, "header": dict(header or {})}
            answer = self._exchange(call, arrays or {}, self.limits.seconds, method)
        except MessageError as error:
            raise UsageError(
                "arrays of numbers", str(error), f"{self.name}, {method}", "Cast them."
            ) from error
        if "failed" in answer.header:
            raise self._failed(answer.header, method)
        done = answer.header.get("done")
        if not isinstance(done, dict):
            raise self._ended(Ended("protocol", "no answer to the question"), method)
        return done, answer.arrays

    def _exchange(
        self, header: Mapping[str, Any] | None, arrays: Arrays, seconds: float, doing: str
    ) -> Message:
        assert self._process is not None
        try:
            return self._process.exchange(header, arrays, seconds=seconds, limit=self.limits.answer)
        except Ended as news:
            raise self._ended(news, doing) from news
        except MessageError:
            raise
        except BaseException:  # Ctrl-C in the middle of a message: nobody knows where the next one begins
            self._over = self._ended(Ended("protocol", "interrupted"), doing)
            raise

    def _ended(self, news: Ended, doing: str) -> JailError:
        """Make an end of it, and say why there is no answer."""
        assert self._process is not None
        code = self._process.end(_DYING if news.why == "died" else 0)
        last = printable(self._process.stderr.decode(errors="replace").strip().rpartition("\n")[2])
        expected, got, remedy, limit = _reason(news, code, last, self.limits, doing)
        self._over = JailError(
            expected, got, f"{self.name}, {doing}", remedy, limit=limit, events=self._process.events
        )
        return self._over

    def _failed(self, header: Mapping[str, Any], method: str) -> JailError:
        assert self._process is not None
        got = printable(f"{header['failed']}: {header.get('why')}")
        memory = bool(_NO_MEMORY.search(got))
        expected = _memory(self.limits) if memory else "a model that can be run"
        remedy = f"Raise Limits.memory, or {_LEAVE_OUT}." if memory else f"Export it again, or {_LEAVE_OUT}."
        events = self._process.events
        where = f"{self.name}, {method}"
        return JailError(expected, got, where, remedy, limit="memory" if memory else None, events=events)

    def _unavailable(self, lacks: list[str]) -> None:
        remedy = "Scan this model on another system; here it is not run."
        got = "none: this system lacks " + printable(", ".join(lacks))
        raise JailUnavailable("a system that offers a jail", got, self.name, remedy)


def _memory(limits: Limits) -> str:
    return f"no more than {limits.memory / 2**20:,.0f} MiB of memory"


def _reason(news: Ended, code: int, last: str, limits: Limits, doing: str) -> tuple[str, str, str, Limit]:
    """Expected, got, remedy and limit, from what the parent saw and how the child ended."""
    raise_it = "Raise Limits.{}, or " + _LEAVE_OUT + "."
    if news.why == "seconds":
        which = "start_seconds" if doing == "starting" else "seconds"
        wanted = f"an answer within {getattr(limits, which):g} s"
        return wanted, "none; it was killed", raise_it.format(which), "seconds"
    if news.why == "memory" or (news.why == "died" and _NO_MEMORY.search(last)):
        return _memory(limits), "more; it was killed", raise_it.format("memory"), "memory"
    if news.why == "threads":
        return (
            f"no more than {THREADS} threads",
            "more; it was killed",
            f"{_LEAVE_OUT.capitalize()}.",
            "threads",
        )
    if news.why == "protocol":
        limit: Limit = "answer" if "larger" in news.detail else "protocol"
        return "an answer", f"bytes that are none: {news.detail}", f"{_LEAVE_OUT.capitalize()}.", limit
    if code == -signal.SIGXCPU:
        wanted = f"no more than {limits.cpu_seconds} s of processor time"
        return wanted, "more; it was killed", raise_it.format("cpu_seconds"), "cpu"
    if code == -signal.SIGSYS:
        return (
            "computing only",
            "a forbidden system call; it was killed",
            "Do not trust this model.",
            "syscall",
        )
    if code == -signal.SIGKILL:
        got = "none; the system killed it, as it does when memory runs out"
        return (
            "an answer",
            got,
            raise_it.format("memory").replace("Raise Limits.memory", "Free memory"),
            "crash",
        )
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    got = f"a crash ({name})" + (f": {last}" if last else "")
    return "an answer", got, f"{_LEAVE_OUT.capitalize()}.", "crash"

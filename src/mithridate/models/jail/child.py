"""The jailed process: loads a worker, shuts itself in, says so, and then answers calls until its pipe ends.

A worker is a module with a function `methods(threads) -> {name: method}` that does the trusted imports and
warms them up; a method takes the header and the arrays of a call and returns those of the answer. It is called
before the jail is shut; the methods run inside.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from mithridate.models.jail import channel, confine
from mithridate.models.jail.limits import Limits

__all__ = ["Method", "main"]

Method: TypeAlias = Callable[[Mapping[str, Any], channel.Arrays], tuple[Mapping[str, Any], channel.Arrays]]
_WHY = 2000  # characters of an error
_CALL = 1 << 40  # bytes of one call; the parent is trusted


def main() -> None:
    """Entry point.

    argv: worker, process id of the parent, threads, bytes of memory, then the descriptors for calls, answers and
    events.
    """
    worker = sys.argv[1]
    parent, threads, memory, calls, answers, events = map(int, sys.argv[2:8])
    protections = confine.enclose(parent)
    try:
        methods: Mapping[str, Method] = importlib.import_module(worker).methods(threads)
    except ImportError as error:
        channel.send(answers, {"missing": str(error)[:300]}, {})
        return
    protections += confine.seal(Limits(memory=memory), events)
    shut = not confine.missing(protections)
    channel.send(answers, {"protections": [p.as_dict() for p in protections], "shut": shut}, {})
    if shut:
        _serve(methods, calls, answers)


def _serve(methods: Mapping[str, Method], calls: int, answers: int) -> None:
    while (message := channel.receive(calls, _CALL)) is not None:
        header, arrays = _answer(methods, message)
        try:
            channel.send(answers, header, arrays)
        except channel.MessageError as error:  # raised before the first byte is written
            channel.send(answers, _failed(error), {})
        del message, header, arrays  # not to be held while the next call comes in


def _answer(
    methods: Mapping[str, Method], message: channel.Message
) -> tuple[Mapping[str, Any], channel.Arrays]:
    try:
        header, arrays = methods[message.header["method"]](message.header["header"], message.arrays)
    except Exception as error:  # a library that is given hostile bytes may raise anything
        return _failed(error), {}
    return {"done": dict(header)}, arrays


def _failed(error: Exception) -> dict[str, Any]:
    why = str(error)
    return {
        "failed": type(error).__name__,
        "why": why if len(why) <= _WHY else why[: _WHY // 2] + why[-_WHY // 2 :],
    }

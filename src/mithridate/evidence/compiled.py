"""`@compiled`: a function that numba translates to machine code, without losing its type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["compiled", "compiled_parallel"]

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile on first call, keep the result on disk, release the interpreter lock while running."""
    return cast("F", numba.njit(cache=True, nogil=True)(function))


def compiled_parallel(function: F) -> F:
    """The same with `prange` loops on several threads; iterations must not share sums: order is open."""
    return cast("F", numba.njit(cache=True, nogil=True, parallel=True)(function))

"""`prefetch`: start to load a place of an array into the processor's caches, from compiled code.

Where places are visited in an order that only the data knows, waiting for memory is most of the time.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

__all__ = ["prefetch"]

_READ, _KEEP, _DATA = 0, 3, 1  # for reading; in every cache; not code


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def _hint(typing: Any, array: Any, place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        offset = context.cast(builder, arguments[1], signature.args[1], types.intp)
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        address = builder.bitcast(builder.gep(data, [offset]), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        hint = builder.module.declare_intrinsic("llvm.prefetch", (byte,), kind)
        builder.call(hint, [address, word(_READ), word(_KEEP), word(_DATA)])
        return context.get_dummy_value()

    return types.void(array, place), generate


def _nothing(array: Any, place: Any) -> None:
    pass


#: Hint that `array.ravel()[place]` is needed soon; the array must be C-contiguous. Without effect where nothing is
#: compiled (NUMBA_DISABLE_JIT).
prefetch: Any = _nothing if config.DISABLE_JIT else _hint

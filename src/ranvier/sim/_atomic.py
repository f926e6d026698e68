"""What numba has no words for: atomic loads and stores, prefetch, pause, and a cycle counter.

The worker's threads meet at a barrier every tick. Each thread owns one cell of ``sync`` (cells lie
CELL words apart, so that no two share a cache line) and waits until all others have written the
tick it has reached itself.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false, reportMissingParameterType=false
from __future__ import annotations

import platform
import sys
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

__all__ = ["CELL", "barrier", "cycles", "load", "lowest_bit", "prefetch", "relax", "store"]

CELL = 16
"""Words between two cells of ``sync``: 128 bytes, two cache lines (the adjacent one is prefetched
on x86)."""
SPINS = 2000
"""Looks at the other cells before the processor is offered to somebody else."""
_X86 = platform.machine().lower() in ("x86_64", "amd64")
_POSIX = sys.platform != "win32"
intrinsic: Any = _intrinsic
"""What it decorates is called without its first argument, which no annotation can say."""


def _pointer(context, builder, signature, args):
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return cgutils.get_item_pointer(
        context, builder, signature.args[0], array, [args[1]], wraparound=False
    )


@intrinsic
def load(typing, array, index):
    """``array[index]`` of an int64 array, not moved before or after by the compiler (acquire)."""

    def code(context, builder, signature, args):
        return builder.load_atomic(_pointer(context, builder, signature, args), "acquire", 8)

    return types.int64(array, types.intp), code


@intrinsic
def store(typing, array, index, value):
    """``array[index] = value`` of an int64 array; all earlier writes are seen first (release)."""

    def code(context, builder, signature, args):
        pointer = _pointer(context, builder, signature, args)
        builder.store_atomic(args[2], pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), code


@intrinsic
def prefetch(typing, array, index):
    """Ask for the cache line of ``array[index]`` (a hint; any index is safe)."""

    def code(context, builder, signature, args):
        pointer = builder.bitcast(
            _pointer(context, builder, signature, args), ir.IntType(8).as_pointer()
        )
        word = ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word]),
            "llvm.prefetch.p0i8",
        )
        builder.call(function, [pointer, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), code


@intrinsic
def lowest_bit(typing, word):
    """Number of the lowest bit that is set in a uint64 (64 where none is)."""

    def code(context, builder, signature, args):
        bits = builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))
        return builder.zext(bits, ir.IntType(64)) if bits.type.width < 64 else bits

    return types.int64(types.uint64), code


@intrinsic
def relax(typing):
    """Tell the processor that this is a waiting loop (x86; nothing elsewhere)."""

    def code(context, builder, signature, args):
        if _X86:
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(ir.VoidType(), []), "llvm.x86.sse2.pause"
            )
            builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), code


@intrinsic
def cycles(typing):
    """A counter of the processor's clock, for profiles."""

    def code(context, builder, signature, args):
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.IntType(64), []), "llvm.readcyclecounter"
        )
        return builder.call(function, [])

    return types.int64(), code


if _POSIX:
    _sched_yield = types.ExternalFunction("sched_yield", types.int32())

    @njit(cache=True, nogil=True)
    def give_way():
        """Offer the processor to another thread."""
        _sched_yield()
else:

    @njit(cache=True, nogil=True)
    def give_way():
        """Nothing to offer here."""


@njit(cache=True, nogil=True)
def barrier(sync, me, threads, tick):
    """Wait until every thread has come here with ``tick`` (each tick only once, ascending).

    False when another thread has failed (it then sets the cell after the last).
    """
    store(sync, me * CELL, tick)
    for other in range(threads):
        spins = 0
        while load(sync, other * CELL) < tick:
            spins += 1
            if spins < SPINS:
                relax()
            else:
                if load(sync, threads * CELL) != 0:
                    return False
                give_way()
    return True

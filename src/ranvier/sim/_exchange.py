"""Spikes between ranks: out of the history of one's own lanes, into that of the others.

A message holds, for every tick of an interval and every lane of its sender, how many neurons
sent (int32), then which (int32, by tick, lane and slot). No spike needs to name its tick, and
the receiver copies whole pieces, which lie in the canonical order already.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false, reportMissingParameterType=false
# pyright: reportUntypedFunctionDecorator=false
from __future__ import annotations

from numba import njit

__all__ = ["count_sent", "pack_slots", "pack_values", "unpack_slots", "unpack_values"]


@njit(cache=True, nogil=True)
def count_sent(begin, end, low, high, order, depth, hist_n):
    """Spikes of lanes order[low:high] in ticks begin..end-1."""
    total = 0
    for t in range(begin, end):
        for q in range(low, high):
            total += hist_n[order[q], t % depth]
    return total


@njit(cache=True, nogil=True)
def pack_slots(begin, end, low, high, order, depth, base, cap, hist_n, history, message):
    """Counts and slots of lanes order[low:high] into ``message``; returns the words."""
    k, at = 0, (end - begin) * (high - low)
    for t in range(begin, end):
        h = t % depth
        for p in order[low:high]:
            n = hist_n[p, h]
            message[k] = n
            k += 1
            start = base[p] + h * cap[p]
            for i in range(n):
                message[at + i] = history[start + i]
            at += n
    return at


@njit(cache=True, nogil=True)
def pack_values(begin, end, low, high, order, depth, base, cap, hist_n, value, message):
    """What the same spikes carry."""
    at = 0
    for t in range(begin, end):
        h = t % depth
        for p in order[low:high]:
            start = base[p] + h * cap[p]
            for i in range(hist_n[p, h]):
                message[at] = value[start + i]
                at += 1


@njit(cache=True, nogil=True)
def unpack_slots(begin, end, me, bounds, starts, order, depth, base, cap, hist_n, history, message):
    """Messages of all other ranks into the history; rank r has lanes
    order[bounds[r]:bounds[r+1]], and its message begins at starts[r]."""
    for r in range(bounds.shape[0] - 1):
        if r == me:
            continue
        low, high = bounds[r], bounds[r + 1]
        k = starts[r]
        at = k + (end - begin) * (high - low)
        for t in range(begin, end):
            h = t % depth
            for p in order[low:high]:
                n = message[k]
                k += 1
                hist_n[p, h] = n
                start = base[p] + h * cap[p]
                for i in range(n):
                    history[start + i] = message[at + i]
                at += n


@njit(cache=True, nogil=True)
def unpack_values(begin, end, me, bounds, starts, order, depth, base, cap, hist_n, value, message):
    """Their values, after :func:`unpack_slots`."""
    for r in range(bounds.shape[0] - 1):
        if r == me:
            continue
        at = starts[r]
        for t in range(begin, end):
            h = t % depth
            for p in order[bounds[r] : bounds[r + 1]]:
                start = base[p] + h * cap[p]
                n = hist_n[p, h]
                for i in range(n):
                    value[start + i] = message[at + i]
                at += n

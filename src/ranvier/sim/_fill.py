"""The inner loops of building: count the synapses of every row, then put them in their places."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false, reportMissingParameterType=false
# pyright: reportUntypedFunctionDecorator=false
from __future__ import annotations

from numba import njit

__all__ = ["count_listed", "count_packed", "fill_listed", "fill_packed", "reaches", "sum_up"]


@njit(cache=True, nogil=True)
def count_packed(
    route_ptr, route_row, row_ptr, row_delay, target, origin, place, low, high, first, last,
    column, nd, count, newest, lowest, plain,
):  # fmt: skip
    """Packed synapses with accumulators low..high and origins first..last, by (source, delay).

    ``newest``, ``lowest`` and ``plain`` follow each row's targets: plain stays 1 while they ascend.
    """
    for source in range(route_ptr.shape[0] - 1):
        for r in range(route_ptr[source], route_ptr[source + 1]):
            row = route_row[r]
            at = source * nd + column[row_delay[row]]
            for j in range(row_ptr[row], row_ptr[row + 1]):
                here = place[target[j]]
                if here < low or here >= high or origin[j] < first or origin[j] >= last:
                    continue
                if count[at] == 0:
                    lowest[at] = here - low
                elif here - low <= newest[at]:
                    plain[at] = 0
                newest[at] = here - low
                count[at] += 1


@njit(cache=True, nogil=True)
def fill_packed(
    route_ptr, route_row, row_ptr, row_delay, target, origin, weight, place, low, high, first,
    last, column, nd, cursor, lowest, run, to_target, to_weight, where, base,
):  # fmt: skip
    """The second pass; ``run[at] >= 0`` marks rows that are filled up to a vector."""
    for source in range(route_ptr.shape[0] - 1):
        for r in range(route_ptr[source], route_ptr[source + 1]):
            row = route_row[r]
            at = source * nd + column[row_delay[row]]
            for j in range(row_ptr[row], row_ptr[row + 1]):
                here = place[target[j]]
                if here < low or here >= high or origin[j] < first or origin[j] >= last:
                    continue
                k = cursor[at]
                if run.shape[0] > 1 and run[at] >= 0:
                    k += here - low - lowest[at]
                else:
                    cursor[at] += 1
                to_target[k] = here - low
                to_weight[k] = weight[j]
                if where.shape[0] > 0:
                    where[j] = base + k


@njit(cache=True, nogil=True)
def count_listed(pre, source, nd, ticks, column, count):
    """Synapses of a chunk by (source, delay); ``ticks`` has one entry, or one per synapse."""
    one = ticks.shape[0] == 1
    for k in range(pre.shape[0]):
        count[(source + pre[k]) * nd + column[ticks[0] if one else ticks[k]]] += 1


@njit(cache=True, nogil=True)
def fill_listed(pre, post, source, nd, ticks, column, acc, weights, cursor, to_target, to_weight):
    """The second pass over the same chunk; ``acc`` is added to ``post``."""
    one = ticks.shape[0] == 1
    same = weights.shape[0] == 1
    for k in range(pre.shape[0]):
        at = (source + pre[k]) * nd + column[ticks[0] if one else ticks[k]]
        j = cursor[at]
        cursor[at] = j + 1
        to_target[j] = post[k] + acc
        to_weight[j] = weights[0] if same else weights[k]


@njit(cache=True, nogil=True)
def reaches(ptr, nd, reach):
    """``reach`` [sources]: one more than the last delay (column) with which a source has a row."""
    for source in range((ptr.shape[0] - 1) // nd):
        for k in range(nd - 1, -1, -1):
            if ptr[source * nd + k + 1] > ptr[source * nd + k]:
                reach[source] = k + 1
                break


@njit(cache=True, nogil=True)
def sum_up(count, ptr):
    """``ptr`` [rows+1] from the counts [rows]; returns the total, or -1 beyond 32 bits."""
    total = 0
    for k in range(count.shape[0]):
        ptr[k] = total
        total += count[k]
        if total >= 4294967295:
            return -1
    ptr[count.shape[0]] = total
    return total

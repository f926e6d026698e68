"""Neurons that fire at exact times, and the exact gradients of those times: kernels.

tau_mem dV/dt = -V + I and tau_syn dI/dt = -I; an input spike adds its weight to I; where V reaches
the threshold the neuron fires and V becomes 0. Between events V is a sum of two exponentials with
one extremum at most, so that a crossing is bracketed exactly and found to the last digits. The way
back is the adjoint of Wunderlich & Pehle 2021, Sci. Rep. 11:12829 (EventProp), its table 1.
"""

# pyright: reportMissingTypeStubs=false, reportUntypedFunctionDecorator=false
from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["GROUPS", "backward", "forward"]

Array = NDArray[Any]
GROUPS = 16
"""Parts of the batch whose gradients are summed on their own: always as many, whatever the number
of threads."""
_jit = njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
ROUNDS = 100
"""Most steps to a crossing: each halves the bracket at least, so 60 are enough for float64."""


@_jit
def _potential(v: float, k: float, s: float, tau_mem: float, tau_syn: float) -> float:
    return k * math.exp(-s / tau_syn) + (v - k) * math.exp(-s / tau_mem)


@_jit
def _crossing(
    v: float, i: float, span: float, tau_mem: float, tau_syn: float, threshold: float
) -> float:
    """Time from now at which V reaches the threshold, or -1 if not within ``span``."""
    k = i * tau_syn / (tau_syn - tau_mem)
    rest = v - k
    high = span
    # dV/ds = -k/tau_syn e^(-s/tau_syn) - rest/tau_mem e^(-s/tau_mem) = 0
    if k != 0.0 and rest != 0.0:
        ratio = -(rest * tau_syn) / (k * tau_mem)
        if ratio > 0.0:
            top = math.log(ratio) / (1.0 / tau_mem - 1.0 / tau_syn)
            if 0.0 < top < high:
                if _potential(v, k, top, tau_mem, tau_syn) >= threshold:
                    high = top
                elif v < threshold and _potential(v, k, high, tau_mem, tau_syn) < threshold:
                    return -1.0
    if _potential(v, k, high, tau_mem, tau_syn) < threshold:
        return -1.0
    low, s = 0.0, 0.5 * high
    for _ in range(ROUNDS):
        far = _potential(v, k, s, tau_mem, tau_syn) - threshold
        if far >= 0.0:
            high = s
        else:
            low = s
        slope = -k / tau_syn * math.exp(-s / tau_syn) - rest / tau_mem * math.exp(-s / tau_mem)
        new = s - far / slope if slope > 0.0 else low
        if not low < new < high:
            new = 0.5 * (low + high)
        if new == s or high - low <= 1e-15 * (1.0 + high):
            break
        s = new
    return high


@_jit
def forward(
    low: int, high: int, order: Array, time: Array, source: Array, weight: Array, tau_mem: float,
    tau_syn: float, threshold: float, horizon: float, spikes: Array, slope: Array,
) -> None:  # fmt: skip
    """Spike times [B, n, K] of samples low..high-1, infinite where there is none, and dV/dt just
    before each. ``order`` [B, 2]: first and last input event of a sample, by ``time``."""
    n, most = spikes.shape[1], spikes.shape[2]
    for b in range(low, high):
        first, last = order[b, 0], order[b, 1]
        for j in range(n):
            v, i, now, count = 0.0, 0.0, 0.0, 0
            for k in range(most):
                spikes[b, j, k] = np.inf
            for e in range(first, last + 1):
                until = time[e] if e < last else horizon
                while count < most:
                    s = _crossing(v, i, until - now, tau_mem, tau_syn, threshold)
                    if s < 0.0:
                        break
                    i *= math.exp(-s / tau_syn)
                    now += s
                    spikes[b, j, count] = now
                    slope[b, j, count] = (i - threshold) / tau_mem
                    v = 0.0
                    count += 1
                if count >= most or e == last:
                    break
                s = until - now
                v = _potential(v, i * tau_syn / (tau_syn - tau_mem), s, tau_mem, tau_syn)
                i = i * math.exp(-s / tau_syn) + weight[j, source[e]]
                now = until


@_jit
def backward(
    low: int, high: int, order: Array, time: Array, source: Array, weight: Array, tau_mem: float,
    tau_syn: float, threshold: float, spikes: Array, slope: Array, given: Array, to_time: Array,
    to_weight: Array,
) -> None:  # fmt: skip
    """From d loss/d spike times ``given`` to those of input events and of weights [groups, n, m];
    works on groups low..high-1 of the batch."""
    batch, n, most = spikes.shape
    groups = to_weight.shape[0]
    q = tau_mem / (tau_mem - tau_syn)
    for g in range(low, high):
        for b in range(batch * g // groups, batch * (g + 1) // groups):
            first, last = order[b, 0], order[b, 1]
            for j in range(n):
                k = most - 1
                while k >= 0 and not np.isfinite(spikes[b, j, k]):
                    k -= 1
                if k < 0:
                    continue
                now = spikes[b, j, k]
                to_v, to_i = 0.0, 0.0
                e = last - 1
                while e >= first and time[e] > now:  # after the last spike nothing matters
                    e -= 1
                while k >= 0 or e >= first:
                    fires = k >= 0 and (e < first or spikes[b, j, k] >= time[e])
                    at = spikes[b, j, k] if fires else time[e]
                    s = now - at
                    near, far = math.exp(-s / tau_syn), math.exp(-s / tau_mem)
                    to_i = to_i * near + to_v * q * (far - near)
                    to_v *= far
                    now = at
                    if fires:
                        change = threshold * to_v + given[b, j, k]
                        to_v += change / (tau_mem * slope[b, j, k])
                        k -= 1
                    else:
                        w = weight[j, source[e]]
                        to_weight[g, j, source[e]] -= tau_syn * to_i
                        to_time[e] += w * (to_v - to_i)
                        e -= 1

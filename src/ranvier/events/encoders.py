"""Encoders: numbers in 0..1 become spikes. Deterministic, with no state and no global generator.

Every encoder takes ``x`` [n, size] (or one sample [size]; further axes are flattened, row-major)
and ``ticks`` of ``dt`` seconds per sample. Sample k takes the ticks [k*ticks, (k+1)*ticks) of the
result, so a data set runs as one stream with ``window=ticks, reset=True``. ``quiet`` ticks at the
end of each sample stay empty: the time the last spikes need to get through the layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranvier.errors import fail, unknown
from ranvier.events._events import Events

__all__ = ["ENCODERS", "check_encoder", "encode", "encode_raster", "latency", "poisson", "rate"]

Raster = NDArray[np.bool_]
CELLS = 1 << 23
"""Cells (ticks x samples x sources) made at a time: 8 MB."""


# -- the usual way in -----------------------------------------------------------------------------
def rate(
    x: ArrayLike, ticks: int, dt: float, *, max_rate: float | None = None, quiet: int = 0
) -> Events:
    """Regular trains: a source of intensity x emits ``floor(x*max_rate*T + 1/2)`` evenly spaced
    spikes in the T = (ticks - quiet)*dt seconds of a sample.

    ``max_rate`` is the rate in Hz at intensity 1; by default one spike a tick. With m spikes in A
    ticks, tick k has one where ``floor(m*(k+1)/A + 1/2)`` exceeds ``floor(m*k/A + 1/2)``: the
    line-drawing rule of Bresenham 1965 (IBM Syst. J. 4:25), in whole numbers.
    """
    return encode({"name": "rate", "options": {"max_rate": max_rate, "quiet": quiet}}, x, ticks, dt)


def poisson(
    x: ArrayLike,
    ticks: int,
    dt: float,
    *,
    max_rate: float | None = None,
    quiet: int = 0,
    seed: int = 0,
    samples: ArrayLike | None = None,
) -> Events:
    """Random trains: in every tick a spike with probability ``x*max_rate*dt``, independently.

    The draw belongs to (seed, sample, source, tick), through the counter-based generator
    Philox-4x32-10 (Salmon et al. 2011, SC'11), so it does not depend on how samples are batched:
    ``samples`` [n] are their numbers, 0..n-1 by default. ``max_rate`` is in Hz, by default 1/dt.
    """
    options = {"max_rate": max_rate, "quiet": quiet}
    return encode({"name": "poisson", "options": options}, x, ticks, dt, seed=seed, samples=samples)


def latency(
    x: ArrayLike, ticks: int, dt: float, *, threshold: float = 0.0, quiet: int = 0
) -> Events:
    """Time to first spike: one spike per source with ``x > threshold``, the brighter the earlier.

    Of the A = ticks - quiet ticks, intensity 1 takes the first and intensities towards 0 the last:
    tick ``floor((1 - x)*(A - 1) + 1/2)``, linear in x (Thorpe & Gautrais 1998).
    """
    options = {"threshold": threshold, "quiet": quiet}
    return encode({"name": "latency", "options": options}, x, ticks, dt)


def encode(
    encoder: str | Mapping[str, Any],
    x: ArrayLike,
    ticks: int,
    dt: float,
    *,
    seed: int = 0,
    samples: ArrayLike | None = None,
) -> Events:
    """Encode by name, or by ``{"name": ..., "options": {...}}`` as a network's recipe has it.

    Returns Events of ``size`` sources over ``n*ticks`` ticks. Raises RanvierError when the encoder,
    an option or the data are not what they should be.
    """
    make = _maker(encoder, ticks, dt)
    values, numbers = _samples(x, samples)
    n, size = values.shape
    step = max(1, CELLS // max(1, ticks * size))
    tick, source = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start in range(0, n, step):
        part = make(values[start : start + step], numbers[start : start + step], seed)
        when, where = np.nonzero(part.transpose(1, 0, 2).reshape(-1, size))
        tick.append(when + start * ticks)
        source.append(where)
    return Events(np.concatenate(tick), np.concatenate(source), size, n * ticks, dt)


def encode_raster(
    encoder: str | Mapping[str, Any],
    x: ArrayLike,
    ticks: int,
    dt: float,
    *,
    seed: int = 0,
    samples: ArrayLike | None = None,
) -> Raster:
    """The same spikes as a dense array, time first: bool [ticks, n, size]. What training takes."""
    make = _maker(encoder, ticks, dt)
    return make(*_samples(x, samples), seed)


def check_encoder(encoder: str | Mapping[str, Any], ticks: int, dt: float) -> None:
    """Raise RanvierError when this encoder cannot make samples of ``ticks`` ticks of ``dt`` s."""
    _maker(encoder, ticks, dt)


# -- the encoders: (intensities [n, size], their numbers [n], seed) -> bool [ticks, n, size] -------
def _rate(
    x: NDArray[np.float64], numbers: NDArray[np.int64], seed: int, *, ticks: int, dt: float,
    max_rate: float | None = None, quiet: int = 0,
) -> Raster:  # fmt: skip
    active = ticks - quiet
    spikes = np.floor(x * (_peak(max_rate, dt) * active) + 0.5).astype(np.int64)
    m, k = np.arange(active + 1)[:, None], np.arange(active + 1)
    reached = (2 * m * k + active) // (2 * active)
    table = np.zeros((ticks, active + 1), bool)
    table[:active] = (np.diff(reached, axis=1) > 0).T
    return np.take(table, spikes, axis=1)


def _poisson(
    x: NDArray[np.float64], numbers: NDArray[np.int64], seed: int, *, ticks: int, dt: float,
    max_rate: float | None = None, quiet: int = 0,
) -> Raster:  # fmt: skip
    active = ticks - quiet
    limit = np.floor(x * _peak(max_rate, dt) * 2.0**32).astype(np.uint64)
    sample, source = np.nonzero(limit)
    result = np.zeros((ticks, *x.shape), bool)
    key = int(seed) & (2**64 - 1)
    chosen = limit[sample, source]
    number = numbers[sample]
    words = (np.uint64(0), source.astype(np.uint64), number.astype(np.uint64) & _LOW,
             number.astype(np.uint64) >> _HALF)  # fmt: skip
    for start in range(0, active, 4):
        block = np.full(sample.size, start // 4, np.uint64)
        drawn = _philox(block, *words[1:], key & 0xFFFFFFFF, key >> 32)
        for tick, word in enumerate(drawn, start):
            if tick < active:
                result[tick, sample, source] = word < chosen
    return result


def _latency(
    x: NDArray[np.float64], numbers: NDArray[np.int64], seed: int, *, ticks: int, dt: float,
    threshold: float = 0.0, quiet: int = 0,
) -> Raster:  # fmt: skip
    active = ticks - quiet
    when = np.floor((1.0 - x) * (active - 1) + 0.5).astype(np.int64)
    when = np.where(x > threshold, when, -1)
    return when == np.arange(ticks)[:, None, None]


ENCODERS: Mapping[str, tuple[Callable[..., Raster], tuple[str, ...]]] = {
    "rate": (_rate, ("max_rate", "quiet")),
    "poisson": (_poisson, ("max_rate", "quiet")),
    "latency": (_latency, ("threshold", "quiet")),
}
"""Name -> (function, its options)."""


# -- checks and parts -----------------------------------------------------------------------------
def _maker(encoder: str | Mapping[str, Any], ticks: int, dt: float) -> Callable[..., Raster]:
    plain: Mapping[str, Any] = {"name": encoder} if isinstance(encoder, str) else encoder
    name = plain.get("name", "")
    if name not in ENCODERS:
        raise unknown("encoder", name, ENCODERS)
    function, legal = ENCODERS[name]
    options = dict(plain.get("options") or {})
    where = f"encoder {name}"
    for option in options:
        if option not in legal:
            raise unknown("option", option, legal, where=where)
    if not (np.isfinite(dt) and dt > 0):
        raise fail("encoder-dt", where, "dt must be positive seconds", got=dt)
    quiet = options.get("quiet", 0)
    if int(ticks) != ticks or int(quiet) != quiet or quiet < 0 or ticks - quiet < 1:
        raise fail(
            "encoder-ticks",
            where,
            "needs at least one tick that is not quiet",
            got=f"{ticks} ticks, {quiet} of them quiet",
            hint="use more ticks per sample",
        )
    peak = options.get("max_rate")
    if peak is not None and not (peak > 0 and peak * dt <= 1 + 1e-9):
        raise fail(
            "encoder-rate",
            f"{where}.max_rate",
            "must allow at most one spike a tick",
            got=f"{peak} Hz",
            limit=f"above 0, up to {1 / dt:g} Hz",
        )
    return lambda x, numbers, seed: function(x, numbers, seed, ticks=int(ticks), dt=dt, **options)


def _samples(
    x: ArrayLike, samples: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    values = np.asarray(x, np.float64)
    values = values.reshape(1, -1) if values.ndim < 2 else values.reshape(len(values), -1)
    if values.size and not (values.min() >= 0 and values.max() <= 1):  # also false for NaN
        raise fail(
            "encoder-range",
            "encoder",
            "intensities must lie in 0..1",
            got=f"{np.min(values):g} to {np.max(values):g}",
            hint="divide by the largest value; Dataset.normalised() does",
        )
    numbers = np.arange(len(values)) if samples is None else np.asarray(samples, np.int64)
    if numbers.shape != (len(values),):
        raise fail("encoder-samples", "encoder", "needs one number per sample",
                   got=numbers.shape, limit=(len(values),))  # fmt: skip
    return values, numbers


def _peak(max_rate: float | None, dt: float) -> float:
    """Spikes per tick at intensity 1."""
    return 1.0 if max_rate is None else min(1.0, max_rate * dt)


Words = NDArray[np.uint64]
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85


def _philox(
    c0: Words, c1: Words, c2: Words, c3: Words, k0: int, k1: int
) -> tuple[Words, Words, Words, Words]:
    """Philox-4x32-10 (Salmon et al. 2011): 4 counters and 2 keys of 32 bits, in uint64."""
    for _ in range(10):
        a, b = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (
            (b >> _HALF) ^ c1 ^ np.uint64(k0),
            b & _LOW,
            (a >> _HALF) ^ c3 ^ np.uint64(k1),
            a & _LOW,
        )
        k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
    return c0, c1, c2, c3

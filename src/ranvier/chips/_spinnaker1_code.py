"""SpiNNaker 1's programs: what IF_curr_exp and IF_curr_delta compute in a tick, as kernels.

See :mod:`ranvier.chips.spinnaker1` for the equations.
"""

from __future__ import annotations

from dataclasses import replace

from ranvier.chips._arith import floor_shift, mul_floor, mul_nearest, wrap32
from ranvier.neurons import Kernel

__all__ = ["KERNELS"]


def _membrane(
    v: int, refract: int, current: int,
    r: int, v_rest: int, v_reset: int, v_thresh: int, exp_tc: int, t_refract: int,
):  # fmt: skip
    alpha = wrap32(mul_floor(current, r) + v_rest)
    moved = wrap32(alpha - mul_floor(exp_tc, wrap32(alpha - v)))
    vn = v if refract > 0 else moved
    left = refract - 1 if refract > 0 else refract
    spike = 1 if vn >= v_thresh else 0
    vn = v_reset if spike == 1 else vn
    left = t_refract if spike == 1 else left
    return vn, left, spike


def _transfer(ring: int, one: int) -> int:
    return wrap32((65535 if ring > 65535 else ring) * one)


def _exp_step(
    v: int, refract: int, exc: int, inh: int, x_exc: int, x_inh: int,
    r: int, v_rest: int, v_reset: int, v_thresh: int, exp_tc: int, t_refract: int, i_offset: int,
    one_exc: int, one_inh: int, decay_exc: int, decay_inh: int, init_exc: int, init_inh: int,
):  # fmt: skip
    e = wrap32(exc + floor_shift(_transfer(x_exc, one_exc), init_exc))
    i = wrap32(inh + floor_shift(_transfer(x_inh, one_inh), init_inh))
    current = wrap32(wrap32(e - i) + i_offset)
    vn, left, spike = _membrane(
        v, refract, current, r, v_rest, v_reset, v_thresh, exp_tc, t_refract
    )
    saturated = (1 if x_exc > 65535 else 0) + (1 if x_inh > 65535 else 0)
    return vn, left, floor_shift(e, decay_exc), floor_shift(i, decay_inh), spike, saturated


def _delta_step(
    v: int, refract: int, x_exc: int, x_inh: int,
    r: int, v_rest: int, v_reset: int, v_thresh: int, exp_tc: int, t_refract: int, i_offset: int,
    one_exc: int, one_inh: int, scale: int,
):  # fmt: skip
    e = wrap32((_transfer(x_exc, one_exc) * scale) >> 15)
    i = wrap32((_transfer(x_inh, one_inh) * scale) >> 15)
    current = wrap32(wrap32(e - i) + i_offset)
    vn, left, spike = _membrane(
        v, refract, current, r, v_rest, v_reset, v_thresh, exp_tc, t_refract
    )
    saturated = (1 if x_exc > 65535 else 0) + (1 if x_inh > 65535 else 0)
    return vn, left, spike, saturated


_COMMON = ("r", "v_rest", "v_reset", "v_thresh", "exp_tc", "t_refract", "i_offset")


_HELPERS = (wrap32, mul_floor, mul_nearest, floor_shift, _membrane, _transfer)
_EXP = Kernel.from_function(
    _exp_step,
    name="spinnaker1_exp",
    state=("v", "refract", "exc", "inh"),
    ports=("exc", "inh"),
    params=(*_COMMON, "one_exc", "one_inh", "decay_exc", "decay_inh", "init_exc", "init_inh"),
    helpers=_HELPERS,
    dtype="i8",
    counters=("saturations",),
)
_DELTA = Kernel.from_function(
    _delta_step,
    name="spinnaker1_delta",
    state=("v", "refract"),
    ports=("exc", "inh"),
    params=(*_COMMON, "one_exc", "one_inh", "scale"),
    helpers=_HELPERS,
    dtype="i8",
    counters=("saturations",),
)


def _nearest(kernel: Kernel) -> Kernel:
    """The same program with rounded, saturating products (sPyNNaker's development branch)."""
    texts = tuple(
        t if t.startswith("def mul_") else t.replace("mul_floor", "mul_nearest")
        for t in kernel.helpers
    )
    return replace(kernel, name=f"{kernel.name}_nearest", helpers=texts)


KERNELS = {
    "floor": {"exp": _EXP, "delta": _DELTA},
    "nearest": {"exp": _nearest(_EXP), "delta": _nearest(_DELTA)},
}

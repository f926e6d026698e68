"""Populations over many ticks in one call: loops around a model's step, and around its adjoint.

Both functions are generated from the model's one statement (:mod:`ranvier.neurons`), written to
the cache of generated code and compiled by numba. Rows of the batch are independent of each other,
so that the number of threads changes no bit; a parameter's gradient is summed over ticks within a
row, and over rows afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ranvier.errors import fail
from ranvier.generated import load_module
from ranvier.neurons import (
    SURROGATES,
    Adjoint,
    Discrete,
    Surrogate,
    adjoint,
    fast_sigmoid,
    single,
)
from ranvier.neurons import surrogate as surrogate_of

__all__ = ["Scan", "checked_surrogate", "in_threads", "make_scan", "parameter_values"]

_JIT = '@njit(cache=True, nogil=True, fastmath=False, error_model="numpy", _nrt=False)'
_INLINE = _JIT.replace(")", ", forceinline=True)")
Array = NDArray[Any]


@dataclass(frozen=True)
class Scan:
    """The two loops. Arrays are [T, B, n] by tick and [B, n] for states, C-contiguous, float32 or
    float64; a parameter is a number, or [n].

    ``forward(low, high, states, ports, params, out, saved, traces)`` computes rows low..high-1
    of the batch, changing ``states`` and filling the rest. ``backward(low, high, saved, params,
    given, traces, states, ports, params)`` goes back: ``states`` [B, n] hold the gradients of
    the states after the last tick and then of those before the first, ``ports`` [T, B, n] are
    filled, and parameters [B, n] added to. Each group is one array after the other, in the
    order of ``adjoint``.
    """

    adjoint: Adjoint
    traces: tuple[str, ...]
    forward: Callable[..., None]
    backward: Callable[..., None]

    def gradients(self, kind: str) -> tuple[str, ...]:
        """Names of those of ``kind`` (``s_``, ``x_``, ``p_``) that have a gradient."""
        return tuple(n[2:] for n in self.adjoint.gradients if n[:2] == kind)


def checked_surrogate(given: Any) -> Any:
    """A surrogate by name, as it is, or the usual one; RanvierError for what cannot be called with
    a tensor alone."""
    if given is None:
        return fast_sigmoid()
    if isinstance(given, str):
        return surrogate_of(given)
    if isinstance(given, Surrogate):
        return given
    if not callable(given) or given in SURROGATES.values():
        name = getattr(given, "__name__", type(given).__name__)
        raise fail("bad-surrogate", "surrogate", "is not a surrogate", got=name,
                   hint=f"call it: {name}()" if callable(given) else "give a name or a Surrogate",
                   )  # fmt: skip
    return given


def make_scan(
    discrete: Discrete,
    surrogate: Surrogate,
    *,
    dtype: type,
    detach_reset: bool = False,
    parameters: Sequence[str] = (),
    traces: Sequence[str] = (),
) -> Scan:
    """For ``discrete``, with gradients of these of its ``values``; ``traces`` are states whose
    course is kept and may carry a gradient. Raises RanvierError where the model draws numbers."""
    vectors = tuple(n for n in discrete.kernel.params if np.ndim(discrete.values[n]))
    made = adjoint(
        discrete.step_ir, surrogate, detach_reset=detach_reset, parameters=tuple(parameters)
    )
    text = _module(made, vectors, tuple(traces), dtype is np.float32)
    module = load_module(text)
    return Scan(made, tuple(traces), module.run_forward, module.run_backward)


def _module(made: Adjoint, vectors: Sequence[str], traces: Sequence[str], narrow: bool) -> str:
    helpers, forward, backward = made.texts()
    texts = [*helpers, forward, backward]
    if narrow:
        texts = [single(t) for t in texts]
    texts = [f"{_INLINE}\n{t.strip()}" if t.startswith("def ") else t.strip() for t in texts]
    head = "import math\n\nimport numpy as np\nfrom numba import njit\n\nf4 = np.float32"
    loops = [_forward_loop(made, vectors, traces), _backward_loop(made, vectors, traces)]
    return "\n\n\n".join([head, *texts, *(f"{_JIT}\n{loop}" for loop in loops)]) + "\n"


def _parameters(made: Adjoint, vectors: Sequence[str]) -> list[str]:
    return [f"p_{p}[j]" if p in vectors else f"p_{p}" for p in made.step.params]


def _forward_loop(made: Adjoint, vectors: Sequence[str], traces: Sequence[str]) -> str:
    states = [f"s_{s}" for s in made.step.state]
    ports = [f"x_{p}" for p in made.step.ports]
    kept = [f"k_{k}" for k in range(len(made.saved))]
    seen = [f"r_{t}" for t in traces]
    given = ["low", "high", *states, *ports, *(f"p_{p}" for p in made.step.params), "out", *kept]
    by_tick = [*ports, "out", *kept, *seen]
    results = [f"{n}_row[j]" for n in (*states, "out", *kept)]
    arguments = [f"{n}_row[j]" for n in (*states, *ports)] + _parameters(made, vectors)
    lines = [f"def run_forward({', '.join([*given, *seen])}):", "    for b in range(low, high):"]
    lines += [f"        {s}_row = {s}[b]" for s in states]
    lines.append("        for t in range(out.shape[0]):")
    lines += [f"            {n}_row = {n}[t, b]" for n in by_tick]
    lines.append("            for j in range(out.shape[2]):")
    lines.append(f"                {', '.join(results)}, = forward({', '.join(arguments)})")
    lines += [f"                r_{t}_row[j] = s_{t}_row[j]" for t in traces]
    return "\n".join(lines)


def _backward_loop(made: Adjoint, vectors: Sequence[str], traces: Sequence[str]) -> str:
    kept = [f"k_{k}" for k in range(len(made.saved))]
    seen = [f"r_{t}" for t in traces]
    after = [f"next_{s}" for s in made.after]
    ports = [f"g_{n}" for n in made.gradients if n.startswith("x_")]
    sums = [f"g_{n}" for n in made.gradients if n.startswith("p_")]
    given = ["low", "high", *kept, *(f"p_{p}" for p in made.step.params), "given", *seen, *after]
    by_tick = [*kept, "given", *seen, *ports]
    arguments = [*(f"{n}_row[j]" for n in kept), *_parameters(made, vectors), "given_row[j]"]
    for state in made.after:
        more = f" + r_{state}_row[j]" if state in traces else ""
        arguments.append(f"next_{state}_row[j]{more}")
    lines = [f"def run_backward({', '.join([*given, *ports, *sums])}):"]
    lines.append("    for b in range(low, high):")
    lines += [f"        {n}_row = {n}[b]" for n in (*after, *sums)]
    lines.append("        for t in range(given.shape[0] - 1, -1, -1):")
    lines += [f"            {n}_row = {n}[t, b]" for n in by_tick]
    lines.append("            for j in range(given.shape[2]):")
    results = [f"now_{n}" for n in made.gradients]
    lines.append(f"                {', '.join(results)}, = backward({', '.join(arguments)})")
    for state in made.after:
        value = f"now_s_{state}" if f"s_{state}" in made.gradients else "0.0"
        lines.append(f"                next_{state}_row[j] = {value}")
    lines += [f"                {n}_row[j] = now_{n[2:]}" for n in ports]
    lines += [f"                {n}_row[j] += now_{n[2:]}" for n in sums]
    return "\n".join(lines)


@lru_cache(maxsize=8)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Each process has its own: a fork leaves threads backward."""
    return ThreadPoolExecutor(threads, thread_name_prefix="ranvier-learn")


def in_threads(run: Callable[..., None], count: int, *arguments: Any) -> None:
    """``run(low, high, *arguments)`` over 0..count, cut into as many parts as torch has threads."""
    threads = min(torch.get_num_threads(), count)
    if threads < 2:
        run(0, count, *arguments)
        return
    cuts = [count * k // threads for k in range(threads + 1)]
    pool = _pool(threads - 1, os.getpid())
    waiting = [pool.submit(run, a, b, *arguments) for a, b in pairwise(cuts[1:])]
    run(0, cuts[1], *arguments)
    for one in waiting:
        one.result()


def parameter_values(discrete: Discrete, given: Mapping[str, Array], dtype: type) -> list[Any]:
    """``discrete.values`` in order, some of them replaced by ``given``."""
    found: list[Any] = []
    for name in discrete.kernel.params:
        value = np.asarray(given.get(name, discrete.values[name]), dtype)
        found.append(value if value.ndim else dtype(value))
    return found

"""Synapses and neurons of one population as one operation of torch, in pieces of time.

A piece of some hundred rows (ticks times batch) goes through the synapses into a buffer that is
used again, and from there through the generated loop (:mod:`._scan`); the way back does the same
from the last piece to the first. So what is kept of a population is its output and the few values
that its adjoint needs, never its input currents, and little of it leaves the processor's caches.
Where few sources fire, the synapses sum rows of the weights (:mod:`._sparse`) instead of
multiplying matrices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ranvier.errors import fail
from ranvier.learn._linear import Map, matrix
from ranvier.learn._scan import Scan, in_threads, parameter_values
from ranvier.learn._sparse import CSR, csr_of, sum_now, sum_rows, transposed
from ranvier.neurons import Discrete

__all__ = ["DENSE", "ROWS", "Arrival", "Fused", "run_fused"]

ROWS, BYTES = 512, 8 << 20
"""Rows of a piece, and bytes of its widest buffer: matrices as tall as they need to be, buffers
that the allocator uses again (it gives back what is larger than 32 MB, and then every page costs a
fault)."""
DENSE = 0.25
"""From this share of entries that are not 0, a matrix product is faster than sums of rows
(measured by ``python -m benchmarks.learn.density``)."""


@dataclass(frozen=True)
class Arrival:
    """One linear map onto ``port``. ``delay`` None: from a tensor that is there before; otherwise
    from the population itself, so many ticks ago. ``cut``: no gradient goes back to the source;
    ``back``: it does through this matrix, not the weights."""

    port: str
    map: Map
    delay: int | None = None
    cut: bool = False
    back: Tensor | None = None


@dataclass(frozen=True)
class Fused:
    """What does not change from call to call."""

    discrete: Discrete
    scan: Scan
    arrivals: tuple[Arrival, ...]
    parameters: tuple[str, ...] = ()
    size: int = 0
    depth: int = 0
    dtype: Any = field(default=np.float32)


def run_fused(
    fused: Fused,
    sources: Sequence[Tensor],
    weights: Sequence[Tensor | None],
    past: Tensor,
    state: Mapping[str, Tensor],
    parameters: Mapping[str, Tensor],
    ticks: int,
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """(output [T, B, n], traces [T, B, n], state [B, n]) after ``ticks``.

    ``sources``: x [T, B, m] of every arrival from elsewhere, as it arrives; ``weights``: of every
    arrival; ``past`` [depth, B, n]: what the population itself sent before.
    """
    names = fused.discrete.kernel.state
    wanted = (past.shape[1], fused.size)
    for name in names:  # the loops do not look at bounds
        value = state.get(name)
        if value is None or tuple(value.shape) != wanted or value.dtype != past.dtype:
            raise fail(
                "state-shape", fused.discrete.model.where,
                f"the state {name!r} is of another batch, shape or precision",
                got="nothing" if value is None else f"{tuple(value.shape)}, {value.dtype}",
                limit=f"{wanted}, {past.dtype}", hint="begin without a state",
            )  # fmt: skip
    given = [parameters[p] for p in fused.parameters]
    found = _Function.apply(
        fused, ticks, past, *sources, *weights, *(state[s] for s in names), *given
    )
    count = len(fused.scan.traces)
    traces = dict(zip(fused.scan.traces, found[1 : 1 + count], strict=True))
    return found[0], traces, dict(zip(names, found[1 + count :], strict=True))


class _Function(torch.autograd.Function):
    """See the module."""

    @staticmethod
    def forward(ctx: Any, fused: Fused, ticks: int, past: Tensor, *tensors: Any) -> Any:
        scan, n, depth = fused.scan, fused.size, fused.depth
        names = fused.discrete.kernel.state
        outside = [a for a in fused.arrivals if a.delay is None]
        cut = len(outside)
        sources, weights = tensors[:cut], tensors[cut : cut + len(fused.arrivals)]
        rest = tensors[cut + len(fused.arrivals) :]
        batch = past.shape[1]
        state = [s.detach().clone(memory_format=torch.contiguous_format)
                 for s in rest[: len(names)]]  # fmt: skip
        given = dict(zip(fused.parameters, rest[len(names) :], strict=True))
        values = parameter_values(
            fused.discrete, {k: v.detach().numpy() for k, v in given.items()}, fused.dtype
        )
        like = past
        long = _empty((depth + ticks, batch, n), fused.dtype)
        long[:depth] = past
        kept = [_empty((ticks, batch, n), fused.dtype) for _ in scan.adjoint.saved]
        traces = [_empty((ticks, batch, n), fused.dtype) for _ in scan.traces]
        work = _Work(fused, sources, weights, batch, like)
        # as arrays, because torch takes its time to cut a tensor, and there may be many ticks
        sums = [work.buffers[p].numpy() for p in scan.adjoint.step.ports]
        states, sent = [s.numpy() for s in state], long.numpy()
        filled = [k.numpy() for k in (*kept, *traces)]
        for first, last in work.pieces(ticks):
            work.from_others(first, last)
            for a, b in work.steps(first, last):
                work.from_itself(sent, first, a, b)
                in_threads(
                    scan.forward, batch, *states, *(s[a - first : b - first] for s in sums),
                    *values, sent[depth + a : depth + b], *(k[a:b] for k in filled),
                )  # fmt: skip
        ctx.fused, ctx.ticks, ctx.values, ctx.listed = fused, ticks, values, work.listed
        ctx.counts = (len(sources), len(weights), len(names), len(given))
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*sources, *(w for w in weights if w is not None), long, *kept)
        ctx.has_weight = [w is not None for w in weights]
        ctx.shapes = [tuple(v.shape) for v in given.values()]
        return (long[depth:], *traces, *state)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, given: Tensor | None, *more: Any) -> Any:
        fused, ticks, scan = ctx.fused, ctx.ticks, ctx.fused.scan
        depth = fused.depth
        made = scan.adjoint
        saved = list(ctx.saved_tensors)
        sources = saved[: ctx.counts[0]]
        del saved[: ctx.counts[0]]
        weights = [saved.pop(0) if has else None for has in ctx.has_weight]
        long, kept = saved[0], saved[1:]
        batch = long.shape[1]
        seen = [None if g is None else g.contiguous() for g in more[: len(scan.traces)]]
        after = dict(zip(fused.discrete.kernel.state, more[len(scan.traces) :], strict=True))
        state = [long.new_zeros(long.shape[1:]) for _ in made.after]
        for one, name in zip(state, made.after, strict=True):
            if after[name] is not None:
                one.copy_(after[name])
        sums = [long.new_zeros(long.shape[1:]) for _ in scan.gradients("p_")]
        needs = ctx.needs_input_grad[3:]
        work = _Work(fused, sources, weights, batch, long)
        work.listed = ctx.listed
        back = _Back(work, needs, long, given, ticks)
        none = long.new_zeros(1, 1, 1)
        ports = [back.ports[p].numpy() for p in scan.gradients("x_")]
        arrays = [k.numpy() for k in kept]
        rest = [s.numpy() for s in (*state, *sums)]
        states, totals = rest[: len(state)], rest[len(state) :]
        for first, last in reversed(list(work.pieces(ticks))):
            for a, b in reversed(list(work.steps(first, last))):
                traces = [none.expand(b - a, *long.shape[1:]).contiguous() if g is None else g[a:b]
                          for g in seen]  # fmt: skip
                in_threads(
                    scan.backward, batch, *(k[a:b] for k in arrays), *ctx.values, back.given(a, b),
                    *(t.numpy() for t in traces), *states,
                    *(p[a - first : b - first] for p in ports), *totals,
                )  # fmt: skip
                back.to_itself(first, a, b)
            back.to_sources(first, last)
        back.finish()
        states = dict(zip(made.after, state, strict=True))
        params = dict(zip(scan.gradients("p_"), sums, strict=True))
        found: list[Tensor | None] = [None, None, back.past() if depth else None]
        found += back.sources + back.weights
        found += [states.get(s) for s in fused.discrete.kernel.state]
        for name, shape in zip(fused.parameters, ctx.shapes, strict=True):
            total = params.get(name)
            found.append(None if total is None else total.sum(0) if shape else total.sum())
        return tuple(found)


class _Work:
    """The way through the synapses, piece by piece."""

    def __init__(
        self,
        fused: Fused,
        sources: Sequence[Tensor],
        weights: Sequence[Tensor | None],
        batch: int,
        like: Tensor,
    ) -> None:
        self.fused, self.batch, self.like = fused, batch, like
        widest = max([fused.size, *(s.shape[2] for s in sources)])
        rows = min(ROWS, BYTES // (widest * np.dtype(fused.dtype).itemsize))
        self.length = max(1, rows // max(1, batch))
        self.weights = [None if w is None else w.detach() for w in weights]
        self.sources = [s.detach().contiguous() for s in sources]
        self._upright: dict[int, Any] = {}
        delays = [a.delay for a in fused.arrivals if a.delay is not None]
        self.least = min(delays, default=None)
        self.outside = [(k, a) for k, a in enumerate(fused.arrivals) if a.delay is None]
        self.inside = [(k, a) for k, a in enumerate(fused.arrivals) if a.delay is not None]
        ports = fused.scan.adjoint.step.ports
        self.buffers = {p: like.new_zeros(self.length, batch, fused.size) for p in ports}
        self.arrays = {p: b.numpy() for p, b in self.buffers.items()}
        self.listed: dict[tuple[int, int], CSR | None] = {}
        self.busy: dict[int, bool] = {}
        """Which of those from itself carried more than DENSE at the tick before."""

    def pieces(self, ticks: int) -> list[tuple[int, int]]:
        """First and last tick of each."""
        return [(a, min(a + self.length, ticks)) for a in range(0, ticks, self.length)]

    def steps(self, first: int, last: int) -> list[tuple[int, int]]:
        """Ticks that can be computed at once: what the population sends itself comes later."""
        step = self.least or last - first
        return [(a, min(a + step, last)) for a in range(first, last, step)]

    def from_others(self, first: int, last: int) -> None:
        """What arrives from elsewhere, into the buffers [ticks, B, n] by port."""
        begun: set[str] = set()
        for (k, arrival), source in zip(self.outside, self.sources, strict=True):
            out = self.buffers[arrival.port][: last - first]
            self.through(k, source[first:last], out, add=arrival.port in begun, first=first)
            begun.add(arrival.port)
        for port, buffer in self.buffers.items():
            if port not in begun and self.inside:
                buffer.zero_()

    def from_itself(self, sent: Any, first: int, a: int, b: int) -> None:
        """Add what arrives at ticks a..b-1 from the population itself, which ``sent`` that."""
        for k, arrival in self.inside:
            at = self.fused.depth - (arrival.delay or 0)
            x, out = sent[at + a : at + b], self.arrays[arrival.port][a - first : b - first]
            if arrival.map is not matrix or self.weights[k] is None or self.busy.get(k):
                self.through(k, torch.from_numpy(x), torch.from_numpy(out), add=True, first=-1)
                self.busy[k] = np.count_nonzero(x) > DENSE * x.size
                continue
            flat = x.reshape(x.shape[0] * x.shape[1], x.shape[2])
            found = np.empty(len(flat), np.int64)
            in_threads(
                sum_now,
                len(flat),
                flat,
                self.upright(k),
                out.reshape(len(flat), out.shape[2]),
                found,
            )
            self.busy[k] = found.sum() > DENSE * flat.size

    def upright(self, k: int) -> Any:
        """Weights [sources, targets], so that those of a source lie together."""
        if k not in self._upright:
            weight = self.weights[k]
            assert weight is not None
            self._upright[k] = weight.T.contiguous().numpy()
        return self._upright[k]

    def sparse(self, k: int, first: int, flat: Tensor) -> CSR | None:
        """Of the piece of arrival ``k`` that begins at tick ``first``, listed once for the way
        there and the way back."""
        key = k, first
        if key not in self.listed:
            self.listed[key] = csr_of(flat.numpy(), DENSE)
        return self.listed[key]

    def through(self, k: int, x: Tensor, out: Tensor, *, add: bool, first: int) -> None:
        """``out (+)= map(x)`` for the piece that begins at tick ``first`` (-1: a single tick of
        what the population sent itself, which is dense)."""
        flat, into = x.flatten(0, 1), out.flatten(0, 1)
        weight, linear = self.weights[k], self.fused.arrivals[k].map
        if linear is not matrix or weight is None:
            result = linear(flat, weight)
            into.add_(result) if add else into.copy_(result)
            return
        entries = None if first < 0 else self.sparse(k, first, flat)
        if entries is not None:
            sum_rows(entries, self.upright(k), into.numpy(), add=add)
        elif add:
            into.addmm_(flat, weight.T)
        else:
            torch.mm(flat, weight.T, out=into)


class _Back:
    """The way back through the synapses: gradients of sources and weights."""

    def __init__(
        self, work: _Work, needs: Sequence[bool], long: Tensor, given: Tensor | None, ticks: int
    ) -> None:
        fused, self.work, self.long = work.fused, work, long
        cut = len(work.sources)
        self.sources: list[Tensor | None] = [
            _empty(tuple(s.shape), fused.dtype) if need else None
            for s, need in zip(work.sources, needs, strict=False)
        ]
        self.needs = needs[cut : cut + len(work.weights)]
        self.weights: list[Tensor | None] = [
            torch.zeros_like(w) if w is not None and need else None
            for w, need in zip(work.weights, self.needs, strict=True)
        ]
        self._upright: dict[int, Any] = {}
        wanted = fused.scan.gradients("x_")
        shape = (work.length, work.batch, fused.size)
        self.ports = {p: long.new_zeros(shape) for p in wanted}
        self._given = given
        self._heard: Tensor | None = None
        if work.inside:  # what the population hears from itself comes back to what it sent
            self._heard = long.new_zeros(long.shape)
            if given is not None:
                self._heard[fused.depth :] = given
        self._silent = np.zeros(shape, fused.dtype)
        self._heard_at = [] if self._heard is None else self._heard.unbind(0)
        self._by_tick = {p: b.unbind(0) for p, b in self.ports.items()} if work.inside else {}
        self._array = None if self._heard is None else self._heard.numpy()

    def given(self, a: int, b: int) -> Any:
        """Gradient of the output at ticks a..b-1, as an array."""
        if self._array is not None:
            depth = self.work.fused.depth
            return self._array[depth + a : depth + b]
        if self._given is None:
            return self._silent[: b - a]
        return self._given[a:b].contiguous().numpy()

    def past(self) -> Tensor | None:
        """Gradient of what the population sent before the first tick."""
        depth = self.work.fused.depth
        return None if self._heard is None else self._heard[:depth]

    def to_itself(self, first: int, a: int, b: int) -> None:
        """From the ports at ticks a..b-1 to what was sent before."""
        for k, arrival in self.work.inside:
            if arrival.port not in self.ports or self._heard is None or arrival.cut:
                continue
            at = self.work.fused.depth - (arrival.delay or 0)
            weight = self.work.weights[k]
            if b - a == 1:  # views made beforehand: torch takes its time to cut a tensor
                gradient, into = self._by_tick[arrival.port][a - first], self._heard_at[at + a]
            else:
                gradient = self.ports[arrival.port][a - first : b - first].flatten(0, 1)
                into = self._heard[at + a : at + b].flatten(0, 1)
            if arrival.map is matrix and weight is not None:
                into.addmm_(gradient, weight if arrival.back is None else arrival.back)
            else:
                x = self.long[at + a : at + b].flatten(0, 1)
                into.add_(_pulled(arrival.map, x, weight, gradient, True, False)[0])

    def to_sources(self, first: int, last: int) -> None:
        """From the ports of a piece to sources and weights."""
        for (k, arrival), s in zip(self.work.outside, range(len(self.sources)), strict=True):
            into = self.sources[s]
            self._one(k, arrival, self.work.sources[s][first:last],
                      None if into is None else into[first:last], first, last)  # fmt: skip
        for k, arrival in self.work.inside:
            at = self.work.fused.depth - (arrival.delay or 0)
            self._one(k, arrival, self.long[at + first : at + last], None, first, last)

    def _one(
        self, k: int, arrival: Arrival, x: Tensor, into: Tensor | None, first: int, last: int
    ) -> None:
        total, weight = self.weights[k], self.work.weights[k]
        if arrival.port not in self.ports:
            if into is not None:
                into.zero_()
            return
        gradient = self.ports[arrival.port][: last - first].flatten(0, 1)
        flat = x.flatten(0, 1)
        if arrival.map is not matrix or weight is None:
            if into is not None or total is not None:
                pulled = _pulled(
                    arrival.map, flat, weight, gradient, into is not None, total is not None
                )
                if into is not None:
                    into.copy_(pulled[0].view_as(into))
                if total is not None:
                    total.add_(pulled[1])
            return
        if into is not None:
            back = weight if arrival.back is None else arrival.back
            torch.mm(gradient, back, out=into.flatten(0, 1))
        if total is None:
            return
        entries = self.work.sparse(k, first, flat)
        if entries is None:
            total.addmm_(gradient.T, flat)
            return
        if k not in self._upright:
            self._upright[k] = np.zeros((flat.shape[1], gradient.shape[1]), gradient.numpy().dtype)
        sum_rows(transposed(entries, flat.shape[1]), gradient.numpy(), self._upright[k], add=True)

    def finish(self) -> None:
        """Put together what was summed in two layouts."""
        for k, upright in self._upright.items():
            total = self.weights[k]
            assert total is not None
            total.add_(torch.from_numpy(upright).T)


def _empty(shape: tuple[int, ...], dtype: Any) -> Tensor:
    """By numpy, which asks for large pages: the first touch of a page costs more than the neurons
    (131 MB: 52 ms with pages of 4 KiB, 14 with large ones)."""
    return torch.from_numpy(np.empty(shape, dtype))


def _pulled(
    linear: Map, x: Tensor, weight: Tensor | None, gradient: Tensor, to_x: bool, to_w: bool
) -> tuple[Any, Any]:
    """Gradients of a map: its own way, or torch's."""
    own = getattr(linear, "pull", None)
    if own is not None:
        return own(x, weight, gradient, to_x, to_w)
    with torch.enable_grad():
        x = x.detach().requires_grad_(to_x)
        w = None if weight is None else weight.detach().requires_grad_(to_w)
        y = linear(x, w)
        wanted = [t for t, need in ((x, to_x), (w, to_w)) if need and t is not None]
        found = list(torch.autograd.grad(y, wanted, gradient))
    return found.pop(0) if to_x else None, found.pop(0) if to_w and w is not None else None

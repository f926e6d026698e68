"""A network as a torch module: the same statement of every neuron, differentiable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ranvier.errors import fail, unknown
from ranvier.learn._cell import NUMBERS, Cell
from ranvier.learn._fused import Arrival, Fused, run_fused
from ranvier.learn._linear import Map, Synapses, make_synapses, matrix, routed
from ranvier.learn._order import Stage, order
from ranvier.learn._scan import checked_surrogate
from ranvier.network import Network
from ranvier.neurons import Surrogate

if TYPE_CHECKING:
    from ranvier.learn._hooks import Hook

__all__ = ["Module", "ModuleState"]

Arriving: TypeAlias = "dict[str, Tensor]"
Bound: TypeAlias = "Mapping[str, tuple[tuple[int, Map, Tensor | None], ...]]"


@dataclass(frozen=True)
class ModuleState:
    """All that one call leaves for the next: nothing else is remembered.

    ``neurons[population][state]`` [B, n]; ``sent[population]`` [D, B, n] are the last D outputs of
    a population, D its longest delay in ticks, oldest first.
    """

    neurons: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict[str, "Arriving"])
    sent: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])

    def detach(self) -> ModuleState:
        """The same values, cut off from the graph (truncated back-propagation)."""
        neurons = {p: {s: v.detach() for s, v in d.items()} for p, d in self.neurons.items()}
        return ModuleState(neurons, {p: v.detach() for p, v in self.sent.items()})


class Module(torch.nn.Module):
    """``network`` with a tick of ``dt`` seconds, as the ideal machine runs it.

    ``weight(projection)`` are its parameters, in volts, amperes or what the port takes, shaped as
    in the network. Every kind of connectivity works; delays are rounded to ticks as compile does.
    ``surrogate`` gives spikes their gradient; ``detach_reset`` keeps it from flowing through the
    reset. ``fused`` lets generated loops do the work where they can (on a processor, with a
    :class:`Surrogate`); elsewhere torch computes tick by tick, with the same results but for the
    order of sums. ``hooks`` change the weights before they are used, one after the other: rounding
    to a chip's numbers, noise, pruning. ``train`` names parameters of populations that are trained,
    one value a neuron: ``{"hidden": ("tau", "v_threshold")}``.

    ``cut`` names projections through which no gradient goes back to the source: those of a loop for
    e-prop (Bellec et al. 2020, Nat. Commun. 11:3625, eq. 1), those between layers that learn from
    losses of their own (DECOLLE: Kaiser et al. 2020, Front. Neurosci. 14:424). ``feedback`` gives
    projections a matrix [targets, sources] to go back through in place of their weights (feedback
    alignment: Lillicrap et al. 2016, Nat. Commun. 7:13276). Raises RanvierError for a network
    without inputs, or one made for another dt.

    Time comes first: ``forward(x)`` takes [T, B, n] (a mapping of these by population where there
    are several inputs) and returns outputs by population, [T, B, n] each, and the state after tick
    T-1, which goes into the next call. Nothing is kept in between.
    """

    def __init__(
        self,
        network: Network,
        dt: float,
        *,
        surrogate: Surrogate | str | Callable[[Tensor], Tensor] | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
        detach_reset: bool = False,
        fused: bool = True,
        hooks: Sequence[Hook] = (),
        train: Mapping[str, Sequence[str]] | None = None,
        cut: Collection[str] = (),
        feedback: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.hooks: list[Hook] = list(hooks)
        self.network, self.dt = network, float(dt)
        self.surrogate = checked_surrogate(surrogate)
        if not network.inputs:
            raise fail("no-inputs", network.name, "has no input population to feed")
        for p in network.populations:
            if p.dt is not None and not np.isclose(p.dt, dt, rtol=1e-9, atol=0):
                raise fail("other-dt", p.name, "is made for another tick", got=f"{dt:g} s",
                           limit=f"{p.dt:g} s")  # fmt: skip
        like = torch.zeros((), dtype=dtype, device=device)
        self._synapses: dict[str, Synapses] = {}
        self.weights = torch.nn.ParameterDict()
        for k, p in enumerate(network.projections):
            made = make_synapses(p, float(dt), like)
            self._synapses[p.name] = made
            if made.trainable is not None:
                self.weights[str(k)] = torch.nn.Parameter(made.trainable.clone())
        self._keys = {p.name: str(k) for k, p in enumerate(network.projections)}
        incoming = {p.name: [q for q in network.projections if q.target == p.name]
                    for p in network.populations}  # fmt: skip
        self._incoming = incoming
        self._fused = fused
        self._cells: dict[str, Cell] = {}
        for p in network.populations:
            if p.model is None:
                continue
            used = {q.port for q in incoming[p.name]}
            ports = [port.name for port in p.model.ports if port.name in used or not used]
            trained = (train or {}).get(p.name, ())
            self._cells[p.name] = Cell(
                p, ports, dt, trained, self.surrogate, detach_reset=detach_reset
            )
        self.learned = torch.nn.ModuleDict(
            {str(k): c.learned for k, c in enumerate(self._cells.values()) if c.learned is not None}
        )
        self._routes = self._read_routes(train or {}, cut, feedback or {}, like)
        self._depth = {
            p.name: max((self._synapses[q.name].longest for q in network.projections
                         if q.source == p.name), default=0)
            for p in network.populations
        }  # fmt: skip
        self._stages: tuple[Stage, ...] = order(
            [p.name for p in network.populations],
            [(q.source, q.target, self._synapses[q.name].shortest) for q in network.projections],
        )
        self._like = like

    def _read_routes(
        self,
        train: Mapping[str, Sequence[str]],
        cut: Collection[str],
        feedback: Mapping[str, Tensor],
        like: Tensor,
    ) -> dict[str, tuple[bool, Tensor | None]]:
        """For each projection whether gradients stop there, and through what they go back."""
        for name in train:
            if name not in self._cells:
                raise unknown("population of neurons", name, self._cells, where="Module, train")
        for name in (*cut, *feedback):
            if name not in self._keys:
                raise unknown("projection", name, self._keys, where="Module, cut and feedback")
        found: dict[str, tuple[bool, Tensor | None]] = {}
        for name in self._keys:
            back = feedback.get(name)
            if back is not None:
                sizes = self.network.projection(name).connectivity.sizes()[::-1]
                if self._synapses[name].map is not matrix or tuple(back.shape) != sizes:
                    raise fail("feedback-shape", name, "the matrix does not fit",
                               got=tuple(back.shape), limit=f"{sizes}, of a full or sparse matrix",
                               )  # fmt: skip
            found[name] = name in cut, None if back is None else back.detach().to(like)
        return found

    # -- weights ------------------------------------------------------------------------------
    def trains(self, projection: str) -> bool:
        """Whether the projection has weights to train."""
        return self._keys.get(projection, "") in self.weights

    def weight(self, projection: str) -> torch.nn.Parameter:
        """The trained weights of a projection; RanvierError when it has none or is unknown."""
        key = self._keys.get(projection, "")
        if key not in self.weights:
            legal = [name for name, k in self._keys.items() if k in self.weights]
            raise unknown("trainable projection", projection, legal)
        return self.weights[key]

    @torch.no_grad()
    def to_network(self) -> Network:
        """The network with the weights as they are now, in float64, as permanent hooks make them (a
        chip's scales are taken anew)."""
        changed = []
        for hook in self.hooks:
            if hasattr(hook, "renew"):
                hook.renew()  # pyright: ignore[reportAttributeAccessIssue]
        for p in self.network.projections:
            key = self._keys[p.name]
            if key not in self.weights:
                changed.append(p)
                continue
            kept = self.weights[key].detach().double()
            for hook in self.hooks:
                kept = hook(p.name, kept) if getattr(hook, "permanent", False) else kept
            values = kept.cpu().double().numpy()
            changed.append(replace(p, connectivity=p.connectivity.with_weights(values)))
        populations = tuple(
            replace(p, parameters={**p.parameters, **cell.learned.current()})
            if (cell := self._cells.get(p.name)) is not None and cell.learned is not None
            else p
            for p in self.network.populations
        )
        return self.network.replace(populations=populations, projections=tuple(changed))

    # -- running ------------------------------------------------------------------------------
    def forward(
        self,
        x: Tensor | Mapping[str, Tensor],
        state: ModuleState | None = None,
        *,
        record: Iterable[str] | None = None,
    ) -> tuple[dict[str, Tensor], ModuleState]:
        """Run T ticks; return ``{population: [T, B, n]}`` of the outputs (or of ``record``) and
        the state. What a spiking population sends is 0 or 1; others send their value."""
        for weight in self.weights.values():
            if weight.dtype != self._like.dtype or weight.device != self._like.device:
                raise fail("moved-module", self.network.name, "was moved after it was made",
                           got=f"{weight.dtype}, {weight.device}",
                           limit=f"{self._like.dtype}, {self._like.device}",
                           hint="make it with Module(..., dtype=, device=)")  # fmt: skip
        sent = self._inputs(x)
        ticks, batch = next(iter(sent.values())).shape[:2]
        names = tuple(self.network.outputs if record is None else record)
        for name in names:
            self.network.population(name)
        before = self._past(state, batch)
        # What was sent so far: the history of D ticks, then the ticks of this call.
        long = {p: torch.cat([before[p], v]) if self._depth[p] else v for p, v in sent.items()}
        neurons: dict[str, dict[str, Tensor]] = {}
        weights = {name: self._weights_of(name) for name in self._keys}
        for stage in self._stages:
            cells = [n for n in stage.members if n in self._cells]
            for name in cells:
                given = None if state is None else state.neurons.get(name)
                fresh = given is None
                neurons[name] = (
                    self._cells[name].initial(batch, self._like) if fresh else dict(given)
                )
            if len(cells) == 1 and self._fused and self._cells[cells[0]].fuses(self._like):
                outs = {cells[0]: self._fuse(cells[0], long, before, neurons, weights, ticks)}
            elif stage.looped:
                outs = self._loop(cells, long, before, neurons, weights, ticks, batch)
            else:
                outs = {n: self._layer(n, long, neurons, weights, ticks, batch) for n in cells}
            for name, out in outs.items():
                sent[name] = out
                long[name] = torch.cat([before[name], out]) if self._depth[name] else out
        after = {p: v[v.shape[0] - self._depth[p] :] for p, v in long.items() if self._depth[p]}
        return {name: sent[name] for name in names}, ModuleState(neurons, after)

    def _inputs(self, x: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
        inputs = {p.name: p for p in self.network.inputs}
        if not isinstance(x, Mapping):
            x = torch.as_tensor(x)
            if len(inputs) != 1:
                raise fail("stimulus-name", "forward", f"the network has {len(inputs)} inputs",
                           limit=", ".join(inputs), hint="give a mapping by name")  # fmt: skip
            x = {next(iter(inputs)): x}
        x = {name: torch.as_tensor(value) for name, value in x.items()}
        for name in x:
            if name not in inputs:
                raise unknown("input", name, inputs, where="forward")
        shapes = {tuple(v.shape[:2]) for v in x.values()}
        for name, population in inputs.items():
            if name not in x or x[name].ndim != 3 or x[name].shape[2] != population.size:
                raise fail("stimulus-size", f"input {name}", "does not fit", limit="[T, B, n] with "
                           f"n = {population.size}",
                           got=tuple(x[name].shape) if name in x else "nothing")  # fmt: skip
        if len(shapes) != 1:
            raise fail("stimulus-size", "forward", "inputs differ in time or batch", got=shapes)
        return {name: v.to(self._like.dtype) for name, v in x.items()}

    def _past(self, state: ModuleState | None, batch: int) -> dict[str, Tensor]:
        past: dict[str, Tensor] = {}
        for p in self.network.populations:
            given = None if state is None else state.sent.get(p.name)
            past[p.name] = (
                self._like.new_zeros(self._depth[p.name], batch, p.size) if given is None else given
            )
            if past[p.name].shape != (self._depth[p.name], batch, p.size):
                raise fail("state-shape", p.name, "the state is of another batch or network",
                           got=tuple(past[p.name].shape),
                           limit=(self._depth[p.name], batch, p.size))  # fmt: skip
        return past

    def _weights_of(self, name: str) -> tuple[tuple[int, Map, Tensor | None], ...]:
        weight = self.weights.get(self._keys[name], None)
        if weight is not None:
            for hook in self.hooks:
                weight = hook(name, weight)
        return self._synapses[name].bind(weight)

    def _arriving(
        self, name: str, sources: Mapping[str, Tensor], weights: Bound, ticks: int
    ) -> Arriving:
        """Sums per port over whole sequences, [ticks, B, n], of the ``sources`` there are."""
        found: Arriving = {}
        for q in self._incoming[name]:
            if q.source not in sources:
                continue
            source, depth = sources[q.source], self._depth[q.source]
            for delay, linear, weight in weights[q.name]:
                part = source[depth - delay : depth - delay + ticks]
                total = routed(linear, part.flatten(0, 1), weight, *self._routes[q.name])
                total = total.unflatten(0, part.shape[:2])
                found[q.port] = found[q.port] + total if q.port in found else total
        return found

    def _fuse(
        self,
        name: str,
        long: Mapping[str, Tensor],
        before: Mapping[str, Tensor],
        neurons: dict[str, dict[str, Tensor]],
        weights: Bound,
        ticks: int,
    ) -> Tensor:
        """A population that hears nothing from others of its loop, by the generated loops."""
        cell = self._cells[name]
        sources: list[Tensor] = []
        outside: list[tuple[Arrival, Tensor | None]] = []
        inside: list[tuple[Arrival, Tensor | None]] = []
        for q in self._incoming[name]:
            cut, back = self._routes[q.name]
            for delay, linear, weight in weights[q.name]:
                if q.source == name:
                    inside.append((Arrival(q.port, linear, delay, cut, back), weight))
                    continue
                at = self._depth[q.source] - delay
                part = long[q.source][at : at + ticks]
                sources.append(part.detach() if cut else part)
                outside.append((Arrival(q.port, linear, None, cut, back), weight))
        arrivals = [*outside, *inside]
        values, dtype = cell.trained(self._like), self._like.dtype
        fused = Fused(cell.discrete, cell.scan(dtype), tuple(a for a, _ in arrivals),
                      tuple(values), size=cell.size, depth=self._depth[name],
                      dtype=NUMBERS[dtype])  # fmt: skip
        out, _, state = run_fused(
            fused, sources, [w for _, w in arrivals], before[name], neurons[name], values, ticks
        )
        neurons[name] = state
        return out

    def _layer(
        self,
        name: str,
        long: Mapping[str, Tensor],
        neurons: dict[str, dict[str, Tensor]],
        weights: Bound,
        ticks: int,
        batch: int,
    ) -> Tensor:
        """A population that hears nothing from itself: all its input first, then the neurons."""
        sums = self._arriving(name, long, weights, ticks)
        like = self._like.new_zeros(()).expand(ticks, batch, self._cells[name].size)
        out, _, neurons[name] = self._cells[name].stepped(sums, neurons[name], like)
        return out

    def _loop(
        self,
        cells: list[str],
        long: Mapping[str, Tensor],
        before: Mapping[str, Tensor],
        neurons: dict[str, dict[str, Tensor]],
        weights: Bound,
        ticks: int,
        batch: int,
    ) -> dict[str, Tensor]:
        """Populations that hear each other: tick by tick, input from outside the loop at once."""
        zero = {n: self._like.new_zeros(batch, self._cells[n].size) for n in cells}
        outside = {n: self._arriving(n, long, weights, ticks) for n in cells}
        rows = {n: {p: v.unbind(0) for p, v in ports.items()} for n, ports in outside.items()}
        past = {n: list(before[n].unbind(0)) for n in cells}  # grows by one each tick
        values = {n: self._cells[n].values(self._like) for n in cells}
        for t in range(ticks):
            for name in cells:
                cell = self._cells[name]
                ports = {p: rows[name][p][t] if p in rows[name] else zero[name] for p in cell.ports}
                for q in self._incoming[name]:
                    if q.source not in past:
                        continue
                    for delay, linear, weight in weights[q.name]:
                        heard = past[q.source][self._depth[q.source] + t - delay]
                        found = routed(linear, heard, weight, *self._routes[q.name])
                        ports[q.port] = ports[q.port] + found
                neurons[name], out = cell.step(neurons[name], ports, values[name])
                past[name].append(out.expand(batch, cell.size))
        return {
            n: torch.stack(v[self._depth[n] :]) if ticks else zero[n].new_zeros(0, *zero[n].shape)
            for n, v in past.items()
        }

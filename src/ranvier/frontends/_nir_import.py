"""From NIR nodes to a Network, one label a node.

Neurons and inputs become populations. Linear nodes become the connectivity of the projection they
lead to; only where linear nodes follow each other without neurons between does a relay population
stand in for the wire. Biases are pushed along the wires and end as the bias current of the neurons.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import Issue, fail
from ranvier.frontends._nir_choices import SPIKING, STATEFUL, Choices
from ranvier.frontends._nir_models import BIASED_RELAY, bias_parameters, neuron
from ranvier.frontends._nir_read import NirGraph, NirNode
from ranvier.frontends._nir_shapes import Shape, geometry, infer_shapes, spread
from ranvier.network import (
    Connectivity,
    Conv,
    Dense,
    Network,
    OneToOne,
    Pool,
    Population,
    Projection,
    Signal,
)
from ranvier.neurons import get as get_model

__all__ = ["build"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Term:
    """What one population sends over a wire: through ``connectivity`` (identity: None), ``delay``
    seconds late (a number, or one per target where it is the identity, else shaped as weights)."""

    source: str
    connectivity: Connectivity | None = None
    delay: Any = 0.0
    node: str = ""


@dataclass(frozen=True, eq=False)
class Wire:
    """The sum of some terms and a constant."""

    terms: tuple[Term, ...]
    bias: Array | None
    shape: Shape


def build(graph: NirGraph, choices: Choices, name: str) -> tuple[Network, list[Issue]]:
    """The network of a flat, checked graph; raises RanvierError where it has no meaning."""
    shapes, notes = infer_shapes(graph)
    return _Builder(graph, choices, shapes, notes).network(name)


class _Builder:
    def __init__(
        self, graph: NirGraph, choices: Choices, shapes: dict[str, Shape], notes: list[Issue]
    ) -> None:
        self.nodes = {n: k for n, k in graph.nodes.items() if isinstance(k, NirNode)}
        self.graph, self.choices, self.shapes = graph, choices, shapes
        self.before: dict[str, list[str]] = {n: [] for n in self.nodes}
        self.after: dict[str, list[str]] = {n: [] for n in self.nodes}
        for a, b in graph.edges:
            self.before[b].append(a)
            self.after[a].append(b)
        self.issues = notes
        self.names = _legal_names(list(self.nodes))
        self.populations: dict[str, Population] = {}
        self.projections: list[Projection] = []
        self.impulse: dict[str, bool] = {}
        self.wires: dict[str, Wire] = {}
        self.relays: dict[str, Wire] = {}

    def label(self, node: str, exactness: Any, message: str) -> None:
        kind = self.nodes[node].type
        self.issues.append(
            Issue(code=f"nir-{kind.lower()}", severity=exactness, where=node,
                  message=f"{kind}: {message}")
        )  # fmt: skip

    # -- order ----------------------------------------------------------------------------------
    def network(self, name: str) -> tuple[Network, list[Issue]]:
        neurons = [n for n, k in self.nodes.items() if k.type in (*STATEFUL, "Threshold")]
        for node in (n for n, k in self.nodes.items() if k.type == "Input"):
            self.add_input(node)
        for node in neurons:
            self.wires[node] = Wire((Term(self.names[node]),), None, self.shapes[node])
            self.impulse[self.names[node]] = self.nodes[node].type in (*SPIKING, "Threshold")
        for node in self.linear_order():
            self.wires[node] = self.through(node)
        for node in neurons:
            self.add_neuron(node)
        outputs = {n: self.output(n) for n, k in self.nodes.items() if k.type == "Output"}
        self.choose_late()
        used = {population for pair in outputs.values() for population in pair}
        metadata: dict[str, Any] = {"nir": {
            "version": self.graph.version,
            "choices": {k: v for k, v in vars(self.choices).items() if v is not None},
            "outputs": {k: list(v) for k, v in outputs.items()},
            "renamed": {v: k for k, v in self.names.items() if v != k},
        }}  # fmt: skip
        if self.choices.dt is not None:
            metadata["dt"] = self.choices.dt
        order = self.reading_order()
        network = Network(
            name=name,
            populations=tuple(self.populations[n] for n in order),
            projections=tuple(self.projections),
            outputs=tuple(n for n in order if n in used),
            metadata=metadata,
        )
        return network, self.issues

    def reading_order(self) -> list[str]:
        """Populations breadth first from the inputs: files list their nodes by name."""
        after: dict[str, list[str]] = {name: [] for name in self.populations}
        for p in self.projections:
            after[p.source].append(p.target)
        order = [n for n, p in self.populations.items() if p.is_input]
        seen = set(order)
        for extra in [None, *self.populations]:
            if extra is not None and extra not in seen:
                seen.add(extra)
                order.append(extra)
            for name in order:
                fresh = [t for t in dict.fromkeys(after[name]) if t not in seen]
                seen.update(fresh)
                order += fresh
        return order

    def linear_order(self) -> list[str]:
        """Nodes without state, each after those it reads; a loop of them has no meaning."""
        free = [n for n in self.nodes if n not in self.wires]
        count = {n: sum(p not in self.wires for p in self.before[n]) for n in free}
        ready = [n for n in free if count[n] == 0]
        for node in ready:
            for follower in self.after[node]:
                if follower in count:
                    count[follower] -= 1
                    if count[follower] == 0:
                        ready.append(follower)
        if len(ready) < len(free):
            loop = [n for n in free if count[n]]
            raise fail(
                "nir-loop",
                ", ".join(loop[:5]),
                "is a loop without a neuron in it",
                hint="a loop needs a neuron, whose output of the last tick it carries",
            )
        return [n for n in ready if self.nodes[n].type != "Output"]

    # -- wires ----------------------------------------------------------------------------------
    def into(self, node: str) -> Wire:
        """The sum of everything that reaches a node."""
        wires = [self.wires[p] for p in self.before[node]]
        bias: Array | None = None
        for wire in wires:
            if wire.bias is not None:
                bias = wire.bias if bias is None else bias + wire.bias
        shape = wires[0].shape if wires else self.shapes[node]
        return Wire(tuple(t for w in wires for t in w.terms), bias, shape)

    def through(self, node: str) -> Wire:
        """The wire behind a node without state."""
        kind, shape, wire = self.nodes[node].type, self.shapes[node], self.into(node)
        if not wire.terms and wire.bias is None:
            self.label(node, "warning", "nothing leads to it, so it carries nothing")
            return Wire((), None, shape)
        if kind in ("Wire", "Flatten"):
            if kind == "Flatten":
                self.label(node, "exact", "a change of shape; carries no neurons")
            return Wire(wire.terms, wire.bias, shape)
        if kind == "Delay":
            return self.delayed(node, wire)
        connectivity, constant = self.linear(node, wire.shape)
        terms = tuple(
            Term(t.source, connectivity, self.spread_delay(t.delay, connectivity), node)
            for t in self.direct(node, wire).terms
        )
        bias = constant
        if wire.bias is not None:
            pushed = _apply(connectivity, wire.bias)
            bias = pushed if bias is None else bias + pushed
        if bias is not None and not np.any(bias):
            bias = None
        self.label(node, "exact", self.describe(connectivity, bias))
        return Wire(terms, bias, shape)

    @staticmethod
    def describe(connectivity: Connectivity, bias: Array | None) -> str:
        pre, post = connectivity.sizes()
        text = f"{connectivity.kind} connectivity {pre} -> {post}"
        return text if bias is None else f"{text}, bias passed on to what follows"

    def direct(self, node: str, wire: Wire) -> Wire:
        """The same wire with every term coming straight from a population: relays where not."""
        matrix = any(np.ndim(t.delay) and t.connectivity is None for t in wire.terms)
        dense = self.nodes[node].type in ("Linear", "Affine", "Scale")
        if all(t.connectivity is None for t in wire.terms) and (dense or not matrix):
            return wire
        sources = {t.node for t in wire.terms}
        alone = (
            len(sources) == 1 and "" not in sources and not any(np.any(t.delay) for t in wire.terms)
        )
        key = next(iter(sources)) if alone else f"{node}.sum"
        if key not in self.relays:
            population = self.free_name(self.names[key] if alone else f"{self.names[node]}.sum")
            self.relay(population, replace(wire, bias=None))
            self.relays[key] = Wire((Term(population),), None, wire.shape)
        return self.relays[key]

    def relay(self, population: str, wire: Wire) -> None:
        kinds = {self.impulse[t.source] for t in wire.terms}
        if len(kinds) > 1 and self.choices.spikes != "hold":
            raise fail("nir-mixed", population, "adds spikes and continuous values in one wire",
                       hint="say spikes='hold', which reads both alike")  # fmt: skip
        biased = wire.bias is not None
        self.populations[population] = Population(
            name=population, shape=wire.shape, model=BIASED_RELAY if biased else get_model("relay"),
            parameters={"bias": _collapse(wire.bias)} if wire.bias is not None else {},
        )  # fmt: skip
        self.impulse[population] = kinds != {False}
        for term in wire.terms:
            self.connect(term, population, "input", None)

    def delayed(self, node: str, wire: Wire) -> Wire:
        values = spread(node, "delay", self.nodes[node].fields["delay"], wire.shape)
        if np.any(values < 0):
            raise fail("nir-field", f"{node}.delay", "a delay is negative", got=values.min())
        dt = self.choices.dt or 1.0
        off = float(np.abs(np.floor(values / dt + 0.5) * dt - values).max())
        exact = off <= 1e-6 * dt
        self.label(
            node,
            "exact" if exact else "approximate",
            f"delays up to {values.max():g} s"
            + ("" if exact else f", rounded to ticks at compile by up to {off:.3g} s"),
        )
        uniform = bool(np.all(values == values[0]))
        if not uniform and not all(
            t.connectivity is None or isinstance(t.connectivity, (Dense, OneToOne))
            for t in wire.terms
        ):
            population = self.free_name(f"{self.names[node]}.in")
            self.relay(population, replace(wire, bias=None))
            wire = Wire((Term(population),), wire.bias, wire.shape)
        terms: list[Term] = []
        for t in wire.terms:
            connectivity, late = t.connectivity, t.delay
            if uniform:
                late = late + float(values[0])
            elif connectivity is None:
                late = late + values
            else:
                extra = values[:, None] if isinstance(connectivity, Dense) else values
                if isinstance(connectivity, OneToOne):
                    connectivity = _per_pair(connectivity)
                late = np.broadcast_to(late + extra, connectivity.delay_shape()).copy()
            terms.append(replace(t, delay=late, connectivity=connectivity))
        return Wire(tuple(terms), wire.bias, wire.shape)

    @staticmethod
    def spread_delay(delay: Any, connectivity: Connectivity) -> Any:
        """One delay per source as one per synapse."""
        if not np.ndim(delay):
            return delay
        if isinstance(connectivity, Dense):
            return np.broadcast_to(delay[None, :], connectivity.weights.shape).copy()
        return delay  # one to one; direct() has put a relay before everything else

    def linear(self, node: str, given: Shape) -> tuple[Connectivity, Array | None]:
        """Connectivity and bias of a linear node."""
        kind, f, shape = self.nodes[node].type, self.nodes[node].fields, self.shapes[node]
        if kind == "Linear":
            return Dense(f["weight"]), None
        if kind == "Affine":
            return Dense(f["weight"]), spread(node, "bias", f["bias"], shape)
        if kind == "Scale":
            return OneToOne(spread(node, "scale", f["scale"], shape), prod(shape)), None
        arguments = geometry(self.nodes[node], given)
        if kind in ("SumPool2d", "AvgPool2d"):
            return Pool(**arguments), None
        connectivity = Conv(**arguments)
        channels = spread(node, "bias", f["bias"], (shape[0],))
        return connectivity, np.repeat(channels, prod(shape[1:]))

    # -- populations ----------------------------------------------------------------------------
    def free_name(self, wanted: str) -> str:
        taken = {
            *self.populations,
            *(
                self.names[n]
                for n in self.nodes
                if n in self.wires and self.nodes[n].type in (*STATEFUL, "Threshold")
            ),
        }
        name, number = wanted, 2
        while name in taken:
            name, number = f"{wanted}.{number}", number + 1
        return name

    def add_input(self, node: str) -> None:
        name, signal = self.names[node], self.choices.signal
        chosen: Signal = signal if signal in ("graded", "continuous") else "spike"
        self.populations[name] = Population(name=name, shape=self.shapes[node], signal=chosen)
        self.impulse[name] = chosen != "continuous"
        self.wires[node] = Wire((Term(name),), None, self.shapes[node])
        self.label(node, "exact", f"{prod(self.shapes[node])} sources of signal '{chosen}' (option"
                   " signal; NIR does not say what an input carries)")  # fmt: skip

    def add_neuron(self, node: str) -> None:
        name, wire = self.names[node], self.into(node)
        made = neuron(self.nodes[node], self.shapes[node], self.choices)
        parameters = {k: _collapse(v) for k, v in made.parameters.items()}
        initial: dict[str, Any] = {}
        lock = made.lock
        if wire.bias is not None:
            more, initial, locks = bias_parameters(made, wire.bias)
            parameters.update({k: _collapse(v) for k, v in more.items()})
            initial = {k: _collapse(v) for k, v in initial.items()}
            lock = lock or locks
        self.populations[name] = Population(
            name=name, shape=self.shapes[node], model=made.model, parameters=parameters,
            initial=initial, dt=self.choices.dt if lock else None, method=made.method,
        )  # fmt: skip
        for term in wire.terms:
            port, factor = made.hold, None
            if self.impulse[term.source] and made.jump is not None:
                port, factor = made.jump, made.factor
            self.connect(term, name, port, factor)
        self.label(node, made.severity, made.message)

    def connect(self, term: Term, target: str, port: str, factor: Array | None) -> None:
        """One projection, its weights times ``factor`` per target."""
        size = self.populations[target].size
        connectivity = term.connectivity or OneToOne(np.array(1.0), size)
        if np.ndim(term.delay) and isinstance(connectivity, OneToOne):
            connectivity = _per_pair(connectivity)
        delay: Any = term.delay
        if factor is not None and np.any(factor != 1):
            scaled = _scaled(connectivity, factor)
            if scaled is None:
                relay = self.free_name(f"{target}.{self.names[term.node]}")
                wire = Wire((term,), None, self.populations[target].shape)
                self.relay(relay, wire)
                connectivity, delay = OneToOne(factor, size), 0.0
                term = Term(relay)
            else:
                connectivity = scaled
        tick = self.choices.delays == "tick" and self.populations[target].model is not None
        relay_target = self.nodes.get(target) is None and port == "input"
        if tick and not relay_target:
            delay = None if not np.any(delay) else delay + (self.choices.dt or 0.0)
        base = self.names[term.node] if term.node else f"{term.source}->{target}"
        taken = {p.name for p in self.projections}
        name, number = base, 2
        if name in taken:
            base = name = f"{base}:{term.source}->{target}"
        while name in taken:
            name, number = f"{base}:{number}", number + 1
        self.projections.append(
            Projection(name=name, source=term.source, target=target, connectivity=connectivity,
                       port=port, delay=delay)
        )  # fmt: skip

    def output(self, node: str) -> list[str]:
        """The populations an Output node shows."""
        wire = self.into(node)
        if not wire.terms:
            self.label(node, "warning", "nothing leads to it")
            return []
        plain = wire.bias is None and all(
            t.connectivity is None and not np.any(t.delay) for t in wire.terms
        )
        if plain and len(wire.terms) == 1:
            self.label(node, "exact", f"shows population {wire.terms[0].source}")
            return [wire.terms[0].source]
        population = self.free_name(self.names[node])
        self.relay(population, wire)
        self.label(node, "exact", "shows a sum, sent by a relay")
        return [population]

    # -- loops ----------------------------------------------------------------------------------
    def choose_late(self) -> None:
        """Give one tick to the projections that close a loop of zero delays."""
        direct: dict[str, list[int]] = {name: [] for name in self.populations}
        for k, p in enumerate(self.projections):
            if p.immediate:
                direct[p.source].append(k)
        state: dict[str, int] = {}
        late: list[int] = []
        roots = [n for n, p in self.populations.items() if p.is_input] + list(self.populations)
        for root in roots:
            if state.get(root):
                continue
            state[root] = 1
            stack = [(root, iter(direct[root]))]
            while stack:
                node, rest = stack[-1]
                k = next(rest, None)
                if k is None:
                    state[node] = 2
                    stack.pop()
                    continue
                target = self.projections[k].target
                if state.get(target) == 1:
                    late.append(k)
                elif not state.get(target):
                    state[target] = 1
                    stack.append((target, iter(direct[target])))
        for k in late:
            p = self.projections[k]
            one = p.source == p.target
            delay: Any = None
            if isinstance(p.delay, np.ndarray):
                delay = np.where(p.delay == 0, self.choices.dt or 0.0, p.delay)
            self.projections[k] = replace(p, delay=delay)
            self.issues.append(
                Issue(code="nir-loop-delay", severity="exact" if one else "approximate",
                      where=p.name,
                      message="closes a loop, so it carries the last tick's output"
                      + ("" if one else "; which connection of this loop is late is a choice, made"
                         " in order from the inputs"))
            )  # fmt: skip


def _legal_names(names: list[str]) -> dict[str, str]:
    """Node names as population names: other characters become _, clashes get a number."""
    found: dict[str, str] = {}
    for name in names:
        parts = [re.sub(r"[^A-Za-z0-9_\-]", "_", p) for p in name.split(".")]
        legal = ".".join(p for p in parts if p)[:180] or "node"
        legal = f"_{legal}" if legal.startswith("-") else legal
        base, number = legal, 2
        while legal in found.values():
            legal, number = f"{base}_{number}", number + 1
        found[name] = legal
    return found


def _collapse(values: Any) -> Any:
    """One number where all are equal."""
    array = np.asarray(values, np.float64)
    return float(array.ravel()[0]) if array.size and np.all(array == array.ravel()[0]) else array


def _per_pair(connectivity: OneToOne) -> OneToOne:
    weights = np.broadcast_to(connectivity.weights, (connectivity.n,))
    return OneToOne(weights, connectivity.n)


def _apply(connectivity: Connectivity, values: Array) -> Array:
    synapses = connectivity.synapses()
    result = np.zeros(connectivity.sizes()[1])
    np.add.at(result, synapses.post, synapses.weight * values[synapses.pre])
    return result


def _scaled(connectivity: Connectivity, factor: Array) -> Connectivity | None:
    """Weights times one factor per target; None where this kind of connectivity cannot say it."""
    same = bool(np.all(factor == factor.ravel()[0]))
    one = float(factor.ravel()[0])
    if isinstance(connectivity, Dense):
        return Dense(connectivity.weights * (one if same else factor[:, None]))
    if isinstance(connectivity, OneToOne):
        return OneToOne(connectivity.weights * (one if same else factor), connectivity.n)
    if isinstance(connectivity, Conv) and same:
        return connectivity.with_weights(connectivity.weights * one)
    if isinstance(connectivity, Pool) and same:
        return replace(connectivity, weight=connectivity.weight * one)
    return None

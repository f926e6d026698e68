"""From a Network to a NIR file that other tools load, with Ranvier's own record beside it.

Populations become neuron nodes, projections the linear node between two of them. What NIR cannot
say goes whole into one JSON string, metadata key ``ranvier``; each loss for other tools is an
Issue.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import Issue, RanvierError, fail
from ranvier.frontends._nir_choices import STATEFUL
from ranvier.frontends._nir_models import BIASED_RELAY, MODELS
from ranvier.frontends._nir_record import Stored, record
from ranvier.frontends._nir_shapes import NEURON_FIELDS, Shape
from ranvier.frontends._nir_spikes import convention, held, impulses, reading
from ranvier.network import (
    Conv,
    Dense,
    Distribution,
    Network,
    OneToOne,
    Pool,
    Population,
    Projection,
)
from ranvier.neurons import get as get_model
from ranvier.neurons import with_reset, with_threshold

__all__ = ["write_file"]

MAX_DENSE = 2**27
"""Weights a list of synapses may be spread to when NIR has no other way to say it."""
LAYOUT = "1.0.8"
"""The version of the ``nir`` package whose layout is written."""

Array = NDArray[Any]
Node = dict[str, Any]


def write_file(network: Network, path: Path, **options: Any) -> list[Issue]:
    """Write atomically; raises RanvierError when NIR has no node for a model, or on a full disk."""
    writer = _Writer(network, options)
    data = writer.bytes()
    if not path.parent.is_dir():
        raise fail("no-such-directory", str(path), "the directory to write into does not exist",
                   got=str(path.parent), hint=f"make it first: mkdir -p {path.parent}")  # fmt: skip
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise fail(
            "cannot-write", str(path),
            f"could not be written ({error.strerror or error}); what was there is unchanged",
            hint="free some disk space, or write elsewhere",
        ) from error  # fmt: skip
    return writer.issues


def nir_type(population: Population) -> str | None:
    """The NIR node for a population's model, whatever its reset; None if there is none."""
    model = population.model
    if model is None:
        return "Input"
    if model.name == "relay" and model == get_model("relay"):
        return "Scale"
    if model == BIASED_RELAY:
        return "Scale"
    for kind, name in MODELS.items():
        base = get_model(name)
        if model.name in (name, f"{name}_many") and (
            model.equations == base.equations
            and [p.name for p in model.parameters] == [p.name for p in base.parameters]
            and [(p.name, p.variable, p.kind) for p in model.ports]
            == [(p.name, p.variable, p.kind) for p in base.ports]
        ):
            return kind
    return None


def small(values: Any) -> Array:
    """float32 where that loses nothing (what other tools compute in), else float64."""
    array = np.ascontiguousarray(values, np.float64)
    with np.errstate(over="ignore"):
        half = array.astype(np.float32)
    return half if np.array_equal(half.astype(np.float64), array) else array


class _Writer:
    def __init__(self, network: Network, options: Mapping[str, Any]) -> None:
        self.network = network
        self.nodes: dict[str, Node] = {}
        self.edges: list[tuple[str, str]] = []
        self.issues: list[Issue] = []
        self.stored: dict[str, Stored] = {}
        self.flats: dict[str, str] = {}
        kinds = {p.name: nir_type(p) for p in network.populations}
        refused = [
            Issue(code="nir-no-node", severity="refused", where=p.name,
                  message="NIR has no node for this neuron model",
                  got=p.model.name if p.model else "", limit=", ".join(MODELS.values()),
                  hint=("save the network as a bundle instead: network.save('model.rvn')",))
            for p in network.populations if kinds[p.name] is None
        ]  # fmt: skip
        if refused:
            raise RanvierError(*refused)
        self.kinds: dict[str, str] = {n: str(k) for n, k in kinds.items()}
        self.sends = impulses(network, self.kinds)
        self.convention = convention(network, self.kinds, options)
        self.shapes = {p.name: self.written_shape(p) for p in network.populations}
        carriers = self.carriers()
        for population in network.populations:
            self.add_population(population, population.name in carriers.values())
        for index, projection in enumerate(network.projections):
            self.add_projection(index, projection, carriers.get(projection.name) is not None)
        for name in network.outputs:
            wanted = "output" if len(network.outputs) == 1 else f"output.{name}"
            node = self.free(wanted)
            self.nodes[node] = {"type": "Output", "shape": np.array(self.shapes[name])}
            self.edges.append((name, node))
        self.splice()
        self.issues.append(reading(network, self.kinds, self.convention))
        if network.probes:
            self.note("probes", "exact", "probes are kept in the record, other tools have none")

    def note(self, where: str, severity: Any, message: str) -> None:
        self.issues.append(
            Issue(code="nir-export", severity=severity, where=where, message=message)
        )

    def free(self, wanted: str) -> str:
        base = wanted.replace("/", "_").strip() or "node"
        base = base if base.strip(".") else "node"
        taken = {*self.nodes, *(p.name for p in self.network.populations)}
        name, number = base, 2
        while name in taken:
            name, number = f"{base}.{number}", number + 1
        return name

    # -- populations ----------------------------------------------------------------------------
    def written_shape(self, population: Population) -> Shape:
        """Flat where only lists of neurons meet it: NIR can flatten, not the other way."""
        if population.is_input or len(population.shape) == 1:
            return population.shape
        name = population.name
        shaped = (Conv, Pool, OneToOne)
        meets = any(
            isinstance(p.connectivity, shaped) and name in (p.source, p.target)
            for p in self.network.projections
        )
        return population.shape if meets else (population.size,)

    def carriers(self) -> dict[str, str]:
        """Projection that carries the bias of each biased population, as its node can."""
        found: dict[str, str] = {}
        for population in self.network.populations:
            bias = population.parameters.get("bias", 0.0)
            if not np.any(bias) or self.kinds[population.name] == "Threshold":
                continue
            for p in self.network.projections:
                c = p.connectivity
                if p.target != population.name:
                    continue
                if isinstance(c, Dense) or (
                    isinstance(c, Conv)
                    and _per_channel(c, bias) is not None
                    and _per_channel(c, self.bias_field(p.target)) is not None
                    and self.uniform(p)
                ):
                    found[p.name] = population.name
                    break
        return found

    def add_population(self, population: Population, carried: bool) -> None:
        name, kind, shape = (
            population.name,
            self.kinds[population.name],
            self.shapes[population.name],
        )
        if kind == "Input":
            self.nodes[name] = {"type": "Input", "shape": np.array(shape)}
            if population.signal != "spike":
                self.note(
                    name, "info", f"the input's signal ({population.signal}) is recorded only"
                )
            return
        parameters, model = population.parameters, population.model
        assert model is not None
        if kind == "Scale":
            self.nodes[name] = {"type": "Scale", "scale": small(np.ones(shape))}
            if np.any(parameters.get("bias", 0.0)) and not carried:
                self.note(name, "approximate", "its bias is recorded only")
            return
        required, optional = NEURON_FIELDS[kind]
        node: Node = {"type": kind}
        for field in (*required, *optional):
            value = parameters[field]
            node[field] = small(np.broadcast_to(np.ravel(value), (prod(shape),)).reshape(shape))
            if np.ndim(value):
                self.stored[f"populations/{name}/parameters/{field}"] = (name, field, None)
        self.nodes[name] = node
        lost = _lost(population, kind)
        if np.any(parameters.get("bias", 0.0)) and not carried:
            lost.append("its bias, which no linear node leads to")
        if lost:
            self.note(name, "approximate", "other tools will not see " + "; ".join(lost))
        else:
            self.note(name, "exact", f"{kind} node")

    def factor(self, p: Projection) -> tuple[Array | None, bool]:
        """What a reader multiplies the projection's weights by, and whether that is all."""
        return self.convention.factor(
            self.network.population(p.target), self.kinds[p.target], p.port, self.sends[p.source]
        )

    def uniform(self, p: Projection) -> bool:
        factor = self.factor(p)[0]
        return factor is None or factor.ndim == 0

    def bias_field(self, target: str) -> Array:
        """The bias in the unit of what the linear node sends."""
        population = self.network.population(target)
        bias = np.broadcast_to(population.parameters["bias"], (population.size,))
        kind = self.kinds[target]
        if kind.startswith("Cuba"):
            return bias / population.parameters["w_in"]
        if kind in STATEFUL and self.convention.of(kind) == "jump":
            dt, method = self.convention.tick(population), population.method or "exact"
            return bias * held(kind, population.parameters, method, dt)
        return bias

    def splice(self) -> None:
        """Take plain relays out again: what comes in goes straight to where it goes out."""
        for population in self.network.populations:
            name, model = population.name, population.model
            if model is None or self.kinds[name] != "Scale" or model == BIASED_RELAY:
                continue
            before = [a for a, b in self.edges if b == name]
            after = [b for a, b in self.edges if a == name]
            joined = [(a, b) for a in before for b in after]
            if not joined or name in before or set(joined) & set(self.edges):
                continue
            del self.nodes[name]
            self.edges = [e for e in self.edges if name not in e] + joined

    # -- projections ----------------------------------------------------------------------------
    def add_projection(self, index: int, p: Projection, carries: bool) -> None:
        c, source = p.connectivity, self.network.population(p.source)
        begin, shape = p.source, self.shapes[p.source]
        lost: list[str] = []
        flat_in = not isinstance(c, (Conv, Pool)) and not (
            isinstance(c, OneToOne) and shape == self.shapes[p.target]
        )
        if flat_in and len(shape) > 1:
            begin, shape = self.flat(begin, shape), (source.size,)
        if isinstance(p.delay, Distribution):
            lost.append("its delays, drawn for every synapse")
        elif p.delay is not None and np.any(p.delay):
            if np.ndim(p.delay) == 0 or isinstance(c, OneToOne):
                node = self.free(f"{p.name}.delay")
                values = np.broadcast_to(np.asarray(p.delay), (source.size,)).reshape(shape)
                self.nodes[node] = {"type": "Delay", "delay": small(values)}
                self.edges.append((begin, node))
                begin = node
                if np.ndim(p.delay):
                    self.stored[f"projections/{index}/delay"] = (node, "delay", None)
            else:
                lost.append("its delays, one per synapse")
        elif p.delay is None:
            lost.append("its delay of one tick")
        node = self.free(p.name)
        bias = self.bias_field(p.target) if carries else None
        out = self.linear(node, index, p, bias, lost)
        self.edges.append((begin, node))
        if out[0] != node:
            self.edges.append((node, out[0]))
        end, out_shape = out
        wanted = self.shapes[p.target]
        if out_shape != wanted and len(wanted) == 1 and len(out_shape) > 1:
            end = self.flat(end, out_shape)
        elif out_shape != wanted:
            lost.append(f"that {out_shape} is the shape {wanted}: read with type_check=False")
        self.edges.append((end, p.target))
        if isinstance(c, (Conv, Pool)) and c.input_shape != shape:
            lost.append(f"that {shape} is the shape {c.input_shape}: read with type_check=False")
        kernel = c.weights.shape[2:] if isinstance(c, Conv) else ()
        if isinstance(c, Conv) and (c.groups > 1 or len(set(kernel)) > 1):
            lost.append("its shape right: nir 1.0.8 checks grouped and non-square convolutions "
                        "wrongly, read with type_check=False")  # fmt: skip
        if lost:
            self.note(p.name, "approximate", "other tools will not see " + "; ".join(lost))
        else:
            self.note(p.name, "exact", f"{self.nodes[node]['type']} node")

    def flat(self, node: str, shape: Shape) -> str:
        if node not in self.flats:
            name = self.flats[node] = self.free(f"{node}.flat")
            self.nodes[name] = {"type": "Flatten", "start_dim": np.int64(0),
                                "end_dim": np.int64(-1), "input_type": np.array(shape)}  # fmt: skip
            self.edges.append((node, name))
        return self.flats[node]

    def linear(
        self, node: str, index: int, p: Projection, bias: Array | None, lost: list[str]
    ) -> tuple[str, Shape]:
        """Add the node (or two) of a projection; returns its last node and the shape it sends."""
        c, where = p.connectivity, f"projections/{index}/connectivity/weights"
        factor, same = self.factor(p)
        if not same:
            lost.append(f"its spikes in the same tick: port '{p.port}' of a synapse as "
                        f"spikes='{self.convention.spikes}'")  # fmt: skip
        by = np.ones(()) if factor is None else factor
        if isinstance(c, OneToOne):
            shape = self.shapes[p.target]
            weights = np.broadcast_to(c.weights / by, (c.n,)).reshape(shape)
            self.nodes[node] = {"type": "Scale", "scale": small(weights)}
            if c.weights.ndim:
                self.stored[where] = (node, "scale", factor)
            return node, shape
        if isinstance(c, (Conv, Pool)) and _symmetric(c):
            each = by.ndim > 0
            pads = np.array([pair[0] for pair in np.array(c.padding).reshape(-1, 2)])
            if isinstance(c, Conv):
                axes = len(c.output_shape) - 1
                stride, dilation = np.array(c.stride), np.array(c.dilation)
                size = np.array(c.input_shape[1:])
                channel = None if bias is None else _per_channel(c, bias)
                constant = np.zeros(c.weights.shape[0]) if channel is None else channel
                one = axes == 1
                self.nodes[node] = {
                    "type": f"Conv{axes}d", "bias": small(constant),
                    "weight": small(c.weights if each else c.weights / by),
                    "stride": stride[0] if one else stride,
                    "padding": pads[0] if one else pads,
                    "dilation": dilation[0] if one else dilation,
                    "input_shape": size[0] if one else size,
                    "groups": np.int64(c.groups),
                }  # fmt: skip
                self.stored[where] = (node, "weight", None if each else factor)
                return (self.scaled(p, c, 1 / by) if each else node), c.output_shape
            if len(c.output_shape) == 3:
                kind = "SumPool2d" if c.mode == "sum" else "AvgPool2d"
                self.nodes[node] = {"type": kind, "kernel_size": np.array(c.kernel),
                                    "stride": np.array(c.stride), "padding": pads}  # fmt: skip
                if np.all(c.weight == by):
                    return node, c.output_shape
                return self.scaled(p, c, c.weight / by), c.output_shape
        matrix = c.weights if isinstance(c, Dense) else self.dense(p)
        matrix = matrix / by.reshape(-1, *[1] * by.ndim)
        if not isinstance(c, Dense):
            lost.append(f"that it is {c.kind}: it is spread to a full matrix")
        self.nodes[node] = {"type": "Linear", "weight": small(matrix)}
        if isinstance(c, Dense):
            self.stored[where] = (node, "weight", factor)
        if bias is not None:
            self.nodes[node] = {**self.nodes[node], "type": "Affine", "bias": small(bias)}
        return node, (matrix.shape[0],)

    def scaled(self, p: Projection, c: Conv | Pool, values: Any) -> str:
        node = self.free(f"{p.name}.scale")
        full = np.broadcast_to(np.ravel(values), (prod(c.output_shape),)).reshape(c.output_shape)
        self.nodes[node] = {"type": "Scale", "scale": small(full)}
        return node

    def dense(self, p: Projection) -> Array:
        n_pre, n_post = p.connectivity.sizes()
        if n_pre * n_post > MAX_DENSE:
            raise RanvierError(
                Issue(code="nir-no-node", severity="refused", where=p.name,
                      message=f"NIR has no node for {p.connectivity.kind} connectivity, and a full "
                      "matrix would be too large", got=f"{n_post} x {n_pre}",
                      limit=f"{MAX_DENSE} weights",
                      hint=("save the network as a bundle: network.save('model.rvn')",))
            )  # fmt: skip
        matrix = np.zeros((n_post, n_pre))
        synapses = p.connectivity.synapses()
        np.add.at(matrix, (synapses.post, synapses.pre), synapses.weight)
        return matrix

    # -- bytes ----------------------------------------------------------------------------------
    def bytes(self) -> bytes:
        """The HDF5 file, made in memory so that a full disk leaves nothing."""
        import h5py

        text = h5py.string_dtype()
        note = record(self.network, self.nodes, self.edges, self.stored)
        with h5py.File("new.nir", "w", driver="core", backing_store=False) as file:
            file.create_dataset("version", data=LAYOUT, dtype=text)
            graph = file.create_group("node")
            graph.create_dataset("type", data="NIRGraph", dtype=text)
            edges = np.array(self.edges, dtype=object).reshape(-1, 2)
            graph.create_dataset("edges", data=edges, dtype=text)
            graph.create_group("metadata").create_dataset("ranvier", data=note, dtype=text)
            nodes = graph.create_group("nodes")
            for name, fields in self.nodes.items():
                group = nodes.create_group(name)
                for field, value in fields.items():
                    if isinstance(value, str):
                        group.create_dataset(field, data=value, dtype=text)
                    else:
                        big = np.size(value) > 64
                        group.create_dataset(field, data=value, compression="gzip" if big else None)
            file.flush()
            return file.id.get_file_image()


def _symmetric(c: Conv | Pool) -> bool:
    return all(low == high for low, high in np.array(c.padding).reshape(-1, 2))


def _per_channel(c: Conv, bias: Any) -> Array | None:
    """One bias a channel, or None where it differs within one."""
    channels = c.output_shape[0]
    rows = np.broadcast_to(np.ravel(bias), (prod(c.output_shape),)).reshape(channels, -1)
    if not _symmetric(c) or np.any(rows != rows[:, :1]):
        return None
    return rows[:, 0]


def _lost(population: Population, kind: str) -> list[str]:
    """What of a neuron NIR has no field for."""
    model, parameters = population.model, population.parameters
    assert model is not None
    lost: list[str] = []
    if model.name.endswith("_many"):
        lost.append("that it sends several spikes a tick")
    elif model.threshold and kind != "Threshold":
        base = get_model(model.name)
        plain = with_threshold(model, comparison=">")
        if plain.threshold != model.threshold:
            lost.append("the comparison >=")
        if plain.reset == with_reset(base, "subtract").reset:
            lost.append("the reset by subtraction")
        elif plain.reset != base.reset:
            lost.append(f"the reset {', '.join(model.reset) or 'none'}")
        if model.reset_delay:
            lost.append("that the reset is one tick late")
    elif kind == "Threshold":
        if ">=" in (model.threshold or ""):
            lost.append("the comparison >=")
        if np.any(parameters.get("bias", 0.0)):
            lost.append("its bias")
    if np.any(parameters.get("t_ref", 0.0)):
        lost.append("the refractory time")
    shifted = kind.startswith("Cuba") and set(population.initial) == {"i"} and np.array_equal(
        population.initial["i"], -np.asarray(parameters["bias"])
    )  # fmt: skip
    if kind.startswith("Cuba") and np.any(parameters["bias"]) and not shifted:
        lost.append("its bias from the first tick: it comes through the synapse")
    if population.initial and not shifted:
        lost.append("the initial state")
    if population.dt is not None:
        lost.append(f"dt = {population.dt:g} s")
    if population.method is not None:
        lost.append(f"the integrator {population.method}")
    return lost

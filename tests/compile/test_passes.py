"""Passes one by one: golden text, folding, METIS, annealing."""

# pyright: reportArgumentType=false, reportPrivateUsage=false

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import chips, sim
from ranvier.chips import Chip
from ranvier.compile import Draft, Legalise, Partition, Place, Program, Quantise, Route, compile
from ranvier.compile._cores import Connections
from ranvier.compile.partition import multicast_cost
from ranvier.compile.place import _anneal, traffic_matrix
from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.network import Conv, Dense, Network, OneToOne, Pool, Population, Projection, Sparse

GOLDEN = Path(__file__).parent / "golden"
REGENERATE = os.environ.get("RANVIER_REGENERATE_GOLDEN")
"""Set it to write the expected texts anew; then read the difference."""


def grid(*shape: int) -> np.ndarray:
    """Weights that are the same on every machine: no random numbers, exact in binary."""
    return ((np.arange(np.prod(shape)) * 7) % 11 - 3).reshape(shape) / 16


def exact_network() -> Network:
    return Network(
        name="golden",
        populations=(
            nets.source("in", (1, 6, 6)),
            nets.lif("maps", (2, 4, 4)),
            Population(name="pool", shape=(2, 2, 2), model="relay"),
            nets.lif("out", 3),
        ),
        projections=(
            nets.join("in", "maps", Conv(grid(2, 1, 3, 3), (1, 6, 6))),
            Projection(source="maps", target="pool", connectivity=Pool((2, 4, 4), 2), delay=0.0),
            nets.join("pool", "out", Dense(grid(3, 8)), delay=2e-3),
            nets.join("out", "out", OneToOne(-0.25, 3), delay=2.6e-3),
        ),
        outputs=("out",),
    )


@pytest.mark.parametrize("name", ["loihi1", "spinnaker1", "ideal"])
def test_golden_texts(name: str) -> None:
    chip = chips.get(name) if name == "ideal" else nets.small_chip(name)
    network = exact_network()
    drafts: dict[str, Draft] = {}

    def between(step: str, before: Draft, after: Draft | Program) -> None:
        if isinstance(after, Draft):
            drafts[step] = after

    program = compile(network, chip, dt=1e-3, between=between)
    assert list(drafts) == ["legalise", "quantise", "update", "partition", "place", "route"]
    text = "\n".join(
        [
            network.to_text(),
            f"-- legalised\n{drafts['legalise'].network.to_text()}",
            f"-- quantised, partitioned, placed and routed\n{drafts['route'].to_text()}",
            f"-- program\n{_summary(program)}",
        ]
    )
    file = GOLDEN / f"{name}.txt"
    if REGENERATE:
        file.write_text(text)
    assert text == file.read_text()


def _summary(program: Program) -> str:
    lines = [
        f"block {b.population} core {b.core} slots {b.start}..{b.start + b.n - 1} ring {b.ring}"
        for b in program.blocks
    ]
    lines += [f"input {i.population} slots {i.start}..{i.start + i.n - 1}" for i in program.inputs]
    lines += [f"{key} {value:g}" for key, value in program.quantities.items()]
    lines += [f"{key} {column.tolist()}" for key, column in program.ledger.items()]
    lines += [f"{key} {column.sum():g}" for key, column in program.tables.items()]
    return "\n".join(lines) + "\n"


# -- relays -----------------------------------------------------------------------------------
@settings(max_examples=15)
@given(seed=st.integers(0, 999))
def test_folded_relays_send_the_same(seed: int) -> None:
    """Weights are multiples of 1/16, so sums are exact and the spikes must be equal."""
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        return rng.integers(-6, 12, shape) / 16

    delay = [float(d) * 1e-3 for d in rng.integers(0, 3, 4)]
    network = Network(
        populations=(
            nets.source("in", (1, 4, 4)),
            Population(name="pool", shape=(1, 2, 2), model="relay"),
            Population(name="flat", shape=4, model="relay"),
            nets.lif("a", 5),
            nets.lif("b", 4),
        ),
        projections=(
            Projection(source="in", target="pool", connectivity=Pool((1, 4, 4), 2), delay=delay[0]),
            Projection(source="pool", target="flat", connectivity=OneToOne(1.0, 4), delay=delay[1]),
            Projection(source="in", target="flat", connectivity=Dense(weights(4, 16)), delay=0.0),
            nets.join("flat", "a", Dense(weights(5, 4)), delay=1e-3 + delay[2]),
            nets.join("pool", "b", Dense(weights(4, 4)), delay=1e-3 + delay[3]),
            nets.join("a", "b", Dense(weights(4, 5)), delay=None),
        ),
        outputs=("a", "b"),
    )
    whole = compile(network, "ideal", dt=1e-3)
    folding = replace(chips.get("ideal"), min_delay=1)
    folded = compile(network, folding, dt=1e-3, passes=(Legalise(), Quantise()))
    assert {b.population for b in folded.blocks} == {"a", "b"}
    assert sum(i.code == "relay-folded" for i in folded.issues) == 2
    stimulus = nets.stimulus(16, 40, seed=seed)
    a, b = sim.run(whole, stimulus), sim.run(folded, stimulus)
    for name in "ab":
        assert a.output(name).same_as(b.output(name))
    assert folded.network_hash == network.hash


def test_relays_that_cannot_be_folded_are_told() -> None:
    def relayed(first: Any, second: Any, *more: Projection) -> Network:
        return Network(
            populations=(
                nets.source("in", 2),
                Population(name="r", shape=2, model="relay"),
                nets.lif("a", 2),
            ),
            projections=(
                Projection(source="in", target="r", connectivity=OneToOne([1, 1], 2), delay=first),
                nets.join("r", "a", OneToOne([1, 1], 2), delay=second),
                *more,
            ),
            outputs=("a",),
        )

    loop = Projection(source="r", target="r", connectivity=OneToOne(0.5, 2), delay=1e-3)
    for network, message in (
        (relayed(None, None), "when one is 'one tick'. give one of them delay=0"),
        (relayed([1e-3, 2e-3], 0.0), "a relay with unequal delays cannot be folded"),
        (relayed(0.0, None, loop), "a linear relay that feeds itself cannot be folded"),
    ):
        with pytest.raises(RanvierError) as caught:
            compile(network, "loihi1", dt=1e-3)
        assert message in str(caught.value)
    compile(relayed(0.0, None), "loihi1", dt=1e-3)
    seen = relayed(0.0, None).replace(outputs=("r", "a"))
    with pytest.raises(RanvierError, match="Intel Loihi 1 has no relay neuron"):
        compile(seen, "loihi1", dt=1e-3)


# -- partition --------------------------------------------------------------------------------
def draft(network: Network, chip: Chip, *, seed: int = 0) -> Draft:
    made = Draft(network=network, chip=chip, dt=1e-3, seed=seed)
    return Quantise().apply(Legalise().apply(made))


def clustered(seed: int = 0) -> Network:
    """Eight groups of eight, densely joined inside, in an order that hides them."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(64)
    pre, post = (
        order[a.ravel()]
        for a in np.broadcast_arrays(np.arange(64).reshape(8, 8, 1), np.arange(64).reshape(8, 1, 8))
    )
    few = rng.integers(0, 64, (2, 20))
    pre, post = np.concatenate([pre, few[0]]), np.concatenate([post, few[1]])
    weights = rng.uniform(0.1, 0.4, pre.size)
    return Network(
        populations=(nets.source("in", 64), nets.lif("a", 64)),
        projections=(
            nets.join("in", "a", OneToOne(1.1, 64)),
            nets.join("a", "a", Sparse(pre, post, weights, (64, 64))),
        ),
        outputs=("a",),
    )


def test_metis_finds_hidden_groups() -> None:
    before = draft(clustered(), nets.small_chip("spinnaker1", 8))
    connections = Connections(before)
    cost = {
        method: multicast_cost(connections, Partition(method=method).apply(before).cores)
        for method in ("sequential", "metis", "best")
    }
    assert cost["metis"] < 0.5 * cost["sequential"]
    assert cost["best"] == min(cost.values())


def test_every_neuron_lands_on_exactly_one_core() -> None:
    for method in ("sequential", "metis", "best"):
        for seed in range(5):
            network = nets.random_network(seed)
            chip = nets.small_chip("spinnaker1", 7)
            after = Partition(method=method, seed=seed).apply(draft(network, chip))
            for population in network.populations:
                if population.is_input:
                    continue
                pieces = [
                    p.index for c in after.cores for p in c if p.population == population.name
                ]
                assert sorted(np.concatenate(pieces).tolist()) == list(range(population.size))
                assert all(len(c) == 1 or chip.shared_cores for c in after.cores)


@pytest.mark.parametrize(
    "synapses",
    [
        ([], []),
        ([3], [3]),
        (list(range(16)), list(range(16))),
        ([0, 0, 0], [5, 5, 5]),
        ([2] * 15, list(range(15))),
        ([0, 1], [15, 14]),
    ],
    ids=["none", "one self loop", "only self loops", "multapses", "star", "mostly isolated"],
)
def test_graphs_with_hardly_an_edge(synapses: tuple[list[int], list[int]]) -> None:
    pre, post = synapses
    network = Network(
        populations=(nets.source("in", 2), nets.lif("a", 16)),
        projections=(
            nets.join("in", "a", Sparse([0], [0], [1.0], (2, 16))),
            nets.join("a", "a", Sparse(pre, post, np.full(len(pre), 0.5), (16, 16))),
        ),
        outputs=("a",),
    )
    after = Partition(method="metis").apply(draft(network, nets.small_chip("loihi1", 5)))
    covered = np.concatenate([p.index for c in after.cores for p in c])
    assert sorted(covered.tolist()) == list(range(16))
    program = compile(network, nets.small_chip("loihi1", 5), dt=1e-3)
    plain = compile(network, "loihi1", dt=1e-3)
    stimulus = Events.sorted([0, 3], [0, 0], size=2, ticks=12, dt=1e-3)
    nets.same(sim.run(program, stimulus), sim.run(plain, stimulus))


def test_activity_weighs_the_traffic() -> None:
    """A loud source should reach few cores; a silent one may reach many."""
    network, chip = clustered(), nets.small_chip("spinnaker1", 8)
    quiet = {"in": np.zeros(64), "a": np.zeros(64)}
    program = compile(network, chip, dt=1e-3, activity=quiet)
    assert program.quantities["max_link_events_per_tick"] == 0
    stimulus = nets.stimulus(64, 30)
    recording = sim.run(program, stimulus)
    again = compile(network, chip, dt=1e-3, activity=recording)
    nets.same(recording, sim.run(again, stimulus))


# -- place and route --------------------------------------------------------------------------
def cost_of(traffic: np.ndarray, distance: np.ndarray, order: np.ndarray) -> float:
    used = order[: traffic.shape[0]]
    return float((traffic * distance[np.ix_(used, used)]).sum())


@given(st.integers(2, 9), st.integers(0, 7), st.integers(0, 9999))
def test_annealing_keeps_its_books(used: int, free: int, seed: int) -> None:
    """The order it returns is a permutation whose cost, counted afresh, is what it claims."""
    rng = np.random.default_rng(seed)
    traffic = rng.uniform(0, 1, (used, used)) * (rng.random((used, used)) < 0.7)
    mesh = chips.Mesh(4, 4, 1)
    routers = [mesh.router(c) for c in range(used + free)]
    distance = np.array([[mesh.distance(a, b) for b in routers] for a in routers])
    start = np.arange(used + free)
    flow = traffic + traffic.T
    np.fill_diagonal(flow, 0)

    # Every accepted step, replayed: the sum of changes is the change of the whole cost.
    seen: list[tuple[float, float]] = []
    for steps in (1, 2, 5, 40, 300):
        order = _anneal(traffic, distance, steps, np.random.default_rng(seed))
        assert sorted(order.tolist()) == start.tolist()
        before, after = (cost_of(traffic, distance, o) for o in (start, order))
        assert after <= before + 1e-9
        seen.append((before, after))
    assert seen[-1][1] <= seen[0][0]


@given(st.integers(2, 8), st.integers(0, 6), st.integers(0, 9999))
def test_the_change_of_one_swap(used: int, free: int, seed: int) -> None:
    """One step is accepted exactly when the whole cost, counted afresh, does not rise."""
    rng = np.random.default_rng(seed)
    traffic = rng.uniform(0, 1, (used, used))
    total = used + free
    distance = rng.integers(1, 9, (total, total))
    distance = distance + distance.T
    np.fill_diagonal(distance, 0)
    order = _anneal(traffic, distance, 1, np.random.default_rng(seed))
    picks = np.random.default_rng(seed)
    i, j = int(picks.integers(0, used, 1)[0]), int(picks.integers(0, total, 1)[0])
    swapped = np.arange(total)
    swapped[[i, j]] = swapped[[j, i]]
    change = cost_of(traffic, distance, swapped) - cost_of(traffic, distance, np.arange(total))
    if abs(change) > 1e-9 and i != j:
        assert np.array_equal(order, swapped) == (change < 0)


def test_annealing_beats_a_random_placement() -> None:
    before = draft(clustered(), nets.small_chip("loihi1", 4))
    parted = Partition(method="sequential").apply(before)
    topology = chips.get("loihi1").topology
    assert topology is not None

    def cost(method: Any) -> float:
        placed = Place(method=method, seed=1).apply(parted)
        traffic = traffic_matrix(placed)
        at = [topology.router(c) for c in placed.placement]
        distance = np.array([[topology.distance(a, b) for b in at] for a in at])
        return float((traffic * distance).sum())

    assert cost("anneal") < 0.5 * cost("random")
    assert cost("anneal") <= cost("sequential")


def test_routes_count_what_a_walk_counts() -> None:
    """Hops of every source against a walk by hand, and packets against the cores it reaches."""
    network = nets.random_network(3)
    placed = Place(method="random", seed=2).apply(
        Partition().apply(draft(network, nets.small_chip("loihi1", 6)))
    )
    routed = Route(gateway=9).apply(placed)
    topology = placed.chip.topology
    assert topology is not None
    connections = Connections(placed)
    home = {}
    for core, pieces in enumerate(placed.cores):
        for piece in pieces:
            for n in piece.index + connections.first[piece.population]:
                home[int(n)] = placed.placement[core]
    pairs = {(int(a), home[int(b)]) for a, b in zip(connections.pre, connections.post, strict=True)}
    hops, packets = np.zeros(connections.size), np.zeros(connections.size)
    for source, core in pairs:
        start = topology.router(home.get(source, 9))
        hops[source] += topology.distance(start, topology.router(core))
        packets[source] += 1
    for population in network.populations:
        first = connections.first[population.name]
        cut = slice(first, first + population.size)
        table = routed.tables[population.name]
        assert np.array_equal(table["axon_out"], packets[cut])
        assert np.array_equal(table["hop_ew"] + table["hop_ns"], hops[cut])
    assert routed.ledger["synapses"].sum() == connections.post.size
    out = sum(packets[n] for n in home)
    assert routed.ledger["output axons"].sum() == out

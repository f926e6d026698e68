"""Counts by linear algebra against loops over every synapse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier import cost
from ranvier.compile import Program
from ranvier.errors import RanvierError
from ranvier.network import Network, Population, Projection, Rule

NAMES = ("in->a", "a->b", "b->a", "in->b")


@st.composite
def nets(draw: st.DrawFn) -> tuple[tuple[int, int, int], dict[str, np.ndarray]]:
    sizes = draw(st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 7)))
    size: dict[str, int] = dict(zip(("in", "a", "b"), sizes, strict=True))
    synapses: dict[str, np.ndarray] = {}
    for name in NAMES:
        source, target = name.split("->")
        pair = st.tuples(
            st.integers(0, size[source] - 1), st.integers(0, size[target] - 1), st.integers(1, 3)
        )
        pairs = draw(st.lists(pair, max_size=12))
        if pairs:
            synapses[name] = np.array(pairs)
    return sizes, synapses


def by_loops(net: Network, program: Program, counts: Any, mesh: Any) -> dict[Any, Any]:
    """Every count the slow way, from the network and the place of each neuron."""
    core_of = {}
    for block in program.blocks:
        for i, slot in enumerate(program.slots[block.population]):
            if block.start <= slot < block.start + block.n:
                core_of[block.population, i] = block.core
    windows = next(iter(counts.values())).shape[0]
    found: dict[Any, Any] = {}

    def add(name: str, window: int, where: Any, many: float) -> None:
        key = (name, window, where)
        found[key] = found.get(key, 0) + many

    for w in range(windows):
        targets: dict[tuple[str, int], set[int]] = {}
        for p in net.projections:
            pre, post, _, _ = p.connectivity.synapses()
            for i, j in zip(pre, post, strict=True):
                many = int(counts[p.source][w, i])
                core = core_of[p.target, int(j)]
                add("synaptic_op", w, p.target, many)
                add("synaptic_op", w, core, many)
                targets.setdefault((p.source, int(i)), set()).add(core)
        for (population, i), cores in targets.items():
            many = int(counts[population][w, i])
            home = core_of.get((population, i))
            start = mesh.router(home if home is not None else 0)
            for core in cores:
                x, y = mesh.router(core)
                add("axon_in", w, population, many)
                add("axon_in", w, core, many)
                add("hop_ew", w, population, many * abs(x - start[0]))
                add("hop_ns", w, population, many * abs(y - start[1]))
                if home is not None:
                    add("axon_out", w, population, many)
                    add("axon_out", w, home, many)
        for (population, i), core in core_of.items():
            add("spike", w, population, int(counts[population][w, i]))
            add("spike", w, core, int(counts[population][w, i]))
    return found


@given(net=nets(), seed=st.integers(0, 10), windows=st.integers(1, 3))
def test_counts_are_those_of_loops_over_synapses(
    toy: Any, net: Any, seed: int, windows: int
) -> None:
    sizes, synapses = net
    chip = toy.machine()
    network = toy.network(sizes, synapses)
    program = toy.place(network, chip)
    rng = np.random.default_rng(seed)
    spikes = {
        p.name: rng.integers(0, 5, (windows, p.size)).astype(np.int64) for p in network.populations
    }
    counts = cost.count(program, toy.record(program, spikes))
    expected = by_loops(network, program, spikes, chip.topology)
    for name in ("synaptic_op", "axon_in", "axon_out", "spike", "hop_ew", "hop_ns"):
        table = counts.by_population[name]
        for w in range(windows):
            for k, population in enumerate(counts.populations):
                assert table[w, k] == expected.get((name, w, population), 0), (name, population)
            if name in counts.by_core:
                for k, core in enumerate(counts.cores):
                    assert counts.by_core[name][w, k] == expected.get((name, w, core), 0), name
    updates = counts.by_population["neuron_update"].sum(1)
    assert np.array_equal(updates, counts.ticks * (sizes[1] + sizes[2]))
    assert counts.totals["input_event"] == spikes["in"].sum()


def test_two_neurons_by_hand(toy: Any) -> None:
    """One input onto neurons of two cores; one neuron back to itself with two delays."""
    net = toy.network(
        (1, 4, 1),
        {"in->a": np.array([[0, 0, 1], [0, 3, 1]]), "a->b": np.array([[1, 0, 1], [1, 0, 2]])},
    )
    program = toy.place(net, toy.machine())
    spikes = {"in": [[2]], "a": [[0, 5, 0, 1]], "b": [[3]]}
    counts = cost.count(program, toy.record(program, {k: np.array(v) for k, v in spikes.items()}))
    assert counts.totals["synaptic_op"] == 2 * 2 + 5 * 2
    assert counts.totals["spike"] == 9
    assert counts.totals["axon_out"] == 5  # two delays to one core are one packet
    assert counts.totals["neuron_update"] == 5 * 10
    assert "neuron_update_active" not in counts.totals


def test_active_updates_are_split_where_they_were_counted(toy: Any) -> None:
    net = toy.network((1, 4, 2), {"in->a": np.array([[0, 0, 1]]), "a->b": np.array([[0, 0, 1]])})
    program = toy.place(net, toy.machine())
    spikes = {n: np.zeros((2, p.size), np.int64) for n, p in ((q.name, q) for q in net.populations)}
    active = np.arange(2 * len(program.blocks)).reshape(2, -1)
    counts = cost.count(program, toy.record(program, spikes, active=active))
    assert counts.totals["neuron_update_active"] == active.sum()
    assert counts.totals["neuron_update_inactive"] == 2 * 10 * 6 - active.sum()
    for k, population in enumerate(counts.populations):
        mine = [b.population == population for b in program.blocks]
        assert counts.by_population["neuron_update_active"][1, k] == active[1, mine].sum()


def test_a_rule_is_counted_as_the_synapses_it_makes(toy: Any) -> None:
    rule = Rule("fixed_probability", 6, 5, {"p": 0.4}, 1.0, 3)
    explicit = rule.with_weights(rule.synapses().weight)
    totals = []
    for connectivity in (rule, explicit):
        net = Network(
            name="r",
            populations=(
                Population(name="in", shape=(6,)),
                Population(name="a", shape=(5,), model=toy.get("lif"), parameters=toy.LIF),
            ),
            projections=(Projection(source="in", target="a", connectivity=connectivity),),
        )
        program = toy.compile(net, "ideal", dt=1e-3)
        assert bool(program.rules) == (connectivity is rule)
        spikes = {"in": np.arange(6).reshape(1, 6), "a": np.zeros((1, 5), np.int64)}
        totals.append(cost.count(program, toy.record(program, spikes)).totals)
    assert totals[0] == totals[1]
    assert totals[0]["synaptic_op"] > 0


def test_many_synapses_are_looked_at_piece_by_piece(
    toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    pairs = np.stack([rng.integers(0, 9, 200), rng.integers(0, 9, 200), rng.integers(1, 4, 200)], 1)
    program = toy.place(toy.network((9, 9, 9), {"in->a": pairs, "a->b": pairs}), toy.machine())
    recording = toy.record(program, {n: rng.integers(0, 4, (3, 9)) for n in ("in", "a", "b")})
    at_once = cost.count(program, recording)
    monkeypatch.setattr("ranvier.cost._counts.CHUNK", 7)
    in_pieces = cost.count(program, recording)
    for name, table in at_once.by_core.items():
        assert np.array_equal(table, in_pieces.by_core[name])


def test_a_recording_of_another_program_is_refused(toy: Any) -> None:
    one = toy.place(toy.network((1, 1, 1), {"in->a": np.array([[0, 0, 1]])}), toy.machine())
    two = toy.place(toy.network((1, 1, 1), {"in->b": np.array([[0, 0, 1]])}), toy.machine())
    spikes = {n: np.zeros((1, 1), np.int64) for n in ("in", "a", "b")}
    with pytest.raises(RanvierError, match="not made with this program"):
        cost.count(two, toy.record(one, spikes))
    with pytest.raises(RanvierError, match="no spike counts"):
        cost.count(one, toy.record(one, {"in": spikes["in"]}))


def test_the_last_window_may_be_shorter(toy: Any) -> None:
    program = toy.place(toy.network((1, 1, 1), {"in->a": np.array([[0, 0, 1]])}), toy.machine())
    spikes = {n: np.zeros((3, 1), np.int64) for n in ("in", "a", "b")}
    counts = cost.count(program, toy.record(program, spikes, ticks=24))
    assert counts.ticks.tolist() == [10, 10, 4]
    assert counts.per_window["neuron_update"].tolist() == [20, 20, 8]

"""Neurons that reach each other within a tick, one to one: cut as any others, the same sums."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import rank_cases  # pyright: ignore[reportMissingImports]

from ranvier import sim
from ranvier.compile import Program, compile
from ranvier.network import (
    Network,
    OneToOne,
    Plasticity,
    Population,
    Probe,
    Projection,
    Rule,
    Sparse,
    TsodyksMarkram,
)
from ranvier.sim._layout import lay_out
from ranvier.sim._ties import instant, ties

LAW = TsodyksMarkram(u0=0.4, tau_recovery=0.1, tau_facilitation=0.05)
N = 400


def released() -> Network:
    """Two populations of N that reach both each other and themselves through release cells: the
    order of the sums of their graded spikes matters in the last bits."""
    lif = {"tau": 0.01, "bias": 1.2, "t_ref": 2e-3}
    rng = np.random.default_rng(1)

    def wired(seed: int) -> Rule:
        return Rule("fixed_indegree", N, N, {"k": 30}, 0.013, seed)

    def table() -> Sparse:
        return Sparse(rng.integers(0, N, 9 * N), rng.integers(0, N, 9 * N),
                      rng.normal(0.01, 0.05, 9 * N), (N, N))  # fmt: skip

    a = {**lif, "bias": rng.uniform(1.0, 1.4, N)}
    return Network(
        populations=(
            Population(name="a", shape=N, model="lif", parameters=a),  # type: ignore[arg-type]
            Population(name="b", shape=N, model="lif", parameters=lif),  # type: ignore[arg-type]
            Population(name="c", shape=N + 70, model="lif", parameters=lif),  # type: ignore[arg-type]
        ),
        projections=(
            Projection(source="a", target="b", port="jump", connectivity=table(), delay=2e-3,
                       short_term=LAW),
            Projection(source="a", target="a", port="jump", connectivity=wired(4), short_term=LAW),
            Projection(source="b", target="a", port="jump", connectivity=table(), short_term=LAW),
            Projection(source="b", target="a", port="jump", connectivity=wired(5), delay=3e-3,
                       name="plain"),
        ),
        outputs=("a", "b", "c"),
        probes=(Probe(population="a", variable="v"),),
    )  # fmt: skip


def chained() -> Network:
    """a to b to c within a tick, one to one, and from c back after one."""
    rng = np.random.default_rng(2)
    one = OneToOne(rng.uniform(0.3, 0.9, N), N)  # type: ignore[arg-type]
    back = Sparse(rng.integers(0, N, 8 * N), rng.integers(0, N, 8 * N),
                  rng.normal(0.0, 0.07, 8 * N), (N, N))  # fmt: skip
    bias = {"tau": 0.01, "bias": rng.uniform(0.9, 1.4, N)}
    return Network(
        populations=(
            Population(name="a", shape=N, model="lif", parameters=bias),  # type: ignore[arg-type]
            Population(name="b", shape=N, model="lif", parameters={"tau": 0.02}),  # type: ignore[arg-type]
            Population(name="c", shape=N, model="relay"),  # type: ignore[arg-type]
        ),
        projections=(
            Projection(source="a", target="b", connectivity=one, delay=0.0, port="jump"),
            Projection(source="a", target="c", connectivity=one, delay=0.0),
            Projection(source="b", target="c", connectivity=one, delay=0.0),
            Projection(source="c", target="a", connectivity=back, port="jump"),
        ),
        outputs=("a", "b", "c"),
        probes=(Probe(population="a", variable="v"),),
    )  # fmt: skip


@pytest.fixture(scope="module", params=["ideal", "ideal32"])
def program(request: pytest.FixtureRequest) -> Program:
    return compile(released(), request.param, dt=1e-3)


def test_groups(program: Program) -> None:
    groups = ties(program)
    names = [[program.blocks[k].population for k in g] for g in groups or ()]
    assert names == [["a", "a.release-1"], ["b", "b.release-1"], ["c"]]
    layout = lay_out(program, 3, [1] * 5, groups=groups)
    assert layout.parts == 3
    assert layout.tied
    assert layout.lanes == sum(len(pieces) for pieces in layout.subs)
    assert np.all(np.diff(layout.lane_at) > 0)
    assert layout.lane_at[-1] == program.neurons
    for pieces in layout.subs:
        held = {program.blocks[s.block].population: (s.first, s.n) for s in pieces}
        for name in ("a", "b"):
            assert held.get(name) == held.get(f"{name}.release-1")


def test_threads_and_engines_agree(program: Program) -> None:
    whole = sim.run(program, ticks=120, threads=1, keep_state=True)
    assert min(len(whole.output(name)) for name in "abc") > 500
    for threads in (2, 3, 5):
        session = sim.Session(program, threads=threads)
        assert session.threads == threads
        for ticks in (1, 49, 70):
            session.advance(ticks=ticks)
        assert not rank_cases.differences(session.recording(state=True), whole)
    plain = sim.run(program, ticks=120, engine="reference")
    assert all(plain.output(name).same_as(whole.output(name)) for name in "abc")


def test_checkpoint_of_one_thread_goes_on_with_three(program: Program) -> None:
    first = sim.Session(program, threads=1)
    first.advance(ticks=60)
    state = first.state()
    other = sim.Session(program, state, threads=3)
    again = other.state()
    assert all(rank_cases.same(x, again.arrays[name]) for name, x in state.arrays.items())
    for session in (first, other):
        session.advance(ticks=40)
    a, b = first.state(), other.state()
    assert all(rank_cases.same(x, b.arrays[name]) for name, x in a.arrays.items())


def test_steps_give_events_in_one_order(program: Program) -> None:
    one, three = (sim.Session(program, threads=n, record=list(program.slots)) for n in (1, 3))
    for _ in range(10):
        a, b = one.step(ticks=4), three.step(ticks=4)
        assert all(a[name].same_as(b[name]) for name in a)


def test_chains() -> None:
    program = compile(chained(), "ideal", dt=1e-3)
    assert ties(program) == [[0, 1, 2]]
    whole = sim.run(program, ticks=100, threads=1)
    assert min(len(whole.output(name)) for name in "abc") > 300
    assert not rank_cases.differences(sim.run(program, ticks=100, threads=3), whole)
    plain = sim.run(program, ticks=100, engine="reference")
    assert all(plain.output(name).same_as(whole.output(name)) for name in "abc")


def test_other_wiring_stays_whole() -> None:
    program = rank_cases.instant()
    assert instant(program)
    assert ties(program) is None
    assert sim.Session(program, threads=2).threads == 1


def test_a_rule_without_delay_arrives_in_its_tick() -> None:
    """It is drawn when compiled: rules that are drawn by the engine have delays."""
    cells = {"tau": 0.01, "bias": 1.5}
    network = Network(
        populations=(
            Population(name="a", shape=20, model="lif", parameters=cells),  # type: ignore[arg-type]
            Population(name="b", shape=20, model="relay"),  # type: ignore[arg-type]
        ),
        projections=(
            Projection(source="a", target="b", delay=0.0,
                       connectivity=Rule("fixed_indegree", 20, 20, {"k": 3}, 1.0, 1)),
        ),
        outputs=("a", "b"),
    )  # fmt: skip
    program = compile(network, "ideal", dt=1e-3)
    fast, plain = (sim.run(program, ticks=60, engine=e) for e in ("numba", "reference"))
    assert len(plain.output("b")) > 0
    assert np.array_equal(np.unique(fast.output("a").tick), np.unique(fast.output("b").tick))
    assert fast.output("b").same_as(plain.output("b"))


def test_beside_plasticity() -> None:
    """A projection that learns reads the same spikes, in the same order."""
    base = released()
    learning = [
        replace(p, plasticity=Plasticity(rule="stdp"))  # type: ignore[arg-type]
        if p.name == "plain"
        else p
        for p in base.projections
    ]
    program = compile(base.replace(projections=tuple(learning)), "ideal", dt=1e-3)
    assert program.plastic
    whole = sim.run(program, ticks=80, threads=1, keep_state=True)
    assert not rank_cases.differences(sim.run(program, ticks=80, threads=3, keep_state=True), whole)
    fixed = sim.run(compile(base, "ideal", dt=1e-3), ticks=80)
    assert not fixed.output("a").same_as(whole.output("a"))

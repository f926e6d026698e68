"""Drawn delays and weights, Poisson background, sleeping neurons: threads, engines, checkpoints."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import sim
from ranvier.compile import Program, compile, passes_from_text
from ranvier.events import Recording, State
from ranvier.network import (
    Distribution,
    Exponential,
    Network,
    Normal,
    Population,
    Rule,
    Sparse,
    Uniform,
)
from ranvier.neurons import get, with_poisson

TICKS = 70
SIZE, SMALL = 300, 140
STIMULUS = nets.stimulus(40, TICKS, rate=0.2)
KINDS = [(machine, update) for machine in ("ideal", "ideal32") for update in ("dense", "lazy")]


def network(
    rule: str = "fixed_indegree", delay: Distribution | float = 4e-3, seed: int = 0
) -> Network:
    """``e`` has a background of its own and never sleeps; ``i`` may."""
    parameters = {"fixed_probability": {"p": 0.06}, "fixed_total_number": {"n": 5000}}.get(
        rule, {"k": 15}
    )
    rng = np.random.default_rng(seed)
    n = 900
    table = Sparse(
        rng.integers(0, SIZE, n), rng.integers(0, SMALL, n), rng.normal(0.3, 0.1, n), (SIZE, SMALL)
    )
    background = {"poisson_rate": 400.0, "poisson_weight": 0.15}
    e = Population(name="e", shape=(SIZE,), model=with_poisson(get("lif")),
                   parameters={**nets.LIF, **background})  # fmt: skip
    return Network(
        populations=(nets.source("in", 40), e, nets.lif("i", (SMALL,))),
        projections=(
            nets.join("in", "e", Rule("fixed_indegree", 40, SIZE, {"k": 4}, 0.3, seed)),
            nets.join("e", "e", Rule(rule, SIZE, SIZE, parameters, Normal(0.04, 0.03), seed + 1),
                      delay=delay),
            nets.join("e", "i", table, delay=rng.integers(1, 5, n) * 1e-3),
            nets.join("e", "i", Rule("fixed_outdegree", SIZE, SMALL, {"k": 3}, Normal(0.1, 0.1),
                                     seed + 2), delay=Exponential(2e-3, low=1e-3), name="more"),
            nets.join("i", "e", Rule("fixed_probability", SMALL, SIZE, {"p": 0.1}, -0.1, seed + 3),
                      delay=Uniform(1e-3, 6e-3)),
        ),
        outputs=("e", "i"),
    )  # fmt: skip


@cache
def program(machine: str, update: str = "dense") -> Program:
    passes = [f"update.method={update}"]
    return compile(network(), machine, dt=1e-3, passes=passes_from_text(passes))


@settings(max_examples=6)
@given(
    rule=st.sampled_from(["fixed_indegree", "fixed_outdegree", "fixed_probability",
                          "fixed_total_number"]),
    delay=st.sampled_from([3e-3, Normal(4e-3, 2e-3, low=1e-3, high=9e-3), Uniform(1e-3, 8e-3),
                           Exponential(2e-3, low=1e-3)]),
    seed=st.integers(0, 2**40), single=st.booleans(),
)  # fmt: skip
def test_threads_engines_and_lists_agree(
    rule: str, delay: Distribution | float, seed: int, single: bool
) -> None:
    net, machine = network(rule, delay, seed), "ideal32" if single else "ideal"
    kept = compile(net, machine, dt=1e-3)
    listed = compile(net, machine, dt=1e-3, passes=passes_from_text(["quantise.keep_rules=false"]))
    assert kept.rules
    assert not listed.rules
    found = sim.run(kept, STIMULUS, threads=1)
    assert len(found.output("e")) > 100
    assert len(found.output("i")) > 100
    nets.same(found, sim.run(kept, STIMULUS, threads=2))
    nets.same(found, sim.run(kept, STIMULUS, engine="reference"))
    nets.same(found, sim.run(listed, STIMULUS, threads=2))


@pytest.mark.parametrize("machine", ["ideal", "ideal32"])
def test_sleeping_changes_no_spike(machine: str) -> None:
    lazy = program(machine, "lazy")
    assert "i" in [b.population for b in lazy.blocks if b.reference.get("rest")]
    found = sim.run(lazy, STIMULUS, threads=1)
    nets.same(found, sim.run(lazy, STIMULUS, threads=2))
    nets.same(found, sim.run(program(machine), STIMULUS, threads=2))
    nets.same(found, sim.run(lazy, STIMULUS, engine="reference"))


@cache
def whole(machine: str, update: str) -> Recording:
    return sim.run(program(machine, update), STIMULUS, threads=1, keep_state=True)


@pytest.mark.parametrize(("machine", "update"), KINDS)
@settings(max_examples=8)
@given(
    stops=st.sets(st.integers(0, TICKS), max_size=3), threads=st.tuples(*[st.integers(1, 2)] * 4)
)
def test_a_checkpoint_goes_on_with_any_threads(
    machine: str, update: str, stops: set[int], threads: tuple[int, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    made, expected = program(machine, update), whole(machine, update)
    state: State | None = None
    start = 0
    for stop, n in zip([*sorted(stops), TICKS], threads, strict=False):
        part = sim.session(made, state, threads=n)
        part.advance(STIMULUS.window(start, stop), ticks=stop - start)
        found = part.recording()
        for name in ("e", "i"):
            assert found.output(name).same_as(expected.output(name).window(start, stop))
        path = tmp_path_factory.mktemp("state") / "s"
        part.state().save(path)
        state, start = State.load(path), stop
    assert state is not None
    assert expected.state is not None
    assert state.arrays.keys() == expected.state.arrays.keys()
    for name, array in expected.state.arrays.items():
        assert np.array_equal(array, state.arrays[name]), name

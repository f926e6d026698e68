"""A Program for two chips joined by a bridge: each part does what it would do alone."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOptionalOperand=false

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import chips, sim
from ranvier.chips import Link
from ranvier.compile import compile, load_program
from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.network import Dense, Network, Population, Probe, Projection

STIMULUS = nets.stimulus(16, 80, rate=0.4)


def feed_forward() -> Network:
    network = nets.small_network()
    return network.replace(projections=tuple(p for p in network.projections if p.source != "o"))


def half(network: Network, mine: str) -> Network:
    """One population alone; what feeds it becomes an input."""
    projections = tuple(p for p in network.projections if p.target == mine)
    sources = {p.source for p in projections} - {mine}
    return network.replace(
        populations=tuple(
            p if p.name == mine or p.is_input else Population(name=p.name, shape=p.shape)
            for p in network.populations
            if p.name == mine or p.name in sources
        ),
        projections=projections,
        outputs=(mine,),
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [("loihi1", "spinnaker1"), ("spinnaker1", "loihi1"), ("loihi1", "loihi1"), ("ideal", "ideal"),
     ("ideal", "loihi1")],
)  # fmt: skip
def test_each_part_does_what_it_would_do_alone(first: str, second: str, tmp_path: Path) -> None:
    network = feed_forward()
    program = compile(network, f"{first}+{second}", dt=1e-3)
    assert len(program.parts) == 2
    assert [b.population for b in program.bridges] == ["h"]
    together = sim.run(program, STIMULUS)
    alone = sim.run(compile(half(network, "h"), first, dt=1e-3), STIMULUS)
    assert together.output("h").same_as(alone.output("h"))
    fed = sim.run(compile(half(network, "o"), second, dt=1e-3), {"h": alone.output("h")})
    assert len(together.output("o")) > 10
    assert together.output("o").same_as(fed.output("o"))
    program.save(tmp_path / "p.rvp")
    loaded = load_program(tmp_path / "p.rvp")
    assert loaded.hash == program.hash
    nets.same(together, sim.run(loaded, STIMULUS))


@pytest.mark.parametrize("chip", ["loihi1", "ideal"])
def test_two_of_a_kind_are_one(chip: str) -> None:
    """Cut in two, and with a loop across the cut, a network does what it does on one chip."""
    network = nets.small_network()
    back = nets.join("o", "h", Dense(np.full((24, 5), 0.25)), delay=2e-3)
    network = network.replace(projections=(*network.projections, back))
    one = sim.run(compile(network, chip, dt=1e-3), STIMULUS)
    program = compile(network, f"{chip}+{chip}", dt=1e-3)
    assert sorted(program.parts) == [f"{chip}#1", f"{chip}#2"]
    assert chips.get(program.chip).hash == program.chip_hash
    assert sorted(b.population for b in program.bridges) == ["h", "o"]
    two = sim.run(program, STIMULUS)
    assert len(one.output("o")) > 10
    nets.same(one, two)
    assert two.counts.keys() == one.counts.keys()


@pytest.mark.parametrize("ticks", [0, 1, 5])
def test_a_slow_bridge_is_a_longer_delay(ticks: int) -> None:
    network = feed_forward()
    system = replace(
        chips.get("loihi1+spinnaker1"), links=(Link(between=("spinnaker1", "loihi1"), ticks=ticks),)
    )
    late = network.replace(
        projections=tuple(
            replace(p, delay=np.asarray(p.delay) + ticks * 1e-3) if p.target == "o" else p
            for p in network.projections
        )
    )
    slow = sim.run(compile(network, system, dt=1e-3), STIMULUS)
    direct = sim.run(compile(late, "loihi1+spinnaker1", dt=1e-3), STIMULUS)
    assert slow.output("o").same_as(direct.output("o"))
    steps = sim.session(compile(network, system, dt=1e-3))
    found = [steps.step(STIMULUS.window(t, t + 1))["o"].raster() for t in range(80)]
    assert np.array_equal(np.concatenate(found), slow.output("o").raster())


def test_populations_go_where_they_are_told() -> None:
    network = feed_forward()
    program = compile(
        network, "loihi1+spinnaker1", dt=1e-3, parts={"h": "spinnaker1", "o": "loihi1"}
    )
    assert {b.population for b in program.parts["loihi1"].blocks} == {"o"}
    both = compile(network, "loihi1+spinnaker1", dt=1e-3, parts={"h": "loihi1", "o": "loihi1"})
    assert list(both.parts) == ["loihi1"]
    assert not both.bridges
    one = sim.run(compile(network, "loihi1", dt=1e-3), STIMULUS)
    nets.same(one, sim.run(both, STIMULUS))
    for parts, message in (
        ({"hh": "loihi1"}, "did you mean 'h'?"),
        ({"h": "loihi"}, "did you mean 'loihi1'?"),
    ):
        with pytest.raises(RanvierError) as caught:
            compile(network, "loihi1+spinnaker1", dt=1e-3, parts=parts)
        assert message in str(caught.value)
    with pytest.raises(RanvierError, match="is one machine and has no parts"):
        compile(network, "loihi1", dt=1e-3, parts={"h": "loihi1"})


def test_what_is_joined_without_delay_stays_together() -> None:
    populations = (
        nets.source(),
        Population(name="pool", shape=16, model="relay"),  # type: ignore[arg-type]
        nets.lif("a", 4),
        nets.lif("b", 4),
    )
    rng = np.random.default_rng(0)
    network = Network(
        populations=populations,
        projections=(
            Projection(source="in", target="pool", connectivity=Dense(np.eye(16)), delay=None),
            nets.join("pool", "a", Dense(rng.normal(0.2, 0.3, (4, 16))), delay=0.0),
            nets.join("a", "b", Dense(np.eye(4)), delay=2e-3),
        ),
        outputs=("a", "b"),
    )
    program = compile(network, "loihi1+loihi1", dt=1e-3)
    one = sim.run(compile(network, "loihi1", dt=1e-3), STIMULUS)
    nets.same(one, sim.run(program, STIMULUS))
    with pytest.raises(RanvierError, match="crosses chips without a delay"):
        compile(network, "ideal+ideal", dt=1e-3, parts={"pool": "ideal#1", "a": "ideal#2"})


def test_inputs_that_feed_both_or_nothing() -> None:
    network = feed_forward()
    rng = np.random.default_rng(0)
    network = network.replace(
        populations=(*network.populations, nets.source("idle", 3)),
        projections=(*network.projections, nets.join("in", "o", Dense(rng.normal(size=(5, 16))))),
        outputs=("in", "o", "idle"),
        probes=(Probe(population="h", variable="v"), Probe(population="o", variable="v")),
    )
    stimuli = {"in": STIMULUS, "idle": Events.sorted([3], [1], size=3, ticks=80, dt=1e-3)}
    one = sim.run(compile(network, "loihi1", dt=1e-3), stimuli)
    two = sim.run(compile(network, "loihi1+loihi1", dt=1e-3), stimuli)
    assert one.events.keys() == two.events.keys() == {"in", "o", "idle"}
    nets.same(one, two)
    assert two.counts.keys() == one.counts.keys()
    for name in ("h.v", "o.v"):
        assert np.array_equal(one.trace(name).values, two.trace(name).values)
    assert two.output("in").same_as(STIMULUS)

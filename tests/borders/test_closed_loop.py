"""A closed loop changes weights on line and reads them back into a Network."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOptionalOperand=false

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import sim
from ranvier.compile import compile, default_passes, passes_from_text, read_back
from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.network import Conv, Dense, Network, OneToOne, Pool, Population, Projection, Sparse

MACHINES = ("ideal", "loihi1", "spinnaker1", "ideal+loihi1")


def task() -> tuple[Network, np.ndarray]:
    rng = np.random.default_rng(1)
    network = Network(
        populations=(nets.source(), nets.lif("out", 2)),
        projections=(nets.join("in", "out", Dense(rng.uniform(0.02, 0.5, (2, 16)))),),
        outputs=("out",),
    )
    # Neuron 0 is to fire for the first half of the inputs, neuron 1 for the second.
    pattern = np.zeros((2, 16))
    pattern[0, :8] = pattern[1, 8:] = 1
    return network, pattern


@pytest.mark.parametrize("machine", MACHINES)
def test_a_delta_rule_learns_tick_by_tick(machine: str) -> None:
    network, pattern = task()
    if machine == "ideal+loihi1":
        network = network.replace(
            populations=(*network.populations, nets.lif("after", 2)),
            projections=(*network.projections, nets.join("out", "after", OneToOne(2.0, 2))),
        )
    program = compile(network, machine, dt=1e-3)
    running = sim.session(program)
    rng = np.random.default_rng(0)
    names = [p.name for p in network.projections]
    start = running.weights(names[0])
    post, pre = np.tile(np.arange(2), 16), np.repeat(np.arange(16), 2)
    wrong = []
    for _ in range(60):
        which = int(rng.integers(0, 2))
        spikes = np.zeros(2)
        for _ in range(8):
            raster = (rng.random((1, 16)) < 0.6) * pattern[which]
            spikes += running.step(Events.from_raster(raster, dt=1e-3))["out"].counts()[0]
        wanted = np.array([4.0, 0.0]) if which == 0 else np.array([0.0, 4.0])
        error = wanted - spikes
        wrong.append(np.abs(error).sum())
        weights = running.weights(names[0])
        weights += 0.003 * error[post] * pattern[which][pre]
        running.set_weights(names[0], weights)
        # What was written is what is there, within the machine's own range and rounding.
        weights = weights if machine.startswith("ideal") else np.clip(weights, 0, start.max())
        assert np.allclose(running.weights(names[0]), weights, atol=2e-3)
    assert np.mean(wrong[-15:]) < 0.6 * np.mean(wrong[:10])

    learned = read_back(network, program, running.state().arrays)
    assert learned.hash != network.hash
    kept = learned.projection(names[0]).connectivity
    assert isinstance(kept, Dense)
    assert np.array_equal(kept.synapses().weight, running.weights(names[0]))
    assert not np.array_equal(running.weights(names[0]), start)
    # And the network read back does what the machine did after learning.
    again = compile(learned, machine, dt=1e-3)
    running.reset()
    probe = nets.stimulus(16, 60, rate=0.3)
    if machine in ("ideal", "loihi1"):
        now = running.step(probe, ticks=60)["out"]
        assert np.abs(sim.run(again, probe).output("out").counts() - now.counts()).max() <= 1


@pytest.mark.parametrize("machine", ["ideal", "loihi1"])
def test_a_convolution_whose_copies_part_becomes_sparse(machine: str) -> None:
    rng = np.random.default_rng(2)
    conv = Conv(rng.uniform(0.2, 1.0, (2, 1, 3, 3)), input_shape=(1, 4, 4), padding=1)
    network = Network(
        populations=(nets.source("in", (1, 4, 4)), nets.lif("maps", (2, 4, 4))),
        projections=(nets.join("in", "maps", conv, delay=2e-3),),
        outputs=("maps",),
    )
    program = compile(network, machine, dt=1e-3)
    running = sim.session(program)
    stimulus = nets.stimulus(16, 20, rate=0.3)
    running.advance(stimulus, ticks=20)
    same = read_back(network, program, running.state().arrays).projections[0]
    assert isinstance(same.connectivity, Conv)

    shared = running.weights("in->maps")
    running.set_weights("in->maps", shared * 0.5)  # still one kernel
    half = read_back(network, program, running.state().arrays).projections[0].connectivity
    assert isinstance(half, Conv)
    assert np.allclose(half.weights, 0.5 * conv.weights, atol=0.02)

    apart = running.weights("in->maps") * rng.uniform(0.5, 1.0, shared.size)
    running.set_weights("in->maps", apart)
    learned = read_back(network, program, running.state().arrays)
    sparse = learned.projections[0]
    assert isinstance(sparse.connectivity, Sparse)
    assert sparse.delay == 2e-3
    assert np.array_equal(sparse.connectivity.weights, running.weights("in->maps"))
    back = sim.run(compile(learned, "ideal", dt=1e-3), stimulus)
    running.reset()
    if machine == "ideal":
        assert back.output("maps").same_as(running.step(stimulus, ticks=20)["maps"])


def test_delays_follow_when_a_convolution_becomes_sparse() -> None:
    rng = np.random.default_rng(3)
    conv = Conv(rng.uniform(0.2, 1.0, (1, 1, 3)), input_shape=(1, 6), padding=1)
    delay = np.array([1e-3, 2e-3, 3e-3]).reshape(1, 1, 3)
    network = Network(
        populations=(nets.source("in", (1, 6)), nets.lif("maps", (1, 6))),
        projections=(nets.join("in", "maps", conv, delay=delay),),
    )
    program = compile(network, "ideal", dt=1e-3)
    running = sim.session(program)
    values = running.weights("in->maps") + np.arange(16) * 0.01
    running.set_weights("in->maps", values)
    (sparse,) = read_back(network, program, running.state().arrays).projections
    assert np.array_equal(sparse.delay, delay.ravel()[conv.synapses().origin])  # type: ignore


def test_one_to_one_pool_and_shared_weights_come_back() -> None:
    network = Network(
        populations=(nets.source("in", (1, 4)), nets.lif("a", 4), nets.lif("b", (1, 2))),
        projections=(
            nets.join("in", "a", OneToOne(0.5, 4)),
            nets.join("in", "b", Pool((1, 4), 2), name="pool"),
        ),
    )
    program = compile(network, "ideal", dt=1e-3)
    running = sim.session(program)
    running.set_weights("in->a", [0.7] * 4)
    learned = read_back(network, program, running.state().arrays)
    assert isinstance(learned.projection("pool").connectivity, Pool)
    one = learned.projection("in->a").connectivity
    assert isinstance(one, OneToOne)
    assert float(one.weights) == 0.7
    running.set_weights("in->a", [0.1, 0.2, 0.3, 0.4])
    running.set_weights("pool", [0.1, 0.2, 0.3, 0.4])
    learned = read_back(network, program, running.state().arrays)
    assert isinstance(learned.projection("in->a").connectivity, Sparse)
    assert isinstance(learned.projection("pool").connectivity, Sparse)
    assert learned.projection("pool").connectivity.weights.tolist() == [0.1, 0.2, 0.3, 0.4]


def test_what_cannot_be_written_or_read_is_told() -> None:
    network, _ = task()
    network = network.replace(
        projections=(nets.join("in", "out", Dense(np.eye(2, 16))),),
    )
    program = compile(network, "ideal", dt=1e-3)
    running = sim.session(program)
    cases = [
        ("in->out", np.ones(3), "got (3,); allowed: (32,)"),
        ("in->out", np.full(32, np.nan), "holds NaN or infinity"),
        ("in->out", np.ones(32), "quantise.drop_zeros=false"),
        ("in->ut", np.ones(32), "did you mean 'in->out'?"),
    ]
    before = running.weights("in->out")
    for name, weights, message in cases:
        with pytest.raises(RanvierError) as caught:
            running.set_weights(name, weights)
        assert message in str(caught.value)
    assert np.array_equal(running.weights("in->out"), before)
    free = compile(
        network, "ideal", dt=1e-3, passes=passes_from_text(["quantise.drop_zeros=false"])
    )
    running = sim.session(free)
    running.set_weights("in->out", np.ones(32))
    assert np.array_equal(running.weights("in->out"), np.ones(32))
    other = network.replace(name="other")
    with pytest.raises(RanvierError, match="was not compiled from this network"):
        read_back(other, free, running.state().arrays)
    with pytest.raises(RanvierError, match="the state lacks synapse_weight"):
        read_back(network, free, {})


def test_a_folded_relay_is_not_read_back() -> None:
    network, _ = task()
    relay = Population(name="pool", shape=16, model="relay")  # type: ignore[arg-type]
    network = network.replace(
        populations=(nets.source(), relay, nets.lif("out", 2)),
        projections=(
            Projection(source="in", target="pool", connectivity=OneToOne(1.0, 16), delay=0.0),
            nets.join("pool", "out", Dense(np.ones((2, 16)) * 0.2)),
        ),
    )
    program = compile(network, "loihi1", dt=1e-3)
    assert program.network_hash == network.hash
    running = sim.session(program)
    with pytest.raises(RanvierError, match="product of projections around a linear relay"):
        read_back(network, program, running.state().arrays)
    direct = compile(network, "ideal", dt=1e-3)
    weights = sim.session(direct).state().arrays
    assert read_back(network, direct, weights).hash == network.hash


def test_a_sign_change_moves_a_weight_to_the_other_ring_buffer() -> None:
    network, _ = task()
    mixed = np.random.default_rng(0).normal(0, 0.2, (2, 16))
    network = network.replace(projections=(nets.join("in", "out", Dense(mixed)),))
    chip = nets.shrunk("spinnaker1", neurons=1)
    program = compile(network, replace(chip), dt=1e-3)
    running = sim.session(program)
    weights = np.abs(running.weights("in->out"))
    running.set_weights("in->out", -weights)
    assert np.allclose(running.weights("in->out"), -weights, atol=2e-3)
    plain = sim.session(compile(network, chip, dt=1e-3, passes=default_passes(mapped=False)))
    plain.set_weights("in->out", -weights)
    stimulus = nets.stimulus(16, 30, rate=0.6)
    for session in (running, plain):
        assert len(session.step(stimulus, ticks=30)["out"]) == 0
        session.set_weights("in->out", weights * 2)
    a, b = (s.step(stimulus, ticks=30)["out"] for s in (running, plain))
    assert len(a) > 0
    assert a.same_as(b)

"""A checkpoint at any tick goes to disk and back, and is resumed bit for bit."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import sim
from ranvier.chips import Link, get
from ranvier.compile import Program, compile
from ranvier.errors import RanvierError
from ranvier.events import State
from ranvier.network import Probe

MACHINES = ("ideal", "loihi1", "spinnaker1", "loihi1+spinnaker1", "slow link")


def program(machine: str) -> Program:
    network = nets.small_network(3)
    probes = tuple(Probe(population=p, variable="v") for p in ("h", "o"))
    network = network.replace(probes=probes)
    if machine == "slow link":
        from dataclasses import replace

        system = get("loihi1+spinnaker1")
        system = replace(system, links=(Link(between=("loihi1", "spinnaker1"), ticks=4),))
        return compile(network, system, dt=1e-3)
    return compile(network, machine, dt=1e-3)


@pytest.mark.parametrize("machine", MACHINES)
@settings(max_examples=8)
@given(at=st.integers(0, 60), more=st.integers(0, 60), zipped=st.booleans())
def test_resumed_bit_for_bit(
    machine: str, at: int, more: int, zipped: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made, stimulus = program(machine), nets.stimulus(16, 60, rate=0.4, seed=5)
    stops = sorted({at, more, 60})
    whole = sim.session(made)
    whole.advance(stimulus, ticks=60)
    expected = whole.recording(state=True)
    state: State | None = None
    start = 0
    for stop in stops:
        part = sim.session(made, state)
        assert part.tick == start
        part.advance(stimulus.window(start, stop), ticks=stop - start)
        recording = part.recording()
        assert (recording.start, recording.ticks) == (start, stop - start)
        for name in ("h", "o"):
            assert recording.output(name).same_as(expected.output(name).window(start, stop))
            trace = recording.trace(f"{name}.v").raw
            assert np.array_equal(trace, expected.trace(f"{name}.v").raw[start:stop])
        path = tmp_path_factory.mktemp("state") / ("state.zip" if zipped else "state")
        part.state().save(path)
        state, start = State.load(path), stop
    assert state is not None
    assert expected.state is not None
    assert state.arrays.keys() == expected.state.arrays.keys()
    for name, array in expected.state.arrays.items():
        assert np.array_equal(array, state.arrays[name]), name


def test_learned_weights_are_part_of_it(tmp_path: Path) -> None:
    made = program("loihi1+spinnaker1")
    running = sim.session(made)
    running.set_weights("h->o", running.weights("h->o") * -0.5)
    running.advance(nets.stimulus(16, 20, rate=0.4), ticks=20)
    running.state().save(tmp_path / "s")
    resumed = sim.session(made, State.load(tmp_path / "s"))
    assert np.array_equal(resumed.weights("h->o"), running.weights("h->o"))
    stimulus = nets.stimulus(16, 30, rate=0.4, seed=9)
    assert resumed.step(stimulus, ticks=30)["o"].same_as(running.step(stimulus, ticks=30)["o"])


@pytest.mark.parametrize("machine", ["loihi1", "loihi1+spinnaker1"])
def test_a_checkpoint_that_does_not_fit_is_refused(machine: str) -> None:
    made, other = program(machine), compile(nets.small_network(4), machine, dt=1e-3)
    good = sim.session(made).state()
    with pytest.raises(RanvierError, match="the checkpoint is of another program"):
        sim.session(other, good)
    for name in good.arrays:
        if name.endswith("synapse_origin"):
            continue
        short = {**good.arrays, name: good.arrays[name][:-1]}
        if good.arrays[name].size:
            with pytest.raises(RanvierError, match=r"missing or misshapen|between chips"):
                sim.session(made, State(good.tick, short, good.program_hash))
        less = {k: v for k, v in good.arrays.items() if k != name}
        with pytest.raises(RanvierError, match=r"missing or misshapen|between chips"):
            sim.session(made, State(good.tick, less, good.program_hash))
    name = next(k for k in good.arrays if k.endswith("synapse_target"))
    wild = {**good.arrays, name: np.full_like(good.arrays[name], 10**6)}
    with pytest.raises(RanvierError, match="out of range"):
        sim.session(made, State(good.tick, wild, good.program_hash))

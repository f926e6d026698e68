"""Nothing physical changes a spike: placement, engine, recording, windows and steps."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import sim
from ranvier.compile import Partition, Place, Route, compile, default_passes, load_program
from ranvier.events import load_recording
from ranvier.network import Network, Population, Probe, Projection, Rule, load

CHIPS = ("loihi1", "spinnaker1")
TICKS = 60


def options(partition: Partition, place: Place, route: Route) -> tuple[object, ...]:
    return (*default_passes(mapped=False), partition, place, route)


@pytest.mark.parametrize("name", CHIPS)
@settings(max_examples=12)
@given(
    seed=st.integers(0, 1000),
    method=st.sampled_from(["best", "sequential", "metis"]),
    fill=st.sampled_from([1.0, 0.8, 0.51]),
    placing=st.sampled_from(["anneal", "sequential", "random"]),
    placed=st.integers(0, 1000),
    neurons=st.integers(3, 16),
)
def test_mapped_equals_unmapped(
    name: str, seed: int, method: str, fill: float, placing: str, placed: int, neurons: int
) -> None:
    network = nets.random_network(seed)
    chip = nets.small_chip(name, max(neurons, int(np.ceil(2 / fill))))
    passes = options(
        Partition(method=method, fill=fill),  # type: ignore[arg-type]
        Place(method=placing, seed=placed, steps=20),  # type: ignore[arg-type]
        Route(gateway=placed % 32),
    )
    mapped = compile(network, chip, dt=1e-3, passes=passes)  # type: ignore[arg-type]
    plain = compile(network, chip, dt=1e-3, passes=default_passes(mapped=False))
    assert len(mapped.cores) > 1
    assert mapped.synapses == plain.synapses
    stimulus = nets.stimulus(network.population("in").size, TICKS, seed=seed)
    fast, whole = sim.run(mapped, stimulus), sim.run(plain, stimulus)
    nets.same(fast, whole)
    assert sum(int(c.sum()) for c in fast.counts.values()) > 0


@pytest.mark.parametrize("name", ["ideal", *CHIPS])
@settings(max_examples=6)
@given(seed=st.integers(0, 1000))
def test_engines_agree_bit_for_bit(name: str, seed: int) -> None:
    network = nets.random_network(seed)
    chip = name if name == "ideal" else nets.small_chip(name, 12)
    program = compile(network, chip, dt=1e-3)
    stimulus = nets.stimulus(network.population("in").size, 40, seed=seed)
    nets.same(
        sim.run(program, stimulus, window=9),
        sim.run(program, stimulus, window=9, engine="reference"),
    )
    nets.same(
        sim.run(program, stimulus, window=9, reset=True),
        sim.run(program, stimulus, window=9, reset=True, engine="reference"),
    )


@pytest.mark.parametrize("name", ["ideal", *CHIPS, "loihi1+spinnaker1"])
@settings(max_examples=6)
@given(seed=st.integers(0, 1000), data=st.data())
def test_steps_windows_and_recording_change_nothing(
    name: str, seed: int, data: st.DataObject
) -> None:
    program = compile(nets.small_network(seed % 7), name, dt=1e-3)
    stimulus = nets.stimulus(16, 50, seed=seed)
    whole = sim.run(program, stimulus)
    cuts = sorted(data.draw(st.sets(st.integers(1, 49), max_size=6)))
    running = sim.session(program, record=["o"], window=data.draw(st.integers(1, 60)))
    emitted = []
    for start, stop in zip([0, *cuts], [*cuts, 50], strict=True):
        emitted.append(running.step(stimulus.window(start, stop), ticks=stop - start)["o"])
    recording = running.recording()
    assert list(recording.events) == ["o"]
    assert recording.output("o").same_as(whole.output("o"))
    raster = np.concatenate([e.raster() for e in emitted])
    assert np.array_equal(raster, whole.output("o").raster())
    for population, counts in recording.counts.items():
        assert counts.shape[0] == recording.windows
        assert np.array_equal(counts.sum(0), whole.totals(population))


def test_probes_change_nothing_and_show_every_neuron() -> None:
    network = nets.small_network()
    probes = tuple(
        Probe(population=p, variable=v, every=e)
        for p, v, e in (("h", "v", 1), ("o", "v", 3), ("h", "output", 2))
    )
    chip = nets.small_chip("loihi1", 5)
    stimulus = nets.stimulus(16, 40)
    plain = sim.run(compile(network, chip, dt=1e-3), stimulus)
    seen = sim.run(compile(network.replace(probes=probes), chip, dt=1e-3), stimulus)
    nets.same(plain, seen)
    assert seen.trace("h.v").values.shape == (40, 24)
    assert seen.trace("o.v").ticks.tolist() == list(range(0, 40, 3))
    out = seen.trace("h.output").raw
    assert np.array_equal(out, plain.output("h").raster()[::2])


@settings(max_examples=8)
@given(seed=st.integers(0, 1000))
def test_network_program_and_recording_survive_the_disk(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("disk")
    network = nets.random_network(seed)
    for file in ("n.rvn", "n"):
        network.save(folder / file)
        again = load(folder / file)
        assert again.hash == network.hash
        assert again.to_text() == network.to_text()
    program = compile(network, nets.small_chip("loihi1"), dt=1e-3)
    program.save(folder / "p.rvp")
    loaded = load_program(folder / "p.rvp")
    assert loaded.hash == program.hash
    stimulus = nets.stimulus(network.population("in").size, 30, seed=seed)
    first = sim.run(program, stimulus, window=7, keep_state=True)
    second = sim.run(loaded, stimulus, window=7, keep_state=True)
    nets.same(first, second)
    second.save(folder / "r")
    read = load_recording(folder / "r")
    nets.same(first, read)
    assert (read.ticks, read.window, read.windows) == (30, 7, 5)
    assert read.state is not None
    assert first.state is not None
    for name, array in first.state.arrays.items():
        assert np.array_equal(array, read.state.arrays[name]), name
    for name in first.counters:
        assert np.array_equal(first.counters[name], read.counters[name])


def test_dead_cores_are_left_out() -> None:
    network = nets.small_network()
    chip = replace(nets.small_chip("spinnaker1", 6), dead_cores=(0, 2, 5))
    program = compile(network, chip, dt=1e-3)
    assert not set(program.cores.tolist()) & {0, 2, 5}
    stimulus = nets.stimulus(16, 30)
    plain = compile(network, "spinnaker1", dt=1e-3, passes=default_passes(mapped=False))
    nets.same(sim.run(program, stimulus), sim.run(plain, stimulus))


@pytest.mark.parametrize("sizes", [(200, 200), (200, 300)])
@pytest.mark.parametrize("threads", [1, 2])
def test_rules_after_a_population_that_receives_nothing(
    sizes: tuple[int, int], threads: int
) -> None:
    """A population without accumulators begins where the next one does, and is not it."""
    lif = {"tau": 0.01, "t_ref": 2e-3}
    network = Network(
        populations=(
            Population(name="free", shape=sizes[0], model="lif", parameters={**lif, "bias": 1.5}),  # type: ignore[arg-type]
            Population(name="led", shape=sizes[1], model="lif", parameters={**lif, "bias": 0.9}),  # type: ignore[arg-type]
        ),
        projections=(
            Projection(source="free", target="led", port="jump",
                       connectivity=Rule("fixed_indegree", *sizes, {"k": 5}, 0.06, 1)),
        ),
        outputs=("led",),
    )  # fmt: skip
    program = compile(network, "ideal", dt=1e-3)
    fast = sim.run(program, ticks=60, threads=threads)
    plain = sim.run(program, ticks=60, engine="reference")
    assert len(plain.output("led")) > 0
    assert fast.output("led").same_as(plain.output("led"))

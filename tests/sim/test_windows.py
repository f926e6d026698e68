"""Windows and resets: the samples of a data set in one run."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOptionalOperand=false

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import sim
from ranvier.compile import Program, compile
from ranvier.errors import RanvierError
from ranvier.events import Events, concatenate
from ranvier.sim import Session

MACHINES = ("ideal", "loihi1", "spinnaker1", "loihi1+spinnaker1", "ideal+ideal")


def program(machine: str) -> Program:
    return compile(nets.small_network(), machine, dt=1e-3)


@pytest.mark.parametrize("machine", MACHINES)
def test_windows_with_reset_are_separate_runs(machine: str) -> None:
    samples = [nets.stimulus(16, 20, rate=0.4, seed=k) for k in range(4)]
    made = program(machine)
    together = sim.run(made, concatenate(samples), window=20, reset=True)
    assert together.windows == 4
    alone = [sim.run(made, sample) for sample in samples]
    for population, counts in together.counts.items():
        assert counts.shape[0] == 4
        for k, one in enumerate(alone):
            assert np.array_equal(counts[k], one.totals(population)), (population, k)
    for name in ("h", "o"):
        for k, one in enumerate(alone):
            cut = together.output(name).window(20 * k, 20 * k + 20)
            assert cut.same_as(one.output(name)), (name, k)
        assert sum(len(one.output(name)) for one in alone) > 0


@pytest.mark.parametrize("machine", MACHINES)
def test_without_reset_the_state_goes_on(machine: str) -> None:
    samples = [nets.stimulus(16, 20, rate=0.4, seed=k) for k in range(3)]
    made = program(machine)
    cut = sim.run(made, concatenate(samples), window=20)
    whole = sim.run(made, concatenate(samples))
    for name, counts in cut.counts.items():
        assert counts.shape[0] == 3
        assert np.array_equal(counts.sum(0), whole.totals(name))
    events = whole.output("h")
    assert np.array_equal(events.counts(20), cut.counts["h"])


@pytest.mark.parametrize("machine", MACHINES)
def test_a_window_need_not_divide_the_run(machine: str) -> None:
    stimulus = nets.stimulus(16, 33, rate=0.4)
    cut = sim.run(program(machine), stimulus, window=10)
    assert cut.windows == 4
    assert np.array_equal(cut.output("h").counts(10), cut.counts["h"])
    assert np.array_equal(stimulus.counts(10), cut.counts["in"])


@pytest.mark.parametrize("machine", MACHINES)
def test_windows_of_a_resumed_run_keep_their_places(machine: str) -> None:
    stimulus = nets.stimulus(16, 45, rate=0.4)
    made = program(machine)
    whole = sim.run(made, stimulus, window=10, reset=True)
    first = sim.session(made, window=10, reset=True)
    first.advance(stimulus.window(0, 17), ticks=17)
    second = sim.session(made, first.state(), window=10, reset=True)
    second.advance(stimulus.window(17, 45), ticks=28)
    a, b = first.recording(), second.recording()
    assert (a.start, a.windows, b.start, b.windows) == (0, 2, 17, 4)
    assert second.tick == 45
    for name, counts in whole.counts.items():
        assert a.counts[name].shape[0] == 2
        assert b.counts[name].shape[0] == 4
        joined = np.concatenate([a.counts[name][:-1], b.counts[name]])
        joined[1] += a.counts[name][-1]
        assert np.array_equal(joined, counts), name
    assert b.output("o").same_as(whole.output("o").window(17, 45))


def test_reset_by_hand() -> None:
    made = program("loihi1+spinnaker1")
    running = sim.session(made)
    sample = nets.stimulus(16, 25, rate=0.4)
    one = running.step(sample, ticks=25)
    running.reset()
    two = running.step(sample, ticks=25)
    assert len(one["h"]) > 0
    assert all(one[name].same_as(two[name]) for name in one)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window: must be at least 1 tick; got 0"),
        ({"window": 2.5}, "window: must be at least 1 tick; got 2.5"),
        ({"reset": True}, "needs a window"),
        ({"ticks": -1}, "must be a whole number of at least 0; got -1"),
        ({"ticks": 1.5}, "must be a whole number"),
        ({"record": ["hh"]}, "did you mean 'h'?"),
        ({"engine": "nunba"}, "did you mean 'numba'?"),
        ({"engine": "reference", "keep_state": True}, "keeps no state"),
    ],
)
def test_bad_options_are_told(options: dict[str, object], message: str) -> None:
    with pytest.raises(RanvierError) as caught:
        sim.run(program("ideal"), nets.stimulus(16, 20), **options)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert len(caught.value.issues) == 1


@pytest.mark.parametrize("machine", ["ideal", "loihi1+spinnaker1"])
@pytest.mark.parametrize(
    ("stimulus", "message"),
    [
        (Events.empty(size=3, ticks=5, dt=1e-3), "got 3; allowed: 16"),
        (Events.empty(size=16, ticks=5, dt=2e-3), "got 0.002 s; allowed: 0.001 s"),
        ({"inn": Events.empty(size=16, ticks=5, dt=1e-3)}, "did you mean 'in'?"),
        ({"in": [1, 2]}, "is not Events; got list"),
        (np.zeros((5, 16)), "is not Events; got ndarray"),
        (Events.sorted([7], [1], size=16, ticks=9, dt=1e-3), "events after the end of the run"),
        (Events.sorted([1], [1], size=16, ticks=5, dt=1e-3, payload=[2.0]), "takes spikes"),
        (None, "ticks must be given"),
    ],
)
def test_a_stimulus_that_does_not_fit_moves_nothing(
    machine: str, stimulus: object, message: str
) -> None:
    made = program(machine)
    with pytest.raises(RanvierError) as caught:
        sim.run(made, stimulus, ticks=None if stimulus is None else 5)  # type: ignore[arg-type]
    assert message in str(caught.value)
    if stimulus is None:
        return
    running = sim.session(made)
    with pytest.raises(RanvierError):
        running.advance(stimulus, ticks=5)  # type: ignore[arg-type]
    assert running.tick == 0
    assert all(not c.any() for c in running.recording().counts.values())


def test_a_blow_up_names_the_neuron() -> None:
    from ranvier.network import Dense, Network, Population, Projection

    network = Network(
        populations=(
            Population(name="in", shape=2, signal="graded"),  # type: ignore[arg-type]
            Population(name="r", shape=3, model="relu"),  # type: ignore[arg-type]
        ),
        projections=(
            Projection(source="in", target="r", connectivity=Dense([[0, 0], [0, 1e300], [0, 0]])),
        ),  # type: ignore[arg-type]
        outputs=("r",),
    )
    made = compile(network, "ideal", dt=1e-3)
    big = Events.sorted([2], [1], size=2, ticks=8, dt=1e-3, payload=[1e300])
    running = sim.session(made)
    assert isinstance(running, Session)
    with pytest.raises(RanvierError) as caught:
        running.advance(big, ticks=4)
    assert "r[1].output: stopped being a number; got inf" in str(caught.value)

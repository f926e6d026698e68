"""Looking at a run: breakpoints, probes added while paused, profiles; and what blows up."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import sim
from ranvier.compile import Program, compile, passes_from_text
from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.network import (
    Dense,
    Network,
    OneToOne,
    Plasticity,
    Population,
    Probe,
    Projection,
    Sparse,
)
from ranvier.sim import Breakpoint

TICKS = 60
MACHINES = ("ideal", "ideal32", "loihi1", "spinnaker1", "ideal+ideal")


def program(machine: str = "ideal", *, hidden: int = 24, **more: Any) -> Program:
    return compile(nets.small_network(hidden=hidden), machine, dt=1e-3, **more)


def lazy(**more: Any) -> Program:
    return program(passes=passes_from_text(["update.method=lazy"]), **more)


def given(rate: float = 0.3) -> Events:
    return nets.stimulus(16, TICKS, rate=rate)


def state_of(session: Any) -> dict[str, Any]:
    return dict(session.state().arrays)


def assert_stands_at(session: Any, made: Program, tick: int, **options: Any) -> None:
    """As a session that ran to the end of ``tick`` and no further."""
    plain = sim.session(made, **options)
    plain.advance(given().window(0, tick + 1), ticks=tick + 1)
    assert session.tick == tick + 1 == plain.tick
    mine, theirs = state_of(session), state_of(plain)
    for name in theirs:
        if not name.startswith(("sent_", "late")) and "/sent_" not in name:
            assert np.array_equal(mine[name], theirs[name]), name
    a, b = session.recording(), plain.recording()
    nets.same(a, b)
    for name, trace in b.traces.items():
        assert np.array_equal(a.traces[name].values, trace.values)
        assert np.array_equal(a.traces[name].ticks, trace.ticks)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_spike_stops_right_after_its_tick_and_the_run_goes_on_as_if_nothing_was(
    machine: str,
) -> None:
    made = program(machine)
    whole = sim.run(made, given())
    events = whole.output("h")
    neuron = int(events.id[len(events) // 2])
    ticks = events.tick[events.id == neuron].tolist()
    session = sim.session(made)
    session.break_on(Breakpoint.spike("h", ids=neuron))
    hit = session.advance(given(), ticks=TICKS)
    assert (hit.population, hit.neuron, hit.tick, hit.more) == ("h", neuron, ticks[0], 0)
    assert str(hit) == f"h[{neuron}] fired at tick {ticks[0]} ({ticks[0] * 1e-3:g} s)"
    assert session.left == TICKS - ticks[0] - 1
    assert_stands_at(session, made, ticks[0])
    while session.left:
        session.advance(ticks=session.left)
    assert [h.tick for h in session.hits] == ticks
    nets.same(session.recording(), whole)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("update", ["dense", "lazy"])
def test_a_value_stops_where_it_crosses(threads: int, update: str) -> None:
    passes = passes_from_text([f"update.method={update}"])
    made = program(hidden=160, passes=passes)
    watching = sim.session(made, threads=threads)
    watching.probe("h.v")
    watching.advance(given(), ticks=TICKS)
    values = watching.recording().trace("h.v").values
    assert values.shape == (TICKS, 160)
    bound = float(np.quantile(values, 0.98))
    above = values > bound
    rises = above & ~np.vstack([np.zeros((1, 160), bool), above[:-1]])
    expected = np.flatnonzero(rises.any(1)).tolist()
    session = sim.session(made, threads=threads)
    assert session.threads == threads
    session.break_on(Breakpoint.value("h.v", above=bound))
    hit = session.advance(given(), ticks=TICKS)
    first = expected[0]
    assert hit.tick == first
    assert hit.neuron == int(np.flatnonzero(rises[first])[0])
    assert hit.value == values[first, hit.neuron] > bound
    assert hit.more == int(rises[first].sum()) - 1
    assert_stands_at(session, made, first, threads=threads)
    assert "h.v" not in session.recording().traces
    while session.left:
        session.advance(ticks=session.left)
    assert [h.tick for h in session.hits] == expected
    nets.same(session.recording(), watching.recording())


def test_breakpoints_after_a_checkpoint_below_a_bound_and_for_chosen_neurons() -> None:
    made = program()
    first = sim.Session(made)
    first.advance(given().window(0, 20), ticks=20)
    watching = sim.Session(made, first.state())
    watching.probe("h.v")
    watching.advance(given().window(20, TICKS), ticks=40)
    trace = watching.recording().trace("h.v")
    assert trace.ticks[0] == 0
    low = float(trace.values[:, 3].min())
    session = sim.Session(made, first.state())
    session.break_on(Breakpoint.value("h.v", below=low + 1e-9, ids=[3]))
    hit = session.advance(given().window(20, TICKS), ticks=40)
    assert hit.tick == 20 + int(trace.values[:, 3].argmin())
    assert (hit.neuron, hit.value) == (3, low)


def test_ticks_inputs_and_several_at_once() -> None:
    made = program()
    session = sim.Session(made, window=7)
    session.break_on(Breakpoint.tick(9), Breakpoint.tick(9), Breakpoint.tick(30))
    hit = session.advance(given(), ticks=TICKS)
    assert (str(hit), session.tick, len(session.hits)) == ("stopped at tick 9 (0.009 s)", 10, 2)
    session.clear_breaks()
    session.break_on(Breakpoint.spike("in", ids=[2]))
    hit = session.advance(ticks=session.left)
    late = given().tick[(given().id == 2) & (given().tick > 9)]
    assert (hit.tick, hit.population, hit.neuron) == (late[0], "in", 2)
    session.clear_breaks()
    assert session.advance(ticks=session.left) is None
    nets.same(session.recording(), sim.run(made, given(), window=7))


def test_a_step_returns_what_was_computed_up_to_the_hit() -> None:
    made = program()
    session = sim.Session(made)
    session.break_on(Breakpoint.tick(4))
    events = session.step(given(), ticks=TICKS)
    assert events["h"].ticks == 5
    assert events["h"].same_as(sim.run(made, given()).output("h").window(0, 5))


def test_without_breakpoints_nothing_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    session = sim.Session(program())
    monkeypatch.setattr(session, "mark", lambda: pytest.fail("marked"))
    session.advance(given(), ticks=TICKS)


def test_an_overflow_of_integers_stops_in_the_tick_in_which_it_is_counted() -> None:
    fan, quiet = 256, 7  # 256 of the largest weights in one tick leave a compartment's range
    network = Network(
        populations=(nets.source("in", fan), nets.lif("h", 4)),
        projections=(nets.join("in", "h", Dense(np.full((4, fan), 1.0))),),
        outputs=("h",),
    )
    made = compile(network, "loihi1", dt=1e-3)
    raster = np.ones((TICKS, fan), bool)
    raster[:quiet] = False
    stimulus = Events.from_raster(raster, dt=1e-3)
    counted = sim.run(made, stimulus, window=1).counters["overflows"].sum(1)
    grown = np.flatnonzero(counted)
    assert grown.size, "nothing overflowed: the network no longer forces it"
    assert grown[0] >= quiet
    session = sim.Session(made)
    session.break_on(Breakpoint.overflow())
    hit = session.advance(stimulus, ticks=TICKS)
    assert (hit.tick, hit.variable, hit.neuron) == (grown[0], "overflows", -1)
    assert hit.value == counted[grown[0]]


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (lambda: Breakpoint.spike("hh"), "Breakpoint.spike: unknown population; got 'hh'; allowed: "
         "h, in, o. did you mean 'h'?"),
        (lambda: Breakpoint.spike("h", ids=[24]), "h has no such neuron; got 24; allowed: 0..23."),
        (lambda: Breakpoint.value("h.u", above=1), "unknown state; got 'u'; allowed: output, v."),
        (lambda: Breakpoint.value("h.v"), "needs a finite bound; got none"),
        (lambda: Breakpoint.value("h.v", above=np.nan), "needs a finite bound; got [nan]"),
        (lambda: Breakpoint.tick(-1), "needs a whole number of at least 0; got -1."),
        (lambda: Breakpoint.tick(3), "has passed already; got tick 3; allowed: 5 or later."),
        (lambda: "h", "break_on: needs a Breakpoint; got str. e.g. Breakpoint.spike('h')."),
    ],
)  # fmt: skip
def test_breakpoints_that_make_no_sense_are_told(point: Any, message: str) -> None:
    session = sim.Session(program())
    session.advance(ticks=5)
    with pytest.raises(RanvierError) as caught:
        session.break_on(point())
    assert message in str(caught.value)
    session.advance(ticks=5)
    assert session.tick == 10


# -- probes ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("machine", MACHINES)
def test_probes_and_records_added_while_paused_begin_there_and_change_nothing(machine: str) -> None:
    made = program(machine)
    probed = compile(
        nets.small_network().replace(
            probes=(
                Probe(population="h", variable="v", every=3),
                Probe(population="o", variable="v"),
            )
        ),
        machine,
        dt=1e-3,
    )
    whole = sim.run(probed, given(), record=["o", "h", "in"])
    session = sim.session(made, record=["o"])
    session.advance(given().window(0, 25), ticks=25)
    session.probe("h.v", every=3)
    session.record("h")
    session.record("in")
    session.advance(given().window(25, 40), ticks=15)
    session.probe("o.v")
    session.advance(given().window(40, TICKS), ticks=20)
    recording = session.recording()
    assert recording.output("o").same_as(whole.output("o"))
    for name in ("h", "in"):
        late = whole.output(name).window(25, TICKS)
        assert recording.output(name).window(25, TICKS).same_as(late)
        if machine != "ideal+ideal":  # there h was kept all along, for the bridge
            assert not len(recording.output(name).window(0, 25))
    for name, since in (("h.v", 25), ("o.v", 40)):
        trace, all_of_it = recording.trace(name), whole.trace(name)
        keep = all_of_it.ticks >= since
        assert np.array_equal(trace.ticks, all_of_it.ticks[keep])
        assert np.array_equal(trace.values, all_of_it.values[keep])
        if trace.ticks[-1] == TICKS - 1:
            assert np.array_equal(session.read(name), trace.values[-1])


@pytest.mark.parametrize("machine", ["ideal", "ideal32"])
def test_sleeping_neurons_are_read_where_they_would_be_and_sleep_on(machine: str) -> None:
    passes = passes_from_text(["update.method=lazy"])
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 16, 320), rng.integers(0, 160, 320)
    network = Network(
        populations=(nets.source(), nets.lif("h", 160)),
        projections=(
            nets.join("in", "h", Sparse(*pairs, rng.normal(0.4, 0.3, 320), (16, 160))),
            nets.join("h", "h", OneToOne(np.full(160, 0.3), 160), delay=4e-3),
        ),
        outputs=("h",),
    )
    made = compile(network, machine, dt=1e-3, passes=passes)
    assert any("rest" in block.reference for block in made.blocks)
    dense = sim.Session(compile(network, machine, dt=1e-3), threads=2)
    session, quiet = sim.Session(made, threads=2), sim.Session(made, threads=2)
    dense.probe("h.v")
    sparse = given(0.04)
    for tick in range(TICKS):
        if tick == 20:
            session.probe("h.v")
        for each in (dense, session, quiet):
            each.advance(sparse.window(tick, tick + 1), ticks=1)
        now = session.read("h.v")
        assert np.allclose(now, dense.read("h.v"), rtol=1e-5, atol=1e-6)
        assert np.array_equal(now, quiet.read("h.v"))
    assert not np.all(state_of(session)["awake"]), "nobody slept"
    trace = session.recording().trace("h.v")
    assert np.array_equal(trace.ticks, np.arange(20, TICKS))
    assert np.array_equal(trace.values[-1], session.read("h.v"))
    assert np.allclose(trace.values, dense.recording().trace("h.v").values[20:], atol=1e-6)
    mine, theirs = state_of(session), state_of(quiet)
    assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)
    together = sim.Session(made)
    together.probe("h.v")
    together.advance(sparse, ticks=TICKS)
    assert np.array_equal(together.recording().trace("h.v").values[20:], trace.values)


@pytest.mark.parametrize("name", ["in", "h", "o"])
def test_names_of_states_are_checked(name: str) -> None:
    session = sim.Session(program())
    for ask in (session.read, session.probe):
        with pytest.raises(RanvierError, match=r"unknown state; got 'w'|unknown population"):
            ask(f"{name}.w")
    with pytest.raises(RanvierError, match=r"must name a state; got 'h'; allowed: population"):
        session.read("h")
    with pytest.raises(RanvierError, match=r"probe h\.v\.every: needs a whole number"):
        session.probe("h.v", every=0)
    assert session.read("h.output").shape == (24,)


# -- profiles -------------------------------------------------------------------------------------
@pytest.mark.parametrize("threads", [1, 2])
def test_a_profile_accounts_for_all_time(threads: int) -> None:
    made = program(hidden=160)
    session = sim.Session(made, threads=threads, profile=True)
    session.advance(given(), ticks=TICKS)
    profile = session.profile()
    assert (profile.ticks, profile.threads) == (TICKS, threads)
    assert sum(row.share for row in profile.rows) == pytest.approx(1, abs=0.05)
    assert all(row.seconds >= 0 for row in profile.rows)
    update = {row.where: row for row in profile.rows if row.what == "update"}
    assert update["h"].count == 160 * TICKS
    assert update["h"].bytes == 160 * 2 * 8
    assert update["h"].ns > 0
    delivery = [row for row in profile.rows if row.what == "delivery"]
    spikes = {name: c.sum() for name, c in session.recording().counts.items()}
    sent = spikes["in"] * 160 + spikes["h"] * 165
    # Rows that are filled up to a vector are a little longer.
    assert sent <= sum(row.count for row in delivery) <= 1.2 * sent
    assert profile.speed > 0
    assert profile.to_dict()["rows"][0]["what"] == "update"
    nets.same(session.recording(), sim.run(made, given()))
    with pytest.raises(RanvierError, match="was not profiled"):
        sim.Session(made).profile()


def test_a_profile_of_several_chips() -> None:
    session = sim.session(program("ideal+ideal"), profile=True)
    session.advance(given(), ticks=TICKS)
    profile = session.profile()
    assert sum(row.share for row in profile.rows) == pytest.approx(1, abs=0.05)
    assert {row.where.partition(":")[2] for row in profile.rows} >= {"h", "o"}


# -- Ctrl-C ---------------------------------------------------------------------------------------
class Presses:
    """Ctrl-C after so many ticks."""

    def __init__(self, at: int, times: int = 1) -> None:
        self.at, self.times, self.done_ = at, times, 0

    def start(self, label: str, total: int) -> None: ...
    def note(self, text: str) -> None: ...
    def done(self) -> None: ...
    def advance(self, amount: int = 1) -> None:
        import signal

        self.done_ += amount
        if self.done_ >= self.at and self.times:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)
            self.times = 0


@pytest.mark.parametrize("machine", ["ideal", "loihi1", "loihi1+spinnaker1"])
def test_ctrl_c_stops_at_a_whole_tick_and_a_checkpoint_goes_on_by_itself(machine: str) -> None:
    made = program(machine)
    whole = sim.run(made, given(), record=["in", "h", "o"])
    session = sim.session(made, record=["in", "h", "o"])
    with pytest.raises(sim.Interrupted):
        session.advance(given(), ticks=TICKS, progress=Presses(10))
    assert 10 <= session.tick < TICKS
    assert session.left == TICKS - session.tick
    one, state = session.recording(), session.state()
    # What was left of the stimulus is part of the checkpoint.
    second = sim.session(made, state, record=["in", "h", "o"])
    second.advance(ticks=session.left)
    two = second.recording()
    for name in ("in", "h", "o"):
        assert one.output(name).same_as(whole.output(name).window(0, session.tick)), name
        assert two.output(name).same_as(whole.output(name).window(session.tick, TICKS)), name
    session.advance(ticks=session.left)
    nets.same(session.recording(), whole)


def test_a_second_ctrl_c_does_not_wait() -> None:
    session = sim.Session(program())
    with pytest.raises(KeyboardInterrupt) as caught:
        session.advance(given(), ticks=TICKS, progress=Presses(1, times=2))
    assert not isinstance(caught.value, sim.Interrupted)


# -- blow-ups -------------------------------------------------------------------------------------
def growing(name: str, n: int, gain: float) -> tuple[Population, Projection]:
    """Neurons that send ``gain`` times what they got, each to itself."""
    return (
        Population(name=name, shape=n, model="relu"),
        Projection(source=name, target=name, connectivity=OneToOne(np.full(n, gain), n)),
    )


def explosive(gain: float = 1e100, n: int = 300) -> Program:
    population, loop = growing("r", n, gain)
    network = Network(
        populations=(Population(name="in", shape=n, signal="graded"), population),
        projections=(
            Projection(source="in", target="r", connectivity=OneToOne(np.ones(n), n)),
            loop,
        ),
        outputs=("r",),
    )
    return compile(network, "ideal", dt=1e-3)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_graded_output_that_blows_up_names_tick_and_neuron_exactly(threads: int) -> None:
    made = explosive()
    # Neuron 7 starts later than 290 and 291, which lie in the other thread's partition.
    stimulus = Events.sorted([2, 2, 3], [290, 291, 7], size=300, ticks=200, dt=1e-3,
                             payload=[1e8, 1e8, 1e8])  # fmt: skip
    session = sim.Session(made, threads=threads)
    assert session.threads == threads
    with pytest.raises(RanvierError) as caught:
        session.advance(stimulus, ticks=200)
    # In at 2 arrives at 3 with 1e8; times 1e100 a tick; 1e308 at tick 6 is still finite.
    assert str(caught.value) == (
        "r[290].output: stopped being a number; got inf; allowed: finite; it happened at tick 7 "
        "(0.007 s). use a smaller dt or another method; or check weights and parameters."
    )
    assert session.tick == 8
    watching = sim.Session(made, threads=threads)
    watching.break_on(Breakpoint.overflow("r"))
    hit = watching.advance(stimulus, ticks=200)
    assert (hit.tick, hit.neuron, hit.variable, hit.value) == (7, 290, "output", np.inf)
    assert watching.tick == 8
    other = sim.Session(made, threads=threads)
    other.break_on(Breakpoint.value("r.output", above=1e200))
    assert other.advance(stimulus, ticks=200).tick == 5
    other.clear_breaks()
    with pytest.raises(RanvierError, match="tick 7"):
        other.advance(ticks=other.left)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("update", ["dense", "lazy"])
@pytest.mark.parametrize("weight", [-np.inf, np.nan])
def test_a_state_that_blows_up_names_tick_and_neuron_exactly(
    threads: int, update: str, weight: float
) -> None:
    """The potential jumps by -1.7e308 twice, or begins as NaN."""
    n, big = 300, 1.7e308
    weights = np.full((n, 3), 1e-3)
    weights[217], weights[250] = -big, [big, -big, 0]
    network = Network(
        populations=(nets.source("in", 3), nets.lif("h", n)),
        projections=(
            nets.join("in", "h", Dense(weights)),
            nets.join("h", "h", OneToOne(np.full(n, 1e-6), n)),
        ),
        outputs=("h",),
    )
    passes = passes_from_text([f"update.method={update}"])
    made = compile(network, "ideal", dt=1e-3, passes=passes)
    session = sim.Session(made, threads=threads)
    if np.isnan(weight):
        a = session._arrays
        values = np.where(np.arange(n) == 217, np.nan, 0.0)
        a.states.write(a.state, 0, a.states.offset[0, "v"], values)
    stimulus = Events.sorted([4, 4], [0, 1], size=3, ticks=TICKS, dt=1e-3)
    with pytest.raises(RanvierError) as caught:
        session.advance(stimulus, ticks=TICKS)
    tick = 0 if np.isnan(weight) else 5
    assert (
        f"h[217].v: stopped being a number; got {weight}; allowed: finite; it happened at "
        f"tick {tick} ({tick * 1e-3:g} s)" in str(caught.value)
    )
    assert session.tick == tick + 1


@pytest.mark.parametrize("threads", [1, 2])
def test_a_stretch_that_runs_again_learns_once(threads: int) -> None:
    network = nets.small_network(hidden=160)
    first, *others = network.projections
    network = network.replace(
        projections=(replace(first, plasticity=Plasticity(rule="stdp")), *others)
    )
    made = compile(network, "ideal", dt=1e-3)
    whole = sim.Session(made, threads=threads)
    whole.advance(given(), ticks=TICKS)
    session = sim.Session(made, threads=threads)
    session.break_on(Breakpoint.spike("h", ids=range(0, 160, 40)), Breakpoint.tick(33))
    session.advance(given(), ticks=TICKS)
    while session.left:
        session.advance(ticks=session.left)
    assert len(session.hits) > 3
    nets.same(session.recording(), whole.recording())
    assert np.array_equal(session.weights("in->h"), whole.weights("in->h"))
    assert not np.array_equal(session.weights("in->h"), sim.Session(made).weights("in->h"))

"""Learning in the engine: the bits of brute force, whatever threads, pieces and checkpoints do.

One network has all rules, so that one worker serves most tests here.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier import sim
from ranvier.compile import Program, compile, load_program, read_back
from ranvier.errors import RanvierError
from ranvier.events import Events, Recording
from ranvier.network import (
    Dense,
    Network,
    Plasticity,
    Population,
    Probe,
    Projection,
    Rule,
    Sparse,
    Uniform,
    load,
    save,
)
from ranvier.plasticity import (
    Parameter,
    PlasticityRule,
    SynapseVariable,
    ThirdFactor,
    Trace,
    get,
)

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "plasticity"))
from brute_rule import Brute  # pyright: ignore[reportMissingImports]

import nets  # pyright: ignore[reportMissingImports]

DT, TICKS, N, INPUTS = 1e-3, 260, 70, 16
TAU, BIAS, T_REF = 20e-3, 1.1, 2e-3
OWN = PlasticityRule(
    name="own",
    doc="Drift, a variable that decays, a third factor, chance, a trace read after its jump.",
    parameters=(
        Parameter(name="tau", unit="s", default=0.015),
        Parameter(name="tau_e", unit="s", default=0.06),
        Parameter(name="tau_n", unit="s", default=0.04),
        Parameter(name="rate", unit="w/s", default=5e-4),
        Parameter(name="step", unit="w", default=2e-3),
        Parameter(name="high", unit="w", default=0.1),
        Parameter(name="low", unit="w", default=0.0),
    ),
    traces=(
        Trace(name="x", side="pre", tau="tau", read="after"),
        Trace(name="y", side="post", tau="tau", jump="set"),
        Trace(name="z", side="post", tau="tau_e", read="before"),
    ),
    variables=(SynapseVariable(name="e", tau="tau_e", unit="w/s", initial=0.01),),
    third_factor=ThirdFactor(name="n", tau="tau_n"),
    on_pre=("e = e + rate*(x - y)", "w = where(u < 0.2, w - step*y*n, w)"),
    on_post=("w = w + step*x*min(z, 1)", "e = e + rate*x"),
    drift="dw/dt = e*n - rate*0.1",
    w_min="low", w_max="high",
)  # fmt: skip
LEARNT: dict[str, tuple[str, str, PlasticityRule, dict[str, float]]] = {
    "stdp": ("in", "a", get("stdp"), {"w_max": 0.3}),
    "nearest": ("a", "a", get("stdp_nearest"), {"w_max": 0.1, "a_plus": 2e-3, "a_minus": 2e-3}),
    "multiplicative": ("a", "b", get("stdp_multiplicative"), {"w_max": 0.1, "mu": 0.4}),
    "triplet": ("b", "a", get("stdp_triplet"), {"w_max": 0.1}),
    "inhibitory": ("b", "b", get("vogels_sprekeler"), {"w_max": 0.2}),
    "reward": ("a", "b", get("stdp_reward"), {"w_max": 0.1, "tau_c": 0.1, "a_plus": 0.3}),
    "stochastic": ("a", "b", get("stdp_stochastic"), {"w_max": 0.05, "p_plus": 0.4}),
    "homeostatic": ("in", "b", get("homeostatic"), {"w_max": 0.5, "eta": 0.1}),
    "own": ("b", "a", OWN, {}),
}
SIZES = {"in": INPUTS, "a": N, "b": N}
DRAWN = ("multiplicative", "inhibitory")
"""Projections whose connectivity is a rule."""


def network(names: tuple[str, ...] = tuple(LEARNT)) -> Network:
    rng = np.random.default_rng(4)
    projections = []
    for seed, (name, (pre, post, rule, values)) in enumerate(LEARNT.items()):
        m = 3 * N
        where = rng.integers(0, SIZES[pre], m), rng.integers(0, SIZES[post], m)
        sparse = Sparse(*where, rng.uniform(0.01, 0.05, m), (SIZES[pre], SIZES[post]))
        delay: Any = rng.integers(1, 7, m) * DT
        if name in DRAWN:
            given: Any = Rule("fixed_indegree", SIZES[pre], SIZES[post], {"k": 3},
                              Uniform(0.01, 0.05), seed)  # fmt: skip
            delay = Uniform(0.6e-3, 5.4e-3)
        else:
            given = sparse
        if name in names:
            reward = "dopamine" if rule.third_factor else ""
            learns = Plasticity(rule=rule, parameters=values, reward=reward)
            projections.append(
                Projection(
                    name=name, source=pre, target=post, port="jump", connectivity=given,
                    delay=delay, plasticity=learns,
                )
            )  # fmt: skip
    lif = {"tau": TAU, "t_ref": T_REF}
    used = {p.source for p in projections} | {p.target for p in projections}
    populations = [Population(name="in", shape=(INPUTS,))]
    if any(p.plasticity.reward for p in projections if p.plasticity):
        populations.append(Population(name="dopamine", shape=(2,)))
    for name, bias in (("a", BIAS), ("b", BIAS - 0.15)):
        if name in used:
            biases = bias + np.linspace(-0.02, 0.2, N)
            populations.append(
                Population(name=name, shape=(N,), model="lif", parameters={**lif, "bias": biases})
            )
    kept = tuple(p.name for p in populations if p.name in "ab")
    return Network(
        name="learning", populations=tuple(populations), projections=tuple(projections),
        outputs=kept, probes=tuple(Probe(population=k, variable="v") for k in kept),
    )  # fmt: skip


def stimulus(ticks: int = TICKS, dopamine: bool = True) -> dict[str, Events]:
    rng = np.random.default_rng(9)
    given = {"in": Events.from_raster(rng.random((ticks, INPUTS)) < 0.05, dt=DT)}
    if dopamine:
        tick = [0, 60, 61, 61, 150, 201]
        given["dopamine"] = Events.sorted(tick, [0, 1, 0, 1, 1, 0], size=2, ticks=ticks, dt=DT)
    return given


REWARDS = {0: 1, 60: 1, 61: 2, 150: 1, 201: 1}


@dataclass
class Wires:
    """Synapses of a projection in canonical order: source, then as they were made."""

    pre: np.ndarray
    post: np.ndarray
    ticks: np.ndarray
    weight: np.ndarray


def wires(projection: Projection) -> Wires:
    made = projection.connectivity
    if isinstance(made, Rule):
        delay: Any = projection.delay
        chunks = list(made.chunks(0, made.n_post, dt=DT, delay=delay))
        found = [np.concatenate([np.broadcast_to(getattr(c, k), c.pre.shape) for c in chunks])
                 for k in ("pre", "post", "ticks", "weight")]  # fmt: skip
        order = np.argsort(found[0], kind="stable")
        return Wires(*(f[order] for f in found))
    s = made.synapses()
    delay = np.asarray(projection.delay)[s.origin]
    return Wires(s.pre, s.post, np.rint(delay / DT).astype(int), np.asarray(made.weights)[s.origin])


def brute(
    projection: Projection, recording: Recording, program: Program, dtype: Any = np.float64
) -> Brute:
    """Brute force, driven with the spikes recorded."""
    w, learns = wires(projection), projection.plasticity
    assert learns is not None
    order = np.lexsort((np.arange(w.pre.size), w.post, w.ticks, w.pre))
    found = Brute(
        learns.rule, learns.parameters, DT, w.pre.tolist(), w.post.tolist(), w.ticks.tolist(),
        w.weight.astype(dtype), seed=program.seed, ident=np.argsort(order).tolist(),
    )  # fmt: skip
    ins = stimulus(recording.ticks)["in"]
    sides = [ins if k == "in" else recording.output(k)
             for k in (projection.source, projection.target)]  # fmt: skip
    rewards = {t: float(n) for t, n in REWARDS.items() if t < recording.ticks}
    assert all(len(e) > 20 for e in sides)
    spikes = [set(zip(e.tick.tolist(), e.id.tolist(), strict=True)) for e in sides]
    found.run(recording.ticks, *spikes, rewards if learns.reward else None)
    return found


def weights(session: sim.Session) -> dict[str, np.ndarray]:
    return {p.table.name: session.weights(p.table.name) for p in session._arrays.plastic}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name, values in a.items():
        np.testing.assert_array_equal(values, b[name], err_msg=name)


@pytest.fixture(scope="module")
def program() -> Program:
    return compile(network(), "ideal", dt=DT)


@pytest.fixture(scope="module")
def whole(program: Program) -> sim.Session:
    session = sim.Session(program, threads=1)
    session.sample_weights("reward", every=50)
    session.advance(stimulus(), ticks=TICKS)
    return session


@pytest.fixture(scope="module")
def brutes(program: Program, whole: sim.Session) -> dict[str, Brute]:
    recording = whole.recording()
    return {p.name: brute(p, recording, program) for p in network().projections}


@pytest.mark.parametrize("name", LEARNT)
def test_weights_are_those_of_brute_force(name: str, whole: sim.Session, brutes) -> None:
    want = brutes[name]
    for s in range(want.weight.size):  # what happens by itself up to the last tick
        want.drift(s, TICKS - 1)
    np.testing.assert_array_equal(whole.weights(name), want.weight)
    first = sim.Session(whole.program).weights(name)
    assert np.mean(whole.weights(name) != first) > 0.3


@pytest.mark.parametrize("name", ["a", "b"])
def test_what_is_transmitted_is_the_weight_after_its_step(name: str, whole, brutes) -> None:
    """All synapses of this network are plastic: v between spikes is leak plus what arrives."""
    recording = whole.recording()
    v = recording.trace(f"{name}.v").raw
    arrived = np.zeros((TICKS, N))
    for found in brutes.values():
        if LEARNT[found_name(found, brutes)][1] == name:
            for t, s, w in found.sent:
                arrived[t, found.post[s]] += w
    bias = (BIAS if name == "a" else BIAS - 0.15) + np.linspace(-0.02, 0.2, N)
    leak = np.exp(-DT / TAU)
    free = np.ones((TICKS, N), bool)
    free[0] = False
    spikes = recording.output(name)
    for t, i in zip(spikes.tick, spikes.id, strict=True):
        free[t : t + 4, i] = False
    want = arrived[1:] + bias + (v[:-1] - bias) * leak
    assert free.mean() > 0.3
    np.testing.assert_allclose(v[1:][free[1:]], want[free[1:]], rtol=0, atol=1e-12)


def found_name(found: Brute, brutes: dict[str, Brute]) -> str:
    return next(name for name, b in brutes.items() if b is found)


def test_threads_and_pieces_change_no_bit(program: Program, whole: sim.Session) -> None:
    other = sim.Session(program, threads=2)
    assert other.threads == 2
    other.sample_weights("reward", every=50)
    for first, last in ((0, 1), (1, 120), (120, TICKS)):
        pieces = {k: e.window(first, last) for k, e in stimulus().items()}
        other.advance(pieces, ticks=last - first)
    nets.same(other.recording(), whole.recording())
    same(weights(other), weights(whole))


@pytest.mark.parametrize("tick", [0, 1, 61, 150, TICKS - 1])
def test_a_checkpoint_at_any_tick(program: Program, whole: sim.Session, tick: int) -> None:
    first = sim.Session(program, threads=1)
    if tick:
        first.advance({k: e.window(0, tick) for k, e in stimulus().items()}, ticks=tick)
    given = stimulus()
    second = sim.Session(program, first.state(), threads=2)
    rest = TICKS - tick
    for session in (first, second):  # taking a checkpoint changes nothing either
        session.advance({k: e.window(tick, TICKS) for k, e in given.items()}, ticks=rest)
        same(weights(session), weights(whole))
    for name in "ab":
        want = whole.recording().output(name).window(tick, TICKS)
        assert second.recording().output(name).same_as(want)


def test_samples_are_the_weights_of_their_tick(program: Program, whole: sim.Session) -> None:
    trace = whole.recording().trace("reward.w")
    assert trace.ticks.tolist() == [49, 99, 149, 199, 249]
    session = sim.Session(program, threads=1)
    session.advance({k: e.window(0, 100) for k, e in stimulus().items()}, ticks=100)
    np.testing.assert_array_equal(trace.raw[1], session.weights("reward"))
    session.sample_weights("own", every=3, ids=np.array([4, 2]))
    session.advance(ticks=5)
    assert session.recording().trace("own.w").raw.shape == (2, 2)
    with pytest.raises(RanvierError, match=r"own\)\.ids"):
        session.sample_weights("own", every=3, ids=np.array([10**6]))
    with pytest.raises(RanvierError, match="do not change"):
        session.sample_weights("inhibitry", every=3)


def test_weights_that_are_set_are_there(program: Program) -> None:
    """At a tick without spikes, twice: what was pending or under way by itself is not undone."""
    session = sim.Session(program, threads=2)
    session.advance({k: e.window(0, 90) for k, e in stimulus().items()}, ticks=90)
    now = weights(session)
    for name, values in now.items():
        np.testing.assert_array_equal(session.set_weights(name, values[::-1]), values[::-1])
    same(weights(session), {name: values[::-1] for name, values in now.items()})
    state = session.state()
    same(weights(sim.Session(program, state, threads=1)), weights(session))
    with pytest.raises(RanvierError, match="one weight per synapse"):
        session.set_weights("own", [1.0])


@pytest.mark.parametrize("threads", [1, 2])
def test_reset_keeps_weights_and_forgets_the_rest(program: Program, threads: int) -> None:
    # chance depends on the tick; the session after it has other numbers
    names = [k for k in LEARNT if k not in ("stochastic", "own")]
    session = sim.Session(program, threads=threads, window=90, reset=True)
    session.advance({k: e.window(0, 90) for k, e in stimulus().items()}, ticks=90)
    kept = weights(session)
    fresh = sim.Session(program, threads=1)
    for name, values in kept.items():
        fresh.set_weights(name, values)
    one = sim.Session(program, session.state(), threads=1)
    silent = {k: Events.sorted([], [], size=e.size, ticks=60, dt=DT) for k, e in stimulus().items()}
    given = {**silent, **{k: e.window(0, 60) for k, e in stimulus().items() if k == "dopamine"}}
    for run in (session, fresh, one):
        run.set_weights("stochastic", np.zeros(3 * N))
        run.set_weights("own", np.zeros(3 * N))
        run.advance(given, ticks=20)
    same({k: session.weights(k) for k in names}, {k: one.weights(k) for k in names})
    same({k: session.weights(k) for k in names}, {k: fresh.weights(k) for k in names})


def test_a_window_that_is_held_open_resets_when_it_ends(program: Program) -> None:
    session = sim.Session(program, threads=1, window=30, reset=True)
    session.advance({k: e.window(0, 29) for k, e in stimulus().items()}, ticks=29)
    session.step_held(None)
    plastic = session._arrays.plastic[0]
    assert plastic.fresh == 0
    session.end_window()
    assert plastic.fresh == 30
    assert plastic.hist_tick.max() == -1


def test_weights_read_back_are_those_of_the_run(program: Program, whole: sim.Session) -> None:
    learnt = network()
    kept = [p.name for p in learnt.projections if p.name not in DRAWN]
    back = read_back(learnt, program, whole.state().arrays)
    for projection in back.projections:
        if projection.name in kept:
            np.testing.assert_array_equal(wires(projection).weight, whole.weights(projection.name))


def test_bundles_keep_plasticity(program: Program, whole: sim.Session, tmp_path: Path) -> None:
    save(network(), tmp_path / "net")
    again = load(tmp_path / "net")
    assert again.hash == network().hash
    other = sim.Session(load_program(program.save(tmp_path / "program")), threads=1)
    other.advance(stimulus(), ticks=TICKS)
    same(weights(other), weights(whole))


def test_float32_is_brute_force_with_float32_weights() -> None:
    small = network(("stdp", "nearest"))
    made = compile(small, "ideal32", dt=DT)
    session = sim.Session(made, threads=2)
    session.advance(stimulus(dopamine=False), ticks=TICKS)
    for projection in small.projections:
        want = brute(projection, session.recording(), made, np.float32)
        np.testing.assert_array_equal(session.weights(projection.name), want.weight)


def test_other_machines_refuse() -> None:
    with pytest.raises(RanvierError, match="plastic") as caught:
        compile(network(("stdp",)), "loihi1", dt=DT)
    assert "read the weights back" in str(caught.value)


def test_mistakes_are_named() -> None:
    with pytest.raises(RanvierError, match="did you mean 'tau_plus'"):
        Plasticity(rule="stdp", parameters={"tau_pluss": 1.0})
    with pytest.raises(RanvierError, match="did you mean 'stdp"):
        Plasticity(rule="stpd")
    with pytest.raises(RanvierError, match="reward"):
        Plasticity(rule="stdp_reward")
    with pytest.raises(RanvierError, match="reward"):
        Plasticity(rule="stdp", reward="dopamine")
    lif = nets.lif("a", 4)
    graded = Population(name="g", shape=(4,), model="relu")
    for source, reward, code in (("g", "", "sends no spikes"), ("in", "a", "is not an input")):
        rule = "stdp_reward" if reward else "stdp"
        learns = Plasticity(rule=rule, reward=reward)
        join = nets.join(source, "a", Dense(np.ones((4, 4))), plasticity=learns)
        with pytest.raises(RanvierError, match=code):
            Network(populations=(nets.source("in", 4), lif, graded), projections=(join,))


def test_too_long_a_run(program: Program) -> None:
    session = sim.Session(program, threads=1)
    session._tick = 2**31 - 3
    with pytest.raises(RanvierError, match="32 bits"):
        session.advance(ticks=10)


def test_parts_of_a_system_learn() -> None:
    small = network(("nearest", "reward"))
    made = compile(small, "ideal+ideal", dt=DT, parts={"a": "ideal#1", "b": "ideal#2"})
    session = sim.session(made)
    session.advance(stimulus(), ticks=TICKS)
    part = next(iter(made.parts.values()))
    for projection in small.projections:
        want = brute(projection, session.recording(), part)
        for s in range(want.weight.size):
            want.drift(s, TICKS - 1)
        np.testing.assert_array_equal(session.weights(projection.name), want.weight)

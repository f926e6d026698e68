"""Run by mpiexec, for test_ranks.py: programs on all ranks against the same programs on one.

    mpiexec -n 4 python rank_cases.py same FOLDER | learn FOLDER | error

Rank 0 prints one line of JSON: what differed (``same``), or what was raised.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
import test_plastic  # pyright: ignore[reportMissingImports]

import nets  # pyright: ignore[reportMissingImports]
from ranvier import sim
from ranvier.compile import Program, compile, passes_from_text
from ranvier.errors import RanvierError
from ranvier.events import Events, Recording, State
from ranvier.network import (
    Network,
    Population,
    Probe,
    Projection,
    Rule,
    Sparse,
    TsodyksMarkram,
    Uniform,
)
from ranvier.neurons import get, with_poisson

TICKS = 90


def network(
    *,
    size: int = 500,
    shortest: float = 3e-3,
    poisson: bool = True,
    graded: bool = False,
    gaps: bool = False,
    released: bool = False,
) -> Network:
    """Two populations that excite and inhibit each other, by rule and by table, with delays."""
    small = 180 if size > 100 else 60
    rng = np.random.default_rng(3)
    model = with_poisson(get("lif")) if poisson else get("lif")
    background = {"poisson_rate": 400.0, "poisson_weight": 0.15} if poisson else {}
    populations = [
        nets.source("in", 40),
        Population(name="e", shape=(size,), model=model, parameters={**nets.LIF, **background}),
        Population(name="i", shape=(small,), model=get("lif"), parameters=nets.LIF),
    ]
    n = 4000
    table = Sparse(
        rng.integers(0, size, n), rng.integers(0, small, n), rng.normal(0.2, 0.1, n), (size, small)
    )
    join = nets.join
    projections = [
        join("in", "e", Rule("fixed_indegree", 40, size, {"k": 4}, 0.3, seed=1)),
        join("e", "e", Rule("fixed_indegree", size, size, {"k": 20}, 0.04, seed=2),
             delay=Uniform(shortest, 3 * shortest)),
        join("e", "i", table, delay=shortest + rng.integers(0, 4, n) * 1e-3),
        join("i", "e", Rule("fixed_probability", small, size, {"p": 0.1}, -0.1, seed=3),
             delay=2 * shortest),
        join("in", "i", Sparse(rng.integers(0, 40, 400), rng.integers(0, small, 400),
                               np.full(400, 0.3), (40, small))),
    ]  # fmt: skip
    if released:
        law = TsodyksMarkram(u0=0.4, tau_recovery=0.1, tau_facilitation=0.05)
        # Neurons and their release cells at the same targets: cuts must not mix their order.
        both = replace(projections[2], name="both")
        projections = [p if p.source == "in" else replace(p, short_term=law) for p in projections]
        projections.append(both)
    if gaps:
        wires = Rule("fixed_indegree", size, size, {"k": 3}, 0.2, seed=7)
        projections.append(Projection(source="e", target="e", connectivity=wires, port="current",
                                      gap="v", name="gap"))  # fmt: skip
    if graded:
        populations.append(Population(name="g", shape=(200,), model=get("relu")))
        projections.append(join_graded("e", "g", size, 200, shortest))
        projections.append(join_graded("g", "i", 200, small, shortest))
    return Network(
        name="ranks",
        populations=tuple(populations),
        projections=tuple(projections),
        outputs=("e", "i", *(("g",) if graded else ())),
        probes=(Probe(population="i", variable="v", every=3),),
    )


def join_graded(a: str, b: str, pre: int, post: int, delay: float) -> Any:
    rng = np.random.default_rng(5)
    n = 5 * post
    table = Sparse(
        rng.integers(0, pre, n), rng.integers(0, post, n), rng.random(n) / 9, (pre, post)
    )
    return Projection(source=a, target=b, connectivity=table, delay=delay)


def programs() -> dict[str, Program]:
    """One of every kind that the engine treats differently; "tiny" is for one rank to compute."""
    lazy = passes_from_text(["update.method=lazy"])
    return {
        "float64": compile(network(), "ideal", dt=1e-3),
        "gaps": compile(network(gaps=True), "ideal", dt=1e-3),
        "tied": compile(network(released=True), "ideal", dt=1e-3),
        "tied with gaps": compile(network(released=True, gaps=True), "ideal", dt=1e-3),
        "tiny": compile(network(size=24), "ideal", dt=1e-3),
        "graded float32": compile(network(graded=True), "ideal32", dt=1e-3),
        "lazy": compile(network(poisson=False), "ideal", dt=1e-3, passes=lazy),
        "integers": compile(nets.small_network(hidden=300), "loihi1", dt=1e-3),
    }


def stimulus(program: Program) -> Events:
    return nets.stimulus(program.inputs[0].n, TICKS)


def differences(a: Recording, b: Recording) -> list[str]:
    """Names of all that is not the same, bit for bit."""
    one, other = a.to_document(), b.to_document()
    found = ["document"] if one[0] != other[0] else []
    found += [k for k in one[1].keys() ^ other[1].keys()]
    for name, array in one[1].items():
        there = other[1].get(name)
        if there is not None and name.endswith(("/scale", "/offset")):
            array, there = np.broadcast_arrays(array, there)  # on disk one number may stand for all
        if there is not None and not same(array, there):
            found.append(name)
    for name, events in a.events.items():
        if name not in b.events or not events.same_as(b.events[name]):
            found.append(f"events/{name}")
    return found


def same(a: Any, b: Any) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def check_program(name: str, program: Program, comm: Any, folder: Path) -> dict[str, Any]:
    """A run in windows, the same run in steps, and a run that goes on from a checkpoint."""
    events, first = stimulus(program), comm.Get_rank() == 0
    threads = 2 if comm.Get_size() == 2 and name in ("float64", "tied") else 1
    found: dict[str, Any] = {}

    def note(what: str, ours: Recording, theirs: Recording | None) -> None:
        if first:
            assert theirs is not None
            found[what] = differences(ours, theirs)
            found["spikes"] = sum(int(c.sum()) for c in theirs.counts.values())

    def alone(**more: Any) -> Recording | None:
        return sim.run(program, events, threads=1, keep_state=True, **more) if first else None

    record = list(program.slots)
    options: dict[str, Any] = {"record": record, "window": 50, "reset": True}
    ours = sim.run(program, events, keep_state=True, threads=threads, ranks=comm, **options)
    note("windows", ours, alone(**options))
    running = sim.RankSession(program, comm=comm, threads=1)
    taken = [
        running.step(events.window(t, t + 7), ticks=min(7, TICKS - t)) for t in range(0, 70, 7)
    ]
    if first:
        serial = sim.Session(program, threads=1)
        theirs = [serial.step(events.window(t, t + 7), ticks=7) for t in range(0, 70, 7)]
        pairs = [(a[k], b[k]) for a, b in zip(taken, theirs, strict=True) for k in b]
        found["steps"] = [] if all(a.same_as(b) for a, b in pairs) else ["steps"]
    # A checkpoint of two ranks goes on with one and with four; see test_ranks.
    path = folder / f"{name.replace(' ', '-')}.rvs"
    if comm.Get_size() == 2:
        half = sim.RankSession(program, comm=comm, threads=threads)
        half.advance(events.window(0, 60), ticks=60)
        state = half.state()
        if first:
            state.save(path)
    comm.Barrier()
    state = State.load(path) if first else None
    rest = events.window(60, TICKS)
    ours = sim.run(program, rest, state=state, keep_state=True, ranks=comm)
    if first:
        note("resumed", ours, sim.run(program, rest, state=state, keep_state=True))
    if (
        "i" in program.slots
        and first
        and not np.array_equal(read := running.read("i.v"), serial.read("i.v"))
    ):
        found["read"] = [str(read)]
    elif "i" in program.slots and not first:
        running.read("i.v")
    if name == "float64":
        found["weights"] = check_weights(program, comm)
    found["bytes"] = running.bytes_sent
    return found


def check_weights(program: Program, comm: Any) -> list[str]:
    """Weights are written on every rank, and read whole."""
    projection = program.projections[0].name
    running = sim.RankSession(program, comm=comm)
    before = running.weights(projection)
    running.set_weights(projection, before * 2)
    after = running.weights(projection)
    return [] if np.array_equal(after, before * 2) and before.any() else ["weights"]


def check_learning(comm: Any, folder: Path) -> dict[str, Any]:
    """All rules: run, read, written in between, and gone on with from a checkpoint."""
    first, ticks = comm.Get_rank() == 0, test_plastic.TICKS
    program = compile(test_plastic.network(), "ideal", dt=test_plastic.DT)
    events, found = test_plastic.stimulus(), {}

    def live(session: sim.Session, kept: list[Any], state: State | None) -> sim.Session:
        session.sample_weights("reward", every=50)
        for begin, end in ((0, 90), (90, 170), (170, ticks)):
            if state is not None and begin < 170:
                continue
            part = {k: e.window(begin, end) for k, e in events.items()}
            session.advance(part, ticks=end - begin)
            kept.append({name: session.weights(name) for name in test_plastic.LEARNT})
            if end == 90:
                session.set_weights("triplet", session.weights("triplet")[::-1].copy())
            if end == 170:
                kept.append(session.state())
        return session

    def compare(what: str, state: State | None) -> None:
        mine: list[Any] = []
        session = live(sim.RankSession(program, state, comm=comm), mine, state)
        recording = session.recording(state=True)
        if not first:
            found["weights"] = [w for w in mine if isinstance(w, dict)]
            return
        theirs: list[Any] = []
        alone = live(sim.Session(program, state, threads=1), theirs, state)
        found[what] = differences(recording, alone.recording(state=True))
        if state is None:
            mine[2].save(folder / f"{comm.Get_size()}.rvs")
        for a, b in zip(mine, theirs, strict=True):
            one, other = (x.arrays if isinstance(x, State) else x for x in (a, b))
            found[what] += [k for k in one.keys() ^ other.keys()]
            found[what] += [k for k, v in other.items() if not same(one[k], v)]
        found["weights"] = [w for w in mine if isinstance(w, dict)]
        found["spikes"] = sum(int(c.sum()) for c in recording.counts.values())

    compare("learnt", None)
    comm.Barrier()
    for path in sorted(folder.glob("*.rvs")):  # of this and of other numbers of ranks
        state = State.load(path)
        compare(f"from {path.stem}", state)
    last = comm.allgather(found.pop("weights")[-1])
    found["alike"] = [k for other in last for k, w in other.items() if not same(w, last[0][k])]
    return found


def main(what: str, folder: str = "") -> None:
    comm = sim.world()
    if what == "same":
        found = {
            name: check_program(name, program, comm, Path(folder))
            for name, program in programs().items()
        }
    elif what == "learn":
        found = check_learning(comm, Path(folder))
    else:
        found = raised(what, comm)
    if comm.Get_rank() == 0:
        print(json.dumps(found))


def raised(what: str, comm: Any) -> Any:
    """Errors that every rank must see alike."""
    program = compile(network(), "ideal", dt=1e-3)
    rank, messages = comm.Get_rank(), []
    cases: dict[str, Any] = {
        "program": lambda: sim.run(
            compile(network(shortest=(1 + rank) * 1e-3), "ideal", dt=1e-3), ticks=5, ranks=comm
        ),
        "ticks": lambda: sim.run(program, ticks=5 + rank, ranks=comm),
        "instant": lambda: sim.run(instant(), ticks=5, ranks=comm),
        "size": lambda: sim.run(program, nets.stimulus(7, 5), ranks=comm),
        "blow-up": lambda: sim.run(compile(unstable(), "ideal", dt=1e-3), ticks=400, ranks=comm),
    }
    for name, case in cases.items():
        try:
            case()
            messages.append((name, "nothing"))
        except RanvierError as error:
            messages.append((name, str(error)))
    every = comm.gather(messages, 0)
    return None if every is None else {"alike": all(m == every[0] for m in every),
                                       "messages": dict(every[0])}  # fmt: skip


def instant() -> Program:
    population = (nets.source(), nets.lif("h", 300), nets.lif("o", 300))
    return compile(
        Network(
            name="instant",
            populations=population,
            projections=(
                nets.join(
                    "h",
                    "o",
                    Sparse(np.array([0]), np.array([1]), np.ones(1), (300, 300)),
                    delay=0.0,
                ),
            ),
            outputs=("o",),
        ),
        "ideal",
        dt=1e-3,
    )


def unstable() -> Network:
    """The last neurons grow without end."""
    rng = np.random.default_rng(0)
    n = 300
    return Network(
        name="unstable",
        populations=(Population(name="g", shape=(n,), model=get("relu"),
                                parameters={"bias": np.linspace(0, 1, n)}),),
        projections=(
            Projection(
                source="g",
                target="g",
                connectivity=Sparse(np.arange(n), np.arange(n), 40 * rng.random(n), (n, n)),
            ),
        ),
        outputs=("g",),
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])

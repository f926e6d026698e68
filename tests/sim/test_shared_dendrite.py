"""Dendrites that neighbours share: the line in closed form, sheets, and too large a dt."""

from __future__ import annotations

import builtins
import re
from pathlib import Path

import numpy as np
import pytest

from ranvier import sim
from ranvier.compile import Program, compile
from ranvier.events import Events
from ranvier.network import Network, Population, Probe, Projection, Sparse, neighbours

G = 20e-9
CELL = {"c_s": 50e-12, "c_d": 50e-12, "g_s": 10e-9, "g_d": 5e-9, "g_c": 8e-9, "v_leak": 0.0}
LEAK = CELL["g_d"] + CELL["g_c"] * CELL["g_s"] / (CELL["g_c"] + CELL["g_s"])
AMPERE = 40e-12


def sheet(
    shape: tuple[int, ...], at: int, *, threshold: float = 1.0, periodic: bool = False
) -> Network:
    """Cells of two compartments whose dendrites are joined; a current into one of them."""
    n = int(np.prod(shape))
    cell = {**CELL, "v_threshold": threshold, "v_reset": 0.0}
    return Network(
        populations=(
            Population(name="drive", shape=1, model="step_current",  # type: ignore[arg-type]
                       parameters={"i_0": AMPERE}),
            Population(name="cells", shape=shape, model="two_compartment", parameters=cell),  # type: ignore[arg-type]
        ),
        projections=(
            Projection(source="drive", target="cells", port="dendrite_current",
                       connectivity=Sparse(np.array([0]), np.array([at]), np.ones(1), (1, n))),
            Projection(source="cells", target="cells", gap="v_d", port="dendrite_current",
                       connectivity=neighbours(shape, G, periodic=periodic)),
        ),
        outputs=("cells",),
        probes=(Probe(population="cells", variable="v_d"),),
    )  # fmt: skip


def settled(program: Program) -> np.ndarray:
    assert not [i for i in program.issues if i.code == "gap-unstable"]
    return sim.run(program, ticks=1500).trace("cells.v_d").values[-1]


@pytest.mark.parametrize("dt", [1e-4, 4e-4])
def test_line_decays_as_the_cable_says(dt: float) -> None:
    """At rest the current of a tick is that of the next: dt makes no error."""
    n, at = 81, 40
    found = settled(compile(sheet((n,), at), "ideal", dt=dt))
    half = 1 + LEAK / (2 * G)
    falls = half - np.sqrt(half**2 - 1)  # L + 1/L = 2 + LEAK/G
    peak = AMPERE / (LEAK + 2 * G * (1 - falls))
    k = np.abs(np.arange(n) - at)
    near = k <= 30  # the ends are far away
    assert np.allclose(found[near], (peak * falls**k)[near], rtol=2e-5)
    assert -1 / np.log(falls) == pytest.approx(np.sqrt(G / LEAK), rel=0.05)


@pytest.mark.parametrize("periodic", [False, True])
def test_sheet_solves_its_equations(periodic: bool) -> None:
    shape, at = (7, 5), 11
    found = settled(compile(sheet(shape, at, periodic=periodic), "ideal", dt=2e-4))
    wires = neighbours(shape, G, periodic=periodic)
    laplace = np.zeros((35, 35))
    laplace[wires.post, wires.pre] = -wires.weights
    np.fill_diagonal(laplace, -laplace.sum(1) + LEAK)
    assert np.allclose(found, np.linalg.solve(laplace, AMPERE * np.eye(35)[at]), rtol=1e-6)


def test_input_to_one_makes_neighbours_fire() -> None:
    """Synapses on one dendrite; the soma's threshold decides how far it reaches."""
    network = sheet((200,), 100, threshold=0.08e-3)
    program = compile(network, "ideal", dt=2e-4)
    whole = sim.run(program, ticks=800, threads=1).output("cells")
    fired = np.unique(whole.id)
    assert fired.size > 4
    assert np.array_equal(fired, np.arange(fired[0], 201 - fired[0]))
    counts = np.bincount(whole.id, minlength=200)[100 : fired[-1] + 1]
    assert np.all(np.diff(counts) <= 0)
    assert sim.run(program, ticks=800, threads=2).output("cells").same_as(whole)


def ring(strength: float, *, split: bool = False) -> Program:
    """Cells that hardly leak; ``strength`` is dt*sum(g)/C."""
    n, tau, dt = 130, 1.0, 1e-3
    cells = {"tau": tau, "v_threshold": 1e300, "bias": np.eye(n)[3]}
    parts = 2 if split else 1
    wires = neighbours((n,), strength * tau / (2 * dt * parts), periodic=True)
    return compile(
        Network(
            populations=(Population(name="a", shape=n, model="lif", parameters=cells),),  # type: ignore[arg-type]
            projections=tuple(
                Projection(source="a", target="a", port="current", gap="v", connectivity=wires,
                           name=f"gap {k}")
                for k in range(parts)
            ),
            outputs=("a",),
            probes=(Probe(population="a", variable="v"),),
        ),
        "ideal",
        dt=dt,
    )  # fmt: skip


@pytest.mark.parametrize("split", [False, True])
def test_stable_to_the_limit_and_warned_above(split: bool) -> None:
    below, above = ring(0.98, split=split), ring(1.02, split=split)
    assert not [i for i in below.issues if i.code == "gap-unstable"]
    (warning,) = [i for i in above.issues if i.code == "gap-unstable"]
    assert warning.severity == "warning"
    assert warning.where == ("gap 0, gap 1" if split else "gap 0")
    assert "at most 0.00098 s" in str(warning)
    calm, wild = (sim.run(p, ticks=500).trace("a.v").values[-1] for p in (below, above))
    assert np.abs(calm).max() < 0.1
    assert np.abs(wild).max() > 1e3


def test_events_reach_one_dendrite() -> None:
    """The usual port of synapses beside the gap."""
    base = sheet((9,), 4)
    network = base.replace(
        populations=(Population(name="in", shape=1), *base.populations),  # type: ignore[arg-type]
        projections=(
            Projection(source="in", target="cells", port="dendrite",
                       connectivity=Sparse(np.array([0]), np.array([4]),
                                           np.array([100e-12]), (1, 9))),
            base.projections[1],
        ),
    )  # fmt: skip
    events = Events(np.array([0]), np.array([0]), 1, 60, 2e-4)
    v = sim.run(compile(network, "ideal", dt=2e-4), events).trace("cells.v_d").values[59]
    assert np.allclose(v, v[::-1], rtol=1e-12)
    assert np.all(np.diff(v[4:]) < 0)
    assert v[8] > 0


def test_the_recipe_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The page's code as it stands there."""
    page = Path(__file__).parents[2] / "docs" / "dendrites.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(builtins.compile(block, page.name, "exec"), names)
    line, fired = capsys.readouterr().out.strip().split("\n")
    v = np.array([float(x) for x in line.strip("[]").split()])
    falls = v[1:] / v[:-1]
    assert np.allclose(falls, falls[0], rtol=2e-3)
    ids = [int(x) for x in fired.strip("[]").split(",")]
    assert ids == list(range(40 - len(ids) // 2, 41 + len(ids) // 2))
    assert 3 < len(ids) < 40

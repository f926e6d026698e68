"""Two networks, programs or recordings, compared as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ranvier import bench, sim
from ranvier.compile import compile
from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.network import Dense, Network, Population, Projection

RNG = np.random.default_rng(1)
LIF = {"tau": 20e-3, "r": 1.0, "v_threshold": 1.0, "v_reset": 0.0, "v_leak": 0.0}
NET = Network(
    name="one",
    populations=(
        Population(name="in", shape=(6,)),
        Population(name="a", shape=(4,), model="lif", parameters=LIF),  # pyright: ignore[reportArgumentType]
    ),
    projections=(
        Projection(source="in", target="a", port="jump", connectivity=Dense(RNG.random((4, 6)))),
    ),
    outputs=("a",),
)
STIMULUS = Events.from_raster(RNG.random((50, 6)) < 0.2, dt=1e-3)


def changed() -> Network:
    weights = NET.projections[0].connectivity.weights.copy()  # pyright: ignore[reportAttributeAccessIssue]
    weights[2, 1] += 0.5
    return NET.replace(
        populations=(NET.population("in"),
                     replace(NET.population("a"), parameters={**LIF, "tau": 10e-3})),
        projections=(
            replace(NET.projections[0], connectivity=Dense(weights), delay=2e-3),
        ),
        metadata={"by": "someone"},
    )  # fmt: skip


def test_the_same_is_the_same(tmp_path: Path) -> None:
    program = compile(NET, "loihi1", dt=1e-3)
    recording = sim.run(program, STIMULUS)
    NET.save(tmp_path / "n.rvn")
    program.save(tmp_path / "p.rvp")
    recording.save(tmp_path / "r")
    for thing, name in ((NET, "n.rvn"), (program, "p.rvp"), (recording, "r")):
        found = bench.differences(thing, tmp_path / name)
        assert found.identical, found.text()
        assert "the same" in found.text()


def test_networks() -> None:
    found = {r.where: (r.a, r.b) for r in bench.differences(NET, changed()).rows}
    assert found == {
        "a.tau": ("0.02", "0.01"),
        "in->a.delay": ("one tick", "0.002 s"),
        "in->a.weights": (found["in->a.weights"]),
        "metadata by": ("none", "someone"),
    }
    assert found["in->a.weights"][0].startswith("1 of 24 differ; furthest [6] ")
    other = NET.replace(populations=(*NET.populations, Population(name="more", shape=(2,))))
    assert [str(r) for r in bench.differences(NET, other).rows] == [
        "population more: missing | there"
    ]


def test_programs() -> None:
    one, two = (compile(n, "loihi1", dt=1e-3) for n in (NET, changed()))
    found = {r.where for r in bench.differences(one, two).rows}
    assert {"network_hash", "max_delay", "a.fv (raw)", "in->a: weights as stored"} <= found
    three = compile(NET, "spinnaker1", dt=1e-3)
    found = {r.where for r in bench.differences(one, three).rows}
    assert {"chip", "chip_hash", "in->a: weights as stored"} <= found
    mixed = compile(NET, "loihi1+spinnaker1", dt=1e-3)
    assert not bench.differences(one, mixed).identical


def test_recordings() -> None:
    one, two = (sim.run(compile(n, "ideal", dt=1e-3), STIMULUS) for n in (NET, changed()))
    found = bench.differences(one, two)
    assert found.first is not None
    assert found.shares["a"] == bench.share(one.output("a"), two.output("a"))
    assert f"tick {found.first.tick}, a[{found.first.index}] fires only in" in found.text()
    assert found.to_dict()["first"]["tick"] == found.first.tick


def test_mistakes_are_told(tmp_path: Path) -> None:
    program = compile(NET, "ideal", dt=1e-3)
    with pytest.raises(RanvierError, match="two of one kind"):
        bench.differences(NET, program)
    with pytest.raises(RanvierError, match="does not exist"):
        bench.differences(NET, tmp_path / "nothing.rvn")
    state = sim.run(program, STIMULUS, keep_state=True).state
    assert state is not None
    state.save(tmp_path / "state.zip")
    with pytest.raises(RanvierError, match="cannot be compared"):
        bench.read(tmp_path / "state.zip")

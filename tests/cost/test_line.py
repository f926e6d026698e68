"""From a network to joules on the machines there are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ranvier import chips, cost
from ranvier.compile import compile
from ranvier.events import Events
from ranvier.network import Dense, Network, Population, Projection
from ranvier.neurons import get
from ranvier.sim import run


def net(toy: Any) -> Network:
    rng = np.random.default_rng(0)
    lif = {"model": get("lif"), "parameters": toy.LIF}
    return Network(
        name="two-layers",
        populations=(
            Population(name="in", shape=(8,)),
            Population(name="hidden", shape=(12,), **lif),
            Population(name="out", shape=(3,), **lif),
        ),
        projections=(
            Projection(
                source="in", target="hidden", connectivity=Dense(rng.uniform(5, 20, (12, 8)))
            ),
            Projection(
                source="hidden", target="out", connectivity=Dense(rng.uniform(5, 20, (3, 12)))
            ),
        ),
        outputs=("out",),
    )


def stimulus() -> Events:
    tick, source = np.divmod(np.arange(0, 20 * 8, 3), 8)
    return Events(tick, source, size=8, ticks=20, dt=1e-3)


@pytest.mark.parametrize("table", ["davies2018", "sanafe_nahuku"])
def test_loihi(toy: Any, table: str) -> None:
    program = compile(net(toy), "loihi1", dt=1e-3)
    recording = run(program, {"in": stimulus()}, window=10)
    counts = cost.count(program, recording)
    spikes = {name: v.sum() for name, v in recording.counts.items()}
    assert spikes["hidden"] > 0
    assert counts.totals["synaptic_op"] == spikes["in"] * 12 + spikes["hidden"] * 3
    assert 0 < counts.totals["neuron_update_active"] < 15 * 20
    price = {c.per: c.value or 0.0 for c in chips.get("loihi1").cost_table(table).energy}
    report = cost.energy(program, recording, table=table)
    rows = {q.name: q.value for q in report.breakdown("unit")}
    assert rows["synapse"] == pytest.approx(counts.totals["synaptic_op"] * price["synaptic_op"] / 2)
    assert rows["static"] == pytest.approx(report.value("time") * 3.34 / 32 / 2)
    codes = {i.code for i in report.issues}
    assert "unpublished" in codes  # events from the host, at least
    assert "no-active-count" not in codes
    tick = cost.latency(program, recording, table=table)
    assert 113e-9 < tick.value("tick") < 1e-5
    assert tick.value("latency") == pytest.approx(report.value("time"), rel=1e-12)


@pytest.mark.parametrize("table", ["davies2018", "sanafe_nahuku"])
def test_an_engine_without_counters_gives_a_range_around_the_truth(toy: Any, table: str) -> None:
    program = compile(net(toy), "loihi1", dt=1e-3)
    counted = run(program, {"in": stimulus()}, window=10)
    plain = replace(counted, counters={})
    exact = cost.energy(program, counted, table=table, seconds=1e-3)["energy"]
    loose = cost.energy(program, plain, table=table, seconds=1e-3)["energy"]
    assert loose.low <= exact.low <= exact.high <= loose.high  # type: ignore[operator]
    assert loose.low < loose.high  # type: ignore[operator]


def test_spinnaker(toy: Any) -> None:
    program = compile(net(toy), "spinnaker1", dt=1e-3)
    recording = run(program, {"in": stimulus()}, window=10)
    report = cost.energy(program, recording)
    packets = cost.count(program, recording).totals["packet_hop"]
    by_hand = 26.84 * 0.02 + 0.034 * len(program.cores) * 0.02 + packets * 1e-9
    assert report.value("energy") == pytest.approx(by_hand, rel=1e-12)
    assert report.value("time") == pytest.approx(0.02)
    used = cost.energy(program, recording, powered="used")
    assert used.value("energy") == pytest.approx(by_hand - (26.84 - 0.35) * 0.02, rel=1e-9)
    assert cost.latency(program, recording).value("tick") == 1e-3
    other = cost.energy(program, recording, table="sharp2012")
    counts = cost.count(program, recording).totals
    assert other.value("energy") == pytest.approx(
        counts["neuron_update"] * 100e-9 + counts["synaptic_op"] * 43e-9, rel=1e-12
    )

"""Every class of cause, planted and found."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier import bench, sim
from ranvier.chips import Chip
from ranvier.compile import compile
from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.network import Dense, Network, Population, Probe, Projection

_spec = spec_from_file_location("bench_chips", Path(__file__).parent / "_chips.py")
assert _spec is not None
assert _spec.loader is not None
c: Any = module_from_spec(_spec)
import sys  # noqa: E402

sys.modules["bench_chips"] = c
_spec.loader.exec_module(c)

DT = 1e-3


def spikes(*pairs: tuple[int, int], size: int, ticks: int = 10) -> Events:
    tick, index = zip(*pairs, strict=True)
    return Events.sorted(np.array(tick), np.array(index), size=size, ticks=ticks, dt=DT)


def on(chip: Chip, network: Network, stimulus: Events, **more: Any) -> bench.Divergence:
    """Diff a network on the ideal machine and on a chip made for the test."""
    return bench.diff(network, "ideal", chip, stimulus, dt=DT, **more)


def planted(found: bench.Divergence, cls: str, where: tuple[int, str]) -> bench.Cause:
    assert found.first is not None
    assert (found.first.tick, found.neuron) == where, found.text()
    assert found.cause == cls, found.text()
    assert found.notes == ()
    return found.causes[0]


def test_the_same_machine_twice_has_no_difference() -> None:
    found = on(c.machine(c.Flawed()), c.network([[0.6, 0.6]]), spikes((0, 0), (0, 1), size=2))
    assert found.identical
    assert found.causes == ()
    assert found.total.identical == 1.0
    assert "exactly the same spikes" in found.sentence()


def test_a_delay_that_only_moves_everything_is_told_apart() -> None:
    rng = np.random.default_rng(1)
    raster = Events.from_raster(rng.random((200, 8)) < 0.2, dt=DT)
    late = c.machine(c.own(c.LATE, "f8", ("v", "pending")))
    found = on(late, c.network(rng.uniform(0.1, 0.9, (5, 8))), raster)
    share = found.shares["a"]
    assert share.identical < 0.5
    assert share.shift == 1
    assert share.unshifted[0] / share.unshifted[1] > 0.99
    assert "after a shift of 1 tick: " in found.text()
    assert found.to_dict()["shares"]["a"]["constant_shift_ticks"] == 1


def test_one_rounded_weight() -> None:
    # Eighths are stored exactly; 0.55 becomes 0.5, so 0.5 + 0.55 no longer passes 1.04.
    net = c.network([[0.5, 0.5], [0.5, 0.55]], v_threshold=1.04)
    found = on(c.machine(c.Flawed(step=0.125)), net, spikes((2, 0), (2, 1), size=2))
    cause = planted(found, "weight rounding", (3, "a[1]"))
    assert cause.detail.startswith("1 of 2 weights")
    assert cause.reproduces
    assert cause.margin == pytest.approx(-0.05)
    assert found.values["ideal"]["before_reset"] == pytest.approx(1.05)
    assert found.values["flawed"]["before_reset"] == pytest.approx(1.0)
    assert found.values["flawed"]["threshold"] == pytest.approx(1.04)
    assert found.first is not None
    assert found.first.in_a


def test_a_weight_too_large_to_store() -> None:
    net = c.network([[1.5, 0.25, 1.0]], v_threshold=1.2)
    found = on(c.machine(c.Flawed(step=0.125, largest=1.0)), net, spikes((0, 0), size=3))
    planted(found, "saturation", (1, "a[0]"))


@pytest.mark.parametrize("kind", ["SATURATING", "WRAPPING"])
def test_an_input_sum_too_large_to_hold(kind: str) -> None:
    net = c.network([[0.8, 0.9, -0.8]], v_threshold=1.25)
    chip = c.machine(c.own(getattr(c, kind), "i8"))
    cause = planted(on(chip, net, spikes((1, 0), (1, 1), size=3)), "saturation", (2, "a[0]"))
    assert ("stops" if kind == "SATURATING" else "wraps") in cause.detail
    limit = float(cause.detail.split(" at ")[1].split(";")[0])
    assert limit == pytest.approx(1.0 if kind == "SATURATING" else 1.28, abs=0.011)


def test_delays_rounded_to_ticks() -> None:
    # 1.4 ms twice is 2.8 ms: tick 3. The machine makes each 1 tick: tick 2.
    first = c.network([[2.0]], delay=1.4e-3)
    net = first.replace(
        populations=(*first.populations, replace(first.population("a"), name="b")),
        projections=(
            *first.projections,
            Projection(source="a", target="b", port="jump", connectivity=Dense(np.array([[2.0]])),
                       delay=1.4e-3),
        ),
        outputs=("b",),
    )  # fmt: skip
    chip = c.machine(c.Flawed())
    stimulus = spikes((0, 0), size=1)
    assert on(chip, net, stimulus).identical  # on one grid both round alike
    found = on(chip, net, stimulus, reference_dt=1e-4)
    cause = planted(found, "delay rounding", (2, "b[0]"))
    assert "0.0004 s" in cause.detail
    assert found.shares["a"].identical == 1.0


def test_a_delay_of_zero_becomes_a_tick() -> None:
    found = on(
        c.machine(c.Flawed(), min_delay=1), c.network([[2.0]], delay=0.0), spikes((1, 0), size=1)
    )
    cause = planted(found, "delay rounding", (1, "a[0]"))
    assert "became one tick" in cause.detail


def test_a_rounded_threshold() -> None:
    chip = c.machine(c.Flawed(parameters=(("v_threshold", 1.0),)))
    found = on(chip, c.network([[1.02]], v_threshold=1.05), spikes((0, 0), size=1))
    cause = planted(found, "parameter rounding", (1, "a[0]"))
    assert "v_threshold is 1 instead of 1.05" in cause.detail
    assert found.first is not None
    assert not found.first.in_a


def test_a_rounded_decay() -> None:
    chip = c.machine(c.Flawed(parameters=(("tau", 8e-3),)))
    net = c.network([[0.6]], model="lif", v_threshold=1.03)
    found = on(chip, net, spikes((0, 0), (3, 0), size=1))
    cause = planted(found, "parameter rounding", (4, "a[0]"))
    assert "tau 0.008 instead of 0.01" in cause.detail


def test_another_reset() -> None:
    chip = c.machine(c.Flawed(reset="subtract"))
    assert on(chip, c.network([[1.6]]), spikes((0, 0), size=1)).identical
    found = on(chip, c.network([[1.6, 0.5]]), spikes((0, 0), (1, 1), size=2))
    planted(found, "reset rule", (2, "a[0]"))


def test_a_longer_refractory_time() -> None:
    chip = c.machine(c.Flawed(parameters=(("t_ref", 3e-3),)))
    net = c.network([[1.6]], model="lif", t_ref=1e-3)
    found = on(chip, net, spikes(*[(t, 0) for t in range(8)], size=1))
    cause = planted(found, "parameter rounding", (3, "a[0]"))
    assert "silent for 3 ticks after a spike instead of 1" in cause.detail


def test_a_state_kept_in_steps() -> None:
    # 12-bit decay of a state in steps of 0.01, rounded down: 0.60 -> 0.54, 0.48, 0.43 ...
    net = c.network([[0.6, 0.55]], model="lif", v_threshold=0.99)
    stored = c.own(c.LEAKY, "i8", factor=round(4096 * np.exp(-0.1)))
    found = on(c.machine(stored), net, spikes((0, 0), (3, 1), size=2))
    cause = planted(found, "state rounding", (4, "a[0]"))
    assert "steps of 0.01, rounded down" in cause.detail


def test_an_input_that_acts_a_tick_later() -> None:
    chip = c.machine(c.own(c.LATE, "f8", ("v", "pending"), unit=1.0))
    found = on(chip, c.network([[2.0]]), spikes((0, 0), size=1))
    cause = planted(found, "order of operations", (1, "a[0]"))
    assert "1 tick later" in cause.detail
    assert found.shares["a"].lag == 1.0


def test_two_changes_of_which_neither_is_enough() -> None:
    flaw = c.Flawed(step=0.125, parameters=(("v_threshold", 1.0),))
    # 1.05 -> 1.0 does not fall below 0.97, nor does a threshold of 1.0 lie above 1.05.
    found = on(c.machine(flaw), c.network([[1.05]], v_threshold=0.97), spikes((0, 0), size=1))
    cause = planted(found, "combination", (1, "a[0]"))
    assert cause.detail.endswith("weight rounding + parameter rounding")
    assert not any(x.alone for x in found.causes)


def test_a_model_that_is_only_approximate() -> None:
    net = c.network([[0.4]])
    stimulus = spikes((0, 0), (1, 0), (2, 0), size=1)
    chip = c.machine(c.own(c.DEAF, "f8", unit=1.0, label="approximate"))
    found = on(chip, net, stimulus)
    assert planted(found, "model approximation", (3, "a[0]")).detail == "in its own way"
    chip = c.machine(c.own(c.DEAF, "f8", unit=1.0))
    assert on(chip, net, stimulus).cause == "order of arithmetic"


def test_the_strongest_of_several_comes_first() -> None:
    flaw = c.Flawed(step=0.125, parameters=(("v_threshold", 1.12),))
    found = on(c.machine(flaw), c.network([[1.06, 0.03]], v_threshold=1.055),
               spikes((0, 0), size=2))  # fmt: skip
    # Alone, the weight (1.06 -> 1.0) and the threshold (1.055 -> 1.12) each silence the neuron.
    assert [x.cls for x in found.causes if x.reproduces] == ["parameter rounding",
                                                             "weight rounding"]  # fmt: skip
    margins = [abs(x.margin or 0.0) for x in found.causes]
    assert margins == sorted(margins, reverse=True)


def test_windows_are_played_from_their_own_start() -> None:
    net = c.network([[0.5, 0.55]], v_threshold=1.04)
    stimulus = spikes((0, 0), (11, 0), (23, 0), (23, 1), size=2, ticks=30)
    found = on(c.machine(c.Flawed(step=0.125)), net, stimulus, window=10, reset=True)
    planted(found, "weight rounding", (24, "a[0]"))
    assert "tick 4 of sample 2" in found.sentence()


# -- on the real machines -------------------------------------------------------------------------
def dense(seed: int, model: str = "lif") -> Network:
    rng = np.random.default_rng(seed)
    parameters = {"tau": 20e-3, "r": 1.0, "v_threshold": 1.0, "v_reset": 0.0, "v_leak": 0.0}
    if model == "cuba_lif":
        parameters = {"tau_mem": 20e-3, "tau_syn": 5e-3, "r": 20.0, "v_threshold": 1.0,
                      "v_reset": 0.0, "v_leak": 0.0}  # fmt: skip
    weights = rng.normal(0, 0.3, (24, 16)), rng.normal(0, 0.4, (4, 24))
    delays = np.float64(DT) * rng.integers(1, 6, weights[1].shape).astype(np.float64)
    return Network(
        name="dense",
        populations=(
            Population(name="in", shape=(16,)),
            Population(name="h", shape=(24,), model=model, parameters=parameters),  # pyright: ignore[reportArgumentType]
            Population(name="o", shape=(4,), model=model, parameters=parameters),  # pyright: ignore[reportArgumentType]
        ),
        projections=(
            Projection(source="in", target="h", port="jump", connectivity=Dense(weights[0])),
            Projection(source="h", target="o", port="jump", connectivity=Dense(weights[1]),
                       delay=delays),
        ),
        outputs=("o",),
    )  # fmt: skip


def noise(seed: int, ticks: int = 400) -> Events:
    return Events.from_raster(np.random.default_rng(seed).random((ticks, 16)) < 0.08, dt=DT)


@pytest.mark.parametrize("chip", ["loihi1", "spinnaker1", "loihi1+spinnaker1"])
@pytest.mark.parametrize("model", ["lif", "cuba_lif"])
@pytest.mark.parametrize("seed", [0, 1])
def test_real_machines_are_explained(chip: str, model: str, seed: int) -> None:
    net = dense(seed, model)
    found = bench.diff(net, "ideal", chip, noise(seed), dt=DT, window=50, reset=True)
    assert found.notes == ()
    if found.identical:
        return
    assert found.causes
    assert found.cause in bench.CLASSES
    for values in found.values.values():
        above = values["before_reset"] > values["threshold"]
        fired = found.first is not None and found.first.in_a == (values is found.values["ideal"])
        assert above == fired


def test_shown_values_are_those_of_the_run() -> None:
    net, stimulus = dense(0), noise(0)
    found = bench.diff(net, "ideal", "loihi1", stimulus, dt=DT)
    assert found.first is not None
    probed = net.replace(probes=(Probe(population=found.first.population, variable="v"),))
    for chip in ("ideal", "loihi1"):
        trace = sim.run(compile(probed, chip, dt=DT), stimulus).trace(f"{found.first.population}.v")
        value = trace.values[found.first.tick, found.first.index]
        assert found.values[chip]["after"] == pytest.approx(value, abs=1e-12)


def test_two_real_machines_against_each_other() -> None:
    found = bench.diff(dense(3), "loihi1", "spinnaker1", noise(3), dt=DT, window=50, reset=True)
    assert (found.a, found.b) == ("loihi1", "spinnaker1")
    assert {x.machine for x in found.causes} <= {"loihi1", "spinnaker1"}
    same = bench.diff(dense(3), "loihi1", "loihi1", noise(3), dt=DT)
    assert same.identical
    assert (same.a, same.b) == ("loihi1 (A)", "loihi1 (B)")


def test_the_first_difference_is_found_by_brute_force() -> None:
    net, stimulus = dense(5), noise(5)
    found = bench.diff(net, "ideal", "loihi1", stimulus, dt=DT, causes=False)
    sets = []
    for chip in ("ideal", "loihi1"):
        run = sim.run(compile(net, chip, dt=DT), stimulus, record=["h", "o"])
        trains = [(k, run.output(name)) for k, name in enumerate("ho")]
        pairs = [(k, t, i) for k, e in trains for t, i in zip(e.tick, e.id, strict=True)]
        sets.append({(int(t), k, int(i)) for k, t, i in pairs})
    tick, k, index = min(sets[0] ^ sets[1])
    assert found.first == bench.First(
        tick=tick, population="ho"[k], index=index, in_a=(tick, k, index) in sets[0]
    )
    assert found.total.identical == len(sets[0] & sets[1]) / len(sets[0] | sets[1])
    assert found.causes == ()


def test_mistakes_are_told() -> None:
    with pytest.raises(RanvierError, match="whole fraction of dt"):
        bench.diff(dense(0), "ideal", "ideal", noise(0), dt=DT, reference_dt=3e-4)
    with pytest.raises(RanvierError, match="did you mean 'loihi1'"):
        bench.diff(dense(0), "ideal", "loihi", noise(0), dt=DT)


def test_a_divergence_is_plain_data() -> None:
    import json

    found = bench.diff(dense(0), "ideal", "loihi1", noise(0), dt=DT)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["first"]["population"] == found.first.population  # pyright: ignore[reportOptionalMemberAccess]
    assert data["causes"][0]["class"] == found.cause
    assert found.sentence() in found.text()

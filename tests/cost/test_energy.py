"""Energy and latency of recorded runs: sums by hand, breakdowns, spread, what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier import cost
from ranvier.chips import Chip, Timing
from ranvier.compile import Program
from ranvier.errors import RanvierError
from ranvier.report import Report

SPIKES = {"in": [[2], [0]], "a": [[0, 5, 0, 1], [1, 1, 1, 1]], "b": [[3], [4]]}


def small(toy: Any, chip: Chip) -> tuple[Program, dict[str, Any]]:
    net = toy.network(
        (1, 4, 1),
        {"in->a": np.array([[0, 0, 1], [0, 3, 1]]), "a->b": np.array([[1, 0, 1], [3, 0, 2]])},
    )
    return toy.place(net, chip), {k: np.array(v) for k, v in SPIKES.items()}


def run(toy: Any, chip: Chip, *, active: Any = 3, **options: Any) -> tuple[Any, Report]:
    program, spikes = small(toy, chip)
    counted = None if active is None else np.full((2, len(program.blocks)), active)
    recording = toy.record(program, spikes, active=counted)
    counts = cost.count(program, recording)
    return counts, cost.energy(program, recording, chip=chip, **options)


def test_energy_is_the_sum_of_counts_times_prices_and_power_times_time(toy: Any) -> None:
    chip = toy.machine(kind="real-time")
    counts, report = run(toy, chip)
    dynamic = sum(toy.PRICES[n] * v for n, v in counts.totals.items() if n in toy.PRICES)
    static = (1000.0 * 1 + 100.0 * len(counts.cores)) * 2 * 10e-3
    assert report.value("energy") == pytest.approx(dynamic + static, rel=1e-12)
    assert report.value("energy_per_window") == pytest.approx((dynamic + static) / 2, rel=1e-12)
    assert report.value("time") == pytest.approx(0.02)
    assert report.value("power") == pytest.approx((dynamic + static) / 0.02, rel=1e-12)


@pytest.mark.parametrize("kind", ["real-time", "barrier"])
def test_every_breakdown_sums_to_the_energy_of_a_window(toy: Any, kind: str) -> None:
    _, report = run(toy, toy.machine(kind=kind))
    assert set(report.breakdowns) == {"unit", "population", "coefficient"}
    for rows in report.breakdowns.values():
        for end in ("value", "low", "high"):
            summed = sum(getattr(q, end) for q in rows)
            whole = getattr(report["energy_per_window"], end)
            assert summed == pytest.approx(whole, rel=1e-12)
    units = {q.name for q in report.breakdown("unit")}
    assert {"static", "cores", "synapse", "neuron", "axon", "routing"} <= units
    assert ("barrier" in units) == (kind == "barrier")


def test_populations_pay_for_what_they_do(toy: Any) -> None:
    chip = toy.machine(kind="real-time")
    counts, report = run(toy, chip)
    rows = {q.name: q.value for q in report.breakdown("population")}
    assert set(rows) == {"a", "b", "in", "(machine)"}
    for k, name in enumerate(counts.populations):
        paid = sum(
            toy.PRICES[n] * v[:, k].sum() / 2
            for n, v in counts.by_population.items()
            if n in toy.PRICES
        )
        assert rows[name] == pytest.approx(paid, rel=1e-12)
    assert rows["(machine)"] == pytest.approx((1000.0 + 100.0 * len(counts.cores)) * 10e-3)


def test_a_tick_is_the_busiest_core_and_the_barrier(toy: Any) -> None:
    chip = toy.machine()
    program, spikes = small(toy, chip)
    active = np.arange(2 * len(program.blocks)).reshape(2, -1)
    recording = toy.record(program, spikes, active=active)
    counts, report = cost.count(program, recording), cost.latency(program, recording, chip=chip)
    tiles = program.quantities["tiles"]
    barrier = np.interp(tiles, [1, 5], [100e-9, 500e-9])
    windows = []
    for w in range(2):
        loads = [
            sum(toy.TIMES[n] * counts.by_core[n][w, k] / 10 for n in toy.TIMES)
            for k in range(len(counts.cores))
        ]
        windows.append(10 * (max(loads) + barrier))
    assert report.value("latency") == pytest.approx(sum(windows), rel=1e-12)
    assert report.value("tick") == pytest.approx(sum(windows) / 20, rel=1e-12)
    samples = report["latency_per_window_samples"]
    assert samples.low == pytest.approx(np.percentile(windows, 5))
    assert samples.high == pytest.approx(np.percentile(windows, 95))
    assert sum(q.value or 0 for q in report.breakdown("unit")) == pytest.approx(
        report.value("tick"), rel=1e-12
    )
    assert "mean-activity" in {i.code for i in report.issues}


def test_real_time_ticks_last_dt_and_an_overrun_is_told(toy: Any) -> None:
    chip = toy.machine(kind="real-time")
    program, spikes = small(toy, chip)
    report = cost.latency(program, toy.record(program, spikes), chip=chip)
    assert report.value("tick") == 1e-3
    assert report.value("speed") == 1
    slow = replace(toy.TABLE, time=(toy.coefficient("synaptic_op", "s", 1.0),))
    chip = replace(chip, costs=(slow,))
    program, spikes = small(toy, chip)
    report = cost.latency(program, toy.record(program, spikes), chip=chip)
    assert report.value("tick") == 1e-3
    assert "overrun" in {i.code for i in report.issues}


def test_measured_seconds_replace_the_estimate(toy: Any) -> None:
    counts, report = run(toy, toy.machine(), seconds=2.0)
    static = 2.0 * (1000.0 + 100.0 * len(counts.cores))
    rows = {q.name: q.value for q in report.breakdown("unit")}
    assert (rows["static"] or 0) + (rows["cores"] or 0) == pytest.approx(static / 2)
    assert "mean-activity" not in {i.code for i in report.issues}


def test_uncounted_activity_becomes_a_range(toy: Any) -> None:
    chip = toy.machine(kind="real-time")
    _, none = run(toy, chip, active=0)
    _, open_ = run(toy, chip, active=None)
    program, _ = small(toy, chip)
    everything = np.array([[10 * b.n for b in program.blocks]] * 2)
    _, every = run(toy, chip, active=everything)
    found = open_["energy"]
    assert found.value == found.low == pytest.approx(none.value("energy"), rel=1e-12)
    assert found.high == pytest.approx(every.value("energy"), rel=1e-12)
    assert "no-active-count" in {i.code for i in open_.issues}
    assert none["energy"].low == none["energy"].high


spreads = st.tuples(st.floats(0.1, 1.0), st.floats(1.0, 10.0))


@given(one=spreads, two=spreads)
def test_a_wider_spread_gives_a_wider_range(
    toy: Any, one: tuple[float, float], two: tuple[float, float]
) -> None:
    narrow = (max(one[0], two[0]), min(one[1], two[1]))
    wide = (min(one[0], two[0]), max(one[1], two[1]))
    counters = {"synaptic_op": 5, "neuron_update": 7, "spike": 3}
    ends = []
    for spread in (narrow, wide):
        energy = tuple(replace(c, spread=spread) for c in toy.TABLE.energy)
        chip = replace(toy.machine(), costs=(replace(toy.TABLE, energy=energy),))
        report = cost.price(chip, counters, seconds=1.0, quantities={"chips": 1})
        for rows in ((report["energy"],), report.breakdown("coefficient")):
            for q in rows:
                assert q.low <= q.value <= q.high  # type: ignore[operator]
        ends.append(report["energy"])
        chips_row = next(q for q in report.breakdown("coefficient") if q.name == "chip_second")
        assert chips_row.low == pytest.approx(1000.0 * spread[0])
        assert chips_row.high == pytest.approx(1000.0 * spread[1])
    assert ends[1].low <= ends[0].low
    assert ends[0].high <= ends[1].high
    assert ends[0].value == ends[1].value


@given(
    more=st.dictionaries(st.sampled_from(["synaptic_op", "spike", "axon_in"]), st.integers(0, 9))
)
def test_more_events_never_cost_less(toy: Any, more: dict[str, int]) -> None:
    base = {"synaptic_op": 5, "spike": 3, "axon_in": 1}
    less = cost.price(toy.machine(), base).value("energy")
    much = {n: v + more.get(n, 0) for n, v in base.items()}
    assert cost.price(toy.machine(), much).value("energy") >= less


def test_priced_counters_agree_with_the_energy_of_the_run(toy: Any) -> None:
    """The way for real silicon gives the same joules as the way for programs."""
    chip = toy.machine(kind="real-time")
    counts, report = run(toy, chip)
    again = cost.price(chip, counts, seconds=0.02, quantities={"chips": 1})
    assert again.value("energy") == pytest.approx(report.value("energy"), rel=1e-12)
    plain = cost.price(
        chip, counts.totals, seconds=0.02, quantities={"chips": 1, "cores": len(counts.cores)}
    )
    assert plain.value("energy") == pytest.approx(report.value("energy"), rel=1e-12)


def test_the_machine_or_the_chips_used_are_under_power(toy: Any) -> None:
    chip = replace(toy.machine(kind="real-time"), cores_per_chip=2)
    _, whole = run(toy, chip)
    counts, used = run(toy, chip, powered="used")
    chips = counts.quantities["chips"]
    assert chips < 9
    difference = whole.value("energy") - used.value("energy")
    assert difference == pytest.approx((9 - chips) * 1000.0 * 0.02)
    assert "idle-chips" in {i.code for i in whole.issues}


def test_resets_and_boxes_are_counted_when_given(toy: Any) -> None:
    table = replace(
        toy.TABLE,
        energy=(
            *toy.TABLE.energy,
            toy.coefficient("chip_reset", "J", 50.0),
            toy.coefficient("box_second", "W", 10.0),
        ),
    )
    chip = replace(toy.machine(kind="real-time"), costs=(table,))
    _, without = run(toy, chip)
    _, with_them = run(toy, chip, resets_per_window=1, quantities={"boxes": 1})
    assert with_them.value("energy") - without.value("energy") == pytest.approx(2 * 50.0 + 0.2)
    assert "resets-not-counted" in {i.code for i in without.issues}
    assert "resets-not-counted" not in {i.code for i in with_them.issues}


def test_missing_numbers_are_told(toy: Any) -> None:
    table = replace(
        toy.TABLE,
        energy=(
            toy.coefficient("synaptic_op", "J", None),
            toy.coefficient("input_event", "J", None),
            toy.coefficient("chip_second", "W", 1.0),
        ),
        time=(),
        tick=1e-4,
    )
    chip = replace(toy.machine(), costs=(table,))
    _, report = run(toy, chip)
    codes = [i.code for i in report.issues]
    missing = [i.where for i in report.issues if i.code == "unpublished"]
    assert missing == ["toy.synaptic_op", "toy.input_event", "toy.neuron_update", "toy.spike"]
    assert {"no-time", "no-static", "other-tick"} <= set(codes)
    assert report.value("energy") == 0
    assert "power" not in report
    program, spikes = small(toy, chip)
    latency = cost.latency(program, toy.record(program, spikes), chip=chip)
    assert latency.quantities == ()
    assert "no-time" in {i.code for i in latency.issues}


@pytest.mark.parametrize(
    ("left", "missing"),
    [
        (("synaptic_op",), {"neuron_update", "spike", "chip_second"}),
        (
            ("neuron_update_active", "spike", "chip_second"),
            {"neuron_update_inactive", "synaptic_op"},
        ),
        (("neuron_update", "synaptic_op", "packet_hop", "core_second"), {"chip_second"}),
        (("neuron_update", "synaptic_op", "axon_in", "chip_second"), set()),
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_an_essential_price_left_out_is_as_one_nobody_published(
    toy: Any, left: tuple[str, ...], missing: set[str], listed: bool
) -> None:
    energy = [toy.coefficient(n, "W" if n.endswith("second") else "J", 2.0) for n in left]
    if listed:
        absent = [(n, "W" if n.endswith("second") else "J") for n in missing]
        energy += [toy.coefficient(n, unit, None) for n, unit in absent]
    table = replace(toy.TABLE, energy=tuple(energy), time=())
    chip = replace(toy.machine(kind="real-time"), costs=(table,))
    counts, report = run(toy, chip)
    told = [i for i in report.issues if i.code == "unpublished"]
    assert {i.where for i in told} == {f"toy.{n}" for n in missing}
    assert all(i.severity == "warning" for i in told)
    plain = {n: v for n, v in counts.totals.items() if n in ("synaptic_op", "neuron_update")}
    priced = {i.where for i in cost.price(chip, plain).issues if i.code == "unpublished"}
    needed = {"synaptic_op", "neuron_update", "neuron_update_inactive"} & missing
    assert {f"toy.{n}" for n in needed} <= priced


def test_a_number_that_includes_another_stands_for_it(toy: Any) -> None:
    inside = ("neuron_update", "synaptic_op", "spike")
    whole = toy.coefficient("chip_second", "W", 5.0, includes=inside)
    table = replace(toy.TABLE, energy=(whole,), time=())
    _, report = run(toy, replace(toy.machine(kind="real-time"), costs=(table,)))
    assert not [i for i in report.issues if i.code == "unpublished"]


def test_a_board_is_counted_or_its_power_is_told_to_be_missing(toy: Any) -> None:
    prices = {n: toy.coefficient(n, "J", 0.0) for n in ("neuron_update", "synaptic_op", "spike")}
    board = (*prices.values(), toy.coefficient("board_second", "W", 9.0))
    for boards in (None, 1):
        table = replace(toy.TABLE, energy=board, time=(), chips_per_board=boards)
        chip = replace(toy.machine(kind="real-time"), costs=(table,))
        _, report = run(toy, chip)
        assert report.value("energy") == pytest.approx(0.18 if boards else 0.0)
        assert ("no-static" in {i.code for i in report.issues}) == (boards is None)


@pytest.mark.parametrize("name", ["synaptic_op", "neuron_update"])
def test_a_missing_time_of_a_barrier_machine_is_told(toy: Any, name: str) -> None:
    time = (toy.coefficient(name, "s", 1e-9), toy.coefficient("step", "s", 1e-6))
    chip = replace(toy.machine(), costs=(replace(toy.TABLE, time=time),))
    program, spikes = small(toy, chip)
    latency = cost.latency(program, toy.record(program, spikes), chip=chip)
    (other,) = {"synaptic_op", "neuron_update"} - {name}
    assert [i.where for i in latency.issues if i.code == "unpublished"] == [f"toy.{other}"]


def test_the_nearest_published_barrier_stands_in_and_is_told(toy: Any) -> None:
    table = replace(
        toy.TABLE,
        time=(
            toy.coefficient("synaptic_op", "s", 1e-9),
            toy.coefficient("step", "s", None, table=("tiles", ((30, 1e-6), (40, 2e-6)))),
        ),
    )
    chip = replace(toy.machine(), costs=(table,))
    program, spikes = small(toy, chip)
    report = cost.latency(program, toy.record(program, spikes), chip=chip)
    assert "outside-table" in {i.code for i in report.issues}
    assert {q.name: q.value for q in report.breakdown("unit")}["barrier"] == pytest.approx(1e-6)


def test_the_ideal_machine_has_neither_energy_nor_time(toy: Any) -> None:
    net = toy.network((1, 1, 1), {"in->a": np.array([[0, 0, 1]])})
    program = toy.compile(net, "ideal", dt=1e-3)
    recording = toy.record(program, {n: np.ones((1, 1), np.int64) for n in ("in", "a", "b")})
    for report in (cost.energy(program, recording), cost.latency(program, recording)):
        assert report.quantities == ()
        assert [i.code for i in report.issues] == ["no-costs"]


def test_a_machine_without_timing_takes_dt(toy: Any) -> None:
    chip = replace(toy.machine(), timing=Timing(kind="none"))
    program, spikes = small(toy, chip)
    report = cost.latency(program, toy.record(program, spikes), chip=chip)
    assert report.value("tick") == 1e-3
    assert "no-timing" in {i.code for i in report.issues}


def test_wrong_options_are_refused(toy: Any) -> None:
    chip = toy.machine()
    for options in (
        {"powered": "all"},
        {"seconds": -1.0},
        {"resets_per_window": float("nan")},
        {"table": "other"},
        {"table": {"x": "toy"}},
        {"quantities": {"box": 1}},
    ):
        with pytest.raises(RanvierError):
            run(toy, chip, **options)


def test_parts_of_a_mixed_system_are_added(toy: Any) -> None:
    """The sum of what each part costs by itself, with the slower part's time for both."""
    net = toy.network(
        (2, 3, 3), {"in->a": np.array([[0, 0, 1], [1, 2, 1]]), "a->b": np.array([[1, 0, 1]])}
    )
    left = replace(toy.machine(kind="real-time"), name="left")
    right = replace(toy.machine(), name="right")
    system = replace(left, name="left+right", parts=(left, right), topology=None, costs=())
    program = toy.compile(net, system, dt=1e-3, parts={"a": "left", "b": "right"})
    spikes = {"in": np.array([[1, 2]]), "a": np.array([[1, 0, 2]]), "b": np.array([[4, 0, 0]])}
    blocks = tuple((b.population, b.core) for p in program.parts.values() for b in p.blocks)
    recording = replace(toy.record(program, spikes), blocks=blocks)
    counts = cost.count(program, recording)
    assert set(counts.parts) == {"left", "right"}
    report = cost.energy(program, recording, chip=system)
    assert [q.name for q in report.breakdown("part")] == ["left", "right"]
    alone = sum(
        cost.price(part, counts.parts[part.name], seconds=0.01, quantities={"chips": 1}).value(
            "energy"
        )
        for part in (left, right)
    )
    assert report.value("energy") == pytest.approx(alone + 2.0 * 10)  # and ten barriers
    assert "links between the parts" in report.to_text()
    assert cost.latency(program, recording, chip=system).value("tick") == 1e-3
    with pytest.raises(RanvierError, match="per part"):
        cost.price(left, counts)

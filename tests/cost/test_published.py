"""Published totals from published coefficients, with counters fed to ``cost`` directly.

SpiNNaker rows: SpiNNMachine at fe5a06a. Loihi row: Frady et al. 2020, 1.33 mJ measured for the
neuro cores of 32 chips that hold 76 800 patterns, one query: 667 to 750 input spikes, 60 ticks.
"""

from __future__ import annotations

import pytest

from ranvier import chips, cost
from ranvier.errors import RanvierError

PATTERNS = 76_800


@pytest.mark.parametrize(
    ("quantities", "watts"),
    [
        ({"boards": 1}, 26.84),
        ({"boards": 1, "chips": 48}, 26.84),
        ({"boards": 1, "chips": 48, "boxes": 1}, 31.88),
        ({"boards": 1, "chips": 48, "boxes": 1, "cores": 806}, 59.38),
        ({"boards4": 1, "chips": 4}, 3.56),
        ({"chips": 48}, 16.82),  # chips and memory without the rest of the board
        ({"frames": 1, "frames_active": 1}, 154.163558),
    ],
)
def test_board_power_of_spinnaker(quantities: dict[str, float], watts: float) -> None:
    report = cost.price("spinnaker1", {}, seconds=3600, quantities=quantities)
    assert report.value("power") == pytest.approx(watts, rel=0.005)
    assert report.value("energy") == pytest.approx(3600 * watts, rel=0.005)


def test_the_active_board_is_off_by_the_rounding_of_a_core() -> None:
    """0.034 W is (59.38 - 31.88) W / 806, rounded by the tools' authors: -0.16 %."""
    quantities = {"boards": 1, "boxes": 1, "cores": 806}
    report = cost.price("spinnaker1", {}, seconds=1, quantities=quantities)
    assert report.value("power") == pytest.approx(26.84 + 5.04 + 806 * 0.034, rel=1e-12)
    assert abs(report.value("power") / 59.38 - 1) < 0.002


@pytest.mark.parametrize(
    ("table", "spikes", "excess"),
    [
        ("davies2018", 667, 0.09),
        ("davies2018", 750, 0.20),
        ("sanafe_nahuku", 667, 0.55),
        ("sanafe_nahuku", 750, 0.71),
    ],
)
def test_nearest_neighbour_query_on_loihi(table: str, spikes: int, excess: float) -> None:
    """+9 to +20 % with one set, +55 to +71 % with the other, to a point in a hundred."""
    counters = {
        "synaptic_op": spikes * PATTERNS,
        "neuron_update_active": 0,
        "neuron_update_inactive": PATTERNS * 60,
    }
    energy = cost.price("loihi1", counters, table=table).value("energy")
    assert energy / 1.33e-3 - 1 == pytest.approx(excess, abs=0.01)


@pytest.mark.parametrize(("spikes", "joules"), [(667, 1.45e-3), (750, 1.60e-3)])
def test_the_query_in_joules(spikes: int, joules: float) -> None:
    counters = {"synaptic_op": spikes * PATTERNS, "neuron_update_inactive": PATTERNS * 60}
    report = cost.price("loihi1", counters)
    assert report.value("energy") == pytest.approx(joules, rel=0.002)
    by_hand = spikes * PATTERNS * 23.6e-12 + PATTERNS * 60 * 52e-12
    assert report.value("energy") == pytest.approx(by_hand, rel=1e-12)


def test_static_power_of_loihi() -> None:
    report = cost.price("loihi1", {}, seconds=1, quantities={"chips": 32})
    assert report.value("power") == pytest.approx(3.34, rel=1e-12)


def test_cortical_column_on_spinnaker() -> None:
    """100 nJ per neuron and millisecond, 43 nJ per postsynaptic potential (Sharp 2012)."""
    counters = {"neuron_update": 10_000 * 1000, "synaptic_op": 1e6}
    report = cost.price("spinnaker1", counters, seconds=1, table="sharp2012")
    assert report.value("energy") == pytest.approx(1.0 + 0.043, rel=1e-12)


@pytest.mark.parametrize("chip", ["loihi1", "spinnaker1"])
def test_every_coefficient_has_a_source_and_is_explained(chip: str) -> None:
    for table in chips.get(chip).costs:
        report = cost.explain(chip, table.name)
        rows = [*report.breakdown("energy"), *report.breakdown("time")]
        assert {c.per for c in (*table.energy, *table.time)} == {q.name for q in rows}
        text = report.to_text(sources=True)
        for c in (*table.energy, *table.time):
            assert c.source
            assert c.source in text
            assert (c.value is None and c.table is None) == (c.evidence == "unpublished")
            assert c.evidence == "unpublished" or c.conditions
    assert "unknown" in cost.explain(chip).to_text()


def test_the_barrier_is_listed_point_by_point() -> None:
    rows = [q for q in cost.explain("loihi1").breakdown("time") if q.name == "step"]
    assert [(q.where, q.value) for q in rows] == [("tiles = 1", 113e-9), ("tiles = 32", 465e-9)]


def test_what_nobody_published_is_said_and_not_counted() -> None:
    report = cost.price("loihi1", {"axon_out": 5, "synaptic_op": 2, "synaptic_update": 0})
    assert report.value("energy") == pytest.approx(2 * 23.6e-12)
    (missing,) = [i for i in report.issues if i.code == "unpublished"]
    assert missing.where == "davies2018.axon_out"
    assert "not published, not counted" in str(missing)


def test_unknown_names_and_bad_numbers_are_refused() -> None:
    with pytest.raises(RanvierError, match="davies2018"):
        cost.price("loihi1", {}, table="davis2018")
    with pytest.raises(RanvierError, match="did you mean"):
        cost.price("loihi", {})
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(RanvierError, match="not negative"):
            cost.price("loihi1", {"synaptic_op": bad})
        with pytest.raises(RanvierError, match="not negative"):
            cost.price("loihi1", {}, seconds=bad)
    with pytest.raises(RanvierError, match="did you mean 'synaptic_op'"):
        cost.price("loihi1", {"synaptic_ops": 1})
    with pytest.raises(RanvierError, match="did you mean 'chips'"):
        cost.price("loihi1", {}, seconds=1, quantities={"chip": 1})


def test_the_ideal_machine_has_no_cost() -> None:
    report = cost.price("ideal", {"synaptic_op": 5}, seconds=1)
    assert [i.code for i in report.issues] == ["no-costs"]
    assert report.quantities == ()
    assert [i.code for i in cost.explain("ideal").issues] == ["no-costs"]

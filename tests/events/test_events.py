"""Events: what they hold, what they refuse, and what is done with them."""

# pyright: reportArgumentType=false

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.errors import RanvierError
from ranvier.events import Events, Recording, Trace, concatenate, read_events, write_events

NAN = float("nan")


def make(tick: Any = (0, 1), id: Any = (0, 1), **more: Any) -> Events:
    return Events(**{"tick": tick, "id": id, "size": 3, "ticks": 5, "dt": 1e-3, **more})


BAD: list[tuple[Any, str]] = [
    (lambda: make([0, 5]), "Events.tick[1]: out of range; got 5; allowed: 0..4. raise `ticks`"),
    (lambda: make([-1, 0]), "Events.tick[0]: out of range; got -1"),
    (lambda: make(id=[0, 3]), "Events.id[1]: out of range; got 3; allowed: 0..2. raise `size`"),
    (lambda: make([1, 0]), "Events.tick[1]: ticks must not decrease; got 0 after 1. build with "
     "Events.sorted"),
    (lambda: make([0.0, 1.0]), "Events.tick: must hold integers; got float64. round to whole"),
    (lambda: make(np.array([2**64 - 1, 0], np.uint64)), "Events.tick[0]: out of range"),
    (lambda: make([[0, 1]]), "Events.tick: must be one-dimensional; got (1, 2)"),
    (lambda: make([0, [1]]), "Events.tick: must be one-dimensional"),
    (lambda: make([0]), "tick and id must have equal length; got 1 and 2"),
    (lambda: make(dt=0), "Events.dt: must be positive seconds; got 0"),
    (lambda: make(dt=NAN), "Events.dt: must be positive seconds; got nan"),
    (lambda: make(dt="1ms"), "Events.dt: must be positive seconds; got '1ms'"),
    (lambda: make(size=-1), "Events.size: must be a whole number of at least 0; got -1"),
    (lambda: make(ticks=5.0), "Events.ticks: must be a whole number of at least 0; got 5.0"),
    (lambda: make(payload=[1.0]), "Events.payload: must have one value per event; got (1,)"),
    (lambda: make(payload=[1.0, NAN]), "Events.payload[1]: must be a finite number; got nan"),
    (lambda: make(payload=["a", "b"]), "Events.payload: must hold numbers"),
    (lambda: make([0, 0], [1, 0], payload=[1.0]), "must have one value per event"),
    (lambda: Events.sorted([1, 0], [0], size=1, ticks=2, dt=1e-3), "differ in length; got 2, 1"),
    (lambda: Events.sorted([1, 0], [0, 0], size=1, ticks=2, dt=1e-3, payload=[1]), "per event"),
    (lambda: Events.from_raster(np.zeros(3), dt=1e-3), "needs [ticks, size]; got (3,)"),
    (lambda: Events.from_raster([[NAN, 0]], dt=1e-3), "must be a finite number"),
    (lambda: Events.from_seconds([NAN], [0], size=1, duration=1, dt=1e-3), "must be finite"),
    (lambda: Events.from_seconds([0.5], [0], size=1, duration=NAN, dt=1e-3), "must be finite"),
    (lambda: Events.from_seconds([0.5], [0], size=1, duration=1, dt=0), "must be positive seconds"),
    (lambda: Events.from_seconds([0.5, 1.5], [0, 0], size=1, duration=1, dt=1e-3),
     "time[1]: lies outside the duration; got 1.5 s; allowed: 0 <= time < 1 s"),
    (lambda: Events.from_seconds([-0.5], [0], size=1, duration=1, dt=1e-3), "got -0.5 s"),
    (lambda: Events.from_seconds([0.5], [0], size=1, duration=1, dt=1e-300), "too many ticks"),
    (lambda: make().counts(0), "a window needs at least 1 tick"),
    (lambda: make().counts(-3), "must be a whole number of at least 0"),
    (lambda: make().select([3]), "Events.select[0]: out of range; got 3"),
    (lambda: make().select([-1]), "Events.select[0]: out of range; got -1"),
    (lambda: make().select([1, 1]), "names a source twice"),
    (lambda: make().window(3, 1), "must be a whole number of at least 0; got -2"),
    (lambda: make().shift(-1), "Events"),
    (lambda: concatenate([]), "needs at least one Events"),
    (lambda: concatenate([make(), make(dt=2e-3)]), "same size and dt; got size 3, dt 0.002"),
    (lambda: read_events(Path("nowhere.parquet")), "does not exist"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_events_are_told(number: int) -> None:
    action, message = BAD[number]
    with pytest.raises(RanvierError) as caught:
        action()
    assert message in str(caught.value)
    assert len(caught.value.issues) == 1


@st.composite
def some_events(draw: st.DrawFn) -> Events:
    size, ticks = draw(st.integers(1, 6)), draw(st.integers(1, 30))
    n = draw(st.integers(0, 40))
    tick = draw(st.lists(st.integers(0, ticks - 1), min_size=n, max_size=n))
    index = draw(st.lists(st.integers(0, size - 1), min_size=n, max_size=n))
    payload = None
    if draw(st.booleans()):
        payload = draw(st.lists(st.floats(-9, 9), min_size=n, max_size=n))
    dt = draw(st.sampled_from([1e-3, 1e-4, 0.1]))
    return Events.sorted(tick, index, size=size, ticks=ticks, dt=dt, payload=payload)


@given(some_events(), st.data())
def test_cutting_and_joining(events: Events, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, events.ticks), max_size=4)))
    parts = [events.window(a, b) for a, b in zip([0, *cuts], [*cuts, events.ticks], strict=True)]
    again = concatenate(parts)
    assert again.same_as(events)
    assert again.ticks == events.ticks
    window = data.draw(st.integers(1, 40))
    counts = events.counts(window)
    assert counts.shape == (max(1, -(-events.ticks // window)), events.size)
    assert counts.sum() == len(events)
    plain = np.zeros((events.ticks, events.size), int)
    np.add.at(plain, (events.tick, events.id), 1)
    for k, row in enumerate(counts):
        assert np.array_equal(row, plain[k * window : (k + 1) * window].sum(0))
    chosen = data.draw(st.permutations(range(events.size)))
    assert np.allclose(events.select(chosen).raster(), events.raster()[:, chosen])
    later = events.shift(3)
    assert later.ticks == events.ticks + 3
    assert later.window(3, later.ticks).same_as(events)


@given(some_events())
def test_there_and_back_on_disk(tmp_path_factory: pytest.TempPathFactory, events: Events) -> None:
    path = tmp_path_factory.mktemp("e") / "e.parquet"
    write_events(events, str(path))
    again = read_events(str(path))
    assert again.same_as(events)
    assert (again.size, again.ticks, again.dt) == (events.size, events.ticks, events.dt)
    assert (again.payload is None) == (events.payload is None)
    assert [p.name for p in path.parent.iterdir()] == ["e.parquet"]


def test_a_strangers_parquet_is_checked(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "e.parquet"
    good = {"size": "3", "ticks": "5", "dt": "0.001"}
    cases: list[tuple[dict[str, Any], dict[str, str], str]] = [
        ({"tick": [0, 1], "id": [0, 2]}, good, ""),
        ({"tick": [0, 9], "id": [0, 2]}, good, "out of range; got 9"),
        ({"tick": [1, 0], "id": [0, 2]}, good, "must not decrease"),
        ({"tick": [0, None], "id": [0, 2]}, good, "must hold integers"),
        ({"tick": ["a", "b"], "id": [0, 2]}, good, "must hold integers"),
        ({"tick": [[0], [1]], "id": [0, 2]}, good, ""),
        ({"tick": [0, 1]}, good, "is not a readable event file"),
        ({"tick": [0, 1], "id": [0, 2]}, {"size": "3"}, "is not a readable event file"),
        ({"tick": [0, 1], "id": [0, 2]}, {**good, "size": "x"}, "is not a readable event file"),
        ({"tick": [0, 1], "id": [0, 2]}, {**good, "dt": "-1"}, "must be positive seconds"),
        ({"tick": [0, 1], "id": [0, 2]}, {**good, "sha256": "00"}, "does not match its hash"),
    ]
    for columns, meta, message in cases:
        pq.write_table(pa.table(columns).replace_schema_metadata(meta), path)
        if not message and columns["tick"] == [0, 1]:
            assert len(read_events(path)) == 2
            continue
        with pytest.raises(RanvierError) as caught:
            read_events(path)
        assert message in str(caught.value)
        assert len(caught.value.issues) == 1


def test_arrays_are_the_events_own() -> None:
    tick, payload = np.array([0, 1]), np.array([1.0, 2.0])
    events = make(tick, payload=payload)
    tick[0], payload[0] = 1, 9.0
    assert events.tick.tolist() == [0, 1]
    assert events.payload is not None
    assert events.payload.tolist() == [1.0, 2.0]
    for array in (events.tick, events.id, events.payload):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    ones = make([0, 0], [1, 0], payload=[5.0, 6.0])
    assert (ones.id.tolist(), ones.raster()[0].tolist()) == ([0, 1], [6.0, 5.0, 0.0])


def test_seconds_to_ticks() -> None:
    events = Events.from_seconds(
        [0.0031, 0.0, 0.0005, 0.0099], [1, 0, 0, 1], size=2, duration=0.01, dt=1e-3
    )
    assert events.tick.tolist() == [0, 1, 3, 10]
    assert events.ticks == 11  # the last one rounds up to a tick of its own
    assert Events.from_seconds([], [], size=2, duration=0.01, dt=1e-3).ticks == 10
    assert make().duration == 0.005
    assert repr(make()) == "Events(2 events of 3 sources in 5 x 0.001 s)"
    assert Events.empty(size=0, ticks=0, dt=1e-3).counts().shape == (1, 0)


def test_a_recording_explains_what_it_has() -> None:
    recording = Recording(
        dt=1e-3,
        ticks=25,
        window=10,
        start=7,
        program_hash="",
        events={"out": make()},
        traces={"out.v": Trace(np.arange(2), np.array([[1], [2]]), 0.5, 1.0)},
        counts={"out": np.array([[1, 2], [3, 4]])},
    )
    assert recording.windows == 4  # 7..9, 10..19, 20..29, 30..31
    assert recording.trace("out.v").values.tolist() == [[1.5], [2.0]]
    assert recording.totals("out").tolist() == [4, 6]
    assert recording.activity()["out"].tolist() == [4 / 25, 6 / 25]
    for action, message in (
        (lambda: recording.output("ot"), "did you mean 'out'?"),
        (lambda: recording.trace("out.w"), "did you mean 'out.v'?"),
        (lambda: recording.totals("x"), "unknown population; got 'x'; allowed: out"),
    ):
        with pytest.raises(RanvierError) as caught:
            action()
        assert message in str(caught.value)

"""Recordings that stream to disk: what comes back, and by window."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from ranvier.errors import RanvierError
from ranvier.events import (
    PopulationInfo,
    State,
    StreamWriter,
    TraceInfo,
    compact_recording,
    load_recording,
    open_recording,
)
from recordings import TRACES, Run, same

quick = patch.object(os, "fsync", lambda handle: None)
"""What a disk does when the power fails is not what these tests ask."""


@st.composite
def runs(draw: st.DrawFn) -> tuple[Run, list[int], list[bool], int]:
    start = draw(st.integers(0, 25))
    run = Run(
        draw(st.integers(0, 60)), start, draw(st.one_of(st.none(), st.integers(1, 30))),
        draw(st.integers(0, 9)), draw(st.sampled_from([0.0, 0.02, 0.5])),
    )  # fmt: skip
    end = run.start + run.ticks
    stops = sorted(draw(st.lists(st.integers(start, end), max_size=5)))
    kinds = [draw(st.booleans()) for _ in stops]
    return run, stops, kinds, draw(st.sampled_from([1, 400, 2000, 2**26]))


# -- what comes back ------------------------------------------------------------------------------
@quick
@given(runs())
def test_it_is_the_recording_in_memory(case: tuple[Run, list[int], list[bool], int]) -> None:
    run, stops, kinds, pending = case
    end = run.start + run.ticks
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "r"
        writer, kept = run.writer(path, pending=pending, seconds=1e9), -1
        for stop, with_state in zip(stops, kinds, strict=True):
            run.give(writer, stop, seed=stop)
            writer.flush(stop, run.state(stop) if with_state else None)
            assert writer.flushed == writer.tick == stop
            kept = stop if with_state else kept
            found = open_recording(path)
            assert not found.complete
            same(found.load(), run.expected(stop, run.state(stop) if kept == stop else None))
        run.give(writer, end, seed=end)
        assert writer.close(end, state=run.state(end)) == path
        expected = run.expected(state=run.state(end))
        found = open_recording(path)
        assert found.complete
        same(found.load(), expected)
        same(load_recording(path), expected)
        assert not [p.name for p in path.iterdir() if p.name.startswith(("part", "stream", "."))]
        # Saved again in one go, it is read by window just as well.
        load_recording(path).save(path)
        same(open_recording(path).load(), expected)


@quick
@given(runs(), st.data())
def test_windows_are_slices(
    case: tuple[Run, list[int], list[bool], int], data: st.DataObject
) -> None:
    run, stops, _, pending = case
    end = run.start + run.ticks
    expected = run.expected()
    first = data.draw(st.integers(0, run.ticks))
    last = data.draw(st.integers(first, run.ticks))
    ids = data.draw(st.lists(st.integers(0, 2), unique=True))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "r"
        writer = run.writer(path, pending=pending)
        for stop in (*stops, end):
            run.give(writer, stop)
            writer.flush(stop)
        for form in ("parts", "closed parts", "compact", "saved"):
            if form == "closed parts":
                writer.close(compact=False)
            if form == "compact":
                compact_recording(path)
            if form == "saved":
                expected.save(path)
            found = open_recording(path)
            assert found.complete == (form != "parts")
            for pop in ("a", "g"):
                window = expected.output(pop).window(first, last)
                got = found.events(pop, first, last)
                assert got.same_as(window)
                assert (got.size, got.ticks) == (window.size, window.ticks)
                chosen = found.events(pop, first, last, ids)
                assert chosen.same_as(window.select(ids))
                assert chosen.size == len(ids)
                pieces = list(found.chunks(pop, first, last))
                for k, column in enumerate((window.tick, window.id, window.payload)):
                    given: list[Any] = [np.zeros(0, int), *(piece[k] for piece in pieces)]
                    if column is None:
                        assert given[1:] == [None] * len(pieces)
                    else:
                        assert np.array_equal(np.concatenate(given), column)
            for trace in TRACES:
                whole, part = expected.trace(trace), found.trace(trace, first, last)
                keep = (whole.ticks >= first) & (whole.ticks < last)
                assert np.array_equal(part.ticks, whole.ticks[keep] - first)
                assert np.array_equal(part.values, whole.values[keep])
            for pop, rates in found.rates().items():
                assert np.allclose(rates, expected.totals(pop) / (max(1, run.ticks) * 1e-3))


def test_counts_are_those_of_the_events_where_none_were_given(tmp_path: Path) -> None:
    run = Run(40, start=7, window=10)
    with run.writer(tmp_path / "r") as writer:
        tick, index = np.nonzero(run.dense["a"])
        writer.append("a", tick + 7, index)
        writer.flush(47)
        for found in (open_recording(tmp_path / "r"), None):
            found = found or open_recording(tmp_path / "r")
            assert np.array_equal(found.counts("a"), run.expected().counts["a"])
            with pytest.raises(RanvierError, match="in: has neither counts nor events"):
                found.counts("in")
            assert sorted(found.load().counts) == ["a", "g"]
            assert sorted(found.rates()) == ["a", "g"]
    assert sorted(load_recording(tmp_path / "r").counts) == ["a", "g"]


def test_large_ids_and_ticks(tmp_path: Path) -> None:
    size = 10**9
    with StreamWriter(
        tmp_path / "r", dt=1e-4, program_hash="", populations={"big": PopulationInfo(size)}
    ) as writer:
        writer.append("big", np.array([5, 2**40], np.uint64), np.array([size - 1, 0], np.uint32))
        writer.flush(2**40 + 1)
        one = open_recording(tmp_path / "r").events("big", 2**40, 2**40 + 1)
    two = open_recording(tmp_path / "r").events("big", ids=[size - 1, 7])
    assert (one.tick.tolist(), one.id.tolist(), one.size) == ([0], [0], size)
    assert (two.tick.tolist(), two.id.tolist(), two.size) == ([5], [0], 2)


def test_a_tick_in_several_pieces_is_sorted(tmp_path: Path) -> None:
    """One tick may be written in many parts; the closed file is sorted all the same."""
    rng = np.random.default_rng(0)
    ids = rng.permutation(400_000)
    with StreamWriter(
        tmp_path / "r", dt=1e-3, program_hash="", pending=2**20,
        populations={"a": PopulationInfo(400_000)},
    ) as writer:  # fmt: skip
        for part in np.array_split(ids, 7):
            writer.append("a", np.full(part.size, 3), part)
        writer.append("a", [4, 5], [1, 0])
        writer.advance(6)
        assert len(list((tmp_path / "r").glob("part-*"))) > 3
    import pyarrow.parquet as pq

    table = pq.read_table(tmp_path / "r" / "events-0.parquet")
    assert table["id"].to_pylist() == [*range(400_000), 1, 0]
    found = open_recording(tmp_path / "r").events("a", 3, 4)
    assert np.array_equal(found.id, np.arange(400_000))


def test_a_window_reads_only_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    n = 1_000_000
    with StreamWriter(
        tmp_path / "r", dt=1e-3, program_hash="", populations={"a": PopulationInfo(3)}
    ) as writer:
        for k in range(10):
            writer.append("a", np.arange(k * n // 10, (k + 1) * n // 10), np.zeros(n // 10, int))
            writer.flush((k + 1) * n // 10)
        parts = open_recording(tmp_path / "r")
        assert len({ref.file for ref in parts._source.events("a")}) == 10
        read: list[Any] = []
        real = pq.ParquetFile.read_row_group

        def counted(self: Any, *args: Any, **more: Any) -> Any:
            read.append(args)
            return real(self, *args, **more)

        monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
        assert len(parts.events("a", 555_000, 556_000)) == 1000
        assert len(read) == 1
    read.clear()
    found = open_recording(tmp_path / "r")
    assert len(found._source.events("a")) == 8
    assert len(found.events("a", 555_000, 556_000)) == 1000
    assert len(read) == 1
    assert len(found.events("a", 555_000, 555_000)) == 0


# -- what is refused ------------------------------------------------------------------------------
WRONG: list[tuple[Any, str]] = [
    (lambda w: w.append("b", [1], [1]), "unknown recorded population; got 'b'; allowed: a, g"),
    (lambda w: w.append("in", [1], [1]), "unknown recorded population"),
    (lambda w: w.append("a", [1, 2], [1]), "append a: tick and id must have equal length"),
    (lambda w: w.append("a", [[1]], [[1]]), "append a tick: must be one-dimensional"),
    (lambda w: w.append("a", [1.0], [1]), "append a tick: must hold integers; got float64"),
    (lambda w: w.append("a", [9, 8], [1, 1]), "append a tick[1]: ticks must not decrease"),
    (lambda w: w.append("a", [3], [1]), "append a: ticks must not decrease from call to call; got"
     " 3; allowed: 4 or later"),
    (lambda w: w.append("a", [9, 9], [0, 5]), "append a id[1]: out of range; got 5; allowed: 0..4"),
    (lambda w: w.append("a", [9], [-1]), "append a id[0]: out of range; got -1"),
    (lambda w: w.append("a", [2**63 + 9], [0]), "out of range"),
    (lambda w: w.append("a", [9], [0], [1.0]), "carry no payload"),
    (lambda w: w.append("g", [9], [0], [np.nan]), "needs one finite number per event"),
    (lambda w: w.append("g", [9], [0], [1, 2]), "needs one finite number per event"),
    (lambda w: w.append_trace("a.u", [9], np.zeros((1, 5))), "did you mean 'a.v'?"),
    (lambda w: w.append_trace("a.v", [9], np.zeros((1, 4))), "got (1, 4); allowed: (1, 5)"),
    (lambda w: w.append_trace("a.v", [9, 9], np.zeros((2, 5))), "ticks must not decrease"),
    (lambda w: w.append_trace("g.n", [9], np.zeros((1, 3))), "got float64; allowed: i4"),
    (lambda w: w.append_counts(4, {}), "counts of these ticks were given; got 4; allowed: above 4"),
    (lambda w: w.append_counts(11, {}), "a window ended on the way; got ticks 4..10"),
    (lambda w: w.append_counts(9, {"b": [1]}), "unknown counts; got 'b'"),
    (lambda w: w.append_counts(9, {"a": [1]}), "append_counts a: needs whole numbers"),
    (lambda w: w.append_counts(9, {}, {"sops": [1.0, 2.0]}), "needs whole numbers; got float64"),
    (lambda w: w.flush(3), "tick: must be a whole number that does not decrease; got 3"),
    (lambda w: w.flush(4.5), "must be a whole number"),
    (lambda w: w.flush(9, State(8, {}, "abc")), "the state is of another tick or program"),
    (lambda w: w.flush(9, State(9, {}, "abd")), "the state is of another tick or program"),
    (lambda w: (w.append("a", [7], [0]), w.flush(7)), "something of this tick or later was given"),
    (lambda w: (w.append("a", [7], [0]), w.close()), "give close(tick)"),
    (lambda w: (w.abandon(), w.append("a", [7], [0])), "the recording was closed"),
    (lambda w: StreamWriter.resume(w.path), "is being written by another process or writer"),
    (lambda w: (w.abandon(), StreamWriter.resume(w.path)), "has no checkpoint to go on from"),
    (lambda w: (w.close(), StreamWriter.resume(w.path)), "was closed: there is nothing to go on"),
    (lambda w: (w.close(compact=False), StreamWriter.resume(w.path)), "was closed: there is"),
    (lambda w: compact_recording(w.path), "did not come to its end"),
    (lambda w: Run(9).writer(w.path), "there is a recording already"),
    (lambda w: Run(9).writer(w.path, overwrite=True), "is being written by another"),
    (lambda w: Run(9).writer(w.path.parent / "no" / "r"), "the directory to write into does not"),
    (lambda w: Run(9).writer(w.path.parent), "something that is not a recording is in the way"),
    (lambda w: Run(9, start=-1).writer(w.path.parent / "s"), "recording.start: must be a whole"),
    (lambda w: Run(9, window=0).writer(w.path.parent / "s"), "recording.window: must be a whole"),
    (lambda w: PopulationInfo(-1), "PopulationInfo.size: must be a whole number in its range"),
    (lambda w: TraceInfo(3, "c16"), "TraceInfo.dtype: is not a number format that is stored"),
    (lambda w: TraceInfo(3, "f8", 0), "TraceInfo.every: must be a whole number"),
    (lambda w: TraceInfo(3, scale=[1, 2]), "TraceInfo.scale: must be finite"),
    (lambda w: open_recording(w.path).events("b"), "unknown recorded population"),
    (lambda w: open_recording(w.path).events("a", 3, 9), "there is no such window; got 3..9; all"),
    (lambda w: open_recording(w.path).events("a", 3, 2), "there is no such window"),
    (lambda w: open_recording(w.path).events("a", ids=[5]), "Events.select[0]: out of range"),
    (lambda w: open_recording(w.path).trace("a.u"), "unknown recorded state"),
    (lambda w: open_recording(w.path).counts("b"), "unknown population"),
    (lambda w: open_recording(w.path).counter("b"), "unknown counter"),
    (lambda w: open_recording(w.path.parent), "is not a recording: it has neither of its files"),
    (lambda w: open_recording(w.path / "no"), "is not a recording directory"),
    (lambda w: open_recording(w.path / "stream.jsonl"), "is not a recording directory"),
    (lambda w: StreamWriter.resume(w.path.parent), "is not a recording under way"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_what_does_not_fit_is_told_and_changes_nothing(number: int, tmp_path: Path) -> None:
    action, message = WRONG[number]
    run = Run(20, window=10)
    writer = run.writer(tmp_path / "r")
    run.give(writer, 4)
    writer.flush(4)
    with pytest.raises(RanvierError) as caught:
        action(writer)
    assert message in str(caught.value)
    assert len(caught.value.issues) == 1
    assert open_recording(tmp_path / "r").ticks == 4
    same(open_recording(tmp_path / "r").load(), run.expected(4))
    assert [p.name for p in tmp_path.iterdir()] == ["r"]
    writer.abandon()


def test_an_old_recording_is_replaced_only_when_asked(tmp_path: Path) -> None:
    Run(9).expected().save(tmp_path / "r")
    with pytest.raises(RanvierError, match="there is a recording already"):
        Run(9).writer(tmp_path / "r")
    same(load_recording(tmp_path / "r"), Run(9).expected())
    run = Run(12, seed=1)
    with run.writer(tmp_path / "r", overwrite=True) as writer:
        run.give(writer, 12)
    same(load_recording(tmp_path / "r"), run.expected())
    writer.close()  # once more does nothing


def test_importing_is_light() -> None:
    code = (
        "import sys, ranvier.events\n"
        "print([n for n in ('pyarrow', 'torch', 'numba', 'safetensors') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

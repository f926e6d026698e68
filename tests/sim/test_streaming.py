"""Recording to disk while running: the same recording, and what a kill leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import sim
from ranvier.compile import Program, compile, load_program
from ranvier.errors import RanvierError
from ranvier.events import Recording, StoredRecording, load_recording, open_recording
from ranvier.network import Probe

NAMES = ["h", "o", "in"]


def made(chip: str = "ideal") -> Program:
    probe = Probe(population="h", variable="v", every=3)
    return compile(nets.small_network(3).replace(probes=(probe,)), chip, dt=1e-3)


def same(stored: StoredRecording, whole: Recording) -> None:
    assert stored.complete
    assert (stored.ticks, stored.windows) == (whole.ticks, whole.windows)
    assert all(stored.events(name).same_as(whole.output(name)) for name in NAMES)
    assert np.array_equal(stored.trace("h.v").raw, whole.trace("h.v").raw)
    assert np.array_equal(stored.trace("h.v").ticks, whole.trace("h.v").ticks)
    for name, counts in whole.counts.items():
        assert np.array_equal(stored.counts(name), counts)
    for name, counter in whole.counters.items():
        assert np.array_equal(stored.counter(name), counter)


@pytest.mark.parametrize("chip", ["ideal", "loihi1"])
@settings(max_examples=6, deadline=None)
@given(window=st.sampled_from([None, 1, 7, 50, 1000]), reset=st.booleans())
def test_the_same_recording(
    chip: str, window: int | None, reset: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program, stimulus = made(chip), nets.stimulus(16, 120, rate=0.3, seed=1)
    options = {"window": window, "reset": reset and window is not None, "record": NAMES}
    whole = sim.run(program, stimulus, ticks=120, **options)  # type: ignore[arg-type]
    place = tmp_path_factory.mktemp("stream") / "r"
    same(sim.record(program, stimulus, to=place, ticks=120, **options), whole)
    assert load_recording(place).output("h").same_as(whole.output("h"))


CHILD = """
import sys
sys.path[:0] = {paths!r}
import nets
from ranvier import sim
from ranvier.compile import load_program
session = sim.Session(load_program({program!r}), record=["h", "o", "in"])
session.stream({place!r}, seconds=0.0, checkpoints=0.0)
session.schedule(nets.stimulus(16, 4000, rate=0.3, seed=1))
print("ready", flush=True)
for _ in range(400):
    session.advance(ticks=10)
"""


@pytest.mark.parametrize("seconds", [0.05, 0.4])
def test_killed_and_gone_on_with(seconds: float, tmp_path: Path) -> None:
    program, place = made(), tmp_path / "r"
    program.save(tmp_path / "p")
    text = CHILD.format(
        paths=[str(Path(__file__).parents[1]), *sys.path],
        program=str(tmp_path / "p"), place=str(place),
    )  # fmt: skip
    child = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    time.sleep(seconds)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    whole = sim.run(program, nets.stimulus(16, 4000, rate=0.3, seed=1), ticks=4000, record=NAMES)
    left = open_recording(place)
    assert not left.complete
    for name in NAMES:
        assert left.events(name).same_as(whole.output(name).window(0, left.ticks))
    again = load_program(tmp_path / "p")
    if left.checkpoint() is None:
        with pytest.raises(RanvierError, match="no checkpoint"):
            sim.record(again, to=place, ticks=4000, go_on=True, record=NAMES)
        return
    same(sim.record(again, to=place, ticks=4000, go_on=True, record=NAMES), whole)


def test_memory_holds_no_events(tmp_path: Path) -> None:
    session = sim.Session(made(), record=NAMES)
    session.stream(tmp_path / "r")
    session.advance(nets.stimulus(16, 500, rate=0.5, seed=1), ticks=500)
    assert session.recorder.parts == []
    assert all(not tap.pieces for tap in session.recorder.probes.taps)
    assert session.recording().ticks == 500
    assert session.close_stream().ticks == 500


def test_misuse(tmp_path: Path) -> None:
    session = sim.Session(made())
    with pytest.raises(RanvierError, match="does not record to disk"):
        session.close_stream()
    session.advance(nets.stimulus(16, 50, rate=0.9, seed=1), ticks=50)
    with pytest.raises(RanvierError, match="has recorded already"):
        session.stream(tmp_path / "r")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mine.txt").write_text("precious")
    with pytest.raises(RanvierError, match=r"in the way|not a recording"):
        sim.record(made(), to=tmp_path / "x", ticks=5, overwrite=True)
    assert (tmp_path / "x" / "mine.txt").read_text() == "precious"

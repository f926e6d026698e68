"""Recordings and what goes wrong: kill -9, a full disk, damage, a reader while it is written."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from bundles import attempt
from ranvier.errors import RanvierError
from ranvier.events import (
    PopulationInfo,
    StreamWriter,
    compact_recording,
    load_recording,
    open_recording,
)
from recordings import Run, same

TESTS = Path(__file__).parent.parent
RUN = Run(60, start=5, window=10)
END = 65
CHILD = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from recordings import Run
run, at, calls = Run(60, start=5, window=10), int(sys.argv[3]), 0

def lethal(name, real):
    def call(*args, **more):
        global calls
        calls += 1
        if calls == at:
            if name == "write":  # a line of the log, torn
                real(args[0], args[1][: len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **more)
    return call

for name in ("replace", "fsync", "write", "unlink", "rmdir"):
    setattr(os, name, lethal(name, getattr(os, name)))
writer = run.writer(Path(sys.argv[2]), pending=3000, seconds=1e9)
print("begun", flush=True)
for number, tick in enumerate(range(11, 71, 6)):
    tick = min(tick, 65)
    run.give(writer, tick, seed=tick)
    writer.flush(tick, run.state(tick) if number % 2 else None)
    print(tick, flush=True)
    time.sleep(float(sys.argv[4]))
writer.close()
print("closed", calls, flush=True)
"""


def child(path: Path, at: int = 0, pause: float = 0.0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(TESTS), str(path), str(at), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check_what_is_left(path: Path, said: list[str]) -> None:
    """All that was flushed is there, and nothing else; the run can go on, and comes to the same."""
    flushed = [int(word) for word in said if word.isdigit()]
    if not path.exists():
        assert said == []
        return
    found = open_recording(path)
    end = found.start + found.ticks
    assert end >= max(flushed, default=5)
    state = found.checkpoint()
    expected = RUN.expected(end, RUN.state(end) if state and state.tick == end else None)
    same(found.load(), expected)
    same(load_recording(path), expected)
    if found.complete:
        assert end == END
        compact_recording(path)
    elif state is None:
        with pytest.raises(RanvierError, match="has no checkpoint to go on from"):
            StreamWriter.resume(path)
        return
    else:
        assert end - state.tick <= 12
        with StreamWriter.resume(path) as writer:
            assert writer.checkpoint is not None
            assert writer.tick == writer.checkpoint.tick == state.tick
            RUN.give(writer, END, seed=3)
    final = load_recording(path)
    same(final, RUN.expected(END, final.state))
    assert open_recording(path).complete


def test_killed_at_any_call(tmp_path: Path) -> None:
    """The process dies within a call that changes the disk: every kind of call, all along."""
    with child(tmp_path / "whole") as process:
        assert process.stdout is not None
        *said, last = process.stdout.read().split("\n")[:-1]
    calls = int(last.split()[1])
    assert calls > 60
    check_what_is_left(tmp_path / "whole", said)
    late = [calls - k for k in (0, 2, 5, 9, 13, 17)]  # while it is closed
    for at in sorted({*range(2, calls, calls // 9), *late}):
        path = tmp_path / f"killed-{at}"
        with child(path, at) as process:
            assert process.stdout is not None
            said = process.stdout.read().split("\n")[:-1]
        assert process.returncode == -9
        check_what_is_left(path, said)


def test_killed_at_any_moment(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(4):
        path = tmp_path / f"r{number}"
        with child(path, pause=0.02) as process:
            assert process.stdout is not None
            said = [process.stdout.readline().strip()]
            time.sleep(rng.uniform(0, 0.4))
            process.kill()
            said += process.stdout.read().split("\n")[:-1]
        check_what_is_left(path, said)


def test_a_reader_while_it_is_written(tmp_path: Path) -> None:
    path, seen = tmp_path / "r", [0]
    with child(path, pause=0.05) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while True:
            found = open_recording(path)
            held = found.ticks
            end = held + 5
            try:
                got = found.load()
            except RanvierError as error:  # in the middle of a window, just as the writer closed
                if error.issues[0].code != "recording-closed":
                    raise
                continue
            kept = got.state
            same(got, RUN.expected(end, kept))
            assert held >= seen[-1]
            seen.append(held)
            if found.complete:
                break
        process.stdout.read()
    assert process.returncode == 0
    assert len(set(seen)) > 2
    same(open_recording(path).load(), RUN.expected(END, RUN.state(END)))


def test_a_reader_from_before_it_was_closed(tmp_path: Path) -> None:
    writer = RUN.writer(tmp_path / "r")
    RUN.give(writer, 40)
    writer.flush(40)
    early = open_recording(tmp_path / "r")
    chunks = open_recording(tmp_path / "r").chunks("a")
    RUN.give(writer, END)
    writer.close()
    assert early.ticks == 35
    same(early.load(), RUN.expected(40))
    assert sum(tick.size for tick, *_ in chunks) == len(early.events("a"))


# -- going on -------------------------------------------------------------------------------------
def test_resumed_is_the_same_as_uninterrupted(tmp_path: Path) -> None:
    for number, more in enumerate((0, 3, 20)):
        path = tmp_path / f"r{number}"
        writer = RUN.writer(path, pending=1500)
        RUN.give(writer, 20)
        writer.flush(20, RUN.state(20))
        RUN.give(writer, 33)
        writer.flush(33, RUN.state(33))
        RUN.give(writer, 33 + more)
        writer.flush(33 + more)
        writer.abandon()
        with StreamWriter.resume(path) as again:
            assert again.tick == again.flushed == 33
            assert open_recording(path).ticks == 28
            RUN.give(again, END, seed=8)
        same(load_recording(path), RUN.expected())


def test_an_exception_keeps_what_was_given(tmp_path: Path) -> None:
    def interrupted() -> None:
        with RUN.writer(tmp_path / "r") as writer:
            RUN.give(writer, 20)
            writer.flush(20, RUN.state(20))
            RUN.give(writer, 42)
            writer.append("a", [44], [0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    found = open_recording(tmp_path / "r")
    assert not found.complete
    same(found.load(), RUN.expected(42))
    with StreamWriter.resume(tmp_path / "r") as writer:
        RUN.give(writer, END)
    same(load_recording(tmp_path / "r"), RUN.expected())


def test_two_checkpoints_are_kept_and_the_older_helps_out(tmp_path: Path) -> None:
    path = tmp_path / "r"
    writer = RUN.writer(path)
    for tick in (10, 20, 30, 40):
        RUN.give(writer, tick)
        writer.flush(tick, RUN.state(tick))
    writer.abandon()
    states = sorted(p for p in path.iterdir() if p.name.startswith("state"))
    assert len(states) == 2
    blob = states[1] / "arrays.safetensors"
    blob.write_bytes(blob.read_bytes()[:-1])
    state = open_recording(path).checkpoint()
    assert state is not None
    assert state.tick == 30
    with StreamWriter.resume(path) as writer:
        assert writer.tick == 30
        RUN.give(writer, END)
    same(load_recording(path), RUN.expected())


def test_both_checkpoints_damaged(tmp_path: Path) -> None:
    writer = RUN.writer(tmp_path / "r")
    writer.flush(5, RUN.state(5))
    writer.abandon()
    (state,) = (tmp_path / "r").glob("state*")
    (state / "document.json").write_text("{}")
    for action in (open_recording(tmp_path / "r").checkpoint,
                   lambda: StreamWriter.resume(tmp_path / "r")):  # fmt: skip
        with pytest.raises(RanvierError, match="does not match its hash"):
            action()
    assert open_recording(tmp_path / "r").ticks == 0


# -- a full disk ----------------------------------------------------------------------------------
class FailingDisk:
    """The call number ``at`` of any of its functions finds the disk full."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def failing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            self.calls += 1
            if self.calls - 1 == self.at:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args, **more)

        return call


def run_on(path: Path, monkeypatch: pytest.MonkeyPatch, at: int, pending: int) -> str:
    """A run whose call number ``at`` fails: the stage in which it did, "" if there is none."""
    disk, writers, failed = FailingDisk(at), list[StreamWriter](), ""
    stages: tuple[tuple[str, int, Callable[[], Any]], ...] = (
        ("make", 5, lambda: writers.append(RUN.writer(path, pending=pending))),
        ("give", 5, lambda: RUN.give(writers[0], 20)),
        ("state", 5, lambda: writers[0].flush(20, RUN.state(20))),
        ("give", 20, lambda: RUN.give(writers[0], 40)),
        ("flush", 20, lambda: writers[0].flush(40)),
        ("give", 40, lambda: RUN.give(writers[0], END)),
        ("close", 40, lambda: writers[0].close()),
    )
    with monkeypatch.context() as patch:
        for owner, name in (
            (os, "replace"), (os, "fsync"), (os, "write"), (tempfile, "mkdtemp"),
            (tempfile, "mkstemp"), (pq.ParquetWriter, "write_table"),
        ):  # fmt: skip
            patch.setattr(owner, name, disk.failing(getattr(owner, name)))
        for stage, flushed, action in stages:
            _, error = attempt(action)
            if error is None:
                continue
            (issue,) = error.issues
            assert issue.code == "cannot-write"
            assert issue.where.startswith(str(path))
            assert "No space left on device" in str(error)
            failed = stage
            if stage == "make":
                assert not path.exists()
            else:
                found = open_recording(path)
                end = found.start + found.ticks
                assert end >= flushed
                state = found.checkpoint()
                same(found.load(), RUN.expected(end, state if end == 20 else None))
            if stage == "give":  # that call was taken, but here the rest of the step is missing
                writers[0].abandon()
                return failed
            action()
    if not (path / "recording.rvn").exists():
        compact_recording(path)
    same(load_recording(path), RUN.expected())
    return failed or ("no harm" if disk.calls > at else "")


def test_a_full_disk_at_every_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear error; what was flushed is readable; once there is space the run goes on."""
    met: set[str] = set()
    for pending in (1500, 2**26):  # with and without writing on its own accord
        stages: list[str] = []
        while "" not in stages:
            stages.append(run_on(tmp_path / "r", monkeypatch, len(stages), pending))
            shutil.rmtree(tmp_path / "r")
            assert list(tmp_path.iterdir()) == []
            assert len(stages) < 500
        met.update(stages)
    assert met == {"", "no harm", "make", "give", "state", "flush", "close"}


def test_a_full_disk_takes_what_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = StreamWriter(
        tmp_path / "r",
        dt=1e-3,
        program_hash="",
        populations={"a": PopulationInfo(9)},
        pending=2**20,
    )
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", FailingDisk(0).failing(os.write))
        with pytest.raises(RanvierError, match="No space left"):
            writer.append("a", np.arange(3_000_000), np.zeros(3_000_000, int))
    writer.flush(3_000_000)
    assert len(open_recording(tmp_path / "r").events("a")) == 3_000_000
    writer.abandon()


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(disk)], capture_output=True
    ) if os.name == "posix" and hasattr(os, "geteuid") and os.geteuid() == 0 else None  # fmt: skip
    if done is None or done.returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        rng = np.random.default_rng(0)
        writer = StreamWriter(
            disk / "r", dt=1e-3, program_hash="", populations={"a": PopulationInfo(2**20)}
        )
        given: list[Any] = []

        def fill() -> None:
            for tick in range(100):
                ids = np.sort(rng.integers(0, 2**20, 20_000))
                writer.append("a", np.full(ids.size, tick), ids)
                writer.flush(tick + 1)
                given.append(ids)

        with pytest.raises(RanvierError, match=r"could not be written .*; what was flushed before"):
            fill()
        assert len(given) > 2
        found = open_recording(disk / "r")
        assert found.ticks == len(given)
        assert np.array_equal(found.events("a").id, np.concatenate(given))
        with pytest.raises(RanvierError, match="could not be written"):
            writer.close(100)
        assert np.array_equal(open_recording(disk / "r").load().events["a"].id[:20000], given[0])
        writer.abandon()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# -- damage ---------------------------------------------------------------------------------------
def stopped(path: Path) -> Path:
    writer = RUN.writer(path)
    for tick in (20, 30, 40):
        RUN.give(writer, tick)
        writer.flush(tick)
    writer.abandon()
    return path


@pytest.mark.parametrize(
    "tail",
    [b"", b"{", b"\x00" * 4096, b"garbage\nmore\n", b'{"check":"0123456789abcdef","entry":{}}\n',
     b'{"check":"0123456789abcdef","entry":{"tick":'],
)  # fmt: skip
def test_garbage_behind_the_log(tail: bytes, tmp_path: Path) -> None:
    path = stopped(tmp_path / "r")
    with open(path / "stream.jsonl", "ab") as stream:
        stream.write(tail)
    same(open_recording(path).load(), RUN.expected(40))


def test_a_torn_log_goes_back_to_the_flush_before(tmp_path: Path) -> None:
    path = stopped(tmp_path / "r")
    whole = (path / "stream.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in range(len(lines[0]), len(whole), 37):
        (path / "stream.jsonl").write_bytes(whole[:cut])
        kept = sum(1 for k in range(2, 5) if len(b"".join(lines[:k])) <= cut)
        same(open_recording(path).load(), RUN.expected((5, 20, 30, 40)[kept]))
    (path / "stream.jsonl").write_bytes(whole[: len(lines[0]) - 1])
    with pytest.raises(RanvierError, match="does not begin as the log of a recording does"):
        open_recording(path)


def test_an_altered_line_in_the_middle_is_told(tmp_path: Path) -> None:
    path = stopped(tmp_path / "r")
    lines = (path / "stream.jsonl").read_bytes().splitlines(keepends=True)
    for wrong in ([lines[0], lines[2], lines[3]],
                  [lines[0], lines[1].replace(b":20", b":21"), *lines[2:]]):  # fmt: skip
        (path / "stream.jsonl").write_bytes(b"".join(wrong))
        with pytest.raises(RanvierError, match="is altered, and lines follow it"):
            open_recording(path)


@pytest.mark.parametrize("form", ["parts", "compact"])
def test_any_altered_byte_is_noticed(form: str, tmp_path: Path) -> None:
    """Whatever byte of a file of rows: reading the whole tells; windows beside it do not suffer."""
    path = tmp_path / "r"
    if form == "parts":
        stopped(path)
    else:
        with RUN.writer(path) as writer:
            RUN.give(writer, END)
    rng = np.random.default_rng(0)
    files = sorted(path.glob("*.parquet"))
    assert len(files) == (6 if form == "parts" else 3)
    for file in files:
        good = file.read_bytes()
        for at in (0, *rng.integers(4, len(good), 25), len(good) - 1, -1):
            bad = bytearray(good)
            if at < 0:
                del bad[len(bad) // 2 :]
            else:
                bad[at] ^= 0x41
            file.write_bytes(bad)
            with pytest.raises(RanvierError) as caught:
                load_recording(path)
            assert caught.value.issues[0].code == "damaged-recording"
        file.unlink()
        for read in (load_recording, lambda p: open_recording(p).load()):
            with pytest.raises(RanvierError, match="is missing"):
                read(path)
        file.write_bytes(good)
    load_recording(path)


def test_a_damaged_part_leaves_the_others_readable(tmp_path: Path) -> None:
    path = stopped(tmp_path / "r")
    last = sorted(path.glob("part-*-events.parquet"))[-1]
    last.write_bytes(last.read_bytes()[:-5])
    found = open_recording(path)
    expected = RUN.expected(40).output("a")
    assert found.events("a", 0, 25).same_as(expected.window(0, 25))
    with pytest.raises(RanvierError, match="does not match its hash"):
        found.events("a", 20, 30)


def test_a_damaged_page_is_noticed_by_the_window_that_needs_it(tmp_path: Path) -> None:
    n = 500_000
    with StreamWriter(
        tmp_path / "r", dt=1e-3, program_hash="", populations={"a": PopulationInfo(1000)}
    ) as writer:
        writer.append("a", np.arange(n), np.random.default_rng(0).integers(0, 1000, n))
        writer.advance(n)
    (file,) = (tmp_path / "r").glob("events*")
    column = pq.read_metadata(file).row_group(2).column(1)
    data = bytearray(file.read_bytes())
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    file.write_bytes(data)
    found = open_recording(tmp_path / "r")
    assert len(found.events("a", 0, 200_000)) == 200_000
    with pytest.raises(RanvierError, match=r"cannot be read.*CRC"):
        found.events("a", 270_000, 270_001)

"""``ranvier run``: length, threads, profile, memory, checkpoints and Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import Cli, environment  # type: ignore[import-not-found]


def test_time_threads_profile_and_speed(cli: Cli, program: Path) -> None:
    done = cli("run", program, "--time", "0.5s", "--threads", 1, "--profile", "--json")
    assert done.code == 0
    assert done.json["ticks"] == 500
    assert done.json["timing"]["threads"] == 1
    assert done.json["timing"]["speed"] > 0
    rows = done.json["profile"]["rows"]
    assert [r["where"] for r in rows if r["what"] == "update"] == ["hidden", "out"]
    shown = cli("run", program, "--time", "0.5s", "--profile").out
    assert "0.5 s simulated in" in shown
    assert "x real time, 1 thread" in shown
    assert "delivery" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--time", "1s", "--ticks", "5"), "--time: says the length, and so does --ticks. leave one"
         " of them out."),
        (("--time", "1.5ms"), "--time: is not a whole number of ticks; got 0.0015 s; allowed: a "
         "multiple of 0.001 s. e.g. 0.002s."),
        (("--time", "5"), "--time: is not a time with a unit; got '5'"),
        (("--ticks", "5", "--engine", "reference", "--threads", "2"), "--threads: is not for the "
         "reference engine. use --engine numba."),
        (("--ticks", "5", "--resume", "nothing.state"), "nothing.state"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_told(
    cli: Cli, program: Path, options: tuple[str, ...], message: str
) -> None:
    done = cli("run", program, *options)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("error:") == 1


def test_dry_run_says_the_memory_and_runs_nothing(
    cli: Cli, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = cli("run", program, "--dry-run", "--json")
    assert done.code == 0
    assert done.json["enough"]
    assert done.json["memory"]["parts"]["synapses"] == (8 * 6 + 3 * 8) * 10
    assert "needed" in cli("run", program, "--dry-run").out
    monkeypatch.setattr("ranvier.sim._estimate.available", lambda: 1000)
    monkeypatch.setattr("ranvier.sim.available", lambda: 1000)
    assert cli("run", program, "--dry-run").code == 1
    done = cli("run", program, "--ticks", 5)
    assert done.code == 2
    assert "needs about" in done.err
    assert "1 kB are available" in done.err


def test_a_checkpoint_goes_on_where_it_was(
    cli: Cli, program: Path, csv: Path, tmp_path: Path
) -> None:
    def events(*options: Any) -> dict[str, int]:
        done = cli("run", program, *options, "--json")
        assert done.code == 0, done.out
        return {r["population"]: r["events"] for r in done.json["populations"]}

    state = tmp_path / "run.state"
    whole = events("--input", csv, "--ticks", 80)
    first = events("--input", csv, "--ticks", 42, "--checkpoint", state)
    second = events("--resume", state, "--ticks", 38)
    assert {name: first[name] + second[name] for name in whole} == whole


def test_ctrl_c_keeps_what_was_recorded_and_says_how_to_go_on(
    program: Path, tmp_path: Path
) -> None:
    state, output = tmp_path / "run.state", tmp_path / "recording"
    command = [sys.executable, "-m", "ranvier.cli", "run", str(program), "--ticks", "900000000"]
    started = time.monotonic()
    with subprocess.Popen(
        [*command, "--checkpoint", str(state), "-o", str(output), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    ) as process:  # fmt: skip
        try:
            while not output.exists() and process.poll() is None:
                time.sleep(0.1)
            time.sleep(1.5)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    if process.returncode == 130 and not out:
        pytest.skip(f"pressed before the run began, after {time.monotonic() - started:.0f} s")
    document = json.loads(out)
    assert process.returncode == 130, err
    assert document["interrupted"]
    assert document["left"] + document["ticks"] == 900000000
    from ranvier.events import State, load_recording

    assert State.load(state).tick == document["ticks"] == load_recording(output).ticks

"""check, compile, run, chips, doctor and new, on a tiny network; and what goes wrong with them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier.events import load_recording
from ranvier.network import Dense, Network, Population, Projection
from ranvier.neurons import get

from .conftest import LIF, environment, make_network


# -- check --------------------------------------------------------------------------------------
def test_check_shows_a_network(cli, network: Path) -> None:
    done = cli("check", network)
    assert done.code == 0
    assert "population hidden [8] lif" in done.out
    assert "0 findings" in done.out


def test_check_labels_for_a_chip(cli, network: Path) -> None:
    done = cli("check", network, "--chip", "loihi1", "--dt", "1ms", "--json")
    assert (done.code, done.json["findings"]) == (0, 0)
    assert {"exact", "approximate"} <= {issue["severity"] for issue in done.json["issues"]}
    strict = cli("check", network, "--chip", "loihi1", "--dt", "1ms", "--strict")
    assert strict.code == 1


def test_check_finds_what_does_not_fit(cli, tmp_path: Path) -> None:
    net = make_network()
    slow = net.replace(projections=(replace(net.projections[0], delay=0.5), *net.projections[1:]))
    done = cli("check", slow.save(tmp_path / "slow.rvn"), "--chip", "loihi1", "--dt", "1ms")
    assert done.code == 1
    assert "refused: " in done.out


def test_check_reads_programs_and_recordings(cli, program: Path, csv: Path, tmp_path: Path) -> None:
    assert "program tiny for ideal" in cli("check", program).out
    assert cli("run", program, "-i", csv, "-o", tmp_path / "rec").code == 0
    done = cli("check", tmp_path / "rec")
    assert done.code == 0
    assert "recording of 40 ticks" in done.out
    assert cli("check", program, "--chip", "ideal", "--json").issue["code"] == "wrong-bundle"


# -- compile ------------------------------------------------------------------------------------
def test_compile_writes_a_program_and_a_fit_report(cli, network: Path, tmp_path: Path) -> None:
    target = tmp_path / "tiny.rvp"
    done = cli("compile", network, "--chip", "loihi1", "--dt", "1ms", "-o", target)
    assert done.code == 0
    assert target.is_file()
    assert "compartments" in done.out
    assert "core 0: hidden, out" in done.out
    document = cli("compile", network, "--chip", "loihi1", "--dt", "1ms", "--json").json
    fit = {row["resource"]: row for row in document["fit"]}
    assert (fit["compartments"]["used"], fit["compartments"]["limit"]) == (11, 1024)
    assert fit["compartments"]["populations"] == ["hidden", "out"]


def test_compile_prints_times_and_verifies(cli, network: Path) -> None:
    done = cli("compile", network, "-c", "loihi1", "--dt", "1ms", "--print-after", "partition",
               "--time", "--verify", "--set", "place.method=random")  # fmt: skip
    assert done.code == 0
    assert "-- after partition" in done.out
    assert "core 0: hidden x8, out x3" in done.out
    assert "legalise" in done.out
    assert "verify: mapped and unmapped spikes are the same" in done.out
    document = cli("compile", network, "-c", "ideal", "--dt", "1ms", "--print-after", "all",
                   "--time", "--json").json  # fmt: skip
    assert [name for name, _ in document["printed"]][-1] == "pack"
    assert [name for name, _ in document["passes"]][:2] == ["legalise", "quantise"]


def test_verify_does_not_pass_on_silence(cli, tmp_path: Path) -> None:
    deaf = make_network(weight=0.0).save(tmp_path / "deaf.rvn")
    done = cli("compile", deaf, "-c", "ideal", "--dt", "1ms", "--verify")
    assert done.code == 1
    assert "nothing was compared" in done.out
    document = cli("compile", deaf, "-c", "ideal", "--dt", "1ms", "--verify", "--json").json
    assert (document["verified"], document["silent"]) == (False, ["hidden", "out"])


def test_verify_tries_stronger_input_on_the_hard_of_hearing(cli, tmp_path: Path) -> None:
    """Neurons that fire only when all their inputs do, tick after tick."""
    path = make_network(weight=0.03).save(tmp_path / "hard.rvn")
    done = cli("compile", path, "-c", "ideal", "--dt", "1ms", "--verify", "--json")
    assert (done.code, done.json["verified"]) == (0, True)
    assert "hidden" not in done.json["silent"]


@dataclass(frozen=True, kw_only=True)
class Shuffle:
    """A pass of somebody else's package."""

    name: str = "shuffle"
    times: int = 1

    def apply(self, draft: Any) -> Any:
        return replace(draft, seed=draft.seed + self.times)


def test_a_pass_of_a_plugin_joins_the_line(
    cli, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ranvier.compile import PASSES

    names = [*PASSES.names(), "shuffle"]
    monkeypatch.setitem(PASSES._loaded, "shuffle", Shuffle)  # type: ignore[arg-type]
    monkeypatch.setattr(PASSES, "names", lambda: names)
    line = ("compile", network, "-c", "ideal", "--dt", "1ms")
    done = cli(*line, "--pass", "shuffle", "--set", "shuffle.times=3", "--time", "--verify",
               "--print-after", "shuffle", "--json")  # fmt: skip
    assert done.code == 0, done.out
    assert [name for name, _ in done.json["passes"]][-2:] == ["shuffle", "pack"]
    assert [name for name, _ in done.json["printed"]] == ["shuffle"]
    for options, words in (
        (("--set", "shuffle.times=3"), "--pass shuffle"),
        (("--pass", "shufle"), "did you mean 'shuffle'?"),
        (("--pass", "pack"), "in the line already"),
        (("--pass", "shuffle", "--pass", "shuffle"), "in the line already"),
        (("--pass", "shuffle", "--set", "shuffle.time=3"), "did you mean 'times'?"),
        (("--pass", "shuffle", "--set", "shufle.times=3"), "did you mean 'shuffle'?"),
        (("--pass", "shuffle", "--set", "shuffle.times=x"), "int"),
    ):
        done = cli(*line, *options)
        assert done.code == 2
        assert words in done.err


def test_compile_for_two_chips(cli, network: Path, tmp_path: Path) -> None:
    target = tmp_path / "two.rvp"
    done = cli("compile", network, "-c", "ideal+loihi1", "--dt", "1ms", "--part", "hidden=loihi1",
               "--part", "out=ideal", "--verify", "-o", target, "--json")  # fmt: skip
    assert done.code == 0, done.out + done.err
    assert {row["part"] for row in done.json["fit"]} == {"loihi1"}
    assert cli("run", target, "--ticks", "5").code == 0


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--chip", "lohi1"), "unknown-chip", "did you mean 'loihi1'?"),
        (("--chip", "loihi1", "--dt", "1"), "unit-mismatch", "1ms"),
        (("--chip", "loihi1", "--dt", "1mV"), "unit-mismatch", "--dt"),
        (("--chip", "loihi1", "--dt", "1mz"), "bad-unit", "did you mean"),
        (("--chip", "loihi1", "--dt", "fast"), "bad-quantity", "1ms"),
        (("--chip", "loihi1", "--dt", "-1ms"), "bad-quantity", "positive"),
        (("--chip", "loihi1", "--dt", "1e400s"), "bad-quantity", "1e400s"),
        (("--chip", "ideal", "--dt", "1ms", "-o", ""), "bad-name", "--output"),
        (("--chip", "loihi1"), "dt-missing", "--dt 1ms"),
        (("--chip", "ideal", "--dt", "1ms", "--set", "plce.seed=1"), "unknown-pass", "'place'"),
        (("--chip", "ideal", "--dt", "1ms", "--set", "place.sede=1"), "unknown-option", "'seed'"),
        (("--chip", "ideal", "--dt", "1ms", "--set", "place.seed=x"), "bad-setting", "int"),
        (("--chip", "ideal", "--dt", "1ms", "--set", "seed"), "bad-setting", "place.method"),
        (("--chip", "ideal", "--dt", "1ms", "--print-after", "plac"), "unknown-pass", "'place'"),
        (("--chip", "ideal", "--dt", "1ms", "--part", "h"), "bad-setting", "--part"),
        (("--chip", "ideal", "--dt", "1ms", "-o", "x.nir"), "bad-suffix", "x.rvp"),
        (("--chip", "ideal", "--dt", "1ms", "-o", "x.t"), "bad-suffix", ".zip, none (a folder)."),
        (("--chip", "ideal", "--dt", "1ms", "-o", "no/x.rvp"), "no-such-directory", "mkdir"),
        (("--chip", "ideal", "--dt", "1ms", "--activity", "no"), "no-such-file", "no"),
    ],
)
def test_compile_mistakes(cli, network: Path, options: tuple[str, ...], code: str, words: str):
    done = cli("compile", network, *options, "--json")
    assert done.code == 2
    assert done.issue["code"] == code
    said = cli("compile", network, *options).err
    assert words in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_what_does_not_fit_is_told_with_fixes_and_writes_nothing(cli, tmp_path: Path) -> None:
    net = make_network(hidden=200)
    path = net.save(tmp_path / "big.rvn")
    from ranvier import chips

    small = replace(chips.get("loihi1"), dead_cores=tuple(range(128)))
    assert small.usable_cores == ()
    target = tmp_path / "big.rvp"
    options = ("--dt", "1ms", "--set", "partition.fill=0.0001", "-o", target)
    done = cli("compile", path, "--chip", "loihi1", *options)
    assert done.code == 2
    assert "needs more" in done.err
    assert not target.exists()


# -- run ----------------------------------------------------------------------------------------
def test_run_counts_and_records(cli, program: Path, csv: Path, tmp_path: Path) -> None:
    done = cli("run", program, "--input", csv, "-o", tmp_path / "rec", "--record", "hidden")
    assert done.code == 0
    recording = load_recording(tmp_path / "rec")
    assert list(recording.events) == ["hidden"]
    document = cli("run", program, "--input", csv, "--json").json
    rows = {row["population"]: row for row in document["populations"]}
    assert rows["in"]["events"] == 40
    assert rows["hidden"]["events"] == int(recording.totals("hidden").sum()) > 0
    assert document["ticks"] == 40


def test_all_kinds_of_input_are_the_same(cli, program: Path, csv: Path, tmp_path: Path) -> None:
    from ranvier.events import Events, write_events

    raster = np.zeros((40, 6))
    raster[np.arange(40), np.arange(40) % 6] = 1
    np.save(tmp_path / "r.npy", raster)
    write_events(Events.from_raster(raster, dt=1e-3), tmp_path / "e.parquet")
    runs = [
        cli("run", program, "-i", f"in={path}", "--json").json["populations"]
        for path in (csv, tmp_path / "r.npy", tmp_path / "e.parquet")
    ]
    assert runs[0] == runs[1] == runs[2]


def test_run_compiles_a_network(cli, network: Path, csv: Path) -> None:
    done = cli("run", network, "--dt", "1ms", "--input", csv)
    assert done.code == 0
    assert "ideal machine" in done.err
    quiet = cli("run", network, "--chip", "loihi1", "--dt", "1ms", "--input", csv, "--quiet")
    assert (quiet.code, quiet.err) == (0, "")
    assert "tiny on loihi1" in quiet.out


def test_engines_agree(cli, program: Path, csv: Path) -> None:
    both = [cli("run", program, "-i", csv, "--engine", e, "--json").json for e in
            ("numba", "reference")]  # fmt: skip
    for document in both:
        assert document.pop("timing")["seconds"] > 0
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("unsorted.csv", "3,0\n1,0\n", "must not decrease"),
        ("far.csv", "0,99\n", "0..5"),
        ("negative.csv", "-1,0\n", "allowed: 0 or more"),
        ("empty.csv", "", "tick,id"),
        ("blank.csv", "\n# nothing\n", "is empty"),
        ("long.csv", "99999999999,0\n", "--force"),
        ("huge.csv", "99999999999999999999999,0\n", "whole numbers"),
        ("graded.csv", "0,0,0.5\n", "an event is a spike"),
        ("seconds.csv", "0.001,0\n", "tick,id"),
        ("words.csv", "tick,id\nfive,0\n", "five"),
        ("short.csv", "1\n", "tick,id"),
        ("bytes.csv", "\x00\x01\n", "tick,id"),
        ("pickle.npy", "not numpy", "numpy"),
        ("broken.parquet", "not parquet", "not a readable event file"),
        ("events.txt", "0,0\n", "kind of event file"),
    ],
)
def test_bad_events_name_the_file(
    cli, program: Path, tmp_path: Path, name: str, content: str, words: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    done = cli("run", program, "--input", path)
    assert done.code == 2
    assert name in done.err or name in ("long.csv", "graded.csv")
    assert words in done.err
    for python in ("Events", "`", "window()", "='"):
        assert python not in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "--ticks"),
        (("--input", "missing.csv"), "missing.csv"),
        (("--input", "inn=missing.csv"), "did you mean 'in'?"),
        (("--ticks", "5", "--record", "hiden"), "did you mean 'hidden'?"),
        (("--ticks", "5", "--engine", "numbra"), "did you mean 'numba'?"),
        (("--ticks", "5", "--chip", "loihi1"), "compiled already"),
        (("--ticks", "5", "-o", "missing/rec"), "does not exist"),
        (("--ticks", "99999999999"), "--force"),
    ],
)
def test_run_mistakes(cli, program: Path, options: tuple[str, ...], words: str) -> None:
    done = cli("run", program, *options)
    assert done.code == 2
    assert words in done.err


def test_a_longer_input_than_ticks_is_told(cli, program: Path, csv: Path) -> None:
    done = cli("run", program, "-i", csv, "--ticks", "10")
    assert done.code == 2
    assert "raise --ticks" in done.err


def test_a_header_alone_is_silence(cli, program: Path, tmp_path: Path) -> None:
    path = tmp_path / "silence.csv"
    path.write_text("tick,id\n")
    assert cli("run", program, "-i", path, "--ticks", "5").code == 0


def test_a_very_long_run_has_to_be_meant(cli, program: Path, monkeypatch) -> None:
    monkeypatch.setattr("ranvier.cli._stimulus.MOST_TICKS", 10)
    assert cli("run", program, "--ticks", "11", "--json").issue["code"] == "many-ticks"
    assert cli("run", program, "--ticks", "11", "--force").code == 0
    assert cli("diff", program, program, "--ticks", "11", "--json").issue["code"] == "many-ticks"


def test_one_is_not_many(cli, tmp_path: Path) -> None:
    net = Network(
        name="one",
        populations=(
            Population(name="in", shape=(1,)),
            Population(name="out", shape=(1,), model=get("lif"), parameters=LIF),
        ),
        projections=(
            Projection(source="in", target="out", connectivity=Dense(np.ones((1, 1))), port="jump"),
        ),
        outputs=("out",),
    )
    path, target = net.save(tmp_path / "one.rvn"), tmp_path / "one.rvp"
    done = cli("compile", path, "-c", "ideal", "--dt", "1ms", "-o", target)
    assert "1 neuron, 1 synapse on 1 core, " in done.out
    assert "1 neuron, 1 synapse, 1 core, " in cli("check", target).out
    assert "one on ideal: 1 tick of " in cli("run", target, "--ticks", "1").out


def test_damaged_bundles_are_told(cli, network: Path, program: Path, tmp_path: Path) -> None:
    data = network.read_bytes()
    cut, noise, empty = (tmp_path / f"{n}.rvn" for n in ("cut", "noise", "empty"))
    cut.write_bytes(data[: len(data) // 2])
    noise.write_bytes(bytes(range(256)) * 8)
    empty.write_bytes(b"")
    for path in (cut, noise, empty, tmp_path):
        for command in (("check", path), ("run", path, "--ticks", "1")):
            done = cli(*command, "--json")
            assert (done.code, done.issue["code"]) == (2, "damaged-bundle")
    foreign = tmp_path / "model.nir"
    foreign.write_bytes(b"x")
    assert "ranvier import" in cli("check", foreign).err
    done = cli("compile", program, "--chip", "ideal", "--json")
    assert done.issue["code"] == "wrong-bundle"


def test_an_unwritable_place_is_told_before_the_work(cli, program: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "precious.txt").write_text("mine")
    done = cli("run", program, "--ticks", "5", "-o", tmp_path / "taken")
    assert done.code == 2
    assert (tmp_path / "taken" / "precious.txt").read_text() == "mine"


def test_a_recording_is_replaced_only_when_told_to(cli, program: Path, tmp_path: Path) -> None:
    rec = tmp_path / "rec"
    assert cli("run", program, "--ticks", "20", "-o", rec).code == 0
    kept = {p.name: p.read_bytes() for p in rec.iterdir() if p.is_file()}
    again = cli("run", program, "--ticks", "10", "-o", rec, "--json")
    assert (again.code, again.issue["code"]) == (2, "exists")
    assert {p.name: p.read_bytes() for p in rec.iterdir() if p.is_file()} == kept
    assert cli("run", program, "--ticks", "10", "-o", rec, "--force").code == 0
    assert load_recording(rec).ticks == 10


# -- chips, doctor, new -------------------------------------------------------------------------
def test_chips_lists_machines(cli) -> None:
    done = cli("chips")
    assert done.code == 0
    assert "loihi1" in done.out
    assert "default 1 ms" in done.out
    names = [chip["name"] for chip in cli("chips", "--json").json["chips"]]
    assert {"ideal", "loihi1", "spinnaker1"} <= set(names)


def test_chips_shows_one_with_sources(cli) -> None:
    done = cli("chips", "loihi1", "--sources")
    assert done.code == 0
    assert "[1] " in done.out
    assert "not published" in done.out
    document = cli("chips", "loihi1+spinnaker1", "--json").json
    assert [part["name"] for part in document["parts"]] == ["loihi1", "spinnaker1"]
    for part in document["parts"]:
        for cost in part["cost_tables"]:
            assert all(c["source"] for c in (*cost["energy"], *cost["time"]))
    wrong = cli("chips", "spinaker1")
    assert wrong.code == 2
    assert "did you mean 'spinnaker1'?" in wrong.err


def test_tables_can_be_read_in_a_narrow_terminal(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    for arguments in (("chips",), ("chips", "loihi1", "--sources")):
        done = cli(*arguments)
        assert "…" not in done.out, "cut text is lost text"


def test_doctor(cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RANVIER_DATA", raising=False)
    done = cli("doctor", "--json")
    assert done.code == 0, done.out
    states = {row["check"]: row["state"] for row in done.json["checks"]}
    assert states["kernels"] == states["cache"] == "ok"
    bad = cli("doctor", "--data", f"mnist:{tmp_path}")
    assert bad.code == 1
    assert "fail" in bad.out


def test_new_writes_a_script_that_runs(cli, tmp_path: Path) -> None:
    done = cli("new", "first", "--in", tmp_path)
    assert done.code == 0
    for chip in ("ideal", "loihi1"):
        ran = subprocess.run(
            [sys.executable, "-W", "error", "first.py", chip],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "output" in ran.stdout
    assert cli("check", tmp_path / "first.rvn").code == 0
    wrong = subprocess.run(
        [sys.executable, "first.py", "lohi"], cwd=tmp_path, capture_output=True, text=True,
        check=False, env=environment(),
    )  # fmt: skip
    assert wrong.stderr.startswith("error: ")
    assert wrong.stderr.count("\n") == 1


def test_new_classifier_trains(cli, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    done = cli("new", "mine", "--kind", "classifier", "--in", tmp_path, "--json")
    assert done.json["kind"] == "classifier"
    script = tmp_path / "mine.py"
    text = script.read_text()
    assert "epochs=6" in text
    script.write_text(text.replace("epochs=6", "epochs=1, limit=100"))
    ran = subprocess.run(
        [sys.executable, "mine.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "spinnaker1" in ran.stdout
    assert (tmp_path / "mine.rvn").is_file()


def test_new_overwrites_nothing(cli, tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text("mine")
    done = cli("new", "first", "--in", tmp_path)
    assert (done.code, (tmp_path / "first.py").read_text()) == (2, "mine")
    assert cli("new", "../x", "--in", tmp_path, "--json").issue["code"] == "bad-name"
    assert "did you mean 'network'?" in cli("new", "x", "--kind", "netwrk").err
    assert cli("new", "x", "--in", tmp_path / "first.py").code == 2


def test_new_makes_the_folder(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("new", "first", "--in", "experiments/one").code == 0
    assert (tmp_path / "experiments" / "one" / "first.py").is_file()

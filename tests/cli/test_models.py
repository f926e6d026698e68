"""import, export, train and diff, on tiny networks."""

from __future__ import annotations

import importlib.util
import inspect
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from ranvier.cli.train import train
from ranvier.learn import TrainOptions

from .conftest import make_network

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="training needs torch"
)


# -- import and export --------------------------------------------------------------------------
def test_export_and_import_again(cli, network: Path, tmp_path: Path) -> None:
    nir, back = tmp_path / "tiny.nir", tmp_path / "back.rvn"
    done = cli("export", network, nir)
    assert done.code == 0
    assert nir.is_file()
    assert "approximate: " in done.out
    done = cli("import", nir, "-o", back)
    assert done.code == 0
    assert "wrote " in done.out
    assert cli("diff", network, back).code == 0
    assert {"exact"} == {
        i["severity"] for i in cli("import", nir, "-o", back, "--json").json["issues"]
    }


def test_what_a_file_does_not_say_must_be_given(cli, network: Path, tmp_path: Path) -> None:
    nir, back = tmp_path / "tiny.nir", tmp_path / "back.rvn"
    assert cli("export", network, nir).code == 0
    ignore = ("--set", "metadata=false")
    done = cli("import", nir, "-o", back, *ignore)
    assert done.code == 2
    assert "--dt 1ms" in done.err
    assert "--integrator exact|" in done.err
    assert not back.exists()
    done = cli("import", nir, "-o", back, *ignore, "--source", "norse", "--dt", "1ms")
    assert done.code == 0, done.err
    done = cli("diff", network, back)
    assert done.code == 1
    assert "+population" in done.out or "-population" in done.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--source", "snntorh"), "did you mean 'snntorch'?"),
        (("--reset", "zer"), "did you mean 'zero'?"),
        (("--dt", "1"), "--dt 1ms"),
        (("--set", "signl=spike"), "did you mean 'signal'?"),
        (("--set", "signal"), "OPTION=VALUE"),
        (("--set", "metadata=perhaps"), "metadata=perhaps"),
        (("--set", "reset_delay=soon"), "reset_delay=soon"),
        (("--format", "nri"), "did you mean 'nir'?"),
        (("-o", "x.nir"), "x.rvn"),
    ],
)
def test_import_mistakes(cli, tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    nir = tmp_path / "tiny.nir"
    make_network().save(tmp_path / "tiny.rvn")
    assert cli("export", tmp_path / "tiny.rvn", nir).code == 0
    place = () if "-o" in options else ("-o", tmp_path / "out.rvn")
    done = cli("import", nir, *place, *options)
    assert done.code == 2
    assert words in done.err
    assert not (tmp_path / "out.rvn").exists()


def test_import_of_nonsense(cli, network: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.nir"
    broken.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    out = tmp_path / "out.rvn"
    for path, code in (
        (broken, None),
        (tmp_path / "missing.nir", "no-such-file"),
        (network, "unknown-format"),
    ):
        done = cli("import", path, "-o", out, "--dt", "1ms", "--json")
        assert done.code == 2
        assert code in (None, done.issue["code"])
    assert not out.exists()


def test_a_format_nobody_knows_is_named_by_a_flag(cli, network: Path, tmp_path: Path) -> None:
    (tmp_path / "x.nope").write_text("")
    exported = cli("export", network, tmp_path / "y.nope")
    imported = cli("import", tmp_path / "x.nope", "-o", tmp_path / "x.rvn")
    for done in (exported, imported):
        assert done.code == 2
        assert "--format nir" in done.err
        assert "ranvier.frontends" not in done.err


# -- train --------------------------------------------------------------------------------------
def test_every_option_of_training_is_a_flag() -> None:
    flags = set(inspect.signature(train).parameters)
    assert {f.name for f in fields(TrainOptions)} <= flags


@needs_torch
def test_train_test_and_run_a_sample(cli, tmp_path: Path) -> None:
    target, config = tmp_path / "d.rvn", tmp_path / "train.toml"
    config.write_text('[train]\nhidden = [12]\nepochs = 3\ntau = "12ms"\nlimit = 200\n')
    done = cli("train", "--config", config, "--epochs", "1", "-o", target, "--json")
    assert done.code == 0, done.err
    document = done.json
    assert document["options"]["hidden"] == [12]
    assert document["options"]["epochs"] == 1
    assert document["options"]["tau"] == pytest.approx(12e-3)
    assert 0 <= document["test_accuracy"] <= 1
    assert len(document["history"]) == 1
    done = cli("train", "--config", config, "--no-test", "-o", target, "--force")
    assert "right" in done.out
    assert "wrote " in done.out
    done = cli("train", "--config", config, "--no-test", "-o", target, "--force", "-q")
    assert "right" not in done.out, "no table of epochs"
    assert (done.code, done.err) == (0, "")
    assert "wrote " in done.out


@needs_torch
@pytest.mark.parametrize("options", [(), ("-o", "digits.rvn"), ("-o", "taken")])
def test_train_overwrites_nothing(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ranvier.learn.train", lambda *_, **__: pytest.fail("it was trained"))
    Path("digits.rvn").write_text("mine")
    Path("taken").mkdir()
    done = cli("train", "--limit", "20", "--epochs", "1", *options)
    assert done.code == 2
    assert "exists already" in done.err
    assert "--force" in done.err
    assert Path("digits.rvn").read_text() == "mine"
    assert list(Path("taken").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--hidden", "many"), "--hidden"),
        (("--dt", "1"), "--dt 1ms"),
        (("--tau", "-5ms"), "--tau"),
        (("--encoder", "ratee"), "did you mean 'rate'?"),
        (("--surrogate", "box"), "boxcar"),
        (("--epochs", "0"), "epochs"),
        (("--data", "digts"), "did you mean 'digits'?"),
        (("--config", "missing.toml"), "missing.toml"),
        (("--max-rate", "fast"), "--max-rate"),
        (("--max-rate", "500"), "--max-rate 500Hz"),
        (("--max-rate", "-5Hz"), "positive"),
        (("-o", "no/d.rvn"), "no"),
    ],
)
@needs_torch
def test_train_mistakes(cli, options: tuple[str, ...], words: str) -> None:
    done = cli("train", *options)
    assert done.code == 2
    assert words in done.err


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.toml", "epoch = 3\n", "did you mean 'epochs'?"),
        ("b.toml", "epochs = \n", "b.toml"),
        ("c.json", '{"epochs": ', "c.json, line 1"),
        ("d.json", "[1]", "names and values"),
        ("e.yaml", "epochs: 3", ".toml, .json"),
        ("f.json", '{"dt": "1"}', "f.json, dt"),
        ("g.json", '{"max_rate": "500"}', "g.json, max_rate"),
    ],
)
def test_bad_configuration_files(cli, tmp_path: Path, name: str, text: str, words: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    done = cli("train", "--config", path)
    assert done.code == 2
    assert words in done.err


# -- ready networks -----------------------------------------------------------------------------
def test_a_ready_network_answers_a_sample(cli) -> None:
    done = cli("run", "digits", "--chip", "loihi1", "--data", "digits", "--sample", "3", "--cost")
    assert done.code == 0, done.err
    assert "sample 3 of digits, a " in done.out
    assert "Energy of digits on Intel Loihi 1" in done.out
    document = cli("run", "digits", "--data", "digits", "--sample", "3", "--json").json
    assert document["answer"] == document["label"]
    assert document["ticks"] == 20
    assert "did you mean 'digits'?" in cli("check", "digts").err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--data", "digits", "--sample", "600"), "0..598"),
        (("--data", "digits", "--ticks", "3"), "--ticks"),
        (("--data", "mnist"), "--data mnist:DIR"),
        (("--data", "digit"), "did you mean 'digits'?"),
    ],
)
def test_bad_samples(cli, options: tuple[str, ...], words: str) -> None:
    done = cli("run", "digits", *options)
    assert done.code == 2
    assert words in done.err


def test_only_a_trained_network_takes_data(cli, network: Path, program: Path) -> None:
    for path in (network, program):
        done = cli("run", path, "--data", "digits", "--json")
        assert (done.code, done.issue["code"]) == (2, "no-recipe")


# -- diff ---------------------------------------------------------------------------------------
def test_diff_of_two_machines_names_tick_neuron_and_cause(cli) -> None:
    done = cli("diff", "digits", "--chip", "ideal", "--chip", "loihi1", "--data", "digits",
               "--limit", "20")  # fmt: skip
    assert done.code == 1
    assert "The first difference is at tick " in done.out
    assert "Cause: " in done.out
    document = cli("diff", "digits", "--chip", "loihi1", "--data", "digits", "--limit", "20",
                   "--json").json  # fmt: skip
    assert {"tick", "population", "index"} <= set(document["first"])
    assert len(document["causes"]) > 1
    same = cli("diff", "digits", "-c", "ideal", "-c", "ideal", "--data", "digits")
    assert same.code == 0
    assert "exactly the same spikes" in same.out


def test_diff_of_programs_and_recordings(cli, network: Path, csv: Path, tmp_path: Path) -> None:
    a, b = tmp_path / "a.rvp", tmp_path / "b.rvp"
    net = make_network(weight=0.61)
    net.save(tmp_path / "b.rvn")
    for source, target in ((network, a), (tmp_path / "b.rvn", b)):
        assert cli("compile", source, "-c", "ideal", "--dt", "1ms", "-o", target).code == 0
    assert cli("diff", a, a, "-i", csv).code == 0
    done = cli("diff", a, b, "-i", csv)
    assert done.code == 1
    assert "The first difference is at tick " in done.out
    for program, rec in ((a, "ra"), (b, "rb")):
        assert cli("run", program, "-i", csv, "-o", tmp_path / rec).code == 0
    document = cli("diff", tmp_path / "ra", tmp_path / "rb", "--json").json
    assert not document["identical"]
    assert cli("diff", tmp_path / "ra", tmp_path / "ra").code == 0


def test_silence_is_no_agreement(cli, network: Path, program: Path, tmp_path: Path) -> None:
    silence = ("--dt", "1ms", "--ticks", "20")
    for pair in (("-c", "ideal", "-c", "ideal"), ("--chip", "ideal", "--no-causes")):
        done = cli("diff", network, *pair, *silence)
        assert done.code == 1
        assert "No spike fell" in done.out
        assert "nothing was compared" in done.out
        assert "exactly the same" not in done.out
        assert "100" not in done.out
    document = cli("diff", network, "-c", "ideal", *silence, "--json").json
    assert document["identical"] is None
    assert "nothing was compared" in document["sentence"]
    assert cli("run", program, "--ticks", "20", "-o", tmp_path / "rec").code == 0
    for both in ((program, program, "--ticks", "20"), (tmp_path / "rec", tmp_path / "rec")):
        done = cli("diff", *both)
        assert done.code == 1
        assert "nothing was compared" in done.out
        assert "100" not in done.out
        assert cli("diff", *both, "--json").json["identical"] is None


def test_diff_of_networks_is_text(cli, network: Path, tmp_path: Path) -> None:
    net = make_network()
    other = net.replace(projections=(replace(net.projections[0], delay=2e-3), net.projections[1]))
    path = other.save(tmp_path / "other.rvn")
    done = cli("diff", network, path)
    assert done.code == 1
    assert "delay 0.002 s" in done.out
    assert cli("diff", network, network).code == 0
    assert json.loads(cli("diff", network, path, "--json").out)["identical"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "--chip ideal --chip loihi1"),
        (("--chip", "loihi1", "--dt", "1ms"), "--ticks 100"),
        (("--chip", "loihi1", "--dt", "1ms", "--ticks", "3", "-c", "a", "-c", "b"), "two machines"),
        (("--chip", "loih", "--dt", "1ms", "--ticks", "3"), "did you mean 'loihi1'?"),
    ],
)
def test_diff_mistakes(cli, network: Path, options: tuple[str, ...], words: str) -> None:
    done = cli("diff", network, *options)
    assert done.code == 2
    assert words in done.err


# -- convert --------------------------------------------------------------------------------------
def test_convert_tells_accuracy_by_ticks(cli, tmp_path: Path) -> None:
    torch, onnx = pytest.importorskip("torch"), pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    weights = {"a": rng.normal(0, 0.3, (30, 64)), "b": rng.normal(0, 0.3, (10, 30))}
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "a"], ["h"], transB=1),
         helper.make_node("Relu", ["h"], ["r"]),
         helper.make_node("Gemm", ["r", "b"], ["y"], transB=1)],
        "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        [numpy_helper.from_array(w.astype(np.float32), n) for n, w in weights.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph), tmp_path / "net.onnx")
    assert torch
    options = ("--data", "digits", "--limit", "50", "--steps", "12")
    done = cli("convert", tmp_path / "net.onnx", *options, "-o", tmp_path / "net.rvn", "--json")
    assert done.code == 0
    assert len(done.json["accuracy"]) == 12
    assert done.json["latency"] == 2
    assert cli("check", tmp_path / "net.rvn").code == 0
    missing = cli("convert", tmp_path / "no.onnx", *options, "-o", tmp_path / "x.rvn", "--json")
    assert (missing.code, missing.issue["code"]) == (2, "no-such-file")
    assert not (tmp_path / "x.rvn").exists()

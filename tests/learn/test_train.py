"""Training runs small enough for a test, the recipe, and every mistake by name."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier.data import Dataset, load
from ranvier.errors import RanvierError
from ranvier.learn import Task, TrainOptions, TrainResult, evaluate, train
from ranvier.network import Network
from ranvier.network import load as load_network
from ranvier.progress import NoProgress

pytest.importorskip("torch")
SMALL = TrainOptions(hidden=(48,), epochs=8, lr=1e-2)


@pytest.fixture(scope="module")
def trained() -> TrainResult:
    return train(SMALL)


def test_a_few_seconds_learn_the_digits(trained: TrainResult) -> None:
    found = evaluate(trained.network)
    assert found.samples == 599
    assert found.accuracy >= 0.9
    assert found.recording.counts["output"].shape == (599, 10)


def test_the_report_says_what_happened(trained: TrainResult) -> None:
    report, history = trained.report, trained.history
    assert [e.epoch for e in history] == list(range(1, 9))
    assert history[-1].loss < 0.5 * history[0].loss
    assert (report.samples, report.epochs, report.issues) == (1198 - 119, 8, ())
    assert report.validation == history[-1].validation
    assert report.validation is not None
    assert report.validation > 0.85
    assert set(report.rates) == {"hidden1", "output"}
    assert all(0.01 < rate < 0.5 for rate in report.rates.values())
    json.dumps(report.to_dict())


def test_the_torch_module_and_the_ideal_machine_answer_alike(trained: TrainResult) -> None:
    """Single precision against double: at most rounding at the threshold differs."""
    import torch

    from ranvier.events import encode_raster
    from ranvier.learn import Module

    task, data = Task.of(trained.network), load("digits", "test")
    raster = encode_raster(task.encoder, data.normalised(), task.ticks, task.dt)
    with torch.no_grad():
        spikes, _ = Module(trained.network, task.dt)(torch.from_numpy(raster))
    counts = evaluate(trained.network).recording.counts["output"]
    assert int((spikes["output"].sum(0).numpy() != counts).sum()) <= 3


def test_the_same_options_give_the_same_network(trained: TrainResult) -> None:
    again = train(replace(SMALL, epochs=2))
    other = train(replace(SMALL, epochs=2, seed=1))
    assert train(replace(SMALL, epochs=2)).network.hash == again.network.hash
    assert other.network.hash != again.network.hash


def test_the_recipe_travels_with_the_bundle(trained: TrainResult, tmp_path: Path) -> None:
    loaded = load_network(trained.network.save(tmp_path / "digits.rvn"))
    task = Task.of(loaded)
    assert (task.data, task.shape, task.classes, task.ticks) == ("digits", (8, 8), 10, 20)
    assert TrainOptions(**task.options) == SMALL
    assert evaluate(loaded, limit=50).accuracy == evaluate(trained.network, limit=50).accuracy


def test_a_directory_is_not_kept_in_the_recipe() -> None:
    from ranvier.learn._train import build

    network = build(replace(SMALL, data="mnist:/home/someone/mnist"), (28, 28), 10, "mnist")
    assert "someone" not in json.dumps(dict(network.metadata))
    assert "someone" not in network.to_text()


def test_weights_rounded_to_7_bits_cost_at_most_a_point(trained: TrainResult) -> None:
    before = evaluate(trained.network).accuracy
    projections = []
    for p in trained.network.projections:
        weights = p.connectivity.weights  # pyright: ignore[reportAttributeAccessIssue]
        step = 2.0 ** np.ceil(np.log2(np.abs(weights).max() / 63))  # a power of two, as on Loihi 1
        rounded = p.connectivity.with_weights(np.round(weights / step) * step)
        projections.append(replace(p, connectivity=rounded))
    after = evaluate(trained.network.replace(projections=tuple(projections))).accuracy
    assert after >= before - 0.01


def test_training_through_rounded_weights_leaves_rounded_weights() -> None:
    network = train(replace(SMALL, epochs=2, weight_levels=7)).network
    for p in network.projections:
        weights = p.connectivity.weights  # pyright: ignore[reportAttributeAccessIssue]
        levels = weights / np.abs(weights).max() * 7
        np.testing.assert_allclose(levels, np.round(levels), atol=1e-5)


@pytest.mark.parametrize("encoder", ["poisson", "latency"])
def test_other_encoders_learn_too(encoder: str) -> None:
    result = train(replace(SMALL, encoder=encoder, epochs=5))
    assert evaluate(result.network).accuracy > 0.7


@pytest.mark.parametrize("surrogate", ["arctan", "boxcar", "triangle"])
def test_other_surrogates_learn_too(surrogate: str) -> None:
    slope = 2.0 if surrogate == "arctan" else 1.0
    result = train(replace(SMALL, surrogate=surrogate, slope=slope, epochs=5))
    assert result.report.accuracy > 0.4  # chance is 0.1; boxcar and triangle learn slowly
    assert result.history[-1].loss < result.history[0].loss


def test_patience_stops_and_keeps_the_best() -> None:
    result = train(replace(SMALL, epochs=40, patience=2, validation=0.2))
    scores = [e.validation for e in result.history]
    assert len(scores) < 40
    assert result.report.validation == max(s for s in scores if s is not None)
    assert scores.index(result.report.validation) == len(scores) - 3


def test_two_hidden_layers_and_a_limit() -> None:
    result = train(replace(SMALL, hidden=(32, 24), epochs=1, limit=100, validation=0.0))
    assert [p.name for p in result.network.populations] == ["input", "hidden1", "hidden2", "output"]
    assert (result.report.samples, result.report.validation) == (100, None)


# -- mistakes -------------------------------------------------------------------------------------
def dataset(**changes: object) -> Dataset:
    values = {"name": "toy", "split": "train", "x": np.ones((6, 2, 2)), "y": np.arange(6) % 3,
              "classes": 3, "peak": 1.0, "source": "made here"}  # fmt: skip
    return Dataset(**{**values, **changes})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": np.array([0, 1, 2, 3, 0, 1])}, "a label is out of range"),
        ({"x": np.ones((0, 2, 2)), "y": np.zeros(0, int)}, "the set is empty"),
        ({"x": np.ones((5, 2, 2))}, "samples and labels do not match"),
    ],
)
def test_bad_data_are_one_clear_error(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RanvierError, match=message) as caught:
        train(SMALL, data=dataset(**changes))
    assert len(caught.value.issues) == 1


def test_data_outside_0_to_1_are_one_clear_error() -> None:
    with pytest.raises(RanvierError, match="intensities must lie in"):
        train(SMALL, data=dataset(x=np.full((6, 2, 2), 3.0)))


def test_own_data_train_and_name_the_network() -> None:
    result = train(replace(SMALL, epochs=1), data=dataset(name="my toy"))
    assert Task.of(result.network).data == "my toy"
    with pytest.raises(RanvierError, match="does not fit the network"):
        evaluate(result.network, data="digits")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"hidden": (0,)}, ["hidden"]),
        ({"epochs": 0, "batch": 0}, ["epochs", "batch"]),
        ({"lr": -1.0}, ["lr"]),
        ({"lr": float("nan")}, ["lr"]),
        ({"ticks": 2}, ["ticks"]),
        ({"encoder": "rats"}, ["encoder"]),
        ({"surrogate": "arktan"}, ["surrogate"]),
        ({"validation": 1.0}, ["validation"]),
        ({"seed": -1, "limit": 0, "tau": 0.0, "dt": "1"}, ["seed", "dt", "tau", "limit"]),
        ({"data": ""}, ["data"]),
    ],
)
def test_bad_options_are_named(changes: dict[str, object], fields: list[str]) -> None:
    with pytest.raises(RanvierError) as caught:
        TrainOptions(**changes)  # pyright: ignore[reportArgumentType]
    assert [i.where for i in caught.value.issues] == [f"train.{name}" for name in fields]


def test_too_high_a_rate_is_refused_before_anything_runs() -> None:
    with pytest.raises(RanvierError, match="at most one spike a tick"):
        TrainOptions(max_rate=5000.0)


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    with pytest.raises(RanvierError, match="stopped being a number"):
        train(replace(SMALL, lr=1e38, epochs=2))


def test_silent_and_loud_layers_are_findings() -> None:
    quiet = train(replace(SMALL, epochs=1, lr=1e-6, limit=64, max_rate=30.0, ticks=40))
    assert "silent-layer" in {i.code for i in quiet.report.issues}
    from ranvier.learn._train import _findings

    assert [i.code for i in _findings({"a": 0.9}, {"a": 0.0})] == ["exploding-rate"]


def test_networks_without_a_recipe_say_so() -> None:
    with pytest.raises(RanvierError, match="no recipe"):
        Task.of(Network())
    with pytest.raises(RanvierError, match="is not a recipe"):
        Task.of(Network(metadata={"task": {"data": "digits"}}))
    with pytest.raises(RanvierError, match="is not a recipe"):
        Task.of(Network(metadata={"task": 5}))


def test_without_torch_one_learns_how_to_install_it() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from ranvier import learn\n"
        "from ranvier.errors import RanvierError\n"
        "for call in (lambda: learn.train(learn.TrainOptions()), lambda: learn.Module):\n"
        "    try: call()\n"
        "    except RanvierError as e: print(e)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.count('pip install "ranvier[train]"') == 2, done.stderr


class Stop(Exception):
    """A run that is killed."""


@pytest.mark.parametrize(
    "more",
    [
        {}, {"sparsity": 0.5, "noise": 0.05}, {"chip": "loihi1"},
        {"patience": 2, "validation": 0.2, "encoder": "poisson"},
    ],
)  # fmt: skip
def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path, more: dict[str, Any]) -> None:
    options = replace(SMALL, epochs=5, **more)
    whole = train(options)
    path = tmp_path / "run.safetensors"

    class Killer(NoProgress):
        def start(self, label: str, total: int) -> None:
            if label.startswith("epoch 4"):
                raise Stop

    with pytest.raises(Stop):
        train(options, progress=Killer(), checkpoint=path)
    again = train(options, checkpoint=path, resume=True)
    assert again.network.hash == whole.network.hash
    assert [r.loss for r in again.history] == [r.loss for r in whole.history]
    done = train(options, checkpoint=path, resume=True)  # nothing is left to do
    assert done.network.hash == whole.network.hash


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    train(replace(SMALL, epochs=1), checkpoint=path)
    for change, code in (({"lr": 1e-3}, "other-run"), ({}, "bad-checkpoint")):
        with pytest.raises(RanvierError) as caught:
            train(replace(SMALL, epochs=1, **change), checkpoint=path, resume=True)
        assert caught.value.issues[0].code == code
        path.write_bytes(b"nothing")
    with pytest.raises(RanvierError, match="does not exist"):
        train(SMALL, checkpoint=tmp_path / "none", resume=True)
    with pytest.raises(RanvierError, match="needs a checkpoint"):
        train(SMALL, resume=True)

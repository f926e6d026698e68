"""Continuous-valued ReLU layers beside spiking ones."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOptionalOperand=false

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import sim
from ranvier.compile import compile, load_program
from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.network import Conv, Dense, Network, OneToOne, Population, Projection


def network(delay: float | None = 0.0) -> Network:
    """values -> relu -> relay -> lif -> relu: there and back again."""
    rng = np.random.default_rng(0)
    kernel = rng.normal(0.3, 0.5, (2, 1, 3, 3))
    return Network(
        populations=(
            Population(name="in", shape=(1, 5, 5), signal="continuous"),
            Population(
                name="ann",
                shape=(2, 5, 5),
                model="relu",  # type: ignore[arg-type]
                parameters={"gain": 1.0, "bias": rng.normal(0, 0.1, 50)},
            ),
            Population(name="sum", shape=50, model="relay"),  # type: ignore[arg-type]
            nets.lif("spiking", 6),
            Population(name="rate", shape=3, model="relu"),  # type: ignore[arg-type]
        ),
        projections=(
            Projection(source="in", target="ann", connectivity=Conv(kernel, (1, 5, 5), padding=1),
                       delay=delay),
            Projection(source="ann", target="sum", connectivity=OneToOne(0.5, 50), delay=delay),
            nets.join("sum", "spiking", Dense(rng.normal(0.01, 0.05, (6, 50))), delay=delay),
            Projection(source="spiking", target="rate", connectivity=Dense(np.ones((3, 6))),
                       delay=delay),
        ),
        outputs=("ann", "sum", "spiking", "rate"),
    )  # fmt: skip


def values(seed: int, ticks: int = 30) -> Events:
    rng = np.random.default_rng(seed)
    return Events.from_raster(rng.uniform(0.1, 1.0, (ticks, 25)), dt=1e-3)


@pytest.mark.parametrize("delay", [0.0, None, 2e-3])
def test_against_numpy(delay: float | None, tmp_path: Path) -> None:
    net, given = network(delay), values(0)
    program = compile(net, "ideal", dt=1e-3)
    result = sim.run(program, given)
    reference = sim.run(program, given, engine="reference")
    late = {0.0: 0, None: 1, 2e-3: 2}[delay]

    def matrix(name: str) -> np.ndarray:
        c = net.projection(name).connectivity
        s = c.synapses()
        dense = np.zeros(c.sizes()[::-1])
        np.add.at(dense, (s.post, s.pre), s.weight)
        return dense

    def through(raster: np.ndarray, name: str) -> np.ndarray:
        shifted = np.zeros_like(raster)
        shifted[late:] = raster[: len(raster) - late]
        return shifted @ matrix(name).T

    bias = np.asarray(net.population("ann").parameters["bias"])
    ann = np.maximum(through(given.raster(), "in->ann") + bias, 0)
    total = through(ann, "ann->sum")
    drive = through(total, "sum->spiking")
    v, spikes = np.zeros(6), np.zeros((30, 6))
    for t in range(30):
        v = v * np.exp(-1e-3 / 20e-3) + drive[t]
        spikes[t] = v > 1
        v = np.where(spikes[t] > 0, 0, v)
    assert 0 < spikes.sum() < 180
    for run in (result, reference):
        assert np.allclose(run.output("ann").raster(), ann, atol=1e-12)
        assert np.allclose(run.output("sum").raster(), total, atol=1e-12)
        assert np.array_equal(run.output("spiking").raster(), spikes)
        assert np.array_equal(run.output("rate").raster(), through(spikes, "spiking->rate"))
    assert result.output("spiking").payload is None
    program.save(tmp_path / "p")
    nets.same(result, sim.run(load_program(tmp_path / "p"), given))


def test_refused_with_help_where_the_chip_only_spikes() -> None:
    for chip, title in (("loihi1", "Intel Loihi 1"), ("spinnaker1", "SpiNNaker 1")):
        with pytest.raises(RanvierError) as caught:
            compile(network(), chip, dt=1e-3)
        text = str(caught.value)
        assert f"{title} has no relu neuron; got relu" in text
        assert "run it on the ideal chip" in text
        wheres = {issue.where for issue in caught.value.issues}
        assert {"ann", "rate"} <= wheres
        assert all(issue.severity == "refused" for issue in caught.value.issues)
    graded = Network(
        populations=(Population(name="in", shape=2, signal="graded"), nets.lif("a", 2)),  # type: ignore[arg-type]
        projections=(nets.join("in", "a", OneToOne(1.0, 2)),),
    )
    with pytest.raises(RanvierError, match=r"carries graded values; Loihi 1 sends spikes"):
        compile(graded, "loihi1", dt=1e-3)

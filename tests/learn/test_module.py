"""The torch module against the simulator on the ideal machine, and against itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from ranvier import sim
from ranvier.compile import compile
from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.network import (
    Conv,
    Dense,
    Network,
    OneToOne,
    Pool,
    Population,
    Projection,
    Rule,
    Sparse,
)
from ranvier.neurons import get

torch = pytest.importorskip("torch")

from ranvier.learn import Module, ModuleState  # noqa: E402

DT = 1e-3
LIF = {"tau": 15e-3, "v_threshold": 1.0}


def lif(name: str, *shape: int, **parameters: float) -> Population:
    return Population(name=name, shape=shape, model=get("lif"), parameters={**LIF, **parameters})


def ticks(rng: np.random.Generator, *shape: int) -> NDArray[np.float64]:
    """Delays of 1 to 3 ticks, in seconds."""
    return np.array(rng.integers(1, 4, shape) * DT, np.float64)


def feed_forward(rng: np.random.Generator) -> Network:
    return Network(
        populations=(
            Population(name="in", shape=(20,)),
            lif("a", 30, bias=0.3),
            lif("b", 12, t_ref=2e-3, v_reset=-0.2),
        ),
        projections=(
            Projection(source="in", target="a", port="jump",
                       connectivity=Dense(rng.normal(0.1, 0.4, (30, 20)))),
            Projection(source="a", target="b", port="jump", delay=3e-3,
                       connectivity=Dense(rng.normal(0.1, 0.4, (12, 30)))),
        ),
        outputs=("a", "b"),
    )  # fmt: skip


def recurrent(rng: np.random.Generator) -> Network:
    """Self-recurrence, a loop over two populations, delays per synapse, two ports and a skip."""
    delays = ticks(rng, 16, 16)
    return Network(
        populations=(Population(name="in", shape=(10,)), lif("a", 16), lif("b", 8)),
        projections=(
            Projection(source="in", target="a", port="jump", connectivity=Dense(
                rng.normal(0.2, 0.4, (16, 10)))),
            Projection(source="a", target="a", port="jump", delay=delays, connectivity=Dense(
                rng.normal(0, 0.3, (16, 16)))),
            Projection(source="a", target="b", port="jump", delay=2e-3, connectivity=Dense(
                rng.normal(0.1, 0.3, (8, 16)))),
            Projection(source="b", target="a", port="current", connectivity=Dense(
                rng.normal(0, 3.0, (16, 8)))),
            Projection(source="in", target="b", port="current", delay=3e-3, connectivity=Dense(
                rng.normal(2, 3.0, (8, 10)))),
        ),
        outputs=("a", "b"),
    )  # fmt: skip


def convolutional(rng: np.random.Generator) -> Network:
    conv = Conv(rng.normal(0.1, 0.4, (4, 1, 3, 2)), (2, 6, 7), stride=(1, 2), groups=2,
                padding=((1, 0), (0, 1)), dilation=(1, 2))  # fmt: skip
    pool = Pool(conv.output_shape, 2, mode="average", weight=1.7)
    line = Conv(
        rng.normal(0.2, 0.5, (3, 4, 3)), (4, int(np.prod(pool.output_shape[1:]))), padding=1
    )
    return Network(
        populations=(
            Population(name="in", shape=(2, 6, 7)),
            lif("c", *conv.output_shape),
            lif("p", *pool.output_shape),
            lif("l", *line.output_shape),
        ),
        projections=(
            Projection(source="in", target="c", port="jump", connectivity=conv),
            Projection(source="c", target="p", port="jump", connectivity=pool, delay=2e-3),
            Projection(source="p", target="l", port="jump", connectivity=line),
        ),
        outputs=("c", "p", "l"),
    )


def sparse(rng: np.random.Generator) -> Network:
    """Explicit lists with multapses, one-to-one, a rule, delay 0, and a synaptic current."""
    pre, post = rng.integers(0, 15, 60), rng.integers(0, 12, 60)
    return Network(
        populations=(
            Population(name="in", shape=(15,)),
            lif("a", 12),
            Population(name="b", shape=(12,), model=get("cuba_lif")),
            lif("c", 6),
        ),
        projections=(
            Projection(source="in", target="a", port="jump", delay=ticks(rng, 60),
                       connectivity=Sparse(pre, post, rng.normal(0.3, 0.4, 60), (15, 12))),
            Projection(source="a", target="b", port="jump", delay=0.0,
                       connectivity=OneToOne(rng.normal(3, 0.5, 12), 12)),
            Projection(source="b", target="c", port="jump", connectivity=Rule(
                "fixed_probability", 12, 6, {"p": 0.5}, 0.6, seed=1)),
        ),
        outputs=("a", "b", "c"),
    )  # fmt: skip


NETWORKS = (feed_forward, recurrent, convolutional, sparse)


def simulated(network: Network, rasters: np.ndarray) -> dict[str, np.ndarray]:
    """Run each sample of [T, B, n] alone on the ideal machine; [T, B, n] per output."""
    program = compile(network, "ideal", dt=DT)
    found: dict[str, list[np.ndarray]] = {name: [] for name in network.outputs}
    for k in range(rasters.shape[1]):
        stimulus = Events.from_raster(rasters[:, k], dt=DT)
        recording = sim.run(program, stimulus, ticks=len(rasters))
        for name, parts in found.items():
            parts.append(recording.output(name).raster())
    return {name: np.stack(parts, axis=1) for name, parts in found.items()}


def stimulus(network: Network, rng: np.random.Generator, ticks: int = 60) -> np.ndarray:
    return (rng.random((ticks, 3, network.inputs[0].size)) < 0.2).astype(float)


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_spike_is_that_of_the_ideal_machine(make: object, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = make(rng)  # pyright: ignore[reportCallIssue]
    raster = stimulus(network, rng)
    wanted = simulated(network, raster)
    with torch.no_grad():
        outputs, _ = Module(network, DT, dtype=torch.float64)(torch.from_numpy(raster))
    for name in network.outputs:
        assert wanted[name].sum() > 20, f"{name} is too quiet to prove anything"
        np.testing.assert_array_equal(outputs[name].numpy(), wanted[name], err_msg=name)


@pytest.mark.parametrize("make", NETWORKS)
def test_single_precision_seldom_flips_a_spike(make: object) -> None:
    rng = np.random.default_rng(7)
    network = make(rng)  # pyright: ignore[reportCallIssue]
    raster = stimulus(network, rng)
    wanted = simulated(network, raster)
    with torch.no_grad():
        outputs, _ = Module(network, DT)(torch.from_numpy(raster))
    flips = sum(int((outputs[n].numpy() != wanted[n]).sum()) for n in network.outputs)
    spikes = sum(int(wanted[n].sum()) for n in network.outputs)
    assert flips <= 0.01 * spikes


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("cuts", [(0, 60), (0, 1, 2, 20, 60)])
def test_the_state_is_everything(make: object, cuts: Sequence[int]) -> None:
    rng = np.random.default_rng(2)
    network = make(rng)  # pyright: ignore[reportCallIssue]
    x = torch.from_numpy(stimulus(network, rng))
    module = Module(network, DT, dtype=torch.float64)
    with torch.no_grad():
        whole, last = module(x)
        state: ModuleState | None = None
        parts: list[dict[str, object]] = []
        for a, b in pairwise(cuts):
            outputs, state = module(x[a:b], state)
            parts.append(outputs)
    assert state is not None
    for name in network.outputs:
        assert torch.equal(torch.cat([p[name] for p in parts]), whole[name])  # pyright: ignore
        for variable, value in last.neurons[name].items():
            assert torch.equal(state.neurons[name][variable], value)


@pytest.mark.parametrize("make", NETWORKS)
def test_weights_come_back(make: object) -> None:
    rng = np.random.default_rng(3)
    network = make(rng)  # pyright: ignore[reportCallIssue]
    module = Module(network, DT, dtype=torch.float64)
    assert module.to_network().hash == network.hash
    name = network.projections[0].name
    with torch.no_grad():
        module.weight(name).mul_(2.0)
    changed = module.to_network()
    for old, new in zip(network.projections, changed.projections, strict=True):
        factor = 2.0 if old.name == name else 1.0
        np.testing.assert_array_equal(
            new.connectivity.synapses().weight, factor * old.connectivity.synapses().weight
        )


@pytest.mark.parametrize("make", NETWORKS)
def test_every_weight_that_matters_gets_a_gradient(make: object) -> None:
    rng = np.random.default_rng(4)
    network = make(rng)  # pyright: ignore[reportCallIssue]
    module = Module(network, DT, dtype=torch.float64)
    outputs, _ = module(torch.from_numpy(stimulus(network, rng)))
    sum(v.mean() for v in outputs.values()).backward()  # pyright: ignore[reportAttributeAccessIssue]
    for parameter in module.parameters():
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.abs().max() > 0


def test_below_threshold_the_gradient_is_the_derivative() -> None:
    """No spike, no surrogate: the loss is smooth in the weights, so differences must agree."""
    rng = np.random.default_rng(5)
    delays = ticks(rng, 6, 8)
    network = Network(
        populations=(
            Population(name="in", shape=(8,)),
            lif("a", 6, v_threshold=1e9),
            Population(name="out", shape=(6,), model=get("li")),
        ),
        projections=(
            Projection(source="in", target="a", port="jump", delay=delays,
                       connectivity=Dense(rng.normal(0, 0.3, (6, 8)))),
            Projection(source="in", target="out", port="jump",
                       connectivity=Dense(rng.normal(0, 0.3, (6, 8)))),
            Projection(source="out", target="out", port="current", delay=2e-3,
                       connectivity=Dense(rng.normal(0, 0.2, (6, 6)))),
        ),
        outputs=("a", "out"),
    )  # fmt: skip
    module = Module(network, DT, dtype=torch.float64)
    x = torch.from_numpy((rng.random((25, 2, 8)) < 0.3).astype(float))

    def loss() -> object:
        outputs, state = module(x)
        return (state.neurons["a"]["v"] ** 2).sum() + (outputs["out"] ** 2).mean()

    value = loss()
    value.backward()  # pyright: ignore[reportAttributeAccessIssue]
    for name in [p.name for p in network.projections]:
        weight = module.weight(name)
        assert weight.grad is not None
        for index in [(0, 0), (3, 5), (5, 2)]:
            with torch.no_grad():
                kept = weight[index].item()
                ends = []
                for step in (1e-5, -1e-5):
                    weight[index] = kept + step
                    ends.append(float(loss()))  # pyright: ignore[reportArgumentType]
                weight[index] = kept
            difference = (ends[0] - ends[1]) / 2e-5
            assert weight.grad[index].item() == pytest.approx(difference, rel=1e-5, abs=1e-9)


def test_mistakes_are_named() -> None:
    rng = np.random.default_rng(0)
    network = feed_forward(rng)
    module = Module(network, DT)
    with pytest.raises(RanvierError, match="n = 20"):
        module(torch.zeros(5, 2, 21))
    with pytest.raises(RanvierError, match="did you mean 'in'"):
        module({"inn": torch.zeros(5, 2, 20)})
    with pytest.raises(RanvierError, match="unknown trainable projection"):
        module.weight("in->b")
    with pytest.raises(RanvierError, match="unknown population"):
        module(torch.zeros(5, 2, 20), record=["c"])
    _, state = module(torch.zeros(5, 2, 20))
    with pytest.raises(RanvierError, match="another batch"):
        module(torch.zeros(5, 3, 20), state)
    with pytest.raises(RanvierError, match="no input"):
        Module(Network(populations=(lif("a", 3),)), DT)

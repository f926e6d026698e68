"""Weights as a chip stores them, few values, pruning and noise, while training."""

# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportOptionalOperand=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportOperatorIssue=false
from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from ranvier.compile import compile
from ranvier.errors import RanvierError
from ranvier.network import Conv, Dense, Network, Population, Projection
from ranvier.neurons import get

torch = pytest.importorskip("torch")

from ranvier.learn import (  # noqa: E402
    ChipWeights,
    FewLevels,
    Module,
    Noise,
    Pruning,
    relative_noise,
)

DT = 1e-3


def network(seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    lif = {"tau": 20e-3, "v_threshold": 1.0}

    def cells(name: str, *shape: int) -> Population:
        return Population(name=name, shape=shape, model=get("lif"), parameters=lif)

    return Network(
        populations=(Population(name="in", shape=(1, 4, 4)), cells("c", 2, 3, 3), cells("d", 5)),
        projections=(
            Projection(source="in", target="c", port="jump", name="conv",
                       connectivity=Conv(rng.normal(0.2, 0.5, (2, 1, 2, 2)), (1, 4, 4))),
            Projection(source="c", target="d", port="jump", name="dense",
                       connectivity=Dense(rng.normal(0, 0.3, (5, 18)))),
        ),
        outputs=("d",),
    )  # fmt: skip


def stimulus(batch: int = 6) -> Any:
    return (torch.rand(12, batch, 16, generator=torch.Generator().manual_seed(1)) < 0.4).float()


@pytest.mark.parametrize("chip", ["loihi1", "spinnaker1", "ideal"])
def test_rounded_weights_are_those_the_chip_stores(chip: str) -> None:
    module = Module(network(), DT, dtype=torch.float64)
    module.hooks.append(ChipWeights(module, chip))
    program = compile(module.to_network(), chip, dt=DT)
    moved = [i for i in program.issues if i.severity == "approximate" and "weight" in i.message]
    assert not moved, moved  # compiling what was rounded rounds nothing
    plain = compile(network(), chip, dt=DT)
    before = [i for i in plain.issues if i.severity == "approximate" and "weight" in i.message]
    assert bool(before) == (chip != "ideal")


def test_gradients_go_straight_through_and_scales_follow() -> None:
    module = Module(network(), DT, dtype=torch.float64)
    plain = Module(network(), DT, dtype=torch.float64)
    hook = ChipWeights(module, "loihi1", refresh=1)
    module.hooks.append(hook)
    rounded = module.to_network()
    for p, q in zip(rounded.projections, network().projections, strict=True):
        mine, true = (np.asarray(x.connectivity.weights) for x in (p, q))
        assert not np.array_equal(mine, true)
        assert np.abs(mine - true).max() < np.abs(true).max() / 100
    weight = module.weight("dense")
    hook("dense", weight).sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight))
    with torch.no_grad():
        weight.mul_(40)
    used = hook("dense", weight).detach()
    assert float((used - weight.detach()).abs().max()) < float(weight.detach().abs().max()) / 100
    out, _ = module(stimulus().double())
    out["d"].sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in module.parameters())
    assert plain.weight("dense").grad is None


def test_training_on_a_chip_s_numbers_loses_nothing_when_handed_over() -> None:
    """What is trained through the quantiser gives the same spikes when the network is rebuilt."""
    module = Module(network(2), DT, dtype=torch.float64)
    module.hooks.append(ChipWeights(module, "loihi1", refresh=1))
    optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
    first = last = None
    x, want = stimulus(), torch.tensor([3.0, 0.0, 3.0, 0.0, 3.0], dtype=torch.float64)
    for _ in range(60):
        optimiser.zero_grad()
        out, _ = module(x.double())
        loss = ((out["d"].sum(0) - want) ** 2).mean()
        loss.backward()
        optimiser.step()
        first = float(loss.detach()) if first is None else first
        last = float(loss.detach())
    assert last < 0.6 * first
    program = compile(module.to_network(), "loihi1", dt=DT)
    assert not [i for i in program.issues if i.severity == "approximate" and "weight" in i.message]
    again = Module(module.to_network(), DT, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(again(x.double())[0]["d"], module(x.double())[0]["d"])


@pytest.mark.parametrize(("levels", "count"), [("binary", 2), ("ternary", 3), (3, 7)])
def test_few_levels(levels: Any, count: int) -> None:
    module = Module(network(), DT, hooks=[FewLevels(levels)])
    for p in module.to_network().projections:
        assert len(np.unique(p.connectivity.weights)) <= count
    half = FewLevels(levels, sharpness=0.5)
    w = module.weight("dense").detach()
    torch.testing.assert_close(half("dense", w), 0.5 * (w + FewLevels(levels)("dense", w)))


def test_pruning_keeps_the_largest() -> None:
    module = Module(network(), DT, hooks=[Pruning(0.75, only=["dense"])])
    conv, dense = (np.asarray(p.connectivity.weights) for p in module.to_network().projections)
    assert np.count_nonzero(conv) == conv.size
    true = np.asarray(network().projections[1].connectivity.weights)
    assert np.count_nonzero(dense) == dense.size - int(0.75 * dense.size)
    assert np.abs(true[dense == 0]).max() <= np.abs(true[dense != 0]).min()
    out, _ = module(stimulus())
    out["d"].sum().backward()
    assert not module.weight("dense").grad[torch.from_numpy(dense == 0)].any()


def test_pruning_rises_and_then_holds() -> None:
    module = Module(network(), DT)
    hook, weight = Pruning(0.8, ramp=100, refresh=10), module.weight("dense")
    shares = [float((hook("dense", weight) == 0).double().mean()) for _ in range(120)]
    assert shares[0] == 0
    assert all(b >= a for a, b in pairwise(shares))
    assert shares[50] == pytest.approx(0.8 * (1 - 0.5**3), abs=0.02)
    assert shares[-1] == int(0.8 * 90) / 90
    with torch.no_grad():
        weight.copy_(weight.flip(0))
    before = hook("dense", weight) == 0
    assert torch.equal(before, hook("dense", weight) == 0)


def test_noise_is_drawn_anew_and_stays_out_of_the_network() -> None:
    module = Module(network(), DT, hooks=[Noise(relative_noise(0.1), seed=3)])
    w = module.weight("dense").detach()
    one, two = (module.hooks[0]("dense", w) for _ in range(2))
    assert not torch.equal(one, two)
    assert float((one - w).std() / w.abs().max()) == pytest.approx(0.1, rel=0.3)
    kept = np.asarray(module.to_network().projections[1].connectivity.weights, np.float32)
    np.testing.assert_array_equal(kept, w.numpy())


def test_bad_hooks() -> None:
    module = Module(network(), DT)
    for make, code in (
        (lambda: FewLevels("few"), "unknown-kind-of-weights"),
        (lambda: FewLevels(0), "bad-levels"),
        (lambda: FewLevels(2.5), "bad-levels"),  # pyright: ignore[reportArgumentType]
        (lambda: Pruning(1.0), "bad-sparsity"),
        (lambda: Pruning(0.5, ramp=-1), "bad-ramp"),
        (lambda: Pruning(0.5, only="dense"), "bad-names"),
        (lambda: ChipWeights(module, "loihi1", refresh=0), "bad-refresh"),
        (lambda: Noise(lambda w, g: w[:1])("dense", module.weight("dense")), "noise-shape"),
    ):
        with pytest.raises(RanvierError) as caught:
            make()
        assert caught.value.issues[0].code == code
    hh = Network(
        populations=(
            Population(name="in", shape=(2,)), Population(name="h", shape=(2,), model="hh"),
        ),
        projections=(Projection(source="in", target="h", port="exc",
                                connectivity=Dense(np.ones((2, 2)) * 1e-9)),),
        outputs=("h",),
    )  # fmt: skip
    with pytest.raises(RanvierError):
        ChipWeights(Module(hh, 1e-4), "loihi1")

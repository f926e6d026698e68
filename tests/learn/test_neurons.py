"""Neurons beside ordinary torch code, and losses on what they send."""

# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportOptionalOperand=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportOperatorIssue=false
from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ranvier.errors import RanvierError
from ranvier.network import Dense, Network, Population, Projection

torch = pytest.importorskip("torch")

from ranvier import learn  # noqa: E402
from ranvier.learn import Module, Neurons  # noqa: E402

DT = 1e-3
LIF = {"tau": 20e-3, "v_threshold": 1.0}
F8 = torch.float64


def test_neurons_after_a_linear_layer_are_a_network() -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(0.1, 0.4, (5, 8))
    network = Network(
        populations=(Population(name="in", shape=(8,)),
                     Population(name="out", shape=(5,), model="lif", parameters=LIF)),
        projections=(Projection(source="in", target="out", port="jump", delay=0.0, name="w",
                                connectivity=Dense(weight)),),
        outputs=("out",),
    )  # fmt: skip
    module, cells = Module(network, DT, dtype=F8), Neurons("lif", 5, DT, parameters=LIF, dtype=F8)
    linear = torch.nn.Linear(8, 5, bias=False, dtype=F8)
    linear.weight.data[:] = torch.from_numpy(weight)
    x = (torch.rand(40, 3, 8, generator=torch.Generator().manual_seed(0)) < 0.4).to(F8)
    out, state = cells(linear(x))
    theirs, other = module(x)
    assert torch.equal(out, theirs["out"])
    assert out.sum() > 0
    assert torch.allclose(state["v"], other.neurons["out"]["v"])
    out.sum().backward()
    theirs["out"].sum().backward()
    assert torch.allclose(linear.weight.grad, module.weight("w").grad)


@pytest.mark.parametrize("record", [(), ("v",)])
def test_two_calls_are_one(record: tuple[str, ...]) -> None:
    cells = Neurons("alif", (2, 3), DT, dtype=F8, train=("tau_a",))
    x = torch.rand(30, 4, 2, 3, dtype=F8, requires_grad=True)
    whole = cells(0.01 * x, record=record)
    first = cells(0.01 * x[:11], record=record)
    second = cells(0.01 * x[11:], first[1], record=record)
    assert torch.equal(whole[0], torch.cat([first[0], second[0]]))
    assert whole[0].shape == (30, 4, 2, 3)
    assert whole[0].sum() > 0
    if record:
        assert torch.equal(whole[2]["v"], torch.cat([first[2]["v"], second[2]["v"]]))
        (one,) = torch.autograd.grad((whole[2]["v"] ** 2).sum(), x, retain_graph=True)
        (two,) = torch.autograd.grad((first[2]["v"] ** 2).sum() + (second[2]["v"] ** 2).sum(), x)
        assert torch.allclose(one, two)


def test_the_course_of_potentials_is_differentiable() -> None:
    cells = Neurons("lif", 6, DT, parameters=LIF, dtype=F8, train=("tau",))
    x = torch.rand(25, 3, 6, dtype=F8) * 0.3
    found: list[Any] = []
    for run in (cells._fused, cells._cell.stepped):
        given = x.clone().requires_grad_()
        out, traces, _ = run({"jump": given}, cells.initial(3, given), given, ("v",))
        loss = (traces["v"] ** 2 * torch.arange(25.0, dtype=F8).view(-1, 1, 1)).sum() + out.sum()
        theta = cells.learned.theta["tau"]
        found.append((out, traces["v"], *torch.autograd.grad(loss, [given, theta])))
    for mine, theirs in zip(*found, strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-9)
        assert theirs.abs().sum() > 0


def test_bad_input_to_neurons() -> None:
    cells = Neurons("lif", 4, DT)
    for call, code in (
        (lambda: cells(torch.zeros(3, 2, 5)), "stimulus-size"),
        (lambda: cells({"none": torch.zeros(3, 2, 4)}), "unknown-port"),
        (lambda: cells(torch.zeros(3, 2, 4), record=("w",)), "unknown-state"),
        (
            lambda: cells({"jump": torch.zeros(3, 2, 4), "current": torch.zeros(6, 2, 4)}),
            "stimulus-size",
        ),
        (
            lambda: cells({"jump": torch.zeros(1, 1, 4), "current": torch.zeros(1, 2, 4)}),
            "stimulus-size",
        ),
        (lambda: cells({}), "stimulus-size"),
        (lambda: cells(torch.zeros(3, 64, 4), cells(torch.zeros(3, 4, 4))[1]), "state-shape"),
        (lambda: cells(torch.zeros(3, 2, 4), {}), "state-shape"),
        (lambda: Neurons("lif", 4, DT, dtype=torch.float16), "bad-dtype"),
        (lambda: Neurons("lif", 4, DT, port="x"), "unknown-port"),
        (lambda: Neurons("lif", 4, DT, train=("tou",)), "unknown-parameter"),
    ):
        with pytest.raises(RanvierError) as caught:
            call()
        assert caught.value.issues[0].code == code


# -- losses ---------------------------------------------------------------------------------------
def train(*ticks: int, length: int = 50) -> Any:
    found = torch.zeros(length, 1, 1, dtype=F8)
    found[list(ticks)] = 1.0
    return found


def test_van_rossum_in_closed_form() -> None:
    """One spike against none is 1/2, two spikes dt apart 1 - exp(-dt/tau), for fine ticks."""
    tau = 200.0
    long = {"length": 6000}
    none, one = train(**long), train(100, **long)
    assert float(learn.van_rossum(one, none, tau=tau)) == pytest.approx(0.5, rel=6e-3)
    for apart in (50, 300):
        got = float(learn.van_rossum(one, train(100 + apart, **long), tau=tau))
        assert got == pytest.approx(1 - math.exp(-apart / tau), rel=6e-3)
    assert float(learn.van_rossum(one, one, tau=tau)) == 0


def test_counts_times_and_potentials() -> None:
    spikes = torch.zeros(10, 2, 3, dtype=F8)
    spikes[2:6, 0, 1] = 1
    spikes[7, 1, 2] = 1
    labels = torch.tensor([1, 2])
    rate = learn.rate_loss(spikes, labels, scale=2.0)
    expected = [math.log(2 + math.exp(8)) - 8, math.log(2 + math.exp(2)) - 2]
    assert float(rate) == pytest.approx(np.mean(expected))
    count = learn.count_loss(spikes, labels, right=4, wrong=0)
    assert float(count) == pytest.approx(9 / 6)
    first = learn.first_spike_loss(spikes, labels, scale=5.0)
    expected = [math.log(2 * math.exp(-2) + math.exp(-0.4)) + 0.4,
                math.log(2 * math.exp(-2) + math.exp(-1.4)) + 1.4]  # fmt: skip
    assert float(first) == pytest.approx(np.mean(expected))
    ramp = torch.arange(10.0, dtype=F8).view(-1, 1, 1) * spikes.new_tensor([1.0, 0.0, -1.0])
    ramp = ramp.expand(10, 2, 3)
    for over, top in (("max", (9, 0, 0)), ("mean", (4.5, 0, -4.5)), ("last", (9, 0, -9))):
        want = torch.nn.functional.cross_entropy(torch.tensor([top, top], dtype=F8), labels)
        assert float(learn.potential_loss(ramp, labels, over=over)) == pytest.approx(float(want))
    penalty = learn.activity_penalty(spikes, low=0.1, high=0.15)
    assert float(penalty) == pytest.approx((0.1**2 + 0.05**2 + 0.05**2) / 3)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda s: learn.rate_loss(s, torch.tensor([0, 3])), "label-out-of-range"),
        (lambda s: learn.rate_loss(s, torch.tensor([0])), "labels-shape"),
        (lambda s: learn.rate_loss(s[0], torch.tensor([0, 1])), "loss-shape"),
        (lambda s: learn.potential_loss(s, torch.tensor([0, 1]), over="sum"), "unknown-reduction"),
        (lambda s: learn.van_rossum(s, s[:2], tau=1.0), "target-shape"),
        (lambda s: learn.van_rossum(s, s, tau=0.0), "bad-tau"),
    ],
)
def test_bad_losses(call: Any, code: str) -> None:
    with pytest.raises(RanvierError) as caught:
        call(torch.zeros(5, 2, 3))
    assert caught.value.issues[0].code == code

"""Exact spike times and their gradients, against closed forms and finite differences."""

# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportOptionalOperand=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportOperatorIssue=false
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranvier.data import load
from ranvier.data.yinyang import which
from ranvier.errors import RanvierError

torch = pytest.importorskip("torch")

from ranvier.learn import EventLayer, first_spikes, latency_loss  # noqa: E402

MS = 1e-3


def layer(m: int, n: int, seed: int, **options: Any) -> EventLayer:
    return EventLayer(m, n, generator=torch.Generator().manual_seed(seed), **options)


def test_first_spike_in_closed_form() -> None:
    """tau_mem = 2 tau_syn: with a = exp(-t/tau_mem), V = w (a - a**2), so a solves a quadratic
    (Goeltz et al. 2021, eq. 5)."""
    one = layer(1, 1, 0, tau_mem=10 * MS, tau_syn=5 * MS, most=1)
    weight = 7.0
    one.weight.data[:] = weight
    found = float(one(torch.tensor([[3 * MS]], dtype=torch.float64))[0, 0, 0].detach())
    a = (1 + np.sqrt(1 - 4 / weight)) / 2
    assert found == pytest.approx(3 * MS - 10 * MS * np.log(a), rel=1e-13)
    one.weight.data[:] = 3.99  # the peak is w/4
    assert not torch.isfinite(one(torch.tensor([[3 * MS]]))).any()


def test_times_against_fine_steps() -> None:
    one = layer(20, 15, 1, mean=0.5, deviation=1.0, most=40)
    times = torch.rand(3, 20, 4, generator=torch.Generator().manual_seed(2)).double() * 40 * MS
    found = one(times).detach().numpy()
    w, dt = one.weight.detach().numpy(), 2e-6
    for b in range(3):
        arrive = np.round(times[b].numpy() / dt).astype(int)
        v, i = np.zeros(15), np.zeros(15)
        spikes: list[list[float]] = [[] for _ in range(15)]
        p, s = np.exp(-dt / one.tau_mem), np.exp(-dt / one.tau_syn)
        k = one.tau_syn / (one.tau_syn - one.tau_mem)
        by_tick: dict[int, Any] = {}
        for source, row in enumerate(arrive):
            for tick in row:
                by_tick[tick] = by_tick.get(tick, 0) + w[:, source]
        for tick in range(round(one.horizon / dt)):
            i = i + by_tick.get(tick, 0)
            v, i = k * i * s + (v - k * i) * p, i * s
            for j in np.flatnonzero(v >= one.threshold):
                spikes[j].append((tick + 1) * dt)
                v[j] = 0.0
        for j in range(15):
            mine = found[b, j][np.isfinite(found[b, j])]
            assert len(mine) == len(spikes[j])
            np.testing.assert_allclose(mine, spikes[j], atol=150e-6)  # steps add up
    assert np.isfinite(found).sum() > 50


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_gradients_are_exact(seed: int) -> None:
    """Against central differences, through two layers, in float64."""
    one = layer(5, 8, seed, mean=0.9, deviation=0.9, most=6)
    two = layer(8, 3, seed + 1, mean=0.6, deviation=0.6, most=4)
    times = torch.rand(4, 5, 2, generator=torch.Generator().manual_seed(seed)).double() * 30 * MS
    times.requires_grad_()

    def loss() -> Any:
        out = two(one(times))
        fires = torch.isfinite(out)
        return torch.where(fires, torch.sin(out * 150), torch.zeros_like(out)).sum(), fires.sum()

    value, count = loss()
    value.backward()
    rng = np.random.default_rng(seed)
    for tensor, step in ((one.weight, 1e-6), (two.weight, 1e-6), (times, 1e-9)):
        flat, gradient = tensor.data.view(-1), tensor.grad.view(-1)
        for at in rng.choice(flat.numel(), 6, replace=False):
            before = float(flat[at])
            ends = []
            for sign in (1, -1):
                flat[at] = before + sign * step
                with torch.no_grad():
                    ends.append(loss())
            flat[at] = before
            if ends[0][1] != count or ends[1][1] != count:
                continue  # a spike comes or goes: the loss jumps
            slope = float(ends[0][0] - ends[1][0]) / (2 * step)
            assert float(gradient[at]) == pytest.approx(slope, rel=2e-4, abs=2e-4)


def test_threads_change_no_bit() -> None:
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            one = layer(6, 30, 3)
            times = (torch.arange(600).view(100, 6) % 37).double() * MS
            times.requires_grad_()
            latency_loss(one(times), torch.arange(100) % 30, horizon=one.horizon, scale=MS,
                         early=3e-3).backward()  # fmt: skip
            found.append((one.weight.grad, times.grad))
    finally:
        torch.set_num_threads(before)
    for pair in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(pair, found[0], strict=True))
    assert found[0][0].abs().sum() > 0


def test_silent_neurons_can_be_woken() -> None:
    one = layer(2, 4, 4, mean=0.0, deviation=0.0)
    times = torch.zeros(10, 2)
    assert not torch.isfinite(one(times)).any()
    assert float(first_spikes(one(times), 0.06).detach().min()) == 0.06
    rounds = 0
    while one.wake(one(times), share=0.5, step=1.0):
        rounds += 1
    assert torch.isfinite(one(times)[:, :, 0]).all()
    assert 1 < rounds < 9


@pytest.mark.parametrize(
    ("options", "code"),
    [({"tau_syn": 20e-3}, "equal-taus"), ({"tau_mem": 0.0}, "bad-parameter"),
     ({"most": 0}, "bad-size"), ({"horizon": float("inf")}, "bad-parameter")],
)  # fmt: skip
def test_bad_layers(options: dict[str, Any], code: str) -> None:
    with pytest.raises(RanvierError) as caught:
        EventLayer(2, 2, **options)
    assert caught.value.issues[0].code == code


@pytest.mark.parametrize("times", [torch.full((1, 2), float("nan")), -torch.ones(1, 2),
                                   torch.ones(1, 3)])  # fmt: skip
def test_bad_times(times: Any) -> None:
    with pytest.raises(RanvierError):
        layer(2, 2, 0)(times)


def test_yin_yang_is_balanced_and_as_published() -> None:
    train, test = load("yinyang", "train"), load("yinyang", "test")
    assert (len(train), len(test)) == (5000, 1000)
    assert np.bincount(train.y).min() > 1550
    np.testing.assert_allclose(train.x[:, :2] + train.x[:, 2:], 1)
    assert np.array_equal(which(*train.x[:, :2].T), train.y)
    x = np.array([0.5, 0.25, 0.75, 0.25, 0.75, 0.5, 0.0])
    y = np.array([0.9, 0.5, 0.5, 0.35, 0.65, 0.1, 0.0])
    assert which(x, y).tolist() == [1, 2, 2, 1, 0, 0, -1]

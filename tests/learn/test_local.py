"""Trained parameters, and gradients that take another way back: e-prop, feedback alignment."""

# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportOptionalOperand=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportOperatorIssue=false
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ranvier.errors import RanvierError
from ranvier.network import Dense, Network, Population, Projection
from ranvier.neurons import get

torch = pytest.importorskip("torch")

from ranvier.learn import Module  # noqa: E402

DT = 1e-3
F8 = torch.float64


def network(model: str = "lif", readout: str = "li", **parameters: Any) -> Network:
    rng = np.random.default_rng(1)
    given = {"tau": 20e-3, "v_threshold": 1.0} if model == "lif" else {"v_threshold": 1.0}
    return Network(
        populations=(
            Population(name="in", shape=(6,)),
            Population(name="h", shape=(7,), model=get(model), parameters={**given, **parameters}),
            Population(name="o", shape=(3,), model=get(readout), parameters={"tau": 15e-3}),
        ),
        projections=(
            Projection(source="in", target="h", port="jump", name="w_in", delay=0.0,
                       connectivity=Dense(rng.normal(0.2, 0.3, (7, 6)))),
            Projection(source="h", target="h", port="jump", name="w_rec", delay=DT,
                       connectivity=Dense(rng.normal(0, 0.3, (7, 7)))),
            Projection(source="h", target="o", port="jump", name="w_out", delay=0.0,
                       connectivity=Dense(rng.normal(0, 0.5, (3, 7)))),
        ),
        outputs=("o",),
    )  # fmt: skip


def stimulus(ticks: int = 30, batch: int = 4) -> Any:
    draw = torch.Generator().manual_seed(0)
    return (torch.rand(ticks, batch, 6, generator=draw) < 0.3).to(F8)


def loss_of(module: Module, x: Any) -> Any:
    """Half the squared error of the readout, summed."""
    out, _ = module(x, record=["o", "h"])
    want = torch.sin(torch.arange(len(x), dtype=F8)).view(-1, 1, 1)
    return 0.5 * ((out["o"] - want) ** 2).sum(), out, want


# -- parameters -----------------------------------------------------------------------------------
TRAINED = {"h": ("tau", "v_threshold", "v_reset"), "o": ("tau",)}


@pytest.mark.parametrize("fused", [True, False])
def test_parameters_of_a_smooth_neuron_against_differences(fused: bool) -> None:
    module = Module(network(), DT, dtype=F8, train={"o": ("tau", "v_leak")}, fused=fused)
    x = stimulus()
    loss_of(module, x)[0].backward()
    theta = dict(module.learned.named_parameters())
    assert {n.split(".")[-1] for n in theta} == {"tau", "v_leak"}
    for value in theta.values():
        for k in range(3):
            ends = []
            for sign in (1, -1):
                with torch.no_grad():
                    value[k] += sign * 1e-5
                    ends.append(float(loss_of(module, x)[0]))
                    value[k] -= sign * 1e-5
            slope = (ends[0] - ends[1]) / 2e-5
            assert float(value.grad[k]) == pytest.approx(slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(("model", "names"), [
    ("lif", ("tau", "v_threshold", "v_reset")), ("alif", ("tau_a", "beta")),
    ("cuba_lif", ("tau_mem", "tau_syn")), ("adex", ("tau_w", "delta_t", "b")),
])  # fmt: skip
def test_parameters_are_the_same_in_both_ways(model: str, names: tuple[str, ...]) -> None:
    rng = np.random.default_rng(2)
    scale = {"lif": 1.0, "cuba_lif": 100.0}.get(model, 20e-3)
    given = {"v_threshold": 1.0} if model == "lif" else {}
    made = Network(
        populations=(Population(name="in", shape=(6,)),
                     Population(name="h", shape=(5,), model=model, parameters=given)),
        projections=(
            Projection(source="in", target="h", port="jump",
                       connectivity=Dense(rng.random((5, 6)) * scale)),
            Projection(source="h", target="h", port="jump", name="loop",
                       connectivity=Dense(rng.normal(0, 0.2, (5, 5)) * scale)),
        ),
        outputs=("h",),
    )  # fmt: skip
    found = []
    for fused in (True, False):
        module = Module(made, 1e-4, dtype=F8, train={"h": names}, fused=fused)
        out, _ = module(stimulus(80))
        (out["h"] * torch.arange(80.0, dtype=F8).view(-1, 1, 1)).sum().backward()
        found.append((out["h"], [p.grad for p in module.parameters()]))
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][0].sum() > 0
    for mine, theirs in zip(found[0][1], found[1][1], strict=True):
        scale = float(theirs.abs().max())
        assert scale > 0
        assert torch.allclose(mine / scale, theirs / scale, rtol=1e-8, atol=1e-10)


def test_trained_parameters_go_back_into_the_network() -> None:
    module = Module(network(), DT, dtype=F8, train=TRAINED)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
    x = stimulus()
    first = float(loss_of(module, x)[0].detach())
    for _ in range(40):
        optimiser.zero_grad()
        loss = loss_of(module, x)[0]
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.9 * first
    made = module.to_network()
    tau = np.asarray(made.population("h").parameters["tau"])
    assert tau.shape == (7,)
    assert (tau > 0).all()
    assert len(np.unique(tau)) > 1
    again = Module(made, DT, dtype=F8)
    with torch.no_grad():
        one, two = (loss_of(m, x)[1] for m in (module, again))
    assert torch.equal(one["h"], two["h"])
    assert torch.allclose(one["o"], two["o"], rtol=1e-9)


def test_saved_parameters_are_not_counted_twice() -> None:
    module = Module(network(), DT, dtype=F8, train={"h": ("tau",)})
    with torch.no_grad():
        for name, theta in module.learned.named_parameters():
            theta += 0.5 if "tau" in name else 0.0
    made = module.to_network()
    again = Module(made, DT, dtype=F8, train={"h": ("tau",)})
    again.load_state_dict(module.state_dict())
    one, two = (m.to_network().population("h").parameters["tau"] for m in (module, again))
    np.testing.assert_allclose(one, 20e-3 * np.exp(0.5))
    np.testing.assert_allclose(two, one)


# -- e-prop ---------------------------------------------------------------------------------------
def traces(module: Module, x: Any) -> tuple[Any, Any, Any]:
    """Gradients of w_in, w_rec and w_out of e-prop from eligibility traces that run forward in
    time, for lif with a reset to 0 (Bellec et al. 2020, eq. 3, 22 and 4, written for this step)."""
    a = np.exp(-DT / 20e-3)
    kappa = np.exp(-DT / 15e-3)
    w_in, w_rec, w_out = (module.weight(n).detach().numpy() for n in ("w_in", "w_rec", "w_out"))
    ticks, batch = x.shape[:2]
    g_in, g_rec, g_out = (np.zeros_like(w) for w in (w_in, w_rec, w_out))
    want = np.sin(np.arange(ticks))
    for b in range(batch):
        v, z, y = np.zeros(7), np.zeros(7), np.zeros(3)
        eps_in, eps_rec, bar_in, bar_rec = (np.zeros((7, m)) for m in (6, 7, 6, 7))
        seen = np.zeros(7)
        for t in range(ticks):
            heard = x[t, b].numpy()
            u = a * v + w_in @ heard + w_rec @ z
            # dv/dw just before the reset, then the spike's derivative, then what the reset leaves
            eps_in, eps_rec = a * eps_in + heard, a * eps_rec + z
            psi = 1.0 / (1.0 + 25.0 * np.abs(u - 1.0)) ** 2
            fired = (u > 1.0).astype(float)
            e_in, e_rec = psi[:, None] * eps_in, psi[:, None] * eps_rec
            kept = (1 - fired) - u * psi
            eps_in, eps_rec = kept[:, None] * eps_in, kept[:, None] * eps_rec
            v, z = (1 - fired) * u, fired
            bar_in, bar_rec = kappa * bar_in + e_in, kappa * bar_rec + e_rec
            seen = kappa * seen + z
            y = kappa * y + w_out @ z
            error = y - want[t]
            signal = w_out.T @ error
            g_in += signal[:, None] * bar_in
            g_rec += signal[:, None] * bar_rec
            g_out += np.outer(error, seen)
    return g_in, g_rec, g_out


@pytest.mark.parametrize("fused", [True, False])
def test_e_prop_is_eligibility_times_learning_signal(fused: bool) -> None:
    module = Module(network(), DT, dtype=F8, cut=["w_rec"], fused=fused)
    x = stimulus()
    loss_of(module, x)[0].backward()
    for name, expected in zip(("w_in", "w_rec", "w_out"), traces(module, x), strict=True):
        np.testing.assert_allclose(module.weight(name).grad.numpy(), expected, rtol=1e-9, atol=1e-9)
    whole = Module(network(), DT, dtype=F8, fused=fused)
    loss_of(whole, x)[0].backward()
    assert not torch.allclose(whole.weight("w_in").grad, module.weight("w_in").grad, rtol=1e-3)
    assert torch.allclose(whole.weight("w_out").grad, module.weight("w_out").grad)


@pytest.mark.parametrize("fused", [True, False])
def test_feedback_takes_the_place_of_the_weights(fused: bool) -> None:
    """With the weights' own values nothing changes; with others, the readout's gradient stays."""
    x = stimulus()
    plain = Module(network(), DT, dtype=F8, fused=fused)
    loss_of(plain, x)[0].backward()
    back = {n: plain.weight(n).detach().clone() for n in ("w_out", "w_rec")}
    same = Module(network(), DT, dtype=F8, feedback=back, fused=fused)
    loss_of(same, x)[0].backward()
    for name in ("w_in", "w_rec", "w_out"):
        assert torch.allclose(plain.weight(name).grad, same.weight(name).grad, rtol=1e-12)
    other = Module(network(), DT, dtype=F8, feedback={"w_out": -back["w_out"]}, fused=fused)
    loss_of(other, x)[0].backward()
    assert torch.allclose(plain.weight("w_out").grad, other.weight("w_out").grad)
    assert torch.allclose(plain.weight("w_in").grad, -other.weight("w_in").grad)


def test_bad_names_and_shapes() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"train": {"none": ("tau",)}}, "unknown-population-of-neurons"),
        ({"train": {"h": ("tou",)}}, "unknown-parameter"),
        ({"train": {"h": ("t_ref",)}}, "not-trainable"),
        ({"cut": ["w"]}, "unknown-projection"),
        ({"feedback": {"w_out": torch.zeros(2, 2)}}, "feedback-shape"),
    ]
    for options, code in cases:
        with pytest.raises(RanvierError) as caught:
            Module(network(), DT, **options)
        assert caught.value.issues[0].code == code, options

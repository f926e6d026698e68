"""The fused loops and sums over spikes against torch's own differentiation, in float64."""

# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportOptionalOperand=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportOperatorIssue=false
from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranvier import neurons
from ranvier.errors import RanvierError
from ranvier.network import Conv, Dense, Network, Pool, Population, Projection, Sparse
from ranvier.neurons import MODELS, SURROGATES, NeuronModel, Parameter, Port, get

torch = pytest.importorskip("torch")

from ranvier.learn import Module, ModuleState  # noqa: E402
from ranvier.learn._sparse import csr_of, sum_rows, transposed  # noqa: E402

DT = 1e-3
LIF = {"tau": 15e-3, "v_threshold": 1.0}
FRESH = ("poisson", "noise_current", "poisson_inhomogeneous", "stochastic_lif")
"""Models that draw random numbers, which have no torch step."""
SCALE = {"A": 4e-10, "V": 20e-3, "S": 2e-8, "1": 3.0}
"""What makes a default neuron of each unit of port fire now and then."""


def cell(name: str, *shape: int, **parameters: Any) -> Population:
    return Population(name=name, shape=shape, model=get("lif"), parameters={**LIF, **parameters})


def layers(rng: np.random.Generator) -> Network:
    """Two layers, delays, a bias for every neuron, a refractory time."""
    delay = rng.integers(1, 4, (8, 14)) * DT
    return Network(
        populations=(
            Population(name="in", shape=(9,)),
            cell("a", 14, bias=rng.random(14)),
            cell("b", 8, t_ref=2e-3, v_reset=-0.2),
        ),
        projections=(
            Projection(source="in", target="a", port="jump",
                       connectivity=Dense(rng.normal(0.2, 0.4, (14, 9)))),
            Projection(source="a", target="b", port="jump", delay=delay,
                       connectivity=Dense(rng.normal(0.3, 0.5, (8, 14)))),
            Projection(source="in", target="b", port="current", delay=2e-3, name="skip",
                       connectivity=Dense(rng.normal(0.0, 2.0, (8, 9)))),
        ),
        outputs=("a", "b"),
    )  # fmt: skip


def recurrent(rng: np.random.Generator) -> Network:
    """Every neuron hears the others, one tick ago and three."""
    wired = rng.random((12, 12)) < 0.4
    pre, post = np.nonzero(wired)
    sparse = Sparse(pre, post, rng.normal(0, 0.4, pre.size), (12, 12))
    return Network(
        populations=(Population(name="in", shape=(9,)), cell("a", 12)),
        projections=(
            Projection(source="in", target="a", port="jump",
                       connectivity=Dense(rng.normal(0.2, 0.4, (12, 9)))),
            Projection(source="a", target="a", port="jump", name="near",
                       connectivity=Dense(rng.normal(0, 0.4, (12, 12)))),
            Projection(source="a", target="a", port="current", name="far", delay=3e-3,
                       connectivity=sparse),
        ),
        outputs=("a",),
    )  # fmt: skip


def images(rng: np.random.Generator) -> Network:
    """Convolution and pooling."""
    kernel = rng.normal(0.2, 0.4, (3, 1, 2, 2))
    return Network(
        populations=(
            Population(name="in", shape=(1, 3, 3)), cell("c", 3, 2, 2), cell("p", 3, 1, 1),
        ),
        projections=(
            Projection(source="in", target="c", port="jump", connectivity=Conv(kernel, (1, 3, 3))),
            Projection(source="c", target="p", port="jump",
                       connectivity=Pool((3, 2, 2), (2, 2), mode="sum", weight=0.6)),
        ),
        outputs=("c", "p"),
    )  # fmt: skip


def both(
    network: Network, x: Any, states: int = 1, dtype: Any = None, **options: Any
) -> list[tuple[dict[str, Any], list[Any]]]:
    """Outputs and gradients, fused and by torch, of ``states`` calls one after the other."""
    found = []
    for fused in (True, False):
        module = Module(network, DT, dtype=dtype or torch.float64, fused=fused, **options)
        given = torch.as_tensor(x, dtype=dtype or torch.float64).clone().requires_grad_()
        state: ModuleState | None = None
        parts: list[dict[str, Any]] = []
        for part in given.chunk(states):
            out, state = module(part, state)
            parts.append(out)
        outs = {name: torch.cat([p[name] for p in parts]) for name in parts[0]}
        assert state is not None
        rng = torch.Generator().manual_seed(3)
        loss = sum((o * torch.rand(o.shape, generator=rng, dtype=o.dtype)).sum()
                   for o in outs.values())  # fmt: skip
        for values in state.neurons.values():  # a loss on potentials, too
            loss = loss + sum((v**2).sum() for v in values.values() if v.requires_grad)
        wanted = [given, *module.parameters()]
        found.append((outs, list(torch.autograd.grad(loss, wanted, allow_unused=True))))
    return found


def agree(found: list[tuple[dict[str, Any], list[Any]]], tolerance: float = 1e-10) -> None:
    (outs, grads), (plain, true) = found
    for name, out in outs.items():
        assert torch.equal(out, plain[name]), name
    assert sum(float(o.detach().abs().sum()) for o in outs.values()) > 0
    for mine, theirs in zip(grads, true, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert torch.allclose(mine, theirs, rtol=tolerance, atol=tolerance)
            assert theirs.abs().sum() > 0


@pytest.mark.parametrize("make", [layers, recurrent, images])
@pytest.mark.parametrize("detach_reset", [False, True])
@pytest.mark.parametrize(("batch", "density"), [(3, 0.1), (40, 0.6)])  # one piece; several
def test_gradients_are_those_of_autograd(
    make: Callable[[np.random.Generator], Network], detach_reset: bool, batch: int, density: float
) -> None:
    rng = np.random.default_rng(5)
    x = rng.random((31, batch, 9)) < density
    agree(both(make(rng), x, detach_reset=detach_reset))


@pytest.mark.parametrize("make", [layers, recurrent])
def test_gradients_flow_through_the_state(make: Callable[..., Network]) -> None:
    rng = np.random.default_rng(6)
    network, x = make(rng), rng.random((33, 5, 9)) < 0.4
    parts, whole = both(network, x, states=3), both(network, x)
    agree(parts)
    agree([parts[0], whole[0]])  # three calls are one


@pytest.mark.parametrize("name", SURROGATES)
def test_every_surrogate_is_the_same_in_both(name: str) -> None:
    rng = np.random.default_rng(7)
    x = rng.random((20, 4, 9)) < 0.4
    agree(both(recurrent(rng), x, surrogate=neurons.surrogate(name, 1.5)))


@pytest.mark.parametrize("name", [n for n in MODELS.names() if n not in FRESH])
def test_every_model_has_an_adjoint(name: str) -> None:
    model = get(name)
    rng = np.random.default_rng(8)
    dt = 1e-4
    needed = {p.name: 1.0 for p in model.parameters if p.default is None}
    network = Network(
        populations=(
            Population(name="in", shape=(9,)),
            Population(name="a", shape=(6,), model=model, parameters=needed),
        ),
        projections=[
            Projection(source="in", target="a", port=p.name, name=f"to_{p.name}",
                       connectivity=Dense(rng.random((6, 9)) * SCALE[p.unit]))
            for p in model.ports
        ],
        outputs=("a",),
    )  # fmt: skip
    x = rng.random((60, 3, 9)) < 0.3
    found = []
    for fused in (True, False):
        module = Module(network, dt, dtype=torch.float64, fused=fused)
        given = torch.as_tensor(x, dtype=torch.float64).requires_grad_()
        out, state = module(given)
        loss = out["a"].sum()
        for v in state.neurons["a"].values():
            scale = float(v.detach().abs().max()) or 1.0
            loss = loss + (v / scale).sum() if v.requires_grad else loss
        wanted = [given, *module.parameters()]
        if not loss.requires_grad:
            pytest.skip("nothing to differentiate")
        found.append((out["a"], state, torch.autograd.grad(loss, wanted, allow_unused=True)))
    (out, state, grads), (plain, other, true) = found
    assert torch.allclose(out, plain, rtol=1e-9, atol=1e-12)
    for s, v in state.neurons["a"].items():
        assert torch.allclose(v, other.neurons["a"][s], rtol=1e-7, atol=1e-15), s
    for mine, theirs in zip(grads, true, strict=True):
        if theirs is None:
            assert mine is None or not mine.any()
            continue
        assert mine is not None
        scale = float(theirs.abs().max())
        assert torch.allclose(mine / (scale or 1), theirs / (scale or 1), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_burst_in_a_loop(dtype: Any) -> None:
    """A tick in which most of a population fires is multiplied, the quiet ones are summed."""
    rng = np.random.default_rng(10)
    x = rng.random((70, 6, 9)) < 0.05
    x[20:22] = True
    found = both(recurrent(rng), 3.0 * x, dtype=dtype)
    rates = found[1][0]["a"].mean((1, 2))
    assert rates.max() > 0.4
    assert rates.median() < 0.25
    (outs, grads), (plain, true) = found
    assert torch.equal(outs["a"], plain["a"])
    for mine, theirs in zip(grads, true, strict=True):
        scale = theirs.abs().max()
        tolerance = 1e-10 if dtype == torch.float64 else 1e-5
        assert torch.allclose(mine / scale, theirs / scale, rtol=tolerance, atol=tolerance)


def test_a_state_s_name_may_look_like_a_second_assignment() -> None:
    """States v and v_2, and the same model with another name in place of v_2."""
    rng = np.random.default_rng(11)
    weight, spikes = rng.random((6, 9)) * 0.4, []
    for name in ("v_2", "w"):
        model = NeuronModel(
            name="two",
            equations=(f"dv/dt = ({name} - v)/tau : 1", f"d{name}/dt = -{name}/tau : 1"),
            parameters=(Parameter(name="tau", unit="s", default=10e-3),),
            ports=(Port(name="in", variable=name, kind="jump", unit="1"),),
            threshold="v > 0.5", reset=("v = 0", f"{name} = {name} - 0.1"),
        )  # fmt: skip
        network = Network(
            populations=(Population(name="in", shape=(9,)),
                         Population(name="a", shape=(6,), model=model)),
            projections=(Projection(source="in", target="a", port="in",
                                    connectivity=Dense(weight)),),
            outputs=("a",),
        )  # fmt: skip
        x = np.random.default_rng(12).random((60, 3, 9)) < 0.3
        found = both(network, x)
        agree(found)
        spikes.append(found[0][0]["a"])
    assert torch.equal(spikes[0], spikes[1])


def test_a_state_of_another_batch_is_refused() -> None:
    rng = np.random.default_rng(13)
    for network in (recurrent(rng), images(rng)):
        module = Module(network, DT)
        _, state = module(torch.zeros(3, 4, 9))
        for wrong in (state, ModuleState(state.neurons, {}), ModuleState({"a": {}, "c": {}})):
            with pytest.raises(RanvierError):
                module(torch.zeros(3, 64, 9), wrong)


def test_numpy_other_precisions_and_pickles() -> None:
    rng = np.random.default_rng(14)
    module = Module(recurrent(rng), DT)
    x = (rng.random((10, 3, 9)) < 0.5).astype(np.float32)
    out, _ = module(x)
    again = pickle.loads(pickle.dumps(module))
    assert torch.equal(again(x)[0]["a"], out["a"])
    assert module(np.zeros((4, 0, 9)))[0]["a"].shape == (4, 0, 12)
    with pytest.raises(RanvierError, match="dtype="):
        module.double()(x)
    named = Module(recurrent(np.random.default_rng(14)), DT, surrogate="fast_sigmoid")
    assert torch.equal(named(x)[0]["a"], out["a"])
    with pytest.raises(RanvierError, match="call it"):
        Module(recurrent(rng), DT, surrogate=neurons.arctan)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 70), st.floats(0, 1))
def test_random_networks(seed: int, batch: int, ticks: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    network = (layers, recurrent, images)[seed % 3](rng)
    x = (rng.random((ticks, batch, 9)) < density) * rng.choice([1.0, 2.5], (ticks, batch, 9))
    (outs, grads), (plain, true) = both(network, x)
    for name, out in outs.items():
        assert torch.equal(out, plain[name])
    for mine, theirs in zip(grads, true, strict=True):
        if theirs is None:
            assert mine is None or not mine.any()
        else:
            assert mine is not None
            assert torch.allclose(mine, theirs, rtol=1e-9, atol=1e-9)


def test_threads_change_no_bit() -> None:
    rng = np.random.default_rng(9)
    network, x = recurrent(rng), rng.random((40, 30, 9)) < 0.2
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(both(network, x, dtype=torch.float32)[0])
    finally:
        torch.set_num_threads(before)
    for outs, grads in found[1:]:
        assert all(torch.equal(outs[k], found[0][0][k]) for k in outs)
        assert all(torch.equal(a, b) for a, b in zip(grads, found[0][1], strict=True))


@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(1, 90), st.integers(1, 700))
@settings(max_examples=60, deadline=None)
def test_sums_of_rows_are_products(seed: int, rows: int, m: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.random((rows, m)) < rng.random()) * (1.0 if seed % 2 else rng.normal(size=(rows, m)))
    w, g = rng.normal(size=(m, n)), rng.normal(size=(rows, n))
    entries = csr_of(x)
    assert entries is not None
    assert entries.indptr[-1] == np.count_nonzero(x)
    out = rng.normal(size=(rows, n))
    more = out.copy()
    sum_rows(entries, w, out, add=False)
    np.testing.assert_allclose(out, x @ w, atol=1e-12)
    sum_rows(entries, w, more, add=True)
    total = np.zeros((m, n))
    sum_rows(transposed(entries, m), g, total, add=True)
    np.testing.assert_allclose(total, x.T @ g, atol=1e-12)
    assert rows == 0 or csr_of(np.ones((rows, m)), 0.5) is None

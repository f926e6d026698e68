"""The torch step: the kernel's values forward, checked gradients backward."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranvier.errors import RanvierError
from ranvier.neurons import (
    MODELS,
    NeuronModel,
    Parameter,
    Port,
    arctan,
    boxcar,
    discretise,
    fast_sigmoid,
    get,
    torch_state,
    torch_step,
    torch_values,
    triangle,
    with_reset,
    with_threshold,
)

torch = pytest.importorskip("torch")
F8 = torch.float64


def run_torch(discrete: Any, inputs: Any, *, detach: bool = False, dtype: Any = F8) -> Any:
    """States and out, [ticks, batch, n], for inputs by port of that shape."""
    step = torch_step(discrete, detach_reset=detach)
    shape = next(iter(inputs.values())).shape
    state = torch_state(discrete, shape[1:], dtype=dtype)
    values = torch_values(discrete, dtype=dtype)
    rows = []
    for t in range(shape[0]):
        now = {p: torch.as_tensor(inputs[p][t], dtype=dtype) if p in inputs else
               torch.zeros(shape[1:], dtype=dtype) for p in discrete.kernel.ports}  # fmt: skip
        state, out = step(state, now, values, fast_sigmoid())
        rows.append([*(state[s] for s in discrete.kernel.state), out])
    return {name: torch.stack([r[i] for r in rows]).numpy()
            for i, name in enumerate((*discrete.kernel.state, "out"))}  # fmt: skip


LEAKS = st.sampled_from(["- v", "- 0.5*v + u", "+ u - 2*v", "- v*abs(v)", "- min(abs(v), 0.8)*v"])


@st.composite
def models(draw: st.DrawFn) -> tuple[NeuronModel, dict[str, Any], str | None]:
    """Two-state models with any mixture of reset, delay, threshold, refractoriness and method."""
    leak = draw(LEAKS)
    model = NeuronModel(
        name="drawn",
        equations=(f"dv/dt = (x {leak} + bias)/tau : 1", "du/dt = (v*g - u)/tau : 1"),
        parameters=(Parameter(name="tau", unit="s"), Parameter(name="g", unit="1"),
                    Parameter(name="bias", unit="1"), Parameter(name="v_threshold", unit="1"),
                    Parameter(name="t_ref", unit="s")),
        ports=(Port(name="current", variable="x", kind="hold", unit="1"),
               Port(name="jump", variable="u", kind="jump", unit="1")),
        threshold=draw(st.sampled_from(["v > v_threshold", "v >= v_threshold", "v + u > 0.7"])),
        reset=draw(st.sampled_from([("v = 0",), ("v = v - v_threshold",), ("v = 0.1", "u = u - g"),
                                    ("u = u + where(v > 1, 0.5, g)",), ("v = -v_threshold/2",)])),
        reset_delay=draw(st.sampled_from([0, 1])),
        refractory="t_ref",
        refractory_hold=draw(st.sampled_from([(), ("v",), ("v", "u")])),
        initial={"u": "g/4"},
    )  # fmt: skip
    linear = "abs" not in leak and "min" not in leak
    methods = ["euler", "euler_sequential", "rk4", *(["exact"] if linear else [])]
    values = {
        "tau": draw(st.floats(5e-3, 5e-2)),
        "g": draw(st.floats(-1, 1)),
        "bias": np.array([0.0, 0.2, 0.9]),
        "v_threshold": draw(st.floats(0.2, 1.2)),
        "t_ref": draw(st.sampled_from([0.0, 1e-3, 4e-3])),
    }
    return model, values, draw(st.sampled_from(methods))


@given(models(), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=60)
def test_torch_gives_the_bits_of_the_kernel(run: Any, drawn: Any, seed: int, detach: bool) -> None:
    model, values, method = drawn
    discrete = discretise(model, values, 1e-3, method)
    rng = np.random.default_rng(seed)
    inputs = {"current": rng.normal(0.5, 1, (25, 2, 3)), "jump": rng.normal(0, 0.3, (25, 2, 3))}
    batch = run_torch(discrete, inputs, detach=detach)
    for b in range(2):
        for n in range(3):
            one = run(discrete, 25, {p: x[:, b, n] for p, x in inputs.items()}, neuron=n)
            for name in (*discrete.kernel.state, "out"):
                assert np.array_equal(batch[name][:, b, n], one[name]), name


@pytest.mark.parametrize("name", MODELS.names())
@pytest.mark.parametrize("dtype", [torch.float32, F8])
def test_built_in_models(run: Any, name: str, dtype: Any) -> None:
    model = get(name)
    scale = {"izhikevich": 15.0, "adex": 1e-9, "if": 300.0, "integrator": 300.0}.get(name, 2.0)
    parameters = {"t_ref": 2e-4} if "t_ref" in [p.name for p in model.parameters] else {}
    discrete = discretise(model, parameters, 1e-4)
    if discrete.kernel.draws:
        with pytest.raises(RanvierError, match="no torch step"):
            torch_step(discrete)
        return
    port = model.ports[0].name
    if model.ports[0].unit == "S" or "_psc_" in name or name in ("eif", "gif", "dpi"):
        scale = 1e-8 if model.ports[0].unit == "S" else 5e-11 if name == "dpi" else 1e-9
    x = np.random.default_rng(2).normal(1, 0.5, (300, 1, 1)) * scale
    batch = run_torch(discrete, {port: x}, dtype=dtype)
    one = run(discrete, 300, {port: x[:, 0, 0]})
    ticks = 300 if dtype == F8 else 30  # in single precision only until the first near-miss
    for key in (*discrete.kernel.state, "out"):
        assert batch[key].dtype == (np.float64 if dtype == F8 else np.float32)
        double = dtype == F8
        rel, allow = (1e-9, None) if double else (1e-3, 1e-3 * np.ptp(one[key]) + 1e-16)
        assert batch[key][:ticks, 0, 0] == pytest.approx(one[key][:ticks], rel=rel, abs=allow)


@pytest.mark.parametrize("method", ["exact", "euler", "rk4", "exponential_euler"])
def test_gradients_below_threshold(method: str) -> None:
    discrete = discretise(get("cuba_lif"), {"v_threshold": 1e3}, 1e-3, method)
    step, values = torch_step(discrete), torch_values(discrete, dtype=F8)

    def final(x: Any, jump: Any, v: Any) -> Any:
        state = {**torch_state(discrete, (2, 3), dtype=F8), "v": v}
        for t in range(4):
            state, _ = step(state, {"current": x[t], "jump": jump[t]}, values, fast_sigmoid())
        return state["v"]

    torch.manual_seed(0)
    args = [torch.randn(s, dtype=F8, requires_grad=True) for s in ((4, 2, 3), (4, 2, 3), (2, 3))]
    assert torch.autograd.gradcheck(final, args)


@pytest.mark.parametrize("name", ["izhikevich", "adex"])
def test_gradients_of_non_linear_models(name: str) -> None:
    discrete = discretise(get(name), {}, 1e-4)
    step, values = torch_step(discrete), torch_values(discrete, dtype=F8)
    scale = 10.0 if name == "izhikevich" else 1e-9

    def final(x: Any) -> Any:
        state = torch_state(discrete, (2,), dtype=F8)
        for _ in range(3):
            ports = {"current": x * scale, "jump": torch.zeros_like(x)}
            state, _ = step(state, ports, values, fast_sigmoid())
        return state["v"] / (1.0 if name == "izhikevich" else 1e-3)

    assert torch.autograd.gradcheck(final, [torch.tensor([0.5, 1.0], dtype=F8, requires_grad=True)])


def test_gradients_reach_values() -> None:
    """Propagators, thresholds and resets can be tensors that learn."""
    discrete = discretise(get("lif"), {}, 1e-3)
    values: dict[str, Any] = {n: torch.tensor(v, dtype=F8, requires_grad=True)
                              for n, v in torch_values(discrete).items()}  # fmt: skip
    state = torch_state(discrete, (3,), dtype=F8)
    total = torch.zeros(())
    for _ in range(50):
        ports = {
            "current": torch.tensor([0.0, 20.0, 40.0], dtype=F8),
            "jump": torch.zeros(3, dtype=F8),
        }
        state, out = torch_step(discrete)(state, ports, values, fast_sigmoid())
        total = total + out.sum()
    assert total > 0
    total.backward()
    for name in ("v__from__v", "v__from__x", "v_threshold", "v_reset"):
        assert values[name].grad.abs() > 0


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize(("kind", "expected"), [("subtract", -1.0), ("value", -1.5), ("none", 0.0)])
def test_the_reset_carries_the_surrogate(inclusive: bool, kind: Any, expected: float) -> None:
    model = with_reset(get("if"), kind)
    model = with_threshold(model, comparison=">=") if inclusive else model
    for detach in (False, True):
        discrete = discretise(model, {}, 1.0)
        x = torch.tensor([1.5], dtype=F8, requires_grad=True)
        ports = {"current": torch.zeros(1, dtype=F8), "jump": x}
        step = torch_step(discrete, detach_reset=detach)
        state, out = step(torch_state(discrete, (1,), dtype=F8), ports,
                          torch_values(discrete, dtype=F8), fast_sigmoid(4.0))  # fmt: skip
        slope = 1 / (1 + 4 * 0.5) ** 2
        assert out.item() == 1
        assert torch.autograd.grad(out.sum(), x, retain_graph=True)[0].item() == pytest.approx(
            slope
        )
        through = 0.0 if kind == "value" else 1.0  # v = v_reset forgets v
        got = torch.autograd.grad(state["v"].sum(), x)[0].item()
        assert got == pytest.approx(through + (0.0 if detach else expected * slope))


def test_strictness_at_the_threshold() -> None:
    for model, at in [(get("threshold"), 0.0),
                      (with_threshold(get("threshold"), comparison=">="), 1.0)]:  # fmt: skip
        discrete = discretise(model, {}, 1.0)
        for surrogate in (fast_sigmoid(), arctan(), triangle(), boxcar()):
            x = torch.tensor([0.5, 1.0, 1.5])
            _, out = torch_step(discrete)({}, {"input": x}, torch_values(discrete), surrogate)
            assert out.tolist() == [0.0, at, 1.0]


@pytest.mark.parametrize(
    ("surrogate", "at", "slope"),
    [
        (fast_sigmoid(25.0), 0.0, 1.0),
        (fast_sigmoid(25.0), -0.04, 0.25),
        (arctan(2.0), 0.0, 1.0),
        (arctan(2.0), 1 / np.pi, 0.5),
        (triangle(2.0), 0.25, 0.5),
        (triangle(2.0), -1.0, 0.0),
        (boxcar(1.0), 0.49, 1.0),
        (boxcar(1.0), -0.51, 0.0),
    ],
)
def test_surrogate_derivatives(surrogate: Any, at: float, slope: float) -> None:
    x = torch.tensor(at, dtype=F8, requires_grad=True)
    surrogate(x).backward()
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(slope)


def test_the_step_reads_like_the_kernel() -> None:
    import inspect

    source = inspect.getsource(torch_step(discretise(get("adex"), {}, 1e-4)))  # pyright: ignore
    assert "surrogate(" in source


def test_functions_agree_with_the_kernel(run: Any) -> None:
    text = (
        "where(x > 0.5 and not (x > 2 or x == 1), min(x, y)/x, max(sign(x), relu(x - 1)))"
        " + floor(3*x)"
        " + abs(x)**1.5 + (x + 1)**3 + exp(g)*x + where(g > 0, tanh(x), x) + where(x > 1, 0.1, 0.2)"
        " + where(x > 0.5, (x - 1)**2 + exp(x + 1), sqrt(g)) + sin(x)*cos(x)"
        " + log(x*x + 1)*exp(500*x) + where(not g > 1, 1, 2)"
    )
    model = NeuronModel(
        name="all",
        equations=("y = 0.25*x : 1", f"z = {text} : 1"),
        parameters=(Parameter(name="g", unit="1", default=0.3),),
        ports=(Port(name="p", variable="x", kind="hold", unit="1"),),
        output="continuous",
        output_expression="z",
    )
    discrete = discretise(model, {}, 1.0)
    x = np.array([-1.5, 0.0, 0.4, 0.6, 1.0, 1.5, 2.5])
    ours = run_torch(discrete, {"p": x[:, None]})["out"][:, 0]
    assert ours == pytest.approx(run(discrete, 7, {"p": x})["out"], rel=1e-13)
    for dtype in (torch.float32, F8):
        _, out = torch_step(discrete)({}, {"p": torch.ones(2, dtype=dtype)}, {"g": 0.3}, arctan())
        assert out.dtype == dtype


def test_graded_output_and_initial_values() -> None:
    model = replace(
        get("relay"), threshold="abs(y) > 0.5", output="graded", output_expression="2*y"
    )
    discrete = discretise(model, {}, 1.0)
    x = torch.tensor([0.4, 0.6, -3.0])
    _, out = torch_step(discrete)({}, {"input": x}, {}, arctan())
    assert out.tolist() == pytest.approx([0.0, 1.2, -6.0])
    many = discretise(get("lif"), {"v_leak": np.array([0.1, 0.2])}, 1e-3)
    assert torch_state(many, (3, 2), dtype=F8)["v"][1].tolist() == [0.1, 0.2]


def test_importing_neurons_imports_no_torch_scipy_or_sympy() -> None:
    code = (
        "import sys, ranvier.neurons as n; n.discretise(n.get('cuba_lif'), {}, 1e-3);"
        "print([m for m in ('torch', 'scipy', 'sympy', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

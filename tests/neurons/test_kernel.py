"""Kernels as text: numba gives the bits of plain Python, and chips write theirs as functions."""

from __future__ import annotations

import inspect
import linecache
import math
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranvier.errors import RanvierError
from ranvier.neurons import Kernel, NeuronModel, Parameter, Port, discretise, get, with_reset
from ranvier.neurons._lower import HELPERS

numba = pytest.importorskip("numba")

DECORATOR = "@njit(error_model='numpy', fastmath=False)"


def compiled(kernel: Kernel) -> Any:
    space: dict[str, Any] = {"njit": numba.njit}
    exec(kernel.module(decorator=DECORATOR), space)
    return space["step"]


CASES = [
    ("cuba_lif", None, {"t_ref": 3e-3, "r": 3.0}, 2.0),
    ("lif", "euler", {"t_ref": 2e-3}, 3.0),
    ("lif", "rk4", {}, 3.0),
    ("izhikevich", "rk4", {}, 30.0),
    ("izhikevich", None, {}, 30.0),
    ("adex", "euler_sequential", {"t_ref": 1e-3}, 1e-9),
    ("adex", None, {}, 1e-9),
    ("relu", None, {"gain": 0.3}, 1.0),
    ("iaf_cond_alpha", None, {"tau_syn_ex": 1e-3}, 8e-9),
    ("aeif_cond_exp", None, {}, 5e-8),
    ("hh", None, {}, 3e-8),
    ("dpi", None, {}, 4e-11),
    ("stochastic_lif", None, {"t_ref": 1e-3}, 1.0),
    ("sigma_delta", None, {}, 0.2),
]


@pytest.mark.parametrize(("name", "method", "values", "scale"), CASES)
def test_numba_gives_the_same_bits(
    name: str, method: str, values: Any, scale: float, run: Any
) -> None:
    discrete = discretise(get(name), values, 5e-4, method)
    rng = np.random.default_rng(11)
    inputs = {get(name).ports[0].name: rng.normal(0.5, 1.0, 1500) * scale}
    plain = run(discrete, 1500, inputs)
    fast = run(discrete, 1500, inputs, step=compiled(discrete.kernel))
    for state in (*discrete.kernel.state, "out"):
        assert np.array_equal(plain[state], fast[state]), state
    assert name == "relu" or plain["spikes"]


def test_every_printed_form_under_numba(run: Any) -> None:
    text = (
        "where(x > 0.5 and not (x > 2 or x == 1), min(x, 0.7, y)/x, max(sign(x), relu(x - 1)))"
        " + floor(3*x) + abs(x)**1.5 + (x + 1)**3 + (x + 2)**-2 + exp(where(x != 0, 1/x, 0)*0.1)"
        " + where(x > 0, log(x)*exp(x*2) + (x - 1)**2 + sign(x - 1) + relu(-x) , -sqrt(abs(x - y)))"
        " + sin(x)*cos(x)*tanh(x) + x**0 - -x**2"
    )
    model = NeuronModel(
        name="all",
        equations=("y = 0.25*x : 1", f"z = {text} : 1"),
        ports=(Port(name="p", variable="x", kind="hold", unit="1"),),
        output="continuous",
        output_expression="z",
    )
    discrete = discretise(model, {}, 1.0)
    x = np.array([-1.5, -0.0, 0.0, 0.4, 0.6, 1.0, 1.5, 2.5, 7.0])
    plain = run(discrete, 9, {"p": x})["out"]
    assert np.isfinite(plain).all()
    assert np.array_equal(plain, run(discrete, 9, {"p": x}, step=compiled(discrete.kernel))["out"])


def test_a_kernel_vectorises() -> None:
    """Inlined in a loop over arrays, the exact CUBA-LIF becomes vector instructions."""
    discrete = discretise(get("cuba_lif"), {"t_ref": 2e-3}, 1e-3, ports=["jump"])
    loop = "\n\n@njit(error_model='numpy')\ndef loop(i, v, r, x, o, p):\n"
    loop += "    for k in range(i.shape[0]):\n"
    values = ", ".join(f"p[{j}]" for j in range(len(discrete.kernel.params)))
    loop += f"        i[k], v[k], r[k], o[k] = step(i[k], v[k], r[k], x[k], {values})\n"
    space: dict[str, Any] = {"njit": numba.njit}
    exec(discrete.kernel.module(decorator=DECORATOR) + loop, space)
    n = 1024
    arrays = [np.zeros(n) for _ in range(5)]
    p = np.array([float(v) for v in discrete.values.values()])
    space["loop"](*arrays, p)
    assembly = "".join(space["loop"].inspect_asm().values())
    packed = ("vmulpd", "mulpd", "fmul.2d", "fmul\tv")
    assert any(word in assembly for word in packed)


def test_plain_python_can_be_read_and_stepped() -> None:
    step = discretise(get("lif"), {}, 1e-3).kernel.python()
    assert "n_v" in inspect.getsource(step)
    assert step.__code__.co_filename in linecache.cache


def test_key_depends_on_what_matters() -> None:
    one = discretise(get("lif"), {}, 1e-3).kernel
    assert one.key == discretise(get("lif"), {}, 1e-4).kernel.key
    assert one.key != discretise(with_reset(get("lif"), "subtract"), {}, 1e-3).kernel.key
    assert len(one.key) == 64


SHIFT, LIMIT = 12, 1 << 23


def decay_by(u: int, factor: int) -> int:
    """Round towards zero, as an integer chip might."""
    product = abs(u) * factor >> SHIFT
    return product if u >= 0 else -product


def chip_step(u: int, v: int, weight: int, decay: int, threshold: int) -> tuple[int, ...]:
    """An integer neuron."""
    u = decay_by(u, 4096 - decay) + weight
    w: Any = v + u
    v = w if w < LIMIT else LIMIT  # comments vanish
    out = 1 if v > threshold else 0
    v = 0 if out else v
    hit = 1 if weight != 0 else 0
    return (u, v, out, hit)


def make(function: Any = chip_step, **changes: Any) -> Kernel:
    parts: dict[str, Any] = {
        "ports": ("w",), "params": ("decay", "threshold"), "counters": ("hits",),
        "helpers": (decay_by,), "dtype": "i8",
    }  # fmt: skip
    return Kernel.from_function(function, **{**parts, **changes})


def test_from_function_does_not_take_annotated_assignments() -> None:
    with pytest.raises(RanvierError, match="annotated"):
        make()


def chip_step_plain(u, v, weight, decay, threshold):
    u = decay_by(u, 4096 - decay) + weight
    w = v + u
    v = w if w < LIMIT else LIMIT
    out = 1 if v > threshold else 0
    hit = 1 if weight != 0 else 0
    return (u, 0 if out else v, out, hit)


@given(st.lists(st.integers(-500, 500), min_size=1, max_size=30))
@settings(max_examples=10)
def test_from_function(weights: list[int]) -> None:
    kernel = make(chip_step_plain, name="chip")
    assert kernel.state == ("u", "v")
    assert kernel.helpers == ("LIMIT = 8388608", "SHIFT = 12", kernel.helpers[-1])
    assert kernel.dtype == "i8"
    a = b = c = (0, 0)
    step, fast = kernel.python(), compiled(kernel)
    for w in weights:
        *a, o1, h1 = step(*a, w, 300, 900)
        *b, o2, h2 = fast(*b, w, 300, 900)
        *c, o3, h3 = chip_step_plain(c[0], c[1], w, 300, 900)
        assert (a, o1, h1) == (b, o2, h2) == (c, o3, h3)


def early(u, v, w, decay, threshold):
    if u > 0:
        return (u, v, 0, 0)
    return (u, v, 1, 0)


def short(u, v, w, decay, threshold):
    return (u, v, 1)


def outside(u, v, w, decay, threshold):
    return (u, v, np.abs(w), 0)


def forgetful(u, v, w, decay, threshold):
    return (decay_by(u, decay), v, math.floor(w), 0)


@pytest.mark.parametrize(
    ("function", "changes", "message"),
    [
        (early, {}, "one return"),
        (short, {}, "wrong number of values"),
        (outside, {}, "'np' is not visible"),
        (forgetful, {"helpers": ()}, r"helpers=\(decay_by,\)"),
        (lambda u, v, w, d, t: (u, v, 0, 0), {}, "'def'"),
        (chip_step_plain, {"state": ("u",)}, "wrong arguments"),
        (len, {}, "'def'"),
    ],
)
def test_bad_functions_are_told(function: Any, changes: Any, message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        make(function, **changes)


def test_a_kernel_must_be_one_function_called_step() -> None:
    with pytest.raises(RanvierError, match="one function"):
        Kernel(name="k", state=(), ports=(), params=(), source="x = 1")
    with pytest.raises(RanvierError, match="one function"):
        Kernel(name="k", state=(), ports=(), params=(), source="def other():\n    return (1,)")


def test_a_parameter_may_have_any_legal_name(run: Any) -> None:
    names = (
        "spike_",
        "s_v",
        "p_dt",
        "step",
        "like",
        "t_1",
        "values",
        "state",
        "expm1_over",
        "math_",
    )
    model = NeuronModel(
        name="odd",
        equations=(f"dself/dt = ({'+'.join(names)} + x**2*self*self - self)/tau : 1",),
        parameters=(Parameter(name="tau", unit="s", default=1.0),
                    *(Parameter(name=n, unit="1", default=0.01) for n in names)),
        ports=(Port(name="state", variable="x", kind="hold", unit="1"),),
        threshold="self > step*50",
        reset=("self = -values",),
    )  # fmt: skip
    assert run(discretise(model, {}, 0.1), 300, {"state": 3.0})["spikes"]


def helper(kind: str) -> tuple[Any, Any]:
    """The helper in Python and compiled."""
    text = HELPERS[""] + "@njit\n" + HELPERS[kind]
    both: list[Any] = []
    for decorator in (lambda f: f, numba.njit(error_model="numpy")):
        space: dict[str, Any] = {"njit": decorator}
        exec(text, space)
        both.append(space[text.split("def ")[1].split("(")[0]])
    return both[0], both[1]


def test_exp_is_within_one_ulp_and_the_same_everywhere() -> None:
    plain, fast = helper("exp")
    rng = np.random.default_rng(3)
    x = np.concatenate(
        [rng.uniform(-700, 299, 3000), rng.uniform(-1, 1, 3000), rng.normal(0, 1e-8, 99)]
    )
    with localcontext() as context:
        context.prec = 40
        worst = 0.0
        for v in x.tolist():
            found = plain(v)
            assert found == fast(v)
            exact = Decimal(v).exp()
            worst = max(
                worst, abs(float((Decimal(found) - exact) / Decimal(math.ulp(float(exact)))))
            )
    assert worst < 1.0
    assert plain(0.0) == 1.0
    assert plain(1e9) == plain(300.0) == pytest.approx(math.exp(300), rel=1e-15)
    assert 0 < plain(-1e9) < 1e-307
    assert math.isnan(plain(math.nan))
    assert math.isnan(fast(math.nan))


def test_exprel_is_accurate_on_both_sides_of_its_switch() -> None:
    plain, fast = helper("expm1_over")
    rng = np.random.default_rng(4)
    x = np.concatenate(
        [rng.uniform(-40, 40, 2000), rng.uniform(-1, 1, 2000), [0.0, 0.5, -0.5, 1e-300]]
    )
    for v in x.tolist():
        assert plain(v) == fast(v)
        exact = math.expm1(v) / v if v else 1.0
        assert plain(v) == pytest.approx(exact, rel=1e-15)


INLINED = "@njit(error_model='numpy', fastmath=False, forceinline=True)"


def test_exponentials_vectorise() -> None:
    """A loop over the exponential integrate-and-fire neuron has packed multiplications."""
    discrete = discretise(get("eif"), {}, 1e-4, "exponential_euler", ports=["current"])
    kernel = discrete.kernel
    params = ", ".join(f"p{i}" for i in range(len(kernel.params)))
    loop = f"\n\n@njit(error_model='numpy')\ndef loop(v, r, x, o, {params}):\n"
    loop += "    for k in range(v.shape[0]):\n"
    loop += f"        v[k], r[k], o[k] = step(v[k], r[k], x[k], {params})\n"
    space: dict[str, Any] = {"njit": numba.njit}
    exec(kernel.module(decorator=INLINED) + loop, space)
    space["loop"](*(np.zeros(1000) for _ in range(4)), *map(float, discrete.values.values()))
    assembly = "".join(space["loop"].inspect_asm().values())
    assert any(word in assembly for word in ("vmulpd", "mulpd", "fmul.2d", "fmul\tv"))

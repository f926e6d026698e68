"""Statements: round trips, the registry, and what is refused."""

from __future__ import annotations

import contextlib
import json
import pickle
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ranvier.plasticity as plasticity
from ranvier.errors import RanvierError
from ranvier.plasticity import (
    RULES,
    Parameter,
    PlasticityRule,
    SynapseVariable,
    ThirdFactor,
    Trace,
    discretise,
    from_sum_of_products,
    get,
)

sys.path.insert(0, str(Path(__file__).parent))
from lazy_rule import Lazy  # pyright: ignore[reportMissingImports]

STDP = get("stdp")
NAMES = ["homeostatic", "stdp", "stdp_multiplicative", "stdp_nearest", "stdp_reward",
         "stdp_stochastic", "stdp_triplet", "stdp_triplet_nearest", "vogels_sprekeler"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_built_in_rules(name):
    rule = get(name)
    assert rule.name == name
    assert rule.doc
    assert rule.source
    again = PlasticityRule.from_dict(json.loads(json.dumps(rule.to_dict())))
    assert again == rule == pickle.loads(pickle.dumps(rule))
    kernel, other = (discretise(r, {}, 1e-3).kernel for r in (rule, again))
    assert kernel.key == other.key
    assert discretise(rule, {}, 1e-4).kernel.key == kernel.key


def test_registry():
    assert RULES.names() == NAMES
    with pytest.raises(RanvierError, match=r"did you mean 'stdp_triplet'"):
        get("stdp_tripplet")


def test_import_is_light():
    code = (
        "import sys, ranvier.plasticity; print([m for m in ('numba', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names():
    assert all(hasattr(plasticity, name) for name in plasticity.__all__)


names_ = st.from_regex(r"\A[a-z]{1,3}[0-9]\Z")
PARTS = st.builds(
    lambda names, side, jump, read, bound, coefficients: PlasticityRule(
        name="any",
        parameters=(
            Parameter(name="tau", unit="s", default=abs(coefficients[0]) + 1e-3),
            Parameter(name="size", unit="w", default=coefficients[1]),
        ),
        traces=tuple(Trace(name=n, side=side, tau="tau", jump=jump, read=read, bound=bound)
                     for n in names[1:]),
        variables=(SynapseVariable(name=names[0], tau="tau", initial=coefficients[2]),),
        third_factor=ThirdFactor(name="dopamine", tau="tau"),
        on_pre=(f"w = w + size*({'*'.join(names)} - {abs(coefficients[2])!r})",),
        on_post=(f"{names[0]} = {names[0]} + {' + '.join(names)}",),
        drift=f"dw/dt = size*{names[0]}*dopamine/tau",
    ),
    st.lists(names_, min_size=1, max_size=5, unique=True), st.sampled_from(["pre", "post"]),
    st.sampled_from(["add", "set"]), st.sampled_from(["before", "after"]),
    st.sampled_from([None, "3", "1 + 1"]),
    st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
)  # fmt: skip


@given(PARTS)
def test_any_rule_survives_its_dict(rule):
    again = PlasticityRule.from_dict(json.loads(json.dumps(rule.to_dict())))
    assert again == rule
    assert discretise(again, {}, 1e-3).kernel == discretise(rule, {}, 1e-3).kernel


@given(st.text(max_size=60))
def test_no_text_is_evaluated_or_crashes(text):
    for change in ({"on_pre": (f"w = {text}",)}, {"on_post": (text,)}, {"drift": text},
                   {"w_max": text}):  # fmt: skip
        try:
            rule = replace(STDP, **change)
        except RanvierError:
            continue
        discretise(rule, {}, 1e-3).kernel.python()


KEYS = st.sampled_from(["name", "tau", "side", "on_pre", "traces"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(KEYS, x, max_size=3),
)


@given(JSON, st.sampled_from([f.name for f in fields(PlasticityRule)]))
def test_hostile_data_is_refused_in_words(value, key):
    data = {**STDP.to_dict(), key: value}
    with contextlib.suppress(RanvierError):  # anything else is a failure
        PlasticityRule.from_dict(data)


BAD = [
    ({"on_pre": ("w = __import__('os')",)}, "not allowed"),
    ({"on_pre": ("w = w.real",)}, "not allowed"),
    ({"on_pre": ("w = w + a_minus*z",)}, "unknown name 'z'"),
    ({"on_pre": ("w = w + a_minus*sinh(y)",)}, "did you mean 'sin'"),
    ({"on_pre": ("w += a_minus",)}, "not an assignment"),
    ({"on_pre": ("y = 0",)}, "unknown variable"),
    ({"on_pre": ("w = w + y",)}, "cannot combine"),
    ({"on_post": ("w = a_plus*w",)}, "wrong unit"),
    ({"on_pre": (), "on_post": ()}, "changes nothing"),
    ({"traces": (Trace(name="x", side="pre", tau="a_plus"),)}, "is not a time"),
    ({"traces": (Trace(name="x", side="pre", tau="tau"),)}, "unknown parameter"),
    ({"traces": (Trace(name="w", side="pre", tau="tau_plus"),)}, "reserved"),
    ({"traces": (Trace(name="tau_plus", side="pre", tau="tau_plus"),)}, "already the name"),
    ({"traces": (Trace(name="x", side="both", tau="tau_plus"),)}, "not one of the choices"),  # type: ignore[arg-type]
    ({"w_max": "tau_plus"}, "wrong unit"),
    ({"w_max": "wmax"}, "did you mean 'w_max'"),
    ({"drift": "dw/dt = a_plus*x/tau_plus"}, "no place in a drift"),
    ({"drift": "dw = 1"}, "not a drift"),
    ({"name": "../evil"}, "not a rule name"),
    ({"parameters": (Parameter(name="p", unit="cd", default=1.0),)}, "light"),
    ({"parameters": (Parameter(name="p", unit="ms", default=1.0),)}, "coherent SI"),
    ({"parameters": (Parameter(name="p", unit="s", default=float("nan")),)}, "finite"),
]


@pytest.mark.parametrize(("change", "words"), BAD, ids=[w for _, w in BAD])
def test_refused(change, words):
    with pytest.raises(RanvierError, match=words):
        replace(STDP, **change)


def test_drift_needs_a_closed_form():
    rule = get("stdp_reward")
    with pytest.raises(RanvierError, match="closed form"):
        replace(rule, drift="dw/dt = c*exp(d)")
    bomb = "*".join(["(c + c)"] * 9)
    with pytest.raises(RanvierError, match=r"too many terms|unit"):
        replace(rule, drift=f"dw/dt = c*{bomb}")


def test_parameters_are_checked():
    for values, words in (({"tau": 1.0}, "did you mean 'tau_plus'|unknown parameter"),
                          ({"tau_plus": 0.0}, "positive"), ({"tau_plus": "x"}, "finite"),
                          ({"w_min": 2.0}, "above")):  # fmt: skip
        with pytest.raises(RanvierError, match=words):
            discretise(STDP, values, 1e-3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(RanvierError, match="dt"):
        discretise(STDP, {}, 0.0)


def test_sum_of_products_is_pair_stdp():
    taus = {"x1": 0.02, "y1": 0.02}
    rule = from_sum_of_products("dw = 2^-2*x1*y0 - 2^-2*y1*x0", name="l", taus=taus)
    stdp = replace(STDP, w_min=None, w_max=None)
    pre, post = {(t, 0) for t in (3, 20, 45)}, {(t, 0) for t in (4, 30, 31)}
    changes = []
    for r, values in ((rule, {}), (stdp, {"a_plus": 0.25, "a_minus": 0.25})):
        lazy = Lazy(r, values, 1e-3, [0], [0], [2], np.array([1.0]))
        lazy.run(60, pre, post)
        lazy.sweep(59)
        changes.append(lazy.weight[0])
    assert changes[0] == changes[1] != 1.0


@pytest.mark.parametrize(("text", "words"), [
    ("dw = x1*y1", "no or at two spikes"), ("dw = x0*y0", "no or at two spikes"),
    ("dd = x1*y0", "delay d cannot"), ("dw = x1*y0*d", "unknown name 'd'"),
    ("dw = x1*y0 + y2*x0", "no time constant"), ("w = x1*y0", "not a sum of products"),
    ("dw = y0", "needs no time"),
])  # fmt: skip
def test_sums_of_products_that_are_refused(text, words):
    with pytest.raises(RanvierError, match=words):
        from_sum_of_products(text, name="l", taus={"x1": 0.02})


def test_rules_share_a_module():
    kernels = [discretise(get(n), {}, 1e-3).kernel for n in ("stdp", "stdp_stochastic")]
    text = "import math\n" + "".join(k.module(prefix=f"r{i}_") for i, k in enumerate(kernels))
    space: dict = {}
    exec(text, space)
    assert {"r0_process_row", "r1_process_row", "r1_uniform", "r0_decay"} <= space.keys()
    assert "process_row" not in space

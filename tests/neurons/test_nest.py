"""The models named after NEST's against traces made by NEST 3.10 (tests/golden/neurons)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier.neurons import discretise, get

GOLDEN = np.load(Path(__file__).parents[1] / "golden/neurons/nest.npz")
CASES = sorted({name.split("/")[0] for name in GOLDEN.files})
SI = {"s": 1e-3, "F": 1e-12, "V": 1e-3, "A": 1e-12, "S": 1e-9, "1": 1.0}
"""NEST's units by ours: ms, pF, mV, pA, nS."""


def ours(case: str) -> tuple[dict[str, Any], float]:
    """Trace of our kernel under the inputs of the case, and the unit of V_m in ours."""
    name = case.split("-")[0]
    data = {k: GOLDEN[f"{case}/{k}"] for k in ("exc", "inh", "weight", "dc", "params")}
    params = json.loads(str(data["params"]))
    consistent = params.pop("consistent_integration", True)
    params.pop("gsl_error_tol", None)
    model = get("izhikevich_nest" if name == "izhikevich" else name)
    method = None if consistent else "euler_halves"
    values = {n: x * SI[model.parameter(n).unit] for n, x in params.items()}
    ticks = data["exc"].size
    current = np.where(np.arange(ticks) >= data["dc"][0], data["dc"][1], 0.0)
    exc, inh = (data[k] * float(data["weight"]) for k in ("exc", "inh"))
    given: dict[str, Any] = {"current": current * SI[model.port("current").unit]}
    if "izhikevich" in name:
        given["jump" if consistent else "current"] = (
            exc + inh if consistent else given["current"] + exc + inh
        )
    elif name == "iaf_psc_delta":
        given["spikes"] = (exc + inh) * 1e-3
    elif "psc" in name:
        given |= {"exc": exc * 1e-12, "inh": inh * 1e-12}
    else:
        given |= {"exc": exc * 1e-9, "inh": -inh * 1e-9}
    discrete = discretise(model, values, 1e-4, method)
    return run_fast(discrete, ticks, given), 1.0 if "izhikevich" in name else 1e-3


def run_fast(discrete: Any, ticks: int, inputs: dict[str, Any]) -> dict[str, Any]:
    kernel, step = discrete.kernel, discrete.kernel.python()
    state = [float(discrete.initial[s]) for s in kernel.state]
    values = [float(discrete.values[p]) for p in kernel.params]
    v, spikes = np.empty(ticks), []
    columns = [np.broadcast_to(inputs.get(p, 0.0), (ticks,)).tolist() for p in kernel.ports]
    at = kernel.state.index("v" if "v" in kernel.state else "V_m")
    for t, arriving in enumerate(zip(*columns, strict=True)):
        *state, out = step(*state, *arriving, *values)
        v[t] = state[at]
        if out:
            spikes.append(t)
    return {"v": v, "spikes": spikes}


@pytest.mark.parametrize("case", [c for c in CASES if "psc" in c or "izh" in c])
def test_spike_for_spike(case: str) -> None:
    """Three seconds, every spike in the same tick; V_m to rounding."""
    trace, unit = ours(case)
    v = GOLDEN[f"{case}/v"]
    assert len(GOLDEN[f"{case}/spikes"]) > 50
    assert trace["spikes"] == GOLDEN[f"{case}/spikes"].tolist()
    assert trace["v"][: v.size] / unit == pytest.approx(v, rel=1e-9 if "izh" in case else 1e-11)


@pytest.mark.parametrize("case", [c for c in CASES if "iaf_cond" in c])
def test_conductances(case: str) -> None:
    """One second, every spike in the same tick; V_m to 3e-6 mV before the first one."""
    trace, unit = ours(case)
    v, theirs = GOLDEN[f"{case}/v"], GOLDEN[f"{case}/spikes"].tolist()
    assert theirs[0] > 30
    assert np.abs(trace["v"][: theirs[0]] / unit - v[: theirs[0]]).max() < 3e-6
    assert trace["spikes"] == theirs


def test_adaptive_exponential() -> None:
    """The approach to the first spike, and every interval: NEST resets inside the tick."""
    trace, unit = ours("aeif_cond_exp-a")
    v, theirs = GOLDEN["aeif_cond_exp-a/v"], GOLDEN["aeif_cond_exp-a/spikes"]
    calm = int(theirs[0]) - 10  # in the upswing errors grow with the slope
    assert np.abs(trace["v"][:calm] / unit - v[:calm]).max() < 2e-5
    found = np.array(trace["spikes"])
    assert found.size == theirs.size > 30
    shift = np.abs(np.diff(found) - np.diff(theirs))
    assert shift[:17].max() <= 1
    assert shift.max() <= 10  # ticks of intervals of 200: the input is noise

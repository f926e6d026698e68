"""Networks handed over as arrays in NEST's units, made into ours (see tests/golden/nest)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.network import Network, Population, Projection, Sparse
from ranvier.neurons import NeuronModel, get

__all__ = ["METHOD", "Foreign", "find_model", "first_difference"]

MILLI, PICO, NANO = 1e-3, 1e-12, 1e-9

NAMES: dict[str, tuple[float, tuple[str, ...]]] = {
    "C_m": (PICO, ("c", "c_m", "c_mem")),
    "tau_m": (MILLI, ("tau_mem", "tau_m")),
    "g_L": (NANO, ("g_leak", "g_l")),
    "tau_syn_ex": (MILLI, ("tau_exc", "tau_syn_exc", "tau_syn_ex", "tau_ex")),
    "tau_syn_in": (MILLI, ("tau_inh", "tau_syn_inh", "tau_syn_in", "tau_in")),
    "t_ref": (MILLI, ("t_ref",)),
    "E_L": (MILLI, ("v_leak", "e_l", "e_leak")),
    "E_ex": (MILLI, ("e_exc", "v_exc", "e_ex", "e_rev_exc")),
    "E_in": (MILLI, ("e_inh", "v_inh", "e_in", "e_rev_inh")),
    "V_reset": (MILLI, ("v_reset",)),
    "V_th": (MILLI, ("v_threshold", "v_th")),
    "V_peak": (MILLI, ("v_peak",)),
    "Delta_T": (MILLI, ("delta_t",)),
    "tau_w": (MILLI, ("tau_w",)),
    "a": (NANO, ("a",)),
    "b": (PICO, ("b",)),
    "I_e": (PICO, ("bias", "i_e")),
}
"""NEST's parameter: (its unit in SI, the names ours may have)."""
BARE: dict[str, tuple[float, tuple[str, ...]]] = {
    **{name: (1.0, (name,)) for name in "abcd"},
    "V_th": (1.0, ("v_peak", "v_threshold")),
    "I_e": (1.0, ("bias", "i_e")),
}
"""The same for Izhikevich's model, whose numbers are mV and ms in both simulators."""
PORTS = (("exc", "ex", "excitatory", "jump"), ("inh", "in", "inhibitory", "jump"))
WEIGHT = {
    "iaf_psc_exp": PICO,
    "iaf_psc_alpha": PICO,
    "iaf_psc_delta": MILLI,
    "izhikevich": 1.0,
    "iaf_cond_exp": NANO,
    "aeif_cond_exp": NANO,
}
METHOD = {"izhikevich": "euler", "iaf_cond_exp": "rk4", "aeif_cond_exp": "rk4"}
"""Integrators that meet NEST's; the linear models are exact in both."""


def find_model(name: str) -> NeuronModel | None:
    """The model of that name, or None where this installation has none."""
    try:
        return get(name)
    except RanvierError:
        return None


def _pick(kind: str, model: NeuronModel, wanted: tuple[str, ...], legal: list[str]) -> str:
    for name in wanted:
        if name in legal:
            return name
    raise LookupError(f"{model.name} has no {kind} called any of {wanted}; it has {legal}")


@dataclass
class Foreign:
    """A network handed over: ``plain`` numbers and text, ``arrays``."""

    plain: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @classmethod
    def load(cls, path: str | Path) -> Foreign:
        """Read one .npz file."""
        with np.load(Path(path), allow_pickle=False) as file:
            plain = json.loads(str(file["plain"]))
            return cls(plain, {k: file[k] for k in file.files if k != "plain"})

    @property
    def dt(self) -> float:
        """Tick in seconds."""
        return self.plain["dt"] * MILLI

    @property
    def spikes(self) -> np.ndarray:
        """Ticks and ids [2, n]."""
        return self.arrays["spikes"].astype(np.int64)

    def stimulus(self) -> dict[str, Events]:
        """The input spikes."""
        tick, source = self.arrays["stimulus"].astype(np.int64)
        size, ticks = self.plain["inputs"], self.plain["ticks"]
        return {"inputs": Events.sorted(tick, source, size=size, ticks=ticks, dt=self.dt)}

    def network(self, model: NeuronModel) -> Network:
        """Ours: excitatory and inhibitory synapses are two projections, to two ports if there are
        two; conductances are positive at both."""
        name, neurons = self.plain["model"], self.plain["neurons"]
        names = BARE if name == "izhikevich" else NAMES
        legal = [p.name for p in model.parameters]
        given = {**self.plain["parameters"], "I_e": self.arrays["I_e"]}
        parameters: dict[str, Any] = {}
        for key, value in given.items():
            unit, wanted = names[key]
            parameters[_pick("parameter", model, wanted, legal)] = np.asarray(value) * unit
        v = self.arrays["V_m"] * (1.0 if name == "izhikevich" else MILLI)
        initial: dict[str, Any] = {_pick("state", model, ("v", "v_m"), list(model.states)): v}
        if name == "izhikevich":
            initial["u"] = self.plain["parameters"]["b"] * v
        ports = [p.name for p in model.ports]
        exc, inh = (_pick("port", model, wanted, ports) for wanted in PORTS)
        return Network(
            name=name,
            populations=(
                Population(name="inputs", shape=(self.plain["inputs"],)),
                Population(
                    name="neurons", shape=(neurons,), model=model, parameters=parameters,
                    initial=initial, method=METHOD.get(name),
                ),
            ),
            projections=(
                self._projection("inputs->exc", "inputs", "input_", exc, 1),
                self._projection("neurons->exc", "neurons", "", exc, 1),
                self._projection("neurons->inh", "neurons", "", inh, -1),
            ),
            outputs=("neurons",),
        )  # fmt: skip

    def _projection(self, name: str, source: str, prefix: str, port: str, sign: int) -> Projection:
        pre, post, weight, delay = (
            self.arrays[prefix + k] for k in ("pre", "post", "weight", "delay")
        )
        mine = np.flatnonzero(np.sign(weight) == sign)
        weight = weight[mine] * WEIGHT[self.plain["model"]]
        if "cond" in self.plain["model"]:
            weight = np.abs(weight)
        shape = (self.plain["inputs" if prefix else "neurons"], self.plain["neurons"])
        return Projection(
            name=name, source=source, target="neurons", port=port,
            connectivity=Sparse(pre[mine], post[mine], weight, shape),
            delay=delay[mine].astype(np.float64) * self.dt,
        )  # fmt: skip


def first_difference(ours: np.ndarray, theirs: np.ndarray, before: int) -> tuple[int, int] | None:
    """(tick, id) of the first spike that is not in both, among those before ``before``."""
    width = 1 + max(int(x[1].max(initial=0)) for x in (ours, theirs))
    codes = [(x[0] * width + x[1])[x[0] < before] for x in (ours, theirs)]
    differs = np.setxor1d(*codes)
    return (int(differs[0] // width), int(differs[0] % width)) if differs.size else None

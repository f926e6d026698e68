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

__all__ = ["Foreign", "find_model", "first_difference"]

MILLI, PICO, NANO = 1e-3, 1e-12, 1e-9

UNITS = {
    **dict.fromkeys(("C_m", "b", "I_e"), PICO),
    **dict.fromkeys(("g_L", "a"), NANO),
    **dict.fromkeys(("tau_m", "tau_syn_ex", "tau_syn_in", "tau_w", "t_ref"), MILLI),
    **dict.fromkeys(("E_L", "E_ex", "E_in", "V_reset", "V_th", "V_peak", "Delta_T"), MILLI),
}
"""NEST's units in SI; ours have NEST's names."""
OURS = {"izhikevich": "izhikevich_nest"}
"""Models that have another name here."""
WEIGHT = {
    "iaf_psc_exp": PICO,
    "iaf_psc_alpha": PICO,
    "iaf_psc_delta": MILLI,
    "izhikevich": 1.0,
    "iaf_cond_exp": NANO,
    "aeif_cond_exp": NANO,
}


def find_model(name: str) -> NeuronModel | None:
    """The model of that name, or None where this installation has none."""
    try:
        return get(OURS.get(name, name))
    except RanvierError:
        return None


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
        bare = name == "izhikevich"  # its numbers are mV and ms in both
        given = {**self.plain["parameters"], "I_e": self.arrays["I_e"]}
        parameters = {k: np.asarray(v) * (1.0 if bare else UNITS[k]) for k, v in given.items()}
        start = self.arrays["V_m"]
        initial: dict[str, Any] = {"V_m": start * MILLI}
        if bare:
            initial = {"v": start, "u": self.plain["parameters"]["b"] * start}
        ports = [p.name for p in model.ports]
        exc = "exc" if "exc" in ports else ports[0]
        inh = "inh" if "inh" in ports else ports[0]
        return Network(
            name=name,
            populations=(
                Population(name="inputs", shape=(self.plain["inputs"],)),
                Population(
                    name="neurons", shape=(neurons,), model=model, parameters=parameters,
                    initial=initial,
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

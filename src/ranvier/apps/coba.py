"""Random network of conductance-based neurons: the benchmark COBA of Brette et al.

R. Brette et al. (2007), J. Comput. Neurosci. 23:349, benchmark 1 (after Vogels & Abbott 2005):
4,000 neurons, four of five excitatory, connected with probability 0.02; no external input: the
network keeps itself going after random conductances at the start. Conductances are in units of the
leak (10 nS).
"""

from __future__ import annotations

import numpy as np

from ranvier.apps._app import Recipe
from ranvier.apps.cuba import random_pair
from ranvier.network import Network
from ranvier.neurons import NeuronModel, Parameter, Port

__all__ = ["APP", "MODEL", "coba"]

LEAK = 10.0  # nS
WEIGHT_EXC, WEIGHT_INH = 6.0 / LEAK, 67.0 / LEAK

MODEL = NeuronModel(
    name="coba",
    doc="Leaky membrane with two exponential conductances in units of the leak.",
    source="Brette et al. 2007, J. Comput. Neurosci. 23:349, benchmark 1",
    equations=(
        "dge/dt = -ge/tau_exc : 1",
        "dgi/dt = -gi/tau_inh : 1",
        "dv/dt = (ge*(e_exc - v) + gi*(e_inh - v) + v_leak - v)/tau_mem : V",
    ),
    parameters=(
        Parameter(name="tau_mem", unit="s", default=20e-3, doc="membrane time constant"),
        Parameter(name="tau_exc", unit="s", default=5e-3, doc="excitatory time constant"),
        Parameter(name="tau_inh", unit="s", default=10e-3, doc="inhibitory time constant"),
        Parameter(name="e_exc", unit="V", default=0.0, doc="excitatory reversal potential"),
        Parameter(name="e_inh", unit="V", default=-80e-3, doc="inhibitory reversal potential"),
        Parameter(name="v_leak", unit="V", default=-60e-3, doc="resting potential"),
        Parameter(name="v_threshold", unit="V", default=-50e-3, doc="threshold"),
        Parameter(name="v_reset", unit="V", default=-60e-3, doc="potential after a spike"),
        Parameter(name="t_ref", unit="s", default=5e-3, doc="refractory time"),
    ),
    ports=(
        Port(name="exc", variable="ge", kind="jump", unit="1", doc="excitation"),
        Port(name="inh", variable="gi", kind="jump", unit="1", doc="inhibition"),
    ),
    threshold="v > v_threshold",
    reset=("v = v_reset",),
    refractory="t_ref",
    refractory_hold=("v",),
    initial={"v": "v_leak"},
)


def initial_states(neurons: int, seed: int) -> dict[str, np.ndarray]:
    """Potentials of -65 (sd 5) mV, conductances of 40 (15) and 200 (120) nS, none negative."""
    rng = np.random.default_rng(seed)
    return {
        "v": -65e-3 + 5e-3 * rng.standard_normal(neurons),
        "ge": np.maximum(0, 4 + 1.5 * rng.standard_normal(neurons)) * 10 / LEAK,
        "gi": np.maximum(0, 20 + 12 * rng.standard_normal(neurons)) * 10 / LEAK,
    }


def coba(scale_n: float = 1.0, scale_k: float = 1.0, *, seed: int = 1, dt: float = 1e-4) -> Network:
    """The network with ``scale_n`` * 4,000 neurons of ``scale_k`` * 80 synapses.

    Raises RanvierError for a scale that is not positive.
    """
    weights = (WEIGHT_EXC, WEIGHT_INH)
    return random_pair("coba", MODEL, (scale_n, scale_k), weights, initial_states, seed=seed, dt=dt)


APP = Recipe(
    name="coba",
    summary="random network of 4,000 conductance-based neurons, 80 synapses each",
    make=coba,
    rates={},
    irregularity=None,
    synchrony=None,
    source="Brette et al. 2007, J. Comput. Neurosci. 23:349, benchmark 1 (no rates published)",
    dt=1e-4,
)

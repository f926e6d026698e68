"""The cortical microcircuit of Potjans & Diesmann: 1 mm² of cortex, 77,169 neurons, 0.3e9 synapses.

T. C. Potjans and M. Diesmann (2014), "The cell-type specific cortical microcircuit", Cerebral
Cortex 24:785, doi:10.1093/cercor/bhs358. Initial potentials, published rates and the compensation
of smaller networks are those of its reference implementation in NEST: with a share ``scale_k`` of
the synapses, weights grow by 1/sqrt(scale_k), which keeps the variance of the input, and a constant
current replaces the mean that is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.apps._app import Recipe
from ranvier.errors import fail, unknown
from ranvier.network import Network, Normal, Population, Projection, Rule, Sparse
from ranvier.neurons import NeuronModel, get, with_poisson

__all__ = ["APP", "POPULATIONS", "RATES", "Plan", "microcircuit", "plan"]

FloatArray = NDArray[np.float64]

POPULATIONS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
SIZES = (20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948)
PROBABILITIES = (
    (0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0),
    (0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0),
    (0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0),
    (0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0),
    (0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0),
    (0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0),
    (0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252),
    (0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443),
)
"""Connection probabilities; rows are targets, columns sources."""
K_EXTERNAL = (1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100)
RATES = (0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829)
"""Mean rates [1/s] of the full network, as published with the reference implementation."""
V0_MEAN = (-68.28e-3, -63.16e-3, -63.33e-3, -63.45e-3, -63.11e-3, -61.66e-3, -66.72e-3, -61.43e-3)
V0_SD = (5.36e-3, 4.57e-3, 4.74e-3, 4.94e-3, 4.94e-3, 4.55e-3, 5.46e-3, 4.48e-3)

BACKGROUND_RATE = 8.0  # 1/s of each external source
PSP = 0.15e-3  # V, the peak that one excitatory spike causes
RELATIVE_INHIBITION = -4.0
WEIGHT_SPREAD = 0.1  # standard deviation over mean
DELAYS = (1.5e-3, 0.75e-3)  # s, from excitatory and from inhibitory neurons
DELAY_SPREAD = 0.5

C, TAU, TAU_SYN = 250e-12, 10e-3, 0.5e-3
NEURON: dict[str, Any] = {
    "C_m": C, "tau_m": TAU, "tau_syn_ex": TAU_SYN, "tau_syn_in": TAU_SYN, "t_ref": 2e-3,
    "E_L": -65e-3, "V_th": -50e-3, "V_reset": -65e-3,
}  # fmt: skip


def weight_of_psp(psp: float) -> float:
    """The jump of synaptic current [A] whose potential peaks at ``psp`` [V] above rest.

    The potential after a current w*exp(-t/tau_syn) into a leaky membrane, at its maximum; 0.15 mV
    takes 87.8 pA.
    """
    ratio = TAU / TAU_SYN
    peak = ratio ** (-TAU / (TAU - TAU_SYN)) - ratio ** (-TAU_SYN / (TAU - TAU_SYN))
    return psp * C * (TAU_SYN - TAU) / (TAU * TAU_SYN * peak)


@dataclass(frozen=True, eq=False)
class Plan:
    """Every number of the network at a scale, by population, in SI units.

    ``synapses`` and ``weights`` [8 targets, 8 sources]; ``delays`` [8 sources]; ``external_rate``
    is that of all background spikes of a neuron together, of weight ``external_weight``; ``bias``
    is the constant current.
    """

    sizes: tuple[int, ...]
    synapses: NDArray[np.int64]
    weights: FloatArray
    delays: tuple[float, ...]
    external_rate: FloatArray
    external_weight: float
    bias: FloatArray

    def to_dict(self) -> dict[str, Any]:
        """Plain data, with the constants that do not depend on the scale."""
        return {
            "populations": list(POPULATIONS), "sizes": list(self.sizes),
            "synapses": self.synapses.tolist(), "weights": self.weights.tolist(),
            "weight_spread": WEIGHT_SPREAD, "delays": list(self.delays),
            "delay_spread": DELAY_SPREAD, "external_rate": self.external_rate.tolist(),
            "external_weight": self.external_weight, "bias": self.bias.tolist(),
            "v0_mean": list(V0_MEAN), "v0_sd": list(V0_SD), "neuron": dict(NEURON),
        }  # fmt: skip


def plan(scale_n: float = 1.0, scale_k: float = 1.0, *, background: str = "poisson") -> Plan:
    """The network with a share ``scale_n`` of the neurons and ``scale_k`` of the synapses of each.

    ``background`` is ``poisson``, or ``dc``: its mean as a constant current. Raises RanvierError
    for a scale outside 0 < scale <= 1 or another background.
    """
    for name, value in (("scale_n", scale_n), ("scale_k", scale_k)):
        if not 0 < value <= 1:
            raise fail("app-scale", f"microcircuit.{name}", "is not a share of the full network",
                       got=value, limit="0 < scale <= 1")  # fmt: skip
    if background not in ("poisson", "dc"):
        raise unknown("background", background, ("poisson", "dc"), where="microcircuit")
    excitatory = weight_of_psp(PSP)
    weights = np.full((8, 8), excitatory)
    weights[0, 2] *= 2  # L4E to L23E
    weights[:, 1::2] *= RELATIVE_INHIBITION
    sizes = np.array(SIZES)
    pairs = np.outer(sizes, sizes)
    full = np.array([[log(1 - p) for p in row] for row in PROBABILITIES]) / np.log1p(-1 / pairs)
    external = np.array(K_EXTERNAL) * BACKGROUND_RATE
    # the mean current that the missing synapses would have brought; weights still those of full
    arriving = (weights * full / sizes[:, None]) @ np.array(RATES) + excitatory * external
    bias = TAU_SYN * (1 - sqrt(scale_k)) * arriving
    if background == "dc":
        bias = bias + TAU_SYN * excitatory / sqrt(scale_k) * scale_k * external
        external = np.zeros(8)
    small = [max(1, round(n * scale_n)) for n in SIZES]
    return Plan(
        sizes=tuple(small),
        synapses=np.rint(full * scale_n * scale_k).astype(np.int64),
        weights=weights / sqrt(scale_k),
        delays=DELAYS * 4,
        external_rate=external * scale_k,
        external_weight=excitatory / sqrt(scale_k),
        bias=bias,
    )


def microcircuit(
    scale_n: float = 1.0,
    scale_k: float = 1.0,
    *,
    seed: int = 1,
    background: str = "poisson",
    dt: float = 1e-4,
    explicit: bool = False,
) -> Network:
    """The network; see :func:`plan` for the scales and the background.

    Connections are rules that are drawn when they are needed; ``explicit=True`` lists every synapse
    instead. Delays below half of ``dt`` [s] are drawn again. Raises RanvierError as ``plan`` does.
    """
    numbers = plan(scale_n, scale_k, background=background)
    model = get("iaf_psc_exp")
    poisson = background == "poisson"
    if poisson:
        model = with_poisson(model, "exc")
    populations = [_population(k, numbers, model, poisson, seed) for k in range(8)]
    wire: Callable[..., tuple[Any, Any]] = _listed if explicit else _rule
    projections: list[Projection] = []
    for target in range(8):
        for source in range(8):
            if not numbers.synapses[target, source]:
                continue
            connectivity, delay = wire(numbers, target, source, seed, dt)
            projections.append(
                Projection(
                    source=POPULATIONS[source], target=POPULATIONS[target], delay=delay,
                    connectivity=connectivity, port="inh" if source % 2 else "exc",
                )
            )  # fmt: skip
    return Network(
        name="microcircuit", populations=tuple(populations), projections=tuple(projections),
        outputs=POPULATIONS,
    )  # fmt: skip


def _population(k: int, numbers: Plan, model: NeuronModel, poisson: bool, seed: int) -> Population:
    rng = np.random.default_rng([seed, k, 8])
    parameters = {**NEURON, "I_e": numbers.bias[k]}
    if poisson:
        parameters["poisson_rate"] = numbers.external_rate[k]
        parameters["poisson_weight"] = numbers.external_weight
    return Population(
        name=POPULATIONS[k], shape=(numbers.sizes[k],), model=model, parameters=parameters,
        initial={"V_m": rng.normal(V0_MEAN[k], V0_SD[k], numbers.sizes[k])},
    )  # fmt: skip


def _rule(numbers: Plan, target: int, source: int, seed: int, dt: float) -> tuple[Any, Any]:
    mean, late = float(numbers.weights[target, source]), numbers.delays[source]
    end = {"low": 0.0} if mean > 0 else {"high": 0.0}
    rule = Rule(
        "fixed_total_number", numbers.sizes[source], numbers.sizes[target],
        {"n": int(numbers.synapses[target, source])},
        Normal(mean, WEIGHT_SPREAD * abs(mean), **end), seed * 64 + 8 * target + source,
    )  # fmt: skip
    return rule, Normal(late, DELAY_SPREAD * late, low=dt / 2)


def _listed(numbers: Plan, target: int, source: int, seed: int, dt: float) -> tuple[Any, Any]:
    rng = np.random.default_rng([seed, target, source])
    n, shape = int(numbers.synapses[target, source]), (numbers.sizes[source], numbers.sizes[target])
    mean, late = numbers.weights[target, source], numbers.delays[source]
    pre = rng.integers(0, shape[0], n)
    post = rng.integers(0, shape[1], n)
    weight = rng.normal(mean, WEIGHT_SPREAD * abs(mean), n)
    delay = rng.normal(late, DELAY_SPREAD * late, n)
    while (short := np.flatnonzero(delay < dt / 2)).size:
        delay[short] = rng.normal(late, DELAY_SPREAD * late, short.size)
    ticks = np.maximum(1, np.floor(delay / dt + 0.5))
    return Sparse(pre, post, weight, shape), ticks * dt


APP = Recipe(
    name="microcircuit",
    summary="the cortical microcircuit of Potjans & Diesmann 2014, 77,169 neurons at full scale",
    make=microcircuit,
    rates=dict(zip(POPULATIONS, RATES, strict=True)),
    irregularity=(0.7, 1.2),
    synchrony=(0.0, 8.0),
    source="Potjans & Diesmann 2014, Cereb. Cortex 24:785 (rates: its reference implementation)",
    dt=1e-4,
)

"""A network as plain arrays, to be built synapse by synapse in any simulator. Needs numpy only.

Nothing here is random at run time: no noise, only constant currents that differ from neuron to
neuron and explicit lists of input spikes. Everything is in NEST's units (mV, pA, nS, ms). Weights
are multiples of a power of two, so that adding them is exact whatever the order; delays, input
spikes and recorded spikes are whole ticks of ``dt``.

Ticks: tick k is the step from k*dt to (k+1)*dt. A spike found in tick k has NEST's time stamp
(k+1)*dt; with a delay of d ticks it is added to its target in tick k+d, after that tick's
integration. An input spike of tick k is likewise NEST's spike at (k+1)*dt.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np

__all__ = ["MODELS", "Handover", "random_network"]

MODELS = {
    # model: (parameters, unit step of weights, excitatory weight range, inhibitory weight range,
    #         range and step of I_e, range of V_m, weight range of the input)
    "iaf_psc_exp": (
        {"C_m": 250.0, "tau_m": 10.0, "tau_syn_ex": 2.0, "tau_syn_in": 5.0, "t_ref": 2.0,
         "E_L": -70.0, "V_reset": -68.0, "V_th": -55.0},
        1 / 8, (20, 60), (-160, -80), (300, 420, 1 / 4), (-70, -56), (60, 120),
    ),
    "iaf_psc_alpha": (
        {"C_m": 250.0, "tau_m": 10.0, "tau_syn_ex": 1.5, "tau_syn_in": 3.0, "t_ref": 1.5,
         "E_L": -70.0, "V_reset": -70.0, "V_th": -55.0},
        1 / 8, (10, 40), (-80, -40), (300, 420, 1 / 4), (-70, -56), (40, 90),
    ),
    "iaf_psc_delta": (
        {"C_m": 250.0, "tau_m": 10.0, "t_ref": 2.0, "E_L": -70.0, "V_reset": -70.0, "V_th": -55.0},
        1 / 64, (0.2, 0.6), (-2, -1), (300, 420, 1 / 4), (-70, -56), (0.5, 1.5),
    ),
    "izhikevich": (
        {"a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0, "V_th": 30.0},
        1 / 64, (0.2, 0.8), (-2, -1), (2, 8, 1 / 16), (-70, -60), (1, 3),
    ),
    "iaf_cond_exp": (
        {"C_m": 250.0, "g_L": 16.75, "tau_syn_ex": 2.0, "tau_syn_in": 5.0, "t_ref": 2.0,
         "E_L": -70.0, "E_ex": 0.0, "E_in": -85.0, "V_reset": -65.0, "V_th": -55.0},
        1 / 64, (0.25, 1), (-6, -3), (200, 320, 1 / 4), (-70, -56), (1, 3),
    ),
    "aeif_cond_exp": (
        {"C_m": 281.0, "g_L": 30.0, "tau_syn_ex": 2.0, "tau_syn_in": 5.0, "t_ref": 2.0,
         "E_L": -70.6, "E_ex": 0.0, "E_in": -85.0, "V_reset": -60.0, "V_th": -50.4,
         "V_peak": 0.0, "Delta_T": 2.0, "a": 4.0, "b": 80.5, "tau_w": 144.0},
        1 / 64, (0.25, 1), (-8, -4), (600, 900, 1 / 4), (-70, -56), (1, 3),
    ),
}  # fmt: skip
"""Models with the parameters and ranges that :func:`random_network` uses."""


@dataclass
class Handover:
    """A network of one model, its input and, once run, its spikes.

    ``parameters`` hold for all neurons; ``I_e`` and ``V_m`` [neurons] differ. ``pre``, ``post``,
    ``weight``, ``delay`` [synapses] connect neurons; ``input_*`` connect the inputs. ``stimulus``
    [2, n] and ``spikes`` [2, n] hold ticks and ids. ``horizon``: the tick before which the spikes
    do not depend on rounding (see the golden script).
    """

    model: str
    neurons: int
    inputs: int
    ticks: int
    parameters: dict
    pre: np.ndarray
    post: np.ndarray
    weight: np.ndarray
    delay: np.ndarray
    input_pre: np.ndarray
    input_post: np.ndarray
    input_weight: np.ndarray
    input_delay: np.ndarray
    I_e: np.ndarray
    V_m: np.ndarray
    stimulus: np.ndarray
    dt: float = 0.1
    spikes: np.ndarray = field(default_factory=lambda: np.zeros((2, 0), np.int32))
    horizon: int = 0
    note: str = ""

    def replace(self, **changes) -> Handover:
        """A changed copy."""
        return replace(self, **changes)

    def save(self, path) -> None:
        """Write one compressed .npz file, without pickle."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays = {k: v for k, v in values.items() if isinstance(v, np.ndarray)}
        plain = {k: v for k, v in values.items() if not isinstance(v, np.ndarray)}
        np.savez_compressed(Path(path), plain=np.array(json.dumps(plain)), **arrays)

    @classmethod
    def load(cls, path) -> Handover:
        """Read what :meth:`save` wrote."""
        with np.load(Path(path), allow_pickle=False) as file:
            plain = json.loads(str(file["plain"]))
            return cls(**plain, **{k: file[k] for k in file.files if k != "plain"})


def _steps(rng, low, high, step, n) -> np.ndarray:
    """Numbers between ``low`` and ``high``, multiples of ``step``."""
    a, b = round(low / step), round(high / step)
    return rng.integers(min(a, b), max(a, b) + 1, n) * step


def random_network(
    model: str, neurons: int, degree: int, ticks: int, seed: int, *, inputs: int = 20
) -> Handover:
    """A random network: PCG64(seed), drawn in the order of the lines below.

    Four of five neurons are excitatory; each sends ``degree`` synapses to targets drawn with
    replacement, with delays of 1 to 50 ticks; weights shrink with ``degree`` (1 at 30). Each input
    fires about every 20 ms and reaches a tenth of the neurons.
    """
    parameters, step, exc, inh, (i_low, i_high, i_step), (v_low, v_high), given = MODELS[model]
    rng = np.random.Generator(np.random.PCG64(seed))
    small = np.int32 if neurons > 2**15 else np.int16
    scale = 2.0 ** round(np.log2(30 / degree))
    step = step * min(1.0, scale)
    pre = np.repeat(np.arange(neurons), degree)
    post = rng.integers(0, neurons, pre.size)
    exciting = pre < neurons * 4 // 5
    weight = np.where(
        exciting,
        _steps(rng, exc[0] * scale, exc[1] * scale, step, pre.size),
        _steps(rng, inh[0] * scale, inh[1] * scale, step, pre.size),
    )
    delay = rng.integers(1, 51, pre.size)
    fan = max(1, neurons // 10)
    input_pre = np.repeat(np.arange(inputs), fan)
    input_post = rng.integers(0, neurons, input_pre.size)
    input_weight = _steps(rng, given[0], given[1], step, input_pre.size)
    input_delay = rng.integers(1, 51, input_pre.size)
    current = _steps(rng, i_low, i_high, i_step, neurons)
    voltage = _steps(rng, v_low, v_high, 1 / 16, neurons)
    fires = rng.random((ticks, inputs)) < 1 / 200
    return Handover(
        model=model, neurons=neurons, inputs=inputs, ticks=ticks, parameters=dict(parameters),
        pre=pre.astype(small), post=post.astype(small), weight=weight,
        delay=delay.astype(np.int8), input_pre=input_pre.astype(small),
        input_post=input_post.astype(small), input_weight=input_weight,
        input_delay=input_delay.astype(np.int8), I_e=current, V_m=voltage,
        stimulus=np.stack(np.nonzero(fires)).astype(np.int32),
        note=f"random_network({model!r}, {neurons}, {degree}, {ticks}, {seed}, inputs={inputs})",
    )  # fmt: skip

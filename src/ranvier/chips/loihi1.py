"""Intel Loihi 1: current-based leaky integrate-and-fire neurons in integers.

Arithmetic after Davies et al., IEEE Micro 38(1), 2018, as far as three public emulators agree on
it (nengo-loihi 1.1.0, Brian2Loihi 0.5.2, Lava 0.10.0); where they differ, ``Rules`` names both
sides. One step of a compartment::

    q = sum of the weights arriving                  (wrapped to 21 bits and a sign)
    u = dec(u, 4095 - du) + q                        (wrapped to 23 bits and a sign)
    v = dec(v, 4096 - dv) + wrap(u + bias)           (clipped to [vmin, vmax])
    v = 0 while refractory ; spike when v > 64 vth ; then v = 0

with dec(x, f) = sign(x) ((|x| f) >> 12). A spike at step t is in q at step t + 1 + delay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.chips._costs_loihi1 import COSTS
from ranvier.chips._labels import TOO_COARSE, weight_labels
from ranvier.chips._loihi1_integers import KERNEL, NO_LIMIT, UNIT, Rules, actual_weight
from ranvier.chips._spec import Chip, CoreView, Incoming, Limit, Mesh, Quantised, Timing
from ranvier.errors import Issue
from ranvier.network import Population
from ranvier.neurons import Kernel, discretise
from ranvier.neurons import get as get_model

__all__ = ["CHIP", "Compartments", "Rules"]

VTH_MAX = 131071
"""17-bit threshold mantissa (nengo-loihi hardware/validate.py)."""
BIAS_MAX = 4095
"""13-bit signed bias mantissa, exponent 0..7 (nengo-loihi hardware/validate.py)."""


@dataclass(frozen=True, kw_only=True)
class _Form:
    """A model as the chip's recurrence: u <- au u + gain w ; v <- av v + u + drive."""

    au: Any
    av: Any
    gain: Mapping[str, Any]
    drive: Any
    exact: bool
    why: str


def _form(population: Population, dt: float) -> _Form | None:
    """The recurrence of a supported statement; None when it is another model."""
    model, p = population.model, population.parameters
    assert model is not None
    euler = population.method in ("euler", "euler_sequential")
    try:
        base = get_model(model.name) if model.name in ("lif", "if", "cuba_lif") else None
    except Exception:
        base = None
    if base is None or base.equations != model.equations or base.ports != model.ports:
        return None
    if model.name == "if":
        gain = {"current": p["r"] * dt, "jump": 1.0}
        return _Form(au=0.0, av=1.0, gain=gain, drive=p["r"] * dt * p["bias"], exact=True, why="")
    if model.name == "lif":
        av = 1 - dt / p["tau"] if euler else np.exp(-dt / p["tau"])
        gain = {"current": p["r"] * (1 - av), "jump": np.ones_like(av)}
        drive = p["r"] * (1 - av) * p["bias"]
        return _Form(au=0.0, av=av, gain=gain, drive=drive, exact=True, why="")
    sequential = population.method == "euler_sequential"
    av = 1 - dt / p["tau_mem"] if euler else np.exp(-dt / p["tau_mem"])
    au = 1 - dt / p["tau_syn"] if euler else np.exp(-dt / p["tau_syn"])
    into_v = p["r"] * (1 - av)
    gain = {"jump": into_v, "current": into_v * p["w_in"] * (1 - au)}
    why = "the current acts on the voltage in the tick it arrives (semi-implicit), not one tick on"
    return _Form(au=au, av=av, gain=gain, drive=into_v * p["bias"], exact=sequential, why=why)


@dataclass(frozen=True)
class Compartments:
    """LIF, IF and current-based LIF neurons as Loihi compartments."""

    rules: Rules = field(default_factory=Rules)
    name: str = "compartment"
    models: tuple[str, ...] = ("lif", "if", "cuba_lif")

    # -- labels -------------------------------------------------------------------------------
    def check(
        self, population: Population, incoming: Mapping[str, Incoming], dt: float
    ) -> list[Issue] | None:
        """Exact in structure up to rounding, approximate, or refused with the cheapest fix."""
        form, model = _form(population, dt), population.model
        assert model is not None
        if form is None:
            return None
        where, p = population.name, population.parameters

        def refused(code: str, message: str, *hint: str) -> Issue:
            return Issue(code=code, severity="refused", where=where, message=message, hint=hint)

        issues: list[Issue] = []
        if model.reset not in (("v = v_reset",),) or model.reset_delay:
            issues.append(
                refused(
                    "reset-rule",
                    f"Loihi 1 resets v to 0 at once, the model says {', '.join(model.reset)}"
                    + (" a tick later" if model.reset_delay else ""),
                    "train or import with reset to zero",
                    "run it on the ideal chip",
                )
            )
        elif np.any(np.asarray(p["v_reset"]) != np.asarray(p.get("v_leak", 0.0))):
            issues.append(
                refused(
                    "reset-value",
                    "Loihi 1 resets to the resting value only",
                    "set v_reset equal to v_leak",
                )
            )
        if np.any(np.asarray(p["v_threshold"]) <= np.asarray(p.get("v_leak", 0.0))):
            issues.append(refused("threshold", "the threshold must lie above the resting value"))
        for name, given in incoming.items():
            if given.signal != "spike":
                issues.append(
                    refused(
                        "graded-input",
                        f"{name} carries {given.signal} values; Loihi 1 sends spikes",
                        "put a spiking population in between",
                        "use a chip with graded spikes",
                    )
                )
        if population.initial:
            odd = set(population.initial) - {"v", "i"}
            if odd:
                issues.append(refused("initial", f"no register for {', '.join(sorted(odd))}"))
        if issues:
            return issues
        label = "exact" if form.exact else "approximate"
        text = "same recurrence as a compartment" if form.exact else form.why
        return [Issue(code="structure", severity=label, where=where, message=text)]

    # -- numbers ------------------------------------------------------------------------------
    def quantise(
        self, population: Population, incoming: Mapping[str, Incoming], dt: float
    ) -> Quantised:
        """One scale for the population; per projection an exponent and 8-bit mantissas.

        The scale (chip units per volt) makes the largest weight use its mantissa fully, raised by
        powers of two as long as all inputs at once stay within q, and lowered where the threshold
        would not fit its 17 bits.
        """
        form, model, p = _form(population, dt), population.model, population.parameters
        assert form is not None
        assert model is not None
        size = population.size
        issues: list[Issue] = []
        rest = np.asarray(p.get("v_leak", 0.0))
        height = np.asarray(p["v_threshold"]) - rest
        volts = {name: self._volts(given, form) for name, given in incoming.items()}
        scale = self._scale(volts, incoming, float(np.max(height)), size)
        au, av = np.asarray(form.au), np.asarray(form.av)
        fu = np.clip(np.rint(4096 * au), 0, 4095).astype(np.int64)
        fv = np.clip(np.rint(4096 * av), 1, 4096).astype(np.int64)
        vth = np.clip(np.rint(height * scale / UNIT), 1, VTH_MAX).astype(np.int64)
        drive = np.asarray(form.drive) + rest * 0.0
        bias, bias_exp = _bias(drive * scale)
        discrete = discretise(model, p, dt, population.method)
        initial = {**discrete.initial, **population.initial}
        v0 = np.rint((np.asarray(initial["v"]) - rest) * scale).astype(np.int64)
        refract = np.asarray(discrete.values.get("refractory_ticks", 0)).astype(np.int64) + 1
        current = np.asarray(form.gain["jump"]) * scale
        u0 = np.rint(np.asarray(initial.get("i", 0.0)) * current).astype(np.int64)
        issues += self._rounded(population, 4096 * au, fu, 4096 * av, fv)
        issues += self._moved(population, height * scale / UNIT, vth, drive * scale, bias, refract)
        encodings: dict[str, Mapping[str, Any]] = {}
        weights: dict[str, tuple[NDArray[Any], NDArray[np.int64]]] = {}
        bits: dict[str, float] = {}
        for name, given in incoming.items():
            factor = np.asarray(form.gain[given.port]) * scale
            factor = factor[given.post] if factor.ndim and given.post is not None else factor
            mode = _mode(volts[name])
            exponent = _exponent(volts[name] * scale, mode)
            encodings[name] = {"factor": _plain(factor), "exponent": exponent, "mode": mode}
            assert given.weights is not None
            weights[name] = self.encode(given.weights, encodings[name])
            issues += weight_labels(
                name,
                given.weights,
                self.decode(*weights[name], encodings[name]),
                f"{mode} 8-bit weights, exponent {exponent}",
            )
            # Register 0 is one tick; a dense block needs no compartment index, others 10 bits.
            bits[name] = (
                8.0 + (6 if given.max_delay > 1 else 0) + (0 if given.kind == "dense" else 10)
            )
        half = {
            "half_q": self.rules.q_bits, "half_u": self.rules.u_bits, "half_in": self.rules.in_bits,
        }  # fmt: skip
        v_max = NO_LIMIT if self.rules.v_bits is None else (1 << self.rules.v_bits) - 1
        compartment = np.stack(
            np.broadcast_arrays(fu, fv, refract, bias_exp, np.zeros(size, np.int64))[:4], axis=1
        )
        return Quantised(
            kernel=KERNEL,
            reference={"implementation": self.name},
            values={
                "fu": _plain(fu), "fv": _plain(fv), "vth": _plain(vth * UNIT), "bias": _plain(bias),
                "refract": _plain(refract), "vmin": -v_max, "vmax": v_max,
                **{k: NO_LIMIT if b is None else 1 << b for k, b in half.items()},
                "fold": (1 << 24) if self.rules.u_fold else 0,
            },
            initial={"u": _plain(u0), "v": _plain(v0), "count": 0},
            encodings=encodings,
            weights=weights,
            synapse_bits=bits,
            state_scale={
                "v": (1.0 / scale, _plain(rest)),
                "u": (_plain(1.0 / current), 0.0),
            },
            aliases={"i": "u"},
            configs={
                "compartment profiles": compartment,
                "threshold profiles": np.broadcast_to(vth, (size,))[:, None],
            },
            issues=tuple(issues),
        )  # fmt: skip

    def _volts(self, given: Incoming, form: _Form) -> NDArray[np.float64]:
        """Weights as the voltage one spike adds."""
        assert given.weights is not None
        gain = np.asarray(form.gain[given.port])
        return given.weights * (gain[given.post] if gain.ndim else gain)

    def _scale(
        self,
        volts: Mapping[str, NDArray[np.float64]],
        incoming: Mapping[str, Incoming],
        height: float,
        size: int,
    ) -> float:
        largest = max((float(np.abs(v).max()) for v in volts.values() if v.size), default=0.0)
        bound = VTH_MAX * UNIT / height
        if largest == 0:
            return min(bound, 2.0**16 / height)
        top = min(_top(_mode(v)) * UNIT / float(np.abs(v).max()) for v in volts.values()
                  if v.size and np.abs(v).max() > 0)  # fmt: skip
        full = np.zeros(size)
        for name, v in volts.items():
            post = incoming[name].post
            assert post is not None
            np.add.at(full, post, np.abs(v))
        room = 2.0 ** (self.rules.q_bits or 40)
        exponent = 0
        while exponent < 7 and full.max() * top * 2 ** (exponent + 1) < room:
            exponent += 1
        return min(top * 2**exponent, bound)

    def _rounded(self, population: Population, au: Any, fu: Any, av: Any, fv: Any) -> list[Issue]:
        moved = max(float(np.max(np.abs(av - fv))), float(np.max(np.abs(au - fu)))) / 4096
        if moved < 1e-12:
            return []
        return [
            Issue(
                code="decay-rounded",
                severity="approximate",
                where=population.name,
                message=f"decay factors rounded to 12 bits, by at most {moved:.2g}",
            )
        ]

    def _moved(
        self, population: Population, want: Any, vth: Any, drive: Any, bias: Any, refract: Any
    ) -> list[Issue]:
        issues: list[Issue] = []
        off = float(np.max(np.abs(vth - want) / want))
        if off > TOO_COARSE:
            issues.append(
                Issue(
                    code="threshold-lost",
                    severity="refused",
                    where=population.name,
                    message="with weights as large as these, the threshold cannot be told",
                    got=f"an error of {100 * off:.3g} %",
                    limit=f"{100 * TOO_COARSE:g} %",
                    hint=("clip the largest weights", "split the projection by size of weight"),
                )
            )
        elif off > 1e-12:
            issues.append(
                Issue(
                    code="threshold-rounded",
                    severity="approximate",
                    where=population.name,
                    message=f"threshold rounded by at most {100 * off:.2g} %",
                )
            )
        gap = float(np.max(np.abs(bias - drive), initial=0.0))
        size = float(np.max(np.abs(drive), initial=0.0))
        if gap > 1e-9 * max(size, 1e-30):
            issues.append(
                Issue(
                    code="bias-rounded",
                    severity="approximate",
                    where=population.name,
                    message=f"bias rounded by at most {gap:.3g} of {size:.4g} chip units",
                )
            )
        if int(np.max(refract)) > 63:
            issues.append(
                Issue(
                    code="refractory-too-long",
                    severity="refused",
                    where=population.name,
                    message="refractory time is longer than the register",
                    got=f"{int(np.max(refract)) - 1} ticks",
                    limit="62 ticks",
                    hint=("use a larger dt", "shorten t_ref"),
                )
            )
        return issues

    def kernel(self, reference: Mapping[str, Any]) -> Kernel:
        """The one compartment kernel."""
        return KERNEL

    def encode(
        self, weights: NDArray[np.float64], encoding: Mapping[str, Any]
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """SI weights -> actual weights (multiples of 64), from the nearest storable mantissa."""
        units = weights * np.asarray(encoding["factor"]) / 2.0 ** (6 + encoding["exponent"])
        mode = encoding["mode"]
        if mode == "mixed":
            mantissa = 2 * np.clip(np.rint(units / 2), -128, 127)
        elif mode == "excitatory":
            mantissa = np.clip(np.rint(units), 0, 255)
        else:
            mantissa = np.clip(np.rint(units), -255, 0)
        actual = actual_weight(mantissa.astype(np.int64), encoding["exponent"], 8, mode, self.rules)
        return actual, np.zeros(weights.size, np.int64)

    def decode(
        self, weights: NDArray[Any], port: NDArray[np.int64], encoding: Mapping[str, Any]
    ) -> NDArray[np.float64]:
        """Actual weights -> SI."""
        return weights.astype(np.float64) / np.asarray(encoding["factor"])


def _plain(value: Any) -> Any:
    """0-d arrays as Python numbers."""
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else array


def _mode(volts: NDArray[np.float64]) -> str:
    if volts.size and volts.min() < 0:
        return "mixed" if volts.max() > 0 else "inhibitory"
    return "excitatory"


def _top(mode: str) -> int:
    """Largest magnitude that every sign can store (mixed weights are even, -256..254)."""
    return 254 if mode == "mixed" else 255


def _exponent(units: NDArray[np.float64], mode: str) -> int:
    """Smallest exponent >= 0 with which all weights (in units of 1) fit their mantissa."""
    largest = float(np.abs(units).max()) / UNIT if units.size else 0.0
    exponent = 0
    while exponent < 7 and largest > _top(mode) * 2**exponent * (1 + 1e-12):
        exponent += 1
    return exponent


def _bias(drive: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Nearest mantissa * 2**exponent, and the exponent."""
    drive = np.asarray(drive, np.float64)
    need = np.log2(np.maximum(np.abs(drive), 1.0) / BIAS_MAX)
    exponent = np.clip(np.ceil(need - 1e-12), 0, 7).astype(np.int64)
    mantissa = np.clip(np.rint(drive / 2.0**exponent), -BIAS_MAX, BIAS_MAX).astype(np.int64)
    return mantissa << exponent, exponent


# -- resources --------------------------------------------------------------------------------
def _synapse_memory(core: CoreView) -> float:
    """Bits of synaptic memory: per arriving axon, entries of at most 60 weights with a header of
    10 bits, each rounded up to 64-bit words (nengo-loihi block.py, Synapse.bits_per_axon)."""
    counts = core.in_axon_synapses
    total = int(counts.sum())
    if total == 0:
        return 0.0
    each = core.synapse_bits / total
    whole, rest = np.divmod(counts, 60)
    words = whole * np.ceil((60 * each + 10) / 64) + np.where(
        rest > 0, np.ceil((rest * each + 10) / 64), 0
    )
    return float(words.sum() * 64)


_DAVIES = "Davies et al., IEEE Micro 38(1) 2018, p. 89"
_VALIDATE = "nengo-loihi hardware/validate.py"

CHIP = Chip(
    name="loihi1",
    title="Intel Loihi 1",
    source="Davies et al., IEEE Micro 38(1), 2018",
    dtype="i8",
    exactness="bit-exact against nengo-loihi's and Brian2Loihi's emulators (golden files)",
    implementations=(Compartments(),),
    topology=Mesh(8, 4, 4),
    limits=(
        Limit(
            resource="compartments",
            limit=1024,
            used=lambda core: core.neurons,
            source=_DAVIES,
            fixes=("split the population",),
        ),
        Limit(
            resource="synaptic memory",
            limit=1048576,
            used=_synapse_memory,
            unit="bit",
            source=_DAVIES,
            fixes=("prune small weights", "use fewer inputs per neuron"),
        ),
        Limit(
            resource="input axons",
            limit=4096,
            used=lambda core: len(core.in_axon_synapses),
            source=_DAVIES,
            fixes=("reduce the fan-in", "pool the input first"),
        ),
        Limit(
            resource="output axons",
            limit=4096,
            used=lambda core: core.out_axons,
            source=_DAVIES,
            fixes=("spread the sources over more cores",),
        ),
        Limit(
            resource="compartment profiles",
            limit=32,
            used=lambda core: core.configs.get("compartment profiles", 0),
            source=_VALIDATE,
            fixes=("use fewer distinct time constants", "round parameters to a few values"),
        ),
        Limit(
            resource="threshold profiles",
            limit=16,
            used=lambda core: core.configs.get("threshold profiles", 0),
            source=_VALIDATE,
            fixes=("use fewer distinct thresholds", "fold thresholds into the weights"),
        ),
    ),
    min_delay=1,
    max_delay=63,
    timing=Timing(kind="barrier", source=_DAVIES),
    costs=COSTS,
    notes=(
        "8x4 tiles of 4 cores: an inference from 128 cores, also SANA-FE's arch/loihi.yaml",
        "delays beyond 8 ticks need fewer compartments per core than 1024; the exact trade is not "
        "published and not checked",
        "synapse formats (at most 16 per core) are not counted",
    ),
)

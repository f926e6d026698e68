"""SpiNNaker 1: leaky integrate-and-fire neurons in s16.15 on ARM968 cores, 48 chips on a board.

The arithmetic is sPyNNaker's (released versions): s16.15 products truncated toward minus infinity
and wrapping, as the ARM compiler makes them; synaptic decay as a 0.32 fraction; 16-bit unsigned
weights summed in saturating ring buffers, excitatory and inhibitory apart. One tick of a neuron::

    x += ((ring << left_shift) * init) >> 32         exponential synapses (delta: x = ring << shift)
    if refract > 0: refract -= 1
    else: alpha = (exc - inh + I_offset) * R + V_rest ; V = alpha - exp_TC * (alpha - V)
    spike when V >= V_thresh: V = V_reset, refract = T_refract
    x = (x * decay) >> 32

Files and versions are named in tests/oracles/README.md; its reference is what tests compare with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranvier.chips._costs_spinnaker1 import COSTS
from ranvier.chips._labels import weight_labels
from ranvier.chips._spec import Chip, CoreView, Incoming, Limit, Quantised, Router, Timing
from ranvier.chips._spinnaker1_code import KERNELS
from ranvier.errors import Issue
from ranvier.network import Population
from ranvier.neurons import Kernel, discretise
from ranvier.neurons import get as get_model

__all__ = ["CHIP", "CHIP_NEAREST", "Board", "LifCode", "s1615"]

ONE = 1 << 15
"""1.0 in s16.15."""
RANGE = 65535.0
"""Largest whole number that s16.15 holds."""
RING_MAX = 65535
"""Ring buffer entries are unsigned 16 bit and saturate (sPyNNaker synapses.c)."""


def s1615(x: Any) -> NDArray[np.int64]:
    """To raw s16.15, half to even (SpiNNFrontEndCommon data_type.py rounds decimals so)."""
    return np.rint(np.asarray(x, np.float64) * ONE).astype(np.int64)


# -- mapping a network --------------------------------------------------------------------------
@dataclass(frozen=True)
class LifCode:
    """sPyNNaker's IF_curr_delta for LIF, IF_curr_exp for current-based LIF.

    Voltages are held in millivolts, or in a power-of-two unit where sums in millivolts would leave
    s16.15. R is 1, so a current of 1 is a voltage of 1.
    """

    multiply: Literal["floor", "nearest"] = "floor"
    name: str = "lif"
    models: tuple[str, ...] = ("lif", "cuba_lif")

    def check(
        self, population: Population, incoming: Mapping[str, Incoming], dt: float
    ) -> list[Issue] | None:
        """Same recurrence up to rounding (LIF), approximate (current-based LIF), or refused."""
        model, where = population.model, population.name
        assert model is not None
        if model.name not in ("lif", "cuba_lif"):
            return None
        base = get_model(model.name)
        if base.equations != model.equations or base.ports != model.ports:
            return None
        issues: list[Issue] = []

        def refused(code: str, message: str, *hint: str) -> None:
            issues.append(
                Issue(code=code, severity="refused", where=where, message=message, hint=hint)
            )

        if model.reset != ("v = v_reset",) or model.reset_delay:
            refused(
                "reset-rule",
                f"sPyNNaker's LIF resets v to a value at once, the model says "
                f"{', '.join(model.reset)}{' a tick later' if model.reset_delay else ''}",
                "train or import with reset to a value",
                "run it on the ideal chip",
            )
        for name, given in incoming.items():
            if given.signal != "spike":
                refused(
                    "graded-input",
                    f"{name} carries {given.signal} values; SpiNNaker 1's LIF takes spikes",
                    "put a spiking population in between",
                )
        tau = population.parameters["tau" if model.name == "lif" else "tau_mem"]
        decay = s1615(np.exp(-dt / np.asarray(tau)))
        if not issues and not (np.all(decay > 0) and np.all(decay < ONE)):
            worst = float(np.max(tau)) if np.any(decay >= ONE) else float(np.min(tau))
            refused(
                "decay-out-of-range",
                f"a membrane time constant of {worst:g} s and ticks of {dt:g} s leave no decay "
                "that s16.15 can hold",
                f"use ticks between {worst / 5000:.2g} and {worst / 10:.2g} s",
            )
        if issues:
            return issues
        if model.name == "lif":
            text = "same recurrence as IF_curr_delta"
            return [Issue(code="structure", severity="exact", where=where, message=text)]
        text = (
            "IF_curr_exp holds the current over a tick and applies it in the tick it arrives; the "
            "equations let it decay within the tick and act from the next"
        )
        return [Issue(code="structure", severity="approximate", where=where, message=text)]

    def quantise(
        self, population: Population, incoming: Mapping[str, Incoming], dt: float
    ) -> Quantised:
        """Constants as sPyNNaker's host computes them; weights as 16 bits below the ring shift."""
        model, p = population.model, population.parameters
        assert model is not None
        delta = model.name == "lif"
        keep = np.exp(-dt / np.asarray(p["tau"] if delta else p["tau_mem"]))
        resistance = np.asarray(p["r"])
        # What one spike must add to the input current (in volts, as R = 1).
        if delta:
            gain = {"jump": 1 / (1 - keep), "current": resistance}
            stay = np.zeros(())
        else:
            stay = np.exp(-dt / np.asarray(p["tau_syn"]))
            gain = {"jump": resistance, "current": resistance * np.asarray(p["w_in"]) * (1 - stay)}
        factors = {n: _at(gain[g.port], g.post) for n, g in incoming.items()}
        drive = {n: g.weights * factors[n] for n, g in incoming.items() if g.weights is not None}
        sums = self._sums(population, incoming, drive)
        # exp: the current that a steady stream builds up is larger by 1 / (1 - decay).
        build_up = float(np.max(1 / (1 - stay)))
        highest = max(float(np.max(np.abs(p[k]))) for k in ("v_threshold", "v_reset", "v_leak"))
        offset = resistance * np.asarray(p["bias"])
        unit = self._unit(max(sums) * build_up + highest + float(np.max(np.abs(offset))))
        shifts = [self._shift(s * unit) for s in sums]
        discrete = discretise(model, p, dt, population.method)
        start = {**discrete.initial, **population.initial}
        ticks = np.asarray(discrete.values.get("refractory_ticks", 0)).astype(np.int64)
        strict = 1 if model.threshold is not None and ">=" not in model.threshold else 0
        values: dict[str, Any] = {
            "r": ONE,
            "v_rest": s1615(np.asarray(p["v_leak"]) * unit),
            "v_reset": s1615(np.asarray(p["v_reset"]) * unit),
            # The chip tests >=; on integers v > x is v >= x + 1.
            "v_thresh": s1615(np.asarray(p["v_threshold"]) * unit) + strict,
            "exp_tc": s1615(keep),
            "t_refract": ticks,
            "i_offset": s1615(offset * unit),
            "one_exc": 1 << shifts[0],
            "one_inh": 1 << shifts[1],
        }
        initial: dict[str, Any] = {"v": s1615(np.asarray(start["v"]) * unit), "refract": 0}
        in_ms = dt * 1e3
        scale = ((ONE << 15) // int(s1615(in_ms))) / ONE if delta else 1.0
        if delta:
            values["scale"] = (ONE << 15) // int(s1615(in_ms))
        else:
            tau_syn = np.asarray(p["tau_syn"])
            for kind in ("exc", "inh"):
                values[f"decay_{kind}"] = np.floor(stay * 2**32).astype(np.int64)
                area = tau_syn / dt * (1 - stay)
                values[f"init_{kind}"] = np.floor(area * 2**32).astype(np.int64)
            current = s1615(np.asarray(start["i"]) * resistance * unit)
            initial |= {"exc": np.maximum(current, 0), "inh": np.maximum(-current, 0)}
        encodings = {
            name: {"factor": _plain(factors[name] * unit / scale), "shifts": shifts}
            for name in incoming
        }
        weights = {
            name: self.encode(given.weights, encodings[name])
            for name, given in incoming.items()
            if given.weights is not None
        }
        return Quantised(
            kernel=KERNELS[self.multiply]["delta" if delta else "exp"],
            reference={"implementation": self.name, "program": "delta" if delta else "exp"},
            values={k: _plain(v) for k, v in values.items()},
            initial={k: _plain(v) for k, v in initial.items()},
            encodings=encodings,
            weights=weights,
            synapse_bits=dict.fromkeys(incoming, 32.0),
            state_scale={
                "v": (1 / (unit * ONE), 0.0),
                "exc": (_plain(1 / (unit * ONE * resistance)), 0.0),
                "inh": (_plain(1 / (unit * ONE * resistance)), 0.0),
            },
            issues=tuple(
                self._labels(population, incoming, weights, encodings, values, keep, unit)
            ),
        )

    def _sums(
        self,
        population: Population,
        incoming: Mapping[str, Incoming],
        drive: Mapping[str, NDArray[np.float64]],
    ) -> list[float]:
        """Largest input of one tick to any neuron, excitatory and inhibitory.

        The smaller of all sources firing at once, and mean + 5 standard deviations of the expected
        arrivals (sPyNNaker's rule for its ring buffers); without expected activity the former.
        """
        result: list[float] = []
        for sign in (1, -1):
            all_at_once = np.zeros(population.size)
            mean, square = np.zeros(population.size), np.zeros(population.size)
            known = True
            for name, values in drive.items():
                part, post = np.maximum(sign * values, 0.0), incoming[name].post
                assert post is not None
                np.add.at(all_at_once, post, part)
                rate = incoming[name].rate
                known = known and rate is not None
                if rate is not None:
                    np.add.at(mean, post, rate * part)
                    np.add.at(square, post, rate * part**2)
            bound = all_at_once
            if known:
                bound = np.minimum(bound, mean + 5 * np.sqrt(square))
            biggest = max((float(np.max(sign * v, initial=0.0)) for v in drive.values()), default=0)
            result.append(max(float(bound.max(initial=0.0)), biggest))
        return result

    def _unit(self, largest: float) -> float:
        """Raw units per volt: millivolts where they fit, else the largest power of two."""
        if 2 * largest * 1000 <= RANGE:
            return 1000.0
        return float(2.0 ** np.floor(np.log2(RANGE / (2 * largest))))

    def _shift(self, largest: float) -> int:
        """Smallest shift >= 0 with 2**shift > largest (sPyNNaker population_vertex.py)."""
        shift = 0
        while 2.0**shift <= largest and shift < 16:
            shift += 1
        return shift

    def _labels(
        self,
        population: Population,
        incoming: Mapping[str, Incoming],
        weights: Mapping[str, tuple[NDArray[Any], NDArray[np.int64]]],
        encodings: Mapping[str, Mapping[str, Any]],
        values: Mapping[str, Any],
        keep: NDArray[np.float64],
        unit: float,
    ) -> list[Issue]:
        issues: list[Issue] = []
        moved = float(np.max(np.abs(np.asarray(values["exp_tc"]) / ONE - keep)))
        if moved > 1e-12:
            issues.append(
                Issue(
                    code="decay-rounded",
                    severity="approximate",
                    where=population.name,
                    message=f"membrane decay rounded to s16.15, by {moved:.2g}; one unit is "
                    f"{1 / unit:g} V",
                )
            )
        for name, given in incoming.items():
            assert given.weights is not None
            stored = self.decode(*weights[name], encodings[name])
            how = f"16-bit weights, ring shifts {encodings[name]['shifts']}"
            issues += weight_labels(name, given.weights, stored, how)
        return issues

    def kernel(self, reference: Mapping[str, Any]) -> Kernel:
        """One of the two programs."""
        return KERNELS[self.multiply][reference["program"]]

    def encode(
        self, weights: NDArray[np.float64], encoding: Mapping[str, Any]
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """rint(|w| 2**(15 - shift)), at most 65535; the sign chooses the ring buffer."""
        port = (weights < 0).astype(np.int64)
        shift = np.asarray(encoding["shifts"])[port]
        raw = np.rint(np.abs(weights * encoding["factor"]) * 2.0 ** (15 - shift))
        return np.minimum(raw, RING_MAX).astype(np.int64), port

    def decode(
        self, weights: NDArray[Any], port: NDArray[np.int64], encoding: Mapping[str, Any]
    ) -> NDArray[np.float64]:
        """Ring buffer units -> SI."""
        shift = np.asarray(encoding["shifts"])[port]
        sign = np.where(port == 1, -1.0, 1.0)
        return sign * weights * 2.0 ** (shift - 15.0) / encoding["factor"]


def _at(value: NDArray[Any], post: NDArray[np.int64] | None) -> NDArray[Any]:
    """A factor of every neuron as one of every synapse."""
    return value[post] if value.ndim and post is not None else value


def _plain(value: Any) -> Any:
    """0-d arrays as Python numbers."""
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else array


# -- interconnect and resources -------------------------------------------------------------------
_ROWS = ((0, 5), (0, 6), (0, 7), (0, 8), (1, 8), (2, 8), (3, 8), (4, 8))
"""First and past-the-last x of each row of a SpiNN-5 board (SpiNNMachine version_5)."""


@dataclass(frozen=True)
class Board:
    """48 chips in a hexagon, triangular links, 16 application cores on each (SpiNN-5 board)."""

    cores_per_chip: int = 16
    multicast: bool = True

    @property
    def chips(self) -> tuple[Router, ...]:
        """Coordinates of all chips."""
        return tuple((x, y) for y, (a, b) in enumerate(_ROWS) for x in range(a, b))

    @property
    def cores(self) -> int:
        """Number of application cores."""
        return 48 * self.cores_per_chip

    def router(self, core: int) -> Router:
        """The chip a core lies on."""
        return self.chips[core // self.cores_per_chip]

    def distance(self, source: Router, target: Router) -> int:
        """Links on the way; diagonal (+1, +1) links count once."""
        dx, dy = target[0] - source[0], target[1] - source[1]
        return max(abs(dx), abs(dy)) if dx * dy > 0 else abs(dx) + abs(dy)

    def path(self, source: Router, target: Router) -> list[Router]:
        """Diagonal links first, then straight ones."""
        x, y = source
        passed = [source]
        while (x, y) != target:
            dx, dy = target[0] - x, target[1] - y
            if dx * dy > 0:
                x, y = x + (1 if dx > 0 else -1), y + (1 if dy > 0 else -1)
            elif dx:
                x += 1 if dx > 0 else -1
            else:
                y += 1 if dy > 0 else -1
            passed.append((x, y))
        return passed


def _ring_buffers(core: CoreView) -> float:
    """Bytes: 16 slots x 2 types x neurons (rounded up to a power of two) x 2 (sPyNNaker)."""
    return 16 * 2 * 2 ** int(np.ceil(np.log2(max(1, core.neurons)))) * 2


def _rows(core: CoreView) -> float:
    """Bytes of synaptic rows: a header of 3 words and a word per synapse, per arriving source."""
    return 4.0 * float((core.in_axon_synapses + 3).sum())


CHIP = Chip(
    name="spinnaker1",
    title="SpiNNaker 1",
    source="Furber et al., Proc. IEEE 102(5), 2014; Painkras et al., JSSC 48(8), 2013",
    dtype="i8",
    exactness="bit-exact against an independent big-integer reference of sPyNNaker's LIF",
    implementations=(LifCode(),),
    topology=Board(),
    limits=(
        Limit(
            resource="neurons",
            limit=256,
            used=lambda core: core.neurons,
            source="sPyNNaker's own limit (software)",
            fixes=("split the population",),
        ),
        Limit(
            resource="ring buffers in DTCM",
            limit=65536,
            used=_ring_buffers,
            unit="byte",
            source="SpiNNMachine version_spin1.py: DTCM 65 536 B",
            fixes=("fewer neurons per core",),
        ),
        Limit(
            resource="synaptic rows in SDRAM",
            limit=123469792 / 16,
            used=_rows,
            unit="byte",
            source="SpiNNMachine version_spin1.py: 123 469 792 B a chip, here shared by 16 cores",
            fixes=("fewer neurons per core: --set partition.fill=0.5", "prune small weights"),
        ),
        Limit(
            resource="synapses in a row",
            limit=256,
            used=lambda core: float(core.in_axon_synapses.max(initial=0)),
            source="sPyNNaker: longest row 256 words",
            fixes=("avoid several synapses between the same two neurons",),
        ),
    ),
    dt=1e-3,
    min_delay=1,
    max_delay=16,
    timing=Timing(kind="real-time", source="Furber et al. 2014"),
    costs=COSTS,
    shared_cores=False,
    router_entries=1023,
    cores_per_chip=16,
    notes=(
        "constants are computed as older sPyNNaker releases did, in doubles on the host",
        "delays of more than 16 ticks need delay-extension cores, which are not modelled",
        "the compute budget of a core per tick is not published per operation and is not checked",
    ),
)

CHIP_NEAREST = replace(
    CHIP, name="spinnaker1_nearest", implementations=(LifCode(multiply="nearest"),)
)
"""The same board with rounded products, as in sPyNNaker's development branch."""

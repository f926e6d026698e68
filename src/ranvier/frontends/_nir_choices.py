"""What a NIR file does not say, and how to say it.

NIR describes continuous time. Which discrete network its author ran depends on a time step, an
integrator, what one spike is, the reset, the comparison and the order of evaluation. None of them
is in a file; all of them are arguments here, and :data:`PRESETS` names what a tool does.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.errors import Issue, RanvierError, fail, unknown
from ranvier.frontends import Option
from ranvier.frontends._nir_read import NirGraph, NirNode
from ranvier.units import quantity

__all__ = [
    "OPTIONS",
    "PRESETS",
    "SPIKING",
    "STATEFUL",
    "WRITE_OPTIONS",
    "Choices",
    "Preset",
    "choose",
    "seconds",
]

SPIKING = ("IF", "LIF", "CubaLIF")
STATEFUL = (*SPIKING, "I", "LI", "CubaLI")


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Everything that is needed to turn a NIR graph into one discrete network.

    ``spikes_if`` is how tools that otherwise hold samples treat IF, which has no time constant.
    """

    dt: float | None = None
    integrator: str | None = None
    spikes: str | None = None
    spikes_if: str | None = None
    reset: str | None = None
    reset_delay: int = 0
    comparison: str | None = None
    delays: str | None = None
    spikes_per_tick: str = "one"
    signal: str = "spike"
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What one tool does with NIR graphs, and where that can be read."""

    title: str
    values: Mapping[str, Any]
    source: str
    missing: str = ""


_TORCH = {"spikes": "hold", "spikes_if": "jump", "comparison": ">", "delays": "zero"}

PRESETS: Mapping[str, Preset] = {
    "nir": Preset(
        title="the NIR text, taken literally",
        values={"integrator": "exact", "spikes": "dirac", "comparison": ">", "reset": "value"},
        source="NIR docs/primitives; paper/01_lif/debug_spike_representation/README.md: a spike is "
        "a Dirac pulse of area 1",
        missing="delays: NIR does not say in which order a tick is computed",
    ),
    "norse": Preset(
        title="Norse",
        values={**_TORCH, "integrator": "euler_sequential", "reset": "zero"},
        source="norse/torch/utils/import_nir.py (LIFBoxCell, LIBoxCell; IAFCell for IF), "
        "dt=0.001 by default",
    ),
    "snntorch": Preset(
        title="snnTorch",
        values={**_TORCH, "integrator": "euler_sequential"},
        source="snntorch/import_nir.py (Leaky with beta = 1 - dt/tau, Synaptic; beta = 1 for IF), "
        "dt=1e-4 by default",
        missing="reset: snnTorch's exporter does not write it; its importer always resets LIF to "
        "zero, but its neurons subtract by default",
    ),
    "sinabs": Preset(
        title="Sinabs",
        values={"integrator": "exact", "spikes": "jump", "comparison": ">=", "reset": "subtract",
                "delays": "zero", "spikes_per_tick": "many"},
        source="sinabs/nir.py (LIF and IAF with norm_input=False: v = exp(-dt/tau) v + x)",
    ),
    "rockpool": Preset(
        title="Rockpool",
        values={"integrator": "exact", "spikes": "jump", "comparison": ">=", "reset": "subtract",
                "delays": "zero", "spikes_per_tick": "many"},
        source="rockpool/nn/modules/torch/lif_torch.py: v = exp(-dt/tau) v + x; its exporter's "
        "r = tau exp(-dt/tau)/dt (rockpool/nn/modules/torch/nir.py) is not used by its neurons",
    ),
    "nengo": Preset(
        title="Nengo",
        values={"integrator": "exact", "spikes": "hold", "comparison": ">", "reset": "zero",
                "delays": "zero"},
        source="nengo/neurons.py, LIF.step (expm1 propagator); tau_ref = 0; v not below 0 there",
    ),
    "lava": Preset(
        title="Lava in floating point",
        values={**_TORCH, "integrator": "euler_sequential", "reset": "zero", "delays": "tick"},
        source="lava/proc/lif/models.py, lava/proc/dense/models.py (a Dense sends one step late)",
    ),
    "spinnaker2": Preset(
        title="SpiNNaker2, forward Euler",
        values={**_TORCH, "integrator": "euler_sequential"},
        source="py-spinnaker2, s2_nir.py, IntegratorMethod.FORWARD",
        missing="reset: s2_nir takes it as an argument (ResetMethod.ZERO or SUBTRACT)",
    ),
}  # fmt: skip
"""Choices that belong together. An option given beside ``source`` overrides its value."""

OPTIONS = (
    Option(name="source", doc="the tool whose conventions to use", choices=tuple(PRESETS)),
    Option(name="dt", doc="length of a tick in seconds, or text such as '0.1 ms'", kind=float),
    Option(
        name="integrator",
        doc="exact: matrix exponential; euler: all states from old values (1 - dt/tau); "
        "euler_sequential: each state from those just updated, as the torch libraries do",
        choices=("exact", "euler", "euler_sequential", "exponential_euler", "rk4"),
    ),
    Option(
        name="spikes",
        doc="hold: a spike is an input of 1 held for one tick (its effect scales with dt); dirac: "
        "an impulse of area 1 (v jumps by r*w/tau); jump: w is added to the state (r is not used)",
        choices=("hold", "dirac", "jump"),
    ),
    Option(
        name="reset",
        doc="zero: v = 0; subtract: v = v - v_threshold; value: v = v_reset of the "
        "file (0 if absent)",
        choices=("zero", "subtract", "value"),
    ),
    Option(name="reset_delay", doc="1: reset one tick after the spike; 0: at once", kind=int),
    Option(name="comparison", doc="a spike if v > or >= v_threshold", choices=(">", ">=")),
    Option(
        name="delays",
        doc="zero: layers pass spikes on within a tick, loops take one (torch libraries); tick: "
        "every connection into a neuron takes one tick",
        choices=("zero", "tick"),
    ),
    Option(
        name="spikes_per_tick",
        doc="one, as NIR says, unless said otherwise; many: floor(v/v_threshold) spikes of one "
        "neuron in one tick, as a number (Sinabs, Rockpool), with reset='subtract'",
        choices=("one", "many"),
    ),
    Option(
        name="signal",
        doc="what Input nodes carry; spike unless said otherwise, graded for numbers as events, "
        "continuous for numbers every tick",
        choices=("spike", "graded", "continuous"),
    ),
    Option(name="metadata", doc="False: ignore what ranvier recorded in the file", kind=bool),
)  # fmt: skip
WRITE_OPTIONS = (
    Option(
        name="spikes",
        doc="what one spike is to the reader (dirac, an impulse of area 1, unless the network was "
        "read otherwise or all its ports are 'current'); the weights are rescaled to it",
        choices=("hold", "dirac", "jump"),
    ),
    Option(name="source", doc="the tool that is to read the file", choices=tuple(PRESETS)),
    Option(name="dt", doc="length of a tick in seconds, or text such as '0.1 ms'", kind=float),
)
_DOC = {option.name: option for option in OPTIONS}


def choose(path: str, graph: NirGraph, options: Mapping[str, Any]) -> Choices:
    """Options and preset as Choices; raises one RanvierError that lists everything missing."""
    options = {k: v for k, v in options.items() if k != "metadata"}
    given = dict(options)
    source = options.pop("source", None)
    values: dict[str, Any] = {}
    if source is not None:
        if source not in PRESETS:
            raise unknown("source", source, PRESETS, where=path)
        values.update(PRESETS[source].values)
    if "spikes" in options:
        values.pop("spikes_if", None)
    values.update(options)
    if "dt" in values:
        values["dt"] = seconds(values["dt"])
    late = values.get("reset_delay", 0)
    if late not in (0, 1) or isinstance(late, bool):
        raise fail("reset-delay", "reset_delay", "is a number of ticks", got=late, limit="0 or 1")
    choices = Choices(**values, source=source)
    if choices.spikes_per_tick == "many" and (
        (choices.reset, choices.comparison, choices.reset_delay) != ("subtract", ">=", 0)
    ):
        raise fail("nir-many", "spikes_per_tick", "'many' goes with reset='subtract', reset_delay=0"
                   " and comparison='>='", got=f"{choices.reset}, {choices.comparison}",
                   hint="say spikes_per_tick='one'")  # fmt: skip
    missing = [name for name in _needed(graph) if getattr(choices, name) is None]
    if missing:
        raise RanvierError(*_complain(path, graph, missing, {**given, **options}))
    return choices


def seconds(value: Any) -> float:
    """A time step, as a number of seconds or text with a unit; RanvierError if it is none."""
    if isinstance(value, str):
        value = quantity(value, "s")
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)):
        raise fail("dt", "dt", "must be a number of seconds", got=repr(value)[:80])
    if not 0 < float(value) < np.inf:
        raise fail("dt", "dt", "must be positive seconds", got=value)
    return float(value)


def _needed(graph: NirGraph) -> list[str]:
    nodes = [n for n in graph.nodes.values() if isinstance(n, NirNode)]
    types = {n.type for n in nodes}
    needed: list[str] = []
    if types & {*STATEFUL, "Delay"}:
        needed.append("dt")
    if types & {*STATEFUL}:
        needed += ["integrator", "spikes"]
    if any(n.type in SPIKING and "v_reset" not in n.fields for n in nodes):
        needed.append("reset")
    if types & {*SPIKING, "Threshold"}:
        needed.append("comparison")
    if types & {*STATEFUL, "Threshold"}:
        needed.append("delays")
    return needed


_WORDS = {
    "dt": "the length of a tick",
    "integrator": "how a tick is computed",
    "spikes": "what one spike is",
    "reset": "what a spike leaves of v",
    "comparison": "when v spikes",
    "delays": "how long a connection takes",
}


def _complain(
    path: str, graph: NirGraph, missing: list[str], options: Mapping[str, Any]
) -> list[Issue]:
    told, dt, tool = evidence(graph)
    source = options.get("source")
    hints: dict[str, list[str]] = {name: [] for name in missing}
    if "dt" in hints and told:
        hints["dt"].append(told)
    if source and PRESETS[source].missing.partition(":")[0] in hints:
        text = PRESETS[source].missing
        hints[text.partition(":")[0]].append(text)
    if not source:
        hints[missing[-1]].append("name the tool the file is from: source=" + " | ".join(PRESETS))
    hints[missing[-1]] += _suggest(path, missing, options, dt or 1e-3, tool or "snntorch")
    return [
        Issue(
            code=f"nir-needs-{name}", severity="error", where=path if name == missing[0] else "",
            message=f"NIR does not record {name}, {_WORDS[name]}",
            limit=", ".join(_DOC[name].choices) or "a time", hint=tuple(hints[name]),
        )
        for name in missing
    ]  # fmt: skip


def _suggest(
    path: str, missing: list[str], options: Mapping[str, Any], dt: float, tool: str
) -> tuple[str, str]:
    """A call and a command that are complete: what was given, a tool, and what it leaves open."""
    say = {"source": options.get("source", tool), **options}
    say["dt"] = seconds(say.get("dt", dt))
    fixed = PRESETS[say["source"]].values
    say |= {n: _DOC[n].choices[0] for n in missing if n not in (*fixed, *say)}
    call = ", ".join(f"{n}={json.dumps(v)}" for n, v in say.items())
    words = ["ranvier", "import", path, "-o", f"{Path(path).stem}.rvn"]
    for name, value in say.items():
        text = f"{value * 1e6:.12g}us" if name == "dt" else str(value)
        text = f"{value * 1e3:.12g}ms" if name == "dt" and value >= 1e-3 else text
        flag = name in ("source", "dt", "integrator", "spikes", "reset", "comparison", "delays")
        words += [f"--{name}", text] if flag else ["--set", f"{name}={text}"]
    return f"nir.read({json.dumps(path)}, {call})", f"try: `{shlex.join(words)}`"


def evidence(graph: NirGraph) -> tuple[str, float | None, str]:
    """What the time constants tell about dt (words, seconds, tool): a hint, never used alone."""
    nothing = "", None, ""
    found: set[tuple[str, float | None, str]] = set()
    for node in graph.nodes.values():
        if not isinstance(node, NirNode) or node.type not in ("LIF", "CubaLIF"):
            continue
        f = node.fields
        tau = np.asarray(f.get("tau_mem", f.get("tau", np.nan)), np.float64)
        r = np.asarray(f.get("r", np.nan), np.float64)
        if not (tau.size and r.size and np.all(tau > 0) and np.all(r > 0)):
            return nothing
        q = (tau / r).ravel() if tau.shape == r.shape or 1 in (tau.size, r.size) else np.array([0])
        dt = float(q[0])
        if not np.allclose(q, dt, rtol=1e-5) or np.any(tau.ravel()[0] <= dt):
            return nothing
        if "tau_syn" in f and "w_in" in f:
            w = np.asarray(f["tau_syn"], np.float64) / np.asarray(f["w_in"], np.float64)
            if np.allclose(w, dt, rtol=1e-5):
                dt = float(f"{dt:.4g}")
                found.add((f"r = tau_mem/dt and w_in = tau_syn/dt hold for dt = {dt:g} s in every "
                           "layer, as snnTorch writes them", dt, "snntorch"))  # fmt: skip
                continue
        # Rockpool writes r = tau exp(-dt/tau)/dt, so q = dt exp(dt/tau).
        first = float(tau.ravel()[0])
        guess = dt
        for _ in range(50):
            guess = dt * float(np.exp(-guess / first))
        rounded = float(f"{guess:.3g}")
        if r.max() > 1 and abs(guess - rounded) < 1e-4 * guess:
            found.add((f"r = tau exp(-dt/tau)/dt holds for dt = {rounded:g} s, as Rockpool writes "
                       "it", rounded, "rockpool"))  # fmt: skip
        else:
            return nothing
    return next(iter(found)) if len(found) == 1 else nothing

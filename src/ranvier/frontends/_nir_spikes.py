"""What one spike does, and the weights that say it in each convention.

Inside, a weight is added to a state at once (port ``jump``) or is an input held for a tick (port
``current``). A file has one number per synapse, and its reader's convention turns it into a jump or
an input; :meth:`Convention.factor` is the number to divide by so that it becomes what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import Issue, fail
from ranvier.frontends._nir_choices import OPTIONS, PRESETS, SPIKING, STATEFUL, seconds
from ranvier.network import Network, Population

__all__ = ["WORDS", "Convention", "convention", "held", "impulses", "jump", "reading"]

Array = NDArray[Any]

WORDS = {
    "dirac": "an impulse of area 1, as NIR documents it",
    "hold": "an input of 1 held for a tick",
    "jump": "an addition to v, which r does not scale",
}
CHOICES = next(option.choices for option in OPTIONS if option.name == "spikes")


def jump(kind: str, values: Mapping[str, Any]) -> Any:
    """What an impulse of area 1 adds to the state it meets."""
    if kind in ("I", "IF"):
        return np.asarray(values["r"], np.float64)
    if kind in ("LI", "LIF"):
        return np.asarray(values["r"]) / np.asarray(values["tau"])
    return np.asarray(values["w_in"]) / np.asarray(values["tau_syn"])


def held(kind: str, values: Mapping[str, Any], method: str, dt: float) -> Any:
    """What an input of 1 held for a tick has added to the state it meets at the tick's end."""
    if kind in ("I", "IF"):
        return np.asarray(values["r"]) * dt
    cuba = kind.startswith("Cuba")
    z = dt / np.asarray(values["tau_syn" if cuba else "tau"])
    scale = np.asarray(values["w_in" if cuba else "r"])
    if method in ("exact", "exponential_euler"):
        return -scale * np.expm1(-z)
    if method == "rk4":
        return scale * (z - z**2 / 2 + z**3 / 6 - z**4 / 24)
    return scale * z


def impulses(network: Network, kinds: Mapping[str, str]) -> dict[str, bool]:
    """Whether a reader takes what a population sends for spikes; else it is held for a tick."""
    found = {
        p.name: p.signal != "continuous" if p.is_input else kinds[p.name] in (*SPIKING, "Threshold")
        for p in network.populations
    }
    relays = {n for n, kind in kinds.items() if kind == "Scale"}
    changed = True
    while changed:
        changed = False
        for p in network.projections:
            if p.target in relays and found[p.source] and not found[p.target]:
                found[p.target] = changed = True
    return found


@dataclass(frozen=True, kw_only=True)
class Convention:
    """How the reader of a file takes spikes (``spikes_if``: those into IF), and its time step."""

    spikes: str
    spikes_if: str
    dt: float | None = None
    source: str = ""

    def of(self, kind: str) -> str:
        """The convention for a NIR neuron of this kind."""
        return self.spikes_if if kind == "IF" else self.spikes

    def tick(self, population: Population) -> float:
        """The dt of the reader; raises RanvierError where neither option nor network say one."""
        dt = self.dt or population.dt
        if dt is None:
            raise fail("nir-needs-dt", population.name, "the weights depend on dt where spikes are "
                       f"written as '{self.spikes}'", hint=("say dt='1 ms' (command line: --set "
                       "dt=1ms)", "write spikes='dirac' where they meet port 'jump'"))  # fmt: skip
        return dt

    def factor(
        self, population: Population, kind: str, port: str, impulse: bool
    ) -> tuple[Array | None, bool]:
        """Weights over weights in the file, per neuron or one, and whether a reader gets the same.

        None: they are the same. Raises RanvierError where no number says it.
        """
        if kind not in STATEFUL:
            return None, True
        spikes = self.of(kind) if impulse else "hold"
        if spikes == "jump" and kind.startswith("Cuba"):
            raise fail("nir-jump", population.name, f"spikes='jump' has no meaning for {kind}: it "
                       "says what is added to v, but these spikes go through a synapse",
                       hint=("write spikes='dirac'", "spikes='hold'"))  # fmt: skip
        if (port, spikes) in (("jump", "jump"), ("current", "hold")):
            return None, True
        values, method = population.parameters, population.method or "exact"
        adds: dict[str, Any] = {"jump": np.ones(())}
        if spikes == "dirac":
            adds["dirac"] = jump(kind, values)
        same = True
        if spikes == "hold" or port == "current":
            adds["hold"] = adds["current"] = held(kind, values, method, self.tick(population))
            # where i moves v in the same tick, a jump after it is not an input during it
            same = not kind.startswith("Cuba") or method in ("euler", "exponential_euler")
        factor = adds[spikes] / self.nonzero(population, adds[port])
        factor = np.broadcast_to(np.ravel(self.nonzero(population, factor)), (population.size,))
        if np.all(factor == factor[0]):
            factor = factor[0]
        return (None if np.all(factor == 1) else np.asarray(factor)), same

    @staticmethod
    def nonzero(population: Population, factor: Any) -> Any:
        """``factor`` if it can be divided by; RanvierError naming the population otherwise."""
        if not np.all(np.isfinite(factor)) or np.any(np.asarray(factor) == 0):
            raise fail("nir-no-node", population.name, "r or w_in is 0, so that no weight in a NIR "
                       "file moves this neuron", hint="write spikes='jump'")  # fmt: skip
        return factor


def convention(
    network: Network, kinds: Mapping[str, str], options: Mapping[str, Any]
) -> Convention:
    """The reader's convention: what is asked for, what the network was read with, or NIR's own.

    NIR's is ``dirac``; a network that meets spikes at ports ``current`` alone is written as it is.
    """
    source = options.get("source")
    nir = network.metadata.get("nir")
    kept = nir.get("choices") if isinstance(nir, Mapping) else None
    choices: Mapping[str, Any] = kept if isinstance(kept, Mapping) else {}
    if source is not None:
        choices = PRESETS[source].values
    spikes, spikes_if = choices.get("spikes"), choices.get("spikes_if")
    if "spikes" in options:
        spikes, spikes_if = options["spikes"], None
    if spikes not in CHOICES:
        sends = impulses(network, kinds)
        jumps = [p for p in network.projections if sends[p.source] and p.port == "jump"]
        holds = [p for p in network.projections if sends[p.source] and p.port == "current"]
        spikes, spikes_if = "hold" if holds and not jumps else "dirac", None
    dt = options.get("dt")
    if dt is None:
        task = network.metadata.get("task")
        dt = network.metadata.get("dt", task.get("dt") if isinstance(task, Mapping) else None)
    dt = None if dt is None else seconds(dt)
    for p in network.populations:
        if dt is not None and p.dt is not None and abs(p.dt - dt) > 1e-9 * dt:
            raise fail("nir-dt", p.name, "is fixed to another dt", got=dt, limit=p.dt,
                       hint="leave dt out")  # fmt: skip
    return Convention(spikes=str(spikes), spikes_if=str(spikes_if or spikes), dt=dt,
                      source=source or "")  # fmt: skip


def reading(network: Network, kinds: Mapping[str, str], used: Convention) -> Issue:
    """The label that says with which choices other tools, and ``read``, get this network."""
    words: dict[str, set[str]] = {n: set() for n in ("integrator", "reset", "comparison", "delays")}
    types = {kinds[p.name] for p in network.populations}
    for p in network.populations:
        model, kind = p.model, kinds[p.name]
        if model is None or kind == "Scale":
            continue
        if kind in STATEFUL:
            words["integrator"].add(p.method or "exact")
        if model.threshold and model.name.endswith("_many"):
            words["comparison"].add(">=")
            words["reset"].add("subtract, spikes_per_tick=many")
        elif model.threshold:
            words["comparison"].add(">=" if ">=" in model.threshold else ">")
            if kind in SPIKING:
                words["reset"].add("subtract" if any("-" in r for r in model.reset) else "value")
    for p in network.projections:
        if kinds[p.target] not in ("Input", "Scale"):
            zero = p.immediate and not np.any(np.asarray(p.delay))
            words["delays"].add("zero" if zero else "tick")
    say = [f"spikes={used.spikes}"]
    say += [f"{name}={' or '.join(sorted(found))}" for name, found in words.items() if found]
    tools = [
        name for name, preset in PRESETS.items()
        if preset.values["spikes"] == used.spikes
        and ("IF" not in types or preset.values.get("spikes_if", used.spikes) == used.spikes_if)
    ]  # fmt: skip
    if used.spikes_if != used.spikes:
        say[0] += " (jump into IF)"
    return Issue(
        code="nir-spikes", severity="info", where="spikes",
        message=f"a spike is {WORDS[used.spikes]}: weights are right for readers that take "
        f"{', '.join(say)}" + (f", dt={used.dt:g} s" if used.dt else "")
        + (f" (spikes as in {', '.join(tools)})" if tools else ""),
    )  # fmt: skip

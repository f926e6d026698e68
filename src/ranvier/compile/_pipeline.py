"""The compiler: a line of passes with one hook between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ranvier import chips
from ranvier.chips import Chip
from ranvier.compile._draft import Draft, Pass
from ranvier.compile._program import Bridge, Program
from ranvier.compile.pack import Pack
from ranvier.errors import fail, unknown
from ranvier.events import Recording
from ranvier.network import Network, Population
from ranvier.network._given import is_number
from ranvier.registry import Registry

__all__ = ["PASSES", "Between", "compile", "default_passes", "passes_from_text"]

Between = Callable[[str, Draft, "Draft | Program"], None]
"""Called after every pass with its name, what went in and what came out: to print, time, verify."""


PASSES: Registry[type[Pass]] = Registry("pass", "ranvier.compile", "PASS")
"""All passes by name: the files of this package and those of installed packages."""

ORDER = ("legalise", "quantise", "update", "partition", "place", "route")
"""The line every network goes along; packing always comes last."""


def default_passes(*, mapped: bool = True) -> tuple[Pass, ...]:
    """legalise, quantise, update, partition, place, route; packing always comes last.

    ``mapped=False`` stops after update: the quantised network on one boundless core.
    """
    return tuple(PASSES.get(name)() for name in (ORDER if mapped else ORDER[:3]))


def passes_from_text(
    settings: Sequence[str], *, mapped: bool = True, add: Sequence[str] = ()
) -> tuple[Pass, ...]:
    """Default passes with options as text: ``["place.method=random", "partition.fill=0.5"]``.

    ``add`` names further passes, put at the end of the line in that order. Raises RanvierError with
    a did-you-mean for an unknown pass, option or value.
    """
    passes: dict[str, Any] = {p.name: p for p in default_passes(mapped=mapped)}
    passes |= {name: PASSES.get(name)() for name in add}
    for setting in settings:
        place, equals, text = setting.partition("=")
        name, dot, option = place.partition(".")
        if not equals or not dot:
            raise fail(
                "bad-setting",
                "--set",
                "is not PASS.OPTION=VALUE",
                got=setting,
                hint="for example place.method=random",
            )
        if name not in passes:
            raise unknown("pass", name, passes, where="--set")
        legal = {f.name: f for f in fields(passes[name]) if f.name != "name"}
        if option not in legal:
            raise unknown("option", option, legal, where=f"--set {name}")
        passes[name] = replace(
            passes[name], **{option: _parse(setting, text, passes[name], option)}
        )
    return tuple(passes.values())


def _parse(setting: str, text: str, owner: Any, option: str) -> Any:
    default = getattr(owner, option)
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        return type(default)(text)
    except (KeyError, ValueError) as error:
        raise fail(
            "bad-setting",
            "--set",
            "has a value of the wrong kind",
            got=setting,
            limit=f"a {type(default).__name__}, like {default}",
        ) from error


def compile(
    network: Network,
    chip: str | Chip,
    *,
    dt: float | None = None,
    passes: Sequence[Pass] | None = None,
    seed: int = 0,
    activity: Recording | Mapping[str, NDArray[np.float64]] | None = None,
    between: Between | None = None,
    parts: Mapping[str, str] | None = None,
) -> Program:
    """Compile a network for a chip.

    ``dt`` is the tick in seconds; by default the network's own (if a population is discrete by
    nature, or was imported or trained with a dt) or the chip's. ``activity`` is a recording of an
    earlier run, or expected events per tick by population [size]: traffic weights for the mapping,
    and the bound of what may arrive at once. ``parts[population]`` names the part of a mixed system
    a population goes to; the others are dealt out in order, those joined without delay together.
    Raises RanvierError with one Issue per thing that does not fit, each with ranked fixes.
    """
    given = cast("object", network)
    if not isinstance(given, Network):
        raise fail(
            "not-a-network",
            "compile",
            "needs a Network",
            got=type(given).__name__,
            hint="read one with ranvier.network.load or a frontend",
        )
    machine = chips.remember(chips.get(chip))
    tick = _choose_dt(network, machine, dt)
    known = activity.activity() if isinstance(activity, Recording) else activity
    rates = _checked_activity(network, known or {})
    if machine.parts:
        return _compile_parts(
            network, machine, tick, passes, seed, rates, between, dict(parts or {})
        )
    if parts:
        raise fail(
            "not-a-system",
            "parts",
            f"{machine.title} is one machine and has no parts",
            got=", ".join(parts),
            hint=f"join machines: {machine.name}+{machine.name}",
        )
    if not isinstance(cast("Any", seed), int) or seed < 0:
        raise fail("bad-setting", "seed", "must be a whole number of at least 0", got=seed)
    draft = Draft(
        network=network,
        chip=machine,
        dt=tick,
        seed=seed,
        source_hash=network.hash,
        activity=rates,
    )
    for step in default_passes() if passes is None else passes:
        after = step.apply(draft)
        if between is not None:
            between(step.name, draft, after)
        draft = after
    program = Pack().apply(draft)
    if between is not None:
        between("pack", draft, program)
    return program


def _checked_activity(
    network: Network, given: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    names, rates = [p.name for p in network.populations], dict[str, NDArray[np.float64]]()
    for name, values in given.items():
        if name not in names:
            raise unknown("population", name, names, where="activity")
        size = network.population(name).size
        rate = np.asarray(values, np.float64)
        if rate.shape != (size,) or not (np.all(np.isfinite(rate)) and np.all(rate >= 0)):
            raise fail(
                "activity",
                f"activity[{name!r}]",
                "needs one finite number of at least 0 per neuron",
                got=rate.shape,
                limit=(size,),
            )
        rates[name] = rate
    return rates


def _choose_dt(network: Network, chip: Chip, dt: float | None) -> float:
    own = {p.dt for p in network.populations if p.dt is not None}
    if len(own) > 1:
        raise fail(
            "dt-conflict",
            network.name,
            "populations are discrete with different dt",
            got=", ".join(f"{v:g} s" for v in sorted(own)),
            hint="they must share one dt",
        )
    for value in (dt, network.metadata.get("dt")):
        if value is not None and not (is_number(value) and value > 0):
            raise fail("dt", network.name, "dt must be positive seconds", got=repr(value))
    given = [v for v in (dt, *own) if v is not None]
    if len(given) == 2 and not np.isclose(given[0], given[1], rtol=1e-9):
        raise fail(
            "dt-conflict",
            network.name,
            "is discrete by nature and has its own dt",
            got=f"dt={given[0]:g} s",
            limit=f"{given[1]:g} s",
            hint=f"compile with dt={given[1]:g}",
        )
    task: Any = network.metadata.get("task") or {}
    stored = network.metadata.get("dt", task.get("dt"))
    chosen = given[0] if given else stored if stored is not None else chip.dt
    if chosen is None:
        raise fail(
            "dt-missing",
            network.name,
            f"no dt was given and {chip.title} has none of its own",
            hint="say --dt 1ms, or dt=1e-3 in Python",
        )
    if not (isinstance(chosen, (int, float)) and np.isfinite(chosen) and chosen > 0):
        raise fail("dt", network.name, "dt must be positive seconds", got=chosen)
    return float(chosen)


def _compile_parts(
    network: Network,
    system: Chip,
    dt: float,
    passes: Sequence[Pass] | None,
    seed: int,
    activity: Mapping[str, NDArray[np.float64]],
    between: Between | None,
    where: dict[str, str],
) -> Program:
    """Each part compiles its own populations; sources on other parts become bridged inputs."""
    names = [p.name for p in network.populations if not p.is_input]
    legal = [part.name for part in system.parts]
    for name, part in where.items():
        if name not in names:
            raise unknown("population", name, names, where="parts")
        if part not in legal:
            raise unknown("part", part, legal, where=f"parts[{name!r}]")
    _deal_out(network, names, legal, where)
    programs: dict[str, Program] = {}
    bridges: list[Bridge] = []
    used = [part for part in system.parts if part.name in where.values()] or [system.parts[0]]
    fed = {p.source for p in network.projections}
    fed |= {p.plasticity.reward for p in network.projections if p.plasticity}
    placed: set[str] = set()
    for part in used:
        mine = {name for name in names if where[name] == part.name}
        incoming = [p for p in network.projections if p.target in mine]
        foreign = {p.source for p in incoming} - mine
        foreign |= {p.plasticity.reward for p in incoming if p.plasticity and p.plasticity.reward}
        if part is used[0]:  # inputs that feed nothing are part of the network all the same
            foreign |= {p.name for p in network.inputs} - fed
        shown = mine | ({p.name for p in network.inputs} & foreign - placed)
        placed |= foreign
        for name in sorted(foreign - {p.name for p in network.inputs}):
            for projection in incoming:
                if projection.source == name and np.any(np.asarray(projection.delay) == 0):
                    raise fail(
                        "bridge-delay",
                        projection.name,
                        "crosses chips without a delay",
                        got="0 s",
                        limit="at least one tick",
                        hint="use delay=None (one tick)",
                    )
            ticks = next(
                (k.ticks for k in system.links if {*k.between} == {where[name], part.name}), 0
            )
            bridges.append(
                Bridge(source=where[name], target=part.name, population=name, ticks=ticks)
            )
        populations = tuple(
            p
            if p.name in mine or p.is_input
            else Population(name=p.name, shape=p.shape, signal=p.signal)
            for p in network.populations
            if p.name in mine or p.name in foreign
        )
        sub = Network(
            name=f"{network.name[:100]}.{re.sub('[^A-Za-z0-9_.-]', '-', part.name)[:90]}",
            populations=populations,
            projections=tuple(incoming),
            outputs=tuple(o for o in network.outputs if o in shown),
            probes=tuple(p for p in network.probes if p.population in shown),
            metadata=network.metadata,
        )
        here = {p.name for p in populations}
        rates = {name: rate for name, rate in activity.items() if name in here}
        programs[part.name] = compile(
            sub, part, dt=dt, passes=passes, seed=seed, activity=rates, between=between
        )
    return Program(
        name=network.name,
        chip=system.name,
        chip_hash=system.hash,
        network_hash=network.hash,
        dt=dt,
        seed=seed,
        outputs=network.outputs,
        probes=network.probes,
        shapes={p.name: p.shape for p in network.populations},
        parts=programs,
        bridges=tuple(bridges),
        algorithms={"update": "dense"},
    )


def _deal_out(network: Network, names: list[str], legal: list[str], where: dict[str, str]) -> None:
    """Fill in a part for every population: in order, those joined without delay together."""
    group: dict[str, str] = dict(zip(names, names, strict=True))
    for p in network.projections:
        if p.immediate and p.source in group:
            joined, gone = group[p.source], group[p.target]
            for name in names:
                if group[name] == gone:
                    group[name] = joined
    chosen = {group[name]: part for name, part in where.items()}
    for number, name in enumerate(names):
        part = legal[min(number * len(legal) // len(names), len(legal) - 1)]
        where.setdefault(name, chosen.setdefault(group[name], part))

"""``ranvier diff``: the first tick and neuron that differ, and the class of cause."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ranvier.cli._command import Command, DtOption, JsonOption, QuietOption, seconds
from ranvier.cli._files import open_any, recipe_dt
from ranvier.cli._output import Output
from ranvier.cli._sample import Asked, ask

if TYPE_CHECKING:
    from ranvier.progress import Progress

__all__ = ["COMMAND", "diff"]

STRONGER = "Give it input that makes it spike: more events, or samples with --data."

Opened = tuple[str, Any]


def diff(
    a: Annotated[Path, typer.Argument(help="A network, program or recording.")],
    b: Annotated[
        Path | None, typer.Argument(help="Another; left out, A is compared on two machines.")
    ] = None,
    chip: Annotated[
        list[str] | None,
        typer.Option("--chip", "-c", help="A machine for a network; give it twice to compare two."),
    ] = None,
    dt: DtOption = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="[INPUT=]FILE", help="Events, as in `ranvier run`."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="SET", help="Samples of a data set, e.g. digits.")
    ] = None,
    sample: Annotated[int, typer.Option(min=0, help="The first sample of the test part.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="How many samples.")] = 1,
    ticks: Annotated[int | None, typer.Option(min=0, help="How many ticks.")] = None,
    causes: Annotated[
        bool, typer.Option("--causes/--no-causes", help="Look for the cause.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Compare two machines, programs or recordings, spike by spike.

    Names the first tick and neuron that differ and, for a network on two machines, why: rounding of
    weights or parameters, saturation, delays, the reset rule, the order of operations. Two networks
    without input are compared as text. Exit code 1 when there is a difference, or no spike at all.
    """
    out = Output(json=json, quiet=quiet)
    machines = list(chip or [])
    first = open_any(a)
    tick = seconds("--dt", dt)
    if b is None:
        if len(machines) == 1:
            machines.insert(0, "ideal")
        _check_pair(a, first[0], machines)
        asked = None if data is None else ask(*first, a, data, sample, limit)
        with out.progress() as progress:
            found = _machines(first[1], machines, tick, given, asked, ticks, causes, seed, progress)
        if not found.total.either:
            return _nothing(out, found)
        out.result(found.to_dict(), found.text().rstrip("\n"))
        return 0 if found.identical else 1
    second = open_any(b)
    if first[0] == second[0] == "network" and not (given or data or ticks is not None):
        return _texts(out, a, b, first[1], second[1])
    both = ((a, first), (b, second))
    asked = None if data is None else _ask_either(both, data, sample, limit)
    recordings: list[Any] = []
    with out.progress() as progress:
        for number, (_, opened) in enumerate(both):
            machine = machines[min(number, len(machines) - 1)] if machines else "ideal"
            recordings.append(
                _recording(opened, machine, tick, given, asked, ticks, seed, progress)
            )
    return _recordings(out, a, b, recordings[0], recordings[1])


def _nothing(out: Output, found: Any) -> int:
    """Two silent machines agree on nothing: that is a finding, not a pass."""
    said = f"No spike fell on {found.a} or {found.b} in {found.ticks} ticks: nothing was compared."
    document = {**found.to_dict(), "identical": None, "sentence": said}
    lines = [f"{found.network}: {found.a} against {found.b}", said, STRONGER]
    if found.left_out:
        lines.append(f"  not compared: {', '.join(found.left_out)}")
    out.result(document, *lines)
    return 1


def _check_pair(file: Path, kind: str, machines: list[str]) -> None:
    from ranvier.errors import fail

    if kind != "network":
        raise fail("nothing-to-compare", "ranvier diff", f"{file} is a {kind}, and there is no"
                   " second file", hint=f"ranvier diff {file} OTHER")  # fmt: skip
    if len(machines) != 2:
        raise fail("nothing-to-compare", "ranvier diff", "needs two machines, or a second file",
                   got=", ".join(machines) or "neither",
                   hint=f"ranvier diff {file} --chip ideal --chip loihi1")  # fmt: skip


def _machines(
    network: Any,
    machines: list[str],
    dt: float | None,
    given: list[str] | None,
    asked: Asked | None,
    ticks: int | None,
    causes: bool,
    seed: int,
    progress: Progress,
) -> Any:
    from ranvier import bench
    from ranvier.cli._stimulus import read_stimulus
    from ranvier.compile import compile

    step = dt or recipe_dt(network)
    if asked is not None:
        step = dt or asked.dt
        stimulus: Any = asked.events
        more: dict[str, Any] = {"window": asked.ticks, "reset": True}
    else:
        _need_input(given, ticks)
        # Files of events are read against what a compiled network says of its inputs.
        program = compile(network, machines[0], dt=step, seed=seed)
        stimulus, step = read_stimulus(program, given or [], ticks=ticks), program.dt
        more = {"ticks": ticks}
    return bench.diff(
        network,
        machines[0],
        machines[1],
        stimulus,
        dt=step,
        seed=seed,
        causes=causes,
        progress=progress,
        **more,
    )


def _need_input(given: list[str] | None, ticks: int | None) -> None:
    from ranvier.errors import fail

    if not given and ticks is None:
        hints = ("--data digits --sample 0", "--input events.csv", "--ticks 100 for silence")
        raise fail("ticks", "ranvier diff", "needs to know what to run on", hint=hints)


def _ask_either(both: Any, data: str, sample: int, limit: int) -> Asked:
    """Samples as the one of two that is a network encodes them."""
    from ranvier.errors import fail

    for file, (kind, thing) in both:
        if kind == "network":
            return ask(kind, thing, file, data, sample, limit)
    raise fail("no-recipe", "--data", "only a trained network says how samples become spikes",
               hint="give the network (.rvn) as one of the two")  # fmt: skip


def _recording(
    opened: Opened,
    machine: str,
    dt: float | None,
    given: list[str] | None,
    asked: Asked | None,
    ticks: int | None,
    seed: int,
    progress: Progress,
) -> Any:
    """A recording as it is; of a program or a network, a run with all populations recorded."""
    from ranvier import sim
    from ranvier.cli._stimulus import populations, read_stimulus
    from ranvier.compile import compile

    kind, thing = opened
    if kind == "recording":
        return thing
    step = dt
    if kind == "network":
        step = dt or (asked.dt if asked else recipe_dt(thing))
    program = compile(thing, machine, dt=step, seed=seed) if kind == "network" else thing
    more: dict[str, Any] = {}
    if asked is not None:
        stimulus: Any = asked.events
        more = {"window": asked.ticks, "reset": True}
    else:
        _need_input(given, ticks)
        stimulus = read_stimulus(program, given or [], ticks=ticks)
    return sim.run(
        program, stimulus, ticks=ticks, record=populations(program), progress=progress, **more
    )


def _recordings(out: Output, a: Path, b: Path, left: Any, right: Any) -> int:
    """Spikes against spikes; without the network there is no cause to be named."""
    from ranvier.bench import share
    from ranvier.bench._diff import first_difference
    from ranvier.errors import fail

    names = [name for name in left.events if name in right.events]
    if not names:
        raise fail("nothing-to-compare", f"{a}, {b}", "have no recorded population in common",
                   got=", ".join(right.events) or "none", limit=", ".join(left.events) or "none",
                   hint="record the same populations: ranvier run --record NAME")  # fmt: skip
    shares = {name: share(left.output(name), right.output(name)) for name in names}
    first = first_difference(left.events, right.events, names)
    spikes = sum(found.either for found in shares.values())
    document = {
        "a": str(a),
        "b": str(b),
        "identical": first is None if spikes else None,
        "first": None
        if first is None
        else {
            "tick": first.tick,
            "population": first.population,
            "index": first.index,
            "fires_on": str(a if first.in_a else b),
        },
        "shares": {name: found.to_dict() for name, found in shares.items()},
    }
    lines = [f"{a} and {b} hold exactly the same spikes."]
    if not spikes:
        lines = [f"No spike fell in {a} or {b}: nothing was compared.", STRONGER]
    if first is not None:
        who, other = (a, b) if first.in_a else (b, a)
        where = f"{first.population}[{first.index}]"
        lines = [f"The first difference is at tick {first.tick}: {where} fires in {who} and not"
                 f" in {other}."]  # fmt: skip
    lines += [
        f"  {name}: {found.identical:.3%} of spikes in both ({found.both} / {found.either})"
        if found.either
        else f"  {name}: no spike"
        for name, found in shares.items()
    ]
    out.result(document, *lines)
    return 0 if spikes and first is None else 1


def _texts(out: Output, a: Path, b: Path, left: Any, right: Any) -> int:
    """Two networks as text; arrays differ where their hashes do."""
    from difflib import unified_diff

    old, new = (network.to_text().splitlines() for network in (left, right))
    lines = list(unified_diff(old, new, str(a), str(b), lineterm="", n=1))
    same = left.hash == right.hash
    if not lines and not same:
        lines = ["the texts are the same, the contents (metadata, say) are not"]
    document = {"a": str(a), "b": str(b), "identical": same, "text": lines}
    out.result(document, *(lines or [f"{a} and {b} are the same network."]))
    return 0 if same else 1


COMMAND = Command(
    function=diff,
    examples=(
        "ranvier diff digits.rvn --chip ideal --chip loihi1 --data digits --sample 0",
        "ranvier diff net.rvn --chip loihi1 --dt 1ms --input events.csv",
        "ranvier diff old.rvp new.rvp --input events.parquet --json",
        "ranvier diff recording1 recording2",
    ),
    panel="Judge",
    order=70,
)

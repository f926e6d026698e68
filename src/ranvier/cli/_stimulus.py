"""Events from files: Parquet, CSV and rasters of numpy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranvier.errors import RanvierError, fail, unknown

if TYPE_CHECKING:
    from ranvier.compile import Program
    from ranvier.events import Events

__all__ = ["MOST_TICKS", "input_sizes", "populations", "read_stimulus"]

MOST_TICKS = 1_000_000_000
"""A longer run takes hours at the least; it has to be meant."""

SUFFIXES = (".parquet", ".csv", ".npy")


def input_sizes(program: Program) -> dict[str, int]:
    """Number of sources of every input that takes events from outside, parts included."""
    sizes = {block.population: block.n for block in program.inputs}
    for part in program.parts.values():
        sizes |= {block.population: block.n for block in part.inputs}
    bridged = {bridge.population for bridge in program.bridges}
    return {name: n for name, n in sizes.items() if name not in bridged}


def populations(program: Program) -> list[str]:
    """Every population with neurons, parts included."""
    blocks = [b for p in (program, *program.parts.values()) for b in p.blocks]
    return list(dict.fromkeys(b.population for b in blocks))


def read_stimulus(
    program: Program, given: Sequence[str], *, ticks: int | None, force: bool | None = None
) -> dict[str, Events]:
    """Events per input from ``["FILE"]`` or ``["INPUT=FILE", ...]``.

    CSV and rasters say no tick length: they count in the program's ticks. Raises RanvierError that
    names the file and the line or event; and for a run of more than MOST_TICKS, without
    ``force`` (None where the command has no such option).
    """
    sizes = input_sizes(program)
    found: dict[str, Events] = {}
    for text in given:
        name, file = _split(text, list(sizes))
        if name in found:
            raise fail("duplicate-input", f"--input {name}", "is given twice")
        found[name] = _read(Path(file), sizes[name], program.dt, ticks)
    length = max((e.ticks for e in found.values()), default=0) if ticks is None else ticks
    if length > MOST_TICKS and not force:
        more = "use fewer ticks" if force is None else "run it all the same with --force"
        raise fail("many-ticks", "--ticks" if ticks is not None else "--input",
                   "is a run of hours or more", got=f"{length:,} ticks", limit=f"{MOST_TICKS:,}",
                   hint=("check the number", more))  # fmt: skip
    return found


def _split(text: str, inputs: list[str]) -> tuple[str, str]:
    name, equals, file = text.partition("=")
    if equals and (name in inputs or not Path(text).exists()):
        if name not in inputs:
            raise unknown("input", name, inputs, where="--input")
        return name, file
    if len(inputs) != 1:
        raise fail(
            "stimulus-name",
            "--input",
            f"the program has {len(inputs)} inputs",
            got=repr(text),
            limit=", ".join(inputs) or "none",
            hint=f"say which: --input {inputs[0]}={text}" if inputs else "leave --input out",
        )
    return inputs[0], text


def _read(path: Path, size: int, dt: float, ticks: int | None) -> Events:
    if not path.is_file():
        raise fail("no-such-file", str(path), "does not exist", hint="check the path")
    if path.suffix not in SUFFIXES:
        raise unknown("kind of event file", path.suffix or path.name, SUFFIXES, where=str(path))
    try:
        if path.suffix == ".parquet":
            from ranvier.events import read_events

            return read_events(path)
        if path.suffix == ".csv":
            return _read_csv(path, size, dt, ticks)
        return _read_raster(path, dt)
    except RanvierError as error:
        raise RanvierError(*(_placed(issue, path) for issue in error.issues)) from None


def _placed(issue: Any, path: Path) -> Any:
    from dataclasses import replace

    where = issue.where if str(path) in issue.where else f"{path}, {issue.where}"
    return replace(issue, where=where)


def _read_csv(path: Path, size: int, dt: float, ticks: int | None) -> Events:
    """Columns tick, id and perhaps payload; a first line of names is skipped."""
    import csv

    from ranvier.events import Events

    columns: tuple[list[Any], ...] = ([], [], [])
    named = False
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.reader(stream):
                number = len(columns[0]) + 1
                if not row or row[0].lstrip().startswith("#"):
                    continue
                if not columns[0] and row[0].strip().lower() == "tick":
                    named = True
                    continue
                try:
                    tick, index = int(row[0]), int(row[1])
                    value = float(row[2]) if len(row) > 2 else 1.0
                except (ValueError, IndexError):
                    raise fail(
                        "bad-event",
                        f"event {number}",
                        "is not 'tick,id' or 'tick,id,payload'",
                        got=repr(",".join(row))[:80],
                        hint="ticks and ids are whole numbers; times in seconds do not fit here",
                    ) from None
                for column, item in zip(columns, (tick, index, value), strict=True):
                    column.append(item)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise fail("cannot-read", str(path), f"cannot be read ({error})") from None
    if not columns[0] and not named:
        raise fail("empty-file", str(path), "is empty", limit="a line tick,id, then events",
                   hint="for silence keep the first line: tick,id")  # fmt: skip
    graded = any(value != 1.0 for value in columns[2])
    length = max([0, *(t + 1 for t in columns[0])]) if ticks is None else ticks
    none = None if not graded else columns[2]
    if not columns[0]:
        return Events.empty(size=size, ticks=length, dt=dt)
    return Events(columns[0], columns[1], size, length, dt, none)  # type: ignore[arg-type]


def _read_raster(path: Path, dt: float) -> Events:
    import numpy as np

    from ranvier.events import Events

    try:
        raster = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise fail(
            "damaged-file", str(path), "is not a numpy array of numbers",
            got="" if isinstance(error, ValueError) else str(error)[:200],
            hint="save it with numpy.save: an array [ticks, sources]",
        ) from None  # fmt: skip
    if raster.dtype.kind not in "biuf":
        raise fail("raster-dtype", str(path), "must hold numbers", got=raster.dtype)
    return Events.from_raster(raster, dt=dt)

"""A recording under way, on disk: a log of checked lines, and the closed part files it names.

The directory holds ``stream.jsonl``, ``part-<n>-events.parquet`` and ``part-<n>-series.parquet``.
The first line of the log says what is recorded; every further one names the part files of a flush,
with size, SHA-256 and what is in their row groups, and the tick up to which everything is on disk.
A line carries the start of a SHA-256 over itself and the line before it. A part is complete, and
synced, before its line is written; so whatever a killed run left behind, the lines that hold are
the recording, up to the tick of the last of them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranvier.bundle import canonical_json
from ranvier.errors import RanvierError, fail
from ranvier.events._files import Group, damaged

__all__ = [
    "BUNDLE",
    "LOG",
    "SERIES",
    "Entry",
    "Header",
    "Log",
    "Part",
    "PopulationInfo",
    "Series",
    "TraceInfo",
    "payload_values",
    "plain_name",
    "read_log",
    "refuse_disorder",
    "sealed",
    "whole_numbers",
]

LOG, BUNDLE, SERIES = "stream.jsonl", "recording.rvn", "series.parquet"
FORMAT = 1
DTYPES = ("f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
_PREFIX = len(b'{"check":"0123456789abcdef","entry":')


@dataclass(frozen=True)
class PopulationInfo:
    """A population of a recording: ``size`` sources.

    ``graded`` events carry a payload. Where ``recorded`` is False only counts are kept.
    """

    size: int
    graded: bool = False
    recorded: bool = True

    def __post_init__(self) -> None:
        _whole("PopulationInfo.size", self.size, 0, 2**31)


@dataclass(frozen=True, eq=False)
class TraceInfo:
    """A sampled state of ``size`` neurons: raw numbers of ``dtype``, a row every ``every`` ticks.

    SI values are ``raw * scale + offset``; both are numbers or arrays [size].
    """

    size: int
    dtype: Any = "f8"
    every: int = 1
    scale: Any = 1.0
    offset: Any = 0.0

    def __post_init__(self) -> None:
        _whole("TraceInfo.size", self.size, 0, 2**31)
        _whole("TraceInfo.every", self.every, 1, 2**62)
        try:
            dtype = np.dtype(self.dtype).str[1:]
        except TypeError:
            dtype = str(self.dtype)
        if dtype not in DTYPES:
            raise fail(
                "recording-dtype", "TraceInfo.dtype", "is not a number format that is stored",
                got=self.dtype, limit=", ".join(DTYPES),
            )  # fmt: skip
        object.__setattr__(self, "dtype", dtype)
        for name in ("scale", "offset"):
            object.__setattr__(self, name, self._factor(name))

    def _factor(self, name: str) -> Any:
        try:
            array = np.asarray(getattr(self, name), np.float64)
        except (TypeError, ValueError):
            array = np.zeros((0, 0))
        if array.shape not in ((), (1,), (self.size,)) or not np.all(np.isfinite(array)):
            raise fail(
                "recording-shape", f"TraceInfo.{name}", "must be finite: one number, or one each",
                got=array.shape, limit=f"() or ({self.size},)",
            )  # fmt: skip
        if array.size and np.all(array == array.flat[0]):
            return float(array.flat[0])
        return array


def _whole(where: str, value: Any, least: int, most: int) -> int:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        raise fail(
            "recording-range", where, "must be a whole number in its range",
            got=repr(value), limit=f"{least}..{most}",
        )  # fmt: skip
    return int(value)


@dataclass(frozen=True)
class Series:
    """Rows of numbers over time: a trace, the counts of a population, or a counter."""

    kind: str
    name: str
    size: int
    dtype: str = "i8"


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a recording holds, known before its first tick."""

    dt: float
    program_hash: str
    populations: Mapping[str, PopulationInfo]
    traces: Mapping[str, TraceInfo] = field(default_factory=dict[str, Any])
    window: int | None = None
    start: int = 0
    counters: tuple[str, ...] = ()
    blocks: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        number = isinstance(self.dt, (int, float, np.number)) and not isinstance(self.dt, bool)
        if not number or not np.isfinite(self.dt) or not self.dt > 0:
            raise fail("events-dt", "recording.dt", "must be positive seconds", got=repr(self.dt))
        if self.window is not None:
            _whole("recording.window", self.window, 1, 2**62)
        _whole("recording.start", self.start, 0, 2**62)
        for name, info in self.populations.items():
            if not isinstance(info, PopulationInfo):
                raise fail("recording-info", f"populations[{name!r}]", "must be a PopulationInfo")
        for name, info in self.traces.items():
            if not isinstance(info, TraceInfo):
                raise fail("recording-info", f"traces[{name!r}]", "must be a TraceInfo")

    def series(self) -> list[Series]:
        """Every series, in the order of their numbers on disk."""
        return [
            *(Series("trace", n, t.size, t.dtype) for n, t in self.traces.items()),
            *(Series("counts", n, p.size) for n, p in self.populations.items()),
            *(Series("counters", n, len(self.blocks)) for n in self.counters),
        ]

    def length(self, end: int) -> int:
        """Ticks of a window of a recording that ends at the machine's tick ``end``."""
        return self.window or max(1, end)

    def windows(self, end: int) -> int:
        """Windows of a recording that ends at the machine's tick ``end``."""
        length = self.length(end)
        return max(1, -(-(self.start % length + end - self.start) // length))

    def to_document(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "format": FORMAT,
            "dt": float(self.dt),
            "program": self.program_hash,
            "window": self.window,
            "start": int(self.start),
            "populations": [
                [n, int(p.size), bool(p.graded), bool(p.recorded)]
                for n, p in self.populations.items()
            ],
            "traces": [
                [n, int(t.size), t.dtype, int(t.every), _pack(t.scale), _pack(t.offset)]
                for n, t in self.traces.items()
            ],
            "counters": list(self.counters),
            "blocks": [[n, int(core)] for n, core in self.blocks],
        }

    @classmethod
    def from_document(cls, document: Any, where: str = "recording") -> Header:
        """The inverse of :meth:`to_document`; any exception where it makes no sense."""
        if document["format"] != FORMAT:
            raise fail(
                "bundle-format", where, "was written in another format version",
                got=document["format"], limit=FORMAT, hint="upgrade ranvier",
            )  # fmt: skip
        return cls(
            dt=document["dt"],
            program_hash=str(document["program"]),
            window=document["window"],
            start=document["start"],
            populations={n: PopulationInfo(s, g, r) for n, s, g, r in document["populations"]},
            traces={
                n: TraceInfo(size, dtype, every, _unpack(scale, size), _unpack(offset, size))
                for n, size, dtype, every, scale, offset in document["traces"]
            },
            counters=tuple(document["counters"]),
            blocks=tuple((str(n), int(core)) for n, core in document["blocks"]),
        )


def _pack(value: Any) -> Any:
    if isinstance(value, float):
        return value
    return base64.b64encode(zlib.compress(np.asarray(value, "<f8").tobytes())).decode()


def _unpack(value: Any, size: int) -> Any:
    if not isinstance(value, str):
        return value
    inflate = zlib.decompressobj()
    return np.frombuffer(inflate.decompress(base64.b64decode(value), 8 * size + 1), "<f8")


def whole_numbers(where: str, name: str, values: ArrayLike) -> NDArray[Any]:
    """An array [n] of integers, or one clear error."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise fail("events-shape", f"{where} {name}", "must be one-dimensional", got=array.shape)
    if array.size and array.dtype.kind not in "iu":
        raise fail("events-dtype", f"{where} {name}", "must hold integers", got=array.dtype)
    return array


def refuse_disorder(where: str, when: NDArray[Any], least: int, strictly: bool) -> None:
    """One clear error for ticks [n > 0] that decrease, or begin before ``least``."""
    if int(when[0]) < least:
        raise fail("recording-order", where, "ticks must not decrease from call to call",
                   got=int(when[0]), limit=f"{least} or later")  # fmt: skip
    wrong = when[1:] <= when[:-1] if strictly else when[1:] < when[:-1]
    if np.any(wrong):
        at = int(np.flatnonzero(wrong)[0]) + 1
        raise fail("events-unsorted", f"{where} tick[{at}]", "ticks must not decrease",
                   got=f"{when[at]} after {when[at - 1]}")  # fmt: skip
    if int(when[-1]) > 2**62:
        raise fail("events-range", where, "out of range", got=when[-1], limit=2**62)


def payload_values(
    where: str, payload: ArrayLike | None, shape: tuple[int, ...], graded: bool
) -> NDArray[Any] | None:
    """Payloads [n] of graded events (1 by default), None of plain ones, or one clear error."""
    if not graded:
        if payload is not None:
            raise fail("events-payload", where, "events of this population carry no payload",
                       hint="say PopulationInfo(..., graded=True)")  # fmt: skip
        return None
    value = np.ones(shape) if payload is None else np.asarray(payload)
    if value.shape != shape or value.dtype.kind not in "iuf" or not np.all(np.isfinite(value)):
        raise fail("events-payload", where, "needs one finite number per event",
                   got=f"{value.dtype} {value.shape}", limit=shape)  # fmt: skip
    return value


# -- the log --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Part:
    """A closed file of a flush: its name, size in bytes, SHA-256 and row groups, one after the
    other in ``held`` (a flat list, because a long run has many)."""

    file: str
    bytes: int
    sha256: str
    held: Sequence[int]

    @property
    def groups(self) -> list[Group]:
        """The row groups."""
        return list(zip(*(self.held[k::4] for k in range(4)), strict=True))  # type: ignore


@dataclass(frozen=True)
class Entry:
    """A line of the log: everything before the machine's tick ``tick`` is on disk.

    ``checkpoint`` is the name of the state at just that tick, or "". ``end`` closes the recording.
    """

    tick: int
    parts: tuple[Part, ...] = ()
    checkpoint: str = ""
    end: bool = False

    def to_document(self) -> dict[str, Any]:
        """As plain data."""
        parts = [[p.file, p.bytes, p.sha256, list(p.held)] for p in self.parts]
        return {
            "tick": self.tick, "parts": parts, "checkpoint": self.checkpoint, "end": self.end
        }  # fmt: skip

    @classmethod
    def from_document(cls, document: Any) -> Entry:
        """The inverse of :meth:`to_document`; any exception where it makes no sense."""
        parts = tuple(
            Part(plain_name(file), size, digest, held)
            for file, size, digest, held in document["parts"]
        )
        checkpoint = document["checkpoint"] and plain_name(document["checkpoint"])
        return cls(int(document["tick"]), parts, checkpoint, bool(document["end"]))


def plain_name(name: Any) -> str:
    """A name of this directory, never a path out of it."""
    if not isinstance(name, str) or "/" in name or name[:1] in ("", "."):
        raise ValueError(f"{name!r} is not a plain file name")
    return name


@dataclass(frozen=True)
class Log:
    """The lines that hold: the header, the entries and, for each, its check and where it ends."""

    header: Header
    bodies: tuple[bytes, ...]
    checks: tuple[str, ...]
    ends: tuple[int, ...]
    place: Path

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, made when first asked for: a long run has many."""
        return tuple(self._entry(number) for number in range(len(self.bodies)))

    def _entry(self, number: int) -> Entry:
        try:
            return Entry.from_document(json.loads(self.bodies[number]))
        except Exception as error:  # a stranger's file: whatever is wrong, one clear error
            what = str(error)[:200]
            raise damaged(self.place, "does not describe a recording", got=what) from error

    @cached_property
    def last(self) -> Entry:
        """The last entry; before the first flush one that holds nothing."""
        return self._entry(-1) if self.bodies else Entry(self.header.start)

    def upto(self, number: int) -> Log:
        """The log as it was when it had only ``number`` entries."""
        n = number + 1
        return Log(self.header, self.bodies[:number], self.checks[:n], self.ends[:n], self.place)

    @property
    def tick(self) -> int:
        """Up to which everything is on disk."""
        return self.last.tick

    @property
    def complete(self) -> bool:
        """Whether the recording was closed."""
        return self.last.end


def sealed(document: Any, before: str) -> tuple[bytes, str]:
    """A line of the log, and its check, which is that of the next line to go on from."""
    body = canonical_json(document)
    check = _check(body, before)
    return b'{"check":"%s","entry":%s}\n' % (check.encode(), body), check


def _check(body: bytes, before: str) -> str:
    return hashlib.sha256(before.encode() + body).hexdigest()[:16]


def _opened(line: bytes, before: str) -> tuple[bytes, str] | None:
    """Document and check of a line, or None where it is torn or altered."""
    body, check = line[_PREFIX:-2], line[10:26].decode("ascii", "replace")
    if not line.endswith(b"}\n") or _check(body, before) != check:
        return None
    return body, check


def read_log(folder: Path) -> Log:
    """What the log of a directory says; a torn or garbled end is left out.

    Raises RanvierError when its beginning is damaged, or when whole lines follow a damaged one: a
    killed run leaves neither behind.
    """
    place = folder / LOG
    try:
        lines = place.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise fail("cannot-read", str(place), f"cannot be read ({error.strerror})") from error
    first = _opened(lines[0], "") if lines else None
    if first is None:
        raise damaged(place, "does not begin as the log of a recording does")
    try:
        header, check = Header.from_document(json.loads(first[0]), str(place)), first[1]
    except RanvierError:
        raise
    except Exception as error:  # a stranger's file: whatever is wrong, one clear error
        raise damaged(place, "does not describe a recording", got=str(error)[:200]) from error
    bodies: list[bytes] = []
    checks, ends = [check], [len(lines[0])]
    for number, line in enumerate(lines[1:], 1):
        found = _opened(line, check)
        if found is None:
            _refuse_a_gap(place, lines, number)
            break
        bodies.append(found[0])
        check = found[1]
        checks.append(check)
        ends.append(ends[-1] + len(line))
    return Log(header, tuple(bodies), tuple(checks), tuple(ends), place)


def _refuse_a_gap(place: Path, lines: list[bytes], number: int) -> None:
    """After a bad line nothing may look like one of ours."""
    for line in lines[number + 1 :]:
        if line.startswith(b'{"check":"') and line.endswith(b"}\n"):
            raise damaged(place, "is altered, and lines follow it", got=f"line {number + 1}")

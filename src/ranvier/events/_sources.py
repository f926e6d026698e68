"""Where the rows of a recording on disk are, in its parts or in its final files."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.bundle import FORMAT, MAX_JSON_BYTES, MAX_MANIFEST_BYTES, read_bundle
from ranvier.errors import RanvierError, fail
from ranvier.events._files import damaged, from_raw
from ranvier.events._parts import (
    BUNDLE,
    LOG,
    SERIES,
    Header,
    Log,
    Part,
    PopulationInfo,
    Series,
    TraceInfo,
    plain_name,
    read_log,
)
from ranvier.events._recording import Recording, State

__all__ = [
    "Chunk",
    "CompactSource",
    "PartsSource",
    "Ref",
    "Source",
    "TickSorter",
    "footer_hash",
    "load_checkpoint",
    "open_source",
    "read_event_rows",
    "read_series_rows",
]

Chunk = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64] | None]


class Ref(NamedTuple):
    """A row group: its file, its number in it, and its first and last tick (the machine's)."""

    file: str
    group: int
    first: int
    last: int


class PartsSource:
    """A recording under way, or one whose writer was killed: the parts that its log names."""

    compact = False

    def __init__(self, folder: Path) -> None:
        log = read_log(folder)
        self.folder, self.log = folder, log
        self.header, self.end, self.complete = log.header, log.tick, log.complete
        self.shift = 0
        self._index: dict[tuple[str, int], list[Ref]] = {}
        self._seen: set[str] = set()

    @cached_property
    def _parts(self) -> dict[str, Part]:
        return {part.file: part for entry in self.log.entries for part in entry.parts}

    def _refs(self, kind: str, number: int) -> list[Ref]:
        """Row groups of a number; put together when first asked for, because they may be many."""
        if not self._index:
            for part in self._parts.values():
                which = "series" if part.file.endswith("-series.parquet") else "events"
                for group, (who, _, first, last) in enumerate(part.groups):
                    refs = self._index.setdefault((which, who), [])
                    refs.append(Ref(part.file, group, first, last))
        return self._index.get((kind, number), [])

    def events(self, population: str) -> list[Ref]:
        """The row groups of a population's events, in order of time."""
        number = list(self.header.populations).index(population)
        return self._refs("events", number)

    def series(self, number: int) -> list[Ref]:
        """The row groups of a series, in order of time."""
        return self._refs("series", number)

    def files(self) -> list[str]:
        """Every part, in order."""
        return list(self._parts)

    def groups(self, file: str) -> list[tuple[int, int]]:
        """The row groups of a part: their numbers, and those of what they hold."""
        return [(k, group[0]) for k, group in enumerate(self._parts[file].groups)]

    def check(self, file: str) -> None:
        """Raise RanvierError where a part is not what was written."""
        part, place = self._parts[file], self.folder / file
        if file in self._seen:
            return
        with open(place, "rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != part.sha256:
            raise damaged(place, "does not match its hash: truncated or altered",
                          got=place.stat().st_size, limit=part.bytes)  # fmt: skip
        self._seen.add(file)

    def checkpoint(self) -> State | None:
        """The newest state that can be read."""
        found = load_checkpoint(self.folder, self.log)
        return None if found is None else found[1]


class CompactSource:
    """A closed recording: a Parquet file a population, and a bundle."""

    compact = complete = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.document = document = read_document(folder / BUNDLE, "recording")
        self._arrays: Mapping[str, NDArray[Any]] | None = None
        stream = document.get("stream")
        self.streamed = stream is not None
        self.header = self._plain_header() if stream is None else Header.from_document(stream)
        self.end = self.shift = document["start"]
        self.end += document["ticks"]
        self._names = {n: f"events-{k}.parquet" for k, n in enumerate(sorted(document["events"]))}
        self._meta: dict[str, Any] = {}

    def _plain_header(self) -> Header:
        """That of a recording which was saved in one go."""
        document = self.document
        populations = {
            name: PopulationInfo(e["size"], e["graded"]) for name, e in document["events"].items()
        }
        for name in document["counts"]:
            if name not in populations:
                size = self.arrays[f"counts/{name}"].shape[1]
                populations[name] = PopulationInfo(int(size), False, False)
        traces: dict[str, TraceInfo] = {}
        for name in document["traces"]:
            raw = self.arrays[f"trace/{name}/raw"]
            both = (self.arrays[f"trace/{name}/{k}"] for k in ("scale", "offset"))
            traces[name] = TraceInfo(int(raw.shape[1]), raw.dtype, 1, *both)
        return Header(
            dt=document["dt"],
            program_hash=document["program"],
            populations=populations,
            traces=traces,
            window=document["window"],
            start=document["start"],
            counters=tuple(document["counters"]),
            blocks=tuple((b[0], b[1]) for b in document["blocks"]),
        )

    @property
    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The arrays of the bundle, read when first asked for."""
        if self._arrays is None:
            self._arrays = read_bundle(self.folder / BUNDLE, "recording")[1]
        return self._arrays

    def metadata(self, file: str) -> Any:
        """What the end of a Parquet file says, once it was checked."""
        if file not in self._meta:
            import pyarrow.parquet as pq

            place, wanted = self.folder / file, self.document.get("footers", {}).get(file)
            if wanted is not None and footer_hash(place) != wanted:
                raise damaged(place, "its end does not match its hash: truncated or altered")
            self._meta[file] = pq.read_metadata(place)
        return self._meta[file]

    def events(self, population: str) -> list[Ref]:
        """The row groups of a population's events, in order of time."""
        file = self._names[population]
        meta, refs = self.metadata(file), []
        column = meta.schema.names.index("tick")
        for group in range(meta.num_row_groups):
            found = meta.row_group(group).column(column).statistics
            first, last = 0, 2**62
            if found is not None and found.has_min_max:
                first, last = found.min, found.max
            refs.append(Ref(file, group, first + self.shift, last + self.shift))
        return refs

    def series(self, number: int) -> list[Ref]:
        """The row groups of a series, in order of time."""
        groups = enumerate(self.document["series"])
        return [Ref(SERIES, k, first, last) for k, (n, _, first, last) in groups if n == number]

    def check(self, file: str) -> None:
        """Raise RanvierError where the end of a file is not what was written."""
        self.metadata(file)

    def checkpoint(self) -> State | None:
        """The state at the end."""
        if self.document.get("checkpoint"):
            return State.load(self.folder / plain_name(self.document["checkpoint"]))
        if self.document["state"] is None:
            return None
        return Recording.from_document(
            {**self.document, "traces": [], "counts": [], "counters": []}, self.arrays, {}
        ).state


Source = PartsSource | CompactSource


def open_source(path: Path) -> Source:
    """Whichever form a recording has; raises RanvierError when it is none."""
    if not path.is_dir():
        raise fail("no-such-file", str(path), "is not a recording directory", hint="check the path")
    try:
        if (path / BUNDLE).exists():
            return CompactSource(path)
        if (path / LOG).exists():
            return PartsSource(path)
    except RanvierError:
        if not (path / LOG).exists() and (path / BUNDLE).exists():
            return CompactSource(path)  # it was closed just now
        raise
    except Exception as error:  # a stranger's file: whatever is wrong, one clear error
        raise damaged(path, "does not describe a recording", got=str(error)[:200]) from error
    raise fail(
        "not-a-recording", str(path), "is not a recording: it has neither of its files",
        limit=f"a directory with {BUNDLE}, or {LOG} while it is written", hint="check the path",
    )  # fmt: skip


def read_document(place: Path, kind: str) -> Any:
    """The document of a zipped bundle, checked, without the arrays beside it."""
    try:
        with zipfile.ZipFile(place) as archive:
            sizes = {m.filename: m.file_size for m in archive.infolist()}
            small = sizes["manifest.json"] <= MAX_MANIFEST_BYTES
            if not small or sizes["document.json"] > MAX_JSON_BYTES:
                raise ValueError("a member is too large")
            manifest = json.loads(archive.read("manifest.json"))
            text = archive.read("document.json")
        wanted = manifest["members"]["document.json"]["sha256"]
        found = manifest["ranvier"], manifest["format"], wanted
        if found == (kind, FORMAT, hashlib.sha256(text).hexdigest()):
            return json.loads(text)
    except Exception:
        pass  # the full reader says what is wrong
    return read_bundle(place, kind)[0]


def footer_hash(place: Path) -> str:
    """SHA-256 of the end of a Parquet file, which says where everything is."""
    with open(place, "rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - 8))
        length = int.from_bytes(stream.read(4), "little") + 8
        stream.seek(max(0, size - length))
        return hashlib.sha256(size.to_bytes(8, "little") + stream.read()).hexdigest()


def load_checkpoint(folder: Path, log: Log) -> tuple[int, State] | None:
    """The newest checkpoint that can be read, and the number of its entry; None without any."""
    trouble: RanvierError | None = None
    for number in reversed(range(len(log.entries))):
        entry = log.entries[number]
        if not entry.checkpoint or not (folder / entry.checkpoint).exists():
            continue
        try:
            state = State.load(folder / entry.checkpoint)
            if (state.tick, state.program_hash) != (entry.tick, log.header.program_hash):
                raise damaged(folder / entry.checkpoint, "is the state of another run")
            return number, state
        except RanvierError as error:
            trouble = trouble or error
    if trouble is not None:
        raise trouble
    return None


class TickSorter:
    """Sorts events by tick, then id, of pieces whose ticks do not decrease.

    Events of the last tick wait, because the next piece may have more of it.
    """

    def __init__(self) -> None:
        self._last: list[list[NDArray[Any]]] = []

    def add(self, columns: list[NDArray[Any]]) -> Iterator[list[NDArray[Any]]]:
        """More events, [tick, id, ...]: those whose tick is over come back, sorted."""
        tick = columns[0]
        if not tick.size:
            return
        if self._last and tick[0] != self._last[0][0][0]:
            yield from self.end()
        at = int(np.searchsorted(tick, tick[-1]))
        if at:
            pieces, self._last = [*self._last, [c[:at] for c in columns]], []
            yield _sorted(pieces)
        self._last.append([c[at:] for c in columns])

    def end(self) -> Iterator[list[NDArray[Any]]]:
        """What waits."""
        if self._last:
            pieces, self._last = self._last, []
            yield _sorted(pieces)


def _sorted(pieces: list[list[NDArray[Any]]]) -> list[NDArray[Any]]:
    tick, index, *more = (np.concatenate(c) for c in zip(*pieces, strict=True))
    if np.any((tick[1:] == tick[:-1]) & (index[1:] < index[:-1])):
        order = np.lexsort((index, tick))
        return [c[order] for c in (tick, index, *more)]
    return [tick, index, *more]


def read_event_rows(
    source: Source, refs: list[Ref], a: int, b: int, info: PopulationInfo
) -> Iterator[Chunk]:
    """Events of row groups with a <= tick < b (the machine's ticks), a row group at a time."""
    columns = ["tick", "id", *(["payload"] if info.graded else [])]
    for table in _groups(source, refs, a, b, columns):
        tick = table["tick"].to_numpy() + source.shift
        index = table["id"].to_numpy()
        payload = table["payload"].to_numpy() if info.graded else None
        x, y = np.searchsorted(tick, [a, b])
        yield tick[x:y], index[x:y], None if payload is None else payload[x:y]


def read_series_rows(
    source: Source, refs: list[Ref], a: int, b: int, series: Series
) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
    """Rows of a series with a <= tick < b (the machine's ticks), a row group at a time."""
    for table in _groups(source, refs, a, b, ["tick", "raw"]):
        tick = table["tick"].to_numpy()
        x, y = np.searchsorted(tick, [a, b])
        raw = table["raw"].slice(x, y - x)
        yield tick[x:y], from_raw(raw, series.size, series.dtype)


def _groups(source: Source, refs: list[Ref], a: int, b: int, columns: list[str]) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    needed = [ref for ref in refs if ref.last >= a and ref.first < b]
    at = 0
    while at < len(needed):
        file = needed[at].file
        place = source.folder / file
        source.check(file)
        try:
            with pq.ParquetFile(place, page_checksum_verification=True) as opened:
                while at < len(needed) and needed[at].file == file:
                    yield opened.read_row_group(needed[at].group, columns=columns)
                    at += 1
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise damaged(place, "cannot be read", got=str(error)[:200]) from error

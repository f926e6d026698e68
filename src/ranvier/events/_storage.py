"""Recordings on disk: a directory of Parquet files (one per population) and a bundle."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ranvier.bundle import read_bundle, write_bundle
from ranvier.errors import fail
from ranvier.events._events import Events
from ranvier.events._recording import Recording

__all__ = ["read_events", "read_recording", "save_recording", "write_events"]


def write_events(events: Events, path: Path) -> None:
    """One Parquet file: columns tick, id and, for graded events, payload; size, ticks and dt in the
    metadata. Row groups of 128k rows so that a window is read without the rest."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"tick": events.tick, "id": events.id}
    if events.payload is not None:
        columns["payload"] = events.payload
    meta = {"size": str(events.size), "ticks": str(events.ticks), "dt": repr(events.dt)}
    table = pa.table(columns).replace_schema_metadata(meta)
    encodings = {"tick": "DELTA_BINARY_PACKED", "id": "DELTA_BINARY_PACKED"}
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            use_dictionary=False,
            column_encoding=encodings,
            row_group_size=131072,
        )
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise fail(
            "cannot-write",
            str(path),
            f"could not be written ({error.strerror or error})",
            hint="free some disk space, or write elsewhere",
        ) from error


def read_events(path: Path) -> Events:
    """The events of a Parquet file; raises RanvierError when it is missing or damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise fail("no-such-file", str(path), "does not exist")
    try:
        table = pq.read_table(path)
        meta = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
        columns = {name: table[name].to_numpy() for name in table.column_names}
        return Events(
            columns["tick"],
            columns["id"],
            int(meta["size"]),
            int(meta["ticks"]),
            float(meta["dt"]),
            columns.get("payload"),
        )
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        raise fail(
            "damaged-recording", str(path), "is not a readable event file", got=str(error)[:200]
        ) from error


def save_recording(recording: Recording, path: Path) -> Path:
    """Write beside the final place, then rename."""
    if path.exists() and not (path / "recording.rvn").exists():
        raise fail(
            "not-a-recording",
            str(path),
            "something that is not a recording is in the way",
            hint="choose another name; nothing was changed",
        )
    if not path.parent.is_dir():
        raise fail("no-such-directory", str(path), "the directory to write into does not exist")
    fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        write_bundle(fresh / "recording.rvn", "recording", *recording.to_document())
        for number, name in enumerate(sorted(recording.events)):
            write_events(recording.events[name], fresh / f"events-{number}.parquet")
        os.chmod(fresh, 0o755)
        if path.exists():
            shutil.rmtree(path)
        os.replace(fresh, path)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return path


def read_recording(path: Path) -> Recording:
    """The inverse of :func:`save_recording`."""
    if not path.is_dir():
        raise fail("no-such-file", str(path), "is not a recording directory", hint="check the path")
    document, arrays = read_bundle(path / "recording.rvn", "recording")
    events = {
        name: read_events(path / f"events-{number}.parquet")
        for number, name in enumerate(sorted(document["events"]))
    }
    return Recording.from_document(document, arrays, events)

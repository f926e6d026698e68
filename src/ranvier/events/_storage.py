"""Recordings on disk: a directory of Parquet files (one per population) and a bundle."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.bundle import read_bundle, replace_directory, write_bundle
from ranvier.errors import RanvierError, fail
from ranvier.events._directory import is_recording
from ranvier.events._events import Events
from ranvier.events._files import ROWS, damaged, parquet_options
from ranvier.events._parts import BUNDLE, LOG, SERIES
from ranvier.events._recording import Recording

__all__ = ["read_events", "read_recording", "save_recording", "write_events"]


def write_events(events: Events, path: str | Path) -> None:
    """One Parquet file: columns tick, id and, for graded events, payload; size, ticks, dt and a
    SHA-256 of the content in the metadata. Row groups of 128k rows so that a window is read
    without the rest. Atomic; raises RanvierError when the disk is full."""
    target, name = Path(path), None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        _write_table(events, name)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException as error:
        if name is not None:
            Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _cannot_write(target, error) from error
        raise


def _cannot_write(path: Path, error: OSError) -> RanvierError:
    return fail(
        "cannot-write",
        str(path),
        f"could not be written ({error.strerror or error}); what was there is unchanged",
        hint="free some disk space, or write elsewhere",
    )


def _digest(events: Events) -> str:
    digest = hashlib.sha256(repr((events.size, events.ticks, events.dt)).encode())
    for column in (events.tick, events.id, events.payload):
        digest.update(b"-" if column is None else np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _write_table(events: Events, path: str | Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"tick": events.tick, "id": events.id}
    if events.payload is not None:
        columns["payload"] = events.payload
    meta = {
        "size": str(events.size),
        "ticks": str(events.ticks),
        "dt": repr(events.dt),
        "sha256": _digest(events),
    }
    pq.write_table(
        pa.table(columns).replace_schema_metadata(meta),
        path,
        row_group_size=ROWS,
        **parquet_options(columns),
    )


def read_events(path: str | Path) -> Events:
    """The events of a Parquet file; raises RanvierError when it is missing, damaged or altered.

    A file without our hash (written by another program) is read, and checked like any events.
    """
    import pyarrow.parquet as pq

    place = Path(path)
    if not place.is_file():
        raise fail("no-such-file", str(place), "does not exist", hint="check the path")
    try:
        with pq.ParquetFile(place, page_checksum_verification=True) as file:
            table = file.read()
        meta = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
        columns = {name: table[name].to_numpy() for name in table.column_names}
        events = Events(
            columns["tick"],
            columns["id"],
            int(meta["size"]),
            int(meta["ticks"]),
            float(meta["dt"]),
            columns.get("payload"),
        )
        if meta.get("sha256", _digest(events)) != (found := _digest(events)):
            raise fail("damaged-recording", str(place), "does not match its hash", got=found[:12])
    except RanvierError:
        raise
    except Exception as error:  # a stranger's file: whatever is wrong, one clear error
        raise fail(
            "damaged-recording",
            str(place),
            "is not a readable event file",
            got=f"{type(error).__name__}: {error}"[:200],
            limit="Parquet with columns tick and id, and size, ticks and dt as metadata",
        ) from error
    return events


def save_recording(recording: Recording, path: Path) -> Path:
    """Write beside the final place, then swap."""
    from ranvier.events._sources import footer_hash

    if path.exists() and not is_recording(path):
        raise fail(
            "not-a-recording",
            str(path),
            "something that is not a recording is in the way",
            hint="choose another name; nothing was changed",
        )
    if not path.parent.is_dir():
        raise fail(
            "no-such-directory",
            str(path),
            "the directory to write into does not exist",
            got=str(path.parent),
            hint=f"make it first: mkdir -p {path.parent}",
        )

    def fill(fresh: Path) -> None:
        document, arrays = recording.to_document()
        hashes: dict[str, str] = {}
        for number, name in enumerate(sorted(recording.events)):
            file = fresh / f"events-{number}.parquet"
            _write_table(recording.events[name], file)
            hashes[name] = hashlib.sha256(file.read_bytes()).hexdigest()
        document["footers"] = {f.name: footer_hash(f) for f in fresh.glob("events-*")}
        write_bundle(fresh / BUNDLE, "recording", {**document, "hashes": hashes}, arrays)

    try:
        replace_directory(path, fill)
    except OSError as error:
        raise _cannot_write(path, error) from error
    except RanvierError as error:
        # The bundle inside names a temporary place that is gone by now.
        (first, *_), place = error.issues, str(path)
        raise fail(first.code, place, first.message, hint=first.hint) from error
    return path


def read_recording(path: Path) -> Recording:
    """The inverse of :func:`save_recording`; every file is checked against its hash first.

    Of a recording that was not closed, everything up to its last flush.
    """
    from ranvier.events._stored import StoredRecording

    if not path.is_dir():
        raise fail("no-such-file", str(path), "is not a recording directory", hint="check the path")
    if not (path / BUNDLE).exists() and (path / LOG).exists():
        return StoredRecording(path).load()
    document, arrays = read_bundle(path / BUNDLE, "recording")
    names = {f"events-{k}.parquet": n for k, n in enumerate(sorted(document["events"]))}
    hashes = {file: document["hashes"][name] for file, name in names.items()}
    series = {SERIES: document["files"][SERIES]} if document.get("files") else {}
    for file, wanted in {**hashes, **series}.items():
        if not (path / file).is_file():
            raise damaged(path / file, "is missing")
        with open(path / file, "rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != wanted:
                raise damaged(path / file, "does not match its hash: truncated or altered")
    if "stream" in document:
        return StoredRecording(path).load()
    events = {name: read_events(path / file) for file, name in names.items()}
    return Recording.from_document(document, arrays, events)

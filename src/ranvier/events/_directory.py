"""The directory of a recording: made, taken by one writer, and tidied up after a killed one."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

from ranvier.bundle import replace_directory
from ranvier.errors import RanvierError, fail
from ranvier.events._files import cannot_write, remove, sync_directory, write_synced
from ranvier.events._parts import BUNDLE, LOG, Header, Log, sealed

__all__ = ["is_complete", "is_recording", "locked", "make", "sequence", "sweep"]

_OURS = re.compile(
    r"(recording\.rvn|stream\.jsonl|series\.parquet|events-\d+\.parquet|state-\d+"
    r"|part-\d+-(events|series)\.parquet|\.(recording|stream|series|events|part|state).*)"
)
"""Names of the files of a recording; hidden ones were left by a writer that was killed."""


def is_recording(path: Path) -> bool:
    """True where nothing but a recording of ours would be replaced."""
    if not path.is_dir():
        return False
    there = {item.name for item in path.iterdir()}
    return not there or (bool(there & {BUNDLE, LOG}) and all(_OURS.fullmatch(n) for n in there))


def make(place: Path, header: Header, overwrite: bool) -> None:
    """A new directory with a log that has its first line."""
    if not place.parent.is_dir():
        raise fail(
            "no-such-directory", str(place), "the directory to write into does not exist",
            got=str(place.parent), hint=f"make it first: mkdir -p {place.parent}",
        )  # fmt: skip
    if place.exists() and not is_recording(place):
        raise fail(
            "not-a-recording", str(place), "something that is not a recording is in the way",
            hint="choose another name; nothing was changed",
        )  # fmt: skip
    if place.exists() and any(place.iterdir()) and not overwrite:
        raise fail(
            "recording-exists", str(place), "there is a recording already",
            hint=("choose another name", "StreamWriter.resume goes on with it",
                  "overwrite=True replaces it"),
        )  # fmt: skip
    if (place / LOG).is_file():
        os.close(locked(place))
    try:
        line, _ = sealed(header.to_document(), "")
        replace_directory(place, lambda fresh: write_synced(fresh / LOG, line))
    except OSError as error:
        raise cannot_write(place, error) from error
    with suppress(OSError):
        sync_directory(place.parent)


def locked(place: Path) -> int:
    """A handle of the log that no other writer has."""
    try:
        handle = os.open(place / LOG, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise cannot_write(place, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise fail(
            "recording-in-use", str(place), "is being written by another process or writer",
            hint="wait for it to end",
        ) from error  # fmt: skip
    return handle


def is_complete(place: Path) -> RanvierError:
    """Make the error for a recording that is closed."""
    return fail(
        "recording-complete", str(place), "was closed: there is nothing to go on with",
        hint="record into another directory",
    )  # fmt: skip


def sequence(name: str) -> int:
    """The number in the name of a part or checkpoint."""
    head, _, rest = name.partition("-")
    digits = rest.partition("-")[0]
    return int(digits) if head in ("part", "state") and digits.isdigit() else 0


def sweep(place: Path, log: Log) -> None:
    """Remove what the log does not name: later parts, and what a killed writer left half done."""
    kept = {LOG, *(p.file for e in log.entries for p in e.parts)}
    kept |= {e.checkpoint for e in log.entries if e.checkpoint}
    for item in place.iterdir():
        if item.name not in kept and _OURS.fullmatch(item.name):
            remove(item)
    sync_directory(place)

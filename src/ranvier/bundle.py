"""Networks, programs and recordings on disk: JSON + safetensors + a manifest of hashes.

A bundle is a directory, or a zip file when its name ends in ``.zip``, ``.rvn`` (network) or
``.rvp`` (program). It holds ``manifest.json`` (kind, format version, SHA-256 and size of every
other member), ``document.json`` (canonical JSON) and ``arrays.safetensors``. It is written beside
its final place and renamed into it, so a reader sees the old bundle or the new one, never half of
one. Reading executes nothing: JSON and safetensors hold data only, and every member is checked
against the manifest first. Ground floor: imports only :mod:`ranvier.errors`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import RanvierError, fail

__all__ = [
    "FORMAT",
    "canonical_json",
    "content_hash",
    "read_bundle",
    "replace_directory",
    "write_bundle",
]

FORMAT = 1
ZIP_SUFFIXES = (".zip", ".rvn", ".rvp")
MEMBERS = ("manifest.json", "document.json", "arrays.safetensors")
MAX_JSON_BYTES = 512 * 2**20
"""A document larger than this is refused unread: parameters belong into the arrays."""
MAX_MANIFEST_BYTES = 2**16
MAX_DEFLATED_BYTES = 2**30
"""Larger members are stored as they are, so that a small file can never ask for much memory."""
MAX_DEPTH = 100
"""Levels of nesting in a document; what we write has fewer than ten."""

Arrays = Mapping[str, NDArray[Any]]


def canonical_json(document: Any) -> bytes:
    """JSON with sorted keys and no spaces; NaN and infinity are refused."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def content_hash(document: Any, arrays: Arrays) -> str:
    """SHA-256 of a document and its arrays, independent of how they are stored."""
    digest = hashlib.sha256(canonical_json(document))
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        digest.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def write_bundle(path: str | Path, kind: str, document: Any, arrays: Arrays) -> Path:
    """Write atomically; raises RanvierError when the disk is full or the place is not writable."""
    from safetensors.numpy import save

    target = Path(path)
    try:
        text = canonical_json(document)
        _check_depth(document)
        blob = save({k: np.asarray(v, order="C") for k, v in arrays.items()})
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise fail(
            "not-plain-data",
            str(target),
            "the document holds something that JSON cannot",
            got=str(error)[:200],
            limit="numbers (finite), text, lists, mappings with text keys, arrays",
            hint="look at metadata; nothing was written",
        ) from error
    members = {
        "document.json": text,
        "arrays.safetensors": blob,
    }
    manifest = {
        "ranvier": kind,
        "format": FORMAT,
        "content": content_hash(document, arrays),
        "members": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in members.items()
        },
    }
    members["manifest.json"] = json.dumps(manifest, indent=1, sort_keys=True).encode()
    if not target.parent.is_dir():
        raise fail(
            "no-such-directory",
            str(target),
            "the directory to write into does not exist",
            got=str(target.parent),
            hint=f"make it first: mkdir -p {target.parent}",
        )
    if target.suffix not in ZIP_SUFFIXES and target.exists() and not _is_bundle_dir(target):
        what = "directory" if target.is_dir() else "file"
        raise fail(
            "not-a-bundle",
            str(target),
            f"a {what} that is not a bundle is in the way",
            hint="choose another name; nothing was changed",
        )
    try:
        if target.suffix in ZIP_SUFFIXES:
            _write_zip(target, members)
        else:
            _write_directory(target, members)
    except OSError as error:
        raise fail(
            "cannot-write",
            str(target),
            f"could not be written ({error.strerror or error}); what was there is unchanged",
            hint="free some disk space, or write elsewhere",
        ) from error
    return target


def _write_zip(target: Path, members: Mapping[str, bytes]) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                for member, data in sorted(members.items()):
                    # A fixed time stamp: equal content gives an equal file.
                    info = zipfile.ZipInfo(member, date_time=(1980, 1, 1, 0, 0, 0))
                    small = len(data) <= MAX_DEFLATED_BYTES
                    info.compress_type = zipfile.ZIP_DEFLATED if small else zipfile.ZIP_STORED
                    info.external_attr = 0o644 << 16
                    archive.writestr(info, data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _write_directory(target: Path, members: Mapping[str, bytes]) -> None:
    def fill(fresh: Path) -> None:
        for member, data in members.items():
            with open(fresh / member, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())

    replace_directory(target, fill)


def replace_directory(target: Path, fill: Callable[[Path], None]) -> None:
    """Make a directory complete or not at all: ``fill`` a new one beside it, then swap.

    Whatever goes wrong (errors of ``fill``, OSError, Ctrl-C), ``target`` is what it was before.
    """
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        fill(fresh)
        os.chmod(fresh, 0o777 & ~_umask())
        if target.exists():
            _swap(fresh, target)
        else:
            os.replace(fresh, target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _swap(fresh: Path, target: Path) -> None:
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    try:
        os.replace(target, old / "kept")
        os.replace(fresh, target)
    except BaseException:
        if (old / "kept").exists() and not target.exists():
            os.replace(old / "kept", target)
        raise
    finally:
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _is_bundle_dir(path: Path) -> bool:
    """True where nothing but a bundle of ours (or nothing at all) would be replaced."""
    if not path.is_dir():
        return False
    there = {item.name for item in path.iterdir()}
    return not there or ("manifest.json" in there and there <= set(MEMBERS))


def _damaged(path: Path, message: str, got: object = "", limit: object = "") -> RanvierError:
    return fail(
        "damaged-bundle",
        str(path),
        message,
        got=got,
        limit=limit,
        hint="get a fresh copy of the file; nothing was loaded",
    )


def read_bundle(path: str | Path, kind: str | None = None) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Document and arrays of a bundle, every byte checked against its manifest.

    ``kind`` names what is expected ("network", "program"); raises RanvierError when the bundle is
    missing, truncated, altered, of another kind or of a newer format.
    """
    place = Path(path)
    try:
        missing = not place.exists()
    except OSError:  # a name that is too long, say
        missing = True
    if missing:
        raise fail("no-such-file", str(place), "does not exist", hint="check the path")
    members = _members(place)
    try:
        manifest = _parse(members["manifest.json"])
        listed = {k: (str(v["sha256"]), int(v["bytes"])) for k, v in manifest["members"].items()}
        found_kind, version = manifest["ranvier"], manifest["format"]
        content = manifest["content"]
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise _damaged(place, "has no readable manifest") from error
    if version != FORMAT:
        raise fail(
            "bundle-format",
            str(place),
            "was written in another format version",
            got=version,
            limit=FORMAT,
            hint="upgrade ranvier",
        )
    if kind is not None and found_kind != kind:
        raise fail(
            "wrong-bundle", str(place), "is another kind of bundle", got=found_kind, limit=kind
        )
    for name in ("document.json", "arrays.safetensors"):
        if name not in listed or name not in members:
            raise _damaged(place, f"member {name} is missing")
        data = members[name]
        if (hashlib.sha256(data).hexdigest(), len(data)) != listed[name]:
            raise _damaged(place, f"{name} does not match its hash: truncated or altered")
    document, arrays, found = _decode(place, members)
    if found != content:
        raise _damaged(place, "content does not match the manifest")
    return document, arrays


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not allowed")


def _parse(data: bytes) -> Any:
    """JSON in UTF-8, without NaN and infinity, nested no deeper than MAX_DEPTH."""
    document = json.loads(data.decode(), parse_constant=_no_constant)
    _check_depth(document)
    return document


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list, tuple))
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def _decode(place: Path, members: Mapping[str, bytes]) -> tuple[Any, dict[str, NDArray[Any]], str]:
    """Document, arrays and hash of the content."""
    from safetensors.numpy import load

    try:
        document = _parse(members["document.json"])
        arrays = dict(load(members["arrays.safetensors"]))
        # The hash is made here because it, too, refuses what JSON cannot hold (1e999).
        return document, arrays, content_hash(document, arrays)
    except Exception as error:  # safetensors raises whatever its decoders raise
        raise _damaged(place, "cannot be decoded", got=str(error)[:200]) from error


def _members(place: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        if place.is_dir():
            for name in MEMBERS:
                if (place / name).is_file():
                    _check_size(place, name, (place / name).stat().st_size)
                    found[name] = (place / name).read_bytes()
        elif not place.is_file():
            raise _damaged(place, "is neither a file nor a directory")
        else:
            with zipfile.ZipFile(place) as archive:
                for name in MEMBERS:
                    if name in archive.NameToInfo:
                        found[name] = _zip_member(place, archive, archive.NameToInfo[name])
    except RanvierError:
        raise
    except OSError as error:
        raise fail(
            "cannot-read", str(place), f"cannot be read ({error.strerror or error})"
        ) from error
    except Exception as error:  # zipfile, zlib and struct errors share no base class
        raise _damaged(place, "is not a complete bundle", got=str(error)[:200]) from error
    if "manifest.json" not in found:
        raise _damaged(place, "is not a ranvier bundle: it has no manifest.json")
    return found


def _zip_member(place: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The bytes of a member, never more than it says it has."""
    _check_size(place, info.filename, info.file_size)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _damaged(place, f"{info.filename} is compressed in a way that we never write")
    packed = info.compress_type == zipfile.ZIP_DEFLATED
    most = MAX_DEFLATED_BYTES if packed else place.stat().st_size
    if info.file_size > most:
        raise _damaged(
            place, f"{info.filename} claims too many bytes", got=info.file_size, limit=most
        )
    with archive.open(info) as stream:
        return stream.read(info.file_size)


def _check_size(place: Path, name: str, size: int) -> None:
    limits = {"manifest.json": MAX_MANIFEST_BYTES, "document.json": MAX_JSON_BYTES}
    if size > limits.get(name, size):
        raise _damaged(place, f"{name} is too large", got=size, limit=limits[name])

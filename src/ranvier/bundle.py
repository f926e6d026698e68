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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import RanvierError, fail

__all__ = ["FORMAT", "canonical_json", "content_hash", "read_bundle", "write_bundle"]

FORMAT = 1
ZIP_SUFFIXES = (".zip", ".rvn", ".rvp")
MAX_JSON_BYTES = 512 * 2**20
"""A document larger than this is refused unread: parameters belong into the arrays."""

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
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def write_bundle(path: str | Path, kind: str, document: Any, arrays: Arrays) -> Path:
    """Write atomically; raises RanvierError when the disk is full or the place is not writable."""
    from safetensors.numpy import save

    target = Path(path)
    members = {
        "document.json": canonical_json(document),
        "arrays.safetensors": save({k: np.ascontiguousarray(v) for k, v in arrays.items()}),
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
    if target.is_dir() and target.suffix not in ZIP_SUFFIXES and not _is_bundle_dir(target):
        raise fail(
            "not-a-bundle",
            str(target),
            "a directory that is not a bundle is in the way",
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
                    info.compress_type = zipfile.ZIP_DEFLATED
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
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for member, data in members.items():
            with open(fresh / member, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        os.chmod(fresh, 0o777 & ~_umask())
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
            os.replace(target, old / "bundle")
            try:
                os.replace(fresh, target)
            except OSError:
                os.replace(old / "bundle", target)
                raise
            finally:
                shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(fresh, target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _is_bundle_dir(path: Path) -> bool:
    return (path / "manifest.json").is_file() or not any(path.iterdir())


def _damaged(path: Path, message: str, got: object = "") -> RanvierError:
    return fail(
        "damaged-bundle",
        str(path),
        message,
        got=got,
        hint="get a fresh copy of the file; nothing was loaded",
    )


def read_bundle(path: str | Path, kind: str | None = None) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Document and arrays of a bundle, every byte checked against its manifest.

    ``kind`` names what is expected ("network", "program"); raises RanvierError when the bundle is
    missing, truncated, altered, of another kind or of a newer format.
    """
    place = Path(path)
    if not place.exists():
        raise fail("no-such-file", str(place), "does not exist", hint="check the path")
    members = _members(place)
    try:
        manifest = json.loads(members["manifest.json"])
        listed = {k: (v["sha256"], v["bytes"]) for k, v in manifest["members"].items()}
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
        if hashlib.sha256(members[name]).hexdigest() != listed[name][0]:
            raise _damaged(place, f"{name} does not match its hash: truncated or altered")
    document, arrays = _decode(place, members)
    if content_hash(document, arrays) != content:
        raise _damaged(place, "content does not match the manifest")
    return document, arrays


def _decode(place: Path, members: Mapping[str, bytes]) -> tuple[Any, dict[str, NDArray[Any]]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        document = json.loads(members["document.json"])
        arrays = load(members["arrays.safetensors"])
    except (ValueError, RecursionError, SafetensorError, KeyError) as error:
        raise _damaged(place, "cannot be decoded", got=str(error)[:200]) from error
    return document, dict(arrays)


def _members(place: Path) -> dict[str, bytes]:
    names = ("manifest.json", "document.json", "arrays.safetensors")
    found: dict[str, bytes] = {}
    try:
        if place.is_dir():
            for name in names:
                if (place / name).is_file():
                    found[name] = (place / name).read_bytes()
        else:
            with zipfile.ZipFile(place) as archive:
                for name in names:
                    info = archive.NameToInfo.get(name)
                    if info is None:
                        continue
                    if name.endswith(".json") and info.file_size > MAX_JSON_BYTES:
                        raise _damaged(place, f"{name} is too large", got=info.file_size)
                    found[name] = archive.read(name)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _damaged(place, "is not a complete bundle", got=str(error)[:200]) from error
    except OSError as error:
        raise fail("cannot-read", str(place), f"cannot be read ({error.strerror})") from error
    except Exception as error:  # zlib.error and friends share no base class
        raise _damaged(place, "is not a complete bundle", got=str(error)[:200]) from error
    if "manifest.json" not in found:
        raise _damaged(place, "is not a ranvier bundle: it has no manifest.json")
    return found

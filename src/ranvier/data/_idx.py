"""The idx format of MNIST and its relatives, plain or gzipped.

Two zero bytes, a type code, the number of dimensions, each dimension as a big-endian uint32, then
the values in C order (Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten
digits", section "File formats"). Only unsigned bytes, type code 8, are read.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import RanvierError, fail

__all__ = ["read_idx"]

_UNSIGNED_BYTE = 8
_AGAIN = "copy or download the file again"


def read_idx(path: Path, *, ndim: int) -> NDArray[np.uint8]:
    """Read an idx file of unsigned bytes with ``ndim`` dimensions; the array is read-only.

    Compression is seen from the content, not the name. Raises RanvierError, naming the file, when
    it cannot be read, is of another kind, or is not exactly as long as its header says.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = "the compressed file is cut short or damaged"
        raise _damaged(path, message, got=error, limit="") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise fail("unreadable-file", str(path), "the file cannot be read", got=reason) from error

    magic, start = bytes((0, 0, _UNSIGNED_BYTE, ndim)), 4 + 4 * ndim
    if content[:4] != magic:
        raise fail(
            "wrong-file-kind",
            str(path),
            f"not an idx file of unsigned bytes with {ndim} dimension{'s' if ndim > 1 else ''}",
            got=f"magic number 0x{content[:4].hex() or '(empty file)'}",
            limit=f"0x{magic.hex()}",
            hint=("check that images and labels are not interchanged", _AGAIN),
        )
    if len(content) < start:
        raise _damaged(path, "the header is cut short", got=f"{len(content)} bytes", limit=start)
    shape = struct.unpack_from(f">{ndim}I", content, 4)
    expected = start + math.prod(shape)
    if len(content) != expected:
        state = "cut short" if len(content) < expected else "longer than its header says"
        raise _damaged(
            path,
            f"the file is {state}",
            got=f"{len(content)} bytes",
            limit=f"{expected} bytes for {' x '.join(map(str, shape))} values",
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _damaged(path: Path, message: str, *, got: object, limit: object) -> RanvierError:
    return fail("damaged-file", str(path), message, got=got, limit=limit, hint=_AGAIN)

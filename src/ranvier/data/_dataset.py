"""What a data set is, and what a file of this folder exports."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import RanvierError, fail

__all__ = ["SPLITS", "Dataset", "Source", "Split"]

Split = Literal["train", "test"]
SPLITS: tuple[str, ...] = get_args(Split)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """One split of a labelled data set, in memory and read-only.

    ``x`` [n, ...] holds the samples as they are stored (uint8, float32 or float64) and ``peak`` the
    value that stands for full intensity, so ``normalised()`` lies in 0..1; ``y`` int64 [n] holds
    the labels, ``0 <= y < classes``. ``source`` says where the data come from, ``sha256`` is the
    hash of dtype, shapes and content: two sets with the same hash hold the same numbers.
    Raises RanvierError when the parts do not fit together.
    """

    name: str
    split: Split
    x: NDArray[Any]
    y: NDArray[np.int64]
    classes: int
    peak: float
    source: str
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        x, y = np.asarray(self.x), np.asarray(self.y)
        if x.dtype not in (np.uint8, np.float32, np.float64):
            raise self._wrong("samples have the wrong type", x.dtype, "uint8, float32, float64")
        if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
            raise self._wrong(
                "labels must be one integer each", f"{y.dtype} {y.shape}", "int64 [n]"
            )
        if x.ndim < 2 or len(x) != len(y):
            raise self._wrong("samples and labels do not match", f"{x.shape} and {y.shape}", "")
        if not x.size:
            raise self._wrong("the set is empty", x.shape, "at least one sample")
        if y.min() < 0 or y.max() >= self.classes:
            got = f"{y.min()} to {y.max()}"
            raise self._wrong("a label is out of range", got, f"0 to {self.classes - 1}")
        object.__setattr__(self, "x", _frozen(x, x.dtype))
        object.__setattr__(self, "y", _frozen(y, np.dtype(np.int64)))
        object.__setattr__(self, "sha256", _content_hash(self.x, self.y))

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.x.shape[1:]))
        return (
            f"Dataset({self.name} {self.split}: {len(self)} samples of {shape}, "
            f"{self.classes} classes, sha256 {self.sha256[:12]})"
        )

    def normalised(self) -> NDArray[np.float64]:
        """The samples divided by ``peak``: float64 [n, ...], 1 is full intensity."""
        return self.x / np.float64(self.peak)

    def _wrong(self, message: str, got: object, limit: str) -> RanvierError:
        where = f"data set {self.name!r} ({self.split})"
        return fail("bad-dataset", where, message, got=got, limit=limit)


@dataclass(frozen=True, kw_only=True)
class Source:
    """How to get one data set.

    ``usage`` is what a user writes (``"mnist:DIR"``); what stands after the first colon is handed
    to ``read(argument, split)``, or ``""`` when there is no colon.
    """

    name: str
    usage: str
    summary: str
    read: Callable[[str, Split], Dataset]


def _frozen(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a C-ordered read-only array that shares no memory with one that can be written."""
    array = np.ascontiguousarray(array, dtype=dtype)
    if array.flags.writeable:
        array = array.copy()
        array.setflags(write=False)
    return array


def _content_hash(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{array.dtype.name}{array.shape}".encode())
        digest.update(little.data)
    return digest.hexdigest()

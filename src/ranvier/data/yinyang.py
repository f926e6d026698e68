"""Yin-Yang: points in the plane that no linear map can tell apart, made on the spot.

Source: L. Kriener, J. Goeltz and M. A. Petrovici, "The Yin-Yang dataset", NICE 2022, 107 (rule of
its section 2). A point within a circle of radius 1/2 around (1/2, 1/2) is a dot (class 2), within
0.1 of one of two eyes, or yin (1) or yang (0). Classes are equally frequent. Every sample is (x, y,
1-x, 1-y), so that the sum does not tell. 5,000 to train and 1,000 to test, as published, but with
draws of our own (PCG64, seeds 42 and 40).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranvier.data._dataset import Dataset, Source, Split
from ranvier.errors import fail

__all__ = ["DATASET", "which"]

SMALL, BIG = 0.1, 0.5
SIZES: dict[Split, tuple[int, int]] = {"train": (5000, 42), "test": (1000, 40)}
"""Samples and seed."""


def which(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """Class of points of the square, -1 outside of the circle."""
    right = np.hypot(x - 1.5 * BIG, y - BIG)
    left = np.hypot(x - 0.5 * BIG, y - BIG)
    yin = (right <= SMALL) | ((left > SMALL) & (left <= 0.5 * BIG))
    yin |= (y > BIG) & (right > 0.5 * BIG)
    found = np.where((right < SMALL) | (left < SMALL), 2, yin.astype(np.int64))
    return np.where(np.hypot(x - BIG, y - BIG) <= BIG, found, -1)


def _read(argument: str, split: Split) -> Dataset:
    if argument:
        raise fail("bad-dataset-argument", "data set 'yinyang'", "takes no directory",
                   got=repr(f"yinyang:{argument}"), hint="write 'yinyang'")  # fmt: skip
    count, seed = SIZES[split]
    rng = np.random.Generator(np.random.PCG64(seed))
    labels = rng.integers(0, 3, count)
    points = np.empty((count, 2))
    open_ = np.arange(count)
    while open_.size:
        points[open_] = rng.random((open_.size, 2)) * 2 * BIG
        open_ = open_[which(*points[open_].T) != labels[open_]]
    return Dataset(
        name="yinyang", split=split, x=np.concatenate([points, 1 - points], 1),
        y=labels.astype(np.int64), classes=3, peak=1.0,
        source="Kriener, Goeltz & Petrovici 2022; own draws",
    )  # fmt: skip


DATASET = Source(
    name="yinyang",
    usage="yinyang",
    summary="points of the plane in three classes, made on the spot",
    read=_read,
)

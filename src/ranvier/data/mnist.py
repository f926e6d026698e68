"""MNIST, or a set in its format with ten classes, from a directory of idx files.

Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits". The files are
``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, and for the test part the same with
``t10k`` or ``test``; each plain or with ``.gz``, and with ``.idx`` for ``-idx`` as some copies
have it.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ranvier.data._dataset import Dataset, Source, Split
from ranvier.data._idx import read_idx
from ranvier.errors import RanvierError, fail

__all__ = ["DATASET"]

_WHERE = "data set 'mnist'"
_PREFIXES: dict[Split, tuple[str, ...]] = {"train": ("train",), "test": ("t10k", "test")}


def _read(argument: str, split: Split) -> Dataset:
    if not argument:
        raise fail(
            "bad-dataset-argument",
            _WHERE,
            "the directory of the MNIST files is missing",
            hint="write 'mnist:DIR', where DIR holds " + _expected(split),
        )
    directory = Path(os.path.expanduser(argument))  # a shell leaves "mnist:~" alone
    if not directory.is_dir():
        raise fail(
            "no-such-directory",
            _WHERE,
            "there is no such directory",
            got=repr(argument),
            hint="name the directory that holds " + _expected(split),
        )
    images_path, labels_path = _files(directory, split)
    images = read_idx(images_path, ndim=3)
    labels = read_idx(labels_path, ndim=1)
    if len(images) != len(labels):
        raise fail(
            "files-do-not-match",
            str(directory),
            "images and labels do not belong together",
            got=f"{len(images)} images in {images_path.name}, "
            f"{len(labels)} labels in {labels_path.name}",
            hint="take both files from the same copy of the data",
        )
    return Dataset(
        name="mnist",
        split=split,
        x=images,
        y=labels.astype(np.int64),
        classes=10,
        peak=255.0,
        source=f"LeCun, Cortes & Burges, MNIST; {images_path.name} and {labels_path.name}",
    )


def _files(directory: Path, split: Split) -> tuple[Path, Path]:
    """Images and labels of a split; both carry the same prefix, and only one prefix may match."""
    found: list[tuple[Path, Path]] = []
    for prefix in _PREFIXES[split]:
        images = _first(directory, f"{prefix}-images", "idx3-ubyte")
        labels = _first(directory, f"{prefix}-labels", "idx1-ubyte")
        if images and labels:
            found.append((images, labels))
        elif images or labels:
            there = images or labels
            raise _missing(directory, split, f"only {there.name if there else ''}")
    if len(found) > 1:
        raise fail(
            "ambiguous-files",
            str(directory),
            f"there are two {split} sets",
            got=" and ".join(images.name for images, _ in found),
            hint="move one of them to another directory",
        )
    if not found:
        raise _missing(directory, split, "none of them")
    return found[0]


def _first(directory: Path, stem: str, kind: str) -> Path | None:
    names = (f"{stem}{mark}{kind}{end}" for end in ("", ".gz") for mark in ("-", "."))
    return next((directory / name for name in names if (directory / name).is_file()), None)


def _missing(directory: Path, split: Split, got: str) -> RanvierError:
    """Make the error for an incomplete directory; looks two levels down for a did-you-mean."""
    patterns = [f"{depth}/{p}-images*idx3*" for depth in ("*", "*/*") for p in _PREFIXES[split]]
    below = next((hit.parent for pattern in patterns for hit in directory.glob(pattern)), None)
    return fail(
        "missing-files",
        str(directory),
        f"{_expected(split)} are not all there",
        got=got,
        hint=f"did you mean 'mnist:{below}'?" if below else "copy the missing files there",
    )


def _expected(split: Split) -> str:
    prefix = _PREFIXES[split][0]
    return f"{prefix}-images-idx3-ubyte and {prefix}-labels-idx1-ubyte (or both as .gz)"


DATASET = Source(
    name="mnist",
    usage="mnist:DIR",
    summary="handwritten digits, 28x28 pixels of 0..255, from a directory of idx files",
    read=_read,
)

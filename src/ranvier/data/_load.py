"""From a user's word to a data set."""

from __future__ import annotations

from ranvier.data._dataset import SPLITS, Dataset, Source, Split
from ranvier.errors import unknown
from ranvier.registry import Registry

__all__ = ["DATASETS", "load"]

DATASETS: Registry[Source] = Registry("dataset", "ranvier.data", "DATASET")


def load(spec: str, split: Split) -> Dataset:
    """Return one split (``"train"`` or ``"test"``) of the data set a user names.

    ``spec`` is ``"digits"`` or, where a directory is needed, ``"mnist:DIR"``; ``DATASETS.names()``
    lists the names. Raises RanvierError for an unknown name or split and for files that are
    missing, damaged or do not fit together.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS, where=f"data set {spec!r}")
    name, _, argument = spec.partition(":")
    return DATASETS.get(name).read(argument, split)

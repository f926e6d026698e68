"""Labelled data sets, from a library's own copy or from a directory. Nothing is ever downloaded.

A set is one file of this folder that exports ``DATASET``, a :class:`Source`; third parties add
theirs as an entry point ``dataset.<name>`` in the group ``ranvier.plugins``.
"""

from ranvier.data._dataset import SPLITS, Dataset, Source, Split
from ranvier.data._load import DATASETS, load

__all__ = ["DATASETS", "SPLITS", "Dataset", "Source", "Split", "load"]

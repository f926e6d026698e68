"""Compare machines on a task, and find the first spike they do not share and why."""

from ranvier.bench import html
from ranvier.bench._activity import Activity, activity, interval_cv, synchrony
from ranvier.bench._causes import CLASSES, Cause
from ranvier.bench._compare import Comparison, compare
from ranvier.bench._diff import diff, explain
from ranvier.bench._divergence import Divergence, First, first_difference
from ranvier.bench._machine import CoreUse, Machine
from ranvier.bench._metrics import Share, share, wilson
from ranvier.bench._picture import picture
from ranvier.bench._structure import Difference, Differences, differences, read

__all__ = [
    "CLASSES",
    "Activity",
    "Cause",
    "Comparison",
    "CoreUse",
    "Difference",
    "Differences",
    "Divergence",
    "First",
    "Machine",
    "Share",
    "activity",
    "compare",
    "diff",
    "differences",
    "explain",
    "first_difference",
    "html",
    "interval_cv",
    "picture",
    "read",
    "share",
    "synchrony",
    "wilson",
]

"""Compare machines on a task, and find the first spike they do not share and why."""

from ranvier.bench import html
from ranvier.bench._causes import CLASSES, Cause
from ranvier.bench._compare import Comparison, compare
from ranvier.bench._diff import Divergence, First, diff, explain
from ranvier.bench._machine import CoreUse, Machine
from ranvier.bench._metrics import Share, share, wilson

__all__ = [
    "CLASSES",
    "Cause",
    "Comparison",
    "CoreUse",
    "Divergence",
    "First",
    "Machine",
    "Share",
    "compare",
    "diff",
    "explain",
    "html",
    "share",
    "wilson",
]

"""Compare machines on a task, and find the first spike they do not share and why."""

from ranvier.bench._causes import CLASSES, Cause
from ranvier.bench._diff import Divergence, First, diff, explain
from ranvier.bench._metrics import Share, share, wilson

__all__ = [
    "CLASSES",
    "Cause",
    "Divergence",
    "First",
    "Share",
    "diff",
    "explain",
    "share",
    "wilson",
]

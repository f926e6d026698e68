"""How far rounding moved a network: the labels that every chip's quantiser writes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import Issue

__all__ = ["TOO_COARSE", "weight_labels"]

TOO_COARSE = 0.5
"""A rounding that moves a threshold by more than this share, or loses more than this share of the
weights, leaves another network: thresholds are refused, weights warned about. A convention of this
project, not a property of a chip."""


def weight_labels(
    name: str, wanted: NDArray[np.float64], stored: NDArray[np.float64], how: str
) -> list[Issue]:
    """What became of the weights [n] of projection ``name``; nothing when none moved."""
    moved = np.abs(stored - wanted)
    largest = float(np.max(np.abs(wanted), initial=0.0))
    if float(np.max(moved, initial=0.0)) <= 1e-12 * max(largest, 1e-300):
        return []
    used = wanted != 0
    lost = int(np.count_nonzero(used & (stored == 0)))
    total = int(np.count_nonzero(used))
    typical = float(np.median(moved[used] / np.abs(wanted[used])))
    text = (
        f"{how}: rounded by at most {100 * float(moved.max()) / largest:.2g} % of the projection's "
        f"largest weight, half of them by less than {100 * typical:.2g} % of their own"
    )
    if lost:
        text += f"; {lost} of {total} became 0"
    issues = [Issue(code="weights-rounded", severity="approximate", where=name, message=text)]
    if lost > TOO_COARSE * total:
        outlier = largest / float(np.median(np.abs(wanted[used])))
        issues.append(
            Issue(
                code="weights-lost",
                severity="warning",
                where=name,
                message=f"most weights became 0, for the largest is {outlier:.3g} times the median",
                got=f"{lost} of {total}",
                hint=("clip the largest weights", "split the projection by size of weight"),
            )
        )
    return issues

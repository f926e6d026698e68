"""What a run costs: counters times the chip's cited coefficients, in joules and seconds.

Energy is affine: static power times time plus the sum of every count times its coefficient. No
engine is imported here, so counters measured on real silicon are priced by the same code.
"""

from ranvier.cost._counts import Counts, count
from ranvier.cost._explain import explain
from ranvier.cost._program import energy, latency
from ranvier.cost._report import price

__all__ = ["Counts", "count", "energy", "explain", "latency", "price"]

"""The ideal machine in float32: half the memory traffic, for large networks.

Each neuron's state, parameters, weights and sums are single precision. Trajectories leave those of
float64 by rounding and, where a network is chaotic, diverge; rates and correlations stay
(docs/simulation.md has the statistics).
"""

from __future__ import annotations

from dataclasses import replace

from ranvier.chips.ideal import CHIP as BASE
from ranvier.chips.ideal import Equations

__all__ = ["CHIP"]

CHIP = replace(
    BASE,
    name="ideal32",
    title="Ideal machine, float32",
    source="float32 arithmetic, no limits (this project)",
    dtype="f4",
    exactness="the model's own equations in single precision (24 bits)",
    implementations=(Equations(single=True),),
)

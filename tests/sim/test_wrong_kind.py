"""Things of the wrong kind are one clear error, not an AttributeError."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ranvier import sim
from ranvier.compile import compile
from ranvier.errors import RanvierError
from ranvier.network import Dense
from ranvier.testing import random_network, random_stimulus


@pytest.mark.parametrize("network", [None, "net.rvn", 3])
def test_compile_needs_a_network(network: Any) -> None:
    with pytest.raises(RanvierError, match="needs a Network"):
        compile(network, "ideal")


@pytest.mark.parametrize("chip", [None, 3, ["ideal"]])
def test_compile_needs_a_chip(chip: Any) -> None:
    with pytest.raises(RanvierError, match="name or a Chip"):
        compile(random_network(0), chip)


def test_run_needs_a_program() -> None:
    network: Any = random_network(0)
    with pytest.raises(RanvierError, match="compile the network first"):
        sim.run(network, random_stimulus(0))
    with pytest.raises(RanvierError, match="compile the network first"):
        sim.session(network)


def test_complex_weights() -> None:
    weights: Any = np.ones((2, 2)) * 1j
    with pytest.raises(RanvierError, match="real numbers"):
        Dense(weights)

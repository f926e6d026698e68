"""Conformance suites: subclass one, name your plug-in, and pytest runs what ours must pass too.

    from ranvier.testing import ChipTests

    class TestMyChip(ChipTests):
        chip = "mychip"

Needs pytest.
"""

from ranvier.testing._chip import ChipTests
from ranvier.testing._engine import EngineTests
from ranvier.testing._frontend import FrontendTests
from ranvier.testing._networks import random_network, random_stimulus
from ranvier.testing._neuron import NeuronTests
from ranvier.testing._pass import PassTests

__all__ = [
    "ChipTests",
    "EngineTests",
    "FrontendTests",
    "NeuronTests",
    "PassTests",
    "random_network",
    "random_stimulus",
]

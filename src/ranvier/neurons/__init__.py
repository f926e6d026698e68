"""Neuron models: one a file, stated as equations; the generator of their update code.

``get("lif")`` is a :class:`NeuronModel`; ``discretise(model, parameters, dt)`` turns it into a
:class:`Discrete` with a CPU :class:`Kernel`; ``torch_step(discrete)`` into a differentiable step.
A user writes a model by constructing :class:`NeuronModel`; a package ships one as an entry point
``neuron-model.<name>`` in the group ``ranvier.plugins``.
"""

from ranvier.neurons._adjoint import Adjoint, adjoint
from ranvier.neurons._generate import Discrete, discretise
from ranvier.neurons._kernel import Kernel
from ranvier.neurons._lower import StepIR, single
from ranvier.neurons._model import NeuronModel
from ranvier.neurons._multisynapse import multisynapse
from ranvier.neurons._parts import Equation, Noise, Output, Parameter, Port
from ranvier.neurons._random import draw, poisson_table
from ranvier.neurons._rest import rest_map
from ranvier.neurons._schemes import METHODS
from ranvier.neurons._surrogate import (
    SURROGATES,
    Surrogate,
    arctan,
    boxcar,
    fast_sigmoid,
    gaussian,
    sigmoid,
    straight_through,
    surrogate,
    triangle,
)
from ranvier.neurons._torch import TorchStep, torch_state, torch_step, torch_values
from ranvier.neurons._vary import with_poisson, with_reset, with_threshold
from ranvier.registry import Registry

__all__ = [
    "METHODS",
    "MODELS",
    "SURROGATES",
    "Adjoint",
    "Discrete",
    "Equation",
    "Kernel",
    "NeuronModel",
    "Noise",
    "Output",
    "Parameter",
    "Port",
    "StepIR",
    "Surrogate",
    "TorchStep",
    "adjoint",
    "arctan",
    "boxcar",
    "discretise",
    "draw",
    "fast_sigmoid",
    "gaussian",
    "get",
    "multisynapse",
    "poisson_table",
    "rest_map",
    "sigmoid",
    "single",
    "straight_through",
    "surrogate",
    "torch_state",
    "torch_step",
    "torch_values",
    "triangle",
    "with_poisson",
    "with_reset",
    "with_threshold",
]

MODELS: Registry[NeuronModel] = Registry("neuron model", "ranvier.neurons", "MODEL")
"""The built-in models and those of installed packages, by name."""


def get(name: str) -> NeuronModel:
    """The model called ``name``; RanvierError with the legal names and the nearest otherwise."""
    return MODELS.get(name)

"""Plasticity rules: one a file, stated as traces and updates; the generator of their code.

``get("stdp")`` is a :class:`PlasticityRule`; ``discretise(rule, parameters, dt)`` turns it into a
:class:`DiscreteRule` with a :class:`RuleKernel`, the texts an engine compiles. A user writes a rule
by constructing :class:`PlasticityRule`, or with :func:`from_sum_of_products`; a package ships one
as an entry point ``plasticity-rule.<name>`` in the group ``ranvier.plugins``.
"""

from ranvier.plasticity._decay import TABLE, decay, decay_table
from ranvier.plasticity._generate import IMPORTS, DiscreteRule, RuleKernel, discretise
from ranvier.plasticity._parts import Parameter, SynapseVariable, ThirdFactor, Trace
from ranvier.plasticity._products import from_sum_of_products
from ranvier.plasticity._rows import BLOCK
from ranvier.plasticity._rule import PlasticityRule
from ranvier.registry import Registry

__all__ = [
    "BLOCK",
    "IMPORTS",
    "RULES",
    "TABLE",
    "DiscreteRule",
    "Parameter",
    "PlasticityRule",
    "RuleKernel",
    "SynapseVariable",
    "ThirdFactor",
    "Trace",
    "decay",
    "decay_table",
    "discretise",
    "from_sum_of_products",
    "get",
]

RULES: Registry[PlasticityRule] = Registry("plasticity rule", "ranvier.plasticity", "RULE")
"""The built-in rules and those of installed packages, by name."""


def get(name: str) -> PlasticityRule:
    """The rule called ``name``; RanvierError with the legal names and the nearest otherwise."""
    return RULES.get(name)

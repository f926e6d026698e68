"""Pair-based additive STDP that counts nearest neighbours only."""

from dataclasses import replace

from ranvier.plasticity.stdp import RULE as STDP

__all__ = ["RULE"]

RULE = replace(
    STDP,
    name="stdp_nearest",
    doc="As stdp, but a spike pairs only with the nearest earlier one of the other side: traces"
    " are set to 1 instead of incremented.",
    source="Morrison, Diesmann & Gerstner 2008, Biol. Cybern. 98:459 (symmetric nearest-"
    "neighbour scheme)",
    traces=tuple(replace(trace, jump="set") for trace in STDP.traces),
)

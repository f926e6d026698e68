"""Triplet STDP, nearest spikes."""

from dataclasses import replace

from ranvier.plasticity.stdp_triplet import RULE as TRIPLET

__all__ = ["RULE"]

_VALUES = {
    "a2_plus": 4.6e-3, "a3_plus": 9.1e-3, "a2_minus": 3.0e-3, "a3_minus": 7.5e-9,
    "tau_x": 575e-3, "tau_y": 47e-3,
}  # fmt: skip

RULE = replace(
    TRIPLET,
    name="stdp_triplet_nearest",
    doc="As stdp_triplet, with traces that are set to 1 by a spike: only nearest spikes count.",
    source="Pfister & Gerstner 2006, J. Neurosci. 26:9673, eq. 2-4; defaults of table 4 (hippo-"
    "campal culture, nearest spike, full model), weights relative to 1",
    parameters=tuple(
        replace(p, default=_VALUES.get(p.name, p.default)) for p in TRIPLET.parameters
    ),
    traces=tuple(replace(trace, jump="set") for trace in TRIPLET.traces),
)

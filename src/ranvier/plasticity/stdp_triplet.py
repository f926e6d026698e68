"""Triplet STDP, all spikes."""

from ranvier.plasticity._parameters import W_MAX, W_MIN
from ranvier.plasticity._parts import Parameter, Trace
from ranvier.plasticity._rule import PlasticityRule

__all__ = ["RULE"]


def _time(name: str, default: float, doc: str) -> Parameter:
    return Parameter(name=name, unit="s", default=default, doc=doc)


def _size(name: str, default: float, doc: str) -> Parameter:
    return Parameter(name=name, unit="w", default=default, doc=doc)


RULE = PlasticityRule(
    name="stdp_triplet",
    doc="dw = -o1*(a2_minus + a3_minus*r2) at a presynaptic spike, r1*(a2_plus + a3_plus*o2)"
    " at a postsynaptic one; r2 and o2 are read just before their own jump.",
    source="Pfister & Gerstner 2006, J. Neurosci. 26:9673, eq. 2-4; defaults of table 4 (hippo-"
    "campal culture, all-to-all, full model), weights relative to 1",
    parameters=(
        _size("a2_plus", 6.1e-3, "potentiation by pairs"),
        _size("a3_plus", 6.7e-3, "potentiation by triplets"),
        _size("a2_minus", 1.6e-3, "depression by pairs"),
        _size("a3_minus", 1.4e-3, "depression by triplets"),
        _time("tau_plus", 16.8e-3, "of r1"),
        _time("tau_x", 946e-3, "of r2"),
        _time("tau_minus", 33.7e-3, "of o1"),
        _time("tau_y", 27e-3, "of o2"),
        W_MIN,
        W_MAX,
    ),
    traces=(
        Trace(name="r1", side="pre", tau="tau_plus"),
        Trace(name="r2", side="pre", tau="tau_x", read="before"),
        Trace(name="o1", side="post", tau="tau_minus"),
        Trace(name="o2", side="post", tau="tau_y", read="before"),
    ),
    on_pre=("w = w - o1*(a2_minus + a3_minus*r2)",),
    on_post=("w = w + r1*(a2_plus + a3_plus*o2)",),
    w_min="w_min",
    w_max="w_max",
)

"""Leaky integrate-and-fire neurons with any number of receptor ports."""

from __future__ import annotations

from typing import Literal, get_args

from ranvier.errors import fail
from ranvier.neurons._model import NeuronModel
from ranvier.neurons._nest import (
    BETA,
    C_M,
    CURRENT,
    E_L,
    G_L,
    I_E,
    NEST,
    T_REF,
    TAU_M,
    V_RESET,
    V_TH,
    beta_scale,
)
from ranvier.neurons._parts import Parameter, Port

__all__ = ["MAX_RECEPTORS", "Shape", "multisynapse"]

Shape = Literal["exp", "alpha", "beta"]
MAX_RECEPTORS = 12
"""Five parts each and the parts of the membrane stay below the limit of a model."""


def multisynapse(
    n: int, kind: Shape = "exp", *, conductance: bool = False, name: str | None = None
) -> NeuronModel:
    """A leaky integrate-and-fire neuron with the receptor ports ``syn_1`` .. ``syn_n``.

    ``kind``: the shape of every synapse, ``exp`` (parameter ``tau_syn_k``), ``alpha`` (the same;
    peak at tau_syn_k) or ``beta`` (``tau_rise_k``, ``tau_decay_k``). Weights are the peak, in
    amperes, or with ``conductance`` in siemens against the reversal potential ``E_rev_k`` (0 V
    unless given). Membrane, threshold and order of a tick are those of ``iaf_psc_exp`` and
    ``iaf_cond_exp``, synapses those of NEST's ``..._multisynapse``. Raises RanvierError for another
    kind or n outside 1 to ``MAX_RECEPTORS``.
    """
    if kind not in get_args(Shape):
        raise fail("bad-model", "multisynapse", "not a shape of synapse", got=repr(kind),
                   limit=", ".join(get_args(Shape)))  # fmt: skip
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_RECEPTORS:
        raise fail("bad-model", "multisynapse", "not a number of receptors", got=repr(n),
                   limit=f"1 to {MAX_RECEPTORS}")  # fmt: skip
    unit, letter = ("S", "g") if conductance else ("A", "I")
    equations: list[str] = []
    parameters: list[Parameter] = []
    ports: list[Port] = []
    terms: list[str] = []
    for k in range(1, n + 1):
        y, dy = f"{letter}_{k}", f"d{letter}_{k}"
        decay = f"tau_decay_{k}" if kind == "beta" else f"tau_syn_{k}"
        rise = f"tau_rise_{k}" if kind == "beta" else decay
        for time in dict.fromkeys((rise, decay)):
            parameters.append(
                Parameter(name=time, unit="s", default=2e-3, doc=f"time constant of syn_{k}")
            )
        if conductance:
            reversal = f"E_rev_{k}"
            doc = f"reversal potential of syn_{k}"
            parameters.append(Parameter(name=reversal, unit="V", default=0.0, doc=doc))
            terms.append(f"{y}*({reversal} - V_m)")
        else:
            terms.append(y)
        state, scale = y, "1"
        if kind == "exp":
            equations.append(f"d{y}/dt = -{y}/{decay} : {unit}")
        else:
            equations.append(f"d{y}/dt = {dy} - {y}/{decay} : {unit}")
            equations.append(f"d{dy}/dt = -{dy}/{rise} : {unit}/s")
            state = dy
            scale = beta_scale(rise, decay) if kind == "beta" else f"exp(1)/{decay}"
        ports.append(Port(name=f"syn_{k}", variable=state, kind="jump", unit=unit, scale=scale,
                          doc="weights are the peak of the synapse"))  # fmt: skip
    total = " + ".join([*terms, "x + I_e"])
    if conductance:
        membrane, leak = (C_M, G_L), f"(g_L*(E_L - V_m) + {total})/C_m"
    else:
        membrane, leak = (TAU_M, C_M), f"(E_L - V_m)/tau_m + ({total})/C_m"
    short = f"iaf_{'cond' if conductance else 'psc'}_{kind}_multisynapse"
    return NeuronModel(
        name=name or f"{short}_{n}",
        doc=f"Leaky integrate-and-fire with {n} {kind} synapses ({unit}).",
        source=f"{NEST}, iaf_psc_exp_multisynapse and its kin" + (f"; {BETA}" * (kind == "beta")),
        equations=(f"dV_m/dt = {leak} : V", *equations),
        parameters=(*membrane, E_L, V_TH, V_RESET, T_REF, I_E, *parameters),
        ports=(*ports, CURRENT),
        threshold="V_m >= V_th",
        reset=("V_m = V_reset",),
        refractory="t_ref",
        refractory_hold=("V_m",),
        method="rk4_split" if conductance else None,
        initial={"V_m": "E_L"},
    )

"""Rules written as sums of products, as Loihi's learning engine takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ranvier.errors import RanvierError, fail
from ranvier.neurons._expr import Expr, Num, Op, Sym, names, parse, show, substitute
from ranvier.plasticity._parts import Parameter, SynapseVariable, ThirdFactor, Trace
from ranvier.plasticity._rule import PlasticityRule

__all__ = ["from_sum_of_products"]

_HEAD = re.compile(r"\s*d\s*(?P<name>[a-z])\s*=(?!=)(?P<rest>.*)", re.ASCII)
_TRACES = {"x1": "pre", "x2": "pre", "y1": "post", "y2": "post", "y3": "post"}
_SIDES = {"x0": "pre", "y0": "post"}


def from_sum_of_products(
    text: str,
    *,
    name: str,
    taus: Mapping[str, float],
    w_min: float | None = None,
    w_max: float | None = None,
    tag: str | None = None,
    source: str = "",
) -> PlasticityRule:
    """The rule ``dw = 2^-2*x1*y0 - 2^-2*y1*x0`` as a :class:`PlasticityRule`.

    ``x0`` and ``y0`` are 1 at the moment of a pre- or postsynaptic spike; each product must have
    one of them, and happens at that spike. ``x1 x2`` and ``y1 y2 y3`` are presynaptic and
    postsynaptic traces (increment 1, read before their own jump), ``w`` is the weight, ``r`` the
    reward trace and ``t`` the tag of the synapse, whose own rule is ``tag`` (``"dt = ..."``; called
    ``tag`` in the result). ``d``, the delay, does not change here and is refused. ``taus`` has the
    time constant in seconds of each trace used, and of ``r``.

    Source of the form: Davies et al. 2018, IEEE Micro 38(1):82 (section 'Learning engine'). Traces
    here decay exactly and without rounding, and updates happen at spikes, not in learning epochs.
    """
    where = f"plasticity rule {name!r}"
    on_pre: list[str] = []
    on_post: list[str] = []
    used: set[str] = set()
    units = {"w": "w", "t": "tag"}
    for line, variable in ((text, "w"), (tag, "t")):
        if line is None:
            continue
        place = f"{where}, {line[:80]!r}"
        match = _HEAD.fullmatch(line) if len(line) <= 1000 else None
        if match is None or match["name"] != variable:
            raise fail("bad-sum-of-products", place, "not a sum of products",
                       limit=f"d{variable} = products of numbers and x0 x1 x2 y0 y1 y2 y3 w r t",
                       hint="the delay d cannot be learned" if match and match["name"] == "d"
                       else "")  # fmt: skip
        allowed = {"w", "r", "t", *_TRACES, *_SIDES}
        expr = parse(match["rest"].replace("^", "**"), where=place, allowed=allowed)
        halves: dict[str, list[Expr]] = {"pre": [], "post": []}
        for term in _terms(expr):
            sides = {_SIDES[n] for n in names(term) if n in _SIDES}
            if len(sides) != 1:
                raise fail("bad-sum-of-products", place,
                           f"the product {show(term)!r} happens at no or at two spikes",
                           limit="x0 or y0 in every product",
                           hint="multiply it by x0 or y0")  # fmt: skip
            halves[sides.pop()].append(substitute(term, {s: Num(1.0) for s in _SIDES}))
            used |= set(names(term))
        target = "w" if variable == "w" else "tag"
        for half, updates in (("pre", on_pre), ("post", on_post)):
            terms = halves[half]
            if terms:
                change = terms[0]
                for term in terms[1:]:
                    change = Op("+", (change, term))
                change = substitute(change, {"t": Sym("tag")})
                unit = Sym("one_w") if variable == "w" else Num(1.0)
                step = Op("*", (unit, substitute(change, {"w": Op("/", (Sym("w"), Sym("one_w")))})))
                updates.append(f"{target} = {target} + {show(step)}")
    del units
    needed = sorted(used & ({*_TRACES, "r"}))
    for missing in set(needed) ^ set(taus):
        raise fail("missing-parameter" if missing in needed else "unknown-trace",
                   f"{where}, taus", f"{missing!r} {'has no' if missing in needed else 'needs no'}"
                   " time constant", limit=", ".join(needed) or "(none used)")  # fmt: skip
    parameters = [Parameter(name=f"tau_{n}", unit="s", default=float(taus[n])) for n in needed]
    parameters.append(
        Parameter(name="one_w", unit="w", default=1.0, doc="the weight that counts as 1")
    )
    for bound, value in (("w_min", w_min), ("w_max", w_max)):
        if value is not None:
            parameters.append(Parameter(name=bound, unit="w", default=float(value)))
    try:
        return PlasticityRule(
            name=name, doc=text, source=source or "Davies et al. 2018, IEEE Micro 38(1):82",
            parameters=tuple(parameters),
            traces=tuple(Trace(name=n, side="pre" if n[0] == "x" else "post", tau=f"tau_{n}")
                         for n in needed if n != "r"),
            variables=(SynapseVariable(name="tag"),) if "t" in used or tag is not None else (),
            third_factor=ThirdFactor(name="r", tau="tau_r") if "r" in used else None,
            on_pre=tuple(on_pre), on_post=tuple(on_post),
            w_min="w_min" if w_min is not None else None,
            w_max="w_max" if w_max is not None else None,
        )  # fmt: skip
    except RanvierError as error:
        raise RanvierError(*error.issues) from None


def _terms(expr: Expr, minus: bool = False) -> list[Expr]:
    """The products of a sum, with their signs."""
    if isinstance(expr, Op) and expr.op in ("+", "-"):
        right = minus != (expr.op == "-")
        return [*_terms(expr.args[0], minus), *_terms(expr.args[1], right)]
    if isinstance(expr, Op) and expr.op == "neg":
        return _terms(expr.args[0], not minus)
    return [Op("neg", (expr,)) if minus else expr]

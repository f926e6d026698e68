"""A slow reference: every synapse at every tick, straight from a rule's statement.

It shares with the package the parser and exp, and nothing of the lazy algorithm: no rows, no
histories, no generated text. A value that decays is kept as (value at its last event, tick of that
event).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ranvier.neurons._expr import EXP_LIMIT, Expr, Num, Sym, parse
from ranvier.neurons._lower import HELPERS
from ranvier.plasticity import PlasticityRule, Trace

COMPARE = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}  # fmt: skip


def value_of(expr: Expr, values: Mapping[str, float]) -> Any:
    """Walk an expression with Python floats."""
    if isinstance(expr, Num):
        return expr.value
    if isinstance(expr, Sym):
        return values[expr.name]
    if expr.op == "where":
        return value_of(expr.args[1 if value_of(expr.args[0], values) else 2], values)
    a = [value_of(x, values) for x in expr.args]
    match expr.op:
        case "+":
            return a[0] + a[1]
        case "-":
            return a[0] - a[1]
        case "*":
            return a[0] * a[1]
        case "/":
            return a[0] / a[1]
        case "**":
            return math.pow(a[0], a[1])
        case "neg":
            return -a[0]
        case "min":
            return min(a)
        case "max":
            return max(a)
        case "relu":
            return max(a[0], 0.0)
        case "exp":
            return exp(min(a[0], EXP_LIMIT))
        case op if op in COMPARE:
            return COMPARE[op](*a)
    return getattr(math, expr.op)(*a)


_SPACE: dict[str, Any] = {"np": np}
exec(HELPERS["exp"], _SPACE)
exp = _SPACE["limited_exp"]
"""The package's own exp, whose bits are its definition."""


def decay(k: int, dt: float, tau: float) -> float:
    """exp(-k*dt/tau); beyond 4096 ticks a product of three, as documented."""

    def e(i: int) -> float:
        return math.exp(-i * dt / tau)

    k = min(k, 2**31 - 1)
    return e(k) if k < 4096 else e(k % 4096) * e(k // 4096 % 4096 * 4096) * e((k >> 24) << 24)


def uniform(seed: int, synapse: int, tick: int, side: int) -> float:
    """The random number of an update, from its definition."""
    mask, h = 0xFFFFFFFF, 0
    for word in (seed, seed >> 32, synapse, synapse >> 32, tick, (tick >> 32) * 2 + side):
        h ^= word & mask
        h = (h ^ h >> 16) * 0x7FEB352D & mask
        h = (h ^ h >> 15) * 0x846CA68B & mask
        h ^= h >> 16
    return (h + 0.5) / 2**32


@dataclass
class Decaying:
    """A value at the tick of its last event."""

    tau: float | None
    dt: float
    value: float = 0.0
    tick: int = 0

    def at(self, t: int) -> float:
        return self.value if self.tau is None else self.value * decay(
            t - self.tick, self.dt, self.tau
        )  # fmt: skip

    def put(self, value: float, t: int) -> None:
        self.value, self.tick = value, t


@dataclass
class Brute:
    """``pre[s]`` and ``post[s]`` are the source and target of synapse s, ``delay[s]`` in ticks."""

    rule: PlasticityRule
    parameters: Mapping[str, float]
    dt: float
    pre: Sequence[int]
    post: Sequence[int]
    delay: Sequence[int]
    weight: np.ndarray
    seed: int = 0
    ident: Sequence[int] | None = None
    sent: list[tuple[int, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rule, p = self.rule, {**self.rule.defaults, **self.parameters}
        self.p = p
        self.ident = range(len(self.pre)) if self.ident is None else self.ident
        self.traces = [{t.name: Decaying(p[t.tau], self.dt) for t in rule.traces}
                       for _ in self.pre]  # fmt: skip
        self.vars = [{v.name: Decaying(p[v.tau] if v.tau else None, self.dt, v.initial)
                      for v in rule.variables} for _ in self.pre]  # fmt: skip
        third = rule.third_factor
        self.factor = Decaying(p[third.tau], self.dt) if third else None
        self.base = p[third.baseline] if third and third.baseline else 0.0
        self.cur = [0] * len(self.pre)

    def drift(self, s: int, t: int) -> None:
        """What happens by itself from the last event of synapse s to tick t."""
        k, rule = t - self.cur[s], self.rule
        old = {name: d.at(self.cur[s]) for name, d in self.vars[s].items()}
        if self.factor is not None and rule.third_factor is not None:
            old[rule.third_factor.name] = self.factor.at(self.cur[s])
        if rule.drift_terms:
            taus = {v.name: v.tau for v in rule.variables}
            if rule.third_factor is not None:
                taus[rule.third_factor.name] = rule.third_factor.tau
            w = float(self.weight[s])
            for term in rule.drift_terms:
                group = sorted(str(taus[n]) for n in term.names if taus[n])
                product = value_of(term.factor, self.p)
                for name in term.names:
                    product = product * old[name]
                if group:
                    one = len(group) == 1
                    tau = self.p[group[0]] if one else 1.0 / sum(1.0 / self.p[g] for g in group)
                    w = w + product * (tau * (1.0 - decay(k, self.dt, tau)))
                else:
                    w = w + product * (k * self.dt)
            self.weight[s] = self.clip(w)
        for variable in self.vars[s].values():
            variable.put(variable.at(t), t)
        self.cur[s] = t

    def clip(self, w: float) -> float:
        low = self.p[self.rule.w_min] if self.rule.w_min else -math.inf
        high = self.p[self.rule.w_max] if self.rule.w_max else math.inf
        return min(max(w, low), high)

    def jump(self, trace: Trace, value: float) -> float:
        step = value_of(parse(trace.increment, where=""), self.p)
        value = step if trace.jump == "set" else value + step
        if trace.bound is not None:
            value = min(value, value_of(parse(trace.bound, where=""), self.p))
        return value

    def update(self, s: int, t: int, side: str) -> None:
        self.drift(s, t)
        values: dict[str, float] = {**self.p, "w": float(self.weight[s])}
        values |= {name: v.value for name, v in self.vars[s].items()}
        for trace in self.rule.traces:
            now = self.traces[s][trace.name].at(t)
            own = trace.side == side and trace.read == "after"
            values[trace.name] = self.jump(trace, now) if own else now
        if self.factor is not None and self.rule.third_factor is not None:
            values[self.rule.third_factor.name] = self.factor.at(t) + self.base
        assert self.ident is not None
        values["u"] = uniform(self.seed, self.ident[s], t, int(side == "post"))
        exprs = self.rule.pre_exprs if side == "pre" else self.rule.post_exprs
        for target, expr in exprs:
            values[target] = value_of(expr, values)
        if exprs:
            self.weight[s] = self.clip(values["w"])
        for name, variable in self.vars[s].items():
            variable.put(values[name], t)
        for trace in self.rule.traces:
            if trace.side == side:
                d = self.traces[s][trace.name]
                d.put(self.jump(trace, d.at(t)), t)

    def run(
        self,
        ticks: int,
        pre_spikes: set[tuple[int, int]],
        post_spikes: set[tuple[int, int]],
        rewards: Mapping[int, float] | None = None,
    ) -> None:
        """Spikes are (tick, neuron); presynaptic ones at the tick they are sent."""
        rewards = rewards or {}
        for t in range(ticks):
            if self.factor is not None and t in rewards:
                for s in range(len(self.pre)):
                    self.drift(s, t)
                self.factor.put(self.factor.at(t) + rewards[t], t)
            for s, source in enumerate(self.pre):
                if (t - self.delay[s], source) in pre_spikes:
                    self.update(s, t, "pre")
                    self.sent.append((t, s, float(self.weight[s])))
            for s, target in enumerate(self.post):
                if (t, target) in post_spikes:
                    self.update(s, t, "post")

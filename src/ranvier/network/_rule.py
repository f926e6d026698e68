"""Connectivity as a rule and a seed: stored as these few numbers, drawn again when needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import fail, suggest, unknown
from ranvier.network._connectivity import Connectivity, Sparse, Synapses, weight_array
from ranvier.network._distribution import Distribution, distribution_from
from ranvier.network._given import whole
from ranvier.network._space import KERNELS, Space, kernel_of, probability, space_from
from ranvier.network._ticks import TickTable

__all__ = ["RULES", "Chunk", "Rule"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Int32Array = NDArray[np.int32]

RULES: Mapping[str, tuple[str, ...]] = {
    "all_to_all": (),
    "one_to_one": (),
    "fixed_probability": ("p",),
    "fixed_indegree": ("k",),
    "fixed_outdegree": ("k",),
    "fixed_total_number": ("n",),
    **KERNELS,
}
"""Procedural rules and their parameters (a ``radius`` may cut any of the distance rules)."""

GROUP = 1 << 16
"""Targets whose synapses are counted at a time."""
PASS = 1 << 23
"""Synapses that one pass over the sources collects (``fixed_outdegree``)."""


class Chunk(NamedTuple):
    """Synapses of a few whole targets in canonical order (target, then index in its own list).

    ``pre``, ``post`` int32 [n]; ``weight`` float64 [n] in SI, or one float where all are equal;
    ``ticks`` int32 [n] are delays in ticks (>= 1), None where no distribution was given.
    """

    pre: Int32Array
    post: Int32Array
    weight: FloatArray | float
    ticks: Int32Array | None


@dataclass(frozen=True, eq=False)
class Rule(Connectivity):
    """Connectivity as a rule and a seed.

    ====================  ============================================================
    all_to_all            every pair once
    one_to_one            source i to target i
    fixed_probability     every pair with probability ``p``, independently
    fixed_indegree        ``k`` sources of every target, uniformly
    fixed_outdegree       ``k`` targets of every source, uniformly
    fixed_total_number    ``n`` pairs, each uniformly among all pairs
    distance_gaussian     every pair with ``p_max exp(-d^2 / (2 sigma^2))``
    distance_exponential  every pair with ``p_max exp(-d / lambda)``
    distance_linear       every pair with ``p_max (1 - d / radius)``
    distance_box          every pair with ``p_max`` up to distance ``radius``
    ====================  ============================================================

    The distance rules take positions from ``space``; the first two may be cut at a ``radius``.

    ``weight`` is a number or a :class:`Distribution`, in the unit of the target port.
    ``autapses=False`` forbids i -> i (those chosen otherwise take their place, except in
    those that try every pair, which just lack them). ``multapses=False`` draws
    without replacement, so that no pair is connected twice.

    Draws come from a counter-based generator (Philox 4x32-10, Salmon et al. 2011) with ``seed`` as
    key and (index, target) as counter: any range of targets can be made alone, in any order and
    number of threads, with the same result. Raises RanvierError for what cannot be drawn.
    """

    rule: str
    n_pre: int
    n_post: int
    parameters: Mapping[str, float]
    weight: float | Distribution
    seed: int
    autapses: bool = True
    multapses: bool = True
    space: Space | None = None
    kind: ClassVar[str] = "rule"

    def __post_init__(self) -> None:
        if not isinstance(cast("Any", self.rule), str) or self.rule not in RULES:
            raise unknown("connection rule", self.rule, RULES, where="Rule.rule")
        set_ = object.__setattr__
        for name in ("n_pre", "n_post", "seed"):
            set_(self, name, whole(f"Rule.{name}", getattr(self, name), 0))
        for name in ("n_pre", "n_post"):
            if getattr(self, name) >= 2**31:
                raise fail("rule-parameters", f"Rule.{name}", "is too large", limit="2**31 - 1")
        if self.seed >= 2**128:
            raise fail("rule-parameters", "Rule.seed", "is too large", limit="2**128 - 1")
        if isinstance(self.weight, (Mapping, Distribution)):
            set_(self, "weight", distribution_from(self.weight, "Rule.weight"))
        else:
            set_(self, "weight", float(weight_array("Rule.weight", self.weight, (0,))))
        for name in ("autapses", "multapses"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                got = repr(getattr(self, name))
                raise fail("rule-parameters", f"Rule.{name}", "must be True or False", got=got)
            set_(self, name, bool(getattr(self, name)))
        self._check_space()
        self._check_parameters()
        self._check_possible()

    def _check_space(self) -> None:
        if self.rule not in KERNELS:
            if self.space is not None:
                raise fail("rule-space", f"Rule({self.rule})", "does not depend on positions")
            return
        if self.space is None:
            raise fail(
                "rule-space",
                f"Rule({self.rule})",
                "needs the positions of sources and targets",
                hint="space=Space(Grid((40, 25)), Grid((40, 25)))",
            )
        space = space_from(self.space, "Rule.space")
        object.__setattr__(self, "space", space)
        for name in ("pre", "post"):
            n = space.positions(name).shape[0]
            if n != getattr(self, f"n_{name}"):
                raise fail(
                    "rule-space",
                    f"Rule.space.{name}",
                    "needs one position per neuron",
                    got=n,
                    limit=getattr(self, f"n_{name}"),
                )

    def _check_parameters(self) -> None:
        given_parameters: Any = self.parameters
        if not isinstance(given_parameters, Mapping):
            raise fail("rule-parameters", "Rule.parameters", "must map names to numbers")
        given = {k: float(weight_array(f"Rule.{k}", v, (0,))) for k, v in self.parameters.items()}
        object.__setattr__(self, "parameters", given)
        needed = RULES[self.rule]
        legal = {*needed, "radius"} if self.rule in KERNELS else set(needed)
        if not set(needed) <= set(given) <= legal:
            odd = next((name for name in given if name not in needed), "")
            raise fail(
                "rule-parameters",
                f"Rule({self.rule})",
                "wrong parameters",
                got=sorted(given),
                limit=sorted(needed),
                hint=suggest(odd, needed) if odd else "",
            )
        for name in ("p", "p_max"):
            p = given.get(name, 0.0)
            if not 0 <= p <= 1:
                where = f"Rule.{name}"
                raise fail("rule-parameters", where, "must be a probability", got=p, limit="0..1")
        for name in ("sigma", "lambda", "radius"):
            if not given.get(name, 1.0) > 0:
                where = f"Rule.{name}"
                raise fail("rule-parameters", where, "must be positive", got=given[name])
        for name, most in (("k", 2**31), ("n", 2**53)):
            value = given.get(name, 0.0)
            if not (0 <= value < most and value == int(value)):
                raise fail(
                    "rule-parameters",
                    f"Rule.{name}",
                    "must be a whole number",
                    got=value,
                    limit=">= 0",
                )

    def _check_possible(self) -> None:
        """There must be enough sources (targets, pairs) to choose from."""
        if self.rule == "one_to_one":
            if self.n_pre != self.n_post:
                raise fail(
                    "rule-impossible",
                    "Rule(one_to_one)",
                    "needs as many targets as sources",
                    got=f"{self.n_pre} -> {self.n_post}",
                )
            return
        own = 0 if self.autapses else min(self.n_pre, self.n_post)
        for rule, name, choices, what in (
            ("fixed_indegree", "k", self.n_pre - (own > 0), "sources"),
            ("fixed_outdegree", "k", self.n_post - (own > 0), "targets"),
            ("fixed_total_number", "n", self.n_pre * self.n_post - own, "pairs"),
        ):
            wanted = int(self.parameters.get(name, 0)) if rule == self.rule else 0
            nobody = (self.n_post if rule == "fixed_indegree" else self.n_pre) == 0
            if not wanted or (nobody and rule != "fixed_total_number"):
                continue
            if choices < 1 or (not self.multapses and wanted > choices):
                few = f"there are no {what} to draw from" if choices < 1 else "cannot be drawn"
                more = "" if choices < 1 else " without multapses"
                hints = (() if self.autapses else ("allow autapses=True",)) + (
                    () if self.multapses or choices < 1 else ("allow multapses=True",)
                )
                raise fail(
                    "rule-impossible",
                    f"Rule.{name}",
                    few + more,
                    got=wanted,
                    limit=f"{choices} {what}",
                    hint=hints,
                )

    # -- sizes --------------------------------------------------------------------------------
    def sizes(self) -> tuple[int, int]:
        return self.n_pre, self.n_post

    def _exact(self) -> int | None:
        """The number of synapses where the rule fixes it."""
        own = 0 if self.autapses else min(self.n_pre, self.n_post)
        k, n = int(self.parameters.get("k", 0)), int(self.parameters.get("n", 0))
        return {
            "all_to_all": self.n_pre * self.n_post - own,
            "one_to_one": self.n_pre if self.autapses else 0,
            "fixed_indegree": self.n_post * k,
            "fixed_outdegree": self.n_pre * k,
            "fixed_total_number": n,
        }.get(self.rule)

    def most(self) -> int:
        exact = self._exact()
        return self.n_pre * self.n_post if exact is None else exact

    def expected(self) -> float:
        """Mean number of synapses over all seeds, without drawing any.

        Exact, but for distance rules onto more than 256 targets (a sample of them).
        """
        exact = self._exact()
        if exact is not None:
            return float(exact)
        own = 0 if self.autapses else min(self.n_pre, self.n_post)
        pairs = self.n_pre * self.n_post - own
        if self.space is None or not pairs:
            return self.parameters.get("p", 0.0) * pairs
        return self._expected_near

    @cached_property
    def _expected_near(self) -> float:
        space = cast("Space", self.space)
        # Every target up to 256 of them, then as many evenly spaced ones.
        chosen = np.unique(np.linspace(0, self.n_post - 1, min(self.n_post, 256)).astype(np.int64))
        total = 0.0
        for target in chosen.tolist():
            near = space.distances(target)
            if not self.autapses and target < near.size:
                near[target] = np.inf
            total += float(probability(self.rule, self.parameters, near).sum())
        return total * self.n_post / chosen.size

    def count(self) -> int:
        exact = self._exact()
        if exact is not None:
            return exact
        return sum(c.pre.size for c in self.chunks(0, self.n_post, weights=False))

    # -- drawing ------------------------------------------------------------------------------
    def chunks(
        self,
        first: int,
        last: int,
        *,
        delay: Distribution | None = None,
        dt: float | None = None,
        weights: bool = True,
        most: int = 1 << 20,
    ) -> Iterator[Chunk]:
        """The synapses onto the targets first .. last - 1, about ``most`` at a time.

        A chunk holds whole targets (a single one may have more than ``most``). ``delay`` [s] is
        drawn in ticks of ``dt`` [s], rounded half up, at least 1. ``weights=False`` leaves drawn
        weights out (NaN), for a first pass that only counts. The loops release the GIL. Raises
        RanvierError when the range or the delays are impossible.
        """
        if not 0 <= first <= last <= self.n_post:
            raise fail(
                "rule-range",
                f"Rule({self.rule}).chunks",
                "asks for targets that are not there",
                got=f"{first}..{last}",
                limit=f"0..{self.n_post}",
            )
        table = None
        if delay is not None:
            if dt is None:
                raise fail("rule-range", "Rule.chunks", "needs dt to draw delays in ticks")
            table = TickTable.of(delay, dt)
        return self.chunks_of(first, last, table=table, weights=weights, most=most)

    def chunks_of(
        self,
        first: int,
        last: int,
        *,
        table: TickTable | None = None,
        weights: bool = True,
        most: int = 1 << 20,
    ) -> Iterator[Chunk]:
        """As :meth:`chunks`, with the delays' table made before."""
        most = whole("Rule.chunks.most", most, 1)
        pen = _Pen(self, table, weights)
        if first == last or self.n_pre == 0:
            return iter(())
        if self.rule == "fixed_probability" or self.rule in KERNELS:
            return self._bernoulli(pen, first, last, most)
        if self.rule == "fixed_outdegree":
            return self._outgoing(pen, first, last, most)
        return self._counted(pen, first, last, most)

    def indegrees(self, first: int, last: int) -> IntArray:
        """Synapses of each target, where they are known before the sources are drawn."""
        n = last - first
        own = np.arange(first, last) < self.n_pre
        if self.rule == "fixed_total_number":
            from ranvier.network import _split
            from ranvier.network._draw import key_of

            loops: Any = _split
            out = np.empty(n, np.int64)
            loops.split(
                int(self.parameters["n"]), first, last, self.n_pre, self.n_post,
                self.autapses, not self.multapses, *key_of(self.seed), out,
            )  # fmt: skip
            return out
        if self.rule == "one_to_one":
            return np.full(n, int(self.autapses), np.int64)
        if self.rule == "fixed_indegree":
            return np.full(n, int(self.parameters["k"]), np.int64)
        return np.full(n, self.n_pre, np.int64) - (0 if self.autapses else own)

    def _counted(self, pen: _Pen, first: int, last: int, most: int) -> Iterator[Chunk]:
        from ranvier.network import _draw

        loops: Any = _draw
        mode = {"all_to_all": _draw.ALL, "one_to_one": _draw.ONE}.get(
            self.rule, _draw.REPLACED if self.multapses else _draw.DISTINCT
        )
        stamp = np.full(self.n_pre if mode == _draw.DISTINCT else 0, -1, np.int32)
        for begin in range(first, last, GROUP):
            counts = self.indegrees(begin, min(last, begin + GROUP))
            ends = np.cumsum(counts)
            at = 0
            while at < counts.size:
                done = int(ends[at - 1]) if at else 0
                stop = max(at + 1, int(np.searchsorted(ends, done + most, side="right")))
                pre, post, weight, ticks = pen.room(int(ends[stop - 1]) - done)
                if pre.size:
                    loops.draw_counted(
                        mode, begin + at, counts[at:stop], self.n_pre, self.autapses,
                        *pen.arguments, pre, post, weight, ticks, stamp,
                    )  # fmt: skip
                    yield pen.chunk(pre, post, weight, ticks, pre.size)
                at = stop

    def _bernoulli(self, pen: _Pen, first: int, last: int, most: int) -> Iterator[Chunk]:
        from ranvier.network import _draw

        loops: Any = _draw
        p = self.parameters.get("p", self.parameters.get("p_max", 0.0))
        if p == 0:
            return
        per_target, draw = p * self.n_pre, loops.draw_bernoulli
        numbers: tuple[Any, ...] = (self.n_pre, p)
        if self.space is not None:
            from ranvier.network import _near

            draw = cast("Any", _near).draw_near
            kernel = kernel_of(self.rule, self.parameters)
            numbers = (*kernel, self.space.targets, *self.space.cells)
            per_target = self.expected() / self.n_post
        room, end = 0, last
        while first < last:
            mean = per_target * (last - first)
            room = room or min(most, int(mean + 6 * mean**0.5) + 64)
            arrays = pen.room(room)
            n, following = draw(first, end, *numbers, self.autapses, *pen.arguments, *arrays)
            if following == first:
                room, end = 2 * room, first + 1  # this one alone
                continue
            first, room, end = following, 0, last
            if n:
                yield pen.chunk(*arrays, n)

    def _outgoing(self, pen: _Pen, first: int, last: int, most: int) -> Iterator[Chunk]:
        from ranvier.network import _draw

        loops: Any = _draw
        k = int(self.parameters["k"])
        per_target = max(1.0, self.n_pre * k / self.n_post)
        step = max(1, int(max(most, PASS) / per_target))
        for begin in range(first, last, step):
            end = min(last, begin + step)
            place = np.zeros(end - begin, np.int64)
            none = pen.room(0)
            numbers = (self.n_pre, self.n_post, k, not self.multapses, self.autapses)

            def stamp() -> Int32Array:
                return np.full(0 if self.multapses else self.n_post, -1, np.int32)

            fixed = (begin, end, *numbers, *pen.arguments)
            loops.draw_outgoing(*fixed, place, none[0], *none[2:], stamp())
            ends = np.cumsum(place)
            starts = ends - place
            pre, post, weight, ticks = pen.room(int(ends[-1]))
            post[:] = np.repeat(np.arange(begin, end, dtype=np.int32), place)
            if pre.size:
                loops.draw_outgoing(*fixed, starts.copy(), pre, weight, ticks, stamp())
            at = 0
            while at < pre.size:
                stop = max(
                    int(ends[np.searchsorted(ends, at, side="right")]),
                    int(ends[max(0, int(np.searchsorted(ends, at + most, side="right")) - 1)]),
                )
                part = slice(at, stop)
                yield pen.chunk(pre[part], post[part], weight[part], ticks[part], stop - at)
                at = stop

    def listed(self, table: TickTable | None = None) -> tuple[Synapses, Int32Array | None]:
        """All synapses sorted by source (stable), and their delays in ticks in the same order."""
        chunks = list(self.chunks_of(0, self.n_post, table=table))
        none = np.empty(0, np.int32)
        pre = np.concatenate([none, *(c.pre for c in chunks)])
        order = np.argsort(pre, kind="stable")
        post = np.concatenate([none, *(c.post for c in chunks)])[order].astype(np.int64)
        if isinstance(self.weight, Distribution):
            parts = [cast("FloatArray", c.weight) for c in chunks]
            weight = np.concatenate([np.empty(0), *parts])[order]
        else:
            weight = np.full(pre.size, self.weight)
        ticks = None
        if table is not None:
            late = [cast("Int32Array", c.ticks) for c in chunks]
            ticks = np.concatenate([none, *late])[order]
        return Synapses(pre[order].astype(np.int64), post, weight, np.arange(pre.size)), ticks

    def synapses(self) -> Synapses:
        return self.listed()[0]

    def with_weights(self, weights: FloatArray) -> Connectivity:
        synapses = self.synapses()
        return Sparse(synapses.pre, synapses.post, weights, (self.n_pre, self.n_post))

    def to_dict(self) -> dict[str, Any]:
        data = super().to_dict()
        if isinstance(self.weight, Distribution):
            data["weight"] = self.weight.to_dict()
        if self.space is not None:
            data["space"] = self.space.to_dict()
        return data


class _Pen:
    """What the drawing loops are given besides the rule, and arrays to write into."""

    def __init__(self, rule: Rule, table: TickTable | None, weights: bool) -> None:
        from ranvier.network._draw import key_of

        self.constant = float("nan")
        law, number = 0, np.zeros(6)
        if isinstance(rule.weight, Distribution):
            law, number = rule.weight.code()
        else:
            self.constant = rule.weight
        self.weighted, self.timed = bool(law) and weights, table is not None
        shape: tuple[Any, ...] = (0, np.zeros(1, np.uint64), np.zeros(1, np.int32), 31)
        if table is not None:
            shape = (table.first, table.edge, table.guide, table.shift)
        self.arguments: tuple[Any, ...] = (*key_of(rule.seed), law, number, *shape)

    def room(self, n: int) -> tuple[Int32Array, Int32Array, FloatArray, Int32Array]:
        """New arrays for n synapses: pre, post, weight, ticks (empty where not drawn)."""
        weight = np.empty(n if self.weighted else 0)
        ticks = np.empty(n if self.timed else 0, np.int32)
        return np.empty(n, np.int32), np.empty(n, np.int32), weight, ticks

    def chunk(
        self, pre: Int32Array, post: Int32Array, weight: FloatArray, ticks: Int32Array, n: int
    ) -> Chunk:
        """The first n of what was written."""
        return Chunk(
            pre[:n],
            post[:n],
            weight[:n] if self.weighted else self.constant,
            ticks[:n] if self.timed else None,
        )

"""The lazy algorithm as text: rows of synapses brought up to date when a spike arrives.

A synapse is visited when a presynaptic spike arrives, and then catches up with what happened since
the last arrival (Morrison et al. 2007, Neural Comput. 19:1437). What it needs: per row (the
synapses of one source with one delay) the tick of the last arrival and the presynaptic traces just
after it; per postsynaptic neuron its last spikes, newest first; the events of the third
factor since the last sweep. A sweep catches all synapses up, so that spikes before it are done with.

All values are computed from physical events only: a trace from the value just after its last jump,
a variable and the drift of w from event to event (arrival, postsynaptic spike, event of the third
factor). A sweep is no event, so when it happens changes no bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ranvier.neurons._expr import COMPARISONS, Expr, Op, names

if TYPE_CHECKING:
    from ranvier.plasticity._generate import Writer

__all__ = ["ROW_ARGUMENTS", "row_functions"]

ROW_ARGUMENTS = (
    "ident, seed, target, weight, syn, row_last, row_trace, post_trace, hist_since, hist_tick,"
    " hist_trace, mod_count, mod_tick, mod_value, params, table"
)
"""What process_row, sweep_rows and advance_rows take after their first arguments."""

SLOTS = 2
"""Spikes of a target that are applied without a branch, by computing and discarding: at equal rates
a branch on their number is mispredicted at about every second synapse. More are a loop."""

_CHEAP = {*"+-*", "neg", "min", "max", "relu", "where", "and", "or", "not", *COMPARISONS}


def row_functions(writer: Writer, history: tuple[str, ...], uses_u: bool) -> list[str]:
    """Texts of process_row, pre_spike, post_spike, sweep_rows, advance_rows, swept and modulate."""
    rows = _Rows(writer, history, uses_u)
    texts = [rows.process(), rows.pre_spike(), rows.post_spike(), rows.sweep("sweep_rows", False)]
    texts += [rows.sweep("advance_rows", True), rows.swept()]
    if rows.third:
        texts.append(rows.modulate())
    # known only now: parameters may have been added, and are unpacked in this order
    return [t.replace("    @params\n", rows.unpack(t)) for t in texts]


class _Rows:
    def __init__(self, writer: Writer, history: tuple[str, ...], uses_u: bool) -> None:
        self.writer, self.rule, self.uses_u = writer, writer.rule, uses_u
        self.history = history
        self.pre = [t for t in self.rule.traces if t.side == "pre"]
        self.post = [t for t in self.rule.traces if t.side == "post"]
        self.third = self.rule.third_factor
        variables = self.rule.variables
        self.drifts = bool(self.rule.drift_terms)
        self.timed = self.drifts or any(v.tau is not None for v in variables)
        self.variables = [v.name for v in variables]
        used = {n for _, e in self.rule.post_exprs for n in names(e)}
        self.post_reads = [t for t in self.rule.traces if t.name in used]
        used = {n for _, e in self.rule.pre_exprs for n in names(e)}
        self.pre_reads = [t for t in self.rule.traces if t.name in used]

    # -- small pieces of text ------------------------------------------------------------

    def unpack(self, text: str) -> str:
        """Parameters and tables that ``text`` uses, as local names."""
        lines = [f"    p_{n.replace('$', '_r')} = params[{i}]"
                 for i, n in enumerate(self.writer.params)
                 if f"p_{n.replace('$', '_r')}" in text]  # fmt: skip
        lines += [f"    d_{r} = table[{r}]" for r in range(len(self.writer.rates))
                  if f"d_{r}," in text]  # fmt: skip
        return "".join(line + "\n" for line in lines)

    def param(self, name: str) -> str:
        if name not in self.writer.params:
            self.writer.params.append(name)
        return f"p_{name.replace('$', '_r')}"

    def decay(self, distance: str, *taus: str) -> str:
        return f"decay(d_{self.writer.rate(*taus)}, {distance})"

    def factor(self, at: str) -> str:
        """The third factor at tick ``at``: entry m - 1 is in force."""
        assert self.third is not None
        return f"mod_value[m - 1] * {self.decay(f'{at} - mod_tick[m - 1]', self.third.tau)}"

    def call(self, function: str, known: dict[str, str], u: str) -> str:
        """``w, v_... = on_pre(...)``; what the rule does not read is passed as 0."""
        state = ["w", *(f"v_{v}" for v in self.variables)]
        arguments = list(state)
        arguments += [known.get(t.name, "0.0") for t in (*self.pre, *self.post)]
        if self.third:
            arguments.append("n")
        arguments += [u, *(self.param(p.name) for p in self.rule.parameters)]
        return f"{', '.join(state)} = {function}({', '.join(arguments)})"

    def store(self) -> list[str]:
        """Round the weight to its type, as each event does."""
        return ["weight[i] = w", "w = float(weight[i])"]

    def advance(self, to: str) -> list[str]:
        """From tick ``cur`` to ``to``, between which nothing happens."""
        lines = [f"k = {to} - cur"]
        if self.drifts:
            lengths: list[str] = []
            for term in self.rule.drift_terms:
                third = self.third
                taus = {v.name: v.tau for v in self.rule.variables}
                if third is not None:
                    taus[third.name] = third.tau
                group = [t for n in term.names if (t := taus[n]) is not None]
                if group:
                    row = self.writer.rate(*group)
                    lengths.append(f"{self.param(f'${row}')} * (1.0 - {self.decay('k', *group)})")
                else:
                    lengths.append(f"k * {self.param('$dt')}")
            arguments = ["w", *(f"v_{v}" for v in self.variables)]
            arguments += [self.factor("cur")] if self.third else []
            arguments += lengths + [self.param(p.name) for p in self.rule.parameters]
            lines += [f"w = drift({', '.join(arguments)})", *self.store()]
        for variable in self.rule.variables:
            if variable.tau is not None:
                name = f"v_{variable.name}"
                lines.append(f"{name} = {name} * {self.decay('k', variable.tau)}")
        return [*lines, f"cur = {to}"]

    def events_until(self, tick: str) -> list[str]:
        """Events of the third factor up to and with ``tick``."""
        if not self.third:
            return []
        inner = self.advance("mod_tick[m]") if self.timed else []
        return [f"while m < mods and mod_tick[m] <= {tick}:", *_in([*inner, "m += 1"])]

    def to(self, tick: str) -> list[str]:
        return [*self.events_until(tick), *(self.advance(tick) if self.timed else [])]

    def load(self) -> list[str]:
        lines = ["j = target[i]", "w = float(weight[i])"]
        return lines + [f"v_{v} = syn[{r}, i]" for r, v in enumerate(self.variables)]

    def save(self) -> list[str]:
        return [f"syn[{r}, i] = v_{v}" for r, v in enumerate(self.variables)]

    def on_post(self, place: str, distance: str) -> list[str]:
        """Apply ``on_post`` for the spike at ``f``, entry ``place`` of the target's history."""
        known: dict[str, str] = {}
        for trace in self.post_reads:
            if trace.side == "pre":
                value = f"x_{trace.name} * {self.decay(distance, trace.tau)}"
            else:
                value = f"hist_trace[j, {place}, {self.history.index(trace.name)}]"
                if trace.read == "after":
                    value = self.writer.jump(trace, value)
            known[trace.name] = value
        lines = [f"n = {self.factor('f')}"] if self.third else []
        u = "uniform(seed, ident[row] + (i - a), f, 1)" if self.uses_u else "0.0"
        return [*lines, self.call("on_post", known, u), *self.store()]

    def pending(self) -> list[str]:
        """Everything since the last event this synapse knows, up to its target's last spike."""
        if not self.rule.on_post and not self.timed:
            return []
        fixed = {p.name for p in self.rule.parameters}
        cheap = all(_cheap(e, fixed) for _, e in self.rule.post_exprs)
        event = ["s -= 1", "f = hist_tick[j, s]", *self.to("f"), *self.on_post("s", "f - last")]
        if self.timed or self.third or self.variables or self.uses_u or not cheap:
            lines = ["s = 0", "while hist_tick[j, s] >= since:", "    s += 1"]
            if self.timed or self.third:
                lines.append("cur = max(last, hist_tick[j, s])")
            if self.third:
                lines += ["m = mods", "cur = max(cur, mod_tick[0])"]
                lines += ["while m > 1 and mod_tick[m - 1] > cur:", "    m -= 1"]
            return [*lines, "while s > 0:", *_in(event)]
        lines = [f"if hist_tick[j, {SLOTS}] >= since:"]
        many = [f"s = {SLOTS + 1}", "while hist_tick[j, s] >= since:", "    s += 1"]
        lines += _in([*many, f"while s > {SLOTS}:", *_in(event)])
        for place in reversed(range(SLOTS)):
            lines += [f"f = hist_tick[j, {place}]", "k = max(f - last, 0)", "old = w"]
            lines += [*self.on_post(str(place), "k"), "w = w if f >= since else old"]
        return [*lines, "weight[i] = w"]

    def row_values(self) -> list[str]:
        """The row's last arrival, and its traces just after it."""
        lines = ["last = row_last[row]", "since = max(last, hist_since[0])"]
        lines += [f"x_{t.name} = row_trace[row, {r}]" for r, t in enumerate(self.pre)]
        return [*lines, "mods = mod_count[0]"] if self.third else lines

    # -- functions -----------------------------------------------------------------------

    def process(self) -> str:
        lines = [*self.row_values(), "gap = t - last"]
        known: dict[str, str] = {}
        for trace in self.pre_reads:
            if trace.side == "pre":
                now = f"x_{trace.name} * {self.decay('gap', trace.tau)}"
                value = self.writer.jump(trace, now) if trace.read == "after" else now
                lines.append(f"now_{trace.name} = {value}")
                known[trace.name] = f"now_{trace.name}"
        body = [*self.load(), *self.pending()]
        if not self.pending() and self.third:
            body += ["m = mods"]
        body += self.to("t") if self.pending() else []
        if self.third:
            body.append(f"n = {self.factor('t')}")
        for trace in self.pre_reads:
            if trace.side == "post":
                column = self.post.index(trace)
                distance = self.decay("t - hist_tick[j, 0]", trace.tau)
                known[trace.name] = f"post_trace[j, {column}] * {distance}"
        u = "uniform(seed, ident[row] + (i - a), t, 0)" if self.uses_u else "0.0"
        if self.rule.on_pre:
            body += [self.call("on_pre", known, u), *self.store()]
        body += [*self.save(), "acc[j] += w"]
        lines += ["for i in range(a, b):", *_in(body)]
        return _function("process_row", f"row, a, b, t, acc, {ROW_ARGUMENTS}", lines)

    def sweep(self, name: str, advance: bool) -> str:
        body = [
            *self.load(),
            *self.pending(),
            *(self.to("t") if advance else self.events_until("t")),
        ]
        if not self.pending():
            body = ["pass"]
        lines = ["a = row_start[row]", "b = row_start[row + 1]", *self.row_values()]
        lines += ["for i in range(a, b):", *_in([*body, *self.save()])]
        return _function(name, f"row_start, first, stop, t, {ROW_ARGUMENTS}",
                         ["for row in range(first, stop):", *_in(lines)])  # fmt: skip

    def pre_spike(self) -> str:
        lines = ["gap = t - row_last[row]"]
        for column, trace in enumerate(self.pre):
            old = f"row_trace[row, {column}] * {self.decay('gap', trace.tau)}"
            lines.append(f"row_trace[row, {column}] = {self.writer.jump(trace, old)}")
        lines.append("row_last[row] = t")
        return _function("pre_spike", "row, t, row_last, row_trace, params, table", lines)

    def post_spike(self) -> str:
        lines = ["gap = t - hist_tick[j, 0]", "last = hist_tick.shape[1] - 1"]
        lines += ["for s in range(last, 0, -1):", "    hist_tick[j, s] = hist_tick[j, s - 1]"]
        kept = range(len(self.history))
        lines += [f"    hist_trace[j, s, {h}] = hist_trace[j, s - 1, {h}]" for h in kept]
        lines.append("hist_tick[j, 0] = t")
        for column, trace in enumerate(self.post):
            lines.append(
                f"y_{trace.name} = post_trace[j, {column}] * {self.decay('gap', trace.tau)}"
            )
            if trace.name in self.history:
                place = self.history.index(trace.name)
                lines.append(f"hist_trace[j, 0, {place}] = y_{trace.name}")
            value = self.writer.jump(trace, f"y_{trace.name}")
            lines.append(f"post_trace[j, {column}] = {value}")
        lines.append("return hist_tick[j, last - 1] >= hist_since[0]")
        arguments = "j, t, post_trace, hist_since, hist_tick, hist_trace, params, table"
        return _function("post_spike", arguments, lines)

    def swept(self) -> str:
        lines = ["hist_since[0] = t + 1", "m = mod_count[0]", "mod_tick[0] = mod_tick[m - 1]"]
        lines += ["mod_value[0] = mod_value[m - 1]", "mod_count[0] = 1"]
        return _function("swept", "t, hist_since, mod_count, mod_tick, mod_value", lines)

    def modulate(self) -> str:
        lines = ["m = mod_count[0]", f"old = {self.factor('t')}"]
        lines += ["if mod_tick[m - 1] < t:", "    m += 1", "mod_tick[m - 1] = t"]
        lines += [
            "mod_value[m - 1] = old + amount",
            "mod_count[0] = m",
            "return m == mod_tick.size",
        ]
        return _function("modulate", "t, amount, mod_count, mod_tick, mod_value, params, table",
                         lines)  # fmt: skip


def _cheap(expr: Expr, fixed: set[str]) -> bool:
    """Whether computing ``expr`` for nothing costs little and cannot fail."""
    if not isinstance(expr, Op):
        return True
    if expr.op == "/" and set(names(expr.args[1])) <= fixed:
        return _cheap(expr.args[0], fixed)
    return expr.op in _CHEAP and all(_cheap(a, fixed) for a in expr.args)


def _in(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _function(name: str, arguments: str, lines: list[str]) -> str:
    return f"def {name}({arguments}):\n    @params\n" + "\n".join(_in(lines)) + "\n"

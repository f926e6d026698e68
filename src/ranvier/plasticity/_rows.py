"""The lazy algorithm as text: rows of synapses brought up to date when a spike arrives.

A synapse is visited when a presynaptic spike arrives, and then catches up with what happened since
the last arrival (Morrison et al. 2007, Neural Comput. 19:1437). What it needs: per row (the
synapses of one source with one delay) the tick of the last arrival and the presynaptic traces just
after it; per postsynaptic neuron its last spikes, newest first; the events of the third factor
since the last sweep. A sweep catches all synapses up, so that what came before it is done with.

Where nothing happens by itself (no drift, no variable that decays), the pending spikes of a row's
targets are applied rank by rank, 512 synapses at a time: first, without a branch, the lists of the
synapses with at least one pending spike, with two, ...; then, the other way round, each list's own
spikes. At equal rates, a branch on their number would be mispredicted at every second synapse.

All values are computed from physical events only: a trace from the value just after its last jump,
a variable and the drift of w from event to event (arrival, postsynaptic spike, event of the third
factor). A sweep is no event, so when it happens changes no bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ranvier.neurons._expr import names
from ranvier.plasticity._decay import FINE

if TYPE_CHECKING:
    from ranvier.plasticity._generate import Writer

__all__ = ["BLOCK", "ROW_ARGUMENTS", "row_functions"]

ROW_ARGUMENTS = (
    "ident, seed, target, weight, syn, row_last, row_trace, post_trace, hist_since, hist_tick,"
    " hist_trace, mod_count, mod_tick, mod_value, params, table, work"
)
"""What process_row, sweep_rows and advance_rows take after their first arguments:

===========  ================  ============================================================
ident        int64 [rows]      identity of the row's first synapse, for random numbers
seed         int               of random numbers
target       unsigned [syn]    postsynaptic neuron
weight       f4 or f8 [syn]    rounded to its type after every event
syn          f8 [vars, syn]    variables of the synapses
row_last     int64 [rows]      tick of the last arrival (0 at the start)
row_trace    f8 [rows, pre]    presynaptic traces just after it
post_trace   f8 [neurons, p]   postsynaptic traces just after the neuron's last spike
hist_since   int64 [2]         spikes before this tick are done with (0 at the start), and a tick
                               at which all synapses were put somewhere (0 at the start)
hist_tick    i4/i8 [capacity, neurons]  ticks of the last spikes, newest first (-1: none)
hist_trace   f8 [history, capacity, neurons]  traces just before each of them
mod_count    int64 [1]         events of the third factor since the last sweep, and one
mod_tick     int64 [capacity]  entry 0: the last event before
mod_value    f8 [capacity]     distance from the baseline just after it
params       f8 [n]            as ``kernel.params``
table        f8 [rates, TABLE] decays
work         uint32 [2*capacity, BLOCK + 1]  room for lists of synapses; each thread has its own
===========  ================  ============================================================

A row has all synapses of one source and one delay, or, where threads share it, those whose targets
a thread computes, with a last arrival and traces of their own. ``mod_*`` and ``hist_since`` are
written between ticks. A sweep is due when a neuron has spiked capacity - 1 times since the last.
Compile the texts without fastmath: it would change bits.
"""

BLOCK = 512
"""Synapses whose pending spikes are listed at a time: their weights stay in the first cache."""


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
        self.lists = bool(self.rule.on_post) and not self.timed
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
                  if f"d_{r}," in text or f"d_{r}[" in text]  # fmt: skip
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
        return ["ws[i] = w", "w = float(ws[i])"]

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
        """Synapse ``i`` of the block that begins at ``low``."""
        lines = ["j = to[i]", "w = float(ws[i])"]
        return lines + [f"v_{v} = syn_{r}[i]" for r, v in enumerate(self.variables)]

    def save(self) -> list[str]:
        return [f"syn_{r}[i] = v_{v}" for r, v in enumerate(self.variables)]

    def on_post(self, place: str, distance: str, *, near: bool = False) -> list[str]:
        """Apply ``on_post`` for the spike at ``f``, entry ``place`` of the target's history;
        ``near``: less than FINE ticks after the row's last event."""
        known: dict[str, str] = {}
        for trace in self.post_reads:
            if trace.side == "pre":
                decay = self.decay(distance, trace.tau)
                if near:  # the first part of the table says it all
                    decay = f"d_{self.writer.rate(trace.tau)}[({distance}) & {FINE - 1}]"
                value = f"x_{trace.name} * {decay}"
            else:
                value = f"hist_trace[{self.history.index(trace.name)}, {place}, j]"
                if trace.read == "after":
                    value = self.writer.jump(trace, value)
            known[trace.name] = value
        lines = [f"n = {self.factor('f')}"] if self.third else []
        u = "uniform(seed, ident[row] + (low + i - a), f, 1)" if self.uses_u else "0.0"
        return [*lines, self.call("on_post", known, u)]

    def by_rank(self) -> list[str]:
        """Everything since the last event that the synapses ``low`` to ``low + count`` know."""
        listing = ["listed[found] = i", "when[i] = f", "found += f >= since"]
        lines = ["ticks = hist_tick[0]", "listed = work[0]", "when = work[1]", "found = 0"]
        lines += ["for i in range(count):", *_in(["f = ticks[to[i]]", *listing])]
        deeper = ["before = listed", f"before[{BLOCK}] = found", "rank += 1"]
        deeper += ["ticks = hist_tick[rank]", "listed = work[2 * rank]"]
        deeper += ["when = work[2 * rank + 1]", "many = found", "found = 0"]
        deeper += ["for q in range(many):", *_in(["i = before[q]", "f = ticks[to[i]]", *listing])]
        lines += ["rank = 0", "while found > 0:", *_in(deeper)]
        lines += ["while rank > 0:"]
        lines += _in(["rank -= 1", "listed = work[2 * rank]", "when = work[2 * rank + 1]"])
        reads = any(t.side == "pre" for t in self.post_reads)
        for near in (True, False) if reads else (False,):
            event = ["i = listed[q]", "f = np.int64(when[i])", *self.load(), *self.before("f")]
            event += [*self.on_post("rank", "f - last", near=near), "ws[i] = w", *self.save()]
            loop = [f"for q in range(listed[{BLOCK}]):", *_in(event)]
            if reads:
                loop = [f"if t - last < {FINE}:" if near else "else:", *_in(loop)]
            lines += _in(loop)
        return lines

    def before(self, tick: str) -> list[str]:
        """Where nothing happens by itself: the event of the third factor in force at ``tick``."""
        if not self.third:
            return []
        return ["m = mods", f"while m > 1 and mod_tick[m - 1] > {tick}:", "    m -= 1"]

    def pending(self) -> list[str]:
        """The same of one synapse, where something happens by itself."""
        lines = ["s = 0", "while hist_tick[s, j] >= since:", "    s += 1"]
        lines.append("cur = max(last, hist_tick[s, j], hist_since[1])")
        if self.third:
            lines += ["m = mods", "cur = max(cur, mod_tick[0])"]
            lines += ["while m > 1 and mod_tick[m - 1] > cur:", "    m -= 1"]
        event = ["s -= 1", "f = hist_tick[s, j]", *self.to("f")]
        event += [*self.on_post("s", "f - last"), *self.store()]
        return [*lines, "while s > 0:", *_in(event)]

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
        body = self.load()
        body += [*self.pending(), *self.to("t")] if self.timed else self.before("t")
        if self.third:
            body.append(f"n = {self.factor('t')}")
        # listing what is pending has read it already, and left it in order
        newest = "np.int32(work[1, i])" if self.lists else "hist_tick[0, j]"
        for trace in self.pre_reads:
            if trace.side == "post":
                column = self.post.index(trace)
                distance = self.decay(f"t - {newest}", trace.tau)
                known[trace.name] = f"post_trace[j, {column}] * {distance}"
        u = "uniform(seed, ident[row] + (low + i - a), t, 0)" if self.uses_u else "0.0"
        if self.rule.on_pre:
            body += [self.call("on_pre", known, u), *self.store()]
        body += [*self.save(), "acc[j] += w"]
        lines += self.blocks(body)
        return _function("process_row", f"row, a, b, t, acc, {ROW_ARGUMENTS}", lines)

    def blocks(self, body: list[str]) -> list[str]:
        """``body`` for every synapse of the row, after what is pending."""
        lines = [f"count = min({BLOCK}, b - low)", "to = target[low : low + count]"]
        lines.append("ws = weight[low : low + count]")
        for r, _ in enumerate(self.variables):
            lines.append(f"syn_{r} = syn[{r}, low : low + count]")
        if self.lists:
            lines += self.by_rank()
        if body:
            lines += ["for i in range(count):", *_in(body)]
        return [f"for low in range(a, b, {BLOCK}):", *_in(lines)]

    def sweep(self, name: str, advance: bool) -> str:
        body: list[str] = []
        if self.timed:
            to = self.to("t") if advance else self.events_until("t")
            body = [*self.load(), *self.pending(), *to, "ws[i] = w", *self.save()]
        lines = ["a = row_start[row]", "b = row_start[row + 1]", *self.row_values()]
        lines += self.blocks(body)
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
        lines = ["gap = t - hist_tick[0, j]", "s = 0"]
        lines += ["while hist_tick[s, j] >= hist_since[0]:", "    s += 1"]
        lines += ["for s in range(s + 1, 0, -1):", "    hist_tick[s, j] = hist_tick[s - 1, j]"]
        kept = range(len(self.history))
        lines += [f"    hist_trace[{h}, s, j] = hist_trace[{h}, s - 1, j]" for h in kept]
        lines.append("hist_tick[0, j] = t")
        for column, trace in enumerate(self.post):
            lines.append(
                f"y_{trace.name} = post_trace[j, {column}] * {self.decay('gap', trace.tau)}"
            )
            if trace.name in self.history:
                place = self.history.index(trace.name)
                lines.append(f"hist_trace[{place}, 0, j] = y_{trace.name}")
            value = self.writer.jump(trace, f"y_{trace.name}")
            lines.append(f"post_trace[j, {column}] = {value}")
        lines.append("return hist_tick[hist_tick.shape[0] - 2, j] >= hist_since[0]")
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


def _in(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _function(name: str, arguments: str, lines: list[str]) -> str:
    return f"def {name}({arguments}):\n    @params\n" + "\n".join(_in(lines)) + "\n"

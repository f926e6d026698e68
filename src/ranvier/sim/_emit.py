"""Writes the worker: one numba function that runs a whole program for many ticks.

The worker's text depends only on which kernels a program uses, which of their parameters differ
between neurons and a few yes-or-no questions (:class:`Make`), never on sizes or values, so programs
of the same make share one compiled file. It is written as an ordinary file into a cache folder,
where it can be read, stepped through and cached by numba.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ranvier.neurons import Kernel
from ranvier.neurons._expr import EXP_LIMIT
from ranvier.plasticity import RuleKernel
from ranvier.sim import _worker
from ranvier.sim._cache import load_module
from ranvier.sim._learning import (
    learning_arguments,
    learning_arrive,
    learning_fire,
    learning_rules,
    learning_sweep,
)

__all__ = [
    "BLOCK",
    "DRAW_WORDS",
    "PART_FIELDS",
    "SUB_FIELDS",
    "Make",
    "Variant",
    "load_worker",
    "worker_source",
]

SUB_FIELDS = (
    "kind", "n", "first", "stride", "slot", "state", "param", "acc", "record", "counter", "random",
    "draw", "pitch", "rest", "awake",
)  # fmt: skip
"""Columns of the worker's table of sub-blocks (the part of a block that lies in one partition)."""
PART_FIELDS = (
    "owner", "acc", "width", "row", "rows", "synapse", "synapses", "sub", "sub_end", "probe",
    "probe_end",
)  # fmt: skip
"""Columns of the worker's table of partitions."""
BLOCK = 512
"""Neurons computed before their spikes are collected: their state stays in the first cache."""
DRAW_WORDS = {"uniform": 1, "normal": 2, "poisson": 1}
"""Random words one draw takes."""

SINGLE_EXP_LIMIT = 80.0
"""What EXP_LIMIT is in float32 (exp(80) = 6e34): sums of products must not overflow."""

_JIT = '@njit(cache=True, nogil=True, fastmath=False, error_model="numpy")'


_INLINE = _JIT.replace(")", ", forceinline=True)")
"""For what must vanish into the loop around it, or nothing vectorises."""


@dataclass(frozen=True)
class Variant:
    """A kernel and which of its parameters are arrays (one value per neuron)."""

    kernel: Kernel
    arrays: tuple[bool, ...]
    states: int = 0
    """Of a lazy kernel, the number of states that move at rest; 0: computed every tick."""


@dataclass(frozen=True, kw_only=True)
class Make:
    """What else the worker's text depends on.

    ``lazy``: neurons may sleep. ``single``: float32 arithmetic. ``graded``: events carry values.
    ``instant``: some neurons send without delay (then one thread computes the blocks in order).
    ``profile``: clocks are read. ``gaps``: there are electrical synapses.
    ``rules`` are the distinct rules of plasticity, ``plastic`` the rule of each plastic projection.
    """

    lazy: bool = False
    single: bool = False
    graded: bool = False
    instant: bool = False
    profile: bool = False
    gaps: bool = False
    rules: tuple[RuleKernel, ...] = ()
    plastic: tuple[int, ...] = ()


class _Single(ast.NodeTransformer):
    """Literals of a float32 kernel are float32, or numba would compute in float64."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if node.value == EXP_LIMIT:
            node = ast.Constant(SINGLE_EXP_LIMIT)
        if isinstance(node.value, float):
            return ast.Call(ast.Name("f4", ast.Load()), [node], [])
        return node


def _renamed(text: str, names: Sequence[str], suffix: str) -> str:
    for name in names:
        text = re.sub(rf"\b{re.escape(name)}\b", f"{name}{suffix}", text)
    return text


def _kernel_text(number: int, variant: Variant, make: Make) -> str:
    """Helpers, step and loop of one kernel; every top-level name gets the kernel's number."""
    kernel, suffix = variant.kernel, f"_{number}"
    texts = [*kernel.helpers, kernel.source]
    names = [m for text in texts for m in re.findall(r"^(?:def\s+)?(\w+)\s*(?:\(|=)", text)]
    parts: list[str] = []
    for text in texts:
        body = _renamed(text.strip(), names, suffix)
        if make.single and "e_y" in body:  # exp and its like work on the bits of float64
            body = body.replace(repr(EXP_LIMIT), repr(SINGLE_EXP_LIMIT))
            body = body.replace("return e_y", "return f4(e_y)")
        elif make.single:
            body = ast.unparse(_Single().visit(ast.parse(body)))
        parts.append(f"{_INLINE}\n{body}" if body.startswith("def ") else body)
    parts.append(f"{_JIT}\n{_update_text(suffix, variant, make)}")
    return "\n\n\n".join(parts)


_UPDATE = """\
def update{suffix}(t, first, s, subs, state, param, acc, out, z, tally, random, who, streams, draws,
                   limits, limit_ptr, limit_of, history, hist_value, at, counts, counter, rec_tick,
                   rec_slot, rec_value, rec, fault{more_arguments}):
    n = subs[s, {n}]
    i0 = subs[s, {first}]
    stride = subs[s, {stride}]
    slot = subs[s, {slot}]
    so = subs[s, {state}] + i0
    po = subs[s, {param}]
    xo = subs[s, {acc}]
    pitch = subs[s, {pitch}]
    record = subs[s, {record}]
{slices}
{fill}
    for b in range(0, n, {block}):
        m = min({block}, n - b)
{cut}
{drawing}
        sent = u4(0)
        odd = u4(0)
        for i in range(m):
            {results} = step{suffix}({arguments})
{write}
            o[i] = y
            sent |= u4(y != 0)
            odd |= {odd}
        if odd and fault[0] < 0:
            fault[0] = t
            for i in range(m - 1, -1, -1):
                if {found}:
                    fault[1] = slot + b + i
        if sent:
            for i in range(m):
                value = o[i]
                if value != 0:
{spike}
{count}
{clear}
    return at, rec"""

_UPDATE_LAZY = """\
def update{suffix}(t, first, s, subs, state, param, acc, out, z, tally, random, who, streams, draws,
                   limits, limit_ptr, limit_of, history, hist_value, at, counts, counter, rec_tick,
                   rec_slot, rec_value, rec, fault{more_arguments}):
    # Only neurons that are awake or that something has reached; others are on their way to rest.
    n = subs[s, {n}]
    b = 0
    i0 = subs[s, {first}]
    stride = subs[s, {stride}]
    slot = subs[s, {slot}]
    so = subs[s, {state}] + i0
    po = subs[s, {param}]
    xo = subs[s, {acc}]
    pitch = subs[s, {pitch}]
    record = subs[s, {record}]
{slices}
    words = pitch // 64
    up = awake[subs[s, {awake}] : subs[s, {awake}] + words]
{touch}
    table = rest[subs[s, {rest}] :]
    last = since[slot : slot + n]
    for w in range(words):
        word = {any}
        if word == u8(0):
            continue
        stay = u8(0)
{untouch}
        while word != u8(0):
            low = word & (~word + u8(1))
            word = word ^ low
            i = w * 64 + lowest_bit(low)
{load}
            missed = t - 1 - last[i]
            k = {powers}
            while missed > 0:
                if missed & 1:
{move}
                missed >>= 1
                k += {power}
            last[i] = t
            {results} = step{suffix}({arguments})
{write}
            o_[i] = y
            if {odd}:
                if fault[0] < 0:
                    fault[0] = t
                    fault[1] = slot + i
            value = y
            if value != 0:
{spike}
            if value != 0{waiting} or not (
{bound}
            ):
                stay |= low
        up[w] = stay
{count}
    return at, rec"""


def _update_text(suffix: str, variant: Variant, make: Make) -> str:
    """The loop over the neurons of one sub-block, in blocks."""
    if variant.states:
        return _lazy_text(suffix, variant, make)
    kernel = variant.kernel
    slices: list[str] = []
    cut: list[str] = []
    arguments: list[str] = []

    def array(name: str, source: str, offset: str) -> None:
        slices.append(f"{name}_ = {source}[{offset} : {offset} + n]")
        cut.append(f"{name} = {name}_[b : b + m]")
        arguments.append(f"{name}[i]")

    for k, _ in enumerate(kernel.state):
        array(f"s{k}", "state", f"so + {k} * stride")
    for k, _ in enumerate(kernel.ports):
        array(f"x{k}", "acc", f"xo + {k} * pitch")
    scalars = arrays = 0
    for k, per_neuron in enumerate(variant.arrays):
        offset = f"po + {scalars} + {arrays} * stride"
        if per_neuron:
            array(f"p{k}", "param", f"{offset} + i0")
            arrays += 1
        else:
            slices.append(f"p{k} = param[{offset}]")
            arguments.append(f"p{k}")
            scalars += 1
    slices.append("o_ = out[slot : slot + n]")
    cut.append("o = o_[b : b + m]")
    fill, draw = _draw_text(kernel, make)
    arguments += [f"z{k}[i]" for k, _ in enumerate(kernel.draws)]
    slices += [f"c{k} = 0" for k, _ in enumerate(kernel.counters)]
    results = [f"r{k}" for k, _ in enumerate(kernel.state)] + ["y"]
    results += [f"d{k}" for k, _ in enumerate(kernel.counters)]
    write = [f"s{k}[i] = r{k}" for k, _ in enumerate(kernel.state)]
    write += [f"c{k} += d{k}" for k, _ in enumerate(kernel.counters)]
    count = [f"counter[subs[s, 9] + {k}] += c{k}" for k, _ in enumerate(kernel.counters)]
    spike = _worker.SPIKE.format(
        store_value="hist_value[at] = value\n" if make.graded else "",
        record_value="rec_value[rec] = value\n    " if make.graded else "",
        send_now=_instant(kernel) if make.instant else "",
    )
    columns = {name: str(k) for k, name in enumerate(SUB_FIELDS)}
    return _UPDATE.format(
        **columns,
        suffix=suffix,
        block=BLOCK,
        slices=_in(4, slices),
        fill=_in(4, fill),
        cut=_in(8, cut),
        drawing=_in(8, draw),
        results=", ".join(results) + ("," if len(results) == 1 else ""),
        arguments=", ".join(arguments),
        write=_in(12, write),
        odd=" | ".join(f"u4({r} - {r} != 0)" for r in (*results[: len(kernel.state)], "y")),
        found=" or ".join(
            f"{x} - {x} != 0" for x in (*(f"s{k}[i]" for k, _ in enumerate(kernel.state)), "o[i]")
        ),
        spike=textwrap.indent(spike, " " * 20).rstrip(),
        count=_in(4, count),
        clear=f"    acc[xo : xo + {len(kernel.ports)} * pitch] = 0" if make.lazy else "",
        more_arguments=_more_arguments(make),
    )


def _more_arguments(make: Make) -> str:
    instant = ", nd, rows_p, run_p, target_p, weight_p" if make.instant else ""
    return instant + (", touched_p, awake, since, rest" if make.lazy else "")


def _lazy_text(suffix: str, variant: Variant, make: Make) -> str:
    """The loop over the neurons of one sub-block that cannot be left alone."""
    kernel, d = variant.kernel, variant.states
    slices = [f"s{k}_ = state[so + {k} * stride : so + {k} * stride + n]"
              for k, _ in enumerate(kernel.state)]  # fmt: skip
    slices += [f"x{k}_ = acc[xo + {k} * pitch : xo + {k} * pitch + n]"
               for k, _ in enumerate(kernel.ports)]  # fmt: skip
    slices += [f"p{k} = param[po + {k}]" for k, _ in enumerate(kernel.params)]
    slices += ["o_ = out[slot : slot + n]"]
    slices += [f"c{k} = 0" for k, _ in enumerate(kernel.counters)]
    ports = range(len(kernel.ports))
    results = [f"s{k}" for k, _ in enumerate(kernel.state)] + ["y"]
    results += [f"d{k}" for k, _ in enumerate(kernel.counters)]
    arguments = [f"s{k}" for k, _ in enumerate(kernel.state)] + [f"x{k}_[i]" for k in ports]
    arguments += [f"p{k}" for k, _ in enumerate(kernel.params)]
    rest, high, low, powers = 1, 1 + d, 1 + 2 * d, 1 + 3 * d
    moved = [
        " + ".join(
            [*(f"table[k + {i * d + j}] * s{j}" for j in range(d)), f"table[k + {d * d + i}]"]
        )
        for i in range(d)
    ]
    bound = " + ".join(
        f"max(table[{high + j}] * (s{j} - table[{rest + j}]), table[{low + j}]"
        f" * (s{j} - table[{rest + j}]))"
        for j in range(d)
    )
    left = [k for k, name in enumerate(kernel.state) if name == "refractory_left"]
    spike = _worker.SPIKE.format(
        store_value="hist_value[at] = value\n" if make.graded else "",
        record_value="rec_value[rec] = value\n    " if make.graded else "",
        send_now="",
    )
    write = [f"s{k}_[i] = s{k}" for k, _ in enumerate(kernel.state)]
    write += [f"x{k}_[i] = 0" for k in ports]
    write += [f"c{k} += d{k}" for k, _ in enumerate(kernel.counters)]
    columns = {name: str(k) for k, name in enumerate(SUB_FIELDS)}
    touch = [f"t{k} = touched_p[(xo + {k} * pitch) // 64 : (xo + {k + 1} * pitch) // 64]"
             for k in ports]  # fmt: skip
    return _UPDATE_LAZY.format(
        **{**columns, "rest": columns["rest"]},
        suffix=suffix,
        more_arguments=_more_arguments(make),
        slices=_in(4, slices),
        touch=_in(4, touch),
        any=" | ".join(["up[w]", *(f"t{k}[w]" for k in ports)]),
        untouch=_in(8, [f"t{k}[w] = u8(0)" for k in ports]),
        load=_in(12, [f"s{k} = s{k}_[i]" for k, _ in enumerate(kernel.state)]),
        powers=powers,
        power=d * d + d,
        move=_in(20, [", ".join(f"s{i}" for i in range(d)) + (" = " + ", ".join(moved))]),
        results=", ".join(results) + ("," if len(results) == 1 else ""),
        arguments=", ".join(arguments),
        write=_in(12, write),
        odd=" or ".join(f"{r} - {r} != 0" for r in results[: len(kernel.state) + 1]),
        spike=textwrap.indent(spike, " " * 16).rstrip(),
        waiting="".join(f" or s{k} != 0" for k in left),
        bound=" " * 16 + f"{bound} < table[0]",
        count=_in(4, [f"counter[subs[s, 9] + {k}] += c{k}" for k, _ in enumerate(kernel.counters)]),
    )


def _in(spaces: int, lines: Sequence[str]) -> str:
    return textwrap.indent("\n".join(lines), " " * spaces)


def _draw_text(kernel: Kernel, make: Make) -> tuple[list[str], list[str]]:
    """What fills the random words of four ticks, and what turns one tick's into draws."""
    fill: list[str] = []
    draw: list[str] = []
    row = 0
    words = sum(4 * DRAW_WORDS[kind.partition(":")[0]] for kind in kernel.draws)
    for k, name in enumerate(kernel.draws):
        kind = name.partition(":")[0]
        draw.append(f"z{k} = z[{k * BLOCK} : {k * BLOCK} + m]")
        for j in range(DRAW_WORDS[kind]):
            four = ", ".join(
                f"random[ro + {row + q} * n : ro + {row + q + 1} * n]" for q in range(4)
            )
            fill.append(
                f"    draw_words(t, n, who[slot : slot + n], {k + 0x40000000 * j}, streams[s, 0],"
                f" streams[s, 1], streams[s, 2], {four})"
            )
            draw.append(f"lo = ro + ({row} + (t & 3)) * n + b")
            draw.append(f"w{j} = random[lo : lo + m]")
            row += 4
        draw += _DRAWS[kind](k, make)
    if fill:
        fill = ["ro = subs[s, 10]", "if (t & 3) == 0 or t == first:", *fill]
    assert row == words
    return fill, draw


def _uniform(word: str, make: Make) -> str:
    if make.single:
        return f"(f4({word} >> u4(9)) + f4(0.5)) * f4({2.0**-23!r})"
    return f"({word} + 0.5) * {2.0**-32!r}"


def _draw_uniform(k: int, make: Make) -> list[str]:
    return ["for i in range(m):", f"    z{k}[i] = {_uniform('w0[i]', make)}"]


def _draw_normal(k: int, make: Make) -> list[str]:
    return [
        "for i in range(m):  # Box & Muller 1958",
        f"    z{k}[i] = math.sqrt(-2.0 * math.log({_uniform('w0[i]', Make())})) * math.cos(",
        f"        {6.283185307179586!r} * {_uniform('w1[i]', Make())})",
    ]


def _draw_poisson(k: int, make: Make) -> list[str]:
    return [
        f"table = draws[subs[s, 11] + {k}, 0]",
        "if table >= 0:",
        f"    poisson_counts(m, w0, limits[limit_ptr[table] : limit_ptr[table + 1]], tally, z{k})",
        "else:",
        f"    lo = draws[subs[s, 11] + {k}, 1] + i0 + b",
        "    for i in range(m):",
        "        table = limit_of[lo + i]",
        "        q = limit_ptr[table]",
        "        while q < limit_ptr[table + 1] and w0[i] > limits[q]:",
        "            q += 1",
        f"        z{k}[i] = q - limit_ptr[table]",
    ]


_DRAWS: dict[str, Callable[[int, Make], list[str]]] = {
    "uniform": _draw_uniform,
    "normal": _draw_normal,
    "poisson": _draw_poisson,
}


def _instant(kernel: Kernel) -> str:
    """Sends a spike at once along the rows without delay (column 0)."""
    times = "" if kernel.output == "spike" else " * value"
    return f"""\
r = np.int64(source) * nd
a = np.int64(rows_p[r])
e = np.int64(rows_p[r + 1])
if run_p.shape[0] > 1 and run_p[r] >= 0:
    for k in range(e - a):
        acc[run_p[r] + k] += weight_p[a + k]{times}
else:
    for k in range(a, e):
        acc[target_p[k]] += weight_p[k]{times}"""


def worker_source(variants: Sequence[Variant], make: Make) -> str:
    """The text of the worker module for these kernels, in order of their ``kind`` number."""
    parts = [_worker.HEAD]
    kinds = {d.partition(":")[0] for v in variants for d in v.kernel.draws}
    if kinds:
        parts.append(_worker.PHILOX)
    if "poisson" in kinds:
        parts.append(_worker.POISSON)
    parts += [_kernel_text(k, v, make) for k, v in enumerate(variants)]
    parts += learning_rules(make.rules, _JIT)
    value = "row_v[j]" if make.graded else ""
    parts.append(
        _worker.ARRIVE.format(
            value_of_row=f"value = {value}" if make.graded else "",
            times_value=" * value" if make.graded else "",
            take_input="value = ev_value[i]" if make.graded else "",
            take_spike="value = hist_value[i]" if make.graded else "",
            keep_value="row_v[m] = value" if make.graded else "",
            more=", touched" if make.lazy else "",
            touch_run=_in(12, _TOUCH_RUN).lstrip() if make.lazy else "",
            touch_one=_in(16, _TOUCH_ONE).lstrip() if make.lazy else "",
        )
    )
    more = _more_arguments(make)
    lines: list[str] = []
    for k, _ in enumerate(variants):
        lines.append(f"{'if' if k == 0 else 'elif'} kind == {k}:")
        lines.append(
            f"    at, rec = update_{k}(t, start, s, subs, state, param, acc_p, out, z, tally,"
            " random, who, streams, draws, limits, limit_ptr, limit_of, history, hist_value, at,"
            f" counts, counter, rec_tick, rec_slot, rec_value, rec, fault[me]{more})"
        )
    clocks = {
        "tic": "began = cycles()",
        "toc_arrive": "ended = cycles()\nclock[subs.shape[0] + p] += ended - began\nbegan = ended",
        "toc_update": "ended = cycles()\nclock[s] += ended - began\nbegan = ended",
        "toc_wait": "clock[subs.shape[0] + parts + me] += cycles() - began",
    }
    indents = {"tic": 12, "toc_arrive": 12, "toc_update": 16, "toc_wait": 12}
    run = _worker.RUN.format(
        **{name: str(k) for k, name in enumerate(PART_FIELDS)},
        **{
            name: textwrap.indent(text, " " * indents[name]).strip() if make.profile else "pass"
            for name, text in clocks.items()
        },
        dispatch=_in(16, lines) if lines else " " * 16 + "pass",
        nd="    nd = delays.shape[0]\n" if make.instant else "",
        lazy=", touched, awake, since, rest" if make.lazy else "",
        touched_p="first_word = part_table[p, 1] // 64\n"
        + " " * 12
        + "touched_p = touched[first_word : first_word + part_table[p, 2] // 64]"
        if make.lazy
        else "",
        more_arrive=", touched_p" if make.lazy else "",
        clear="pass" if make.lazy else "acc_p[:] = 0",
        learning=learning_arguments(len(make.plastic)),
        learn_arrive=learning_arrive(make.rules, make.plastic, graded=make.graded, indent=12),
        learn_begin="sent = at" if make.plastic else "pass",
        learn_fire=learning_fire(make.plastic, 16),
        learn_sweep=learning_sweep(make.plastic, 12),
        gap_arguments=_worker.GAP_ARGUMENTS if make.gaps else "",
        gap_arrive=textwrap.indent(_worker.GAP_ARRIVE, " " * 12).strip() if make.gaps else "pass",
        gap_leave=textwrap.indent(_worker.GAP_LEAVE, " " * 12).strip() if make.gaps else "pass",
        sample_asleep=_SAMPLE_ASLEEP if make.lazy else "",
    )
    return "\n\n\n".join(part.strip() for part in [*parts, run]) + "\n"


# What fills up a row wakes nobody: how rows are filled depends on how the program was cut.
_TOUCH_RUN = (
    "for k in range(b - a):",
    "    if w[k] != 0:",
    "        touched[(run_at + k) >> 6] |= u8(1) << u8((run_at + k) & 63)",
)
_TOUCH_ONE = ("if w[k] != 0:", "    touched[at[k] >> 6] |= u8(1) << u8(at[k] & 63)")
_SAMPLE_ASLEEP = """elif probes[q, 0] == 2:
                    for i in range(n):
                        sample[column + i] = t - since[origin + i]"""


def load_worker(variants: Sequence[Variant], make: Make) -> Callable[..., Any]:
    """The compiled ``run`` for these kernels: from memory, the cache folder, or new."""
    return load_module(worker_source(variants, make)).run

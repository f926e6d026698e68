"""The text of an update: the loop of one kernel over the neurons of one sub-block.

Over all of them, in blocks that stay in the first cache; :mod:`._update_lazy` leaves out those that
sleep. What varies is in :class:`Variant` and :class:`Make`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ranvier.neurons import Kernel
from ranvier.plasticity import RuleKernel
from ranvier.sim import _worker

__all__ = [
    "BLOCK",
    "DRAW_WORDS",
    "SUB_FIELDS",
    "WHOLE",
    "Make",
    "Variant",
    "check_text",
    "found_text",
    "indented",
    "more_arguments",
    "spike_text",
    "update_text",
    "wide",
]

SUB_FIELDS = (
    "kind", "n", "first", "stride", "slot", "state", "param", "acc", "record", "counter", "random",
    "draw", "pitch", "rest", "awake", "lane",
)  # fmt: skip
"""Columns of the worker's table of sub-blocks (the part of a block that lies in one partition).
``stride`` is the distance of a neuron's states, or of neighbours where a neuron's lie together."""
BLOCK = 256
"""Neurons computed before their spikes are collected: their state stays in the first cache."""
DRAW_WORDS = {"uniform": 1, "normal": 2, "poisson": 1}
"""Random words one draw takes."""


WHOLE = ("refractory_left", "reset_pending")
"""States that count: they are whole numbers whatever happens."""


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
    ``instant``: some neurons send without delay (a thread computes its blocks in order).
    ``lanes``: each piece of a block keeps its spikes in a lane of its own.
    ``profile``: clocks are read. ``gaps``: there are electrical synapses.
    ``rules`` are the distinct rules of plasticity, ``plastic`` the rule of each plastic projection.
    """

    lazy: bool = False
    single: bool = False
    graded: bool = False
    instant: bool = False
    lanes: bool = False
    profile: bool = False
    gaps: bool = False
    rules: tuple[RuleKernel, ...] = ()
    plastic: tuple[int, ...] = ()


_UPDATE = """\
def update{suffix}(t, first, s, subs, state, param, acc, out, z, tally, mark, marked, random, who,
                   streams, draws, limits, limit_ptr, limit_of, history, hist_value, at, counts,
                   counter, rec_tick, rec_slot, rec_value, rec, fault{more_arguments}):
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
        odd = {wide}(0)
        for i in range(m):
            {results} = step{suffix}({arguments})
{write}
{check}
        if odd and fault[0] < 0:
            for i in range(m - 1, -1, -1):
                if {found}:
                    fault[0] = t
                    fault[1] = slot + b + i
{send}
{count}
    return at, rec"""


# Spikes are marked in bytes, eight of which are looked at together: to write as little as can be is
# what counts. ``out`` is set here and cleared a tick later (OPEN_LANE).
_SEND_SPIKES = """\
words = (m + 7) >> 3
sent = u8(0)
for q in range(words):
    sent |= marked[q]
if sent:
    for q in range(words):
        word = marked[q]
        while word != u8(0):
            i = 8 * q + (lowest_bit(word) >> 3)
            word &= word - u8(1)
            value = {one}
            out[slot + b + i] = value
{spike}"""

# Whether there are any is looked at apart: with that in it, the loop over the neurons would not run
# at full width.
_SEND_VALUES = """\
sent = u4(0)
for i in range(m):
    sent |= u4(o[i] != 0)
if sent:
    for i in range(m):
        value = o[i]
        if value != 0:
{spike}"""


def update_text(suffix: str, variant: Variant, make: Make) -> str:
    """The loop over the neurons of one sub-block, in blocks."""
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
    scalars = arrays = 0  # those with a value for every neuron lie first
    for k, per_neuron in enumerate(variant.arrays):
        if per_neuron:
            array(f"p{k}", "param", f"po + {arrays} * stride + i0")
            arrays += 1
        else:
            slices.append(f"p{k} = param[po + {sum(variant.arrays)} * stride + {scalars}]")
            arguments.append(f"p{k}")
            scalars += 1
    spikes = kernel.output == "spike"
    if spikes:
        cut.append("marked[(m - 1) >> 3] = u8(0)")
    else:
        slices.append("o_ = out[slot : slot + n]")
        cut.append("o = o_[b : b + m]")
    fill, draw = _draw_text(kernel, make)
    arguments += [f"z{k}[i]" for k, _ in enumerate(kernel.draws)]
    slices += [f"c{k} = 0" for k, _ in enumerate(kernel.counters)]
    results = [f"r{k}" for k, _ in enumerate(kernel.state)] + ["y"]
    results += [f"d{k}" for k, _ in enumerate(kernel.counters)]
    write = [f"s{k}[i] = r{k}" for k, _ in enumerate(kernel.state)]
    write += [f"x{k}[i] = 0" for k, _ in enumerate(kernel.ports)]
    write += [f"c{k} += d{k}" for k, _ in enumerate(kernel.counters)]
    write.append("mark[i] = u1(y != 0)" if spikes else "o[i] = y")
    count = [f"counter[subs[s, 9] + {k}] += c{k}" for k, _ in enumerate(kernel.counters)]
    spike = spike_text(make, _instant(kernel) if make.instant else "")
    if spikes:
        one = "np.int64(1)" if kernel.dtype == "i8" else "f4(1)" if make.single else "1.0"
        send = _SEND_SPIKES.format(one=one, spike=textwrap.indent(spike, " " * 12).rstrip())
    else:
        send = _SEND_VALUES.format(spike=textwrap.indent(spike, " " * 12).rstrip())
    columns = {name: str(k) for k, name in enumerate(SUB_FIELDS)}
    return _UPDATE.format(
        **columns,
        suffix=suffix,
        block=BLOCK,
        slices=indented(4, slices),
        fill=indented(4, fill),
        cut=indented(8, cut),
        drawing=indented(8, draw),
        results=", ".join(results) + ("," if len(results) == 1 else ""),
        arguments=", ".join(arguments),
        write=indented(12, write),
        wide=wide(make),
        check=indented(12, check_text(kernel, make)),
        found=found_text(kernel),
        send=textwrap.indent(send, " " * 8),
        count=indented(4, count),
        more_arguments=more_arguments(make),
    )


def more_arguments(make: Make) -> str:
    """What an update is given beyond the arguments all makes have."""
    instant = ", nd, rows_p, run_p, target_p, weight_p" if make.instant else ""
    return instant + (", awake, due, listed, many, new, lag, rest, seen" if make.lazy else "")


def spike_text(make: Make, send_now: str = "") -> str:
    """What becomes of a spike: into the history, the counts and the recorder."""
    return _worker.SPIKE.format(
        store_value="hist_value[at] = value\n" if make.graded else "",
        record_value="rec_value[rec] = value\n    " if make.graded else "",
        send_now=send_now,
    )


def wide(make: Make) -> str:
    """The unsigned type as wide as the numbers: mixed with another, loops run at half width."""
    return "u4" if make.single else "u8"


def _may_break(kernel: Kernel) -> list[int]:
    """States that can stop being numbers."""
    if kernel.dtype == "i8":
        return []
    return [k for k, name in enumerate(kernel.state) if name not in WHOLE]


def check_text(kernel: Kernel, make: Make) -> list[str]:
    """For the loop over the neurons: sets ``odd`` where a number may have stopped being one: their
    sum minus itself is then NaN (and where finite ones add up to infinity: see found_text)."""
    checked = [f"r{k}" for k in _may_break(kernel)]
    if kernel.output != "spike" and kernel.dtype != "i8":
        checked.append("y")
    if not checked:
        return []
    number = wide(make)
    return [
        f"whole = {' + '.join(checked)}",
        f"odd = {number}(odd | {number}(whole - whole != 0))",
    ]


def found_text(kernel: Kernel) -> str:
    """Whether it is neuron i that has."""
    checked = [f"s{k}[i]" for k in _may_break(kernel)]
    if kernel.output != "spike":
        checked.append("o[i]")
    return " or ".join(f"{x} - {x} != 0" for x in checked) or "False"


def indented(spaces: int, lines: Sequence[str]) -> str:
    """Lines of the worker's text, ``spaces`` further in."""
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

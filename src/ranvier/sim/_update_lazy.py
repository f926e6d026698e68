"""The text of a lazy update: only neurons that are awake, or that something has reached.

The states of a neuron that may sleep lie side by side in one line of memory, with the tick it is
due at. Who is awake is known twice: as bits, which say at once whether an arrival is the first,
and as a list for each sub-block. The neurons of a list are taken from their lines into rows,
brought up to date and computed together, and put back: that is what vectorises. In what order they
are listed changes no result, since none of them reads another; spikes are sorted by number.
"""

from __future__ import annotations

import textwrap

from ranvier.sim._update import (
    BLOCK,
    SUB_FIELDS,
    WHOLE,
    Make,
    Variant,
    check_text,
    found_text,
    indented,
    more_arguments,
    spike_text,
    wide,
)

__all__ = [
    "PORT_BIT",
    "POWER_BITS",
    "WATCHED_PORTS",
    "lazy_arrive",
    "lazy_helpers",
    "lazy_run",
    "line_size",
    "update_lazy_text",
]

POWER_BITS = 10
"""A way to rest is walked in digits of so many bits: a table of the powers for each digit."""
PORT_BIT = 48
"""Where the bits of the ports begin in an entry of ``word_of``; below is a number of a word."""
WATCHED_PORTS = 15
"""Ports that have a bit of their own; the last stands for all further ones too."""


def line_size(states: int) -> int:
    """Numbers in the line of a neuron: its states and the tick it is due at, filled up so that
    lines do not straddle cache lines without need (a power of two up to 8, multiples of 8)."""
    wanted = states + 1
    return 1 << (wanted - 1).bit_length() if wanted <= 8 else -(-wanted // 8) * 8


_SORT = """
@njit(cache=True, nogil=True, fastmath=False, error_model="numpy", _nrt=False)
def sort(a, n):
    # Shell 1959, CACM 2(7):30, with gaps that shrink by 2.25 as in Tokuda 1992.
    gap = n
    while gap > 1:
        gap = max(1, np.int64(gap * 4 // 9))
        for i in range(gap, n):
            x = a[i]
            j = i
            while j >= gap and a[j - gap] > x:
                a[j] = a[j - gap]
                j -= gap
            a[j] = x
"""

# What fills up a row wakes nobody: how rows are filled depends on how the program was cut.
_TOUCH = """\
entry = word_p[{at} >> 6]
seen |= entry
q = entry & {mask}
word = awake[q]
grown = word | (u8(w[k] != 0) << u8({at} & 63))
awake[q] = grown
new[met] = (q << 6) | ({at} & 63)
met += np.int64(grown != word)"""

# Every call of the worker begins with the lists that the bits of the awake make. ``many`` has the
# lengths of a sub-block's list, of the awake alone and of all, a cache line or two from the next's.
_ROUSE = """\
new = fresh[me]
    lag = lags[me]
    for p in range(parts):
        for s in range(part_table[p, {sub}], part_table[p, {sub_end}]):
            if part_table[p, {owner}] != me or subs[s, {rest}] < 0:
                continue
            found = 0
            for w in range(subs[s, {pitch}] // 64):
                word = awake[subs[s, {awake}] + w]
                while word != u8(0):
                    low = word & (~word + u8(1))
                    word ^= low
                    listed[64 * subs[s, {awake}] + found] = 64 * w + lowest_bit(low)
                    found += 1
            many[16 * s] = found
            many[16 * s + 1] = found"""

_WORD_P = """\
first_word = part_table[p, {acc}] // 64
            word_p = word_of[first_word : first_word + part_table[p, {width}] // 64]"""

_GATHER = """\
for f in range(met):
                j = np.int64(new[f])
                s = np.int64(sub_of[j >> 6])
                origin = 64 * subs[s, {awake}]
                listed[origin + many[16 * s + 1]] = j - origin
                many[16 * s + 1] += 1
                prefetch(state, subs[s, {state}] + (subs[s, {first}] + j - origin)
                         * subs[s, {stride}])"""

_SAMPLE_ASLEEP = """\
elif probes[q, 0] == 2:
                    for i in range(n):
                        sample[column + i] = t + 1 - np.int64(due[origin + i * apart])"""

_MET = {
    "return_met": "return met, seen",
    "no_met": "met = 0\n    seen = 0",
    "met": "met, seen = ",
    "more": ", awake, word_p, new, met, seen",
    "more_arrive": ", awake, word_p, new",
}


def lazy_arrive(make: Make) -> dict[str, str]:
    """What the delivery of spikes says of sleep."""
    if not make.lazy:
        return dict.fromkeys((*_MET, "touch_run", "touch_one"), "")
    mask = (1 << PORT_BIT) - 1
    run = ["c = run_at + k", *_TOUCH.format(at="c", mask=mask).split("\n")]
    one = (
        "prefetch(acc, np.int64(at[min(k + 16, b - a - 1)]))\nc = np.int64(at[k])\n"
        + _TOUCH.format(at="c", mask=mask)
    )
    return {
        **_MET,
        "touch_run": "for k in range(b - a):\n" + indented(16, run),
        "touch_one": textwrap.indent(one, " " * 16).lstrip(),
    }


def lazy_run(make: Make, columns: dict[str, str]) -> dict[str, str]:
    """What the loop over the ticks says of it; ``columns`` are those of partitions."""
    if not make.lazy:
        names = ("lazy", "word_p", "sample_asleep", "more_arrive", "met")
        return {**dict.fromkeys(names, ""), "rouse": "pass", "gather": "pass"}
    fields = {name: str(k) for k, name in enumerate(SUB_FIELDS)}
    return {
        "lazy": ", awake, word_of, sub_of, listed, many, fresh, lags, rest, due",
        "rouse": _ROUSE.format(**{**columns, **fields}),
        "word_p": _WORD_P.format(**columns),
        "gather": _GATHER.format(**fields),
        "sample_asleep": _SAMPLE_ASLEEP,
        "more_arrive": _MET["more_arrive"],
        "met": _MET["met"],
    }


def lazy_helpers(make: Make) -> list[str]:
    """Functions its updates call."""
    return [_SORT] if make.lazy else []


_UPDATE_LAZY = """\
def update{suffix}(t, first, s, subs, state, param, acc, out, z, tally, mark, marked, random, who,
                   streams, draws, limits, limit_ptr, limit_of, history, hist_value, at, counts,
                   counter, rec_tick, rec_slot, rec_value, rec, fault{more_arguments}):
    n = subs[s, {n}]
    slot = subs[s, {slot}]
    lo = subs[s, {state}] + subs[s, {first}] * {size}
    line = state[lo : lo + n * {size}]
    ticks = due[lo : lo + n * {size}]
    po = subs[s, {param}]
    xo = subs[s, {acc}]
    pitch = subs[s, {pitch}]
    record = subs[s, {record}]
    lo = subs[s, {awake}]
    up = awake[lo : lo + pitch // 64]
    members = listed[64 * lo : 64 * lo + n]
    table = rest[subs[s, {rest}] :]
    old = many[16 * s]
    total = many[16 * s + 1]
    kept = 0
    fired = 0
{slices}
    for lo in range(0, total, {block}):
        m = min({block}, total - lo)
        group = members[lo : lo + m]
        roused = min(max(old - lo, 0), m)
        gone = lag[:m]
        late = np.int64(0)
{cut}
        for f in range(m):
            i = np.int64(group[f])
            missed = t - np.int64(ticks[i * {size} + {due}])
            gone[f] = missed
            late |= missed
{load}
{load_inputs}
        # A sleeping neuron is not refractory: it is not read.
{load_left}
        k = {powers}
        while True:
            for f in range(m):
                q = k + (gone[f] & {digit}) * {power}
{move}
            late >>= {bits}
            if late == 0:
                break
            for f in range(m):
                gone[f] >>= {bits}
            k += {level}
        odd = {wide}(0)
        for i in range(m):
            {results} = step{suffix}({arguments})
{write}
            o[i] = y
{check}
        if odd:
            for i in range(m):
                j = slot + np.int64(group[i])
                if ({found}) and (
                    fault[0] < 0 or (fault[0] == t and fault[1] > j)
                ):
                    fault[0] = t
                    fault[1] = j
        for i in range(m):
            calm = {calm}
            tally[i] = (u4(0) if calm else u4(1)) | (u4(2) if o[i] != 0 else u4(0))
        for f in range(m):
            i = np.int64(group[f])
            ticks[i * {size} + {due}] = t + 1
{store}
        for f in range(roused):
            i = np.int64(group[f])
            o_[i] = o[f]
{store_left}
        for f in range(m):
            i = np.int64(group[f])
            state_now = tally[f]
            members[kept] = i
            kept += np.int64(state_now != 0)
            up[i >> 6] &= ~(u8(state_now == 0) << u8(i & 63))
            if state_now >= 2:
                o_[i] = o[f]
{store_left_too}
                new[fired] = i
                fired += 1
    many[16 * s] = kept
    many[16 * s + 1] = kept
    sort(new, fired)
    b = 0
    for f in range(fired):
        i = np.int64(new[f])
        value = o_[i]
{spike}
{count}
    return at, rec"""


def update_lazy_text(suffix: str, variant: Variant, make: Make) -> str:
    """The loop over the neurons of one sub-block that cannot be left alone."""
    kernel, d = variant.kernel, variant.states
    states, ports = len(kernel.state), len(kernel.ports)
    size = line_size(states)
    left = [k for k, name in enumerate(kernel.state) if name in WHOLE]
    others = [k for k in range(states) if k not in left]
    slices = [f"x{k}_ = acc[xo + {k} * pitch : xo + {k} * pitch + n]" for k in range(ports)]
    slices += [f"p{k} = param[po + {k}]" for k, _ in enumerate(kernel.params)]
    slices += ["o_ = out[slot : slot + n]"]
    slices += [f"c{k} = 0" for k, _ in enumerate(kernel.counters)]
    rows = [*(f"s{k}" for k in range(states)), *(f"x{k}" for k in range(ports)), "o"]
    cut = [f"{name} = z[{k * BLOCK} : {k * BLOCK} + m]" for k, name in enumerate(rows)]
    inputs: list[str] = []
    for k in range(ports):
        inputs += [
            f"if seen & {1 << (PORT_BIT + min(k, WATCHED_PORTS - 1))}:",
            "    for f in range(m):",
            "        i = np.int64(group[f])",
            f"        x{k}[f] = x{k}_[i]",
            f"        x{k}_[i] = 0",
            "else:",
            "    for f in range(m):",
            f"        x{k}[f] = 0",
        ]
    moved = [
        " + ".join(
            [*(f"table[q + {i * d + j}] * a{j}" for j in range(d)), f"table[q + {d * d + i}]"]
        )
        for i in range(d)
    ]
    move = [f"a{j} = s{j}[f]" for j in range(d)] + [f"s{i}[f] = {m}" for i, m in enumerate(moved)]
    results = [f"r{k}" for k in range(states)] + ["y"]
    results += [f"d{k}" for k, _ in enumerate(kernel.counters)]
    arguments = [f"s{k}[i]" for k in range(states)] + [f"x{k}[i]" for k in range(ports)]
    arguments += [f"p{k}" for k, _ in enumerate(kernel.params)]
    write = [f"s{k}[i] = r{k}" for k in range(states)]
    write += [f"c{k} += d{k}" for k, _ in enumerate(kernel.counters)]
    rest, high, low, powers = 1, 1 + d, 1 + 2 * d, 1 + 3 * d
    bound = " + ".join(
        f"max(table[{high + j}] * (s{j}[i] - table[{rest + j}]), table[{low + j}]"
        f" * (s{j}[i] - table[{rest + j}]))"
        for j in range(d)
    )
    calm = f"({bound} < table[0])" + "".join(f" & (s{k}[i] == 0)" for k in left)
    return _UPDATE_LAZY.format(
        **{name: str(k) for k, name in enumerate(SUB_FIELDS)},
        suffix=suffix,
        more_arguments=more_arguments(make),
        size=size,
        due=states,
        block=BLOCK,
        slices=indented(4, slices),
        cut=indented(8, cut),
        load=indented(12, [f"s{k}[f] = line[i * {size} + {k}]" for k in others]),
        load_inputs=indented(8, inputs),
        load_left=indented(
            8,
            [
                line
                for k in left
                for line in (
                    "for f in range(m):",
                    f"    s{k}[f] = 0",
                    "for f in range(roused):",
                    f"    s{k}[f] = line[np.int64(group[f]) * {size} + {k}]",
                )
            ],
        ),
        powers=powers,
        power=d * d + d,
        digit=(1 << POWER_BITS) - 1,
        bits=POWER_BITS,
        level=(d * d + d) << POWER_BITS,
        move=indented(16, move),
        results=", ".join(results) + ("," if len(results) == 1 else ""),
        arguments=", ".join(arguments),
        write=indented(12, write),
        wide=wide(make),
        check=indented(12, check_text(kernel, make)),
        found=found_text(kernel),
        calm=calm,
        store=indented(12, [f"line[i * {size} + {k}] = s{k}[f]" for k in others]),
        store_left=indented(12, [f"line[i * {size} + {k}] = s{k}[f]" for k in left]),
        store_left_too=indented(16, [f"line[i * {size} + {k}] = s{k}[f]" for k in left]),
        spike=textwrap.indent(spike_text(make), " " * 8).rstrip(),
        count=indented(
            4, [f"counter[subs[s, 9] + {k}] += c{k}" for k, _ in enumerate(kernel.counters)]
        ),
    )

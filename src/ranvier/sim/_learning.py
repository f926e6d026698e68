"""What the worker says for plastic projections: text, one piece a projection."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ranvier.plasticity import RuleKernel
from ranvier.sim._plastic import ARGUMENTS, CAPACITY

__all__ = [
    "learning_arguments",
    "learning_arrive",
    "learning_fire",
    "learning_rules",
    "learning_sweep",
]

AHEAD = 2048
"""Synapses of the next row that memory is asked for while a row is worked on."""

_ARRIVE = """\
full_{g} = False
if {g}_table[p, 0] >= 0:
    first_{g} = {g}_table[p, 3]
    last_{g} = first_{g} + {g}_table[p, 2]
    acc_{g} = acc_p[{g}_table[p, 1] : {g}_table[p, 1] + {g}_table[p, 2]]
    post_trace_{g} = {g}_post_trace[first_{g}:last_{g}]
    hist_since_{g} = {g}_hist_since[p]
    hist_tick_{g} = {g}_hist_tick[{cap} * first_{g} : {cap} * last_{g}].reshape(
        {cap}, {g}_table[p, 2]
    )
    hist_trace_{g} = {g}_hist_trace[{cap} * {kept} * first_{g} : {cap} * {kept} * last_{g}].reshape(
        {kept}, {cap}, {g}_table[p, 2]
    )
    mod_count_{g} = {g}_mod_count[p : p + 1]
    mod_tick_{g} = {g}_mod_tick[p]
    mod_value_{g} = {g}_mod_value[p]
{reward}    nd_{g} = {g}_delays.shape[0]
    for k in range(nd_{g} - 1, -1, -1):
        e = t - {g}_delays[k]
        if e < oldest:
            continue
        for q in range(-1, 0) if {g}_scalars[3] else range({g}_scalars[6], {g}_scalars[7]):
            if q < 0:
                lo = ev_ptr[e - ev_first]
                hi = ev_ptr[e - ev_first + 1]
            else:
                lo = hist_base[q] + (e % depth) * hist_cap[q]
                hi = lo + hist_n[q, e % depth]
            row = -1
            for i in range(lo, hi + 1):
                ahead = -1
                if i < hi:
                    source = (ev_source[i] if q < 0 else np.int64(history[i])) - {g}_scalars[1]
                    if source < 0 or source >= {g}_scalars[2]:
                        continue
                    ahead = np.int64({g}_row_of[{g}_table[p, 6] + source * nd_{g} + k])
                    if ahead < 0:
                        continue
                    head = {g}_start[ahead]
                    tail = min({g}_start[ahead + 1], head + {most})
                    for j in range(head, tail, 64 // {g}_target.itemsize):
                        prefetch({g}_target, j)
                    for j in range(head, tail, 64 // {g}_weight.itemsize):
                        prefetch({g}_weight, j)
                if row >= 0:
                    {r}process_row(
                        row, {g}_start[row], {g}_start[row + 1], t, acc_{g}, {rest}
                    )
                    {r}pre_spike(row, t, {g}_row_last, {g}_row_trace, {g}_params, {g}_decays)
                row = ahead"""

_REWARD = """\
    for i in range(ev_ptr[t - ev_first], ev_ptr[t - ev_first + 1]):
        if {g}_scalars[4] <= ev_source[i] < {g}_scalars[5]:
            if {r}modulate(
                t, {value}, mod_count_{g}, mod_tick_{g}, mod_value_{g}, {g}_params, {g}_decays
            ):
                full_{g} = True
"""

_FIRE = """\
if s == {g}_table[p, 0]:
    for i in range(sent, at):
        if {r}post_spike(
            history[i] - subs[s, 4], t, post_trace_{g}, hist_since_{g}, hist_tick_{g},
            hist_trace_{g}, {g}_params, {g}_decays
        ):
            full_{g} = True"""

_SWEEP = """\
if full_{g}:
    {r}sweep_rows({g}_start, {g}_table[p, 4], {g}_table[p, 5], t, {rest})
    {r}swept(t, hist_since_{g}, mod_count_{g}, mod_tick_{g}, mod_value_{g})"""


def learning_rules(kernels: Sequence[RuleKernel], jit: str) -> list[str]:
    """The functions of each distinct rule, their names begun with its number."""
    return [k.module(decorator=jit, prefix=f"rule{n}_") for n, k in enumerate(kernels)]


def learning_arguments(count: int) -> str:
    """Further arguments of the worker."""
    names = [f"plastic{g}_{name}" for g in range(count) for name in ARGUMENTS]
    return "".join(f",\n        {name}" for name in names)


def _rest(g: str) -> str:
    given = [f"{g}_ident", f"{g}_scalars[0]", f"{g}_target", f"{g}_weight", f"{g}_syn"]
    given += [f"{g}_row_last", f"{g}_row_trace"]
    names = ("post_trace", "hist_since", "hist_tick", "hist_trace", "mod_count", "mod_tick",
             "mod_value")  # fmt: skip
    given += [f"{name}_{g}" for name in names]
    return ", ".join([*given, f"{g}_params", f"{g}_decays", f"{g}_work[me]"])


def learning_arrive(
    kernels: Sequence[RuleKernel], numbers: Sequence[int], *, graded: bool, indent: int
) -> str:
    """What arrives at plastic synapses, after all others, in the order of the projections."""
    found: list[str] = []
    for k, number in enumerate(numbers):
        g, r = f"plastic{k}", f"rule{number}_"
        value = "ev_value[i]" if graded else "1.0"
        reward = _REWARD.format(g=g, r=r, value=value) if kernels[number].third else ""
        kept = len(kernels[number].history)
        found.append(
            _ARRIVE.format(
                g=g, r=r, rest=_rest(g), reward=reward, cap=CAPACITY, kept=kept, most=AHEAD
            )
        )
    return textwrap.indent("\n".join(found), " " * indent).strip() or "pass"


def learning_fire(numbers: Sequence[int], indent: int) -> str:
    """What the spikes of a sub-block do to the synapses onto it."""
    found = [_FIRE.format(g=f"plastic{k}", r=f"rule{n}_") for k, n in enumerate(numbers)]
    return textwrap.indent("\n".join(found), " " * indent).strip() or "pass"


def learning_sweep(numbers: Sequence[int], indent: int) -> str:
    """Catching up where a list is full."""
    found = [
        _SWEEP.format(g=f"plastic{k}", r=f"rule{n}_", rest=_rest(f"plastic{k}"))
        for k, n in enumerate(numbers)
    ]
    return textwrap.indent("\n".join(found), " " * indent).strip() or "pass"

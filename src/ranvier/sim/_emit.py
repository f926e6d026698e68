"""Writes the worker: one numba function that runs a whole program for many ticks.

The worker's text depends only on which kernels a program uses, which of their parameters differ
between neurons and a few yes-or-no questions (:class:`Make`), never on sizes or values, so programs
of the same make share one compiled file. It is written as an ordinary file into a cache folder,
where it can be read, stepped through and cached by numba.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from ranvier.neurons._lower import single
from ranvier.sim import _worker
from ranvier.sim._learning import (
    learning_arguments,
    learning_arrive,
    learning_fire,
    learning_rules,
    learning_sweep,
)
from ranvier.sim._update import SUB_FIELDS, Make, Variant, indented, more_arguments, update_text
from ranvier.sim._update_lazy import lazy_arrive, lazy_helpers, lazy_run, update_lazy_text

__all__ = ["PART_FIELDS", "worker_source"]

PART_FIELDS = (
    "owner", "acc", "width", "row", "rows", "synapse", "synapses", "sub", "sub_end", "probe",
    "probe_end",
)  # fmt: skip
"""Columns of the worker's table of partitions."""
_JIT = '@njit(cache=True, nogil=True, fastmath=False, error_model="numpy", _nrt=False)'


_INLINE = _JIT.replace(")", ", forceinline=True)")
"""For what must vanish into the loop around it, or nothing vectorises."""


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
        if make.single:
            body = single(body)
        parts.append(f"{_INLINE}\n{body}" if body.startswith("def ") else body)
    text = update_lazy_text if variant.states else update_text
    parts.append(f"{_JIT}\n{text(suffix, variant, make)}")
    return "\n\n\n".join(parts)


def worker_source(variants: Sequence[Variant], make: Make) -> str:
    """The text of the worker module for these kernels, in order of their ``kind`` number."""
    parts = [_worker.HEAD]
    kinds = {d.partition(":")[0] for v in variants for d in v.kernel.draws}
    if kinds:
        parts.append(_worker.PHILOX)
    if "poisson" in kinds:
        parts.append(_worker.POISSON)
    parts += lazy_helpers(make)
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
            **lazy_arrive(make),
        )
    )
    more = more_arguments(make)
    lines: list[str] = []
    for k, _ in enumerate(variants):
        lines.append(f"{'if' if k == 0 else 'elif'} kind == {k}:")
        lines.append(
            f"    at, rec = update_{k}(t, start, s, subs, state, param, acc_p, out, z, tally, mark,"
            " mark_words,"
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
    columns = {name: str(k) for k, name in enumerate(PART_FIELDS)}
    run = _worker.RUN.format(
        **columns,
        **lazy_run(make, columns),
        **{
            name: textwrap.indent(text, " " * indents[name]).strip() if make.profile else "pass"
            for name, text in clocks.items()
        },
        dispatch=indented(16, lines) if lines else " " * 16 + "pass",
        **_lane_text(make),
        nd="    nd = delays.shape[0]\n" if make.instant else "",
        learning=learning_arguments(len(make.plastic)),
        learn_arrive=learning_arrive(make.rules, make.plastic, graded=make.graded, indent=12),
        learn_begin="sent = at" if make.plastic else "pass",
        learn_fire=learning_fire(make.plastic, 16),
        learn_sweep=learning_sweep(make.plastic, 12),
        gap_arguments=_worker.GAP_ARGUMENTS if make.gaps else "",
        gap_arrive=textwrap.indent(_worker.GAP_ARRIVE, " " * 12).strip() if make.gaps else "pass",
        gap_leave=textwrap.indent(_worker.GAP_LEAVE, " " * 12).strip() if make.gaps else "pass",
    )
    return "\n\n\n".join(part.strip() for part in [*parts, run]) + "\n"


def _lane_text(make: Make) -> dict[str, str]:
    """Where spikes of a partition, or of each piece, begin in the history and how many they are."""
    number = SUB_FIELDS.index("lane")
    lane, where, indent = (f"subs[s, {number}]", "piece", 16) if make.lanes else ("p", "part", 12)
    start = textwrap.indent(_worker.OPEN_LANE.format(lane=lane), " " * indent).strip()
    found = dict.fromkeys(("open_part", "open_piece", "close_part", "close_piece"), "pass")
    return found | {f"open_{where}": start, f"close_{where}": _worker.CLOSE_LANE.format(lane=lane)}

"""Writes the worker: one numba function that runs a whole program for many ticks.

The worker's text depends only on which kernels a program uses and which of their parameters differ
between neurons, never on sizes or values, so programs of the same make share one compiled file.
It is written as an ordinary file into a cache folder, where it can be read, stepped through and
cached by numba.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ranvier.errors import fail
from ranvier.neurons import Kernel

__all__ = ["BLOCK_FIELDS", "Variant", "cache_folder", "load_worker", "worker_source"]

BLOCK_FIELDS = ("kind", "n", "slot", "state", "param", "ring", "record", "counter")
"""Columns of the worker's block table, in order."""

_JIT = '@njit(cache=True, nogil=True, fastmath=False, error_model="numpy")'


@dataclass(frozen=True)
class Variant:
    """A kernel and which of its parameters are arrays (one value per neuron)."""

    kernel: Kernel
    arrays: tuple[bool, ...]


def _renamed(text: str, names: Sequence[str], suffix: str) -> str:
    for name in names:
        text = re.sub(rf"\b{re.escape(name)}\b", f"{name}{suffix}", text)
    return text


def _kernel_text(number: int, variant: Variant) -> str:
    """Helpers, step and loop of one kernel; every top-level name gets the kernel's number."""
    kernel, suffix = variant.kernel, f"_{number}"
    texts = [*kernel.helpers, kernel.source]
    names = [m for text in texts for m in re.findall(r"^(?:def\s+)?(\w+)\s*(?:\(|=)", text)]
    parts: list[str] = []
    for text in texts:
        body = _renamed(text.strip(), names, suffix)
        parts.append(f"{_JIT}\n{body}" if body.startswith("def ") else body)
    lines = [
        f"def update{suffix}(n, state, so, param, po, ring, ro, out, oo, counter, co):",
    ]
    arguments: list[str] = []
    for k, _ in enumerate(kernel.state):
        lines.append(f"    s{k} = state[so + {k} * n : so + {k} * n + n]")
        arguments.append(f"s{k}[i]")
    for k, _ in enumerate(kernel.ports):
        lines.append(f"    x{k} = ring[ro + {k} * n : ro + {k} * n + n]")
        arguments.append(f"x{k}[i]")
    scalars = arrays = 0
    for k, per_neuron in enumerate(variant.arrays):
        offset = f"po + {scalars} + {arrays} * n"
        if per_neuron:
            lines.append(f"    p{k} = param[{offset} : {offset} + n]")
            arguments.append(f"p{k}[i]")
            arrays += 1
        else:
            lines.append(f"    p{k} = param[{offset}]")
            arguments.append(f"p{k}")
            scalars += 1
    lines.append("    o = out[oo : oo + n]")
    lines += [f"    c{k} = 0" for k, _ in enumerate(kernel.counters)]
    results = [f"r{k}" for k, _ in enumerate(kernel.state)] + ["y"]
    results += [f"d{k}" for k, _ in enumerate(kernel.counters)]
    lines.append("    for i in range(n):")
    comma = "," if len(results) == 1 else ""
    lines.append(f"        {', '.join(results)}{comma} = step{suffix}({', '.join(arguments)})")
    lines += [f"        s{k}[i] = r{k}" for k, _ in enumerate(kernel.state)]
    lines.append("        o[i] = y")
    lines += [f"        c{k} += d{k}" for k, _ in enumerate(kernel.counters)]
    lines += [f"    counter[co + {k}] += c{k}" for k, _ in enumerate(kernel.counters)]
    parts.append(f"{_JIT}\n" + "\n".join(lines))
    return "\n\n".join(parts)


# Sends one event along all its rows. It stands in the text wherever it is needed: as a function its
# array arguments would cost more than a short row does.
_SEND = """\
for r in range(route_ptr[source], route_ptr[source + 1]):
    row = route_row[r]
    base = ((t + row_delay[row]) & mask) * width
    a, b = row_ptr[row], row_ptr[row + 1]
    run_at = row_run[row]
    if run_at >= 0:  # neighbouring targets: no indices, vector adds
        length = b - a
        slot = ring[base + run_at : base + run_at + length]
        w = weight[a:b]
        if plain:
            for k in range(length):
                slot[k] += w[k]
        else:
            for k in range(length):
                slot[k] += w[k] * value
    elif plain:
        for k in range(a, b):
            ring[base + target[k]] += weight[k]
    else:
        for k in range(a, b):
            ring[base + target[k]] += weight[k] * value"""


def _send(indent: int) -> str:
    return textwrap.indent(_SEND, " " * indent)


_DELIVER = f"""{_JIT}
def deliver(source, value, plain, t, mask, width, ring, route_ptr, route_row, row_ptr, row_delay,
            row_run, target, weight):
{_send(4)}
"""

_RUN = """{jit}
def run(first, last, mask, width, blocks, state, param, ring, out, route_ptr, route_row, row_ptr,
        row_delay, row_run, target, weight, ev_tick, ev_source, ev_payload, ev_plain, cursor,
        counts, counter, rec_tick, rec_slot, rec_value, rec_n, probes, traces):
    # Ticks first <= t < last, or fewer when the recording buffer fills; returns the next tick.
    n_blocks = blocks.shape[0]
    recorded = 0
    for p in range(n_blocks):
        recorded += blocks[p, 6] * blocks[p, 1]
    for t in range(first, last):
        if rec_n[0] + recorded > rec_tick.shape[0]:
            return t
        now = (t & mask) * width
        e = cursor[0]
        while e < ev_tick.shape[0] and ev_tick[e] == t:
            source, value, plain = ev_source[e], ev_payload[e], ev_plain[e]
            counts[source] += 1
{send_input}
            e += 1
        cursor[0] = e
        for p in range(n_blocks):
            kind = blocks[p, 0]
            n = blocks[p, 1]
            first_slot = blocks[p, 2]
            ro = now + blocks[p, 5]
{dispatch}
            o = out[first_slot : first_slot + n]
            record = blocks[p, 6]
            plain = {plain}
            for i in range(n):
                value = o[i]
                if value != 0:
                    source = first_slot + i
                    counts[source] += 1
                    if record != 0:
                        k = rec_n[0]
                        rec_tick[k] = t
                        rec_slot[k] = source
                        rec_value[k] = value
                        rec_n[0] = k + 1
{send_spike}
        for p in range(probes.shape[0]):
            n = probes[p, 2]
            at = probes[p, 1]
            column = probes[p, 3]
            sample = traces[t - first]
            if probes[p, 0] == 0:
                for i in range(n):
                    sample[column + i] = state[at + i]
            else:
                for i in range(n):
                    sample[column + i] = out[at + i]
        ring[now : now + width] = 0
    return last
"""


def worker_source(variants: Sequence[Variant]) -> str:
    """The text of the worker module for these kernels, in order of their ``kind`` number."""
    parts = [
        '"""Generated by ranvier; safe to delete."""',
        "import math\n\nfrom numba import njit",
        *(_kernel_text(k, v) for k, v in enumerate(variants)),
        _DELIVER,
    ]
    lines: list[str] = []
    for k, _ in enumerate(variants):
        lines.append(f"            {'if' if k == 0 else 'elif'} kind == {k}:")
        lines.append(
            f"                update_{k}(n, state, blocks[p, 3], param, blocks[p, 4], ring, ro,"
            " out, first_slot, counter, blocks[p, 7])"
        )
    plain = [v.kernel.output == "spike" for v in variants]
    if all(plain):
        test = "True"
    elif not any(plain):
        test = "False"
    else:
        test = "(" + " or ".join(f"kind == {k}" for k, p in enumerate(plain) if p) + ")"
    dispatch = "\n".join(lines) or "            pass"
    parts.append(
        _RUN.format(
            jit=_JIT, dispatch=dispatch, plain=test, send_input=_send(12), send_spike=_send(20)
        )
    )
    return "\n\n\n".join(parts)


def cache_folder() -> Path:
    """Where generated kernels live: ``$RANVIER_CACHE``, or the user's cache folder.

    Falls back to a temporary folder where that cannot be written.
    """
    home = os.environ.get("RANVIER_CACHE")
    if home:
        base = Path(home)
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home())) / "ranvier"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches" / "ranvier"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ranvier"
    folder = base / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="ranvier-kernels-"))


def _write_source(path: Path, source: str) -> None:
    """Complete or not at all: several processes may want the same kernel at once."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(source)
        # numba's cache compares time stamps; the name is the content, so one will do.
        os.utime(temporary, (1_000_000_000, 1_000_000_000))
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


_LOADED: dict[str, ModuleType] = {}


def load_worker(variants: Sequence[Variant]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The compiled (run, deliver) for these kernels: from memory, the cache folder, or new."""
    source = worker_source(variants)
    name = "ranvier_kernel_" + hashlib.sha256(source.encode()).hexdigest()[:24]
    if name not in _LOADED:
        path = cache_folder() / f"{name}.py"
        if not path.exists():
            try:
                _write_source(path, source)
            except OSError as error:
                raise fail(
                    "cannot-write",
                    str(path.parent),
                    f"generated kernels cannot be written ({error.strerror or error})",
                    hint="free some disk space, or set RANVIER_CACHE to another folder",
                ) from error
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        _LOADED[name] = module
    return _LOADED[name].run, _LOADED[name].deliver

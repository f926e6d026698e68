"""Fields and shapes of NIR nodes.

Sizes are inferred here, not taken from the ``nir`` package, whose rules are wrong for non-square
kernels and groups.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import Issue, RanvierError, fail, unknown
from ranvier.frontends._nir_read import NirGraph, NirNode

__all__ = ["FIELDS", "NEURON_FIELDS", "Shape", "check_nodes", "geometry", "infer_shapes", "spread"]

Shape = tuple[int, ...]
MAX_NEURONS = 2**31

NEURON_FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "I": (("r",), ()),
    "IF": (("r", "v_threshold"), ("v_reset",)),
    "LI": (("tau", "r", "v_leak"), ()),
    "LIF": (("tau", "r", "v_leak", "v_threshold"), ("v_reset",)),
    "CubaLI": (("tau_syn", "tau_mem", "r", "v_leak"), ("w_in",)),
    "CubaLIF": (("tau_syn", "tau_mem", "r", "v_leak", "v_threshold"), ("v_reset", "w_in")),
    "Threshold": (("threshold",), ()),
}
_CONV = (("weight", "bias", "stride", "padding", "dilation", "groups"), ("input_shape",))
_POOL = (("kernel_size", "stride", "padding"), ())
FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    **NEURON_FIELDS,
    "Input": (("shape",), ()),
    "Output": ((), ("shape",)),
    "Wire": ((), ("shape",)),
    "Linear": (("weight",), ()),
    "Affine": (("weight", "bias"), ()),
    "Scale": (("scale",), ()),
    "Conv1d": _CONV,
    "Conv2d": _CONV,
    "SumPool2d": _POOL,
    "AvgPool2d": _POOL,
    "Flatten": (("start_dim", "end_dim"), ("input_type",)),
    "Delay": (("delay",), ()),
}
"""Every node type we know: required and optional fields."""


def check_nodes(path: str, graph: NirGraph) -> list[Issue]:
    """Types and fields: unknown fields become warnings, anything missing one RanvierError."""
    bad: list[Issue] = []
    notes: list[Issue] = []
    for name, node in graph.nodes.items():
        assert isinstance(node, NirNode)
        if node.type not in FIELDS:
            issue = unknown("node type", node.type, FIELDS, where=name).issues[0]
            bad.append(Issue(code="nir-unknown-type", severity="refused", where=name,
                             message=f"nodes of type {node.type!r} have no meaning here",
                             limit=issue.limit,
                             hint=issue.hint or ("replace it by known nodes",)))  # fmt: skip
            continue
        required, optional = FIELDS[node.type]
        missing = [f for f in required if f not in node.fields]
        if missing:
            bad.append(Issue(code="nir-missing-field", severity="refused", where=name,
                             message=f"{node.type} lacks a field", got=", ".join(node.fields),
                             limit=", ".join(missing),
                             hint=("export the model again with a recent nir",)))  # fmt: skip
        known = {*required, *optional, "metadata"}
        extra = [f for f in node.fields if f not in known]
        if extra:
            notes.append(Issue(code="nir-unknown-field", severity="warning", where=name,
                               message=f"{node.type} has fields NIR does not define, left aside: "
                               + ", ".join(extra)))  # fmt: skip
        for field, value in node.fields.items():
            text = field == "padding" and isinstance(value, str)
            if field in known - {"metadata"} and not isinstance(value, np.ndarray) and not text:
                bad.append(Issue(code="nir-dtype", severity="refused", where=f"{name}.{field}",
                                 message="should hold numbers", got=repr(value)[:60]))  # fmt: skip
    for a, b in graph.edges:
        for name, wrong in ((a, "Output"), (b, "Input")):
            node = graph.nodes[name]
            if isinstance(node, NirNode) and node.type == wrong:
                bad.append(Issue(code="nir-edge", severity="refused", where=f"edge {a} -> {b}",
                                 message=f"an {wrong} node cannot stand there"))  # fmt: skip
    if bad:
        raise RanvierError(*bad)
    return notes


def _ints(name: str, field: str, value: Any) -> Shape:
    array = np.atleast_1d(np.asarray(value))
    if array.ndim != 1 or not array.size or array.size > 8:
        raise fail("nir-field", f"{name}.{field}", "should be a few whole numbers",
                   got=f"shape {array.shape}")  # fmt: skip
    if array.dtype.kind == "f" and np.all(array == np.rint(array)):
        array = np.rint(np.clip(array, -(2**40), 2**40)).astype(np.int64)
    if array.dtype.kind not in "iu":
        raise fail("nir-field", f"{name}.{field}", "should be whole numbers", got=array.dtype)
    return tuple(int(v) for v in array)


def _shape(name: str, field: str, value: Any) -> Shape:
    shape = _ints(name, field, value)
    if min(shape) < 1 or prod(shape) > MAX_NEURONS:
        raise fail("nir-shape", f"{name}.{field}", "is not a usable shape", got=shape,
                   limit=f"sizes from 1, at most {MAX_NEURONS} in all")  # fmt: skip
    return shape


def spread(name: str, field: str, value: Any, shape: Shape) -> NDArray[np.float64]:
    """A field as float64 [size]: given per neuron, or once for all."""
    array = np.asarray(value, np.float64)
    if array.size == 1:
        return np.full(prod(shape), float(array.ravel()[0]))
    if array.size != prod(shape) or _squeezed(array.shape) != _squeezed(shape):
        raise fail("nir-shape", f"{name}.{field}", "does not fit the shape of its node",
                   got=array.shape, limit=shape)  # fmt: skip
    return array.reshape(-1)


def _squeezed(shape: Shape) -> Shape:
    return tuple(n for n in shape if n != 1)


def geometry(node: NirNode, given: Shape | None) -> dict[str, Any]:
    """Keyword arguments of Conv or Pool for a node with inputs of shape ``given``."""
    name, f = node.name, node.fields
    if node.type in ("SumPool2d", "AvgPool2d"):
        if given is None or len(given) != 3:
            raise fail("nir-shape", name, "pooling needs inputs (channels, height, width)",
                       got=given or "unknown")  # fmt: skip
        return {
            "input_shape": given,
            "kernel": _axes(name, "kernel_size", f["kernel_size"], 2, 1),
            "stride": _axes(name, "stride", f["stride"], 2, 1),
            "padding": _axes(name, "padding", f["padding"], 2, 0),
            "mode": "sum" if node.type == "SumPool2d" else "average",
        }
    weights, axes = np.asarray(f["weight"]), 1 if node.type == "Conv1d" else 2
    if weights.ndim != axes + 2 or not weights.size:
        raise fail("nir-shape", f"{name}.weight", f"needs {axes + 2} axes", got=weights.shape)
    groups = _axes(name, "groups", f["groups"], 1, 1)[0]
    stride = _axes(name, "stride", f["stride"], axes, 1)
    dilation = _axes(name, "dilation", f["dilation"], axes, 1)
    channels = weights.shape[1] * groups
    if "input_shape" in f:
        size = _shape(name, "input_shape", f["input_shape"])
        size = size * axes if len(size) == 1 else size[-axes:]
    elif given is not None and len(given) == axes + 1:
        size = given[1:]
    else:
        raise fail("nir-shape", name, "has no input_shape and none follows from its inputs",
                   got=given or "unknown", hint="export it with input_shape")  # fmt: skip
    padding: Any = f["padding"]
    if isinstance(padding, str):
        padding = _named_padding(name, padding, weights.shape[2:], stride, dilation)
    else:
        padding = _axes(name, "padding", padding, axes, 0)
    return {"input_shape": (channels, *size), "stride": stride, "padding": padding,
            "dilation": dilation, "groups": groups, "weights": weights}  # fmt: skip


def _named_padding(name: str, text: str, kernel: Shape, stride: Shape, dilation: Shape) -> Any:
    if text == "valid":
        return 0
    if text != "same":
        raise unknown("padding", text, ("same", "valid"), where=f"{name}.padding")
    if max(stride) > 1:
        raise fail("nir-padding", name, "padding 'same' has no meaning with a stride above 1",
                   got=stride, hint="write the padding as numbers")  # fmt: skip
    # torch puts the odd one behind
    total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((t // 2, t - t // 2) for t in total)


def _axes(name: str, field: str, value: Any, axes: int, low: int) -> Shape:
    items = _ints(name, field, value)
    items = items * axes if len(items) == 1 else items
    if len(items) != axes or min(items) < low or max(items) > 2**31:
        raise fail("nir-field", f"{name}.{field}", f"needs {axes} whole numbers of at least {low}",
                   got=items)  # fmt: skip
    return items


def _out_shape(node: NirNode, given: Shape | None) -> Shape | None:
    """Output shape of a node, None while it is not known yet."""
    name, f, kind = node.name, node.fields, node.type
    if kind == "Input":
        return _shape(name, "shape", f["shape"])
    if kind in ("Output", "Wire"):
        return given if given or "shape" not in f else _shape(name, "shape", f["shape"])
    if kind in ("Linear", "Affine"):
        weight = np.asarray(f["weight"])
        if weight.ndim != 2 or not weight.size:
            raise fail("nir-shape", f"{name}.weight", "needs two axes (outputs, inputs)",
                       got=weight.shape)  # fmt: skip
        return (weight.shape[0],)
    if kind in ("Conv1d", "Conv2d", "SumPool2d", "AvgPool2d"):
        if given is None and "input_shape" not in f:
            return None
        g = geometry(node, given)
        kernel = g["kernel"] if "kernel" in g else g["weights"].shape[2:]
        channels = g["input_shape"][0] if "kernel" in g else g["weights"].shape[0]
        pads = np.array(g["padding"])
        pads = pads if pads.ndim == 2 else np.broadcast_to(pads, (2, len(kernel))).T
        dilation = g.get("dilation", (1,) * len(kernel))
        rows = zip(g["input_shape"][1:], kernel, g["stride"], pads, dilation, strict=True)
        size = tuple((n + lo + hi - d * (k - 1) - 1) // s + 1 for n, k, s, (lo, hi), d in rows)
        return _shape(name, "output", np.array((channels, *size)))
    if kind == "Flatten":
        start = given
        if given is None and "input_type" in f:
            start = _shape(name, "input_type", f["input_type"])
        return None if start is None else _flattened(node, start)
    first = NEURON_FIELDS[kind][0] if kind in NEURON_FIELDS else (FIELDS[kind][0][0],)
    return _own_shape(node, first) or given


def _own_shape(node: NirNode, fields: tuple[str, ...]) -> Shape | None:
    """The largest shape among the fields; None where all are single numbers."""
    best: Shape = ()
    for field in (*fields, "v_reset", "w_in"):
        if field in node.fields:
            shape = np.asarray(node.fields[field]).shape
            if prod(shape) > prod(best):
                best = shape
    return best or None


def _flattened(node: NirNode, shape: Shape) -> Shape:
    start = _ints(node.name, "start_dim", node.fields["start_dim"])[0]
    end = _ints(node.name, "end_dim", node.fields["end_dim"])[0]
    n = len(shape)
    first, last = (start + n if start < 0 else start), (end + n if end < 0 else end)
    last = min(last, n - 1)
    if not 0 <= first < n or first > last:
        if first == n == 1:  # start_dim 1 of a flat signal: nothing to do
            return shape
        raise fail("nir-field", f"{node.name}.start_dim", "does not fit its inputs",
                   got=f"{start}..{end} of {shape}")  # fmt: skip
    return (*shape[:first], prod(shape[first : last + 1]), *shape[last + 1 :])


def infer_shapes(graph: NirGraph) -> tuple[dict[str, Shape], list[Issue]]:
    """Output shape of every node; raises RanvierError where an edge cannot fit."""
    nodes: dict[str, NirNode] = {n: k for n, k in graph.nodes.items() if isinstance(k, NirNode)}
    before: dict[str, list[str]] = {name: [] for name in nodes}
    after: dict[str, list[str]] = {name: [] for name in nodes}
    for a, b in graph.edges:
        before[b].append(a)
        after[a].append(b)
    shapes: dict[str, Shape] = {}
    waiting = deque(nodes)
    left = list(nodes)
    while len(shapes) < len(nodes):
        while waiting:
            name = waiting.popleft()
            if name in shapes:
                continue
            given = next((shapes[p] for p in before[name] if p in shapes), None)
            shape = _out_shape(nodes[name], given)
            if shape is not None:
                shapes[name] = shape
                waiting += after[name]
        left = [name for name in left if name not in shapes]
        # nothing says more: single numbers are single neurons
        alone = [n for n in left if nodes[n].type in (*NEURON_FIELDS, "Scale", "Delay")]
        if left and not alone:
            raise fail("nir-shape", left[0], "the shape of its inputs does not follow",
                       got=nodes[left[0]].type,
                       hint="export it with input_shape or input_type")  # fmt: skip
        for name in alone[:1]:
            shapes[name] = (1,)
            waiting += after[name]
    return shapes, [note for a, b in graph.edges for note in _fit(nodes, shapes, a, b)]


def _wanted(node: NirNode, given: Shape, own: Shape) -> Shape:
    if node.type in ("Linear", "Affine"):
        return (np.asarray(node.fields["weight"]).shape[1],)
    if node.type in ("Conv1d", "Conv2d", "SumPool2d", "AvgPool2d"):
        return geometry(node, given)["input_shape"]
    if node.type == "Flatten":
        claim = node.fields.get("input_type")
        shape = None if claim is None or not np.all(np.asarray(claim) > 0) else claim
        return given if shape is None else _shape(node.name, "input_type", shape)
    if node.type in ("Output", "Wire") and "shape" in node.fields:
        return _shape(node.name, "shape", node.fields["shape"])
    return own


def _fit(nodes: Mapping[str, NirNode], shapes: Mapping[str, Shape], a: str, b: str) -> list[Issue]:
    got = shapes[a]
    wanted = _wanted(nodes[b], got, shapes[b])
    if got == wanted:
        return []
    where = f"edge {a} -> {b}"
    if _squeezed(got) == _squeezed(wanted):
        return [
            Issue(
                code="nir-shape",
                severity="info",
                where=where,
                message=f"shape {wanted} read as {got}: they differ in axes of length 1 only",
            )
        ]
    if prod(got) == prod(wanted) and 1 in (len(got), len(wanted)):
        return [
            Issue(
                code="nir-shape",
                severity="warning",
                where=where,
                message=f"{got} goes into {wanted} without a Flatten; read in row-major order",
            )
        ]
    raise fail(
        "nir-shape",
        where,
        "the shapes do not fit",
        got=f"{a} gives {got}",
        limit=f"{b} takes {wanted}",
        hint="export the model again, or correct input_shape",
    )

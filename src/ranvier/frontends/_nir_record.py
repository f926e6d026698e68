"""Ranvier's own record in a NIR file: what NIR has no words for, in one JSON string.

It holds the network's document; arrays that stand in the file's own nodes are referred to, not
repeated, so weights that another tool changed in place are read as changed. A record that does not
fit the graph around it is refused, never half used.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.bundle import canonical_json
from ranvier.errors import Issue, RanvierError, fail
from ranvier.frontends import Imported
from ranvier.frontends._nir_read import NirGraph, NirNode
from ranvier.network import Network
from ranvier.network._bundle import decode, encode

__all__ = ["KEY", "Stored", "record", "recorded"]

KEY = "ranvier"
FORMAT = 1
Stored = tuple[str, str, NDArray[Any] | None]
"""Node, field, and what the field is multiplied by (one number, or one per row) to be the array."""


def _structure(types: Mapping[str, str], edges: Sequence[tuple[str, str]]) -> str:
    text = canonical_json([sorted(types.items()), sorted(edges)])
    return hashlib.sha256(text).hexdigest()


def _digest(values: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, "<f8").tobytes()).hexdigest()


def record(
    network: Network,
    nodes: Mapping[str, Mapping[str, Any]],
    edges: Sequence[tuple[str, str]],
    stored: Mapping[str, Stored],
) -> str:
    """The JSON string for a network written as these nodes; ``stored`` names where arrays stand."""
    document, arrays = encode(network)
    places: dict[str, Any] = {}
    for path, array in arrays.items():
        place: dict[str, Any] = {"shape": list(array.shape)}
        if path in stored:
            node, field, factor = stored[path]
            written = np.asarray(nodes[node][field], np.float64)
            if factor is not None:
                # the array whole, to be exact, and how to follow a change of the field
                place["scaled"] = {"node": node, "field": field, "factor": factor.tolist(),
                                   "sha256": _digest(written)}  # fmt: skip
            elif np.array_equal(written.ravel(), array.ravel()) and array.dtype == np.float64:
                places[path] = {**place, "node": node, "field": field}
                continue
        data = np.ascontiguousarray(array)
        place["dtype"] = data.dtype.newbyteorder("<").str
        little = data.astype(data.dtype.newbyteorder("<"))
        places[path] = {**place, "data": base64.b64encode(little.tobytes()).decode()}
    types = {name: str(node["type"]) for name, node in nodes.items()}
    return canonical_json({
        "format": FORMAT,
        "structure": _structure(types, edges),
        "network": document,
        "arrays": places,
    }).decode()  # fmt: skip


def recorded(path: str, graph: NirGraph, options: Mapping[str, Any]) -> Imported | None:
    """The recorded network of a file that Ranvier wrote, else None; raises when it does not fit."""
    text = graph.metadata.get(KEY)
    if text is None:
        return None
    plain = "read the plain NIR graph: metadata=False"
    given = [name for name in options if name != "metadata"]
    if given:
        raise fail("nir-recorded", path, "was written by Ranvier and records these choices itself",
                   got=", ".join(given), hint=("leave them out", plain))  # fmt: skip
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise fail(
                "nir-record",
                path,
                "carries a Ranvier record of another version",
                got=str(data["format"])[:40],
                limit=FORMAT,
                hint=("upgrade ranvier", plain),
            )
        types = {
            name: node.type if isinstance(node, NirNode) else "NIRGraph"
            for name, node in graph.nodes.items()
        }
        if data["structure"] != _structure(types, graph.edges):
            raise fail("nir-record", path, "was changed after Ranvier wrote it: its nodes are not "
                       "those of Ranvier's record", hint=plain)  # fmt: skip
        arrays = {name: _array(graph, place) for name, place in data["arrays"].items()}
        network = decode(data["network"], arrays)
    except RanvierError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError,
            OverflowError, binascii.Error) as error:  # fmt: skip
        raise fail("nir-record", path, "carries a damaged Ranvier record",
                   got=f"{type(error).__name__}: {error}"[:160], hint=plain) from error  # fmt: skip
    notes = [*graph.issues]
    notes += [
        Issue(code="nir-recorded", severity="exact", where=p.name,
              message="restored from Ranvier's record")
        for p in network.populations
    ]  # fmt: skip
    return Imported(network=network, issues=tuple(notes))


def _array(graph: NirGraph, place: Any) -> Any:
    shape = tuple(int(n) for n in place["shape"])
    if "node" in place:
        node = graph.nodes[place["node"]]
        if not isinstance(node, NirNode):
            raise TypeError("a record cannot refer to a nested graph")
        return np.asarray(node.fields[place["field"]], np.float64).reshape(shape)
    if "scaled" in place:
        scaled = place["scaled"]
        node = graph.nodes[scaled["node"]]
        if not isinstance(node, NirNode):
            raise TypeError("a record cannot refer to a nested graph")
        values = np.asarray(node.fields[scaled["field"]], np.float64)
        if _digest(values) != scaled["sha256"]:
            factor = np.asarray(scaled["factor"], np.float64)
            values = values.reshape(shape)
            return values * factor.reshape(-1, *[1] * (values.ndim - 1) * factor.ndim)
    dtype = np.dtype(place["dtype"])
    if dtype.kind not in "iufb":
        raise TypeError(f"dtype {dtype}")
    raw = base64.b64decode(place["data"], validate=True)
    if min(shape, default=0) < 0 or len(raw) != prod(shape) * dtype.itemsize:
        raise ValueError("an array has the wrong number of bytes")
    return np.frombuffer(raw, dtype).astype(dtype.newbyteorder("=")).reshape(shape)

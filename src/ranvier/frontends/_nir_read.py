"""NIR files as plain data: HDF5 to nodes and edges, legacy layouts included.

Nothing but hard links, numbers and strings is taken from a file, sizes are checked against the
bytes that are really there before they are read, and whatever is wrong comes out as one
RanvierError. Layout: neuromorphs/NIR, nir/serialization.py (0.1 to 1.0.8).
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.errors import Issue, RanvierError, fail

__all__ = ["NirGraph", "NirNode", "flatten", "read_file"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_BYTES = 8 * 2**30
"""Numbers a file may unpack to."""
MAX_RATIO = 1032
"""What DEFLATE can expand at most (RFC 1951: 258 bytes from 2 bits)."""
MAX_DEPTH = 16
MAX_NODES = 100_000
FILTERS = {1, 2, 3, 4, 32000}
"""deflate, shuffle, fletcher32, szip, lzf: what HDF5 and h5py bring along. Others load plug-ins."""


@dataclass(frozen=True)
class NirNode:
    """One node: its type and its fields as arrays and strings."""

    name: str
    type: str
    fields: Mapping[str, Any]


@dataclass
class NirGraph:
    """Nodes and edges; a nested graph is a node that is a graph."""

    nodes: dict[str, NirNode | NirGraph]
    edges: list[tuple[str, str]]
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    version: str = ""
    issues: list[Issue] = field(default_factory=list[Issue])


def read_file(path: Path) -> NirGraph:
    """Read and check a file; raises RanvierError whatever is wrong with it."""
    import h5py

    if not path.exists():
        raise fail("no-such-file", str(path), "does not exist", hint="check the path")
    if not path.is_file():
        raise fail("cannot-read", str(path), "is not a file")
    try:
        with open(path, "rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise fail("cannot-read", str(path), f"cannot be read ({error.strerror})") from error
    if head != SIGNATURE:
        raise fail(
            "not-nir", str(path), "is not an HDF5 file, so it is no NIR file",
            got=repr(head), hint="export the model again with nir.write",
        )  # fmt: skip
    try:
        _check_heaps(path)
        with h5py.File(path, "r") as file:
            return _Reader(str(path)).root(file)
    except RanvierError:
        raise
    except Exception as error:  # h5py raises whatever the C library stumbles over
        text = " ".join(str(error).split())[:160]
        raise fail(
            "nir-damaged", str(path), "is damaged or truncated; nothing was loaded",
            got=f"{type(error).__name__}: {text}", hint="get a fresh copy of the file",
        ) from error  # fmt: skip


def _check_heaps(path: Path) -> None:
    """Walk the collections that hold strings: the HDF5 library loops for ever in a broken one.

    A collection is ``GCOL``, version 1, its size, then objects of index, count and size with data
    padded to 8 bytes (HDF5 file format specification 3.0, III.E).
    """
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(b"GCOL\x01")
        while at >= 0:
            (size,) = struct.unpack_from("<Q", data, at + 8)
            if at % 8 == 0 and not _sound_heap(data, at, size):
                raise fail("nir-damaged", str(path), "is damaged; nothing was loaded",
                           got=f"a broken table of strings at byte {at}",
                           hint="get a fresh copy of the file")  # fmt: skip
            at = data.find(b"GCOL\x01", at + 5)


def _sound_heap(data: mmap.mmap, at: int, size: int) -> bool:
    end = at + size
    if size < 4096 or end > len(data):
        return False
    position, seen = at + 16, set[int]()
    while position + 16 <= end:
        index, _, _, length = struct.unpack_from("<HHIQ", data, position)
        if index == 0:  # the free space, to the end
            return length == end - position
        position += 16 + (length + 7) // 8 * 8
        if index in seen or position > end:
            return False
        seen.add(index)
    return True


class _Reader:
    def __init__(self, place: str) -> None:
        self.place = place
        self.left = MAX_BYTES
        self.count = 0

    def fail(self, code: str, where: str, message: str, **more: Any) -> RanvierError:
        return fail(code, f"{self.place}: {where}" if where else self.place, message, **more)

    # -- HDF5 objects -------------------------------------------------------------------------
    def items(self, group: Any, above: frozenset[Any]) -> Iterator[tuple[str, Any, frozenset[Any]]]:
        """Members behind hard links; a link elsewhere or back to a group above is refused."""
        import h5py

        above = above | {_address(group)}
        if len(above) > MAX_DEPTH:
            raise self.fail("nir-too-deep", group.name, "groups are nested too deeply",
                            limit=f"{MAX_DEPTH} levels")  # fmt: skip
        for name in group:
            where = f"{group.name}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise self.fail(
                    "nir-link",
                    where,
                    "is a link to elsewhere, which is not followed",
                    hint="write the file with nir.write, which makes no links",
                )
            item = group[name]
            if isinstance(item, h5py.Group) and _address(item) in above:
                raise self.fail("nir-loop", where, "is a group that contains itself")
            self.count += 1
            if self.count > 20 * MAX_NODES:
                raise self.fail("nir-too-large", "", "holds too many objects")
            yield name, item, above

    def value(self, dataset: Any) -> Any:
        """A dataset as str, list of str, or a finite array."""
        import h5py

        where = dataset.name
        if not isinstance(dataset, h5py.Dataset):
            raise self.fail("nir-layout", where, "should be a dataset", got=type(dataset).__name__)
        creation = dataset.id.get_create_plist()
        if dataset.is_virtual or dataset.external:
            raise self.fail("nir-link", where, "keeps its data in another file, which is not read")
        codes = {creation.get_filter(k)[0] for k in range(creation.get_nfilters())}
        if codes - FILTERS:
            raise self.fail("nir-filter", where, "is compressed by a plug-in",
                            got=sorted(codes - FILTERS), hint="write it with gzip")  # fmt: skip
        if dataset.shape is None:
            raise self.fail("nir-layout", where, "is empty")
        dtype = dataset.dtype
        size = prod(dataset.shape) * dtype.itemsize
        stored = dataset.id.get_storage_size()
        limit = stored * (MAX_RATIO if codes else 1)
        if size > limit and size > 0:
            raise self.fail("nir-size", where, "claims more data than the file holds",
                            got=f"{'x'.join(map(str, dataset.shape))} {dtype}",
                            limit=f"{stored} bytes stored")  # fmt: skip
        self.left -= size
        if self.left < 0:
            raise self.fail("nir-too-large", where, "unpacks to too much data",
                            limit=f"{MAX_BYTES >> 30} GiB")  # fmt: skip
        text = h5py.check_string_dtype(dtype)
        if text is not None:
            if text.length is None:
                self.check_lengths(dataset, prod(dataset.shape))
            return _text(dataset[()])
        if dtype.kind not in "iufb":
            raise self.fail("nir-dtype", where, "holds neither numbers nor text", got=dtype)
        array = np.asarray(dataset[()])
        if dtype.kind == "f":
            if dtype.itemsize > 8 or dtype.itemsize < 4:
                array = array.astype(np.float64)
            bad = int(np.count_nonzero(~np.isfinite(array)))
            if bad:
                raise self.fail("nir-not-finite", where, "holds NaN or infinity",
                                got=f"{bad} of {array.size} values",
                                hint="check the training run that made them")  # fmt: skip
        return array

    def check_lengths(self, dataset: Any, count: int) -> None:
        """Strings may claim 4 GiB each, for which the HDF5 library would make room: check first.

        Each is stored as length (4 bytes), address of its collection (8) and index (4).
        """
        offset = dataset.id.get_offset()
        if not count or not dataset.id.get_storage_size():
            return
        if offset is None:
            raise self.fail("nir-layout", dataset.name, "keeps strings in an unusual layout",
                            hint="write it uncompressed, as nir.write does")  # fmt: skip
        with open(self.place, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(offset)
            rows = np.frombuffer(stream.read(16 * count), "<u4").reshape(-1, 4)
        if rows.shape[0] != count or int(rows[:, 0].max()) > size:
            raise self.fail("nir-damaged", dataset.name, "is damaged; nothing was loaded",
                            got="a string longer than the file",
                            hint="get a fresh copy of the file")  # fmt: skip

    def tree(self, group: Any, above: frozenset[Any]) -> dict[str, Any]:
        """Metadata: whatever is there, as plain data."""
        import h5py

        found: dict[str, Any] = {}
        for name, item, inner in self.items(group, above):
            is_group = isinstance(item, h5py.Group)
            found[name] = self.tree(item, inner) if is_group else self.value(item)
        return found

    # -- NIR ------------------------------------------------------------------------------------
    def root(self, file: Any) -> NirGraph:
        import h5py

        members = {name: (item, above) for name, item, above in self.items(file, frozenset())}
        if "node" not in members or not isinstance(members["node"][0], h5py.Group):
            raise self.fail("not-nir", "", "is HDF5, but has no group 'node'",
                            got=", ".join(list(members)[:5]) or "an empty file",
                            hint="export the model again with nir.write")  # fmt: skip
        version = self.value(members["version"][0]) if "version" in members else ""
        item, above = members["node"]
        found = self.node("", item, above)
        if isinstance(found, NirNode):
            raise self.fail(
                "nir-bare-node",
                "",
                "holds a single node, not a graph",
                got=found.type,
                hint="wrap it: nir.NIRGraph.from_list(node)",
            )
        found.version = version if isinstance(version, str) else ""
        if not found.version:
            found.issues.append(_warning("nir-version", self.place, "does not say its NIR version"))
        return found

    def node(self, path: str, group: Any, above: frozenset[Any]) -> NirNode | NirGraph:
        import h5py

        where = path or "node"
        self.count += 1
        if self.count > 20 * MAX_NODES:
            raise self.fail("nir-too-large", "", "has too many nodes", limit=MAX_NODES)
        if not isinstance(group, h5py.Group):
            raise self.fail("nir-layout", where, "should be a group", got="a dataset")
        fields: dict[str, Any] = {}
        groups: dict[str, tuple[Any, frozenset[Any]]] = {}
        for name, item, inner in self.items(group, above):
            if isinstance(item, h5py.Group):
                groups[name] = (item, inner)
            else:
                fields[name] = self.value(item)
        kind = fields.pop("type", None)
        if not isinstance(kind, str):
            raise self.fail("nir-layout", where, "does not say its node type")
        metadata = self.tree(*groups.pop("metadata")) if "metadata" in groups else {}
        if kind == "NIRGraph":
            return self.graph(path, fields, groups, metadata)
        if groups:
            raise self.fail("nir-layout", where, "has a group inside where fields belong",
                            got=", ".join(groups),
                            hint="node names must not contain '/'")  # fmt: skip
        if metadata:
            fields["metadata"] = metadata
        return NirNode(path.rpartition("/")[2], kind, fields)

    def graph(
        self, path: str, fields: dict[str, Any], groups: dict[str, Any], metadata: dict[str, Any]
    ) -> NirGraph:
        where = path or "graph"
        if "nodes" not in groups:
            raise self.fail("nir-layout", where, "has no group 'nodes'")
        nodes = {
            name: self.node(f"{path}/{name}" if path else name, item, above)
            for name, item, above in self.items(*groups["nodes"])
        }
        edges = _edges(fields.get("edges"))
        if edges is None:
            raise self.fail("nir-layout", where, "has no list of edges (pairs of names)")
        graph = NirGraph(nodes, edges, metadata)
        self.repair(where, graph)
        seen: set[tuple[str, str]] = set()
        for a, b in graph.edges:
            if (a, b) in seen:
                raise self.fail(
                    "nir-double-edge", f"{where}, edge {a} -> {b}",
                    "stands twice: some tools add the signal once, some twice",
                    hint="remove one of the two; to double it, use two nodes",
                )  # fmt: skip
            seen.add((a, b))
        return graph

    def repair(self, where: str, graph: NirGraph) -> None:
        """Edges to a name that is not there, where exactly one node can be meant."""
        used = {name for edge in graph.edges for name in edge}
        missing = sorted(used - set(graph.nodes))
        if not missing:
            return
        free = [
            name
            for name, node in graph.nodes.items()
            if name not in used
            and not (isinstance(node, NirNode) and node.type in ("Input", "Output"))
        ]
        if len(missing) != 1 or len(free) != 1:
            raise self.fail(
                "nir-dangling-edge", where, "edges name nodes that do not exist",
                got=", ".join(map(repr, missing[:5])), limit=", ".join(list(graph.nodes)[:20]),
                hint="correct the names in the script that made the graph",
            )  # fmt: skip
        old, new = missing[0], free[0]
        graph.edges = [(new if a == old else a, new if b == old else b) for a, b in graph.edges]
        graph.issues.append(
            _warning("nir-edge-repaired", where,
                     f"edges name {old!r}, which does not exist; taken to be {new!r}, the only "
                     "node without an edge")
        )  # fmt: skip


def _address(group: Any) -> Any:
    """Where in the file a group stands: two names of one group have one address."""
    from h5py import h5o  # type: ignore[attr-defined]

    return h5o.get_info(group.id).addr


def _warning(code: str, where: str, message: str) -> Issue:
    return Issue(code=code, severity="warning", where=where, message=message)


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, str):
        return value
    return [_text(item) for item in np.asarray(value).tolist()] if np.ndim(value) else str(value)


def _edges(value: Any) -> list[tuple[str, str]] | None:
    if isinstance(value, np.ndarray) and value.size == 0:  # nir writes [] as an empty float array
        return []
    if not isinstance(value, list):
        return None
    edges: list[tuple[str, str]] = []
    for pair in value:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(n) is str for n in pair)):
            return None
        edges.append((pair[0], pair[1]))
    return edges


def flatten(graph: NirGraph) -> NirGraph:
    """One level of nodes: nested names joined by dots, inner Input and Output as wires.

    Raises RanvierError where an edge to a nested graph could mean several inner nodes.
    """
    flat = NirGraph({}, [], graph.metadata, graph.version, list(graph.issues))
    ends: dict[tuple[str, str], str] = {}
    for name, node in graph.nodes.items():
        if isinstance(node, NirNode):
            flat.nodes[name] = node
            continue
        inner = flatten(node)
        flat.issues += inner.issues
        for kind, where in (("Input", "in"), ("Output", "out")):
            found = [n for n, k in inner.nodes.items() if isinstance(k, NirNode) and k.type == kind]
            wanted = [e for e in graph.edges if e[1 if kind == "Input" else 0] == name]
            if wanted and len(found) != 1:
                raise fail(
                    "nir-ports", name, f"an edge to a nested graph needs exactly one {kind} in it",
                    got=len(found), hint="connect the inner nodes in one flat graph",
                )  # fmt: skip
            if found:
                ends[name, where] = f"{name}.{found[0]}"
        for n, k in inner.nodes.items():
            assert isinstance(k, NirNode)
            if f"{name}.{n}" in graph.nodes:
                raise fail("nir-double-name", f"{name}.{n}",
                           "a node has the name of one inside a nested graph",
                           hint="rename one of them")  # fmt: skip
            kind = "Wire" if k.type in ("Input", "Output") else k.type
            flat.nodes[f"{name}.{n}"] = NirNode(f"{name}.{n}", kind, k.fields)
        flat.edges += [(f"{name}.{a}", f"{name}.{b}") for a, b in inner.edges]
    for a, b in graph.edges:
        flat.edges.append((ends.get((a, "out"), a), ends.get((b, "in"), b)))
    return flat

"""Damaged and hostile files: one RanvierError each, nothing else, nothing followed or executed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nir as peer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.errors import RanvierError
from ranvier.frontends import nir

OPTIONS = {"source": "norse", "dt": 1e-3}
File: Any = h5py.File
TEXT = h5py.string_dtype()


def good(path: Path) -> Path:
    one = np.ones(3)
    nodes = {
        "in": peer.Input(input_type={"input": np.array([2])}),
        "w": peer.Affine(np.ones((3, 2)), np.zeros(3)),
        "a": peer.LIF(0.02 * one, one, 0 * one, one),
        "out": peer.Output(output_type={"output": np.array([3])}),
    }
    peer.write(path, peer.NIRGraph(nodes, [("in", "w"), ("w", "a"), ("a", "out")]))
    with File(path, "r+") as file:
        for name in ("a", "w", "in", "out"):  # nir fills these in; old files have none
            file[f"node/nodes/{name}"].pop("v_reset", None)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return good(tmp_path / "n.nir")


def refused(path: Path) -> RanvierError:
    with pytest.raises(RanvierError) as caught:
        nir.read(path, **OPTIONS)
    return caught.value


def test_the_good_file_is_good(path: Path) -> None:
    assert nir.read(path, **OPTIONS).network.neurons == 3


def test_truncated_at_every_place(path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    cut = tmp_path / "cut.nir"
    for size in [*range(0, 64), *range(64, len(data), 97), len(data) - 1]:
        cut.write_bytes(data[:size])
        refused(cut)


_DATA: list[bytes] = []


@given(flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bytes(
    flips: list[tuple[float, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("nir")
    if not _DATA:
        _DATA.append(good(folder / "good.nir").read_bytes())
    data = bytearray(_DATA[0])
    for where, mask in flips:
        data[min(int(where * len(data)), len(data) - 1)] ^= mask
    path = folder / "n.nir"
    path.write_bytes(data)
    with contextlib.suppress(RanvierError):
        nir.read(path, **OPTIONS)


def test_tables_of_strings_that_would_hang_the_library(path: Path) -> None:
    """Found by flipping bytes: libhdf5 loops for ever, or makes room for 4 GiB."""
    with File(path, "r") as file:
        edges = file["node/edges"].id.get_offset()
    good = path.read_bytes()
    at = good.find(b"GCOL\x01") + 16 + 8
    path.write_bytes(good[:at] + b"\0\xff" + good[at + 2 :])
    assert "table of strings" in str(refused(path))
    path.write_bytes(good[: edges + 19] + b"\xfb" + good[edges + 20 :])
    assert "longer than the file" in str(refused(path))


def test_missing_wrong_or_empty(tmp_path: Path) -> None:
    assert "does not exist" in str(refused(tmp_path / "none.nir"))
    assert "not a file" in str(refused(tmp_path))
    empty = tmp_path / "empty.nir"
    empty.write_bytes(b"")
    assert "HDF5" in str(refused(empty))
    other = tmp_path / "other.nir"
    with File(other, "w") as file:
        file["weights"] = np.ones(3)
    assert "no group 'node'" in str(refused(other))
    bare = tmp_path / "bare.nir"
    peer.write(bare, peer.Linear(np.ones((2, 2))))
    assert "a single node" in str(refused(bare))


def weight(value: Any, **more: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        group = file["node/nodes/w"]
        del group["weight"]
        group.create_dataset("weight", data=value, **more)

    return change


def at(place: str, value: Any, **more: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file.pop(place, None)
        file.create_dataset(place, data=value, **more)

    return change


def huge(file: Any) -> None:
    del file["node/nodes/w/weight"]
    file["node/nodes/w"].create_dataset("weight", shape=(2**24, 2**24), dtype="f4")


def huge_chunks(file: Any) -> None:
    del file["node/nodes/w/weight"]
    file["node/nodes/w"].create_dataset(
        "weight", shape=(2**20, 2**20), dtype="f4", chunks=(1024, 1024), compression="gzip"
    )


def external_data(file: Any) -> None:
    del file["node/nodes/w/weight"]
    file["node/nodes/w"].create_dataset(
        "weight", shape=(3, 2), dtype="f8", external=[("/etc/passwd", 0, 48)]
    )


def virtual(file: Any) -> None:
    del file["node/nodes/w/weight"]
    layout = h5py.VirtualLayout(shape=(3, 2), dtype="f8")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", shape=(3, 2))
    file["node/nodes/w"].create_virtual_dataset("weight", layout)


def link(kind: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file["node/nodes/x"] = kind

    return change


def cycle(file: Any) -> None:
    file["node/nodes/loop"] = file["node/nodes"]


def nested_cycle(file: Any) -> None:
    file["node/nodes/w/metadata/again/deeper"] = 1
    file["node/nodes/w/metadata/again/back"] = file["node/nodes/w/metadata"]


def deep(file: Any) -> None:
    group = file["node/nodes/w"].create_group("metadata")
    for _ in range(200):
        group = group.create_group("m")


def no_edges(file: Any) -> None:
    del file["node/edges"]


def edges(value: Any) -> Callable[[Any], None]:
    return at("node/edges", np.array(value, dtype=object), dtype=TEXT)


GOOD = [("in", "w"), ("w", "a"), ("a", "out")]
CASES: dict[str, tuple[Callable[[Any], None], str]] = {
    "nan": (weight(np.full((3, 2), np.nan)), "NaN"),
    "infinity": (weight(np.array([[1, 2], [3, 4], [5, np.inf]])), "NaN or infinity"),
    "complex": (weight(np.ones((3, 2), complex)), "neither numbers"),
    "text": (weight("hello", dtype=TEXT), "hold numbers"),
    "compound": (weight(np.zeros(3, [("a", "f4"), ("b", "i4")])), "neither numbers"),
    "no axes": (weight(1.0), "two axes"),
    "three axes": (weight(np.ones((1, 3, 2))), "two axes"),
    "empty": (weight(np.ones((0, 2))), "two axes"),
    "null": (weight(h5py.Empty("f4")), "is empty"),
    "huge": (huge, "claims more data"),
    "huge chunks": (huge_chunks, "claims more data"),
    "other file's bytes": (external_data, "another file"),
    "virtual": (virtual, "another file"),
    "soft link": (link(h5py.SoftLink("/node/nodes/w")), "link"),
    "external link": (link(h5py.ExternalLink("/etc/passwd", "/")), "link"),
    "cycle": (cycle, "contains itself"),
    "nested cycle": (nested_cycle, "contains itself"),
    "deep": (deep, "too deeply"),
    "unknown type": (at("node/nodes/a/type", "Izhikevich", dtype=TEXT), "no meaning"),
    "type is a number": (at("node/nodes/a/type", 3), "node type"),
    "graph type": (at("node/type", "Quantum", dtype=TEXT), "has a group inside"),
    "no edges": (no_edges, "list of edges"),
    "edges of numbers": (at("node/edges", np.ones((2, 2))), "list of edges"),
    "triples": (edges([("in", "w", "a")]), "list of edges"),
    "dangling": (edges([*GOOD, ("x", "y")]), "do not exist"),
    "double edge": (edges([*GOOD, ("w", "a")]), "stands twice"),
    "into input": (edges([*GOOD, ("a", "in")]), "cannot stand"),
    "out of output": (edges([*GOOD, ("out", "a")]), "cannot stand"),
    "node is a dataset": (at("node/nodes/b", 1.0), "should be a group"),
    "nodes is a dataset": (at("node/nodes", 1.0), "no group 'nodes'"),
    "negative tau": (at("node/nodes/a/tau", -np.ones(3)), "must be positive"),
    "zero tau": (at("node/nodes/a/tau", np.zeros(3)), "must be positive"),
    "wrong size": (at("node/nodes/a/r", np.ones(7)), "do not fit"),
    "input of nothing": (at("node/nodes/in/shape", np.array([0])), "usable shape"),
    "input of 1e18": (at("node/nodes/in/shape", np.array([10**9, 10**9])), "usable shape"),
    "input of text": (at("node/nodes/in/shape", "two", dtype=TEXT), "hold numbers"),
    "odd version": (at("version", np.ones(3)), ""),
}


@pytest.mark.parametrize("name", CASES)
def test_hostile(name: str, path: Path) -> None:
    change, expected = CASES[name]
    with File(path, "r+") as file:
        change(file)
    if name == "odd version":  # of no consequence: read with a warning
        issues = nir.read(path, **OPTIONS).issues
        assert any(i.code == "nir-version" for i in issues)
        return
    assert expected in str(refused(path))


def test_unknown_fields_are_left_aside_with_a_warning(path: Path) -> None:
    with File(path, "r+") as file:
        file["node/nodes/a/colour"] = 3
    issues = nir.read(path, **OPTIONS).issues
    assert [i.where for i in issues if i.code == "nir-unknown-field"] == ["a"]


def test_names_that_are_no_names_here(tmp_path: Path) -> None:
    one = np.ones(1)
    nodes = {
        "eingang größe": peer.Input(input_type={"input": np.array([1])}),
        "-": peer.LIF(one, one, 0 * one, one),
        "..": peer.LIF(one, one, 0 * one, one),
        "out": peer.Output(output_type={"output": np.array([1])}),
    }
    path = tmp_path / "my net.nir"
    peer.write(path, peer.NIRGraph(nodes, [("eingang größe", "-"), ("-", ".."), ("..", "out")]))
    network = nir.read(path, **{**OPTIONS, "reset": "zero"}).network
    assert network.name == "my_net"
    assert set(network.metadata["nir"]["renamed"].values()) == {"eingang größe", "-", ".."}


def test_padding_same_with_stride_and_large_kernels(tmp_path: Path) -> None:
    def conv(padding: Any, stride: int) -> Path:
        nodes = {
            "in": peer.Input(input_type={"input": np.array([1, 4, 4])}),
            "c": peer.Conv2d((4, 4), np.ones((1, 1, 5, 5)), (stride, stride), padding, (1, 1), 1,
                             np.zeros(1)),
            "out": peer.Output(output_type={"output": np.array([1, 4, 4])}),
        }  # fmt: skip
        graph = peer.NIRGraph(nodes, [("in", "c"), ("c", "out")], type_check=False)
        peer.write(tmp_path / "c.nir", graph)
        return tmp_path / "c.nir"

    assert "no meaning with a stride" in str(refused(conv("same", 2)))
    assert "usable shape" in str(refused(conv(0, 1)))
    assert nir.read(conv("same", 1)).network.neurons == 16

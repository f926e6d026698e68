"""A forged program: every hash right, one number wrong. One clear error, never a crash."""

# pyright: reportArgumentType=false, reportPrivateUsage=false

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import sim
from ranvier.bundle import read_bundle, write_bundle
from ranvier.compile import Program, compile, load_program
from ranvier.errors import RanvierError
from ranvier.network import Network, Rule, load

STIMULUS = nets.stimulus(16, 12, rate=0.5)


def programs() -> dict[str, Program]:
    rule = Network(
        populations=(nets.source(), nets.lif("h", 6)),
        projections=(
            nets.join("in", "h", Rule("fixed_probability", 16, 6, {"p": 0.5}, 0.4, 0)),
            nets.join("h", "h", np.full((6, 6), 0.1)),
        ),
        outputs=("h",),
    )
    small = nets.small_network(hidden=6)
    return {
        "rule": compile(rule, "ideal", dt=1e-3),
        "loihi1": compile(small, "loihi1", dt=1e-3),
        "system": compile(small, "loihi1+spinnaker1", dt=1e-3),
    }


PROGRAMS = programs()


def forged(
    name: str, folder: Path, change: Callable[[Any, dict[str, np.ndarray]], None]
) -> RanvierError | None:
    path = folder / "p.rvp"
    PROGRAMS[name].save(path)
    document, arrays = read_bundle(path)
    document, arrays = copy.deepcopy(document), {k: v.copy() for k, v in arrays.items()}
    change(document, arrays)
    write_bundle(path, "program", document, arrays)
    try:
        sim.run(load_program(path), STIMULUS)
    except RanvierError as error:
        found = error
    else:
        return None
    assert len(found.issues) == 1
    return found


def put(name: str, at: int, value: int) -> Callable[[Any, dict[str, np.ndarray]], None]:
    def change(document: Any, arrays: dict[str, np.ndarray]) -> None:
        arrays[name][at] = value

    return change


INDICES = ["route_ptr", "route_row", "row_ptr", "row_delay", "synapse_target", "slots/h",
           "slots/in"]  # fmt: skip


@pytest.mark.parametrize("array", INDICES)
@pytest.mark.parametrize("value", [-1, 10**6, -(2**31), 2**31 - 1])
@pytest.mark.parametrize("at", [0, -1])
def test_indices_out_of_range(array: str, value: int, at: int, tmp_path: Path) -> None:
    error = forged("loihi1", tmp_path, put(array, at, value))
    assert error is not None
    assert error.issues[0].code == "damaged-bundle"


@pytest.mark.parametrize(
    "field",
    ["route_ptr", "route_row", "row_ptr", "row_core", "row_delay", "synapse_target",
     "synapse_weight", "synapse_origin", "cores", "slots/h", "tables/axon_out",
     "projections/0/origin"],
)  # fmt: skip
@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.astype(np.float32),
        lambda a: a[:-1],
        lambda a: np.concatenate([a, a]),
        lambda a: a[None],
        lambda a: a.astype(np.uint8),
        lambda a: np.zeros(0),
    ],
    ids=["float32", "short", "twice", "2d", "bytes", "empty"],
)
def test_arrays_of_another_shape_or_type(
    field: str, change: Callable[[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    def swap(document: Any, arrays: dict[str, np.ndarray]) -> None:
        arrays[field] = change(arrays[field])

    error = forged("loihi1", tmp_path, swap)
    if field in ("row_core", "cores", "tables/axon_out") and error is None:
        return  # says where things lie, not what is computed
    assert error is not None


@pytest.mark.parametrize("name", PROGRAMS)
@settings(max_examples=120)
@given(data=st.data())
def test_any_number_of_the_document_changed(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever stands in the document: it runs, or there is one clear error."""
    folder = tmp_path_factory.getbasetemp()

    def change(document: Any, arrays: dict[str, np.ndarray]) -> None:
        places: list[tuple[Any, Any]] = []
        waiting = [document]
        while waiting:
            node = waiting.pop()
            items = node.items() if isinstance(node, dict) else enumerate(node)
            for key, value in list(items):
                places.append((node, key))
                if isinstance(value, (dict, list)):
                    waiting.append(value)
        node, key = data.draw(st.sampled_from(range(len(places))).map(places.__getitem__))
        kind = data.draw(st.integers(0, 2))
        if kind == 0 and isinstance(node, dict):
            del node[key]
        elif kind == 1 and isinstance(node[key], (int, float)):
            node[key] = data.draw(st.sampled_from([-1, 0, 1, 7, 10**5, 2**40, 2**70, -0.5, 1e300]))
        else:
            node[key] = data.draw(
                st.sampled_from(
                    [None, "x", [], {}, [1], {"a": 1}, True, {"$array": "none"}, {"$array": []}]
                )
            )

    forged(name, folder, change)


@settings(max_examples=120)
@given(data=st.data())
def test_any_number_of_a_network_changed(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "n.rvn"
    nets.random_network(1).save(path)
    document, arrays = read_bundle(path)
    places: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        node = waiting.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in list(items):
            places.append((node, key))
            if isinstance(value, (dict, list)):
                waiting.append(value)
    node, key = data.draw(st.sampled_from(range(len(places))).map(places.__getitem__))
    node[key] = data.draw(
        st.sampled_from(
            [None, "x", [], {}, [1], True, -1, 0, 2**70, 10**400, 1e300, {"$array": "none"},
             {"$array": {}}, [[[[1]]]]]
        )
    )  # fmt: skip
    write_bundle(path, "network", document, arrays)
    try:
        load(path)
    except RanvierError as error:
        found = error
    else:
        return
    assert found.issues[0].where


def test_what_only_the_chip_can_tell(tmp_path: Path) -> None:
    def block(**changes: Any) -> Callable[[Any, Any], None]:
        def change(document: Any, arrays: Any) -> None:
            document["blocks"][0].update(changes)

        return change

    def less(document: Any, arrays: Any) -> None:
        del document["blocks"][0]["values"]["vth"]

    def floats(document: Any, arrays: Any) -> None:
        arrays["synapse_weight"] = arrays["synapse_weight"].astype(float)

    def half(document: Any, arrays: Any) -> None:
        document["blocks"][0]["values"]["vth"] = 0.5

    def more_ring(document: Any, arrays: Any) -> None:
        document["ring"] += 1

    def chip(document: Any, arrays: Any) -> None:
        document["chip"], document["chip_hash"] = "loihi9", "00"

    def other(document: Any, arrays: Any) -> None:
        document["chip_hash"] = "00"

    for change, message in (
        (block(reference={"implementation": "lif"}), "unknown implementation; got 'lif'"),
        (block(ring=1), "does not fit its kernel"),
        (block(output="graded"), "does not fit its kernel"),
        (less, "lacks vth"),
        (half, "h.vth is in another number format"),
        (floats, "the weights are in another number format"),
        (more_ring, "the input accumulators do not fit the neurons"),
        (chip, "unknown chip; got 'loihi9'"),
        (other, "another version or variant of this machine"),
    ):
        error = forged("loihi1", tmp_path, change)
        assert error is not None
        assert message in str(error)


def test_memory_is_not_taken_on_a_strangers_word(tmp_path: Path) -> None:
    def delay(document: Any, arrays: Any) -> None:
        document["max_delay"] = 2**50

    def ring(document: Any, arrays: Any) -> None:
        document["ring"] = 2**40

    def neurons(document: Any, arrays: Any) -> None:
        document["blocks"][0]["n"] = 2**39
        document["neurons"] = document["sources"] = 2**39 + 11

    for change in (delay, ring, neurons):
        error = forged("loihi1", tmp_path, change)
        assert error is not None
        assert "out of range" in str(error)

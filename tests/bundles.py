"""Small things to save, and what a reader gets back: shared by tests of files on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.bundle import content_hash, read_bundle
from ranvier.compile import load_program
from ranvier.errors import RanvierError
from ranvier.events import Events, Recording, State, Trace, load_recording, read_events
from ranvier.network import Dense, Network, Population, Projection, Rule, load

LIF = {"tau": 20e-3, "r": 1.0, "v_threshold": 1.0, "v_reset": 0.0, "v_leak": 0.0}


def network(name: str = "n") -> Network:
    return Network(
        name=name,
        populations=(
            Population(name="in", shape=(3,)),
            Population(name="a", shape=(4,), model="lif", parameters=LIF),  # type: ignore
        ),
        projections=(
            Projection(source="in", target="a", connectivity=Dense(np.ones((4, 3))), port="jump"),
            Projection(source="a", target="a", port="jump",
                       connectivity=Rule("fixed_probability", 4, 4, {"p": 0.5}, 0.1, 1)),
        ),
        outputs=("a",),
    )  # fmt: skip


def recording() -> Recording:
    rng = np.random.default_rng(0)
    state = State(30, {"v": rng.normal(size=4)}, "abc")
    return Recording(
        dt=1e-3,
        ticks=30,
        window=10,
        program_hash="abc",
        events={
            "a": Events.from_raster(rng.random((30, 4)) < 0.3, dt=1e-3),
            "g": Events.from_raster(rng.normal(size=(30, 2)), dt=1e-3),
        },
        traces={"a.v": Trace(np.arange(30), rng.normal(size=(30, 4)), 2.0, np.ones(4))},
        counts={"a": rng.integers(0, 9, (3, 4))},
        counters={"spikes": rng.integers(0, 9, (3, 1))},
        blocks=(("a", 0),),
        state=state,
    )


def content(path: Path) -> str:
    """Everything that one of our readers gives back, as one hash."""
    if path.suffix == ".parquet":
        e = read_events(path)
        return content_hash([e.size, e.ticks, e.dt], {"t": e.tick, "i": e.id})
    if (path / "recording.rvn").exists() or path.name == "recording":
        r = load_recording(path)
        document, arrays = r.to_document()
        for name, e in r.events.items():
            arrays |= {f"{name}.t": e.tick, f"{name}.i": e.id, f"{name}.p": e.raster()}
        return content_hash(document, arrays)
    if path.stem == "network":
        return load(path).hash
    if path.stem == "program":
        return load_program(path).hash
    return content_hash(*read_bundle(path))


def attempt(action: Callable[[], Any]) -> tuple[Any, RanvierError | None]:
    try:
        return action(), None
    except RanvierError as error:
        return None, error


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

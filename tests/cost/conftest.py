"""Machines and programs small enough to count by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ranvier.chips import Chip, Coefficient, CostTable, Limit, Mesh, Timing, ideal
from ranvier.compile import Program, compile, passes_from_text
from ranvier.events import Recording
from ranvier.network import Network, Population, Projection, Sparse
from ranvier.neurons import get

LIF = {"tau": 20e-3, "r": 1.0, "v_threshold": 1.0, "v_reset": 0.0, "v_leak": 0.0}
PRICES = {
    "synaptic_op": 3.0,
    "neuron_update_active": 11.0,
    "neuron_update_inactive": 5.0,
    "spike": 7.0,
    "axon_in": 13.0,
    "axon_out": 17.0,
    "hop_ew": 0.5,
    "hop_ns": 0.25,
    "packet_hop": 0.125,
    "tile_spike": 1.5,
}
TIMES = {
    "synaptic_op": 2e-9,
    "neuron_update_active": 9e-9,
    "neuron_update_inactive": 4e-9,
    "spike": 30e-9,
}


def coefficient(per: str, unit: Any, value: float | None, **more: Any) -> Coefficient:
    evidence = "unpublished" if value is None and "table" not in more else "derived"
    return Coefficient(
        per=per, unit=unit, value=value, evidence=evidence, source=f"test {per}", **more
    )


TABLE = CostTable(
    name="toy",
    source="made up",
    energy=(
        *(coefficient(k, "J", v) for k, v in PRICES.items()),
        coefficient("chip_second", "W", 1000.0),
        coefficient("core_second", "W", 100.0),
        coefficient("step", "J", 2.0),
    ),
    time=(
        *(coefficient(k, "s", v) for k, v in TIMES.items()),
        coefficient("step", "s", None, table=("tiles", ((1, 100e-9), (5, 500e-9)))),
    ),
)


def machine(*, kind: Any = "barrier", per_core: int = 3, **more: Any) -> Chip:
    """Ideal arithmetic on a mesh of small cores, with a price for everything."""
    return replace(
        ideal.CHIP,
        name="toy",
        title="Toy",
        topology=Mesh(3, 3, 2),
        limits=(Limit(resource="neurons", limit=per_core, used=lambda core: core.neurons),),
        timing=Timing(kind=kind),
        costs=(TABLE,),
        min_delay=1,
        **more,
    )


def network(sizes: tuple[int, int, int], synapses: Mapping[str, NDArray[np.int64]]) -> Network:
    """in -> a -> b -> a; ``synapses["source->target"]`` holds the pairs (pre, post, delay)."""
    size: dict[str, int] = dict(zip(("in", "a", "b"), sizes, strict=True))
    populations = [Population(name="in", shape=(size["in"],))]
    populations += [
        Population(name=n, shape=(size[n],), model=get("lif"), parameters=LIF)  # type: ignore[arg-type]
        for n in ("a", "b")
    ]
    projections = []
    for name, pairs in synapses.items():
        source, target = name.split("->")
        pre, post, delay = pairs.T
        sparse = Sparse(pre, post, np.ones(len(pre)), (size[source], size[target]))
        projections.append(
            Projection(
                source=source,
                target=target,
                connectivity=sparse,
                name=name,
                delay=delay.astype(float) * 1e-3,
            )
        )
    return Network(name="small", populations=tuple(populations), projections=tuple(projections))


def place(net: Network, chip: Chip) -> Program:
    return compile(net, chip, dt=1e-3, passes=passes_from_text(["partition.method=sequential"]))


def record(
    program: Program,
    counts: Mapping[str, NDArray[np.int64]],
    *,
    window: int = 10,
    ticks: int | None = None,
    active: NDArray[np.int64] | None = None,
) -> Recording:
    """A recording as an engine would leave it; ``active`` [windows, blocks] where it counted."""
    windows = next(iter(counts.values())).shape[0]
    return Recording(
        dt=program.dt,
        ticks=window * windows if ticks is None else ticks,
        window=window,
        program_hash=program.hash,
        counts=counts,
        counters={} if active is None else {"active_updates": active},
        blocks=tuple((b.population, b.core) for b in program.blocks),
    )


@pytest.fixture(scope="session")
def toy() -> Any:
    """The names of this file."""
    return SimpleNamespace(**globals())

"""What float32 and sleeping neurons change, against float64 with every neuron computed every tick.

    python -m benchmarks.sim.precision [--seconds 1] [--scale 0.1] [--json]

float32: the same networks (CUBA of Brette et al. 2007, the microcircuit of Potjans & Diesmann 2014
with a share of the neurons and synapses), compiled for ``ideal`` and ``ideal32``. A network as
irregular as these is chaotic: single spikes part within some 100 ms, so rates and irregularity
(CV of intervals) of populations are compared, and beside them what another seed of the network's
own changes. Update: a sparse network of linear neurons, ``dense`` and ``lazy`` in float64; the
largest distance of any membrane potential, looked at every 10 ms, and whether all spikes are the
same.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks._common import finish
from ranvier import apps, sim
from ranvier.apps.cuba import MODEL
from ranvier.bench import activity
from ranvier.compile import compile, passes_from_text
from ranvier.events import Events
from ranvier.network import Network, Population, Projection, Rule

DT = 1e-4
RATE_GOAL, VOLTAGE_GOAL = 0.1, 1e-12


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="biological time counted")
    parser.add_argument("--skip", type=float, default=0.2, help="biological time before that")
    parser.add_argument("--scale", type=float, default=0.1, help="of the microcircuit")
    parser.add_argument("--neurons", type=int, default=10_000, help="of the sparse network")
    parser.add_argument("--json", action="store_true", help="only the closing lines")
    args = parser.parse_args()
    _float32(args, "cuba", 1.0, 1.0)
    _float32(args, "microcircuit", args.scale, args.scale)
    _lazy(args)


def _float32(args: argparse.Namespace, app: str, scale_n: float, scale_k: float) -> None:
    """Rates and CV of float64, float32, and float64 with another seed."""

    def measured(chip: str, seed: int) -> tuple[dict[str, Any], Any]:
        network = apps.recipe(app).make(scale_n, scale_k, seed=seed)
        skip, ticks = round(args.skip / DT), round(args.seconds / DT)
        whole = sim.run(compile(network, chip, dt=DT), ticks=skip + ticks).events
        late = {name: e.window(skip, skip + ticks) for name, e in whole.items()}
        return {name: activity(e) for name, e in late.items()}, whole

    double, spikes = measured("ideal", 1)
    single, others = measured("ideal32", 1)
    reseeded, _ = measured("ideal", 2)
    rate, cv = _distance(double, single)
    chance, chance_cv = _distance(double, reseeded)
    parted = min(_parted(spikes[name], others[name]) for name in spikes) * DT
    if not args.json:
        for name in double:
            a, b = double[name], single[name]
            print(f"{app} {name}: {a.rate:.3f} {b.rate:.3f} Hz, "
                  f"CV {a.irregularity:.3f} {b.irregularity:.3f}", flush=True)  # fmt: skip
    finish(
        f"sim/precision_{app}", ours=rate, peer=chance,
        unit="largest relative difference of a population's rate",
        ratio=chance / rate if rate else None,
        goal=f"float32 changes no rate by more than {RATE_GOAL:.0%}, or than another seed does",
        holds=rate <= max(RATE_GOAL, chance), cv=cv, cv_of_another_seed=chance_cv,
        first_other_spike_s=parted, seconds=args.seconds, skip=args.skip, scale=scale_n,
    )  # fmt: skip


def _distance(a: dict[str, Any], b: dict[str, Any]) -> tuple[float, float]:
    """Largest relative difference of rates and largest difference of CVs over populations."""
    rates = [abs(b[k].rate / a[k].rate - 1) for k in a if a[k].rate]
    irregular = [abs(b[k].irregularity - a[k].irregularity) for k in a]
    return float(max(rates)), float(np.nanmax(irregular))


def _parted(a: Events, b: Events) -> int:
    """The first tick whose spikes differ."""
    n = min(len(a), len(b))
    other = np.flatnonzero((a.tick[:n] != b.tick[:n]) | (a.id[:n] != b.id[:n]))
    if other.size:
        return int(min(a.tick[other[0]], b.tick[other[0]]))
    if len(a) == len(b):
        return a.ticks
    return int((a if len(a) > n else b).tick[n])


def sparse(neurons: int) -> Network:
    """Few neurons are kicked, and reach others now and then."""
    return Network(
        name="sparse",
        populations=(
            Population(name="in", shape=(100,)),
            Population(name="a", shape=(neurons,), model=MODEL, parameters={"v_leak": -60e-3}),
        ),
        projections=(
            Projection(
                source="in", target="a", port="exc", delay=1e-3,
                connectivity=Rule("fixed_outdegree", 100, neurons, {"k": 5}, 80e-3, 1),
            ),
            Projection(
                source="a", target="a", port="exc", delay=1.5e-3,
                connectivity=Rule("fixed_indegree", neurons, neurons, {"k": 20}, 8e-3, 2),
            ),
        ),
        outputs=("a",),
    )  # fmt: skip


def _lazy(args: argparse.Namespace) -> None:
    """Potentials and spikes of a sparse network, computed densely and lazily."""
    ticks = round(args.seconds / DT)
    raster = np.random.default_rng(0).random((ticks, 100)) < 20 * DT
    stimulus = Events.from_raster(raster, dt=DT)
    found, potentials = [], []
    for method in ("dense", "lazy"):
        passes = passes_from_text([f"update.method={method}"])
        program = compile(sparse(args.neurons), "ideal", dt=DT, passes=passes)
        session = sim.session(program)
        seen = []
        for at in range(0, ticks, 100):
            session.advance(stimulus.window(at, min(ticks, at + 100)), ticks=min(100, ticks - at))
            seen.append(session.read("a.v"))  # type: ignore[union-attr]
        found.append(session.recording().output("a"))  # type: ignore[union-attr]
        potentials.append(np.stack(seen))
    apart = float(np.abs(potentials[0] - potentials[1]).max())
    same = found[0].same_as(found[1])
    rate = len(found[0]) / args.neurons / args.seconds
    finish(
        "sim/precision_lazy", ours=apart, peer=None, unit="V, largest distance of a potential",
        ratio=None, goal=f"<= {VOLTAGE_GOAL:g} V and the same spikes",
        holds=same and apart <= VOLTAGE_GOAL, same_spikes=same, rate=rate, neurons=args.neurons,
        seconds=args.seconds,
    )  # fmt: skip


if __name__ == "__main__":
    main()

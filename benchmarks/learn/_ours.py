"""Our side of benchmarks/learn/speed.py, and matrix products alone: ends with a line of JSON.

python -m benchmarks.learn._ours linear --ticks 500 --batch 16 --density 0.05 --size 512 4096
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ranvier.learn import Module
from ranvier.network import Connectivity, Conv, Dense, Network, Pool, Population, Projection
from ranvier.neurons import get

DT = 1e-3
LIF = {"tau": -DT / np.log(0.9)}
GAIN = {"linear": (2.0,), "recurrent": (1.2, 0.5, 1.0), "conv": (2.0, 0.85, 2.0)}
"""As in _peers/layers.py."""


def _cells(name: str, *shape: int, model: str = "lif") -> Population:
    given = {} if model == "relay" else LIF
    return Population(name=name, shape=shape, model=get(model), parameters=given)


def _wires(source: str, target: str, found: Connectivity, port: str = "jump", delay: float | None = 0.0) -> Projection:  # fmt: skip  # noqa: E501
    return Projection(source=source, target=target, port=port, connectivity=found, delay=delay)


def network(task: str, size: list[int]) -> Network:
    """The layers of ``task``."""
    rng = np.random.default_rng(0)
    gain = GAIN[task]

    def dense(k: int, n: int, m: int) -> Dense:
        return Dense(rng.normal(0, gain[k] / np.sqrt(m), (n, m)))

    def kernel(k: int, n: int, m: int) -> np.ndarray:
        return rng.normal(0, gain[k] / np.sqrt(25 * m), (n, m, 5, 5))

    if task == "linear":
        return Network(
            populations=(Population(name="in", shape=(size[0],)), _cells("out", size[1])),
            projections=(_wires("in", "out", dense(0, size[1], size[0])),), outputs=("out",),
        )  # fmt: skip
    if task == "recurrent":
        m, n, k = size
        return Network(
            populations=(
                Population(name="in", shape=(m,)), _cells("hidden", n),
                _cells("out", k, model="li"),
            ),
            projections=(
                _wires("in", "hidden", dense(0, n, m)),
                _wires("hidden", "hidden", dense(1, n, n), delay=DT),
                _wires("hidden", "out", dense(2, k, n)),
            ),
            outputs=("out",),
        )  # fmt: skip
    return Network(
        populations=(
            Population(name="in", shape=(1, 28, 28)), _cells("c1", 32, 24, 24),
            _cells("p1", 32, 12, 12, model="relay"), _cells("c2", 64, 8, 8),
            _cells("p2", 64, 4, 4, model="relay"), _cells("out", 10),
        ),
        projections=(
            _wires("in", "c1", Conv(kernel(0, 32, 1), (1, 28, 28))),
            _wires("c1", "p1", Pool((32, 24, 24), (2, 2), mode="average"), "input"),
            _wires("p1", "c2", Conv(kernel(1, 64, 32), (32, 12, 12))),
            _wires("c2", "p2", Pool((64, 8, 8), (2, 2), mode="average"), "input"),
            _wires("p2", "out", dense(2, 10, 1024)),
        ),
        outputs=("out",),
    )  # fmt: skip


def products(task: str, size: list[int], x: torch.Tensor) -> Callable[[], Any]:
    """Only the matrix products of one step: currents, and gradients of weights and states."""
    ticks, batch = x.shape[:2]
    if task == "conv":
        first, second, last = (
            torch.randn(32, 1, 5, 5),
            torch.randn(64, 32, 5, 5),
            torch.randn(10, 1024),
        )
        for w in (first, second, last):
            w.requires_grad_()

        def convolutions() -> None:  # per tick, as the fastest of the peers
            for row in x.view(ticks, batch, 1, 28, 28).unbind(0):
                a = functional.avg_pool2d(functional.conv2d(row, first), 2)
                b = functional.avg_pool2d(functional.conv2d(a, second), 2)
                functional.linear(b.flatten(1), last).sum().backward()

        return convolutions
    flat, weights = x.flatten(0, 1), torch.randn(size[1], size[0])
    if task == "linear":
        return lambda: (flat @ weights.T).T @ flat
    own, h = torch.randn(size[1], size[1]), (torch.rand(ticks, batch, size[1]) < 0.04).float()

    def recurrent() -> None:
        sums = flat @ weights.T
        for row in h:
            _ = row @ own.T
        for row in h:
            _ = row @ own
        _ = sums.T @ flat
        _ = h.flatten(0, 1).T @ h.flatten(0, 1)

    return recurrent


def main() -> None:
    """Run and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=GAIN)
    parser.add_argument("--ticks", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--density", type=float, required=True)
    parser.add_argument("--size", type=int, nargs="*", default=[])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    made = network(args.task, args.size)
    module = Module(made, DT)
    shape = made.inputs[0].size
    x = (torch.rand(args.ticks, args.batch, shape) < args.density).float()
    y = torch.randint(0, 10, (args.batch,))
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-4)

    def step(x: torch.Tensor) -> None:
        optimiser.zero_grad()
        out = module(x)[0]
        if args.task == "linear":
            out["out"].sum().backward()
        else:
            functional.cross_entropy(out["out"].sum(0), y).backward()
            optimiser.step()

    began = time.perf_counter()
    step(x[:2])  # loads or compiles the kernels
    loading = time.perf_counter() - began
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step(x)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    first = next(p.name for p in made.populations if p.model)
    with torch.no_grad():
        rate = float(module(x, record=[first])[0][first].mean())
    only = products(args.task, args.size, x)
    only()
    runs: list[float] = []
    floor: list[float] = []
    for _ in range(args.repeats):
        for times, work in ((runs, lambda: step(x)), (floor, only)):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
    print(json.dumps({"run": runs, "gemm": floor, "rate": rate, "peak": peak, "first": loading}))


if __name__ == "__main__":
    main()

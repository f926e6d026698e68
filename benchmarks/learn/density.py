"""From what density of spikes on is a matrix product faster than sums of rows?

    python -m benchmarks.learn.density [--size 512 4096] [--rows 400] [--json]

Forward (x @ w.T) and gradient of the weights (g.T @ x), float32, one thread, medians of 7; listing
what is not 0 is counted. ``learn/_fused.py`` takes its threshold from here.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks._common import finish
from benchmarks.sim._harness import arguments, say
from ranvier.learn._fused import DENSE
from ranvier.learn._sparse import csr_of, sum_rows, transposed


def _median(work: Callable[[], Any]) -> float:
    times: list[float] = []
    for _ in range(8):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def main() -> None:
    """Run and print."""
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--size", type=int, nargs=2, default=[512, 4096])
    parser.add_argument("--rows", type=int, default=400)
    args = parser.parse_args()
    torch.set_num_threads(1)
    m, n = args.size
    rng = np.random.default_rng(0)
    w = torch.randn(n, m)
    upright, g = w.T.contiguous().numpy(), rng.standard_normal((args.rows, n)).astype(np.float32)
    out, total = np.empty((args.rows, n), np.float32), np.zeros((m, n), np.float32)
    gt, dense = torch.from_numpy(g), torch.zeros(n, m)
    ratios: dict[float, tuple[float, float]] = {}
    for share in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5):
        x = (rng.random((args.rows, m)) < share).astype(np.float32)
        flat = torch.from_numpy(x)

        def there(x: Any = x) -> None:
            found = csr_of(x)
            assert found is not None
            sum_rows(found, upright, out, add=False)

        def back(x: Any = x) -> None:
            found = csr_of(x)
            assert found is not None
            sum_rows(transposed(found, m), g, total, add=True)

        forward = _median(there) / _median(lambda f=flat: torch.mm(f, w.T))
        gradient = _median(back) / _median(lambda f=flat: dense.addmm_(gt.T, f))
        ratios[share] = forward, gradient
        say(args, f"{share:.0%}: forward {forward:.2f} x, gradient {gradient:.2f} x")
    at = ratios[DENSE]
    finish(
        "learn/density", ours=max(at), peer=1.0, unit="x a matrix product", ratio=max(at),
        goal=f"<= 1 at the threshold of {DENSE:.0%}", holds=max(at) <= 1.0,
        ratios={str(k): v for k, v in ratios.items()}, size=args.size, rows=args.rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()

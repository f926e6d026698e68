"""Threads that run one worker together, one partition set each, tick by tick in step."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from ranvier.sim._atomic import CELL

__all__ = ["Crew"]


class Crew:
    """Calls ``run(me, threads, first, last, oldest, sync, start, ...)`` on every thread and waits.

    The calling thread is one of them. A thread that fails frees the others, and its error is
    raised here.
    """

    def __init__(self, run: Callable[..., Any], threads: int) -> None:
        self._run, self.threads = run, threads
        self._sync = np.zeros((threads + 1) * CELL, np.int64)
        self._pool = ThreadPoolExecutor(threads - 1, "ranvier") if threads > 1 else None

    def __call__(self, first: int, last: int, oldest: int, *rest: Any) -> None:
        """Ticks ``first <= t < last``."""
        sync = self._sync
        sync[:] = first
        sync[-CELL] = 0
        if self._pool is None:
            self._run(0, 1, first, last, oldest, sync, *rest)
            return

        def work(me: int) -> None:
            try:
                self._run(me, self.threads, first, last, oldest, sync, *rest)
            except BaseException:
                sync[-CELL] = 1
                raise

        others = [self._pool.submit(work, me) for me in range(1, self.threads)]
        try:
            work(0)
        finally:
            wait(others)
        for other in others:
            other.result()

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown(wait=False)

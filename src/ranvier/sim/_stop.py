"""Ctrl-C while running: heeded between two calls of the worker, at a whole tick."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Interrupted", "stop_asked"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while running: the session stands at a whole tick and can be read or continued."""


@contextmanager
def stop_asked() -> Iterator[list[int]]:
    """A list that fills when Ctrl-C is pressed, so that it is heeded between two calls only.

    A second Ctrl-C is not waited for: it raises KeyboardInterrupt wherever the program stands.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # somebody else's: leave it
        yield asked
        return

    def heed(number: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    signal.signal(signal.SIGINT, heed)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:  # pressed during the last ticks: nothing is lost, but it was meant
        raise Interrupted

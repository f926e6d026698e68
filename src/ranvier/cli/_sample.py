"""Samples of a data set as a network's own recipe encodes them, and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranvier.errors import fail

if TYPE_CHECKING:
    from ranvier.events import Events, Recording

__all__ = ["Asked", "ask"]


@dataclass(frozen=True, eq=False)
class Asked:
    """Samples as one stream of events, ``ticks`` ticks each, and their true classes."""

    task: Any
    events: Events
    labels: list[int]

    @property
    def dt(self) -> float:
        """The recipe's tick in seconds."""
        return self.task.dt

    @property
    def ticks(self) -> int:
        """The recipe's ticks per sample."""
        return self.task.ticks

    def answer(self, recording: Recording) -> int:
        """The class that the recording says of the first sample, -1 for none."""
        return int(self.task.predict(recording)[0])


def ask(kind: str, thing: Any, file: Path, data: str, sample: int, count: int = 1) -> Asked:
    """``count`` samples from ``sample`` on of the test part of ``data``, for a trained network.

    Raises RanvierError when the file has no recipe or the set no such sample.
    """
    if kind != "network":
        raise fail(
            "no-recipe",
            str(file),
            f"is a {kind} and does not say how samples become spikes",
            limit="a trained network (.rvn)",
            hint="give the network, and the machine with --chip",
        )
    from ranvier import data as sets
    from ranvier.learn import Task

    task = Task.of(thing)
    given = sets.load(data, "test")
    if sample >= len(given):
        raise fail("no-such-sample", "--sample", f"{data} has fewer test samples", got=sample,
                   limit=f"0..{len(given) - 1}")  # fmt: skip
    chosen = slice(sample, sample + count)
    x = given.x[chosen] / given.peak
    return Asked(task, task.stimulus(x, first=sample), [int(label) for label in given.y[chosen]])

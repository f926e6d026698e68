"""Progress as a bar of rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Bar"]


class Bar:
    """A :class:`ranvier.progress.Progress`: one bar at a time, gone when its work is done.

    Stretches may nest (a run inside a comparison): the innermost moves. Work of no length draws
    nothing.
    """

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
            console=console,
            transient=True,
        )
        self._tasks: list[TaskID] = []

    def start(self, label: str, total: int) -> None:
        """Begin a stretch: a new bar under the one that runs."""
        if not self._tasks:
            self._bars.start()
        self._tasks.append(self._bars.add_task(label, total=max(1, total), note=""))

    def advance(self, amount: int = 1) -> None:
        """Move the innermost bar."""
        if self._tasks:
            self._bars.advance(self._tasks[-1], amount)

    def note(self, text: str) -> None:
        """A word behind the innermost bar."""
        if self._tasks:
            self._bars.update(self._tasks[-1], note=text)

    def done(self) -> None:
        """Take the innermost bar away."""
        if self._tasks:
            self._bars.remove_task(self._tasks.pop())
        if not self._tasks:
            self._bars.stop()

    def close(self) -> None:
        """End every stretch, also after a failure: the terminal is as it was."""
        self._tasks.clear()
        self._bars.stop()

"""The part of a session that hands its recording to disk while it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program
from ranvier.errors import fail
from ranvier.events import Recording, State, StoredRecording, StreamWriter, open_recording
from ranvier.sim._arrays import Arrays
from ranvier.sim._pending import Pending
from ranvier.sim._recorder import Recorder

if TYPE_CHECKING:
    from ranvier.sim._session import Session
    from ranvier.sim._sink import Sink

__all__ = ["Streaming"]

IntArray = NDArray[np.int64]


class Streaming:
    """What a session with a folder to record into can do."""

    program: Program
    window: int | None
    _arrays: Arrays
    _recorder: Recorder
    _pending: Pending
    _counts: IntArray
    _counters: IntArray
    _tick: int
    _sink: Sink | None

    if TYPE_CHECKING:

        def state(self) -> State: ...

    def stream(
        self,
        path: str | Path,
        *,
        seconds: float = 10.0,
        checkpoints: float | None = None,
        overwrite: bool = False,
    ) -> None:
        """From now on record into the folder ``path`` instead of memory.

        What is recorded and probed now is kept there, at most ``seconds`` of real time of it are
        lost when the process is killed, and the state is written every ``checkpoints`` seconds.
        Populations recorded and states probed later stay in memory. Raises RanvierError when
        something is in the way or the session has recorded already.
        """
        from ranvier.sim._sink import Sink

        if self._sink is not None or self._recorder.parts:
            raise fail(
                "streaming", str(path), "the session has recorded already",
                hint="call stream() before the first tick, or on a session from a checkpoint",
            )  # fmt: skip
        self._sink = Sink.make(
            cast("Session", self), path, seconds=seconds, checkpoints=checkpoints,
            overwrite=overwrite,
        )  # fmt: skip

    def stream_to(self, writer: StreamWriter, *, checkpoints: float | None = None) -> None:
        """Go on with a recording that was interrupted."""
        from ranvier.sim._sink import Sink

        self._sink = Sink(cast("Session", self), writer, checkpoints)

    def close_stream(self, *, state: bool = False) -> StoredRecording:
        """End the recording on disk and open it; raises RanvierError where there is none."""
        sink = self._streams()
        found = sink.close(state=state)
        self._sink = None
        return found

    def abandon_stream(self) -> None:
        """Flush and leave what can be read, and resumed from its newest checkpoint."""
        if self._sink is not None:
            self._sink.take()
            self._sink.writer.flush(self._tick)
            self._sink.writer.abandon()
            self._sink = None

    def _streams(self) -> Sink:
        if self._sink is None:
            raise fail("not-streaming", self.program.name, "does not record to disk",
                       hint="call stream(path) first")  # fmt: skip
        return self._sink

    def _streamed(self, state: bool) -> Recording:
        """What is on disk so far, in memory."""
        sink = self._streams()
        sink.take()
        sink.writer.flush(self._tick)
        found = open_recording(sink.writer.path).load()
        return replace(found, state=self.state()) if state else found

    # -- for the sink -------------------------------------------------------------------------
    @property
    def recorder(self) -> Recorder:
        """What was taken out of the worker's buffers."""
        return self._recorder

    def window_counts(self) -> tuple[IntArray, dict[str, IntArray]]:
        """Events of every source in this window so far, and the chip's counters by block."""
        a, blocks = self._arrays, len(self.program.blocks)
        width = len(a.counters)
        by_part = self._counters[: width * a.layout.parts].reshape(-1, max(1, width))
        summed: Any = by_part.sum(0)
        found = {name: np.zeros(blocks, np.int64) for _, name in a.counters}
        for column, (block, name) in enumerate(a.counters):
            found[name][block] += summed[column]
        return self._counts.copy(), found

    def inputs_between(self, first: int, last: int) -> dict[str, tuple[Any, ...]]:
        """Events of recorded inputs in ticks first..last-1: tick, id, payload."""
        low, high = np.searchsorted(self._pending.tick, [first, last])
        tick, source = self._pending.tick[low:high], self._pending.source[low:high]
        value, found = self._pending.value[low:high], dict[str, tuple[Any, ...]]()
        for block in self.program.inputs:
            mine = (source >= block.start) & (source < block.start + block.n)
            if block.population in self._recorder.recorded and mine.any():
                payload = None if block.signal == "spike" else value[mine]
                found[block.population] = (tick[mine], source[mine] - block.start, payload)
        return found

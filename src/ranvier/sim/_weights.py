"""Reading and writing the weights of a session, and sampling them while it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program, find_projection, machine_of, projection_weights, synapse_ports
from ranvier.errors import fail
from ranvier.events import Trace
from ranvier.sim._arrays import Arrays
from ranvier.sim._plastic import Plastic

__all__ = ["Weighted"]


class Weighted:
    """The part of a session that knows its weights."""

    program: Program
    _arrays: Arrays
    _tick: int
    _first: int
    _samples: dict[str, tuple[int, Any, list[int], list[NDArray[np.float64]]]]

    # -- weights ------------------------------------------------------------------------------
    def weights(self, projection: str) -> NDArray[np.float64]:
        """SI weights of a projection now, in canonical order [synapses].

        Those of a plastic projection are as they are at the tick that comes next.
        """
        plastic = self._plastic(projection)
        if plastic is not None:
            return plastic.in_order(self._united(plastic.weights(self._tick)))
        s = self._arrays.synapses
        return projection_weights(
            self.program, projection, s.packed_weight(), s.packed_target, s.origin
        )

    def set_weights(self, projection: str, weights: Any) -> NDArray[np.float64]:
        """Write SI weights [synapses, canonical order], rounded by the chip's own quantiser.

        Returns what was stored, in SI: on a real machine rounded, and clipped to the range that
        compile chose from the weights it saw (compile with the largest you will need). Raises
        RanvierError when the shape is wrong, a value is not finite, or a synapse that compile left
        out (weight 0) would have to appear.
        """
        plastic = self._plastic(projection)
        if plastic is not None:
            values = np.asarray(weights, np.float64)
            _check_weights(projection, values, plastic.count)
            plastic.write(plastic.from_order(values), self._tick)
            return self.weights(projection)
        table = find_projection(self.program, projection)
        values = np.asarray(weights, np.float64)
        _check_weights(projection, values, table.count)
        s = self._arrays.synapses
        inside = (s.origin >= table.first) & (s.origin < table.first + table.count)
        chosen = np.flatnonzero(inside)
        index = s.origin[chosen] - table.first
        implementation = machine_of(self.program).implementation(table.implementation)
        coded, port = implementation.encode(values, table.encoding)
        stored = np.zeros(table.count, bool)
        stored[index] = True
        if np.any((coded != 0) & ~stored):
            raise fail(
                "synapse-left-out",
                projection,
                "compile left out synapses of weight 0, which cannot get a weight now",
                got=int(np.count_nonzero((coded != 0) & ~stored)),
                hint="compile with --set quantise.drop_zeros=false",
            )
        starts = np.array([b.ring for b in self.program.blocks])
        sizes = np.array([b.n for b in self.program.blocks])
        target = s.packed_target[chosen]
        block = np.searchsorted(starts, target, side="right") - 1
        moved = (port[index] - synapse_ports(self.program, target)) * sizes[block]
        s.write(coded[index], (target + moved).astype(target.dtype), chosen)
        return implementation.decode(coded, port, table.encoding)

    def sample_weights(
        self, projection: str, *, every: int, ids: NDArray[np.int64] | None = None
    ) -> None:
        """From now on keep the weights of a plastic projection every so many ticks.

        ``ids`` are positions in its canonical order (all by default). The recording has them as the
        trace ``"<projection>.w"``. Raises RanvierError where the projection is not plastic.
        """
        plastic = self._plastic(projection)
        if plastic is None:
            raise fail(
                "not-plastic",
                projection,
                "its weights do not change, or there is no such projection",
                limit=", ".join(p.table.name for p in self._arrays.plastic) or "(none is plastic)",
            )
        if every < 1:
            raise fail("window", "sample_weights.every", "must be at least 1 tick", got=every)
        chosen: Any = slice(None) if ids is None else np.asarray(ids, np.int64)
        if ids is not None and np.any((chosen < 0) | (chosen >= plastic.count)):
            raise fail(
                "weights-shape", f"sample_weights({projection}).ids", "are out of range",
                limit=f"0..{plastic.count - 1}",
            )  # fmt: skip
        self._samples[projection] = (every, chosen, [], [])

    def _next_sample(self) -> int:
        """The tick before which weights are to be sampled next."""
        return min(
            ((self._tick // every + 1) * every for every, *_ in self._samples.values()),
            default=self._tick + (1 << 20),
        )

    def _sample(self) -> None:
        """Keep the weights that are due."""
        for projection, (every, chosen, ticks, rows) in self._samples.items():
            if self._tick % every == 0:
                ticks.append(self._tick - 1)
                rows.append(self.weights(projection)[chosen])

    def _weight_traces(self) -> dict[str, Trace]:
        return {
            f"{projection}.w": Trace(np.array(ticks, np.int64) - self._first, np.stack(rows))
            for projection, (_, _, ticks, rows) in self._samples.items()
            if rows
        }

    def _united(self, array: NDArray[Any]) -> NDArray[Any]:
        """What is 0 but for one's own, with the share of every rank."""
        return array

    def _learned(self) -> dict[str, NDArray[Any]]:
        """For a checkpoint: what plastic projections hold."""
        return {
            f"plastic/{p.table.name}/{name}": self._united(value)
            for p in self._arrays.plastic
            for name, value in p.state(self._tick).items()
        }

    def _write_learned(self, packed: NDArray[Any]) -> None:
        """Weights as they are now into those of all packed synapses."""
        for p in self._arrays.plastic:
            if p.packed is not None:
                packed[p.packed] = self._united(p.weights(self._tick))

    def _plastic(self, projection: str) -> Plastic | None:
        return next((p for p in self._arrays.plastic if p.table.name == projection), None)


def _check_weights(projection: str, values: NDArray[np.float64], count: int) -> None:
    if values.shape != (count,):
        raise fail(
            "weights-shape",
            projection,
            "needs one weight per synapse",
            got=values.shape,
            limit=(count,),
        )
    if not np.all(np.isfinite(values)):
        raise fail("weights-not-finite", projection, "holds NaN or infinity")

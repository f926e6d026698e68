"""Neurons that may sleep: how they move at rest, and who is awake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.sim._layout import Layout
from ranvier.sim._update_lazy import BLOCK, PORT_BIT, POWER_BITS, WATCHED_PORTS

__all__ = ["REST_SHAPES", "Sleep"]

IntArray = NDArray[np.int64]

REST_SHAPES = {"matrix": 2, "constant": 1, "rest": 1, "threshold": 0, "highest": 1, "lowest": 1}
"""What a block says of its way to rest (see :func:`ranvier.neurons.rest_map`), with dimensions."""
MARGIN = 1e-9
"""Relative distance from the threshold below which a neuron is never left alone: far more than
rounding, far less than any synapse."""
LEVELS = 5
"""Digits of POWER_BITS bits: a neuron may sleep 2**50 ticks."""
ASIDE = 8
"""Words of 64 bits to a cache line: partitions share none."""
N, SLOT, PITCH, REST, AWAKE = 1, 4, 12, 13, 14
"""Columns of the table of sub-blocks that are used here (SUB_FIELDS)."""


class Sleep:
    """How the neurons of each block move at rest (``table``, from ``first[k]`` on; ``states[k]``
    names what moves), and who is awake: ``awake`` has one bit a neuron, by sub-block.

    ``word_of`` [accumulators/64] says for 64 accumulators in which word of ``awake`` their neurons
    are, and adds a bit for their port; ``sub_of`` [words] says which sub-block that is. A partition
    has a further word of ones, for the accumulators of neurons that never sleep. ``ticks`` is the
    arena of states as whole numbers: in the line of a neuron, after its states, stands the tick it
    is due at. ``arguments`` are for the worker, in its order.
    """

    def __init__(self, rests: Sequence[Mapping[str, Any] | None], dtype: type) -> None:
        self.first = [-1] * len(rests)
        self.states = [() if rest is None else tuple(rest["states"]) for rest in rests]
        self.arguments: tuple[Any, ...] = ()
        self.awake = np.zeros(1, np.uint64)
        self.ticks: NDArray[Any] = np.zeros(0, np.int64)
        parts: list[NDArray[Any]] = [np.zeros(1)]
        size = 1
        for k, rest in enumerate(rests):
            if rest is None:
                continue
            self.first[k] = size
            fixed = np.asarray(rest["rest"], np.float64)
            level = float(rest["threshold"])
            margin = MARGIN * (abs(level) + np.abs(fixed).max())
            row = [np.array([level - margin - fixed[rest["watched"]]]), fixed]
            row += [np.asarray(rest[name], np.float64) for name in ("highest", "lowest")]
            matrix, constant = np.asarray(rest["matrix"]), np.asarray(rest["constant"])
            for _ in range(LEVELS):
                power, added = np.eye(len(fixed)), np.zeros(len(fixed))
                for _ in range(1 << POWER_BITS):
                    row += [power.ravel(), added]
                    power, added = matrix @ power, matrix @ added + constant
                matrix, constant = power, added
            parts.append(np.concatenate(row))
            size += parts[-1].size
        self.table = np.concatenate(parts).astype(dtype)

    def allot(
        self, layout: Layout, subs: IntArray, ports: Sequence[int], state: NDArray[Any]
    ) -> None:
        """Words of bits for every sub-block that sleeps (written into column ``awake`` of
        ``subs``); ``state`` is the arena."""
        words = row = most = 0
        word_of = np.zeros(int(layout.acc[-1]) // 64, np.int64)
        sub_of: list[IntArray] = []
        ones: list[int] = []
        for pieces in layout.subs:
            begin, never = words, [sub for sub in pieces if self.first[sub.block] < 0]
            for k, sub in enumerate(pieces, start=row):
                if sub in never:
                    continue
                length = sub.pitch // 64
                subs[k, AWAKE] = words
                for port in range(ports[sub.block]):
                    at = sub.acc // 64 + port * length
                    bit = 1 << (PORT_BIT + min(port, WATCHED_PORTS - 1))
                    word_of[at : at + length] = bit | (words + np.arange(length))
                sub_of.append(np.full(length, k))
                words += length
            for sub in never:
                at = sub.acc // 64
                word_of[at : at + ports[sub.block] * sub.pitch // 64] = words
            ones.append(words)
            filled = -(-(words + 1) // ASIDE) * ASIDE
            sub_of.append(np.zeros(filled - words, np.int64))
            row, words = row + len(pieces), filled
            most = max(most, 64 * (words - begin))
        self.awake = np.zeros(words, np.uint64)
        self.awake[ones] = ~np.uint64(0)
        self.ticks = state.view(np.int64 if state.itemsize == 8 else np.int32)
        self.arguments = (
            self.awake, word_of, np.concatenate(sub_of).astype(np.int32),
            np.zeros(64 * words, np.int32), np.zeros(16 * len(subs), np.int64),
            np.zeros((layout.threads, most), np.int32),
            np.zeros((layout.threads, BLOCK), np.int64), self.table, self.ticks,
        )  # fmt: skip

    def rouse(self, subs: IntArray, who: NDArray[Any]) -> None:
        """Set who is awake (uint8 [neurons], by slot)."""
        for row in subs[subs[:, REST] >= 0]:
            n, slot, at = int(row[N]), int(row[SLOT]), int(row[AWAKE])
            bits = np.zeros(int(row[PITCH]), np.uint8)
            bits[:n] = who[slot : slot + n] != 0
            words = np.packbits(bits, bitorder="little").view(np.uint64)
            self.awake[at : at + words.size] = words

    def by_neuron(self, subs: IntArray, neurons: int) -> NDArray[np.uint8]:
        """Who is awake, by slot [neurons]: the same whatever the partitions are."""
        who = np.ones(neurons, np.uint8)
        for row in subs[subs[:, REST] >= 0]:
            n, slot, at = int(row[N]), int(row[SLOT]), int(row[AWAKE])
            words = self.awake[at : at + int(row[PITCH]) // 64]
            who[slot : slot + n] = np.unpackbits(words.view(np.uint8), bitorder="little")[:n]
        return who

"""What every chip must pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ranvier import chips, sim
from ranvier.chips import Chip
from ranvier.compile import Place, compile, default_passes, load_program, passes_from_text
from ranvier.events import Events, State
from ranvier.network import Network
from ranvier.testing._networks import random_network, random_stimulus

__all__ = ["ChipTests"]


class ChipTests:
    """Set ``chip``; override ``network`` and ``stimulus`` where the chip has no LIF neuron."""

    chip: str | Chip

    def network(self, seed: int) -> Network:
        """A network that the chip can run and that spikes."""
        return random_network(seed)

    def stimulus(self, seed: int) -> Events:
        """Input for it."""
        return random_stimulus(seed)

    @property
    def machine(self) -> Chip:
        """The chip itself."""
        return chips.get(self.chip)

    def program(self, seed: int, **options: Any) -> Any:
        """The network compiled."""
        return compile(self.network(seed), self.machine, dt=self.stimulus(seed).dt, **options)

    def test_every_number_has_a_source(self) -> None:
        """Costs and limits name where they come from; what is unpublished has no value."""
        for table in self.machine.costs:
            for coefficient in (*table.energy, *table.time):
                assert coefficient.source, f"{table.name}.{coefficient.per} has no source"
                absent = coefficient.value is None and coefficient.table is None
                assert absent == (coefficient.evidence == "unpublished")
        for limit in self.machine.limits:
            assert limit.source, f"limit {limit.resource} has no source"
            assert limit.limit > 0
        assert self.machine.source
        assert self.machine.exactness

    def test_hash_follows_the_numbers(self) -> None:
        """The same chip has the same hash; a changed one another."""
        assert replace(self.machine).hash == self.machine.hash
        assert replace(self.machine, title="another").hash != self.machine.hash

    def test_it_spikes(self) -> None:
        """The suite's own network is not silent, or nothing below means anything."""
        recording = sim.run(self.program(0), self.stimulus(0))
        assert sum(len(events) for events in recording.events.values()) > 0

    def test_engines_agree_bit_for_bit(self) -> None:
        """The fast engine and the plain one give the same events."""
        for seed in (0, 1):
            program, stimulus = self.program(seed), self.stimulus(seed)
            fast = sim.run(program, stimulus)
            slow = sim.run(program, stimulus, engine="reference")
            for name, events in fast.events.items():
                assert events.same_as(slow.output(name)), f"{name} differs, seed {seed}"

    def test_placement_changes_no_spike(self) -> None:
        """Mapped on crowded, shuffled cores = the quantised network on one boundless core."""
        for seed in (0, 1, 2):
            stimulus = self.stimulus(seed)
            whole = sim.run(self.program(seed, passes=default_passes(mapped=False)), stimulus)
            crowded = passes_from_text([f"place.seed={seed}", "place.method=random"])
            mapped = sim.run(self.program(seed, passes=crowded), stimulus)
            for name, events in whole.events.items():
                assert events.same_as(mapped.output(name)), f"{name} differs, seed {seed}"

    def test_dead_cores_stay_empty(self) -> None:
        """A faulty instance uses none of its dead cores."""
        usable = self.machine.usable_cores
        if len(usable) < 4:
            return
        dead = usable[: len(usable) // 2]
        faulty = replace(self.machine, dead_cores=dead)
        program = compile(
            self.network(0), faulty, dt=self.stimulus(0).dt,
            passes=tuple(
                Place(method="random") if isinstance(p, Place) else p for p in default_passes()
            ),
        )  # fmt: skip
        assert not set(program.cores.tolist()) & set(dead)
        whole, stimulus = self.program(0), self.stimulus(0)
        for name, events in sim.run(whole, stimulus).events.items():
            assert events.same_as(sim.run(program, stimulus).output(name))

    def test_encoding_is_a_fixed_point(self) -> None:
        """A weight that was rounded once is not rounded again."""
        program = self.program(0)
        for table in program.projections:
            implementation = self.machine.implementation(table.implementation)
            rng = np.random.default_rng(0)
            first, port = implementation.encode(rng.normal(0, 0.3, table.count), table.encoding)
            back = implementation.decode(first, port, table.encoding)
            again, port_again = implementation.encode(back, table.encoding)
            np.testing.assert_array_equal(first, again)
            np.testing.assert_array_equal(port[first != 0], port_again[first != 0])

    def test_program_on_disk(self, tmp_path: Path) -> None:
        """Written and read, a program is the same and runs the same."""
        program, stimulus = self.program(0), self.stimulus(0)
        loaded = load_program(program.save(tmp_path / "program.rvp"))
        assert loaded.hash == program.hash
        for name, events in sim.run(program, stimulus).events.items():
            assert events.same_as(sim.run(loaded, stimulus).output(name))

    def test_checkpoint_resumes_bit_for_bit(self, tmp_path: Path) -> None:
        """Stopped, saved, loaded and resumed = never stopped."""
        program, stimulus = self.program(0), self.stimulus(0)
        whole, cut = sim.run(program, stimulus), stimulus.ticks // 3
        first = sim.session(program)
        first.advance(stimulus.window(0, cut), ticks=cut)
        first.state().save(tmp_path / "state.zip")
        second = sim.session(program, State.load(tmp_path / "state.zip"))
        second.advance(stimulus.window(cut, stimulus.ticks), ticks=stimulus.ticks - cut)
        for name, events in second.recording().events.items():
            assert events.same_as(whole.output(name).window(cut, stimulus.ticks))

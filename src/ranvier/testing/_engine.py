"""What every engine must pass."""

from __future__ import annotations

from ranvier import sim
from ranvier.compile import Program, compile
from ranvier.events import Events, Recording
from ranvier.testing._networks import random_network, random_stimulus

__all__ = ["EngineTests"]


class EngineTests:
    """Override ``run``; ``chips`` names machines whose arithmetic the engine claims to keep."""

    chips: tuple[str, ...] = ("ideal", "loihi1", "spinnaker1")

    def run(self, program: Program, stimulus: Events, **options: int | bool) -> Recording:
        """Run a program on the engine under test; ``window`` and ``reset`` as in ``sim.run``."""
        raise TypeError("EngineTests.run must be overridden")

    def test_same_events_as_the_reference(self) -> None:
        """Bit for bit, on every named machine."""
        for chip in self.chips:
            for seed in (0, 1):
                stimulus = random_stimulus(seed)
                program = compile(random_network(seed), chip, dt=stimulus.dt)
                found = self.run(program, stimulus)
                known = sim.run(program, stimulus, engine="reference")
                for name in program.outputs:
                    assert found.output(name).same_as(known.output(name)), f"{chip}, {name}"

    def test_windows_with_reset_are_separate_runs(self) -> None:
        """A stream of windows with reset = each window alone."""
        stimulus = random_stimulus(3, ticks=80)
        program = compile(random_network(3), self.chips[0], dt=stimulus.dt)
        joined = self.run(program, stimulus, window=20, reset=True)
        for k in range(4):
            alone = self.run(program, stimulus.window(20 * k, 20 * k + 20))
            for name in program.outputs:
                piece = joined.output(name).window(20 * k, 20 * k + 20)
                assert piece.same_as(alone.output(name))
                assert (joined.counts[name][k] == alone.counts[name][0]).all()

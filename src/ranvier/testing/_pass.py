"""What every compiler pass must pass."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from ranvier import sim
from ranvier.compile import Pass, compile, default_passes
from ranvier.testing._networks import random_network, random_stimulus

__all__ = ["PassTests"]


class PassTests:
    """Set ``step`` to the pass, ``chip``, and override ``line`` to put it where it belongs."""

    step: Pass
    chip: str = "loihi1"

    def line(self) -> tuple[Pass, ...]:
        """The default passes, the one of the same name replaced (or this one appended)."""
        names = [p.name for p in default_passes()]
        if self.step.name not in names:
            return (*default_passes(), self.step)
        return tuple(self.step if p.name == self.step.name else p for p in default_passes())

    def test_it_is_frozen_and_its_options_have_defaults(self) -> None:
        """A pass is a frozen dataclass; its fields are its options."""
        assert is_dataclass(self.step)
        assert type(self.step).__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert {f.name for f in fields(self.step)} >= {"name"}
        assert type(self.step)() is not None

    def test_mapping_keeps_every_spike(self) -> None:
        """With this pass in the line, the mapped program = the quantised network."""
        for seed in (0, 1):
            network, stimulus = random_network(seed), random_stimulus(seed)
            whole = compile(network, self.chip, dt=stimulus.dt, passes=default_passes(mapped=False))
            mapped = compile(network, self.chip, dt=stimulus.dt, passes=self.line())
            known, found = sim.run(whole, stimulus), sim.run(mapped, stimulus)
            for name in network.outputs:
                assert found.output(name).same_as(known.output(name))

    def test_it_is_repeatable(self) -> None:
        """The same draft gives the same result."""
        network = random_network(0)
        one = compile(network, self.chip, dt=1e-3, passes=self.line())
        two = compile(network, self.chip, dt=1e-3, passes=self.line())
        assert one.hash == two.hash

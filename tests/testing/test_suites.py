"""Our own plug-ins pass the suites that outsiders run on theirs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ranvier import sim
from ranvier.compile import Partition, Place, Program
from ranvier.events import Events, Recording
from ranvier.neurons import get, with_poisson
from ranvier.testing import ChipTests, EngineTests, FrontendTests, NeuronTests, PassTests


class TestIdeal(ChipTests):
    chip = "ideal"


class TestIdeal32(ChipTests):
    chip = "ideal32"


class TestLoihi1(ChipTests):
    chip = "loihi1"


class TestSpinnaker1(ChipTests):
    chip = "spinnaker1"


class TestNumbaEngine(EngineTests):
    def run(self, program: Program, stimulus: Events, **options: Any) -> Recording:
        return sim.run(program, stimulus, **options)


class TestPlace(PassTests):
    step = Place(method="random", seed=7)


class TestPartition(PassTests):
    step = Partition(method="metis", fill=0.02)


class TestNir(FrontendTests):
    frontend = "nir"


class TestLif(NeuronTests):
    model = get("lif")
    parameters = {"tau": 0.01, "v_threshold": 1.0, "t_ref": 2e-3}  # noqa: RUF012


class TestAdex(NeuronTests):
    model = get("adex")
    parameters = {}  # noqa: RUF012
    drive = 1e-9


class TestBackground(NeuronTests):
    model = with_poisson(get("lif"))
    parameters = {  # noqa: RUF012
        "tau": 0.01, "v_threshold": 1.0, "poisson_rate": 2000.0, "poisson_weight": 0.2,
    }  # fmt: skip


class TestPoisson(NeuronTests):
    model = get("poisson")
    parameters = {"rate": 200.0}  # noqa: RUF012


class TestStochasticLif(NeuronTests):
    model = get("stochastic_lif")
    parameters = {}  # noqa: RUF012


def test_a_suite_can_fail() -> None:
    """A chip whose numbers have no source does not pass."""
    from ranvier import chips

    suite = ChipTests()
    suite.chip = replace(chips.get("loihi1"), source="")
    with pytest.raises(AssertionError):
        suite.test_every_number_has_a_source()

"""Bad input gives one clear error each, word for word."""

# pyright: reportArgumentType=false

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import sim
from ranvier.compile import compile
from ranvier.errors import RanvierError
from ranvier.network import Dense, Network, Plasticity, Population, Projection, Rule
from ranvier.sim import _estimate


def two(**more: Any) -> Network:
    options = {"connectivity": Dense(np.ones((3, 2))), "port": "jump", **more}
    return Network(
        populations=(nets.source("in", 2), nets.lif("h", 3)),
        projections=(Projection(source="in", target="h", **options),),
    )


def resized() -> None:
    session = sim.Session(compile(two(), "ideal", dt=1e-3))
    session.set_weights("in->h", np.ones(5))


def not_a_number() -> None:
    session = sim.Session(compile(two(), "ideal", dt=1e-3))
    session.set_weights("in->h", np.full(6, np.nan))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: two(port="jmp"),
         "in->h.port: model lif has no such port; got 'jmp'; allowed: current, jump. did you mean "
         "'jump'?"),
        (lambda: compile(two(delay=2e-4), "ideal", dt=1e-3),
         "in->h: delay is shorter than a tick; got 0.0002 s; allowed: 0.001 s (dt) or more, 0 for "
         "the same tick, or None for one tick. compile with dt=0.0002; or round up to one tick: "
         "--set quantise.short_delays=round."),
        (lambda: two(connectivity=Dense(np.ones((2, 3)))),
         "in->h: connectivity does not fit the populations; got 3 -> 2; allowed: 2 (in) -> 3 (h)."),
        (lambda: Dense([[1.0, np.nan]]),
         "Dense.weights[0, 1]: weights hold NaN or infinity (1 of 2); got nan. check the training "
         "run that made them."),
        (lambda: Rule("all_to_all", 2, 3, {}, float("nan"), 0),
         "Rule.weight: is not a finite number; got nan."),
        (lambda: Rule("all_to_all", 2, 3, {}, np.ones(3), 0),
         "Rule.weight: must be one number; got an array of shape (3,). Sparse and Dense take a "
         "weight for every synapse."),
        (lambda: Population(name="a", shape=2, model="lif", initial={"V": 0.0}),
         "a.initial.V: unknown state; got 'V'; allowed: v. did you mean 'v'?"),
        (lambda: Population(name="a", shape=10**10, model="lif"),
         "a.shape: has too many neurons; got 10,000,000,000; allowed: 2,147,483,647."),
        (lambda: sim.run(compile(two(), "ideal", dt=1e-3), ticks=5, threads=0),
         "threads: must be a whole number of at least 1; got 0. leave it out: as many as are worth "
         "it."),
        (lambda: sim.run(compile(two(), "ideal", dt=1e-3), ticks=5, record="h"),
         "record: must be a list of names; got 'h'. record=['h']."),
        (lambda: compile(
            Network(populations=(Population(name="g", shape=1, model="poisson",
                                            parameters={"rate": -1.0}),)), "ideal", dt=1e-3),
         "g, neuron model 'poisson', parameter 'rate': a rate is negative; got -1.0 1/s."),
        (lambda: sim.run(compile(
            Network(populations=(Population(name="g", shape=1, model="poisson",
                                            parameters={"rate": 1e9}),)), "ideal", dt=1e-3),
            ticks=1),
         "g, random numbers: the mean count per tick is out of range; got 1000000.0; allowed: 0 to "
         "10000. lower the rate, or use a normal noise of the same mean and variance."),
        (lambda: sim.session(compile(two(plasticity=Plasticity(
            rule="stdp", parameters={"tau_plus": 0.0})), "ideal", dt=1e-3)),
         "in->h, plasticity rule 'stdp', parameter 'tau_plus': a time constant must be positive; "
         "got 0.0."),
        (resized, "in->h: needs one weight per synapse; got (5,); allowed: (6,)."),
        (not_a_number, "in->h: holds NaN or infinity."),
    ],
)  # fmt: skip
def test_one_clear_error(make: Callable[[], Any], text: str | None) -> None:
    with pytest.raises(RanvierError) as caught:
        make()
    assert len(caught.value.issues) == 1
    assert str(caught.value) == text


def large(chip: str = "ideal") -> Any:
    n = 200_000
    rule = Rule("fixed_indegree", n, n, {"k": 100_000}, 1e-6, seed=0)
    network = Network(
        name="large",
        populations=(Population(name="h", shape=n, model="lif", parameters=nets.LIF),),
        projections=(nets.join("h", "h", rule),),
    )
    return compile(network, chip, dt=1e-3)


def test_more_memory_than_there_is_is_refused_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_estimate, "available", lambda: 16_000_000_000)
    with pytest.raises(RanvierError) as caught:
        sim.Session(large(), threads=1)
    assert str(caught.value) == (
        "large: needs about 200 GB, 16 GB are available. compile for 'ideal32', which halves most "
        "of it; or most of it are synapses: use fewer synapses; or spread it over several ranks or "
        "machines."
    )
    monkeypatch.setattr(_estimate, "available", lambda: None)
    assert sim.estimate(large("ideal32")).parts["synapses"] == 20_000_000_000 * 6


def test_the_estimate_is_what_is_taken() -> None:
    for chip in ("ideal", "ideal32", "loihi1"):
        made = compile(nets.small_network(hidden=700), chip, dt=1e-3)
        guess = sim.estimate(made, threads=2)
        arrays = sim.Session(made, threads=2)._arrays
        synapses = arrays.synapses
        states = arrays.state.nbytes + arrays.initial.nbytes + arrays.out.nbytes
        assert guess.parts["states"] == states
        assert guess.parts["rows"] == synapses.row_ptr.nbytes
        # Rows that are filled up to a vector take a little more.
        taken = synapses.target.nbytes + synapses.weight.nbytes
        assert guess.parts["synapses"] <= taken <= 1.3 * guess.parts["synapses"]
        assert guess.perhaps["history"] == arrays.history.nbytes


def test_a_group_of_processes_may_have_less_than_the_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    5000 kB\n")
    monkeypatch.setattr(_estimate, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(_estimate, "CGROUPS", tmp_path)
    assert sim.available() == 5_120_000
    (tmp_path / "memory.max").write_text("max\n")
    assert sim.available() == 5_120_000
    (tmp_path / "memory.max").write_text("4000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert sim.available() == 3_000_000

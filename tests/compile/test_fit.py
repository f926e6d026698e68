"""What does not fit: which population, which resource, how much of it, and what to do."""

# pyright: reportArgumentType=false

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import chips, sim
from ranvier.compile import compile, passes_from_text
from ranvier.errors import Issue, RanvierError
from ranvier.network import Dense, Network, OneToOne, Population, Projection, Rule, Sparse


def refused(network: Network, chip: Any, **options: Any) -> tuple[Issue, ...]:
    with pytest.raises(RanvierError) as caught:
        compile(network, chip, dt=1e-3, **options)
    issues = caught.value.issues
    for issue in issues:
        assert issue.where
        assert issue.message
        assert issue.hint, issue
        assert "Traceback" not in str(issue)
    return issues


def digits(text: str) -> int:
    return int("".join(c for c in text.split()[0] if c.isdigit()))


def wide(fan_in: int, size: int = 4) -> Network:
    return Network(
        populations=(nets.source("in", fan_in), nets.lif("big", size)),
        projections=(nets.join("in", "big", Dense(np.full((size, fan_in), 0.01))),),
    )


def test_a_fan_in_that_no_core_holds() -> None:
    issues = refused(wide(4097), "loihi1")
    (issue,) = [i for i in issues if "input axons" in i.message]
    assert (issue.where, digits(issue.got), digits(issue.limit)) == ("big[0]", 4097, 4096)
    assert issue.hint == ("reduce the fan-in", "pool the input first")
    compile(wide(4096, 1), "loihi1", dt=1e-3)


def test_a_neuron_that_fits_only_without_the_margin() -> None:
    passes = passes_from_text(["partition.fill=0.25"])
    (issue,) = refused(wide(2000, 1), "loihi1", passes=passes)
    assert issue.where == "big[0]"
    assert issue.hint[0] == "use more of each core: --set partition.fill=0.5"
    compile(wide(2000, 1), "loihi1", dt=1e-3, passes=passes_from_text(["partition.fill=0.5"]))


@pytest.mark.parametrize(("chip", "cores"), [("loihi1", 128), ("spinnaker1", 768)])
def test_too_many_cores(chip: str, cores: int) -> None:
    small, many = nets.small_chip(chip, 2), 2 * cores - 2
    network = Network(
        populations=(nets.source("in", 1), nets.lif("few", 5), nets.lif("many", many)),
        projections=(
            nets.join("in", "few", Dense(np.ones((5, 1)))),
            nets.join("in", "many", Sparse(np.zeros(many, int), np.arange(many),
                                           np.ones(many), (1, many))),
        ),
    )  # fmt: skip
    (issue,) = refused(network, small)
    assert (issue.code, issue.where) == ("too-many-cores", "many")
    assert digits(issue.limit) == cores
    assert digits(issue.got) > cores
    assert "(2 of 2 on one core)" in issue.message
    assert re.fullmatch(r"shrink many to about 9[89] % of its size", issue.hint[0])
    assert any(hint.endswith(f"--chip {chip}+{chip}") for hint in issue.hint)
    # The hint is true: on two of them it fits.
    two = chips.get(f"{chip}+{chip}")
    parts = tuple(replace(small, name=part.name) for part in two.parts)
    assert compile(network, replace(two, parts=parts), dt=1e-3).parts


def test_delays_that_are_too_long() -> None:
    def delayed(seconds: Any) -> Network:
        network = wide(3, 3)
        return network.replace(
            projections=(nets.join("in", "big", OneToOne([1, 1, 1], 3), delay=seconds),)
        )

    compile(delayed(0.063), "loihi1", dt=1e-3)
    (issue,) = refused(delayed([0.001, 0.064, 0.02]), "loihi1")
    assert (issue.code, issue.where) == ("delay-too-long", "in->big")
    assert (issue.got, issue.limit) == ("64 ticks", "63 ticks")
    assert issue.hint == (
        "shorten the delays to at most 0.063 s",
        "use a dt of at least 0.00102 s",
        "allow cutting: --set quantise.long_delays=clip",
    )
    cut = compile(
        delayed(0.1), "spinnaker1", dt=1e-3, passes=passes_from_text(["quantise.long_delays=clip"])
    )
    assert cut.max_delay == 16
    assert cut.exactness == "approximate"
    assert any("delays cut to the chip's longest" in i.message for i in cut.all_issues)
    for seconds in (1e6, 1e30, 1e300):
        (issue,) = refused(delayed(seconds), "ideal")
        assert digits(issue.limit) == 1 << 20
    rule = wide(3, 3).replace(
        projections=(nets.join("in", "big", Rule("all_to_all", 3, 3, {}, 1.0, 0), delay=1e9),)
    )
    (issue,) = refused(rule, "ideal")
    assert issue.code == "delay-too-long"


def test_inputs_under_way_that_no_memory_holds() -> None:
    network = Network(
        populations=(nets.source("in", 1), nets.lif("big", 20_000)),
        projections=(nets.join("in", "big", Sparse([0], [0], [1.0], (1, 20_000)), delay=1000.0),),
    )
    program = compile(network, "ideal", dt=1e-3)
    with pytest.raises(RanvierError, match="inputs under way would need too much memory") as e:
        sim.run(program, ticks=1)
    assert "shorten the longest delay" in str(e.value)


def test_delay_rounding_is_labelled() -> None:
    def labels(seconds: Any, dt: float = 1e-3, **options: Any) -> list[str]:
        network = wide(2, 2)
        network = network.replace(
            projections=(nets.join("in", "big", OneToOne([1, 1], 2), delay=seconds),)
        )
        program = compile(network, "ideal", dt=dt, **options)
        ticks = sorted(program.row_delay.tolist())
        return [str(ticks), *(i.message for i in program.issues if i.code == "delay-rounded")]

    assert labels(None) == ["[1, 1]"]
    assert labels(2e-3) == ["[2, 2]"]
    assert labels([2.5e-3, 2.4e-3]) == [
        "[2, 3]", "delays rounded to ticks of 0.001 s, by at most 0.0005 s",
    ]  # fmt: skip
    rounding = {"passes": passes_from_text(["quantise.short_delays=round"])}
    assert labels(0.3e-3, **rounding) == [
        "[1, 1]", "delays rounded to ticks of 0.001 s, by at most 0.0007 s",
    ]  # fmt: skip
    with pytest.raises(RanvierError) as caught:
        labels([2e-3, 0.3e-3])
    assert str(caught.value) == (
        "in->big: delay is shorter than a tick; got 0.0003 s; allowed: 0.001 s (dt) or more, 0 for "
        "the same tick, or None for one tick. compile with dt=0.0003; or round up to one tick: "
        "--set quantise.short_delays=round."
    )
    assert labels(1e-3 - 1e-12) == ["[1, 1]"]
    assert labels(0.0) == ["[0, 0]"]
    assert labels([0.1 + 0.2, 0.3], 0.1) == ["[3, 3]"]


def test_zero_delays_are_labelled_where_the_chip_has_none() -> None:
    network = wide(2, 2)
    network = network.replace(projections=(nets.join("in", "big", OneToOne([1, 1], 2), delay=0.0),))
    program = compile(network, "loihi1", dt=1e-3)
    (issue,) = [i for i in program.issues if i.code == "zero-delay"]
    assert issue.severity == "approximate"
    assert issue.where == "in->big"
    strict = passes_from_text(["legalise.strict=true"])
    compile(network, "ideal", dt=1e-3, passes=strict)


def test_a_model_the_chip_does_not_have() -> None:
    network = Network(
        populations=(nets.source("in", 2), Population(name="z", shape=2, model="izhikevich")),
        projections=(Projection(source="in", target="z", connectivity=OneToOne(1.0, 2)),),
    )
    (issue,) = refused(network, "loihi1")
    assert (issue.code, issue.where, issue.got) == ("model-not-on-chip", "z", "izhikevich")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"chip": "loihi"}, "unknown chip; got 'loihi'; allowed: ideal, ideal32, loihi1"),
    ({"chip": "loihi"}, "did you mean 'loihi1'?"),
    ({"chip": "loihi1+spinaker1"}, "did you mean 'spinnaker1'?"),
    ({"dt": -1e-3}, "dt must be positive seconds; got -0.001"),
    ({"dt": "1ms"}, "dt must be positive seconds; got '1ms'"),
    ({"dt": None, "chip": "ideal"}, "no dt was given and Ideal machine has none of its own. say "
     "--dt 1ms"),
    ({"seed": -1}, "seed: must be a whole number of at least 0; got -1"),
    ({"activity": {"bigg": np.ones(4)}}, "activity: unknown population; got 'bigg'"),
    ({"activity": {"big": np.ones(3)}}, "needs one finite number of at least 0 per neuron; got "
     "(3,); allowed: (4,)"),
    ({"activity": {"big": -np.ones(4)}}, "needs one finite number of at least 0"),
    ({"set": ["place"]}, "is not PASS.OPTION=VALUE; got place. for example place.method=random"),
    ({"set": ["plce.method=random"]}, "unknown pass; got 'plce'"),
    ({"set": ["plce.method=random"]}, "did you mean 'place'?"),
    ({"set": ["place.metod=random"]}, "did you mean 'method'?"),
    ({"set": ["place.method=rndom"]}, "did you mean 'random'?"),
    ({"set": ["place.steps=x"]}, "value of the wrong kind; got place.steps=x; allowed: a int"),
    ({"set": ["place.steps=-1"]}, "place.steps: must not be negative; got -1"),
    ({"set": ["place.seed=-1"]}, "place.seed: must not be negative; got -1"),
    ({"set": ["partition.fill=0"]}, "partition.fill: is out of range; got 0.0"),
    ({"set": ["partition.fill=nan"]}, "partition.fill: is out of range; got nan"),
    ({"set": ["partition.seed=-1"]}, "partition.seed: must not be negative"),
    ({"set": ["partition.method=mets"]}, "did you mean 'metis'?"),
    ({"set": ["quantise.long_delays=cut"]}, "allowed: clip, refuse"),
    ({"set": ["legalise.strict=maybe"]}, "allowed: a bool, like False"),
    ({"set": ["route.gateway=128"]}, "route.gateway: is no core of Intel Loihi 1; got 128; "
     "allowed: 0..127"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_options_are_told(number: int) -> None:
    options, message = BAD[number]
    given: dict[str, Any] = {"chip": "loihi1", "dt": 1e-3, **options}
    settings, chip = given.pop("set", None), given.pop("chip")

    def attempt() -> None:
        passes = None if settings is None else passes_from_text(settings)
        compile(wide(3), chip, passes=passes, **given)

    with pytest.raises(RanvierError) as caught:
        attempt()
    assert message in str(caught.value)
    assert len(caught.value.issues) == 1


def test_networks_with_little_in_them() -> None:
    for chip in ("ideal", "loihi1", "spinnaker1", "loihi1+spinnaker1"):
        for network in (
            Network(),
            Network(populations=(nets.source("in", 3),), outputs=("in",)),
            Network(populations=(nets.lif("a", 3),), outputs=("a",)),
            Network(populations=(nets.source("in", 3), nets.lif("a", 3))),
        ):
            program = compile(network, chip, dt=1e-3)
            given = {p.name: nets.stimulus(3, 5, rate=0.5) for p in network.inputs}
            recording = sim.run(program, given, ticks=5)
            assert set(recording.events) == set(network.outputs)
            if network.outputs == ("in",):
                assert recording.output("in").same_as(given["in"])

"""Rules with drawn delays in a Program: kept as a law, or listed with the very same ticks."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier.compile import Program, compile, load_program, passes_from_text
from ranvier.compile._check_program import check_program
from ranvier.errors import RanvierError
from ranvier.network import (
    Distribution,
    Exponential,
    Grid,
    Network,
    Normal,
    Population,
    Rule,
    Space,
    Sparse,
    TickTable,
    Uniform,
)

LINK = (np.array([0]), np.array([1]), np.array([0.5]))
RELAY = Population(name="r", shape=4, model="relay")  # type: ignore[arg-type]
LISTED = ["quantise.keep_rules=false"]
LAW = Normal(4e-3, 2e-3, low=1e-3, high=9e-3)


def network(rule: Rule, delay: Distribution | float) -> Network:
    return Network(
        populations=(nets.source("in", 7), nets.lif("a", rule.n_pre), nets.lif("b", rule.n_post)),
        projections=(
            nets.join("in", "a", np.full((rule.n_pre, 7), 0.1)),
            nets.join("a", "b", rule, delay=delay),
            nets.join("a", "b", Sparse(*LINK, (rule.n_pre, rule.n_post)), name="one"),
        ),
        outputs=("b",),
    )


def listed(program: Program) -> set[tuple[int, int, int, float]]:
    """(source slot, target, delay, weight) of all stored synapses."""
    row = np.repeat(np.arange(program.row_delay.size), np.diff(program.row_ptr))
    source = np.zeros(program.row_delay.size, np.int64)
    source[program.route_row] = np.repeat(np.arange(program.sources), np.diff(program.route_ptr))
    return set(
        zip(source[row].tolist(), program.synapse_target.tolist(),
            program.row_delay[row].tolist(), program.synapse_weight.tolist(), strict=True)
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(["fixed_indegree", "fixed_probability", "fixed_total_number"]),
    seed=st.integers(0, 2**64), law=st.sampled_from([LAW, Exponential(1e-3, high=8e-3)]),
)  # fmt: skip
def test_listed_synapses_have_the_delays_of_the_rule(
    name: str, seed: int, law: Distribution
) -> None:
    parameters = {"fixed_indegree": {"k": 5}, "fixed_probability": {"p": 0.3}}.get(name, {"n": 60})
    rule = Rule(name, 15, 12, parameters, Normal(0.2, 0.1), seed)
    net = network(rule, law)
    kept = compile(net, "ideal", dt=1e-3)
    (table,) = kept.rules
    assert table.delays() == law
    assert table.delay == TickTable.of(law, 1e-3).last == kept.max_delay
    assert table.make().to_dict() == rule.to_dict()
    whole = {
        (int(a) + table.source, int(b) + table.ring, int(d), float(w))
        for c in table.chunks(0, 12, kept.dt)
        for a, b, w, d in zip(c.pre, c.post, c.weight, c.ticks, strict=True)  # type: ignore[arg-type]
    }
    written = compile(net, "ideal", dt=1e-3, passes=passes_from_text(LISTED))
    assert not written.rules
    assert whole | listed(kept) == listed(written)
    codes = [i.code for i in kept.issues]
    assert codes == [i.code for i in written.issues]
    assert codes.count("delay-rounded") == 1


def test_programs_keep_the_law(tmp_path: Path) -> None:
    rule = Rule("fixed_indegree", 15, 12, {"k": 5}, Normal(0.2, 0.1), 3)
    program = compile(network(rule, LAW), "ideal", dt=1e-3)
    program.save(tmp_path / "p")
    back = load_program(tmp_path / "p")
    assert back.hash == program.hash
    assert back.rules[0].delays() == LAW
    constant = compile(network(rule, 2.4e-3), "ideal", dt=1e-3).rules[0]
    assert constant.delays() is None
    assert constant.delay == 2
    assert next(constant.chunks(0, 12, 1e-3)).ticks is None


@pytest.mark.parametrize(
    "law",
    [{"distribution": "uniform", "low": 0.0, "high": 1.0}, {"distribution": "x"}, 7, {"low": 1},
     {"distribution": "uniform", "low": -1.0, "high": 1e-3}],
)  # fmt: skip
def test_a_damaged_law_is_found(law: object) -> None:
    rule = Rule("fixed_indegree", 15, 12, {"k": 5}, 0.2, 3)
    program = compile(network(rule, LAW), "ideal", dt=1e-3)
    check_program(program)
    table = replace(program.rules[0], law=law)  # type: ignore[arg-type]
    with pytest.raises((ValueError, RanvierError)):
        check_program(replace(program, rules=(table,)))


def test_machines_without_rules_get_the_same_synapses() -> None:
    chip = nets.small_chip("loihi1")
    rule = Rule("fixed_indegree", 15, 12, {"k": 5}, 0.25, 3)
    net = network(rule, LAW)
    program = compile(net, chip, dt=1e-3)
    assert not program.rules
    _, ticks = rule.listed(TickTable.of(LAW, 1e-3))
    assert ticks is not None
    found = np.repeat(program.row_delay, np.diff(program.row_ptr))
    expected = np.concatenate([ticks, np.full(15 * 7 + 1, 1)])
    assert sorted(found.tolist()) == sorted(expected.tolist())
    longest = chip.max_delay
    assert longest is not None
    far = network(rule, Uniform(1e-3, 2e-3 * longest))
    with pytest.raises(RanvierError, match=r"delay is longer than the chip can hold.*long_delays"):
        compile(far, chip, dt=1e-3)
    cut = compile(far, chip, dt=1e-3, passes=passes_from_text(["quantise.long_delays=clip"]))
    assert cut.max_delay == longest
    share = np.mean(np.repeat(cut.row_delay, np.diff(cut.row_ptr))[:] == longest)
    assert 0.1 < share < 0.9


def test_a_relay_with_drawn_delays_is_refused() -> None:
    chip = nets.small_chip("loihi1")
    rule = Rule("fixed_indegree", 4, 4, {"k": 2}, 0.2, 3)
    net = Network(
        populations=(nets.source("in", 4), RELAY,
                     nets.lif("b", 4)),
        projections=(
            nets.Projection(source="in", target="r", connectivity=rule, delay=LAW),
            nets.join("r", "b", np.eye(4)),
        ),
        outputs=("b",),
    )  # fmt: skip
    with pytest.raises(RanvierError, match="unequal delays cannot be folded"):
        compile(net, chip, dt=1e-3)


def test_rules_by_distance_are_kept(tmp_path: Path) -> None:
    grid = Grid((5, 3), (5.0, 3.0))
    rng = np.random.default_rng(0)
    rule = Rule("distance_exponential", 15, 12, {"p_max": 0.9, "lambda": 1.5}, 0.2, 3,
                space=Space(grid, rng.random((12, 2)) * 4, (5.0, 3.0)))  # fmt: skip
    net = network(rule, LAW)
    program = compile(net, "ideal", dt=1e-3)
    program.save(tmp_path / "p")
    made = load_program(tmp_path / "p").rules[0]
    whole = list(rule.chunks(0, 12, delay=LAW, dt=1e-3))
    assert whole
    for a, b in zip(whole, made.chunks(0, 12, 1e-3), strict=True):
        for x, y in zip(a, b, strict=True):
            assert np.array_equal(x, y)  # type: ignore[arg-type]

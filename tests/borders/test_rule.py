"""Connectivity as rule + seed: small on disk, the same spikes as written out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import sim
from ranvier.compile import compile, load_program, passes_from_text, read_back
from ranvier.errors import RanvierError
from ranvier.network import Network, Normal, Rule, load

LISTED = ["quantise.keep_rules=false"]


def network(
    n: int = 40, *, rule: str = "fixed_probability", seed: int = 0, **more: float
) -> Network:
    parameters = more or {"p": 0.2}
    back = Rule(rule, n, n, parameters, Normal(-0.05, 0.3), seed + 2**40, autapses=False)
    return Network(
        populations=(nets.source(), nets.lif("a", n), nets.lif("b", n)),
        projections=(
            nets.join("in", "a", Rule("fixed_outdegree", 16, n, {"k": 9}, 0.3, seed)),
            nets.join("a", "b", Rule(rule, n, n, parameters, Normal(0.2, 0.1), seed + 1),
                      delay=4e-3),
            nets.join("b", "a", back, delay=2.4e-3),
            nets.join("a", "a", nets.Dense(nets.np.full((n, n), 0.001))),
        ),
        outputs=("a", "b"),
    )  # fmt: skip


@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**64),
    rule=st.sampled_from(["fixed_probability", "fixed_outdegree", "all_to_all"]),
)
def test_the_same_spikes_bit_for_bit(
    seed: int, rule: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("rules")
    more = {"fixed_probability": {"p": 0.15}, "fixed_outdegree": {"k": 7}, "all_to_all": {}}[rule]
    net = network(rule=rule, seed=seed, **more) if more else _all(seed)
    kept = compile(net, "ideal", dt=1e-3)
    listed = compile(net, "ideal", dt=1e-3, passes=passes_from_text(LISTED))
    assert kept.rules
    assert not listed.rules
    stimulus = nets.stimulus(16, 60, rate=0.3, seed=seed % 1000)
    a, b = sim.run(kept, stimulus), sim.run(listed, stimulus)
    nets.same(a, b)
    assert len(a.output("b")) > 0
    nets.same(a, sim.run(kept, stimulus, engine="reference"))
    kept.save(folder / "p")
    nets.same(a, sim.run(load_program(folder / "p"), stimulus))
    net.save(folder / "n")
    assert load(folder / "n").hash == net.hash
    chip = nets.small_chip("loihi1")
    on_chip = compile(net, chip, dt=1e-3)
    assert not on_chip.rules


def _all(seed: int) -> Network:
    net = network(seed=seed)
    rule = Rule("all_to_all", 40, 40, {}, Normal(0.02, 0.01), seed)
    from dataclasses import replace

    kept = [replace(p, connectivity=rule) if p.name == "a->b" else p for p in net.projections]
    return net.replace(projections=tuple(kept))


def test_the_program_holds_the_rule_only(tmp_path: Path) -> None:
    net = network(2000, p=0.1)
    net = net.replace(projections=net.projections[:3])
    program = compile(net, "ideal", dt=1e-3)
    assert program.synapses == 0
    program.save(tmp_path / "p.rvp")
    net.save(tmp_path / "n.rvn")
    # 800 000 synapses would be 16 MB; the source map of 4016 neurons is what is left.
    assert (tmp_path / "p.rvp").stat().st_size < 20_000
    assert (tmp_path / "n.rvn").stat().st_size < 5_000


def test_weights_of_a_rule_are_told_apart() -> None:
    net = network()
    program = compile(net, "ideal", dt=1e-3)
    running = sim.session(program)
    with pytest.raises(RanvierError, match=r"kept as a rule.*keep_rules=false"):
        running.weights("a->b")
    back = read_back(net, program, running.state().arrays)
    assert back.to_text() == net.to_text()
    listed = compile(net, "ideal", dt=1e-3, passes=passes_from_text(LISTED))
    weights = sim.session(listed).weights("a->b")
    assert nets.np.array_equal(weights, net.projection("a->b").connectivity.synapses().weight)

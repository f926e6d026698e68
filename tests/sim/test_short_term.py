"""Short-term plasticity against its closed form, spike by spike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranvier import sim
from ranvier.compile import compile
from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.network import Dense, Network, Population, Projection, Rule, TsodyksMarkram, load


def released(ticks: np.ndarray, dt: float, law: TsodyksMarkram) -> list[float]:
    """u*x at each spike (Markram, Wang & Tsodyks 1998)."""
    x, u, last, found = 1.0, 0.0, None, []
    for t in ticks * dt:
        if last is not None:
            x = 1 - (1 - x) * np.exp(-(t - last) / law.tau_recovery)
            tau = law.tau_facilitation
            u = u * np.exp(-(t - last) / tau) if tau else 0.0
        u = u + law.u0 * (1 - u)
        found.append(u * x)
        x, last = x - u * x, t
    return found


@settings(max_examples=15, deadline=None)
@given(
    ticks=st.sets(st.integers(0, 300), min_size=1, max_size=30),
    u0=st.floats(0.05, 1.0),
    recovery=st.floats(0.01, 1.0),
    facilitation=st.sampled_from([0.0, 0.02, 0.7]),
)
def test_closed_form(ticks: set[int], u0: float, recovery: float, facilitation: float) -> None:
    law = TsodyksMarkram(u0=u0, tau_recovery=recovery, tau_facilitation=facilitation)
    network = Network(
        populations=(
            Population(name="in", shape=2),  # type: ignore[arg-type]
            Population(name="a", shape=1, model="relay"),  # type: ignore[arg-type]
        ),
        projections=(
            Projection(source="in", target="a", connectivity=Dense(np.array([[2.0, 0.0]])),
                       delay=3e-3, short_term=law),
        ),
        outputs=("a",),
    )  # fmt: skip
    when = np.array(sorted(ticks))
    given_ = Events(when, np.zeros(when.size, np.int64), 2, 310, 1e-3)
    found = sim.run(compile(network, "ideal", dt=1e-3), given_).output("a")
    assert np.array_equal(found.tick, when + 3)
    assert found.payload is not None
    assert np.allclose(found.payload, 2 * np.array(released(when, 1e-3, law)), rtol=1e-12)


def recurrent() -> Network:
    law = TsodyksMarkram(u0=0.4, tau_recovery=0.1, tau_facilitation=0.05)
    lif = {"tau": 0.01, "bias": 1.2, "t_ref": 2e-3}
    rule = Rule("fixed_indegree", 60, 60, {"k": 12}, 0.05, 3)
    return Network(
        populations=(
            Population(name="a", shape=60, model="lif", parameters=lif),  # type: ignore[arg-type]
            Population(name="b", shape=60, model="lif", parameters=lif),  # type: ignore[arg-type]
        ),
        projections=(
            Projection(source="a", target="b", port="jump", connectivity=rule, delay=2e-3,
                       short_term=law),
            Projection(source="a", target="a", port="jump", connectivity=rule, short_term=law),
            Projection(source="b", target="a", port="jump", connectivity=rule),
        ),
        outputs=("a", "b"),
    )  # fmt: skip


def test_engines_agree_and_cells_are_shared(tmp_path_factory: pytest.TempPathFactory) -> None:
    network = recurrent()
    program = compile(network, "ideal", dt=1e-3)
    assert [name for name in program.slots if "release" in name] == ["a.release-1"]
    fast = sim.run(program, ticks=200)
    plain = sim.run(program, ticks=200, engine="reference")
    assert len(fast.output("a")) > 100
    assert all(fast.output(n).same_as(plain.output(n)) for n in ("a", "b"))
    file = tmp_path_factory.mktemp("stp") / "n"
    network.save(file)
    assert load(file).hash == network.hash


@pytest.mark.parametrize(
    ("values", "message"),
    [({"u0": 0.0}, "u0: is out of range"), ({"tau_recovery": -1.0}, "limit|> 0 s")],
)
def test_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        TsodyksMarkram(**values)


def test_not_on_chips() -> None:
    with pytest.raises(RanvierError, match="has no tsodyks_markram neuron"):
        compile(recurrent(), "loihi1", dt=1e-3)

"""Electrical synapses against the differential equations, the plain engine and threads."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ranvier import sim
from ranvier.compile import compile, load_program
from ranvier.errors import RanvierError
from ranvier.network import Network, Population, Probe, Projection, Sparse, load

PRE, POST, G = np.array([0, 1, 1, 2]), np.array([1, 0, 2, 1]), 0.2


def chain() -> Network:
    """Three passive cells in a row; the first is driven."""
    cells = {"tau": 0.01, "v_threshold": 10.0, "bias": [1.0, 0.0, 0.0]}
    return Network(
        populations=(Population(name="a", shape=3, model="lif", parameters=cells),),  # type: ignore[arg-type]
        projections=(
            Projection(source="a", target="a", port="current", gap="v",
                       connectivity=Sparse(PRE, POST, np.full(4, G), (3, 3))),
        ),
        probes=(Probe(population="a", variable="v"),),
    )  # fmt: skip


def exact(seconds: float) -> np.ndarray:
    coupling = np.zeros((3, 3))
    coupling[POST, PRE] = G

    def slope(_: float, v: np.ndarray) -> np.ndarray:
        return (np.array([1.0, 0, 0]) - v + coupling @ v - coupling.sum(1) * v) / 0.01

    return solve_ivp(slope, (0, seconds), np.zeros(3), rtol=1e-10, atol=1e-12).y[:, -1]


def test_first_order_in_dt() -> None:
    """The previous tick's potentials make an error of order dt, where NEST iterates it away."""
    errors = []
    for dt, ticks in ((2e-4, 100), (1e-4, 200), (0.5e-4, 400)):
        recording = sim.run(compile(chain(), "ideal", dt=dt), ticks=ticks)
        errors.append(np.abs(recording.trace("a.v").values[-1] - exact(0.02)).max())
    assert errors[0] < 4e-4
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.1)


def spiking(seed: int, n: int = 200) -> Network:
    rng = np.random.default_rng(seed)

    def wired() -> Sparse:
        return Sparse(rng.integers(0, n, 4 * n), rng.integers(0, n, 4 * n),
                      rng.random(4 * n) * 0.1, (n, n))  # fmt: skip

    a = {"tau": 0.01, "bias": rng.uniform(0.8, 1.5, n), "t_ref": 2e-3}
    b = {"tau_mem": 0.01, "bias": 1.02}
    return Network(
        populations=(
            Population(name="a", shape=n, model="lif", parameters=a),  # type: ignore[arg-type]
            Population(name="b", shape=n, model="cuba_lif", parameters=b),  # type: ignore[arg-type]
        ),
        projections=(
            Projection(source="a", target="a", port="current", gap="v", connectivity=wired()),
            Projection(source="a", target="b", port="current", gap="v", connectivity=wired(),
                       name="second"),
            Projection(source="b", target="a", port="jump", connectivity=wired()),
        ),
        outputs=("a", "b"),
    )  # fmt: skip


@pytest.mark.parametrize("chip", ["ideal", "ideal32"])
def test_engines_and_threads_agree(chip: str) -> None:
    program = compile(spiking(0), chip, dt=1e-3)
    whole = sim.run(program, ticks=150)
    assert len(whole.output("a")) > 500
    assert len(whole.output("b")) > 0
    pieces = sim.session(program, threads=2)
    assert pieces.threads == 2  # type: ignore[union-attr]
    for ticks in (1, 2, 47, 100):
        pieces.advance(ticks=ticks)
    plain = sim.run(program, ticks=150, engine="reference")
    for other in (pieces.recording(), plain):
        for name in ("a", "b"):
            assert other.output(name).same_as(whole.output(name))


def test_on_disk(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, network = tmp_path_factory.mktemp("gap"), spiking(1, 40)
    network.save(folder / "n")
    assert load(folder / "n").hash == network.hash
    program = compile(network, "ideal", dt=1e-3)
    program.save(folder / "p")
    a, b = (sim.run(p, ticks=50) for p in (program, load_program(folder / "p")))
    assert a.output("a").same_as(b.output("a"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gap": "w"}, "has no such state; got 'w'; allowed: v"),
        ({"port": "jump"}, "needs a port that is constant over a tick"),
        ({"delay": 1e-3}, "has no delay"),
    ],
)
def test_refused(change: dict[str, object], message: str) -> None:
    given, wires = {"port": "current", "gap": "v", **change}, Sparse(PRE, POST, np.ones(4), (3, 3))
    with pytest.raises(RanvierError, match=message):
        Network(
            populations=(Population(name="a", shape=3, model="lif"),),  # type: ignore[arg-type]
            projections=(
                Projection(source="a", target="a", connectivity=wires,
                           **given),  # type: ignore[arg-type]
            ),
        )  # fmt: skip


def test_not_on_chips() -> None:
    with pytest.raises(RanvierError, match="Loihi 1 has no electrical synapses"):
        compile(chain(), "loihi1", dt=1e-3)

"""Networks: what the constructors check, the text form, the hash."""

# pyright: reportArgumentType=false

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier.errors import RanvierError
from ranvier.network import (
    Conv,
    Dense,
    Network,
    OneToOne,
    Pool,
    Population,
    Probe,
    Projection,
    Rule,
    load,
)

LIF: dict[str, Any] = {"tau": 20e-3, "r": 1.0, "v_threshold": 1.0, "v_reset": 0.0, "v_leak": 0.0}
NAN = float("nan")


def lif(name: str = "a", shape: Any = 4, **more: Any) -> Population:
    return Population(**{"name": name, "shape": shape, "model": "lif", "parameters": LIF, **more})


def network(**changes: Any) -> Network:
    given: dict[str, Any] = {
        "populations": (Population(name="in", shape=3), lif(), lif("b", 2)),
        "projections": (
            Projection(source="in", target="a", connectivity=Dense(np.ones((4, 3))), port="jump"),
            Projection(source="a", target="b", connectivity=Dense(np.ones((2, 4)))),
        ),
        "outputs": ("b",),
    }
    return Network(**{**given, **changes})


def join(**changes: Any) -> Projection:
    given = {"source": "in", "target": "a", "connectivity": Dense(np.ones((4, 3)))}
    return Projection(**{**given, **changes})


BAD: list[tuple[Any, str]] = [
    # populations
    (lambda: lif("a b"), "population name: is not usable; got 'a b'"),
    (lambda: lif(""), "population name: is not usable"),
    (lambda: lif(3), "population name: is not usable; got 3"),
    (lambda: lif("x" * 201), "population name: is not usable"),
    (lambda: lif(shape=0), "a.shape: needs a whole number of at least 1; got 0"),
    (lambda: lif(shape=(2, -1)), "at least 1; got -1"),
    (lambda: lif(shape=2.5), "at least 1; got 2.5"),
    (lambda: lif(shape="many"), "at least 1; got 'many'"),
    (lambda: lif(shape=()), "a.shape: needs a size"),
    (lambda: lif(model="liff"), "unknown neuron model; got 'liff'"),
    (lambda: lif(model="liff"), "did you mean 'lif'?"),
    (lambda: lif(model=3), "a.model: is not a neuron model; got int"),
    (lambda: lif(parameters={**LIF, "tua": 1}), "a(lif).tua: unknown parameter; got 'tua'"),
    (lambda: lif(parameters={**LIF, "tua": 1}), "did you mean 'tau'?"),
    (lambda: lif(parameters={**LIF, "tau": NAN}), "a(lif).tau: holds NaN or infinity; got nan"),
    (lambda: lif(parameters={**LIF, "tau": [1, 1, NAN, 1]}), "a(lif).tau[2]: holds NaN"),
    (lambda: lif(parameters={**LIF, "tau": [1, 2]}), "needs one value, or one per neuron; got 2; "
     "allowed: 4"),
    (lambda: lif(parameters={**LIF, "tau": "fast"}), "must be a number or one per neuron; got 'f"),
    (lambda: lif(parameters=[1, 2]), "a(lif): parameters must be a mapping"),
    (lambda: lif(initial={"u": 0.0}), "unknown state; got 'u'"),
    (lambda: lif(dt=0.0), "a.dt: must be positive seconds; got 0.0"),
    (lambda: lif(dt="1ms"), "a.dt: must be positive seconds; got 1ms"),
    (lambda: Population(name="in", shape=2, signal="spikes"), "did you mean 'spike'?"),
    (lambda: Population(name="in", shape=2, parameters={"x": 1}), "an input has no parameters"),
    # projections
    (lambda: join(delay=-1e-3), "in->a.delay: must not be negative; got -0.001 s"),
    (lambda: join(delay=NAN), "in->a.delay: holds NaN or infinity"),
    (lambda: join(delay="1 ms"), "in->a.delay: must be seconds; got '1 ms'"),
    (lambda: join(delay=[1e-3, 2e-3]), "needs one value, or the shape of the weights; got (2,); "
     "allowed: (4, 3)"),
    (lambda: join(source=lif()), "projection source: must be the name of a population; got "
     "Population. use source=population.name"),
    (lambda: join(name=5), "projection name: is not text; got 5"),
    (lambda: join(connectivity=[[1, NAN]]), "Dense.weights[0, 1]: weights hold NaN"),
    # the whole
    (lambda: network(projections=(join(source="inn"),)),
     "inn->a.source: unknown population; got 'inn'; allowed: in, a, b. did you mean 'in'?"),
    (lambda: network(projections=(join(target="in"),)), "an input cannot receive synapses; got in. "
     "connect to a population with a neuron model"),
    (lambda: network(projections=(join(connectivity=Dense(np.ones((3, 4)))),)),
     "in->a: connectivity does not fit the populations; got 4 -> 3; allowed: 3 (in) -> 4 (a)"),
    (lambda: network(projections=(join(port="jmp"),)), "model lif has no such port; got 'jmp'; "
     "allowed: current, jump. did you mean 'jump'?"),
    (lambda: network(projections=(join(), join())), "two projections have this name. give one"),
    (lambda: network(populations=(*network().populations, lif())),
     "a: two populations have this name"),
    (lambda: network(outputs=("bb",)), "outputs: unknown population; got 'bb'"),
    (lambda: network(outputs="b"), "Network.outputs: must be a list of str; got str"),
    (lambda: network(outputs=(1,)), "Network.outputs[0]: must be a str; got int"),
    (lambda: network(populations=lif()), "Network.populations: must be a list of Population"),
    (lambda: network(populations=["a"]), "Network.populations[0]: must be a Population; got str"),
    (lambda: network(populations=5), "Network.populations: must be a list of Population; got int"),
    (lambda: network(probes=(Probe(population="aa"),)), "probe aa.spikes: unknown population"),
    (lambda: network(probes=(Probe(population="a", variable="vv"),)), "nothing of this name to "
     "record; got 'vv'; allowed: spikes, output, v. did you mean 'v'?"),
    (lambda: network(probes=(Probe(population="in", variable="v"),)), "allowed: spikes"),
    (lambda: Probe(population="a", every=0), "probe a.spikes.every: needs a whole number of at "
     "least 1; got 0"),
    (lambda: network(name="a b"), "network name: is not usable"),
    (lambda: network(metadata={"x": {1, 2}}), "metadata.x: is not plain data; got {1, 2}"),
    (lambda: network(metadata={"x": [1, NAN]}), "metadata.x[1]: is not plain data; got nan"),
    (lambda: network(metadata={3: 1}), "metadata: is not plain data; got the key 3"),
    (lambda: network(metadata={"$array": "x"}), "the key '$array'"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_networks_are_told(number: int) -> None:
    make, message = BAD[number]
    with pytest.raises(RanvierError) as caught:
        make()
    assert message in str(caught.value)
    assert len(caught.value.issues) == 1


def test_all_findings_at_once() -> None:
    with pytest.raises(RanvierError) as caught:
        network(
            projections=(join(source="inn"), join(port="x", name="p")),
            outputs=("bb",),
            probes=(Probe(population="a", variable="w"),),
        )
    assert [i.code for i in caught.value.issues] == [
        "unknown-population", "unknown-port", "unknown-population", "unknown-variable",
    ]  # fmt: skip


def test_loops_without_delay_are_found_wherever_they_are() -> None:
    populations = tuple(lif(name, 1) for name in "abcd")

    def loop(*edges: tuple[str, str, float | None]) -> Network:
        return Network(
            populations=populations,
            projections=tuple(
                Projection(source=a, target=b, connectivity=OneToOne(1.0, 1), delay=d)
                for a, b, d in edges
            ),
        )

    loop(("a", "b", 0), ("b", "c", 0), ("a", "c", 0), ("c", "a", None))
    for edges, closing in (
        ([("a", "a", 0)], "a->a"),
        ([("a", "b", 0), ("b", "a", 0)], "b->a"),
        ([("d", "b", 0), ("b", "c", 0), ("a", "b", 0), ("c", "a", 0)], "a->b"),
    ):
        with pytest.raises(RanvierError, match="closes a loop of projections without delay") as e:
            loop(*edges)
        assert e.value.issues[0].where == closing


def test_defaults_ports_and_shapes() -> None:
    made = network()
    assert made.projections[1].port == "current"
    assert made.population("a").parameters["t_ref"] == 0.0
    assert (made.neurons, made.synapses) == (6, 20)
    assert [p.name for p in made.inputs] == ["in"]
    with pytest.raises(RanvierError, match="did you mean 'in'"):
        made.population("inn")
    with pytest.raises(RanvierError, match="did you mean 'in->a'"):
        made.projection("in-a")
    image = lif("i", (1, 2, 2), parameters={**LIF, "tau": np.full((1, 2, 2), 5e-3)})
    assert np.asarray(image.parameters["tau"]).shape == (4,)
    empty = Network()
    assert (empty.neurons, empty.synapses) == (0, 0)


def test_arrays_and_metadata_are_the_networks_own(tmp_path: Path) -> None:
    tau, note = np.full(4, 5e-3), {"tool": {"list": [1, 2.5, None, True], "np": np.arange(3)}}
    made = network(
        populations=(
            Population(name="in", shape=3), lif(parameters={**LIF, "tau": tau}), lif("b", 2),
        ),
        metadata={**note, "a/b": [np.float64(1)], "a": {"b": [2]}},
    )  # fmt: skip
    tau[:] = 1
    note["tool"]["list"].append("x")
    assert np.all(np.asarray(made.population("a").parameters["tau"]) == 5e-3)
    assert made.metadata["tool"] == {"list": [1, 2.5, None, True], "np": [0, 1, 2]}
    made.save(tmp_path / "n")
    again = load(tmp_path / "n")
    assert again.metadata == made.metadata
    assert again.hash == made.hash


def test_the_hash_sees_every_number() -> None:
    base = network()
    same = network()
    assert base.hash == same.hash
    others = [
        network(name="x"),
        network(outputs=()),
        network(metadata={"x": 1}),
        network(projections=(join(delay=1e-3), base.projections[1])),
        network(projections=(join(delay=2e-3), base.projections[1])),
        network(projections=(join(connectivity=np.full((4, 3), 2.0)), base.projections[1])),
        network(populations=(*base.populations[:2], lif("b", (1, 2)))),
        network(populations=(*base.populations[:2], lif("b", 2, method="euler"))),
        network(probes=(Probe(population="a", every=2),)),
    ]
    assert len({n.hash for n in (base, *others)}) == 1 + len(others)


def test_every_connectivity_and_delay_survives_the_disk(tmp_path: Path) -> None:
    conv = Conv(np.ones((2, 1, 2, 2)), (1, 3, 3), padding=((0, 1), (1, 0)), dilation=(1, 2))
    shape = conv.output_shape
    made = Network(
        name="all.kinds",
        populations=(
            Population(name="in", shape=(1, 3, 3), signal="graded"),
            lif("maps", shape),
            lif("flat", 4, initial={"v": [0.1, 0.2, 0.3, 0.4]}),
        ),
        projections=(
            Projection(source="in", target="maps", connectivity=conv, port="jump",
                       delay=np.arange(8).reshape(2, 1, 2, 2) * 1e-3),
            Projection(source="maps", target="flat",
                       connectivity=Rule("fixed_outdegree", conv.sizes()[1], 4, {"k": 2}, 1, 5)),
            Projection(source="in", target="flat", connectivity=Pool((1, 3, 3), 2, "average", 1)),
            Projection(source="flat", target="flat", connectivity=OneToOne(0.5, 4), delay=0.02),
        ),
        probes=(Probe(population="flat", variable="v", every=3),),
    )  # fmt: skip
    for place in ("n", "n.rvn"):
        made.save(tmp_path / place)
        again = load(tmp_path / place)
        assert again.hash == made.hash
        assert again.to_text() == made.to_text()
        for a, b in zip(made.projections, again.projections, strict=True):
            assert type(a.connectivity) is type(b.connectivity)
            for x, y in zip(a.connectivity.synapses(), b.connectivity.synapses(), strict=True):
                assert np.array_equal(x, y)

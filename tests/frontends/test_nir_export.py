"""Writing NIR: what is read back is equal, other tools can load it, losses are named."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import h5py
import nir as peer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.errors import RanvierError
from ranvier.frontends import nir
from ranvier.frontends._nir_models import BIASED_RELAY
from ranvier.network import (
    Connectivity,
    Conv,
    Dense,
    Network,
    OneToOne,
    Pool,
    Population,
    Probe,
    Projection,
    Rule,
    Sparse,
)
from ranvier.neurons import get, with_reset, with_threshold

File: Any = h5py.File
SPIKING = ("lif", "if", "cuba_lif")
OTHERS = ("li", "integrator", "cuba_li", "threshold", "relay")


def same(a: Network, b: Network) -> bool:
    return a.hash == b.hash and a.to_text() == b.to_text()


def numbers(rng: np.random.Generator, shape: Any, single: bool) -> Any:
    values = rng.normal(size=shape)
    return values.astype(np.float32).astype(float) if single else values


@st.composite
def populations(draw: st.DrawFn, name: str, shape: tuple[int, ...]) -> Population:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = int(np.prod(shape))
    model = get(draw(st.sampled_from([*SPIKING, *OTHERS])))
    if model.name in SPIKING:
        model = with_reset(
            model,
            draw(st.sampled_from(["value", "subtract", "none"])),
            delay=draw(st.integers(0, 1)),
        )
        model = with_threshold(model, comparison=draw(st.sampled_from([">", ">="])))
    parameters: dict[str, Any] = {}
    for parameter in model.parameters:
        kind = draw(st.sampled_from(["default", "one", "each"]))
        if kind == "one":
            parameters[parameter.name] = float(rng.uniform(0.5, 2))
        if kind == "each":
            parameters[parameter.name] = rng.uniform(0.5, 2, size)
    initial = {s: rng.normal(size=size) for s in model.states if draw(st.booleans())}
    stateful = bool(model.states)
    return Population(
        name=name, shape=shape, model=model, parameters=parameters, initial=initial,
        dt=draw(st.sampled_from([None, 1e-3])) if stateful else None,
        method=draw(st.sampled_from([None, "exact", "euler_sequential"])) if stateful else None,
    )  # fmt: skip


@st.composite
def connections(draw: st.DrawFn, pre: tuple[int, ...], post: tuple[int, ...]) -> Connectivity:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = int(np.prod(pre)), int(np.prod(post))
    single = draw(st.booleans())
    kinds = ["dense", "sparse", "rule", *(["one"] if n == m else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "one":
        weights = numbers(rng, (), single) if draw(st.booleans()) else numbers(rng, n, single)
        return OneToOne(np.asarray(weights), n)
    if kind == "sparse":
        k = draw(st.integers(0, 5))
        indices = rng.integers(0, n, k), rng.integers(0, m, k)
        return Sparse(*indices, numbers(rng, k, single), (n, m))
    if kind == "rule":
        return Rule("fixed_probability", n, m, {"p": 0.5}, 0.3, draw(st.integers(0, 9)))
    return Dense(numbers(rng, (m, n), single))


def delays(draw: st.DrawFn, connectivity: Connectivity, loop: bool) -> Any:
    kind = draw(st.sampled_from(["tick", "some", *([] if loop else ["zero"]), "each"]))
    if kind == "each" and connectivity.delay_shape():
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        return rng.integers(1, 5, connectivity.delay_shape()) * 1e-3
    return {"zero": 0.0, "some": 2.5e-3}.get(str(kind))


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Inputs, convolution or pooling, changes of shape, recurrence, several outputs."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    axes = draw(st.integers(1, 2))
    shape = (draw(st.integers(1, 2)), *(draw(st.integers(3, 5)) for _ in range(axes)))
    made = [Population(name="in", shape=shape, signal=draw(st.sampled_from(["spike", "graded"])))]
    first: Connectivity
    if draw(st.booleans()):
        groups = draw(st.sampled_from([1, shape[0]]))
        kernel = tuple(draw(st.integers(1, 3)) for _ in range(axes))
        first = Conv(
            rng.normal(size=(2 * groups, shape[0] // groups, *kernel)), shape,
            stride=draw(st.integers(1, 2)), padding=draw(st.sampled_from([0, 1])), groups=groups,
            dilation=1,
        )  # fmt: skip
        if draw(st.booleans()):
            pairs = tuple((0, 1) for _ in range(axes))
            first = Conv(first.weights, shape, padding=pairs, groups=groups)
    else:
        first = Pool(
            shape, 2, draw(st.sampled_from(["sum", "average"])), padding=draw(st.integers(0, 1)),
            weight=draw(st.sampled_from([1.0, 0.25])),
        )  # fmt: skip
    made.append(draw(populations("layer.a", first.output_shape)))
    ports = [p.name for p in made[-1].model.ports] if made[-1].model else []
    joined = [
        Projection(source="in", target="layer.a", connectivity=first,
                   port=draw(st.sampled_from(ports)), name="first/step")
    ]  # fmt: skip
    for k in range(draw(st.integers(1, 3))):
        flat = draw(st.sampled_from([(made[-1].size,), (3,), made[-1].shape]))
        target = draw(populations(f"p{k}", flat))
        made.append(target)
        assert target.model is not None
        for source in (made[-2], target) if draw(st.booleans()) else (made[-2],):
            connectivity = draw(connections(source.shape, target.shape))
            loop = source is target
            port = draw(st.sampled_from([p.name for p in target.model.ports]))
            joined.append(
                Projection(
                    source=source.name, target=target.name, connectivity=connectivity, port=port,
                    delay=delays(draw, connectivity, loop), name=f"{source.name}->{target.name}",
                )
            )  # fmt: skip
    outputs = draw(st.lists(st.sampled_from([p.name for p in made]), unique=True, max_size=2))
    return Network(
        name="net", populations=tuple(made), projections=tuple(joined), outputs=tuple(outputs),
        probes=(Probe(population="layer.a", variable="output", every=2),),
        metadata={"dt": 1e-3, "other": {"tool": [1, "x", None]}},
    )  # fmt: skip


@given(network=networks())
def test_write_then_read_gives_an_equal_network(
    network: Network, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("nir") / "n.nir"
    issues = nir.write(network, path)
    again = nir.read(path)
    assert same(again.network, network)
    assert {p.name for p in network.populations if not p.is_input} >= {
        i.where for i in again.issues
    } - {"in"}
    checked = any("type_check" in i.message for i in issues)
    graph = peer.read(path, type_check=False)
    assert set(graph.nodes)
    if not checked and network.outputs:
        peer.read(path)
    # the plain graph is still a network once the choices are said
    relay_loop = any(
        p.source == p.target and network.population(p.source).model == get("relay")
        for p in network.projections
    )
    if checked or relay_loop:
        return
    plain = nir.read(path, metadata=False, source="norse", dt=1e-3, reset="value").network
    kept = {p.name for p in network.populations if p.model is None or p.model != get("relay")}
    assert kept <= {p.name for p in plain.populations}


def test_files_of_other_tools_come_back_equal(shared_data: Path, tmp_path: Path) -> None:
    for path in sorted((shared_data / "models" / "nir").glob("*.nir")):
        cnn = "cnn" in path.name
        options: dict[str, Any] = {"source": "sinabs"} if cnn else {
            "source": "snntorch", "reset": "subtract"}  # fmt: skip
        network = nir.read(path, dt=1e-4, **options).network
        copy = tmp_path / path.name
        nir.write(network, copy)
        assert same(nir.read(copy).network, network)
        peer.read(copy)
        plain = nir.read(copy, metadata=False, dt=1e-4, **options).network
        for a in network.populations:
            b = plain.population(a.name) if a.model and a.model.name != "relay" else a
            assert a.model == b.model
            assert all(np.allclose(a.parameters[k], b.parameters[k], rtol=1e-12)
                       for k in a.parameters)  # fmt: skip


def small() -> Network:
    lif = {"tau": 0.02, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    return Network(
        populations=(
            Population(name="in", shape=(2,)),
            Population(name="a", shape=(3,), model=get("lif"), parameters=lif),
        ),
        projections=(Projection(source="in", target="a", connectivity=Dense(np.ones((3, 2)))),),
        outputs=("a",),
        metadata={"dt": 1e-3},
    )


def test_weights_another_tool_changed_are_read_as_changed(tmp_path: Path) -> None:
    path = tmp_path / "n.nir"
    nir.write(small(), path)
    with File(path, "r+") as file:
        file["node/nodes/in->a/weight"][0, 0] = 7
    connectivity = nir.read(path).network.projections[0].connectivity
    assert isinstance(connectivity, Dense)
    assert connectivity.weights[0, 0] == 7


def test_a_record_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.nir"
    nir.write(small(), path)
    with pytest.raises(RanvierError, match="records these choices itself"):
        nir.read(path, dt=1e-3)
    graph = peer.read(path)
    del graph.nodes["in->a"]
    graph.edges = [("in", "a"), ("a", "output")]
    graph.nodes["in"] = peer.Input(input_type={"input": np.array([3])})
    peer.write(path, graph)
    with pytest.raises(RanvierError, match="changed after Ranvier wrote it"):
        nir.read(path)
    assert nir.read(path, metadata=False, source="norse", dt=1e-3).network.neurons == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda d: "no json",
        lambda d: json.dumps([1]),
        lambda d: json.dumps({**d, "format": 99}),
        lambda d: json.dumps({**d, "network": {}}),
        lambda d: json.dumps({**d, "arrays": {"x": {"shape": [2], "node": "a", "field": "tau"}}}),
        lambda d: json.dumps({**d, "arrays": {"x": {"shape": [9], "dtype": "<f8", "data": "AA"}}}),
        lambda d: json.dumps({**d, "arrays": {"x": {"shape": [1], "dtype": "O", "data": "AAAA"}}}),
        lambda d: "[" * 100_000,
    ],
)
def test_a_damaged_record_is_one_error(change: Any, tmp_path: Path) -> None:
    path = tmp_path / "n.nir"
    nir.write(small(), path)
    with File(path, "r+") as file:
        data = json.loads(file["node/metadata/ranvier"][()])
        del file["node/metadata/ranvier"]
        file["node/metadata"].create_dataset(
            "ranvier", data=change(data), dtype=h5py.string_dtype()
        )
    with pytest.raises(RanvierError, match="record"):
        nir.read(path)


def test_models_nir_has_no_node_for_are_refused_together(tmp_path: Path) -> None:
    network = Network(
        populations=(
            Population(name="a", shape=(1,), model=get("izhikevich")),
            Population(name="b", shape=(1,), model=get("relu")),
        )
    )
    with pytest.raises(RanvierError, match=r"model\.rvn") as caught:
        nir.write(network, tmp_path / "n.nir")
    assert [i.where for i in caught.value.issues] == ["a", "b"]
    assert list(tmp_path.iterdir()) == []


def test_losses_are_named(tmp_path: Path) -> None:
    model = with_reset(get("lif"), "subtract")
    network = small().replace(
        populations=(
            Population(name="in", shape=(2,)),
            Population(name="a", shape=(3,), model=model, parameters={"t_ref": 2e-3}, dt=1e-3),
        )
    )
    issues = {i.where: i.message for i in nir.write(network, tmp_path / "n.nir")}
    for word in ("subtraction", "refractory", "dt = 0.001"):
        assert word in issues["a"]
    assert "one tick" in issues["in->a"]


def test_a_bias_is_written_where_nir_has_one(tmp_path: Path) -> None:
    bias = np.array([0.5, -0.25, 0.0])
    parameters = {**small().population("a").parameters, "bias": bias}
    changed = Population(name="a", shape=(3,), model=get("lif"), parameters=parameters)
    network = small().replace(populations=(Population(name="in", shape=(2,)), changed))
    path = tmp_path / "n.nir"
    nir.write(network, path)
    node = peer.read(path).nodes["in->a"]
    assert isinstance(node, peer.Affine)
    assert np.array_equal(node.bias, bias)
    assert node.weight.dtype == np.float32  # lossless, and what other tools compute in


def test_a_relay_with_a_bias_comes_back(tmp_path: Path) -> None:
    network = Network(
        populations=(
            Population(name="in", shape=(2,), signal="continuous"),
            Population(name="y", shape=(3,), model=BIASED_RELAY, parameters={"bias": 0.5}),
        ),
        projections=(
            Projection(source="in", target="y", connectivity=Dense(np.ones((3, 2))), delay=0.0),
        ),
        outputs=("y",),
    )
    nir.write(network, tmp_path / "n.nir")
    assert same(nir.read(tmp_path / "n.nir").network, network)


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "n.nir"
    path.write_bytes(b"before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RanvierError, match="No space left"):
        nir.write(small(), path)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["n.nir"]
    with pytest.raises(RanvierError, match="does not exist"):
        nir.write(small(), tmp_path / "none" / "n.nir")

"""Reading NIR: choices, labels, legacy layouts, shapes, delays and loops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import nir as peer
import numpy as np
import pytest

from ranvier import frontends, sim
from ranvier.compile import compile
from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.frontends import nir
from ranvier.network import Dense

File: Any = h5py.File
TORCH = {"source": "norse", "dt": 1e-3}


def write(path: Path, nodes: dict[str, Any], edges: list[tuple[str, str]]) -> Path:
    graph = peer.NIRGraph(nodes=nodes, edges=edges, type_check=False)
    peer.write(path, graph)
    return path


def io(n: int, m: int | None = None) -> dict[str, Any]:
    return {
        "in": peer.Input(input_type={"input": np.array([n])}),
        "out": peer.Output(output_type={"output": np.array([m or n])}),
    }


def lif(n: int, **more: Any) -> peer.LIF:
    one = np.ones(n)
    values = {"tau": 0.02 * one, "r": one, "v_leak": 0 * one, "v_threshold": one}
    return peer.LIF(**{**values, **more})


def options_for(file: str) -> dict[str, Any]:
    if "cnn" in file:
        return {"source": "sinabs", "dt": 1e-3}
    if "rockpool" in file:
        return {"source": "rockpool", "dt": 1e-4}
    reset = "subtract" if "subtract" in file else "zero"
    return {"source": "snntorch", "dt": 1e-4, "reset": reset}


def shared(folder: Path) -> list[Path]:
    return sorted((folder / "models" / "nir").glob("*.nir"))


def test_every_shared_file_reads_with_a_label_for_every_node(shared_data: Path) -> None:
    files = shared(shared_data)
    assert len(files) == 12
    for path in files:
        imported = nir.read(path, **options_for(path.name))
        network = imported.network
        assert network.inputs
        assert network.outputs
        with File(path, "r") as file:
            names = [n for n, g in file["node/nodes"].items() if g["type"][()] != b"NIRGraph"]
        assert set(names) <= set(imported.labels()), path.name
        assert {i.severity for i in imported.issues} <= {"exact", "approximate", "info", "warning"}
        compile(network, "ideal")


def test_every_shared_file_is_refused_once_without_choices(shared_data: Path) -> None:
    for path in shared(shared_data):
        with pytest.raises(RanvierError) as caught:
            nir.read(path)
        codes = [i.code for i in caught.value.issues]
        assert codes == [
            "nir-needs-dt", "nir-needs-integrator", "nir-needs-spikes", "nir-needs-reset",
            "nir-needs-comparison", "nir-needs-delays",
        ]  # fmt: skip
        assert "source=" in str(caught.value)


def test_evidence_for_dt_is_a_hint(shared_data: Path) -> None:
    folder = shared_data / "models" / "nir"
    with pytest.raises(RanvierError, match=r"tau_mem/dt.*dt = 0\.0001 s.*snnTorch"):
        nir.read(folder / "nirtorch_braille.nir")
    with pytest.raises(RanvierError, match=r"dt = 0\.0001 s, as Rockpool"):
        nir.read(folder / "01_lif__lif_rockpool.nir")


def test_snntorch_does_not_say_how_it_resets(shared_data: Path) -> None:
    path = shared_data / "models" / "nir" / "nirtorch_braille.nir"
    with pytest.raises(RanvierError, match="exporter does not write it") as caught:
        nir.read(path, source="snntorch", dt=1e-4)
    assert [i.code for i in caught.value.issues] == ["nir-needs-reset"]


@pytest.mark.parametrize("kind", ["bias_zero", "noBias_subtract"])
def test_legacy_subgraphs_equal_the_flat_file(kind: str, shared_data: Path) -> None:
    folder = shared_data / "models" / "nir"
    options = options_for(kind)
    flat = nir.read(folder / f"03_rnn__braille_noDelay_{kind}.nir", **options).network
    nested = nir.read(folder / f"03_rnn__extras__braille_noDelay_{kind}_subgraph.nir", **options)
    assert any(i.code == "nir-edge-repaired" for i in nested.issues)
    pairs = {"input": "input", "lif1.lif": "lif1.lif1", "lif2": "lif2"}
    assert [p.name for p in nested.network.populations] == list(pairs.values())
    for a, b in pairs.items():
        one, two = flat.population(a), nested.network.population(b)
        assert one.model == two.model
        for group in ("parameters", "initial"):
            mine, other = getattr(one, group), getattr(two, group)
            assert mine.keys() == other.keys()
            assert all(np.array_equal(mine[k], other[k]) for k in mine)
    for a, b in {"fc1": "fc1", "fc2": "fc2", "lif1.w_rec": "lif1.lin"}.items():
        one, two = flat.projection(a), nested.network.projection(b)
        assert isinstance(one.connectivity, Dense)
        assert np.array_equal(one.connectivity.weights, two.connectivity.weights)  # type: ignore[attr-defined]
        assert (one.port, one.delay) == (two.port, two.delay)


def test_presets_and_options(tmp_path: Path) -> None:
    path = write(tmp_path / "n.nir", {**io(2), "a": lif(2)}, [("in", "a"), ("a", "out")])
    with pytest.raises(RanvierError, match="norse"):
        nir.read(path, source="norze", dt=1e-3)
    with pytest.raises(RanvierError, match="integrator"):
        nir.read(path, integratr="exact")
    with pytest.raises(RanvierError, match="positive"):
        nir.read(path, source="norse", dt=-1)
    with pytest.raises(RanvierError, match="number of seconds"):
        nir.read(path, source="norse", dt=[1])
    with pytest.raises(RanvierError, match="reset_delay"):
        nir.read(path, source="norse", dt=1e-3, reset_delay=3)
    with pytest.raises(RanvierError, match="'many' goes with"):
        nir.read(path, source="norse", dt=1e-3, spikes_per_tick="many")
    network = nir.read(path, source="norse", dt="1 ms", reset="subtract", reset_delay=1).network
    model = network.population("a").model
    assert model is not None
    assert model.reset == ("v = v - v_threshold",)
    assert model.reset_delay == 1
    assert network.metadata["dt"] == 1e-3
    assert network.population("a").dt == 1e-3
    free = nir.read(path, source="nir", dt=1e-3, delays="tick").network
    assert free.population("a").dt is None  # impulses and exact decay: any dt will do
    assert frontends.read(path, **TORCH).network.hash == nir.read(path, **TORCH).network.hash
    for preset in nir.PRESETS.values():
        assert preset.source
        assert set(preset.values) <= {o.name for o in nir.FRONTEND.read_options} | {"spikes_if"}


def test_reset_of_the_file(tmp_path: Path) -> None:
    node = lif(2, v_reset=np.array([-0.5, -0.5]))
    path = write(tmp_path / "n.nir", {**io(2), "a": node}, [("in", "a"), ("a", "out")])
    with pytest.raises(RanvierError, match="contradicts the file"):
        nir.read(path, **TORCH)
    network = nir.read(path, **{**TORCH, "reset": "value"}).network
    assert network.population("a").parameters["v_reset"] == -0.5


def test_weights_of_each_reading(tmp_path: Path) -> None:
    nodes = {**io(1), "w": peer.Linear(np.array([[0.5]])), "a": lif(1, r=np.array([3.0]))}
    path = write(tmp_path / "n.nir", nodes, [("in", "w"), ("w", "a"), ("a", "out")])
    base = {"integrator": "exact", "reset": "zero", "comparison": ">", "delays": "zero", "dt": 1e-3}
    expected = {"hold": ("current", 0.5), "dirac": ("jump", 0.5 * 3 / 0.02), "jump": ("jump", 0.5)}
    for spikes, (port, weight) in expected.items():
        imported = nir.read(path, spikes=spikes, **base)
        projection = imported.network.projection("w")
        assert projection.port == port
        assert projection.connectivity.synapses().weight[0] == pytest.approx(weight)
    values = nir.read(path, spikes="dirac", signal="continuous", **base).network
    assert values.projection("w").port == "current"


@pytest.mark.parametrize("spikes", ["hold", "jump"])
@pytest.mark.parametrize("integrator", ["exact", "euler"])
def test_biases_of_several_layers(spikes: str, integrator: str, tmp_path: Path) -> None:
    """Two affine nodes, one behind a relay, against a plain loop."""
    rng = np.random.default_rng(0)
    w1, b1 = rng.normal(size=(3, 2)), rng.normal(size=3)
    w2, b2 = rng.normal(size=(4, 3)), rng.normal(size=4)
    w3, b3 = rng.normal(size=(4, 2)), rng.normal(size=4)
    nodes = {
        **io(2, 4), "one": peer.Affine(w1, b1), "two": peer.Affine(w2, b2),
        "three": peer.Affine(w3, b3), "a": lif(4, r=np.full(4, 1.5)),
    }  # fmt: skip
    edges = [("in", "one"), ("one", "two"), ("two", "a"), ("in", "three"), ("three", "a"),
             ("a", "out")]  # fmt: skip
    path = write(tmp_path / "n.nir", nodes, edges)
    network = nir.read(path, dt=1e-3, spikes=spikes, integrator=integrator, reset="subtract",
                       comparison=">", delays="zero").network  # fmt: skip
    assert [p.name for p in network.populations] == ["in", "one", "a"]
    raster = (rng.random((200, 2)) < 0.4).astype(float)
    out = sim.run(compile(network, "ideal"), Events.from_raster(raster, dt=1e-3)).output("a")
    decay = np.exp(-1e-3 / 0.02) if integrator == "exact" else 1 - 1e-3 / 0.02
    v, spiked = np.zeros(4), []
    for row in raster:
        x = w2 @ (w1 @ row + b1) + b2 + w3 @ row + b3
        v = decay * v + (x if spikes == "jump" else (1 - decay) * 1.5 * x)
        z = v > 1
        v = v - z
        spiked.append(z.astype(float))
    assert np.sum(spiked) > 20
    assert np.array_equal(out.raster(), np.array(spiked))


def test_delays(tmp_path: Path) -> None:
    delay = np.array([1e-3, 3e-3])
    nodes = {
        **io(2), "w": peer.Linear(np.eye(2) * 100), "d": peer.Delay(delay), "a": lif(2),
        "d2": peer.Delay(np.full(2, 2e-3)), "w2": peer.Linear(np.eye(2) * 100), "b": lif(2),
    }  # fmt: skip
    edges = [("in", "d"), ("d", "w"), ("w", "a"), ("a", "w2"), ("w2", "d2"), ("d2", "b"),
             ("b", "out")]  # fmt: skip
    path = write(tmp_path / "n.nir", nodes, edges)
    stimulus = Events(np.array([0, 0]), np.array([0, 1]), 2, 8, 1e-3)
    network = nir.read(path, **TORCH).network
    recording = sim.run(compile(network, "ideal"), stimulus, record=["a", "b"])
    assert recording.output("a").tick.tolist() == [1, 3]
    assert recording.output("b").tick.tolist() == [3, 5]
    late = nir.read(path, **TORCH, delays="tick").network
    recording = sim.run(compile(late, "ideal"), stimulus, record=["a", "b"])
    assert recording.output("b").tick.tolist() == [5, 7]
    rough = nir.read(path, source="norse", dt=2e-3).labels()
    assert rough["d"] == "approximate"
    assert rough["d2"] == "exact"


def test_loops(tmp_path: Path) -> None:
    nodes = {**io(1), "a": lif(1), "b": lif(1), "w": peer.Linear(np.eye(1))}
    edges = [("in", "a"), ("a", "b"), ("b", "w"), ("w", "a"), ("b", "out")]
    imported = nir.read(write(tmp_path / "n.nir", nodes, edges), **TORCH)
    assert imported.network.projection("w").delay is None
    assert imported.network.projection("a->b").delay == 0
    late = [i for i in imported.issues if i.code == "nir-loop-delay"]
    assert [i.severity for i in late] == ["approximate"]
    nodes = {**io(1), "u": peer.Linear(np.eye(1)), "w": peer.Linear(np.eye(1))}
    edges = [("in", "u"), ("u", "w"), ("w", "u"), ("w", "out")]
    with pytest.raises(RanvierError, match="loop without a neuron"):
        nir.read(write(tmp_path / "m.nir", nodes, edges), **TORCH)


def test_a_graph_without_neurons_needs_no_choices(tmp_path: Path) -> None:
    w, b = np.arange(6.0).reshape(3, 2), np.array([1.0, 0, -1])
    nodes = {**io(2, 3), "w": peer.Affine(w, b), "s": peer.Scale(np.array([2.0, 1, 1]))}
    path = write(tmp_path / "n.nir", nodes, [("in", "w"), ("w", "s"), ("s", "out")])
    network = nir.read(path, signal="continuous").network
    raster = np.array([[1.0, 2], [0, 0]])
    recording = sim.run(
        compile(network, "ideal", dt=1e-3), Events.from_raster(raster, dt=1e-3),
        record=network.outputs,
    )  # fmt: skip
    expected = (raster @ w.T + b) * [2, 1, 1]
    assert np.array_equal(recording.output(network.outputs[0]).raster(), expected)


def test_li_threshold_cuba_and_average_pooling(tmp_path: Path) -> None:
    one = np.ones(2)
    nodes = {
        "in": peer.Input(input_type={"input": np.array([2, 2, 2])}),
        "p": peer.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "f": peer.Flatten(input_type={"input": np.array([2, 1, 1])}, start_dim=0),
        "c": peer.CubaLI(tau_syn=0.01 * one, tau_mem=0.02 * one, r=one, v_leak=0 * one),
        "t": peer.Threshold(np.full(2, 1e-3)),
        "out": peer.Output(output_type={"output": np.array([2])}),
    }
    edges = [("in", "p"), ("p", "f"), ("f", "c"), ("c", "t"), ("t", "out")]
    path = write(tmp_path / "n.nir", nodes, edges)
    network = nir.read(path, integrator="exact", spikes="dirac", comparison=">", delays="zero",
                       dt=1e-3).network  # fmt: skip
    raster = np.zeros((20, 8))
    raster[0, :4] = 1  # all of channel 0: an average of 1, an impulse of 1/tau_syn
    recording = sim.run(compile(network, "ideal"), Events.from_raster(raster, dt=1e-3))
    ids, first = recording.output("t").id, recording.output("t").tick[0]
    assert set(ids.tolist()) == {0}
    assert first == 1  # the current jumps at the end of tick 0


def test_shapes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    nodes = {**io(3), "w": peer.Linear(np.ones((2, 2))), "a": lif(2)}
    path = write(tmp_path / "n.nir", nodes, [("in", "w"), ("w", "a"), ("a", "out")])
    with pytest.raises(RanvierError, match="in gives"):
        nir.read(path, **TORCH)


def test_neuron_fields_given_once_are_spread(tmp_path: Path) -> None:
    nodes = {**io(3, 5), "w": peer.Linear(np.ones((5, 3))), "a": lif(1)}
    path = write(tmp_path / "n.nir", nodes, [("in", "w"), ("w", "a"), ("a", "out")])
    assert nir.read(path, **TORCH).network.population("a").shape == (5,)


def test_grouped_and_non_square_convolutions(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    weight = rng.normal(size=(4, 2, 3, 5))
    nodes = {
        "in": peer.Input(input_type={"input": np.array([4, 7, 9])}),
        "c": peer.Conv2d((7, 9), weight, (1, 1), (0, 0), (1, 1), 2, rng.normal(size=4)),
        "a": lif(1),
        "out": peer.Output(output_type={"output": np.array([4, 5, 5])}),
    }
    path = write(tmp_path / "n.nir", nodes, [("in", "c"), ("c", "a"), ("a", "out")])
    network = nir.read(path, **TORCH).network
    assert network.population("a").shape == (4, 5, 5)
    bias = np.asarray(network.population("a").parameters["bias"]).reshape(4, 25)
    assert np.all(bias == bias[:, :1])

"""Weights go out so that a reader under a convention of spikes gets the same network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ranvier import apps, sim
from ranvier.compile import compile
from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.frontends import nir
from ranvier.network import Conv, Dense, Network, OneToOne, Population, Projection, load
from ranvier.neurons import get

File: Any = h5py.File
DT = 1e-3
RNG = np.random.default_rng(3)
TAUS = RNG.uniform(4e-3, 3e-2, 20)
RS = RNG.uniform(0.5, 3.0, 20)
PARAMETERS: dict[str, dict[str, Any]] = {
    "lif": {"tau": TAUS, "r": RS},
    "if": {"r": RS},
    "cuba_lif": {"tau_mem": 0.01, "tau_syn": TAUS, "w_in": RS},
}


def network(kind: str, port: str, method: str | None) -> Network:
    size = 1.0 if port == "jump" else 30.0
    first = Dense(size * RNG.uniform(-0.2, 0.4, (20, 12)))
    second = OneToOne(size * RNG.uniform(0.1, 0.6, 20), 20)
    parameters = {**PARAMETERS[kind], "v_threshold": 1.0}
    if kind == "if" and port == "current":
        parameters["v_threshold"] = 0.2
    if kind == "cuba_lif" and port == "jump":
        parameters["v_threshold"] = 0.5
    return Network(
        populations=(
            Population(name="in", shape=(12,)),
            *(Population(name=n, shape=(20,), model=get(kind), method=method,
                         parameters={**parameters, "bias": 0.05 * (n == "a" and kind == "lif")})
              for n in ("a", "b")),
        ),
        projections=(
            Projection(source="in", target="a", connectivity=first, port=port, delay=0.0),
            Projection(source="a", target="b", connectivity=second, port=port, delay=0.0),
        ),
        outputs=("a", "b"), metadata={"dt": DT},
    )  # fmt: skip


def spikes(net: Network, seed: int = 1) -> list[Any]:
    size = net.inputs[0].size
    raster = (np.random.default_rng(seed).random((200, size)) < 0.2).astype(float)
    recording = sim.run(compile(net, "ideal"), Events.from_raster(raster, dt=DT))
    return [recording.output(name).raster() for name in net.outputs]


def equal(a: Network, b: Network) -> None:
    for one, other in zip(spikes(a), spikes(b), strict=True):
        assert one.sum() > 5
        assert np.array_equal(one, other)


CASES = [
    (kind, port, method, to)
    for kind in PARAMETERS
    for port in ("jump", "current")
    for method in (None, "euler")
    for to in ("dirac", "hold", "jump")
    # through a synapse, an input during a tick and a jump after it are not always the same
    if kind != "cuba_lif" or (to != "jump" and (
        (port == "jump") == (to == "dirac") or method in ("euler", "exponential_euler")))
]  # fmt: skip


@pytest.mark.parametrize(("kind", "port", "method", "to"), CASES)
def test_a_reader_of_each_convention_gets_the_same_spikes(
    kind: str, port: str, method: str | None, to: str, tmp_path: Path
) -> None:
    path, net = tmp_path / "n.nir", network(kind, port, method)
    issues = nir.write(net, path, spikes=to)
    assert f"spikes={to}" in next(i.message for i in issues if i.where == "spikes")
    choices: dict[str, Any] = {"dt": DT, "integrator": method or "exact", "reset": "value"}
    plain = nir.read(path, metadata=False, spikes=to, comparison=">", delays="zero", **choices)
    equal(net, plain.network)
    assert nir.read(path).network.hash == net.hash


def test_the_trained_digits_read_as_nir_documents_spikes(tmp_path: Path) -> None:
    path, net = tmp_path / "n.nir", load(apps.path("digits"))
    issues = nir.write(net, path)
    label = next(i.message for i in issues if i.where == "spikes")
    for words in ("impulse of area 1", "spikes=dirac", "integrator=exact", "reset=value",
                  "delays=tick", "dt=0.001 s", "nir"):  # fmt: skip
        assert words in label
    assert nir.read(path).network.hash == net.hash
    with File(path, "r") as file:
        weights = file["node/nodes/hidden1->output/weight"][()]
    inner = net.projection("hidden1->output").connectivity
    assert isinstance(inner, Dense)
    assert np.allclose(weights, inner.weights * 0.01, rtol=1e-12)  # tau = 10 ms, r = 1
    plain = nir.read(path, metadata=False, source="nir", delays="tick", dt=1e-3).network
    equal(net, plain)
    for source in ("sinabs", "nengo", "norse"):
        nir.write(net, path, source=source)
        options = {"reset": "value", "comparison": ">", "spikes_per_tick": "one"}
        options |= {"delays": "tick", "integrator": "exact"}
        equal(net, nir.read(path, metadata=False, source=source, dt=1e-3, **options).network)


def test_a_convolution_of_unlike_neurons_gets_a_scale(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    conv = Conv(rng.uniform(-0.1, 0.4, (2, 1, 3, 3)), (1, 5, 5), padding=1)
    net = Network(
        populations=(
            Population(name="in", shape=(1, 5, 5)),
            Population(name="a", shape=(2, 5, 5), model=get("lif"),
                       parameters={"tau": rng.uniform(5e-3, 2e-2, 50)}),
        ),
        projections=(
            Projection(source="in", target="a", connectivity=conv, port="jump", delay=0.0),
        ),
        outputs=("a",), metadata={"dt": DT},
    )  # fmt: skip
    path = tmp_path / "n.nir"
    for to in ("dirac", "hold", "jump"):
        nir.write(net, path, spikes=to)
        plain = nir.read(path, metadata=False, source="nir", spikes=to, delays="zero", dt=DT)
        equal(net, plain.network)


def test_the_default_leaves_inputs_held_for_a_tick_as_they_are(tmp_path: Path) -> None:
    path, net = tmp_path / "n.nir", network("lif", "current", None)
    issues = nir.write(net, path)
    assert "spikes=hold" in next(i.message for i in issues if i.where == "spikes")
    with File(path, "r") as file:
        weights = file["node/nodes/in->a/weight"][()]
    inner = net.projection("in->a").connectivity
    assert isinstance(inner, Dense)
    assert np.array_equal(weights, inner.weights)


def test_a_changed_weight_is_read_in_the_unit_of_the_file(tmp_path: Path) -> None:
    path, net = tmp_path / "n.nir", network("lif", "jump", None)
    nir.write(net, path)
    with File(path, "r+") as file:
        file["node/nodes/in->a/weight"][3, 0] = 7
    changed = nir.read(path).network.projection("in->a").connectivity
    inner = net.projection("in->a").connectivity
    assert isinstance(changed, Dense)
    assert isinstance(inner, Dense)
    assert changed.weights[3, 0] == pytest.approx(7 * RS[3] / TAUS[3])
    assert np.allclose(changed.weights[:, 1:], inner.weights[:, 1:], rtol=1e-12)


def test_what_cannot_be_said_is_an_error(tmp_path: Path) -> None:
    path, net = tmp_path / "n.nir", network("lif", "jump", None).replace(metadata={})
    with pytest.raises(RanvierError, match=r"depend on dt.*--set dt=1ms"):
        nir.write(net, path, spikes="hold")
    nir.write(net, path, spikes="hold", dt="1 ms")
    with pytest.raises(RanvierError, match="no meaning for CubaLIF"):
        nir.write(network("cuba_lif", "jump", None), path, spikes="jump")
    issues = nir.write(network("cuba_lif", "jump", None), path, spikes="hold")
    assert any(i.severity == "approximate" and "same tick" in i.message for i in issues)

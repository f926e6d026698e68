"""Artificial networks as spiking ones: rounding, pools and folding in closed form; real models."""

# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportOptionalOperand=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportOperatorIssue=false
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier import sim
from ranvier.compile import compile
from ranvier.data import load
from ranvier.errors import RanvierError
from ranvier.events import Events

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from ranvier.learn import Neurons, Qcfs, convert, read_onnx, read_torch  # noqa: E402
from ranvier.learn._rate_neurons import rate_neuron  # noqa: E402

RNG = np.random.default_rng(0)


def samples(n: int, *shape: int) -> Any:
    return torch.from_numpy(RNG.random((n, *shape)).astype(np.float32))


def counts(found: Any, name: str, x: Any, ticks: int) -> Any:
    """Spikes of a population up to each tick, [T, B, n]."""
    flat = x.flatten(1)
    with torch.no_grad():
        out, _ = found.module()({"input": flat.expand(ticks, *flat.shape).contiguous()},
                                record=[name])  # fmt: skip
    return out[name].cumsum(0)


def test_counts_are_rounded_activations() -> None:
    """With a constant input z >= 0 the count after t ticks is floor(t*z + 1/2), at most t."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3))
    x = samples(40, 6)
    found = convert(model, x, method="max")
    top = found.scales["0"]
    z = model[1](model[0](x)).detach().double() / top
    ticks = 17
    seen = counts(found, "layer1", x, ticks + 1)[1:]  # it hears its input a tick later
    t = torch.arange(1, ticks + 1).view(-1, 1, 1)
    exact = t * z + 0.5
    near = (exact - exact.round()).abs() < 1e-3  # single precision may round the other way
    expected = torch.minimum(exact.floor(), t.double())
    assert torch.equal(seen[~near].double(), expected[~near])
    assert near.double().mean() < 0.05


@pytest.mark.parametrize("burst", [1, 3])
def test_signed_neurons_take_back_what_was_too_much(burst: int) -> None:
    """Charges of both signs, then silence: what a signed neuron has sent is the rounded sum, and 0
    where that is negative; one that is not signed has often sent more."""
    charge = torch.randn(40, 1, 200, generator=torch.Generator().manual_seed(7))
    quiet = torch.cat([charge, torch.zeros(80, 1, 200)])
    expected = torch.floor(charge.double().sum(0) + 0.5).clamp(min=0)
    sent: dict[bool, Any] = {}
    for signed in (False, True):
        cells = Neurons(rate_neuron(signed, burst), 200, 1e-3, dtype=torch.float64)
        start = cells.initial(1, quiet.double())
        start["v"] += 0.5
        out, _ = cells(quiet.double(), start)
        sent[signed] = out.sum(0)
    assert torch.equal(sent[True], expected)
    assert (sent[False] >= expected).all()
    assert (sent[False] > expected).double().mean() > 0.3


@pytest.mark.parametrize("signed", [False, True])
def test_rates_of_a_second_layer_are_its_activations(signed: bool) -> None:
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(2, 30), nn.ReLU(), nn.Linear(30, 25), nn.ReLU(),
                          nn.Linear(25, 3))  # fmt: skip
    x = samples(60, 2)
    found = convert(model, x, method="max", signed=signed, burst=4 if signed else 1)
    ticks = 64
    y = model[3](model[2](model[1](model[0](x)))).detach() / found.scales["2"]
    rate = counts(found, "layer2", x, ticks + 2)[-1] / ticks
    assert float((rate - y).abs().mean()) < (0.02 if signed else 0.05)
    assert float(y.mean()) > 0.1  # guessing 0 would not do


def test_a_max_pool_counts_the_largest_count() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Linear(27, 2))  # fmt: skip
    x = samples(5, 1, 6, 6)
    found = convert(model, x)
    before, after = (counts(found, n, x, 12) for n in ("layer1", "layer2"))
    pooled = nn.functional.max_pool2d(before.view(-1, 3, 6, 6), 2).view(12, 5, 27)
    assert torch.equal(after[1:], pooled[:-1])
    assert after.max() > 3


def test_folding_changes_nothing() -> None:
    torch.manual_seed(4)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), nn.BatchNorm2d(4), nn.ReLU(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 5), nn.BatchNorm1d(5),
    )  # fmt: skip
    with torch.no_grad():
        for p in model.modules():
            if isinstance(p, nn.BatchNorm1d | nn.BatchNorm2d):
                p.running_mean.normal_()
                p.running_var.uniform_(0.5, 2)
                p.weight.normal_()
                p.bias.normal_()
    model.eval()
    x = samples(7, 2, 8, 8)
    ann = read_torch(model, (2, 8, 8))
    assert len(ann.layers) == 3
    assert torch.allclose(ann.answers(x), model(x), atol=1e-5)


def test_quantised_activations_convert_into_as_many_steps() -> None:
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(4, 50), Qcfs(levels=8, bound=1.0), nn.Linear(50, 3))
    nn.init.normal_(model[2].weight)
    x = samples(300, 4)
    found = convert(model, x)
    curve = found.curve(x, model(x).argmax(1), ticks=8 + found.latency)
    assert len(set(model(x).argmax(1).tolist())) > 1
    assert curve.artificial == 1.0  # the labels are the network's own answers
    seen = counts(found, "layer1", x, 9)[-1]
    levels = model[1](model[0](x)).detach() * 8
    near = ((model[0](x).detach() * 8 + 0.5) % 1 - 0.5).abs() > 0.499
    assert torch.equal(seen[~near], levels.round()[~near])
    assert curve.accuracy[-1] == 1.0  # 8 ticks, and one for each layer


def test_the_simulator_says_the_same() -> None:
    torch.manual_seed(6)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))  # fmt: skip
    x = samples(1, 1, 6, 6)
    found = convert(model, x, method="max")
    ticks, n = 20, 36
    out, _ = found.outputs(x, ticks)
    events = Events(
        np.repeat(np.arange(ticks), n), np.tile(np.arange(n), ticks), n, ticks, found.dt,
        np.tile(x.flatten().numpy(), ticks),
    )  # fmt: skip
    program = compile(found.network, "ideal", dt=found.dt)
    recording = sim.run(program, {"input": events})
    seen = recording.output("output")
    last = np.zeros(3)
    last[seen.id] = seen.payload  # sorted by tick: the last of each stays
    np.testing.assert_allclose(last, out[-1, 0].numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("layers", "code", "words"),
    [
        ([nn.Linear(4, 4), nn.GELU()], "unsupported-layer", "1"),
        ([nn.Linear(4, 4), nn.Linear(4, 2)], "no-activation", "'0'"),
        ([nn.ReLU(), nn.Linear(4, 2)], "misplaced-activation", "'0'"),
        ([nn.BatchNorm1d(4), nn.Linear(4, 2)], "cannot-fold", "'0'"),
        ([nn.Linear(4, 2), nn.ReLU(), nn.AvgPool1d(2)], "no-readout", "PoolLayer"),
        ([nn.LSTM(4, 2)], "unsupported-layer", "LSTM"),
    ],
)
def test_what_cannot_be_converted_names_the_layer(layers: Any, code: str, words: str) -> None:
    with pytest.raises(RanvierError) as caught:
        convert(nn.Sequential(*layers), samples(3, 4))
    assert caught.value.issues[0].code == code
    assert words in str(caught.value)


class Residual(nn.Sequential):
    def forward(self, x: Any) -> Any:
        return x + super().forward(x)


class Doubled(nn.Linear):
    def forward(self, x: Any) -> Any:
        return 2 * super().forward(x)


@pytest.mark.parametrize("model", [
    Residual(nn.Linear(4, 4)), nn.Sequential(Doubled(4, 2)),
])  # fmt: skip
def test_a_module_that_computes_something_else_is_refused(model: Any) -> None:
    model.train()
    with pytest.raises(RanvierError) as caught:
        convert(model, samples(20, 4))
    assert caught.value.issues[0].code == "not-a-chain"
    assert model.training


def onnx_chain(path: Path, nodes: Any, shape: Any, result: Any, constants: Any) -> Path:
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node(*n[:3], **(n[3] if len(n) > 3 else {})) for n in nodes], "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, result)],
        [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph), path)
    return path


@pytest.mark.parametrize(
    ("nodes", "constants", "words"),
    [
        ([("Gemm", ["x", "a"], ["h"]), ("Softmax", ["h"], ["s"]), ("Relu", ["s"], ["y"])],
         {"a": np.ones((6, 6))}, "last"),
        ([("MaxPool", ["x"], ["y"], {"kernel_shape": [2, 2], "dilations": [2, 2]})], {}, "skips"),
        ([("Add", ["x", "b"], ["y"])], {"b": np.ones(6)}, "channel"),
        ([("Add", ["x", "b"], ["y"])], {"b": np.ones((1, 1, 6, 1))}, "channel"),
        ([("MatMul", ["x", "a"], ["y"])], {"a": np.ones((6, 3))}, "fit"),
    ],
)  # fmt: skip
def test_onnx_that_means_something_else_is_refused(
    tmp_path: Path, nodes: Any, constants: Any, words: str
) -> None:
    shape = [1, 6] if nodes[0][0] == "Gemm" else [1, 6, 6, 6]
    path = onnx_chain(tmp_path / "n.onnx", nodes, shape, [1, 6], constants)
    with pytest.raises(RanvierError, match=words):
        read_onnx(path)


def test_bad_samples_and_files(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 2))
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (samples(0, 4), {}, "no-samples"),
        (samples(3, 5), {"shape": (4,)}, "sample-shape"),
        (torch.full((2, 4), float("nan")), {}, "not-finite"),
        (samples(2, 4), {"method": "most"}, "unknown-method"),
        (samples(2, 4), {"burst": 0}, "bad-burst"),
        (samples(2, 4), {"percentile": 0}, "bad-percentile"),
    ]
    for x, options, code in cases:
        with pytest.raises(RanvierError) as caught:
            convert(model, x, **options)
        assert caught.value.issues[0].code == code
    pytest.importorskip("onnx")
    with pytest.raises(RanvierError, match="does not exist"):
        read_onnx(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no network at all")
    with pytest.raises(RanvierError, match="ONNX"):
        read_onnx(tmp_path / "bad.onnx")


@pytest.mark.parametrize("name", ["mnist-8", "mnist-8-opt_wonnx"])
def test_mnist_stays_within_0_3_points_at_32_steps(name: str, shared_data: Path) -> None:
    pytest.importorskip("onnx")
    train, test = (load(f"mnist:{shared_data / 'mnist/dev'}", part) for part in ("train", "test"))
    x, y = test.x[:1000, None].astype(np.float32), test.y[:1000]
    path = shared_data / "models" / "onnx" / f"{name}.onnx"
    found = convert(path, train.x[:300, None].astype(np.float32))
    curve = found.curve(x, y, ticks=32)
    assert curve.artificial > 0.98
    assert curve.accuracy[-1] >= curve.artificial - 0.003


REFUSED = {
    "light_squeezenet", "squeezenet_cifar10", "test_BatchNorm2d_eval", "test_ReLU",
}  # fmt: skip
"""Networks that branch, and single nodes that are no network."""


def test_every_onnx_file_is_read_or_refused(shared_data: Path) -> None:
    pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    refused: set[str] = set()
    files = sorted((shared_data / "models" / "onnx").rglob("*.onnx"))
    assert len(files) > 10
    for path in files:
        try:
            ann = read_onnx(path)
        except RanvierError:
            refused.add(path.stem if path.stem != "model" else path.parent.name)
            continue
        torch.manual_seed(0)
        x = torch.rand(4, *ann.shape)
        evaluator = ReferenceEvaluator(str(path))
        given = evaluator.proto_.graph.input[0]
        sizes = [d.dim_value for d in given.type.tensor_type.shape.dim]
        for k in range(4):
            value = x[k].reshape([1, *sizes[1:]]).numpy()
            theirs = np.asarray(evaluator.run(None, {given.name: value})[0]).reshape(-1)
            mine = ann.answers(x[k : k + 1]).flatten()
            if abs(theirs.sum() - 1) < 1e-4 and theirs.min() >= 0:  # a softmax at the end
                mine = torch.softmax(mine, 0)
            np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-3, atol=1e-4)
    assert refused == REFUSED

"""A trained artificial network as spiking neurons that carry its activations as rates.

Weights and biases are scaled so that the largest activation of a layer (or channel) is one spike a
tick (Diehl et al. 2015, IJCNN; a percentile of it: Rueckauer et al. 2017, Front. Neurosci. 11:682),
the reset subtracts the threshold so that no charge is lost, potentials begin at half the threshold
so that counts are rounded instead of cut off (Bu et al. 2022, ICLR), and inputs are numbers that
arrive anew at every tick. A max pool is a neuron that spikes when the largest of its sources'
counts grows, so that its own count is that maximum, exactly, one tick later.

Every layer hears the one before a tick later. A population "one" that fires at every tick brings
the biases, each with the delay of its layer, so that no layer begins before its input is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ranvier.errors import fail, unknown
from ranvier.learn._ann import Affine, Ann, PoolLayer, Reshaped
from ranvier.learn._ann_onnx import read_onnx
from ranvier.learn._ann_torch import read_torch
from ranvier.learn._module import Module
from ranvier.learn._rate_neurons import max_neuron, rate_neuron
from ranvier.network import Conv, Dense, Network, Pool, Population, Projection
from ranvier.neurons import NeuronModel, get

__all__ = ["Conversion", "Curve", "convert"]

METHODS = ("max", "percentile", "channel")
ONE = "one"


@dataclass(frozen=True)
class Curve:
    """Accuracy of the spiking network after every tick, beside that of the artificial one.

    ``accuracy`` [ticks]; ``spikes``: mean number of spikes a sample, input not counted.
    """

    artificial: float
    accuracy: NDArray[np.float64]
    spikes: float
    samples: int

    def steps_within(self, points: float) -> int | None:
        """After how many ticks the accuracy is, and stays, within ``points`` per cent."""
        good = self.accuracy >= self.artificial - points / 100 - 1e-12
        bad = np.flatnonzero(~good)
        first = int(bad[-1]) + 2 if bad.size else 1
        return first if first <= good.size else None

    def __str__(self) -> str:
        rows = [f"artificial {self.artificial:.2%}, {self.samples} samples"]
        rows[0] += f", {self.spikes:.0f} spikes each"
        at = sorted({*(2**k for k in range(12)), self.accuracy.size})
        rows += [f"{t:5d} ticks {self.accuracy[t - 1]:.2%}" for t in at if t <= self.accuracy.size]
        return "\n".join(rows)


@dataclass(frozen=True)
class Conversion:
    """``network``: the spiking one; ``ann``: what was read; ``scales``: the activation of each
    spiking layer that is one spike a tick (a number, or one a channel)."""

    network: Network
    ann: Ann
    scales: dict[str, Any] = field(repr=False)
    dt: float = 1e-3
    latency: int = 0

    def module(self) -> Module:
        """The network for torch: input [T, B, n] of numbers, output the summed potentials."""
        return Module(self.network, self.dt)

    @torch.no_grad()
    def outputs(
        self, x: ArrayLike, ticks: int, *, batch: int = 100, module: Module | None = None
    ) -> tuple[Tensor, float]:
        """Potentials of the output [T, n, classes] for samples ``x`` and mean spikes a sample."""
        samples = _samples(self.ann, x)
        if ticks < 1:
            raise fail("bad-ticks", "conversion", "needs at least one tick", got=ticks)
        module, found, spikes = module or self.module(), [], 0.0
        hidden = [p.name for p in self.network.populations if p.model and p.name != ONE]
        output = self.network.outputs[0]
        for part in samples.split(batch):
            flat = part.flatten(1)
            given = {"input": flat.expand(ticks, *flat.shape).contiguous()}
            out, _ = module(given, record=hidden)
            found.append(out[output])
            spikes += sum(float(v.abs().sum()) for n, v in out.items() if n != output)
        return torch.cat(found, 1), spikes / max(1, len(samples))

    def curve(self, x: ArrayLike, labels: ArrayLike, ticks: int = 32, *, batch: int = 100) -> Curve:
        """Accuracy after each of ``ticks`` on samples ``x`` [n, *shape] with ``labels`` [n]."""
        truth = labels if isinstance(labels, Tensor) else torch.as_tensor(np.array(labels))
        samples = _samples(self.ann, x)
        if not len(samples) or batch < 1:
            raise fail("no-samples", "conversion", "needs samples, and a batch of at least one")
        if truth.shape != (len(samples),):
            raise fail("labels-shape", "conversion", "needs one label a sample",
                       got=tuple(truth.shape), limit=f"({len(samples)},)")  # fmt: skip
        module, right = self.module(), torch.zeros(ticks)
        spikes = 0.0
        for a in range(0, len(samples), batch):
            part = samples[a : a + batch]
            out, each = self.outputs(part, ticks, batch=batch, module=module)
            right += (out.argmax(2) == truth[a : a + batch]).sum(1)
            spikes += each * out.shape[1]
        artificial = float((self.ann.answers(samples).argmax(1) == truth).double().mean())
        n = len(samples)
        return Curve(artificial, right.double().numpy() / n, spikes / n, n)


def convert(
    model: nn.Module | str | Path | Ann,
    x: ArrayLike,
    *,
    shape: Sequence[int] | None = None,
    method: Literal["max", "percentile", "channel"] = "channel",
    percentile: float = 99.9,
    signed: bool = False,
    burst: int = 1,
    dt: float = 1e-3,
) -> Conversion:
    """A torch module, or an ONNX file, as a spiking network.

    ``x`` [n, *shape]: samples to measure activations on, scaled as the network expects them
    (a few hundred of the training part). ``method``: the activation that becomes one spike a tick
    is the layer's largest, its ``percentile``, or the percentile of each channel. A :class:`Qcfs`
    layer brings its own. ``signed`` neurons take spikes back that were too many; ``burst`` is the
    most spikes of a tick. Raises RanvierError with the name of a layer that has no counterpart.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS, where="convert")
    if not 0 < percentile <= 100:
        raise fail("bad-percentile", "convert", "must be above 0 and at most 100", got=percentile)
    if not isinstance(burst, int) or not 1 <= burst <= 1024:
        raise fail("bad-burst", "convert", "must be a whole number from 1", got=burst)
    if not (isinstance(dt, int | float) and 0 < dt < float("inf")):
        raise fail("bad-dt", "convert", "must be a positive number of seconds", got=dt)
    if isinstance(model, nn.Module):
        size = shape if shape is not None else tuple(x.shape[1:] if isinstance(x, Tensor)
                                                     else np.asarray(x).shape[1:])  # fmt: skip
        ann = read_torch(model, size, type(model).__name__.lower())
    else:
        ann = model if isinstance(model, Ann) else read_onnx(model)
    samples = _samples(ann, x)
    if not len(samples):
        raise fail("no-samples", "convert", "needs samples to measure activations on")
    if isinstance(model, nn.Module):
        _compare(model, ann, samples[:8])
    share = 100.0 if method == "max" else percentile
    return _Builder(ann, _model_of(signed, burst), dt).build(samples, share, method == "channel")


@torch.no_grad()
def _compare(model: nn.Module, ann: Ann, samples: Tensor) -> None:
    """Refuse a module that does something else than its layers one after the other."""
    modes = {m: m.training for m in model.modules()}
    try:
        model.eval()
        theirs = model(samples).flatten(1).double()
    finally:
        for one, training in modes.items():
            one.training = training
    mine = ann.answers(samples).double()
    alike = theirs.shape == mine.shape
    if not alike or float((theirs - mine).abs().max()) > 1e-4 * (1e-3 + float(theirs.abs().max())):
        raise fail(
            "not-a-chain", ann.name, "computes something else than its layers one after the other",
            got=f"{float((theirs - mine).abs().max()):.3g} apart" if alike else "other outputs",
            hint="write it as torch.nn.Sequential of plain layers",
        )  # fmt: skip


def _model_of(signed: bool, burst: int) -> tuple[NeuronModel, str, dict[str, Any]]:
    model = rate_neuron(signed, burst)
    return (
        (model, "jump", {"v_threshold": 1.0}) if model.output == "spike" else (model, "input", {})
    )


def _samples(ann: Ann, x: ArrayLike) -> Tensor:
    values = x if isinstance(x, Tensor) else torch.from_numpy(np.array(x, np.float32))
    values = values.detach().float()
    if values.ndim < 2 or int(np.prod(values.shape[1:])) != int(np.prod(ann.shape)):
        raise fail("sample-shape", ann.name, "the samples have another shape",
                   got=tuple(values.shape[1:]), limit=ann.shape)  # fmt: skip
    if not bool(torch.isfinite(values).all()):
        raise fail("not-finite", ann.name, "a sample has a value that is no number")
    return values.reshape(-1, *ann.shape)


class _Builder:
    """Layer by layer."""

    def __init__(self, ann: Ann, cell: tuple[NeuronModel, str, dict[str, Any]], dt: float) -> None:
        self.ann, self.dt = ann, dt
        self.model, self.port, self.parameters = cell
        self.populations = [Population(name="input", shape=ann.shape, signal="graded")]
        self.projections: list[Projection] = []
        self.scales: dict[str, Any] = {}

    def build(self, samples: Tensor, share: float, by_channel: bool) -> Conversion:
        """The network, with activations measured on ``samples``."""
        tops = _tops(self.ann, samples, share, by_channel)
        shapes, depth = self.ann.shapes, 0
        computing = [k for k, one in enumerate(self.ann.layers) if not isinstance(one, Reshaped)]
        if not computing:
            raise fail("no-readout", self.ann.name, "has no layer that computes anything")
        last = computing[-1]
        if not isinstance(self.ann.layers[last], Affine):
            raise fail("no-readout", self.ann.name, "the last layer must be linear",
                       got=type(self.ann.layers[last]).__name__)  # fmt: skip
        name, shape, scale = "input", self.ann.shape, torch.ones(1)
        count = 0
        for k, layer in enumerate(self.ann.layers):
            if isinstance(layer, Reshaped):
                shape = layer.shape
                scale = _spread(scale, shape, layer.name)
                continue
            depth += 1
            count += 1
            new = "output" if k == last else f"layer{count}"
            if isinstance(layer, PoolLayer):
                self._pool(layer, name, new, shape, shapes[k], scale)
            elif not isinstance(layer, Affine):
                raise TypeError("a chain is read without normalisations")
            elif k < last and layer.activation == "none":
                raise fail("no-activation", f"{self.ann.name}, layer {layer.name!r}",
                           "a linear layer needs an activation before the next",
                           hint="merge the two, or put a ReLU between")  # fmt: skip
            else:
                top = torch.ones(1) if k == last else tops[k]
                self._affine(layer, name, new, shape, shapes[k], scale, top, depth, k == last)
                scale = top
                self.scales[layer.name] = top.tolist() if top.numel() > 1 else float(top)
            name, shape = new, shapes[k]
        drive = 1.5 / self.dt  # every tick crosses the threshold of 1
        if any(p.source == ONE for p in self.projections):
            parameters = {"bias": drive, "v_threshold": 1.0}
            self.populations.append(
                Population(name=ONE, shape=(1,), model=get("if"), parameters=parameters)
            )
        network = Network(
            name=_plain(self.ann.name), populations=tuple(self.populations),
            projections=tuple(self.projections), outputs=("output",),
        )  # fmt: skip
        return Conversion(network, self.ann, self.scales, self.dt, depth)

    def _affine(
        self, layer: Affine, source: str, name: str, shape: tuple[int, ...],
        result: tuple[int, ...], scale: Tensor, top: Tensor, depth: int, last: bool,
    ) -> None:  # fmt: skip
        weight = layer.weight.double()
        own = top.double().view(-1, *[1] * (weight.ndim - 1))
        weight = weight * _incoming(layer, scale.double(), shape) / own
        connectivity: Any
        if layer.is_conv:
            connectivity = Conv(
                weight.numpy(), shape, stride=layer.stride, padding=layer.padding,
                dilation=layer.dilation, groups=layer.groups,
            )  # fmt: skip
        else:
            connectivity = Dense(weight.numpy())
        parameters, initial, port, model = self.parameters, {"v": 0.5}, self.port, self.model
        if last:
            parameters, initial, port, model = {}, {}, "jump", get("integrator")
        self._add(source, name, result, model, port, connectivity, parameters, initial)
        bias = (layer.bias.double() / top.double().reshape(-1)).numpy()
        each = np.repeat(bias, int(np.prod(result)) // bias.size)
        if each.any():
            self.projections.append(
                Projection(source=ONE, target=name, port=port, name=f"bias_{name}",
                           connectivity=Dense(each[:, None]), delay=depth * self.dt)
            )  # fmt: skip

    def _pool(
        self, layer: PoolLayer, source: str, name: str, shape: tuple[int, ...],
        result: tuple[int, ...], scale: Tensor,
    ) -> None:  # fmt: skip
        if layer.kind == "average":
            pool = Pool(shape, layer.kernel, stride=layer.stride, padding=layer.padding,
                        mode="average")  # fmt: skip
            self._add(source, name, result, self.model, self.port, pool, self.parameters,
                      {"v": 0.5})  # fmt: skip
            return
        if scale.numel() > 1 and scale.numel() != shape[0]:
            raise fail("mixed-scales", f"{self.ann.name}, layer {layer.name!r}",
                       "a max pool needs one scale a channel",
                       hint="use method='percentile'")  # fmt: skip
        if any(low or high for low, high in layer.padding):
            raise fail("unsupported-layer", f"{self.ann.name}, layer {layer.name!r}",
                       "is a max pool with padding", hint="train without the padding")  # fmt: skip
        cells = int(np.prod(layer.kernel))
        if cells > 16:
            raise fail("unsupported-layer", f"{self.ann.name}, layer {layer.name!r}",
                       "is a max pool over many cells", got=cells, limit=16,
                       hint="use an average pool")  # fmt: skip
        self.populations.append(Population(name=name, shape=result, model=max_neuron(cells)))
        for k in range(cells):  # a kernel that picks one cell of every window
            pick = np.zeros((shape[0], 1, cells))
            pick[:, :, k] = 1.0
            one = Conv(pick.reshape(shape[0], 1, *layer.kernel), shape, stride=layer.stride,
                       groups=shape[0])  # fmt: skip
            self.projections.append(
                Projection(source=source, target=name, port=f"n{k + 1}", name=f"{name}_{k + 1}",
                           connectivity=one, delay=self.dt)
            )  # fmt: skip

    def _add(
        self, source: str, name: str, shape: tuple[int, ...], model: NeuronModel, port: str,
        connectivity: Any, parameters: dict[str, Any], initial: dict[str, Any],
    ) -> None:  # fmt: skip
        self.populations.append(
            Population(name=name, shape=shape, model=model, parameters=parameters, initial=initial)
        )
        self.projections.append(
            Projection(source=source, target=name, port=port, connectivity=connectivity,
                       delay=self.dt)
        )  # fmt: skip


def _tops(ann: Ann, samples: Tensor, share: float, by_channel: bool) -> dict[int, Tensor]:
    """The activation of each layer that is to be one spike a tick."""
    wanted = [k for k, one in enumerate(ann.layers) if isinstance(one, Affine)]
    largest: dict[int, Tensor] = {}
    for part in samples.split(100):
        for k, y in enumerate(ann.run(part)):
            if k not in wanted:
                continue
            rows = y.transpose(0, 1).flatten(1) if by_channel else y.reshape(1, -1)
            above = _above(share, rows.shape[1] // len(part) * len(samples))
            rows = torch.cat([largest[k], rows], 1) if k in largest else rows
            largest[k] = rows.topk(min(rows.shape[1], above + 1), 1).values
    found: dict[int, Tensor] = {}
    for k in wanted:
        layer = ann.layers[k]
        assert isinstance(layer, Affine)
        top = torch.tensor([layer.bound]) if layer.levels else largest[k][:, -1]
        found[k] = torch.where(top > 0, top, torch.ones_like(top))  # silent: any scale will do
    return found


def _above(share: float, count: int) -> int:
    """How many of ``count`` values may lie above the percentile."""
    return int((1 - share / 100) * count)


def _incoming(layer: Affine, scale: Tensor, shape: tuple[int, ...]) -> Tensor:
    """What one spike of each source stands for, in the shape of the weights."""
    if scale.numel() == 1:
        return scale.reshape([1] * layer.weight.ndim)
    if not layer.is_conv:
        return scale.repeat_interleave(int(np.prod(shape)) // scale.numel()).view(1, -1)
    rest = [1] * (layer.weight.ndim - 2)
    if layer.groups == 1:
        return scale.view(1, -1, *rest)
    groups = scale.view(layer.groups, 1, -1).expand(-1, len(layer.weight) // layer.groups, -1)
    return groups.reshape(len(layer.weight), -1, *rest)


def _spread(scale: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
    """Scales by channel after the channels were laid out in another way."""
    if scale.numel() == 1 or shape[0] == scale.numel() or len(shape) == 1:
        return scale
    raise fail("mixed-scales", f"layer {name!r}", "mixes channels that have scales of their own",
               hint="use method='percentile'")  # fmt: skip


def _plain(name: str) -> str:
    import re

    return re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:100] or "converted"

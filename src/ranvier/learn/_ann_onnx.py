"""Chains of layers from ONNX files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ranvier.errors import RanvierError, fail
from ranvier.learn._ann import Affine, Ann, Layer, Pairs, PoolLayer, Reshaped, Scale, before, folded

__all__ = ["read_onnx"]

RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout")
LAST = ("Softmax", "LogSoftmax")
"""Do not change which answer is largest."""


def read_onnx(path: str | Path) -> Ann:
    """The network in an ONNX file, if its layers run one after the other.

    Raises RanvierError when the ``onnx`` package is missing, the file is damaged or a node has no
    counterpart (with its name).
    """
    try:
        import onnx
    except ImportError:
        raise fail("no-onnx", str(path), "reading ONNX files needs the onnx package",
                   hint='pip install "ranvier[onnx]"') from None  # fmt: skip
    try:
        model = onnx.load(str(path))
    except FileNotFoundError:
        raise fail("no-such-file", str(path), "does not exist", hint="check the path") from None
    except Exception as error:  # onnx and protobuf raise a dozen kinds
        raise fail("bad-onnx", str(path), "is not an ONNX file",
                   got=f"{type(error).__name__}: {str(error)[:120]}") from None  # fmt: skip
    graph = model.graph
    known = {t.name: _tensor(t) for t in graph.initializer}
    inputs = [i for i in graph.input if i.name not in known]
    if len(inputs) != 1:
        raise fail("not-a-chain", str(path), f"has {len(inputs)} inputs", limit="one")
    sizes = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
    if len(sizes) < 2 or min(sizes[1:]) < 1:
        raise fail("unknown-shape", str(path), "the input has no fixed shape", got=sizes)
    reader = _Reader(str(path), known, tuple(sizes[1:]))
    for node in graph.node:
        given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        reader.node(node.op_type, node.name or node.output[0], [*node.input], [*node.output], given)
    return Ann(Path(path).stem, reader.first, folded(reader.layers, str(path)))


def _tensor(stored: Any) -> Tensor:
    from onnx import numpy_helper

    return torch.from_numpy(np.array(numpy_helper.to_array(stored)))


class _Reader:
    """One node after the other; constants are computed, the rest becomes layers."""

    def __init__(self, where: str, known: dict[str, Tensor], shape: tuple[int, ...]) -> None:
        self.where, self.known, self.first = where, known, shape
        self.now = ""
        self.shape = shape
        self.layers: list[Layer] = []
        self.ended = ""

    def refuse(self, op: str, name: str, why: str, got: Any = None) -> RanvierError:
        more = {} if got is None else {"got": got}
        return fail("unsupported-layer", f"{self.where}, node {name!r} ({op})", why, **more,
                    hint="export a chain of linear layers, ReLU and pools")  # fmt: skip

    def node(
        self, op: str, name: str, inputs: list[str], outputs: list[str], given: dict[str, Any]
    ) -> None:
        """Read one node."""
        constants = [self.known[i] for i in inputs if i in self.known]
        signals = [i for i in inputs if i and i not in self.known]
        if op == "Constant":
            from onnx import numpy_helper

            self.known[outputs[0]] = torch.from_numpy(
                np.array(numpy_helper.to_array(given["value"]))
            )
            return
        if not signals:
            self.known[outputs[0]] = self._constant(op, name, constants, given)
            return
        if len(signals) > 1 or (self.now and signals[0] != self.now):
            raise fail("not-a-chain", f"{self.where}, node {name!r} ({op})",
                       "only layers that run one after the other can be converted",
                       got=", ".join(signals))  # fmt: skip
        self._signal(op, name, constants, given, first=inputs[0] == signals[0])
        self.now = outputs[0]

    def _constant(
        self, op: str, name: str, constants: list[Tensor], given: dict[str, Any]
    ) -> Tensor:
        if op == "Reshape":
            return constants[0].reshape([int(n) for n in constants[1]])
        if op == "Transpose":
            axes = given.get("perm") or list(range(constants[0].ndim))[::-1]
            return constants[0].permute(*axes)
        if op == "Identity":
            return constants[0]
        raise self.refuse(op, name, "computes a constant in a way that is not read")

    def _signal(
        self, op: str, name: str, constants: list[Tensor], given: dict[str, Any], *, first: bool
    ) -> None:
        if self.ended:
            raise self.refuse(self.ended, name, "may only be the last node")
        if op in LAST:
            self.ended = op
            return
        if op in RESHAPES:
            self._reshape(op, name, constants, given)
        elif op == "Relu":
            self.layers[:] = folded(self.layers, self.where)
            at = before(self.layers)
            last = self.layers[at] if at >= 0 else None
            if not isinstance(last, Affine) or last.activation != "none":
                raise self.refuse(op, name, "an activation must follow a linear layer")
            self.layers[at] = replace(last, activation="relu")
        elif op == "Conv":
            weight = constants[0].float()
            bias = constants[1].float() if len(constants) > 1 else weight.new_zeros(len(weight))
            axes = weight.ndim - 2
            stride = tuple(given.get("strides", [1] * axes))
            dilation = tuple(given.get("dilations", [1] * axes))
            padding = self._padding(given, tuple(weight.shape[2:]), stride, dilation)
            self._add(Affine(name, weight, bias, stride, padding, dilation, given.get("group", 1)))
        elif op == "Gemm":
            if not first or given.get("transA", 0) or given.get("alpha", 1.0) != 1.0:
                raise self.refuse(op, name, "is a product of another kind", given)
            weight = constants[0].float()
            weight = weight if given.get("transB", 0) else weight.T.contiguous()
            bias = constants[1].float() if len(constants) > 1 else weight.new_zeros(len(weight))
            self._add(Affine(name, weight, bias.reshape(-1) * given.get("beta", 1.0)))
        elif op == "MatMul":
            if not first or constants[0].ndim != 2:
                raise self.refuse(op, name, "is a product of another kind")
            weight = constants[0].float().T.contiguous()
            self._add(Affine(name, weight, weight.new_zeros(len(weight))))
        elif op in ("Add", "Sub", "Mul", "Div"):
            self._arithmetic(op, name, constants[0].float(), first)
        elif op == "BatchNormalization":
            scale, offset, mean, var = (c.float() for c in constants)
            factor = scale * torch.rsqrt(var + given.get("epsilon", 1e-5))
            self._add(Scale(name, factor, offset - mean * factor))
        elif op in ("MaxPool", "AveragePool", "GlobalAveragePool"):
            kernel = tuple(given.get("kernel_shape", self.shape[1:]))
            stride = tuple(given.get("strides", [1] * len(kernel)))
            if op == "GlobalAveragePool":
                stride = kernel
            if given.get("ceil_mode") or any(d != 1 for d in given.get("dilations", ())):
                raise self.refuse(op, name, "rounds sizes up, or skips cells")
            padding = self._padding(given, kernel, stride, (1,) * len(kernel))
            if (
                op == "AveragePool"
                and any(a or b for a, b in padding)
                and not given.get("count_include_pad")
            ):
                raise self.refuse(op, name, "leaves the padding out of its averages")
            self._add(
                PoolLayer(name, "max" if op == "MaxPool" else "average", kernel, stride, padding)
            )
        else:
            raise self.refuse(op, name, "has no counterpart in spikes")

    def _add(self, layer: Layer) -> None:
        if isinstance(layer, Affine) and layer.is_conv and len(self.shape) != layer.weight.ndim - 1:
            raise self.refuse("Conv", layer.name, "the shapes do not fit", self.shape)
        try:
            shape = Ann("", self.shape, (layer,)).shapes[0]
        except (RuntimeError, KeyError, ValueError) as error:
            raise self.refuse(type(layer).__name__, layer.name, "does not fit what it is given",
                              f"{self.shape}: {str(error)[:80]}") from None  # fmt: skip
        self.layers.append(layer)
        self.shape = shape

    def _reshape(self, op: str, name: str, constants: list[Tensor], given: dict[str, Any]) -> None:
        example = torch.empty(1, *self.shape, device="meta")
        axes = given.get("axes") or ([int(a) for a in constants[0]] if constants else None)
        if op == "Reshape":
            sizes = [int(n) for n in constants[0]]
            # a file made for one sample says 1 where it means the batch
            example = example.reshape([1, *sizes[1:]] if sizes[0] in (0, -1, 1) else sizes)
        elif op == "Flatten":
            example = example.flatten(1)
        elif op == "Squeeze" and axes is not None:
            for axis in sorted(axes, reverse=True):
                example = example.squeeze(axis)
        elif op == "Unsqueeze" and axes is not None:
            for axis in sorted(axes):
                example = example.unsqueeze(axis)
        shape = tuple(example.shape[1:])
        if shape == self.shape:
            return
        self.shape = shape
        if self.layers:
            self.layers.append(Reshaped(name, shape))
        else:
            self.first = shape

    def _arithmetic(self, op: str, name: str, value: Tensor, first: bool) -> None:
        if not first and op in ("Sub", "Div"):
            raise self.refuse(op, name, "takes the signal from a constant, or divides one by it")
        channels = self.shape[0]
        flat = value.reshape(-1)
        # shapes are aligned at their last axes; all but the channels' must be 1, the batch's too
        sizes = (1,) * max(0, len(self.shape) - value.ndim) + tuple(value.shape)
        wanted = (channels, *(1,) * (len(self.shape) - 1))
        by_channel = sizes in (wanted, (1, *wanted))
        if flat.numel() == 1:
            flat, by_channel = flat.expand(channels), True
        if not by_channel:
            raise self.refuse(op, name, "is not one number for every channel", tuple(value.shape))
        one, zero = torch.ones(channels), torch.zeros(channels)
        pairs = {
            "Add": (one, flat),
            "Sub": (one, -flat),
            "Mul": (flat, zero),
            "Div": (1 / flat, zero),
        }
        self._add(Scale(name, *pairs[op]))

    def _padding(
        self, given: dict[str, Any], kernel: tuple[int, ...], stride: tuple[int, ...],
        dilation: tuple[int, ...],
    ) -> Pairs:  # fmt: skip
        axes = len(kernel)
        auto = given.get("auto_pad", b"NOTSET").decode()
        if auto in ("NOTSET", "VALID"):
            pads = given.get("pads", [0] * 2 * axes) if auto == "NOTSET" else [0] * 2 * axes
            return tuple((pads[k], pads[k + axes]) for k in range(axes))
        found: list[tuple[int, int]] = []
        for n, k, s, d in zip(self.shape[1:], kernel, stride, dilation, strict=True):
            total = max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
            small, large = total // 2, total - total // 2
            found.append((small, large) if auto == "SAME_UPPER" else (large, small))
        return tuple(found)

"""Modules of other torch libraries, neuron by neuron, in each library's own order of operations.

Nothing of them is imported: a neuron is known by its class and read through its attributes
(snnTorch 1.0, SpikingJelly 2.0). The equations are written so that single precision gives the same
bits; where a library resets a tick late, so do they.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from ranvier.errors import Issue, fail
from ranvier.learn._ann_torch import leaves
from ranvier.learn._neurons import Neurons
from ranvier.neurons import NeuronModel, Parameter, Port, Surrogate

__all__ = ["Chain", "import_torch"]

LAYERS = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.AvgPool1d, nn.AvgPool2d, nn.MaxPool1d, nn.MaxPool2d,
    nn.BatchNorm1d, nn.BatchNorm2d, nn.Flatten, nn.Dropout, nn.Dropout2d, nn.Identity,
)  # fmt: skip
"""What stays as it is. Libraries derive theirs from these, with steps of their own."""


def _model(
    name: str, source: str, equations: Sequence[str], parameters: Sequence[str],
    threshold: str, reset: Sequence[str] = (), initial: Mapping[str, str] | None = None,
) -> NeuronModel:  # fmt: skip
    return NeuronModel(
        name=name, source=source, equations=tuple(f"{e} : 1" for e in equations),
        parameters=tuple(Parameter(name=p, unit="1") for p in parameters),
        ports=(Port(name="input", variable="x", kind="hold", unit="1", doc="one tick's input"),),
        threshold=threshold, reset=tuple(reset), initial=dict(initial or {}),
    )  # fmt: skip


SNNTORCH = "snnTorch 1.0, snntorch/_neurons"
SPIKINGJELLY = "SpikingJelly 2.0, activation_based/functional/neuron.py"
FIRED = "where(mem > threshold, 1.0, 0.0)"
"""snnTorch resets at the tick after, by the potential it kept."""


@dataclass(frozen=True)
class _Read:
    """A neuron of a library: its model, parameters, and whether its reset has a gradient."""

    model: NeuronModel
    parameters: Mapping[str, Any]
    detach_reset: bool
    label: str


def _number(value: Any) -> Any:
    plain = value.detach().cpu().double().numpy() if isinstance(value, Tensor) else value
    array = np.asarray(plain, np.float64)
    return float(array) if array.ndim == 0 or array.size == 1 else array.reshape(-1)


def _clamped(value: Any) -> Any:
    number = np.clip(_number(value), 0.0, 1.0)
    return float(number) if np.ndim(number) == 0 else number


def _snntorch(path: str, one: Any) -> _Read:
    kind = type(one).__name__
    if kind not in ("Leaky", "Synaptic"):
        raise _unknown(path, one, "Leaky, Synaptic")
    for name in ("state_quant", "inhibition"):
        if getattr(one, name, False):
            raise fail("unsupported-option", f"layer {path!r}", f"uses {name}",
                       hint=f"build it without {name}")  # fmt: skip
    if not getattr(one, "reset_delay", True):
        raise fail("unsupported-option", f"layer {path!r}", "resets within the tick",
                   hint="build it with reset_delay=True")  # fmt: skip
    if float(getattr(one, "graded_spikes_factor", 1.0)) != 1.0:
        raise fail("unsupported-option", f"layer {path!r}", "sends graded spikes",
                   hint="build it with graded_spikes_factor=1")  # fmt: skip
    reset = {0: "subtract", 1: "zero", 2: "none"}[int(one.reset_mechanism_val)]
    if kind == "Leaky":
        kept = f"((1.0 - {FIRED})*mem)" if reset == "zero" else "mem"
        base, syn = f"beta*{kept} + x", []
    else:
        base, syn = "beta*mem + syn[n+1]", ["syn[n+1] = alpha*syn + x"]
    right = {
        "subtract": f"{base} - {FIRED}*threshold", "none": base,
        "zero": base if kind == "Leaky" else f"{base} - {FIRED}*({base})",
    }[reset]  # fmt: skip
    given = {"beta": _clamped(one.beta), "threshold": _number(one.threshold)}
    names = ["beta", "threshold"]
    if syn:
        given["alpha"] = _clamped(one.alpha)
        names.insert(0, "alpha")
    model = _model(f"snntorch_{kind.lower()}_{reset}", SNNTORCH, [*syn, f"mem[n+1] = {right}"],
                   names, "mem > threshold")  # fmt: skip
    return _Read(model, given, True, f"snnTorch {kind}, reset {reset}, a tick late")


def _spikingjelly(path: str, one: Any) -> _Read:
    kind = type(one).__name__
    if kind not in ("IFNode", "LIFNode", "ParametricLIFNode"):
        raise _unknown(path, one, "IFNode, LIFNode, ParametricLIFNode")
    hard = one.v_reset is not None
    given: dict[str, Any] = {"v_threshold": float(one.v_threshold), "rest": 0.0}
    if hard:
        given["rest"] = float(one.v_reset)
    names = ["v_threshold", "rest"]
    if kind == "IFNode":
        charge = "v + x"
    elif kind == "LIFNode":
        given["tau"] = float(one.tau)
        names.append("tau")
        charge = "v + (x - (v - rest))/tau" if one.decay_input else "v - (v - rest)/tau + x"
    else:
        given["k"] = float(one.w.detach().sigmoid())
        names.append("k")
        charge = "v + (x - (v - rest))*k" if one.decay_input else "v - (v - rest)*k + x"
    reset = "v = rest" if hard else "v = v - v_threshold"
    if kind == "IFNode" and not hard:
        names.remove("rest")
        del given["rest"]
    model = _model(
        f"spikingjelly_{kind.lower()}_{'hard' if hard else 'soft'}", SPIKINGJELLY,
        [f"v[n+1] = {charge}"], names, "v >= v_threshold", [reset],
        {"v": "rest"} if hard else None,
    )  # fmt: skip
    kept = "hard" if hard else "soft"
    return _Read(model, given, bool(one.detach_reset), f"SpikingJelly {kind}, {kept} reset")


READERS = {"snntorch": _snntorch, "spikingjelly": _spikingjelly}


def _unknown(path: str, one: Any, known: str) -> Exception:
    kind = f"{type(one).__module__.partition('.')[0]}.{type(one).__name__}"
    return fail("unsupported-layer", f"layer {path!r}", "is not read", got=kind,
                limit=f"{known}; {', '.join(c.__name__ for c in LAYERS)}",
                hint="put a supported layer in its place")  # fmt: skip


class Chain(nn.Module):
    """Layers of torch and :class:`Neurons`, one after the other. Time comes first:
    ``forward(x, state)`` takes [T, B, ...] and returns (spikes [T, B, ...], state).

    ``labels`` says of every layer what it became.
    """

    def __init__(
        self, layers: Sequence[tuple[str, nn.Module | _Read]], dt: float,
        surrogate: Surrogate | None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.dt, self.surrogate = dt, surrogate
        self.paths = [path for path, _ in layers]
        self._read = {path: one for path, one in layers if isinstance(one, _Read)}
        self.layers = nn.ModuleList(
            [nn.Identity() if isinstance(one, _Read) else one for _, one in layers]
        )
        said = [one.label if isinstance(one, _Read) else f"{type(one).__name__}, as it is"
                for _, one in layers]  # fmt: skip
        self.labels = tuple(
            Issue(code="layer", severity="exact", where=path, message=text)
            for (path, _), text in zip(layers, said, strict=True)
        )

    def forward(
        self, x: Tensor, state: Mapping[str, Mapping[str, Tensor]] | None = None
    ) -> tuple[Tensor, dict[str, Mapping[str, Tensor]]]:
        """Run all ticks of every layer."""
        if x.ndim < 3:
            raise fail("stimulus-size", "Chain", "needs [T, B, ...]", got=tuple(x.shape))
        after: dict[str, Mapping[str, Tensor]] = {}
        for k, path in enumerate(self.paths):
            if path in self._read:
                cells = self._cells(k, path, x)
                x, after[path] = cells(x, None if state is None else state.get(path))
                continue
            layer = self.layers[k]
            plain = next(c for c in LAYERS if isinstance(layer, c))
            x = plain.forward(layer, x.flatten(0, 1)).unflatten(0, x.shape[:2])  # type: ignore[arg-type]
        return x, after

    def _cells(self, k: int, path: str, x: Tensor) -> Neurons:
        """Made when their shape is seen for the first time."""
        found = self.layers[k]
        shape = tuple(x.shape[2:])
        if not isinstance(found, Neurons) or found.shape != shape or found.dtype != x.dtype:
            read = self._read[path]
            found = Neurons(
                read.model, shape, self.dt, parameters=read.parameters, port="input",
                surrogate=self.surrogate, detach_reset=read.detach_reset, dtype=x.dtype,
            )  # fmt: skip
            self.layers[k] = found
        return found


def import_torch(
    module: nn.Module | Sequence[nn.Module],
    *,
    dt: float = 1e-3,
    surrogate: Surrogate | None = None,
) -> Chain:
    """A feed-forward module of snnTorch or SpikingJelly: a ``Sequential``, or its layers in order.

    Linear layers, convolutions, pools and normalisations stay the modules they are (and share their
    weights); neurons become :class:`Neurons` with the same arithmetic. ``surrogate`` is the
    gradient of their spikes (theirs is a function that says nothing of itself). Raises RanvierError
    with the name of a layer that is not known.
    """
    parts = [module] if isinstance(module, nn.Module) else list(module)
    found: list[tuple[str, nn.Module | _Read]] = []
    for at, part in enumerate(parts):
        for path, one in leaves(part, "" if isinstance(module, nn.Module) else str(at)):
            library = type(one).__module__.partition(".")[0]
            plain = next((c for c in LAYERS if isinstance(one, c)), None)
            if plain is None and library in READERS:
                found.append((path, READERS[library](path, one)))
            elif plain is not None:
                _check_plain(path, one, plain, library)
                found.append((path, one))
            else:
                raise _unknown(path, one, "neurons of snnTorch and SpikingJelly")
    return Chain(found, dt, surrogate)


def _check_plain(path: str, one: nn.Module, plain: type, library: str) -> None:
    """Refuse a layer that does more than the class it comes from."""
    theirs = library in READERS and type(one).__name__ == plain.__name__
    if type(one) is not plain and not theirs:
        raise fail("unsupported-layer", f"layer {path!r}", "is a class of its own",
                   got=type(one).__name__, hint=f"use torch.nn.{plain.__name__}")  # fmt: skip
    if one._forward_hooks or one._forward_pre_hooks:
        raise fail("unsupported-option", f"layer {path!r}", "has forward hooks",
                   hint="remove them (torch.nn.utils.remove_weight_norm, say)")  # fmt: skip

"""Small machines, each with one flaw, to be found by ``bench.diff``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ranvier.chips import Chip, Incoming, Quantised, ideal
from ranvier.chips.ideal import Equations
from ranvier.errors import Issue
from ranvier.network import Dense, Network, Population, Projection
from ranvier.neurons import Kernel, get, with_reset

STEP = 0.125


@dataclass(frozen=True)
class Flawed(Equations):
    """The ideal machine with rounded or cut weights, other parameters, or another reset."""

    step: float = 0.0
    largest: float = np.inf
    parameters: tuple[tuple[str, float], ...] = ()
    reset: str = ""

    def quantise(
        self, population: Population, incoming: Mapping[str, Incoming], dt: float
    ) -> Quantised:
        model = population.model
        assert model is not None
        if self.reset:
            model = with_reset(model, self.reset)  # pyright: ignore[reportArgumentType]
        changed = {k: v for k, v in self.parameters if k in population.parameters}
        parameters = {**population.parameters, **changed}
        return super().quantise(
            replace(population, model=model, parameters=parameters), incoming, dt
        )

    def encode(self, weights: Any, encoding: Mapping[str, Any]) -> Any:
        rounded = np.rint(weights / self.step) * self.step if self.step else weights
        return super().encode(np.clip(rounded, -self.largest, self.largest), encoding)


@dataclass(frozen=True)
class Registers(Equations):
    """An integrate-and-fire neuron by a kernel of its own."""

    kernel_: Kernel | None = None
    unit: float = 0.01
    label: str = "exact"
    factor: int = 4096

    def check(
        self, population: Population, incoming: Mapping[str, Incoming], dt: float
    ) -> list[Issue] | None:
        return [
            Issue(
                code="structure",
                severity=self.label,  # pyright: ignore[reportArgumentType]
                where=population.name,
                message="in its own way",
            )
        ]

    def quantise(
        self, population: Population, incoming: Mapping[str, Incoming], dt: float
    ) -> Quantised:
        assert self.kernel_ is not None
        number: Callable[[Any], Any] = int if self.kernel_.dtype == "i8" else float
        threshold = float(np.asarray(population.parameters["v_threshold"])) / self.unit
        values = {"vth": number(round(threshold)) if number is int else threshold}
        if "factor" in self.kernel_.params:
            values["factor"] = self.factor
        return Quantised(
            kernel=self.kernel_,
            reference={"implementation": self.name},
            values=values,
            initial=dict.fromkeys(self.kernel_.state, number(0)),
            encodings={name: {} for name in incoming},
            weights={
                name: self.encode(given.weights, {})
                for name, given in incoming.items()
                if given.weights is not None
            },
            synapse_bits=dict.fromkeys(incoming, 8.0),
            state_scale={"v": (self.unit, 0.0)},
        )

    def kernel(self, reference: Mapping[str, Any]) -> Kernel:
        assert self.kernel_ is not None
        return self.kernel_

    def encode(self, weights: Any, encoding: Mapping[str, Any]) -> Any:
        raw = np.asarray(weights) / self.unit
        assert self.kernel_ is not None
        integer = self.kernel_.dtype == "i8"
        return np.rint(raw).astype(np.int64) if integer else raw, np.zeros(raw.size, np.int64)

    def decode(self, weights: Any, port: Any, encoding: Mapping[str, Any]) -> Any:
        return weights.astype(np.float64) * self.unit


def _saturating(v: int, x: int, vth: int):
    q = 100 if x > 100 else (-100 if x < -100 else x)
    vn = v + q
    spike = 1 if vn > vth else 0
    return 0 if spike == 1 else vn, spike


def _wrapping(v: int, x: int, vth: int):
    q = ((x + 128) & 255) - 128
    vn = v + q
    spike = 1 if vn > vth else 0
    return 0 if spike == 1 else vn, spike


def _late(v: float, pending: float, x: float, vth: float):
    vn = v + pending
    spike = 1.0 if vn > vth else 0.0
    return 0.0 if spike > 0 else vn, x, spike


def _deaf(v: float, x: float, vth: float):
    vn = v + (x if v < 0.65 else 0.5 * x)
    spike = 1.0 if vn > vth else 0.0
    return 0.0 if spike > 0 else vn, spike


def _leaky(v: int, x: int, vth: int, factor: int):
    kept = (v * factor) >> 12
    vn = kept + x
    spike = 1 if vn > vth else 0
    return 0 if spike == 1 else vn, spike


def own(function: Any, dtype: str, state: tuple[str, ...] = ("v",), **more: Any) -> Registers:
    params = ("vth", "factor") if function is _leaky else ("vth",)
    kernel = Kernel.from_function(
        function, name="test", state=state, ports=("x",), params=params,
        dtype=dtype,  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    return Registers(kernel_=kernel, **more)


def machine(implementation: Equations, **changes: Any) -> Chip:
    dtype = "f8"
    if isinstance(implementation, Registers) and implementation.kernel_ is not None:
        dtype = implementation.kernel_.dtype
    return replace(
        ideal.CHIP,
        name="flawed",
        title="A machine with a flaw",
        implementations=(implementation,),
        dtype=dtype,
        **changes,
    )


def network(
    weights: Any, *, model: str = "if", delay: Any = None, name: str = "small", **parameters: Any
) -> Network:
    """``in`` -> ``a`` with these weights [targets, sources]."""
    weights = np.atleast_2d(np.asarray(weights, np.float64))
    own_parameters: dict[str, float] = {"v_threshold": 1.0}
    if model == "lif":
        own_parameters |= {"tau": 10e-3, "r": 1.0, "v_leak": 0.0}
    known = {p.name for p in get(model).parameters}
    own_parameters |= {"r": 1.0} if "r" in known else {}
    own_parameters |= {"v_reset": 0.0} if "v_reset" in known else {}
    return Network(
        name=name,
        populations=(
            Population(name="in", shape=(weights.shape[1],)),
            Population(
                name="a",
                shape=(weights.shape[0],),
                model=get(model),
                parameters={**own_parameters, **parameters},
            ),
        ),
        projections=(
            Projection(
                source="in", target="a", port="jump", connectivity=Dense(weights), delay=delay
            ),
        ),
        outputs=("a",),
    )


SATURATING, WRAPPING, LATE, DEAF, LEAKY = _saturating, _wrapping, _late, _deaf, _leaky

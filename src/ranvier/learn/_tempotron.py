"""The tempotron: a neuron that learns to fire for some patterns of spikes and not for others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranvier.errors import fail
from ranvier.network import Dense, Network, Population, Projection
from ranvier.neurons import get

__all__ = ["Tempotron"]

Array = NDArray[np.float64]


@dataclass
class Tempotron:
    """One leaky neuron over ``inputs``, after Guetig & Sompolinsky 2006, Nat. Neurosci. 9:420.

    The potential is V(t) = sum of w_i K(t - t_i) with K(t) = V0 (exp(-t/tau) - exp(-t/tau_syn)),
    whose peak is 1 (eq. 1); a pattern is accepted where V exceeds ``threshold`` once. At each error
    weights move by +-rate times sum of K(t_max - t_i), t_max the time of the largest V (eq. 2),
    with ``momentum`` (their methods). Patterns are spike times in seconds [P, inputs(, K)],
    infinite where there is none; V is looked at every ``dt`` up to ``duration``, spikes lie on that
    grid. ``weights`` [inputs] begin as normal numbers of ``deviation``. Raises RanvierError for bad
    sizes and times.
    """

    inputs: int
    duration: float = 0.5
    tau: float = 15e-3
    tau_syn: float = 3.75e-3
    threshold: float = 1.0
    dt: float = 1e-3
    deviation: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("duration", "tau", "tau_syn", "threshold", "dt"):
            if not 0 < getattr(self, name) < np.inf:
                raise fail("bad-parameter", f"Tempotron, {name}", "must be positive",
                           got=getattr(self, name))  # fmt: skip
        if self.inputs < 1 or self.tau_syn >= self.tau:
            raise fail("bad-parameter", "Tempotron", "needs an input, and tau_syn below tau",
                       got=f"{self.inputs} inputs, {self.tau_syn} s, {self.tau} s")  # fmt: skip
        self.ticks = round(self.duration / self.dt)
        self.weights: Array = self.deviation * np.random.default_rng(self.seed).normal(
            size=self.inputs
        )

    @property
    def peak(self) -> float:
        """V0, which makes the largest K 1."""
        at = self.tau * self.tau_syn / (self.tau - self.tau_syn) * np.log(self.tau / self.tau_syn)
        return float(1.0 / (np.exp(-at / self.tau) - np.exp(-at / self.tau_syn)))

    def features(self, patterns: ArrayLike) -> NDArray[np.float32]:
        """Sums of K at every tick, [P, ticks, inputs]: V is their product with the weights."""
        times = np.asarray(patterns, np.float64)
        times = times[:, :, None] if times.ndim == 2 else times
        if times.ndim != 3 or times.shape[1] != self.inputs:
            raise fail("stimulus-size", "Tempotron", "the patterns do not fit", got=times.shape,
                       limit=f"[P, {self.inputs}] or [P, {self.inputs}, K]")  # fmt: skip
        if np.isnan(times).any() or (times < 0).any():
            raise fail("bad-time", "Tempotron", "a time is negative or no number",
                       hint="use infinity where there is no spike")  # fmt: skip
        age = np.arange(self.ticks + 1) * self.dt
        kernel = self.peak * (np.exp(-age / self.tau) - np.exp(-age / self.tau_syn))
        found = np.zeros((len(times), self.ticks, self.inputs), np.float32)
        for p, pattern in enumerate(times):
            for i, spikes in enumerate(pattern):
                for first in np.floor(spikes[np.isfinite(spikes)] / self.dt + 0.5).astype(int):
                    if first < self.ticks:
                        found[p, first:, i] += kernel[: self.ticks - first]
        return found

    def accepts(self, patterns: ArrayLike) -> NDArray[np.bool_]:
        """Which patterns make it fire, [P]."""
        return (self.features(patterns) @ self.weights).max(1) > self.threshold

    def fit(
        self,
        patterns: ArrayLike,
        labels: ArrayLike,
        *,
        epochs: int = 1000,
        rate: float = 1e-3,
        momentum: float = 0.99,
    ) -> list[int]:
        """Learn ``labels`` [P] (true: fire), in random order; stops when all are right. Returns the
        number of errors of each epoch."""
        wanted = np.asarray(labels).astype(bool)
        known = self.features(patterns)
        if wanted.shape != (len(known),):
            raise fail("labels-shape", "Tempotron", "needs one label a pattern", got=wanted.shape,
                       limit=f"({len(known)},)")  # fmt: skip
        rng = np.random.default_rng([self.seed, 1])
        last: Any = np.zeros(self.inputs)
        history: list[int] = []
        for _ in range(epochs):
            errors = 0
            for p in rng.permutation(len(known)):
                potential = known[p] @ self.weights
                at = int(potential.argmax())
                if (potential[at] > self.threshold) == wanted[p]:
                    continue
                errors += 1
                step = (rate if wanted[p] else -rate) * known[p, at] + momentum * last
                self.weights += step
                last = step
            history.append(errors)
            if not errors:
                break
        return history

    def to_network(self) -> Network:
        """The neuron as a network: input "in", output "out" (``cuba_lif``, which fires at the tick
        after V exceeds the threshold, because a synapse takes a tick)."""
        # a jump w of the current gives w*tau_syn/(tau - tau_syn)*(exp(-t/tau) - exp(-t/tau_syn))
        scale = self.peak * (self.tau - self.tau_syn) / self.tau_syn
        parameters = {"tau_mem": self.tau, "tau_syn": self.tau_syn, "v_threshold": self.threshold}
        cell = Population(name="out", shape=(1,), model=get("cuba_lif"), parameters=parameters)
        wires = Projection(source="in", target="out", port="jump", delay=self.dt,
                           connectivity=Dense(self.weights[None, :] * scale))  # fmt: skip
        return Network(name="tempotron", projections=(wires,), outputs=("out",),
                       populations=(Population(name="in", shape=(self.inputs,)), cell))  # fmt: skip

"""What a training run is told, and what it hands back. Knows no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ranvier.errors import Issue, RanvierError, suggest
from ranvier.events import ENCODERS, check_encoder
from ranvier.network import Network
from ranvier.neurons import SURROGATES

__all__ = ["EpochRecord", "TrainOptions", "TrainReport", "TrainResult"]

MAX_SIZE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How to train a feed-forward LIF classifier. Raises RanvierError, one Issue per bad field.

    ``data``: a data set's name (``digits``, ``mnist:DIR``). ``hidden``: neurons of each hidden
    layer. ``epochs``: passes over the training part; None takes as many as make about 1200 steps,
    but 3 to 60. ``batch``: samples per step. ``lr``: highest learning rate of Adam; it rises over
    the first 15 % of the steps and falls along a cosine. ``seed``: of initial weights, order and
    encoder.

    ``ticks`` of ``dt`` seconds per sample, of which the last (one a layer) get no input. ``tau``
    [s]: membrane time constant. ``encoder`` with ``max_rate`` [Hz] at full intensity (None: one
    spike a tick; no meaning for ``latency``). ``surrogate`` and ``slope``: the gradient of a spike
    (:mod:`ranvier.neurons`), on potentials in units of the threshold of 1 V.

    ``validation``: share of the training samples kept out to watch the accuracy; with
    ``patience`` > 0, training stops after so many epochs without a better one and takes the
    weights of the best. ``weight_levels`` > 0 trains through weights rounded to that many
    equal steps between 0 and the layer's largest (127 for 8 bits with sign); 0 does not round.
    ``chip`` trains through the weights as that machine stores them (by its own quantiser; "" for
    none), ``noise`` with normal noise of that share of the largest weight, drawn at every step,
    ``sparsity`` keeps that share of each layer's weights at 0, the smallest.
    ``limit``: use only so many samples, the first ones (None: all). ``threads``: torch threads
    while training; layers of a few hundred neurons are fastest on one (two on two busy cores took
    eight times as long), and the number can change the last bits of the weights.
    """

    data: str = "digits"
    hidden: tuple[int, ...] = (128,)
    epochs: int | None = None
    batch: int = 64
    lr: float = 5e-3
    seed: int = 0
    ticks: int = 20
    dt: float = 1e-3
    tau: float = 10e-3
    encoder: str = "rate"
    max_rate: float | None = None
    surrogate: str = "fast_sigmoid"
    slope: float = 5.0
    validation: float = 0.1
    patience: int = 0
    weight_levels: int = 0
    chip: str = ""
    noise: float = 0.0
    sparsity: float = 0.0
    limit: int | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        issues = self._issues()
        if issues:
            raise RanvierError(*issues)
        check_encoder(self.recipe_encoder(), self.ticks, self.dt)

    def _issues(self) -> list[Issue]:
        found: list[Issue] = []

        def check(name: str, good: bool, limit: str, hint: str = "") -> None:
            if not good:
                found.append(Issue(code="bad-option", severity="error", where=f"train.{name}",
                                   message="is not usable", got=repr(getattr(self, name))[:80],
                                   limit=limit, hint=(hint,) if hint else ()))  # fmt: skip

        def whole(value: object, low: int, high: float = 1 << 40) -> bool:
            plain = isinstance(value, int | np.integer) and not isinstance(value, bool)
            return plain and low <= int(value) <= high  # pyright: ignore[reportArgumentType]

        def positive(value: object) -> bool:
            return isinstance(value, int | float | np.floating) and 0 < float(value) < np.inf

        check("data", bool(self.data) and isinstance(self.data, str), "a data set's name")
        check("hidden", all(whole(n, 1, MAX_SIZE) for n in self.hidden), "whole numbers from 1")
        check("epochs", self.epochs is None or whole(self.epochs, 1), "a whole number from 1")
        check("batch", whole(self.batch, 1), "a whole number from 1")
        check("lr", positive(self.lr), "a positive number")
        check("seed", whole(self.seed, 0), "a whole number from 0")
        least = len(self.hidden) + 2
        check("ticks", whole(self.ticks, least), f"a whole number from {least}",
              "a spike takes one tick a layer to reach the output")  # fmt: skip
        check("dt", positive(self.dt), "positive seconds")
        check("tau", positive(self.tau), "positive seconds")
        check("encoder", self.encoder in ENCODERS, ", ".join(ENCODERS),
              suggest(str(self.encoder), ENCODERS))  # fmt: skip
        check("max_rate", self.max_rate is None or positive(self.max_rate), "positive Hz, or None")
        check("surrogate", self.surrogate in SURROGATES, ", ".join(SURROGATES),
              suggest(str(self.surrogate), SURROGATES))  # fmt: skip
        check("slope", positive(self.slope), "a positive number")
        share = self.validation
        check("validation", share == 0 or (positive(share) and share < 0.9), "0 up to 0.9")
        check("patience", whole(self.patience, 0), "a whole number from 0")
        check("weight_levels", whole(self.weight_levels, 0, 1 << 20), "a whole number from 0")
        check("chip", isinstance(self.chip, str), "a chip's name")
        check("noise", self.noise == 0 or positive(self.noise), "0 or a positive number")
        sparse = self.sparsity == 0 or (positive(self.sparsity) and self.sparsity < 1)
        check("sparsity", sparse, "0 up to 1")
        check("limit", self.limit is None or whole(self.limit, 1), "a whole number from 1")
        check("threads", whole(self.threads, 1, 1024), "a whole number from 1")
        return found

    def recipe_encoder(self) -> dict[str, Any]:
        """The encoder as a network's recipe names it."""
        options: dict[str, Any] = {"quiet": len(self.hidden) + 1}
        if self.max_rate is not None and self.encoder != "latency":
            options["max_rate"] = float(self.max_rate)
        return {"name": self.encoder, "options": options}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; ``TrainOptions(**that)`` gives the same options."""
        return {**asdict(self), "hidden": list(self.hidden)}


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One epoch, counted from 1: mean cross-entropy, the share of training samples right while
    learning, the share right of those kept out (None without), spikes per neuron and tick of each
    population, and the seconds it took."""

    epoch: int
    loss: float
    accuracy: float
    validation: float | None
    rates: Mapping[str, float]
    seconds: float

    def __str__(self) -> str:
        rates = ", ".join(f"{name} {rate:.3f}" for name, rate in self.rates.items())
        kept = "" if self.validation is None else f", kept out {self.validation:.1%}"
        return (
            f"epoch {self.epoch}: loss {self.loss:.4f}, right {self.accuracy:.1%}{kept}; "
            f"spikes per tick: {rates}"
        )


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """Where training ended: figures of the weights handed over, findings, and what it cost.

    ``accuracy`` is that of the last epoch while learning, ``validation`` of the samples kept out
    (None without); neither has seen the test part.
    """

    samples: int
    epochs: int
    seconds: float
    loss: float
    accuracy: float
    validation: float | None
    rates: Mapping[str, float]
    issues: tuple[Issue, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """The trained network, with its recipe in ``metadata["task"]``, and how it came about."""

    network: Network
    history: tuple[EpochRecord, ...] = field(repr=False)
    report: TrainReport

"""Training: a feed-forward LIF classifier, by surrogate gradients through the generated step."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier import neurons
from ranvier.data import Dataset, load
from ranvier.errors import Issue, fail
from ranvier.events import encode_raster
from ranvier.learn._checkpoint import (
    read_checkpoint,
    restore_optimiser,
    state_of,
    write_checkpoint,
)
from ranvier.learn._hooks import ChipWeights, FewLevels, Noise, Pruning, relative_noise
from ranvier.learn._module import Module
from ranvier.learn._options import EpochRecord, TrainOptions, TrainReport, TrainResult
from ranvier.learn._task import Task
from ranvier.network import Dense, Network, Population, Projection
from ranvier.progress import NoProgress, Progress

__all__ = ["build", "train"]

GAIN = 1.5
"""Initial weights are uniform in +-GAIN/sqrt(sources) V: layers neither mute nor saturated."""
LOGIT = 0.5
"""Logits of the cross-entropy are spike counts times this."""
STEPS, FEWEST, MOST = 1200, 3, 60
SILENT, LOUD = 0.5, 0.5
"""Warn when more than this share of a layer never fires, or a layer's rate exceeds it."""


def build(options: TrainOptions, shape: tuple[int, ...], classes: int, data: str) -> Network:
    """The untrained network for ``data``: input, hidden1, ..., output; dense, one tick a layer.

    The neurons are ``lif`` with v_leak = v_reset = 0 V and a threshold of 1 V; weights [V] arrive
    on the ``jump`` port: v[t] = exp(-dt/tau) v[t-1] + W s[t-1], a spike where v > 1, then v = 0.
    There is no bias.
    """
    rng = np.random.default_rng(options.seed)
    names = ["input", *(f"hidden{k}" for k in range(1, len(options.hidden) + 1)), "output"]
    sizes = [int(np.prod(shape)), *options.hidden, classes]
    parameters = {"tau": options.tau, "v_threshold": 1.0, "v_reset": 0.0, "v_leak": 0.0}
    populations = [Population(name="input", shape=shape)]
    projections: list[Projection] = []
    for source, target, n, m in zip(names, names[1:], sizes, sizes[1:], strict=False):
        limit = GAIN / np.sqrt(n)
        weights = rng.uniform(-limit, limit, (m, n))
        populations.append(
            Population(name=target, shape=(m,), model=neurons.get("lif"), parameters=parameters)
        )
        projections.append(
            Projection(source=source, target=target, port="jump", connectivity=Dense(weights))
        )
    task = Task(
        data=data, shape=shape, classes=classes, ticks=options.ticks,
        dt=options.dt, seed=options.seed, encoder=options.recipe_encoder(),
        decoder={"name": "count", "population": "output"},
        options={**options.to_dict(), "data": data},
    )  # fmt: skip
    return Network(
        name=re.sub(r"[^A-Za-z0-9_]+", "_", data)[:100] or "network",
        populations=tuple(populations),
        projections=tuple(projections),
        outputs=("output",),
        metadata={"task": task.to_dict()},
    )


def train(
    options: TrainOptions,
    *,
    data: Dataset | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> TrainResult:
    """Train on the training part of ``options.data`` (or on ``data``) and return the network.

    The same options and data give the same network on the same machine. Test data are not touched.
    Raises RanvierError when the data do not fit or the loss stops being a number.
    """
    dataset = load(options.data, "train") if data is None else data
    before = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    try:
        run = _Run(options, dataset, progress or NoProgress(), checkpoint)
        if resume:
            run.resume()
        return run.go()
    finally:
        torch.set_num_threads(before)


class _Run:
    """One training run, taken apart into steps."""

    def __init__(
        self, options: TrainOptions, data: Dataset, progress: Progress, checkpoint: Path | None
    ) -> None:
        self.options, self.data, self.progress = options, data, progress
        self.checkpoint = checkpoint
        self.history: list[EpochRecord] = []
        self.best, self.best_at = -1.0, 0
        samples = len(data) if options.limit is None else min(options.limit, len(data))
        rng = np.random.default_rng([options.seed, 1])
        shuffled = rng.permutation(samples)
        kept = int(options.validation * samples)
        self.kept, self.learned = np.sort(shuffled[:kept]), np.sort(shuffled[kept:])
        self.batches = -(-self.learned.size // options.batch)
        needed = -(-STEPS // self.batches)
        self.epochs = options.epochs or min(MOST, max(FEWEST, needed))
        self.network = build(options, data.x.shape[1:], data.classes, data.name)
        self.task = Task.of(self.network)
        surrogate = neurons.surrogate(options.surrogate, options.slope)
        self.module = Module(self.network, options.dt, surrogate=surrogate)
        self._hook()
        self.layers = [p.name for p in self.network.populations if p.model is not None]
        self.labels = torch.as_tensor(np.array(data.y))
        self.generator = torch.Generator().manual_seed(options.seed)
        self.optimiser = torch.optim.Adam(self.module.parameters(), lr=options.lr)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser,
            options.lr,
            total_steps=max(2, self.epochs * self.batches),
            pct_start=0.15,
        )
        self.saved = self._weights()

    def _hook(self) -> None:
        """What the options say of the machine: zeros first, then its numbers, then its noise."""
        options, hooks = self.options, self.module.hooks
        if options.sparsity:
            hooks.append(Pruning(options.sparsity, ramp=self.epochs * self.batches // 2))
        if options.weight_levels:
            hooks.append(FewLevels(options.weight_levels))
        if options.chip:
            hooks.append(ChipWeights(self.module, options.chip))
        if options.noise:
            hooks.append(Noise(relative_noise(options.noise), seed=options.seed))

    def go(self) -> TrainResult:
        """All epochs, then the result."""
        start = time.perf_counter()
        while len(self.history) < self.epochs and not self._patience_over():
            number = len(self.history) + 1
            self._renew()
            self.history.append(self._epoch(number))
            score = self.history[-1].validation
            if self.options.patience and score is not None and score > self.best:
                self.best, self.best_at, self.saved = score, number, self._weights()
            if self.checkpoint is not None:
                self._write(self.checkpoint)
        history = self.history
        best_at = self.best_at
        if best_at:
            self.module.load_state_dict(self.saved)
        self._renew()
        rates, silent, validation = self._measure()
        last = history[best_at - 1] if best_at else history[-1]
        report = TrainReport(
            samples=int(self.learned.size), epochs=len(history),
            seconds=time.perf_counter() - start, loss=last.loss, accuracy=last.accuracy,
            validation=validation, rates=rates, issues=tuple(_findings(rates, silent)),
        )  # fmt: skip
        return TrainResult(network=self.module.to_network(), history=tuple(history), report=report)

    def _renew(self) -> None:
        """A chip's scales follow from the weights alone, whatever came before."""
        for hook in self.module.hooks:
            if isinstance(hook, ChipWeights):
                hook.renew()

    def _patience_over(self) -> bool:
        waited = len(self.history) - self.best_at
        return bool(self.options.patience and self.best_at and waited >= self.options.patience)

    # -- checkpoints --------------------------------------------------------------------------
    @property
    def _name(self) -> str:
        """What a checkpoint must agree with."""
        text = json.dumps([self.options.to_dict(), self.data.sha256], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _write(self, path: Path) -> None:
        tensors, groups = state_of(self.optimiser)
        tensors |= {f"weights.{n}": v for n, v in self.module.state_dict().items()}
        tensors |= {f"best.{n}": v for n, v in self.saved.items()}
        tensors["generator"] = self.generator.get_state()
        for k, hook in enumerate(self.module.hooks):
            if isinstance(hook, Pruning | Noise):
                tensors |= {f"hook{k}.{n}": v for n, v in hook.state().items()}
        schedule = {k: v for k, v in self.schedule.state_dict().items() if not k.startswith("_")}
        document = {
            "run": self._name, "groups": groups, "schedule": schedule, "best": self.best,
            "best_at": self.best_at, "history": [vars(record) for record in self.history],
        }  # fmt: skip
        write_checkpoint(path, tensors, document)

    def resume(self) -> None:
        """Take up the run that wrote the checkpoint; RanvierError where that is another."""
        assert self.checkpoint is not None
        tensors, document = read_checkpoint(self.checkpoint, self._name)

        def part(name: str) -> dict[str, Tensor]:
            return {n.removeprefix(name): v for n, v in tensors.items() if n.startswith(name)}

        self.module.load_state_dict(part("weights."))
        self.saved = part("best.")
        restore_optimiser(self.optimiser, tensors, document["groups"])
        self.schedule.load_state_dict({**self.schedule.state_dict(), **document["schedule"]})
        self.generator.set_state(tensors["generator"])
        for k, hook in enumerate(self.module.hooks):
            if isinstance(hook, Pruning | Noise):
                hook.restore(part(f"hook{k}."))
        self.best, self.best_at = document["best"], document["best_at"]
        self.history = [EpochRecord(**record) for record in document["history"]]

    def _weights(self) -> dict[str, Tensor]:
        return {name: v.clone() for name, v in self.module.state_dict().items()}

    def _run(self, samples: NDArray[np.int64], seed: int) -> dict[str, Tensor]:
        """Spikes of all layers, [T, B, n]."""
        x = self.data.x[samples] / np.float64(self.data.peak)
        raster = encode_raster(
            self.task.encoder, x, self.task.ticks, self.task.dt, seed=seed, samples=samples
        )
        spikes = torch.from_numpy(raster).to(torch.float32)
        return self.module(spikes, record=self.layers)[0]

    def _epoch(self, number: int) -> EpochRecord:
        start = time.perf_counter()
        self.progress.start(f"epoch {number} of {self.epochs}", self.batches)
        order = torch.randperm(self.learned.size, generator=self.generator).numpy()
        loss_sum, right, rates = 0.0, 0, dict.fromkeys(self.layers, 0.0)
        for k in range(self.batches):
            chosen = self.learned[order[k * self.options.batch : (k + 1) * self.options.batch]]
            # A random encoder draws anew in every epoch, and never with the recipe's own seed.
            spikes = self._run(chosen, self.options.seed + number)
            counts, labels = spikes["output"].sum(0), self.labels[chosen]
            loss = torch.nn.functional.cross_entropy(counts * LOGIT, labels)
            value = float(loss.detach())
            # A potential that is no number is not above the threshold: weights can be lost while
            # the loss still looks sound, so both are watched.
            weights = all(bool(torch.isfinite(w).all()) for w in self.module.parameters())
            if not (weights and np.isfinite(value)):
                what = "the loss" if weights else "a weight"
                raise fail("loss-not-finite", f"train, epoch {number}, step {k + 1}",
                           f"{what} stopped being a number", got=f"loss {value:g}",
                           hint=("use a smaller lr", "use a smaller slope"))  # fmt: skip
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.schedule.step()
            share = chosen.size / self.learned.size
            loss_sum += value * share
            right += int((_answer(counts) == labels).sum())
            for name in self.layers:
                rates[name] += float(spikes[name].detach().mean()) * share
            self.progress.advance()
            if k % 10 == 0:
                self.progress.note(f"loss {value:.4f}")
        record = EpochRecord(
            epoch=number, loss=loss_sum, accuracy=right / self.learned.size,
            validation=self._measure()[2] if self.kept.size else None, rates=rates,
            seconds=time.perf_counter() - start,
        )  # fmt: skip
        self.progress.note(str(record))
        self.progress.done()
        return record

    @torch.no_grad()
    def _measure(self) -> tuple[dict[str, float], dict[str, float], float | None]:
        """Rates, shares of silent neurons and accuracy on the samples kept out (or, where none
        are, rates on the first 1000 learned and no accuracy)."""
        chosen = self.kept if self.kept.size else self.learned[:1000]
        counts = {name: torch.zeros(self.network.population(name).size) for name in self.layers}
        right = 0
        for start in range(0, chosen.size, 500):
            part = chosen[start : start + 500]
            spikes = self._run(part, self.options.seed)
            for name in self.layers:
                counts[name] += spikes[name].sum((0, 1))
            right += int((_answer(spikes["output"].sum(0)) == self.labels[part]).sum())
        total = chosen.size * self.task.ticks
        rates = {name: float(c.mean()) / total for name, c in counts.items()}
        silent = {name: float((c == 0).float().mean()) for name, c in counts.items()}
        return rates, silent, right / chosen.size if self.kept.size else None


def _answer(counts: Tensor) -> Tensor:
    """The decoder's rule: most spikes, the lowest number of equals, -1 for none at all."""
    lowest = (counts == counts.amax(1, keepdim=True)).to(torch.int64).argmax(1)
    return torch.where(counts.amax(1) > 0, lowest, torch.full_like(lowest, -1))


def _findings(rates: Mapping[str, float], silent: Mapping[str, float]) -> list[Issue]:
    found: list[Issue] = []
    for name, rate in rates.items():
        if silent[name] > SILENT:
            found.append(
                Issue(code="silent-layer", severity="warning", where=name,
                      message="most neurons never fire", got=f"{silent[name]:.0%} silent",
                      limit=f"{SILENT:.0%}",
                      hint=("use fewer neurons", "raise max_rate or tau", "lower lr"))
            )  # fmt: skip
        if rate > LOUD:
            found.append(
                Issue(code="exploding-rate", severity="warning", where=name,
                      message="fires in most ticks, which costs energy and carries little",
                      got=f"{rate:.2f} spikes per neuron and tick", limit=str(LOUD),
                      hint=("lower max_rate or tau", "lower lr"))
            )  # fmt: skip
    return found

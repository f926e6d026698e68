"""The recipe a trained network carries: how to feed it and how to read it. Knows no torch.

It stands in ``network.metadata["task"]`` as plain JSON::

    {"data": "digits", "shape": [8, 8], "classes": 10, "ticks": 20, "dt": 0.001, "seed": 0,
     "encoder": {"name": "rate", "options": {"quiet": 2}},
     "decoder": {"name": "count", "population": "output"}, "options": {...}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranvier import sim
from ranvier.chips import Chip
from ranvier.compile import Program, compile
from ranvier.data import Dataset, load
from ranvier.errors import RanvierError, fail
from ranvier.events import Events, Recording, check_encoder, decode, encode
from ranvier.network import Network
from ranvier.progress import Progress

__all__ = ["Evaluation", "Task", "evaluate"]

KEY = "task"


@dataclass(frozen=True, kw_only=True)
class Task:
    """How samples of ``shape`` become spikes over ``ticks`` of ``dt`` seconds, and back a class.

    ``data`` names the data set it was trained on, without any directory. ``options`` are those of
    training, for the record.
    """

    data: str
    shape: tuple[int, ...]
    classes: int
    ticks: int
    dt: float
    seed: int
    encoder: Mapping[str, Any]
    decoder: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, network: Network) -> Task:
        """The recipe of a network; RanvierError when there is none or it is damaged."""
        found = network.metadata.get(KEY)
        if found is None:
            raise fail("no-recipe", network.name, "carries no recipe of a task",
                       hint="train it with ranvier train")  # fmt: skip
        try:
            task = cls(**{**found, "shape": tuple(int(n) for n in found["shape"])})
            if min(*task.shape, task.classes, task.ticks) < 1:
                raise ValueError("sizes must be positive")
            check_encoder(task.encoder, task.ticks, task.dt)
        except RanvierError:
            raise
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise fail("bad-recipe", f"{network.name}, metadata {KEY!r}", "is not a recipe",
                       got=str(error)[:200]) from error  # fmt: skip
        return task

    def to_dict(self) -> dict[str, Any]:
        """Plain data for ``metadata["task"]``."""
        return {**asdict(self), "shape": list(self.shape)}

    @property
    def size(self) -> int:
        """Numbers in a sample, and so input sources."""
        return int(np.prod(self.shape))

    def stimulus(self, x: ArrayLike, *, first: int = 0) -> Events:
        """Samples [n, ...] of intensities 0..1 as one stream of n*ticks ticks.

        ``first`` is the number of the first sample (only random encoders look at it).
        """
        values = np.asarray(x, np.float64)
        if values.ndim < 1 or values[:1].size != self.size:
            raise fail("sample-shape", f"task {self.data}", "the samples have another shape",
                       got=values.shape[1:], limit=self.shape)  # fmt: skip
        numbers = np.arange(first, first + len(values))
        return encode(self.encoder, values, self.ticks, self.dt, seed=self.seed, samples=numbers)

    def predict(self, recording: Recording) -> NDArray[np.int64]:
        """Class of every window, -1 for no answer, of a run with ``window=ticks, reset=True``."""
        return decode(self.decoder, recording)


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """Answers of a program to ``labels`` [n]: ``predicted`` [n] (-1: none) and the recording."""

    chip: str
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    program: Program
    recording: Recording

    @property
    def samples(self) -> int:
        """How many were asked."""
        return int(self.labels.size)

    @property
    def accuracy(self) -> float:
        """Share answered right."""
        return float((self.labels == self.predicted).mean())


def evaluate(
    network: Network,
    chip: str | Chip = "ideal",
    *,
    data: str | Dataset | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Compile for ``chip`` and run the test part of ``data`` (by default the recipe's own).

    Give ``data="mnist:DIR"`` where the data set needs a directory. ``limit`` takes the first
    samples only. Raises RanvierError when the network has no recipe, the data have another shape or
    more classes, or the chip refuses the network.
    """
    task = Task.of(network)
    given = (
        load(task.data if data is None else data, "test") if not isinstance(data, Dataset) else data
    )
    if given.x[0].size != task.size or given.classes > task.classes:
        raise fail(
            "other-data", f"data set {given.name!r}", "does not fit the network",
            got=f"{given.x.shape[1:]}, {given.classes} classes",
            limit=f"{task.shape}, {task.classes} classes",
        )  # fmt: skip
    labels = given.y[:limit]
    x = given.x[:limit] / np.float64(given.peak)
    program = compile(network, chip, dt=task.dt)
    recording = sim.run(
        program, task.stimulus(x), window=task.ticks, reset=True, record=[], progress=progress
    )
    return Evaluation(
        chip=program.chip, labels=labels, predicted=task.predict(recording), program=program,
        recording=recording,
    )  # fmt: skip

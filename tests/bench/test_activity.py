"""Rates, irregularity and synchrony of trains whose values are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ranvier.bench import activity, interval_cv, picture, synchrony
from ranvier.errors import RanvierError
from ranvier.events import Events

DT = 1e-3


def poisson(size: int, ticks: int, p: float, seed: int = 0) -> Events:
    raster = np.random.default_rng(seed).random((ticks, size)) < p
    return Events.from_raster(raster.astype(float), dt=DT)


def test_a_clock_is_regular() -> None:
    tick = np.arange(0, 1000, 10)
    clock = Events(tick, np.zeros(100, np.int64), 2, 1000, DT)
    assert interval_cv(clock) == pytest.approx([0.0], abs=1e-12)
    assert activity(clock).rate == pytest.approx(50.0)


def test_poisson_trains_are_irregular_and_not_synchronous() -> None:
    found = activity(poisson(500, 5000, 0.01))
    assert found.rate == pytest.approx(10, rel=0.05)
    assert found.irregularity == pytest.approx(1, abs=0.05)
    assert found.synchrony == pytest.approx(1, abs=0.15)


def test_the_cv_is_that_of_the_intervals() -> None:
    tick = np.cumsum([3, 5, 9, 2, 7])
    train = Events(tick, np.ones(5, np.int64), 3, 100, DT)
    gaps = np.array([5, 9, 2, 7])
    assert interval_cv(train, least=3) == pytest.approx([gaps.std() / gaps.mean()])
    assert interval_cv(train, least=6).size == 0


def test_firing_together_is_synchrony() -> None:
    alone = poisson(1, 3000, 0.02)
    together = Events.sorted(
        np.repeat(alone.tick, 200), np.tile(np.arange(200), len(alone)),
        size=200, ticks=3000, dt=DT,
    )  # fmt: skip
    assert synchrony(together) == pytest.approx(200 * synchrony(alone, sample=1), rel=1e-9)


def test_silence_has_no_numbers() -> None:
    found = activity(Events.empty(size=5, ticks=100, dt=DT))
    assert found.rate == 0
    assert np.isnan(found.irregularity)
    assert np.isnan(found.synchrony)


def test_a_bin_below_a_tick_is_refused() -> None:
    with pytest.raises(RanvierError, match="shorter than a tick"):
        synchrony(poisson(2, 10, 0.5), bin=1e-4)


def test_a_picture_is_written(tmp_path: Path) -> None:
    events = {"a": poisson(30, 200, 0.02), "b": Events.empty(size=3, ticks=200, dt=DT)}
    path = picture(tmp_path / "x.png", events, expected={"a": 20.0})
    assert path.read_bytes()[:4] == b"\x89PNG"

"""Shares of spikes against brute force, Wilson against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from ranvier.bench import Share, share, wilson
from ranvier.bench._metrics import SHIFTS, aligned
from ranvier.errors import RanvierError
from ranvier.events import Events

SIZE, TICKS = 5, 24


@st.composite
def trains(draw: st.DrawFn) -> Events:
    pair = st.tuples(st.integers(0, TICKS - 1), st.integers(0, SIZE - 1))
    pairs = sorted(draw(st.lists(pair, max_size=40)))
    tick, index = (np.array([p[k] for p in pairs], np.int64) for k in (0, 1))
    return Events(tick, index, SIZE, TICKS, 1e-3)


def as_set(events: Events) -> set[tuple[int, int]]:
    return {(int(t), int(i)) for t, i in zip(events.tick, events.id, strict=True)}


@given(trains(), trains(), st.sampled_from([None, 1, 6, 7, 24]))
def test_share_is_what_sets_say(a: Events, b: Events, window: int | None) -> None:
    left, right = as_set(a), as_set(b)
    found = share(a, b, window=window)
    assert (found.a, found.b) == (len(left), len(right))
    assert found.both == len(left & right)
    assert found.either == len(left | right)
    assert found.identical == (len(left & right) / len(left | right) if left | right else 1.0)
    late: list[int] = []
    length = window or TICKS
    for start in range(0, TICKS, length):
        for neuron in range(SIZE):
            mine, theirs = (
                sorted(t for t, i in s if i == neuron and start <= t < start + length)
                for s in (left, right)
            )
            late += [y - x for x, y in zip(mine, theirs, strict=False)]
    assert found.matched == len(late)
    assert found.late == sum(late)
    assert found.late_abs == sum(map(abs, late))
    assert found.late_max == max(map(abs, late), default=0)


@given(trains(), trains())
def test_shares_of_chunks_add_up(a: Events, b: Events) -> None:
    whole = share(a, b, window=6)
    parts = [share(a.window(s, s + 12), b.window(s, s + 12), window=6) for s in (0, 12)]
    assert sum(parts, Share()) == whole


@given(trains(), trains(), st.sampled_from([None, 6, 24]))
def test_shifted_shares_are_what_sets_say(a: Events, b: Events, window: int | None) -> None:
    length = window or TICKS
    found = share(a, b, window=window)
    for shift, (both, either) in zip(SHIFTS, found.shifted, strict=True):
        here = {(t, i) for t, i in as_set(a) if t // length == (t + shift) // length}
        there = {(t - shift, i) for t, i in as_set(b) if t // length == (t - shift) // length}
        assert (both, either) == (len(here & there), len(here | there))
    assert found.shift == 0 or found.unshifted[0] / found.unshifted[1] > found.identical


def moved(events: Events, shift: int, *, ticks: int) -> Events:
    keep = (events.tick + shift >= 0) & (events.tick + shift < ticks)
    return Events(events.tick[keep] + shift, events.id[keep], events.size, ticks, 1e-3)


@pytest.mark.parametrize("shift", [-5, -1, 1, 2, 5])
@pytest.mark.parametrize("lost", [0, 3])
def test_a_planted_shift_is_found(shift: int, lost: int) -> None:
    ticks = 400
    a = Events.from_raster(np.random.default_rng(3).random((ticks, 30)) < 0.08, dt=1e-3)
    b = moved(a, shift, ticks=ticks)
    b = Events(b.tick[lost:], b.id[lost:], b.size, ticks, 1e-3)
    found = share(a, b)
    assert found.identical < 0.15
    assert found.shift == shift
    assert found.told().startswith(f"after a shift of {shift} tick")
    both, either = found.unshifted
    assert either - both == lost if lost == 0 else 0 < either - both <= lost
    assert found.to_dict()["identical_after_shift"] == both / either


def test_no_shift_is_told_where_none_helps() -> None:
    rng = np.random.default_rng(4)
    a, b = (Events.from_raster(rng.random((400, 30)) < 0.08, dt=1e-3) for _ in range(2))
    nearly = Events(a.tick[5:], a.id[5:], a.size, a.ticks, a.dt)
    for other in (a, b, nearly):
        found = share(a, other)
        assert found.shift == 0
        assert found.told() == ""
        assert "identical_after_shift" not in found.to_dict()
        assert aligned({"x": found}) is None
    silent = Events.empty(size=a.size, ticks=a.ticks, dt=1e-3)
    assert share(silent, silent).shift == share(silent, a).shift == 0


def test_every_population_has_its_own_shift() -> None:
    a = Events.from_raster(np.random.default_rng(5).random((300, 20)) < 0.08, dt=1e-3)
    shares = {f"layer{k}": share(a, moved(a, k, ticks=300)) for k in (0, 1, 2)}
    assert aligned(shares) == (1.0, {"layer0": 0, "layer1": 1, "layer2": 2})


def test_shares_need_the_same_neurons() -> None:
    a = Events.empty(size=3, ticks=4, dt=1e-3)
    with pytest.raises(RanvierError, match="compares the same neurons"):
        share(a, Events.empty(size=4, ticks=4, dt=1e-3))
    assert share(a, a).identical == 1.0


@given(st.integers(1, 2000), st.floats(0, 1))
def test_wilson_is_scipys(trials: int, part: float) -> None:
    successes = round(part * trials)
    exact = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson(successes, trials) == pytest.approx((exact.low, exact.high), abs=1e-12)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_nonsense(successes: int, trials: int) -> None:
    with pytest.raises(RanvierError, match="successes <= trials"):
        wilson(successes, trials)

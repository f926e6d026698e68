"""Shares of spikes against brute force, Wilson against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from ranvier.bench import Share, share, wilson
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

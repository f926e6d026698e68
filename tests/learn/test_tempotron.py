"""The tempotron: its kernel, what it learns, and the same neuron in the simulator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ranvier import sim
from ranvier.compile import compile
from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.learn import Tempotron


def patterns(count: int, inputs: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.random((count, inputs)) * 0.5, rng.random(count) < 0.5


def test_the_kernel_has_a_peak_of_one_at_the_right_time() -> None:
    one = Tempotron(1, dt=1e-5, duration=0.05)
    course = one.features([[0.0]])[0, :, 0]
    assert course.max() == pytest.approx(1, abs=1e-6)
    at = 15e-3 * 3.75e-3 / 11.25e-3 * np.log(4)
    assert course.argmax() * 1e-5 == pytest.approx(at, abs=2e-5)
    assert course[0] == 0


def test_it_learns_and_the_simulator_fires_for_the_same_patterns() -> None:
    times, labels = patterns(60, 50, 0)
    one = Tempotron(50)
    before = (one.accepts(times) != labels).sum()
    history = one.fit(times, labels, epochs=2000)
    assert history[-1] == 0
    assert before > 15
    assert np.array_equal(one.accepts(times), labels)
    program = compile(one.to_network(), "ideal", dt=one.dt)
    for pattern, label in zip(times[:20], labels[:20], strict=True):
        tick = np.floor(pattern / one.dt + 0.5).astype(int)
        kept = tick < 499  # what arrives within the pattern
        order = np.argsort(tick[kept], kind="stable")
        events = Events(tick[kept][order], np.flatnonzero(kept)[order], 50, 500, one.dt)
        fired = len(sim.run(program, {"in": events}).output("out")) > 0
        course = one.features(pattern[None])[0] @ one.weights
        if abs(course[:499].max() - one.threshold) > 1e-4:
            assert fired == (course[:499].max() > one.threshold)
            assert fired == label or course.argmax() == 499


def test_bad_input() -> None:
    one = Tempotron(3)
    cases: list[tuple[Any, str]] = [
        (lambda: one.fit(np.zeros((2, 4)), [0, 1]), "stimulus-size"),
        (lambda: one.fit(np.zeros((2, 3)), [0]), "labels-shape"),
        (lambda: one.accepts([[0.0, -1.0, 0.0]]), "bad-time"),
        (lambda: Tempotron(3, tau_syn=0.02), "bad-parameter"),
        (lambda: Tempotron(0), "bad-parameter"),
        (lambda: Tempotron(3, dt=0.0), "bad-parameter"),
    ]
    for call, code in cases:
        with pytest.raises(RanvierError) as caught:
            call()
        assert caught.value.issues[0].code == code

"""A chip's hash notices every change and nothing else; written weights are told as stored."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from ranvier import chips, sim
from ranvier.chips import Chip, CoreView, Limit
from ranvier.compile import compile
from ranvier.testing import random_network


def _limited(most: int) -> Chip:
    def used(core: CoreView) -> float:
        return core.neurons / most

    limit = Limit(resource="x", limit=1, used=used, source="test")
    return replace(chips.get("loihi1"), limits=(limit,))


def test_hash_sees_closures_partials_and_arrays() -> None:
    assert _limited(3).hash == _limited(3).hash
    assert _limited(3).hash != _limited(4).hash
    base = chips.get("loihi1")

    def with_used(used: object) -> Chip:
        return replace(base, limits=(Limit(resource="x", limit=1, used=used, source="test"),))  # type: ignore[arg-type]

    assert with_used(partial(max, 1)).hash == with_used(partial(max, 1)).hash
    assert with_used(partial(max, 1)).hash != with_used(partial(max, 2)).hash
    one, two = np.zeros(5000), np.zeros(5000)
    two[2500] = 1
    assert with_used(partial(max, one)).hash != with_used(partial(max, two)).hash


@pytest.mark.parametrize("chip", ["ideal", "loihi1", "spinnaker1"])
def test_set_weights_tells_what_was_stored(chip: str) -> None:
    program = compile(random_network(0), chip, dt=1e-3)
    session = sim.session(program)
    before = session.weights("hidden->out")
    stored = session.set_weights("hidden->out", np.where(before != 0, 2 * before, 0))
    np.testing.assert_array_equal(stored, session.weights("hidden->out"))
    if chip == "ideal":
        np.testing.assert_array_equal(stored, 2 * before)
    elif chip == "spinnaker1":  # ring buffers leave twice the room that compile saw a need for
        np.testing.assert_allclose(stored, 2 * before, rtol=0.01, atol=1e-3)
    else:  # Loihi's mantissas were chosen from the weights that compile saw
        assert np.abs(stored).max() < 1.1 * np.abs(before).max()

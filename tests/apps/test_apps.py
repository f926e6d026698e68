"""The ready networks hold what they promise, on every machine that is meant to run them."""

from __future__ import annotations

import pytest

from ranvier import apps
from ranvier.chips import CHIPS
from ranvier.errors import RanvierError
from ranvier.learn import Task, evaluate


@pytest.mark.parametrize("name", apps.names())
def test_an_app_reaches_its_stated_result(name: str) -> None:
    app = apps.kept(name)
    assert app.path == apps.path(name)
    assert app.path.stat().st_size < 100_000
    assert Task.of(app.network()).data == name
    assert evaluate(app.network()).accuracy >= app.expected


@pytest.mark.parametrize("chip", ["loihi1", "spinnaker1"])
def test_digits_lose_at_most_a_point_on_the_chips(chip: str) -> None:
    if chip not in CHIPS.names():
        pytest.skip(f"{chip} is not in this installation")
    network = apps.load("digits")
    assert evaluate(network, chip).accuracy >= evaluate(network).accuracy - 0.01


def test_an_unknown_app_gets_a_hint() -> None:
    with pytest.raises(RanvierError, match="did you mean 'digits'"):
        apps.path("digit")

"""Findings about legal networks."""

from __future__ import annotations

import numpy as np

from ranvier.network import Dense, Network, Population, Projection, lint
from ranvier.testing import random_network

LIF = {"tau": 0.01, "v_threshold": 1.0}


def _codes(network: Network) -> set[str]:
    return {issue.code for issue in lint(network)}


def _network(weights: np.ndarray, outputs: tuple[str, ...], *more: Population) -> Network:
    return Network(
        populations=(
            Population(name="in", shape=(3,)),
            Population(name="out", shape=(2,), model="lif", parameters=LIF),  # type: ignore[arg-type]
            *more,
        ),
        projections=(Projection(source="in", target="out", connectivity=Dense(weights)),),
        outputs=outputs,
    )


def test_a_sound_network_has_none() -> None:
    assert lint(random_network(0)) == []
    assert _codes(_network(np.ones((2, 3)), ("out",))) == set()


def test_every_finding() -> None:
    assert _codes(_network(np.zeros((2, 3)), ())) == {"no-outputs", "leads-nowhere", "zero-weights"}
    lonely = Population(name="lonely", shape=(2,), model="lif", parameters=LIF)  # type: ignore[arg-type]
    assert _codes(_network(np.ones((2, 3)), ("out", "lonely"), lonely)) == {"never-driven"}
    bias = {**LIF, "bias": 1.0}
    driven = Population(name="lonely", shape=(2,), model="lif", parameters=bias)  # type: ignore[arg-type]
    assert _codes(_network(np.ones((2, 3)), ("out", "lonely"), driven)) == set()


def test_seconds_that_look_like_milliseconds() -> None:
    slow = Population(name="slow", shape=(1,), model="lif", parameters={"tau": 10.0, "bias": 1.0})  # type: ignore[arg-type]
    network = Network(populations=(slow,), outputs=("slow",))
    assert "milliseconds?" in str(lint(network)[0])

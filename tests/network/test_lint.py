"""Findings about legal networks."""

from __future__ import annotations

import numpy as np

from ranvier.network import (
    Dense,
    Network,
    Normal,
    Plasticity,
    Population,
    Projection,
    Rule,
    lint,
)
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


def test_negative_conductances() -> None:
    def wired(weight: object, port: str) -> Network:
        return Network(
            populations=(
                Population(name="in", shape=4),  # type: ignore[arg-type]
                Population(name="out", shape=4, model="iaf_cond_exp"),  # type: ignore[arg-type]
            ),
            projections=(
                Projection(source="in", target="out", port=port,
                           connectivity=Rule("all_to_all", 4, 4, {}, weight, 0)),  # type: ignore[arg-type]
            ),
            outputs=("out",),
        )  # fmt: skip

    assert _codes(wired(-1e-9, "inh")) == {"negative-conductance"}
    assert _codes(wired(Normal(1e-9, 1e-9), "exc")) == {"negative-conductance"}
    assert _codes(wired(Normal(1e-9, 1e-9, low=0.0), "exc")) == set()
    assert _codes(wired(-1e-9, "current")) == set()


def test_plastic_weights_within_their_bounds() -> None:
    def learning(weight: float, **parameters: float) -> Network:
        return Network(
            populations=(
                Population(name="in", shape=2),  # type: ignore[arg-type]
                Population(name="out", shape=2, model="lif", parameters=LIF),  # type: ignore[arg-type]
            ),
            projections=(
                Projection(source="in", target="out", connectivity=Dense(np.full((2, 2), weight)),
                           plasticity=Plasticity(rule="stdp", parameters=parameters)),  # type: ignore[arg-type]
            ),
            outputs=("out",),
        )  # fmt: skip

    assert _codes(learning(0.5)) == set()
    assert _codes(learning(-0.5)) == _codes(learning(2.0)) == {"weight-out-of-bounds"}
    assert _codes(learning(2.0, w_max=3.0)) == set()

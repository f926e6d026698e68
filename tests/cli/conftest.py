"""A tiny network on disk and a way to run a command in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ranvier
from ranvier.cli import main
from ranvier.network import Dense, Network, Population, Probe, Projection
from ranvier.neurons import get

LIF = {"tau": 20e-3, "r": 1.0, "v_threshold": 1.0, "v_reset": 0.0, "v_leak": 0.0}


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as exactly one JSON document."""
        return json.loads(self.out)

    @property
    def issue(self) -> Any:
        """The first issue of a failure told in JSON."""
        return self.json["error"][0]


def environment() -> dict[str, str]:
    """For another process, wherever it runs: this very ranvier, and a terminal of no width."""
    source = str(Path(ranvier.__file__).resolve().parent.parent)
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "FORCE_COLOR")}
    return kept | {"PYTHONPATH": source}


Cli = Callable[..., Done]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*arguments: object) -> Done:
        code = main([str(a) for a in arguments])
        caught = capsys.readouterr()
        return Done(code, caught.out, caught.err)

    return run


def make_network(*, hidden: int = 8, name: str = "tiny", weight: float = 0.6) -> Network:
    rng = np.random.default_rng(3)
    return Network(
        name=name,
        populations=(
            Population(name="in", shape=(6,)),
            Population(name="hidden", shape=(hidden,), model=get("lif"), parameters=LIF),
            Population(name="out", shape=(3,), model=get("lif"), parameters=LIF),
        ),
        projections=(
            Projection(
                source="in",
                target="hidden",
                connectivity=Dense(weight * rng.random((hidden, 6))),
                port="jump",
            ),
            Projection(
                source="hidden",
                target="out",
                connectivity=Dense(0.5 * rng.random((3, hidden))),
                port="jump",
            ),
        ),
        outputs=("out",),
        probes=(Probe(population="hidden"),),
    )


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_network().save(tmp_path_factory.mktemp("network") / "tiny.rvn")


@pytest.fixture(scope="session")
def program(network: Path) -> Path:
    from ranvier.compile import compile
    from ranvier.network import load

    return compile(load(network), "ideal", dt=1e-3).save(network.with_suffix(".rvp"))


@pytest.fixture(scope="session")
def csv(network: Path) -> Path:
    path = network.with_name("events.csv")
    lines = [f"{tick},{tick % 6}" for tick in range(40)]
    path.write_text("tick,id\n" + "\n".join(lines) + "\n")
    return path

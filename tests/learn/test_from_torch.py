"""Modules of snnTorch and SpikingJelly: against stand-ins that compute by their formulas, and,
with ``-m oracle`` and RANVIER_TORCH_PEERS, a Python that has them, against the libraries."""

# pyright: reportCallIssue=false, reportOptionalMemberAccess=false, reportOperatorIssue=false

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import ranvier
from ranvier.errors import RanvierError

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from ranvier.learn import import_torch  # noqa: E402

PEERS = os.environ.get("RANVIER_TORCH_PEERS")


def _named(kind: str, module: str, **values: Any) -> Any:
    """An object that looks like a neuron of that library."""
    made = type(kind, (nn.Module,), {"__module__": module})()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def leaky(reset: int, **more: Any) -> Any:
    given = {"beta": torch.tensor(0.83), "threshold": torch.tensor(0.7),
             "reset_mechanism_val": reset, "reset_delay": True}  # fmt: skip
    return _named("Leaky", "snntorch._neurons.leaky", **{**given, **more})


def lif(rest: float | None, decay: bool, **more: Any) -> Any:
    given = {"tau": 2.3, "v_threshold": 0.4, "v_reset": rest, "decay_input": decay,
             "detach_reset": False}  # fmt: skip
    return _named("LIFNode", "spikingjelly.activation_based.neuron.lif", **{**given, **more})


@pytest.mark.parametrize("reset", [0, 1, 2])
def test_leaky_bit_for_bit(reset: int) -> None:
    x = torch.randn(200, 4, 30, generator=torch.Generator().manual_seed(reset))
    spikes, state = import_torch([leaky(reset)])(x)
    beta, threshold, mem, total = torch.tensor(0.83), torch.tensor(0.7), torch.zeros(4, 30), 0
    for t in range(len(x)):
        last = (mem - threshold > 0).float()
        if reset == 1:
            mem = (1 - last) * mem
        mem = beta * mem + x[t]
        if reset == 0:
            mem = mem - last * threshold
        fired = (mem - threshold > 0).float()
        assert torch.equal(spikes[t], fired)
        total += int(fired.sum())
    assert total > 500
    (kept,) = state.values()
    assert torch.equal(kept["mem"], mem.flatten(1))


@pytest.mark.parametrize("rest", [0.0, None, -0.3])
@pytest.mark.parametrize("decay", [True, False])
def test_lif_node_bit_for_bit(rest: float | None, decay: bool) -> None:
    x = torch.randn(200, 4, 30, generator=torch.Generator().manual_seed(1))
    spikes, _ = import_torch([lif(rest, decay)])(x)
    base = 0.0 if rest is None else rest
    v = torch.full((4, 30), base)
    for t in range(len(x)):
        h = v + (x[t] - (v - base)) / 2.3 if decay else v - (v - base) / 2.3 + x[t]
        fired = (h >= 0.4).float()
        v = h - fired * 0.4 if rest is None else (1 - fired) * h + fired * rest
        assert torch.equal(spikes[t], fired)
    assert spikes.sum() > 500


def test_layers_keep_their_weights_and_state_goes_on() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 3), lif(0.0, True), nn.AvgPool2d(2), nn.Flatten(),
                        nn.Linear(12, 5), leaky(0))  # fmt: skip
    for k in (0, 4):
        net[k].weight.data *= 4
    chain = import_torch(net)
    assert [i.severity for i in chain.labels] == ["exact"] * 6
    assert "LIFNode" in chain.labels[1].message
    x = (torch.rand(30, 2, 1, 6, 6, generator=torch.Generator().manual_seed(2)) < 0.5).float() * 3
    whole, _ = chain(x)
    first, state = chain(x[:13])
    second, _ = chain(x[13:], state)
    assert torch.equal(whole, torch.cat([first, second]))
    assert whole.sum() > 0
    whole.sum().backward()
    assert net[0].weight.grad.abs().sum() > 0


class Standardised(nn.Linear):
    """A layer with a way of its own."""

    def forward(self, x: Any) -> Any:
        return nn.functional.linear(x, self.weight - self.weight.mean())


def hooked() -> Any:
    layer = nn.Linear(3, 3)
    layer.register_forward_pre_hook(lambda module, given: None)
    return layer


class Residual(nn.Sequential):
    """A chain that is none."""

    def forward(self, x: Any) -> Any:
        return x + super().forward(x)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([nn.LSTM(3, 3)], "LSTM"),
        ([Standardised(3, 3)], "Standardised"),
        ([hooked()], "hooks"),
        (Residual(nn.Linear(3, 3)), "order of its own"),
        ([_named("Lapicque", "snntorch._neurons.lapicque")], "Lapicque"),
        ([_named("EIFNode", "spikingjelly.activation_based.neuron")], "EIFNode"),
        ([leaky(0, reset_delay=False)], "reset_delay"),
        ([leaky(0, inhibition=True)], "inhibition"),
    ],
)
def test_what_is_not_read_is_named(layers: Any, words: str) -> None:
    with pytest.raises(RanvierError, match=words):
        import_torch(layers)


@pytest.mark.oracle
@pytest.mark.parametrize("seed", range(3))
def test_the_libraries_themselves(seed: int) -> None:
    if not PEERS:
        pytest.skip("RANVIER_TORCH_PEERS names no Python that has snnTorch and SpikingJelly")
    script = Path(__file__).parent / "peers_interop.py"
    source = str(Path(ranvier.__file__).parent.parent)
    done = subprocess.run(
        [str(PEERS), str(script), str(seed)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": source},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert len(found) == 24
    assert {name: differ for name, (_, differ) in found.items() if differ} == {}
    assert sum(spikes for spikes, _ in found.values()) > 5000

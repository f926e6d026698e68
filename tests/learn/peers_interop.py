"""Run in an environment that has snnTorch and SpikingJelly: spikes of their modules against ours.

    RANVIER_TORCH_PEERS=python-that-has-them pytest -m oracle tests/learn/test_from_torch.py

Prints one line of JSON: for every network its spikes and how many differ.
"""

# pyright: reportMissingImports=false, reportRedeclaration=false
import json
import sys

import snntorch
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

from ranvier.learn import import_torch


def stepped(modules, x):
    """snnTorch, tick by tick, as its tutorials do."""
    state, out = {}, []
    for row in x:
        h = row
        for k, m in enumerate(modules):
            if isinstance(m, snntorch.Leaky):
                h, state[k] = m(h, state.get(k, torch.zeros_like(h)))
            elif isinstance(m, snntorch.Synaptic):
                h, *state[k] = m(h, *state.get(k, (torch.zeros_like(h),) * 2))
            else:
                h = m(h)
        out.append(h)
    return torch.stack(out)


def louder(modules):
    """So that every layer fires."""
    for m in modules:
        if isinstance(m, nn.Linear | nn.Conv2d):
            m.weight.data *= 3
    return modules


@torch.no_grad()
def main():
    torch.manual_seed(int(sys.argv[1]))
    x = (torch.rand(60, 8, 1, 16, 16) < 0.3).float() * 2
    found = {}
    for reset in ("subtract", "zero", "none"):
        for kind in ("Leaky", "Synaptic"):

            def cell(kind=kind, reset=reset):
                if kind == "Leaky":
                    return snntorch.Leaky(beta=torch.rand(1).item(), threshold=0.7,
                                          reset_mechanism=reset)  # fmt: skip
                return snntorch.Synaptic(alpha=0.6, beta=0.85, threshold=0.7,
                                         reset_mechanism=reset)  # fmt: skip

            net = louder([nn.Conv2d(1, 6, 3), cell(), nn.AvgPool2d(2), nn.Flatten(),
                          nn.Linear(294, 50), cell(), nn.Linear(50, 10), cell()])  # fmt: skip
            a, b = stepped(net, x), import_torch(net)(x)[0]
            found[f"snntorch {kind} {reset}"] = int(a.sum()), int((a != b).sum())
    for decay in (True, False):
        for rest in (0.0, None, -0.2):
            for kind in ("LIFNode", "IFNode", "ParametricLIFNode"):

                def cell(kind=kind, rest=rest, decay=decay):
                    more = {"v_reset": rest, "step_mode": "m"}
                    if kind == "IFNode":
                        return neuron.IFNode(v_threshold=0.8, **more)
                    more |= {"decay_input": decay, "v_threshold": 0.3 if decay else 0.8}
                    if kind == "LIFNode":
                        return neuron.LIFNode(tau=3.0, **more)
                    return neuron.ParametricLIFNode(init_tau=2.5, **more)

                net = nn.Sequential(*louder([
                    layer.Conv2d(1, 6, 3, step_mode="m"), cell(),
                    layer.MaxPool2d(2, step_mode="m"), layer.Flatten(step_mode="m"),
                    layer.Linear(294, 50, step_mode="m"), cell(),
                    layer.Linear(50, 10, step_mode="m"), cell(),
                ]))  # fmt: skip
                functional.reset_net(net)
                a, b = net(x), import_torch(net)(x)[0]
                found[f"spikingjelly {kind} {decay} {rest}"] = int(a.sum()), int((a != b).sum())
    print(json.dumps(found))


if __name__ == "__main__":
    main()

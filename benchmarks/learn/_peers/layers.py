"""The layers of benchmarks/learn/speed.py in snnTorch and SpikingJelly, as each is taught.

Runs in the peers' own environment: python layers.py LIBRARY TASK --ticks T --batch B ...; ends with
a line of JSON. Of each library the faster of its ways is told ("way").
"""

import argparse
import json
import resource
import time

import torch

BETA = 0.9
GAIN = {"linear": (2.0,), "recurrent": (1.2, 0.5, 1.0), "conv": (2.0, 0.85, 2.0)}
"""Weights are normal with this over the root of the sources: rates of some per cent a tick."""


seen = {}
"""Spikes of the first hidden layer (of the last tick, where a library goes tick by tick)."""


def spread(task, layers):
    """Draw the weights of ``layers`` (their biases, if any, are 0)."""
    for gain, one in zip(GAIN[task], layers, strict=False):
        torch.nn.init.normal_(one.weight, 0.0, gain / one.weight[0].numel() ** 0.5)
        if one.bias is not None:
            torch.nn.init.zeros_(one.bias)


def linear(library, size, way):
    lin = torch.nn.Linear(*size, bias=False)
    if library == "snntorch":
        import snntorch

        cell = snntorch.Leaky(beta=BETA, reset_mechanism="zero")

        def run(x):
            state, out = cell.init_leaky(), []
            rows = lin(x).unbind(0) if way == "hoisted" else x.unbind(0)
            for row in rows:
                spike, state = cell(row if way == "hoisted" else lin(row), state)
                out.append(spike)
            return torch.stack(out)

        return [lin], run
    from spikingjelly.activation_based import functional, neuron

    cell = neuron.LIFNode(tau=1 / (1 - BETA), decay_input=False, v_reset=0.0, step_mode="m")

    def run(x):
        functional.reset_net(cell)
        return cell(lin(x))

    return [lin], run


def recurrent(library, size, way):
    first = torch.nn.Linear(size[0], size[1], bias=False)
    last = torch.nn.Linear(size[1], size[2], bias=False)
    if library == "snntorch":
        import snntorch

        cell = snntorch.RLeaky(beta=BETA, linear_features=size[1], reset_mechanism="zero")

        def run(x):
            spike, state = cell.init_rleaky()
            out = []
            rows = first(x).unbind(0) if way == "hoisted" else x.unbind(0)
            for row in rows:
                spike, state = cell(row if way == "hoisted" else first(row), spike, state)
                out.append(spike)
            seen["hidden"] = torch.stack(out)
            return last(seen["hidden"])

        return [first, last, cell], run
    from spikingjelly.activation_based import functional, layer, neuron

    own = layer.LinearRecurrentContainer(
        neuron.LIFNode(tau=1 / (1 - BETA), decay_input=False, v_reset=0.0),
        size[1], size[1], bias=False, step_mode="m",
    )  # fmt: skip

    def run(x):
        functional.reset_net(own)
        seen["hidden"] = own(first(x))
        return last(seen["hidden"])

    return [first, last, own], run


def conv(library, size, way):
    nn = torch.nn
    if library == "snntorch":
        import snntorch

        c1, c2, fc = nn.Conv2d(1, 32, 5), nn.Conv2d(32, 64, 5), nn.Linear(1024, 10)
        cells = [snntorch.Leaky(beta=BETA, reset_mechanism="zero") for _ in range(3)]
        pool = nn.AvgPool2d(2)

        def run(x):
            states = [c.init_leaky() for c in cells]
            out = []
            for row in x.unbind(0):
                s, states[0] = cells[0](c1(row), states[0])
                seen["hidden"] = s
                s, states[1] = cells[1](c2(pool(s)), states[1])
                s, states[2] = cells[2](fc(pool(s).flatten(1)), states[2])
                out.append(s)
            return torch.stack(out)

        return [c1, c2, fc], run
    from spikingjelly.activation_based import functional, layer, neuron

    def cell():
        return neuron.LIFNode(tau=1 / (1 - BETA), decay_input=False, v_reset=0.0)

    net = nn.Sequential(
        layer.Conv2d(1, 32, 5), cell(), layer.AvgPool2d(2), layer.Conv2d(32, 64, 5), cell(),
        layer.AvgPool2d(2), layer.Flatten(), layer.Linear(1024, 10), cell(),
    )  # fmt: skip
    functional.set_step_mode(net, "m")

    net[1].register_forward_hook(lambda module, given, out: seen.update(hidden=out))

    def run(x):
        functional.reset_net(net)
        return net(x)

    return [net], run


def main():
    p = argparse.ArgumentParser()
    p.add_argument("library")
    p.add_argument("task")
    p.add_argument("--ticks", type=int)
    p.add_argument("--batch", type=int)
    p.add_argument("--density", type=float)
    p.add_argument("--size", type=int, nargs="*")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--repeats", type=int, default=3)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    shape = (1, 28, 28) if a.task == "conv" else (a.size[0],)
    x = (torch.rand(a.ticks, a.batch, *shape) < a.density).float()
    y = torch.randint(0, 10, (a.batch,))
    best = None
    ways = ("step", "hoisted") if a.library == "snntorch" and a.task != "conv" else ("",)
    for way in ways:
        modules, run = {"linear": linear, "recurrent": recurrent, "conv": conv}[a.task](
            a.library, a.size, way
        )
        found = [q for m in modules for q in m.modules()
                 if isinstance(q, (torch.nn.Linear, torch.nn.Conv2d))]  # fmt: skip
        order = sorted(found, key=lambda q: q.weight.shape[0] == 20) if a.size else found
        spread(a.task, order)
        with torch.no_grad():
            run(x[:2])
        optimiser = torch.optim.Adam([q for m in modules for q in m.parameters()], lr=1e-4)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        times = []
        for _ in range(a.repeats + 1):
            began = time.perf_counter()
            if a.task == "linear":
                for m in modules:
                    m.zero_grad()
                out = run(x)
                out.sum().backward()
            else:
                optimiser.zero_grad()
                out = run(x)
                torch.nn.functional.cross_entropy(out.sum(0), y).backward()
                optimiser.step()
            times.append(time.perf_counter() - began)
        rate = float(seen.get("hidden", out).detach().mean())
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        found = {"run": times[1:], "rate": rate, "peak": peak, "way": way}
        if best is None or min(found["run"]) < min(best["run"]):
            best = {**found, "peak": peak if best is None else best["peak"]}
    print(json.dumps(best))


if __name__ == "__main__":
    main()

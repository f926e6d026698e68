"""MNIST by surrogate gradients: a fully connected and a convolutional network.

    python -m benchmarks.learn.mnist --data mnist:DIR [--net mlp conv] [--seed 1] [--json]

Pixels are a constant current at every tick (direct coding). ``mlp``: 784-800-10, 8 ticks, dropout;
``conv``: 32C5-P2-64C5-P2-10, 5 ticks, images shifted by up to two pixels while training. LIF
neurons (tau 2 ms of 1 ms ticks, soft threshold by arctan), a leaky readout whose mean potential is
the logit, Adam on one cosine. The last epoch counts, none is chosen; the test part is asked once.
Published: 98.4 % MLP, 99.4 % conv (Lee et al. 2016, Front. Neurosci. 10:508: 98.77 and 99.31).
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks._common import finish
from benchmarks.sim._harness import arguments, say
from ranvier.data import load
from ranvier.learn import Neurons
from ranvier.neurons import arctan

DT = 1e-3
GOAL = {"mlp": 0.985, "conv": 0.992}
PUBLISHED = {"mlp": 0.9877, "conv": 0.9931}
TICKS = {"mlp": 8, "conv": 5}


def cells(*shape: int, model: str = "lif") -> Neurons:
    """Neurons of one layer."""
    given = {"tau": 2e-3} if model == "li" else {"tau": 2e-3, "v_threshold": 1.0}
    return Neurons(model, shape, DT, parameters=given, surrogate=arctan())


class Net(nn.Module):
    """Logits [B, 10] of images [B, 1, 28, 28]."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.ticks = kind, TICKS[kind]
        if kind == "mlp":
            self.first, self.last = nn.Linear(784, 800), nn.Linear(800, 10)
            self.one = cells(800)
        else:
            self.first, self.second = nn.Conv2d(1, 32, 5), nn.Conv2d(32, 64, 5)
            self.one, self.two = cells(32, 24, 24), cells(64, 8, 8)
            self.last = nn.Linear(1024, 10)
        self.drop, self.out = nn.Dropout(0.2), cells(10, model="li")

    def forward(self, x: Tensor) -> Tensor:
        """One run of all ticks."""
        if self.kind == "mlp":
            drive = self.first(x.flatten(1))
            spikes, _ = self.one(drive.expand(self.ticks, *drive.shape).contiguous())
        else:
            drive = self.first(x)
            spikes, _ = self.one(drive.expand(self.ticks, *drive.shape).contiguous())
            pooled = functional.avg_pool2d(spikes.flatten(0, 1), 2)
            second = self.second(pooled).unflatten(0, spikes.shape[:2])
            spikes, _ = self.two(second)
            spikes = functional.avg_pool2d(spikes.flatten(0, 1), 2).unflatten(0, spikes.shape[:2])
        potential, _ = self.out(self.last(self.drop(spikes.flatten(2))))
        return potential.mean(0)


def run(args: Any, kind: str) -> dict[str, Any]:
    """Train and ask the test part."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    train, test = load(args.data, "train"), load(args.data, "test")
    x = torch.from_numpy(train.x.copy()).float().unsqueeze(1) / 255
    y = torch.from_numpy(train.y.copy())
    net = Net(kind)
    epochs = args.epochs or {"mlp": 20, "conv": 6}[kind]
    optimiser = torch.optim.Adam(net.parameters(), lr=args.lr)
    batches = -(-len(y) // args.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, args.lr, epochs * batches)
    began = time.perf_counter()
    for epoch in range(epochs):
        net.train()
        total = 0.0
        for part in torch.randperm(len(y)).split(args.batch):
            images = x[part]
            if kind == "conv":
                images = functional.pad(images, (2, 2, 2, 2))
                a, b = torch.randint(0, 5, (2,)).tolist()
                images = images[:, :, a : a + 28, b : b + 28]
            optimiser.zero_grad()
            loss = functional.cross_entropy(net(images), y[part])
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(part)
        say(args, f"{kind}, epoch {epoch + 1} of {epochs}: loss {total / len(y):.4f}, "
                  f"{time.perf_counter() - began:.0f} s")  # fmt: skip
    seconds = time.perf_counter() - began
    net.eval()
    asked = torch.from_numpy(test.x.copy()).float().unsqueeze(1) / 255
    with torch.no_grad():
        answers = torch.cat([net(part).argmax(1) for part in asked.split(500)])
    accuracy = float((answers == torch.from_numpy(test.y.copy())).double().mean())
    return {"accuracy": accuracy, "seconds": seconds, "epochs": epochs, "tested": len(answers)}


def main() -> None:
    """Run and print."""
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--data", required=True, help="mnist:DIR")
    parser.add_argument("--net", nargs="*", choices=GOAL, default=list(GOAL))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    for kind in args.net:
        found = run(args, kind)
        accuracy = found.pop("accuracy")
        finish(
            f"learn/mnist_{kind}", ours=accuracy, peer=PUBLISHED[kind], unit="accuracy",
            ratio=accuracy / PUBLISHED[kind], goal=f">= {GOAL[kind]}",
            holds=accuracy >= GOAL[kind], seed=args.seed, batch=args.batch, lr=args.lr, **found,
        )  # fmt: skip


if __name__ == "__main__":
    main()

"""What stands between trained weights and the network that is run: rounding, noise, pruning.

A hook is called with a projection's name and its weights and returns those to use. Gradients go
straight through what is rounded (Hubara et al. 2016, NeurIPS; Bengio et al. 2013). Hooks whose
``permanent`` is true are also applied by ``Module.to_network``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from ranvier.chips import Chip, Implementation, Incoming
from ranvier.chips import get as chip_of
from ranvier.errors import RanvierError, about, fail, unknown
from ranvier.learn._module import Module

__all__ = ["ChipWeights", "FewLevels", "Hook", "Noise", "Pruning", "relative_noise"]


class Hook(Protocol):
    """See the module. One with ``renew()`` is renewed before its network is handed over."""

    def __call__(self, projection: str, weight: Tensor) -> Tensor:
        """The weights to use."""
        ...


class _Straight(torch.autograd.Function):
    """The second argument, bit for bit, with the gradient of the first."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0], None


def _through(weight: Tensor, value: Tensor) -> Tensor:
    return _Straight.apply(weight, value)


class ChipWeights:
    """Weights as ``chip`` stores them, by the quantiser that compiles for it.

    The chip's scales follow the weights every ``refresh`` calls of each projection. Raises
    RanvierError where the chip refuses a population.
    """

    permanent: ClassVar[bool] = True

    def __init__(self, module: Module, chip: str | Chip, *, refresh: int = 50) -> None:
        if refresh < 1:
            raise fail("bad-refresh", "ChipWeights", "must be at least 1", got=refresh)
        self.module, self.refresh = module, refresh
        self.chip = chip_of(chip) if isinstance(chip, str) else chip
        self._calls: dict[str, int] = {}
        self._found: dict[str, tuple[Implementation, Mapping[str, Any]]] = {}
        self._places: dict[str, Any] = {}
        self._measure()

    def renew(self) -> None:
        """Take the scales from the weights as they are now."""
        self._calls.clear()
        self._measure()

    def _measure(self) -> None:
        network = self.module.network
        for population in network.populations:
            if population.model is None:
                continue
            incoming: dict[str, Incoming] = {}
            for p in network.projections:
                if p.target != population.name:
                    continue
                listed = p.connectivity.synapses()
                self._places.setdefault(p.name, torch.as_tensor(np.array(listed.origin)))
                weights = listed.weight
                if self.module.trains(p.name):
                    own = self.module.weight(p.name).detach().cpu().double().reshape(-1)
                    weights = own[self._places[p.name]].numpy()
                signal = network.population(p.source).signal
                incoming[p.name] = Incoming(port=p.port, signal=signal, kind=p.connectivity.kind,
                                            post=listed.post, weights=weights)  # fmt: skip
            with about(population.name):
                chosen, labels = self.chip.choose(population, incoming, self.module.dt)
                if chosen is None:
                    raise fail("model-not-on-chip", population.name,
                               f"{self.chip.title} has no such neuron",
                               got=population.model.name)  # fmt: skip
                if any(i.severity == "refused" for i in labels):
                    raise RanvierError(*(i for i in labels if i.severity == "refused"))
                done = chosen.quantise(population, incoming, self.module.dt)
            refused = [i for i in done.issues if i.severity == "refused"]
            if refused:
                raise RanvierError(*refused)
            for name in incoming:
                self._found[name] = chosen, done.encodings[name]

    def __call__(self, projection: str, weight: Tensor) -> Tensor:
        """The weights that the chip would use."""
        if torch.is_grad_enabled():
            calls = self._calls[projection] = self._calls.get(projection, -1) + 1
            if calls and calls % self.refresh == 0:
                self._measure()
        chosen, encoding = self._found[projection]
        places = self._places[projection]
        flat = weight.detach().cpu().double().reshape(-1)
        stored = chosen.decode(*chosen.encode(flat[places].numpy(), encoding), encoding)
        value = flat.clone()
        value[places] = torch.from_numpy(np.asarray(stored, np.float64))
        return _through(weight, value.view_as(weight).to(weight))


class FewLevels:
    """Weights of few values: ``"binary"``, ``"ternary"`` or a whole number of steps of the largest.

    Binary is the sign times the mean magnitude (Rastegari et al. 2016, ECCV); ternary leaves out
    what is below 0.7 of that mean and gives the rest their mean (Li & Liu 2016, arXiv:1605.04711).
    ``sharpness`` from 0 to 1 moves from the trained weights to those (set it while training, as
    Whetstone does for activations: Severa et al. 2019, Nat. Mach. Intell. 1:86).
    """

    permanent: ClassVar[bool] = True

    def __init__(self, levels: int | str, *, sharpness: float = 1.0) -> None:
        if isinstance(levels, str) and levels not in ("binary", "ternary"):
            raise unknown("kind of weights", levels, ("binary", "ternary"), where="FewLevels")
        if not isinstance(levels, str) and (not isinstance(levels, int) or levels < 1):
            raise fail("bad-levels", "FewLevels", "must be a whole number from 1", got=levels)
        self.levels, self.sharpness = levels, sharpness

    def __call__(self, projection: str, weight: Tensor) -> Tensor:
        """The rounded weights."""
        w = weight.detach()
        if self.levels == "binary":
            value = torch.where(w >= 0, 1.0, -1.0).to(w) * w.abs().mean()
        elif self.levels == "ternary":
            large = w.abs() > 0.7 * w.abs().mean()
            size = w.abs()[large].mean() if large.any() else w.new_zeros(())
            value = w.sign() * large * size
        else:
            step = w.abs().amax().clamp(min=1e-12) / int(self.levels)
            value = torch.round(w / step) * step
        value = value if self.sharpness == 1 else w + self.sharpness * (value - w)
        return _through(weight, value)


class Pruning:
    """Keeps the largest weights of each projection and makes the rest 0, which stop learning.

    The share of zeros rises to ``sparsity`` over ``ramp`` calls, first fast and then slowly (Zhu &
    Gupta 2017, arXiv:1710.01878, eq. 1); the choice is made anew every ``refresh`` calls and holds
    once the ramp is over. ``only`` names projections; None is all.
    """

    permanent: ClassVar[bool] = True

    def __init__(
        self,
        sparsity: float,
        *,
        ramp: int = 0,
        refresh: int = 50,
        only: Sequence[str] | None = None,
    ) -> None:
        if not 0 <= sparsity < 1:
            raise fail("bad-sparsity", "Pruning", "must be from 0 up to 1", got=sparsity)
        if ramp < 0 or refresh < 1:
            raise fail("bad-ramp", "Pruning", "ramp must be at least 0, and refresh at least 1",
                       got=f"{ramp}, {refresh}")  # fmt: skip
        if isinstance(only, str):
            raise fail("bad-names", "Pruning, only", "must be a list of projections", got=only,
                       hint=f"write [{only!r}]")  # fmt: skip
        self.sparsity, self.ramp, self.refresh = sparsity, ramp, refresh
        self.only = None if only is None else frozenset(only)
        self._kept: dict[str, Tensor] = {}
        self._calls: dict[str, int] = {}

    def __call__(self, projection: str, weight: Tensor) -> Tensor:
        """The weights that are left."""
        if self.only is not None and projection not in self.only:
            return weight
        kept = self._kept.get(projection)
        calls = self._calls.get(projection, 0)
        due = kept is None or (calls < self.ramp and calls % self.refresh == 0)
        if due or calls == self.ramp:
            left = 1 - min(1.0, calls / self.ramp) if self.ramp else 0.0
            out = int(self.sparsity * (1 - left**3) * weight.numel())
            order = weight.detach().abs().flatten().argsort(stable=True)
            every = torch.ones(weight.numel(), dtype=torch.bool, device=weight.device)
            every[order[:out]] = False
            self._kept[projection] = every.view(weight.shape)
        if torch.is_grad_enabled():  # asking does not count
            self._calls[projection] = calls + 1
        return weight * self._kept[projection]

    def state(self) -> dict[str, Tensor]:
        """What is kept, and how far the ramp is."""
        found = {f"kept.{name}": kept.to(torch.uint8) for name, kept in self._kept.items()}
        return found | {f"calls.{name}": torch.tensor(n) for name, n in self._calls.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """As it was."""
        for name, value in tensors.items():
            kind, _, projection = name.partition(".")
            if kind == "kept":
                self._kept[projection] = value.bool()
            else:
                self._calls[projection] = int(value)


class Noise:
    """Weights with noise that is drawn anew at every call: ``model(weight, generator)`` gives the
    noisy ones. For training only: nothing of it stays in the network."""

    permanent: ClassVar[bool] = False

    def __init__(
        self, model: Callable[[Tensor, torch.Generator], Tensor], *, seed: int = 0
    ) -> None:
        self.model = model
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, projection: str, weight: Tensor) -> Tensor:
        """The noisy weights, while gradients are computed."""
        if not torch.is_grad_enabled():
            return weight
        value = self.model(weight.detach(), self.generator)
        if value.shape != weight.shape:
            raise fail("noise-shape", f"Noise, {projection}", "the model changed the shape",
                       got=tuple(value.shape), limit=tuple(weight.shape))  # fmt: skip
        return _through(weight, value)

    def state(self) -> dict[str, Tensor]:
        """Where the generator is."""
        return {"generator": self.generator.get_state()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """As it was."""
        self.generator.set_state(tensors["generator"])


def relative_noise(deviation: float) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Normal noise of ``deviation`` times the largest weight (Joshi et al. 2020, Nat. Commun.
    11:2473)."""

    def model(weight: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(weight.shape, generator=generator).to(weight)
        return weight + deviation * weight.abs().amax() * noise

    return model

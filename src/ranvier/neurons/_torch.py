"""The differentiable step: the statements of the kernel, printed for torch.

Forward values are those of the kernel (in float64 bit for bit, up to the last digits of exp and
its kin); a spike carries a surrogate gradient. torch is imported when first needed.
"""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from ranvier.errors import fail
from ranvier.neurons._expr import EXP_LIMIT, Expr, Num, Op, show
from ranvier.neurons._generate import Discrete
from ranvier.neurons._lower import StepIR

if TYPE_CHECKING:
    from torch import Tensor, device, dtype

__all__ = [
    "TorchStep", "spike_function", "torch_function", "torch_state", "torch_step", "torch_values",
]  # fmt: skip

Step: TypeAlias = "Callable[[Tensor], Tensor]"
"""Maps x to 1 where x > 0 and else to 0, with a derivative of its own choice: a Surrogate."""


class TorchStep(Protocol):
    """One tick for tensors of any common shape, e.g. [batch, n]."""

    def __call__(
        self,
        state: Mapping[str, Tensor],
        ports: Mapping[str, Tensor],
        values: Mapping[str, Tensor | float],
        surrogate: Step,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return (new state, out). ``values`` has the names of ``kernel.params``."""
        ...


def _import() -> Any:
    try:
        import torch
    except ImportError:
        raise fail("no-torch", "torch step", "PyTorch is not installed",
                   hint="pip install 'ranvier[train]'") from None  # fmt: skip
    return torch


def torch_step(discrete: Discrete, *, detach_reset: bool = False) -> TorchStep:
    """The step of ``discrete`` as a function of tensors, for autograd.

    ``step(state, ports, values, surrogate) -> (state, out)``; every tensor broadcasts to the shape
    of the states. ``torch_state`` and ``torch_values`` make the first and third argument. The
    threshold ``a > b`` becomes ``surrogate(a - b)`` and ``a >= b`` becomes
    ``1 - surrogate(b - a)``. A reset is differentiated through the spike unless ``detach_reset``.
    Arguments of exp are cut off at 300, in less than double precision at 80.
    """
    _import()
    if discrete.kernel.draws:
        raise fail("noisy-model", discrete.model.where, "a model with noises has no torch step",
                   got=", ".join(n.name for n in discrete.model.noises),
                   hint="train the model without its noises, or give them as ports")  # fmt: skip
    text = _source(discrete.step_ir, detach_reset)
    return _compiled(text, "step", f"torch step {discrete.model.name}")


def _compiled(text: str, name: str, what: str) -> Any:
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    filename = f"<ranvier {what} {digest}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    space: dict[str, Any] = {"torch": _import(), **_runtime()}
    exec(compile(text, filename, "exec"), space)  # our own text, made from checked statements
    return space[name]


def _source(step: StepIR, detach_reset: bool) -> str:
    lines = ["def step(state, ports, values, surrogate):"]
    lines += [f"    s_{s} = state[{s!r}]" for s in step.state]
    lines += [f"    x_{p} = ports[{p!r}]" for p in step.ports]
    lines += [f"    p_{p} = values[{p!r}]" for p in step.params]
    first = [*(f"s_{s}" for s in step.state), *(f"x_{p}" for p in step.ports)]
    lines += [f"    like = {first[0] if first else 'torch.zeros(())'}"]

    call = _printer(detach_reset)
    lines += [f"    {s.target} = {show(s.value, call)}" for s in step.statements]
    result = ", ".join(f"{s!r}: n_{s}" for s in step.state)
    lines += [f"    return {{{result}}}, tensor(out, like)"]
    return "\n".join(lines) + "\n"


def _printer(detach_reset: bool) -> Callable[[Op, Callable[[Expr, int], str]], str]:
    def call(op: Op, text: Callable[[Expr, int], str]) -> str:
        if op.op == "reset":
            return _reset(op, text, detach_reset)
        if op.op in ("and", "or"):
            return (
                "(" + (" & " if op.op == "and" else " | ").join(text(a, 9) for a in op.args) + ")"
            )
        a = [text(x, 0) for x in op.args]
        if op.op == "spike>":
            return f"surrogate(tensor({text(Op('-', op.args), 0)}, like))"
        if op.op == "spike>=":
            return f"(1.0 - surrogate(tensor({text(Op('-', op.args[::-1]), 0)}, like)))"
        name = {"**": "power", "not": "negation", "hold": "where"}.get(op.op, op.op)
        return f"{name}({', '.join(a)}, like)"

    return call


def _reset(op: Op, text: Callable[[Expr, int], str], detach: bool) -> str:
    """``where(spike, new, old)``, written so that the gradient flows through the spike.

    With a spike of exactly 0 or 1 these forms give the bits of the select (finite states).
    """
    spike, new, old = op.args
    s = text(spike, 9)
    if detach:
        return f"where({s}.detach() > 0.0, {text(new, 0)}, {text(old, 0)}, like)"
    if isinstance(new, Op) and new.op in "+-" and len(new.args) == 2 and new.args[0] == old:
        return f"({text(old, 9)} {new.op} {s} * {text(new.args[1], 9)})"
    if new == Num(0.0):
        return f"((1.0 - {s}) * {text(old, 9)})"
    return f"({s} * {text(new, 9)} + (1.0 - {s}) * {text(old, 9)})"


@cache
def _runtime() -> dict[str, Any]:
    """Functions that the printed steps call; arguments may be floats as well as tensors."""
    torch = _import()

    def tensor(x: Any, like: Any) -> Any:
        if isinstance(x, torch.Tensor):
            return x
        return torch.as_tensor(x, dtype=like.dtype, device=like.device)

    def where(test: Any, a: Any, b: Any, like: Any) -> Any:
        if not isinstance(test, torch.Tensor):
            return a if test else b
        return torch.where(test, tensor(a, like), tensor(b, like))

    def cut(x: Any) -> Any:
        return torch.clamp(x, max=EXP_LIMIT if x.dtype == torch.float64 else 80.0)

    def expm1_over(z: Any, like: Any) -> Any:
        z = tensor(z, like)
        near = z.abs() < 1e-5
        far = torch.where(near, 1.0, z)  # the branch not taken must have a finite gradient too
        return torch.where(near, 1.0 + z * (0.5 + z / 6.0), torch.expm1(cut(far)) / far)

    def whole_power(n: int) -> Callable[[Any, Any], Any]:
        def power(x: Any, like: Any) -> Any:
            product = x
            for _ in range(n - 1):
                product = product * x
            return product

        return power

    def of(function: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
        return lambda x, like: function(tensor(x, like))

    return {
        "tensor": tensor,
        "where": where,
        "expm1_over": expm1_over,
        "exp": of(lambda x: torch.exp(cut(x))),
        "min": lambda a, b, like: where(b < a, b, a, like),
        "max": lambda a, b, like: where(b > a, b, a, like),
        "negation": lambda x, like: x.logical_not() if isinstance(x, torch.Tensor) else not x,
        **{f"power_{n}": whole_power(n) for n in range(2, 9)},
        "power": lambda a, b, like: torch.pow(tensor(a, like), b),
        **{n: of(getattr(torch, n)) for n in ("log", "sqrt", "sin", "cos", "tanh", "abs", "sign",
                                              "floor", "relu")},
    }  # fmt: skip


def torch_state(
    discrete: Discrete,
    shape: Sequence[int],
    *,
    dtype: dtype | None = None,
    device: device | str | None = None,
) -> dict[str, Tensor]:
    """The initial state as tensors of ``shape`` (per-neuron values lie along the last axis)."""
    torch = _import()
    return {
        name: torch.as_tensor(np.array(value), dtype=dtype or torch.get_default_dtype(),
                              device=device).expand(tuple(shape)).clone()
        for name, value in discrete.initial.items()
    }  # fmt: skip


def torch_values(
    discrete: Discrete, *, dtype: dtype | None = None, device: device | str | None = None
) -> dict[str, Tensor | float]:
    """``discrete.values`` for the step: floats stay floats, arrays [n] become tensors [n]."""
    torch = _import()
    dtype = dtype or torch.get_default_dtype()
    return {
        name: torch.as_tensor(np.array(value), dtype=dtype, device=device)
        if np.ndim(value)
        else float(value)
        for name, value in discrete.values.items()
    }


@cache
def spike_function() -> Any:
    """The autograd function of a spike: ``apply(x, derivative)``."""
    torch = _import()

    class Spike(torch.autograd.Function):
        """Heaviside step of x (0 at 0) with the derivative given."""

        @staticmethod
        def forward(ctx: Any, x: Any, derivative: Callable[[Any], Any]) -> Any:
            ctx.save_for_backward(x)
            ctx.derivative = derivative
            return (x > 0).to(x.dtype)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            (x,) = ctx.saved_tensors
            return grads[0] * ctx.derivative(x), None

    return Spike


def torch_function(expr: Expr) -> Callable[[Any], Any]:
    """``expr`` of ``x`` as a function of a tensor."""
    printed = show(expr, _printer(False))
    text = f"def derivative(like):\n    x = like\n    return tensor({printed}, like).expand_as(x)\n"
    return _compiled(text, "derivative", "surrogate")

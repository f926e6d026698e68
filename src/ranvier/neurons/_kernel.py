"""A kernel: one pure scalar function as Python text, the common currency of generator and engines.

The same text runs as plain Python (slow, can be stepped through) and under numba inside an engine's
loop, where straight-line code with selects (``a if c else b``) vectorises.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import inspect
import json
import linecache
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from ranvier.errors import fail

__all__ = ["Kernel"]

_BUILTINS = ("abs", "min", "max", "int", "float", "bool", "round")


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """``source`` defines ``step(<state...>, <ports...>, <params...>, <draws...>)`` and ends in
    ``return (<state...>, out, <counters...>)``.

    Arguments and results are positional scalars; the names in the text are the writer's own.
    ``out`` is 1 or 0 for ``output == "spike"`` and otherwise the value sent. ``helpers`` are the
    texts of functions (or of constants, ``NAME = 3``) that must stand before ``source``, in order.
    Counters are non-negative integers that the engine sums. Nothing in here is read from a file.

    ``draws`` are the random numbers of the step, fresh at every tick: ``"uniform"`` in (0, 1),
    ``"normal"`` (mean 0, variance 1) or ``"poisson:<param>"``, a count whose mean per tick is that
    parameter. How they are drawn is in :mod:`ranvier.neurons._random`.
    """

    name: str
    state: tuple[str, ...]
    ports: tuple[str, ...]
    params: tuple[str, ...]
    source: str
    helpers: tuple[str, ...] = ()
    dtype: Literal["f8", "i8"] = "f8"
    output: Literal["spike", "graded", "continuous"] = "spike"
    counters: tuple[str, ...] = ()
    draws: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the text is one straight-line function of the promised shape."""
        where = f"kernel {self.name!r}"
        body = ast.parse(self.source).body
        if len(body) != 1 or not isinstance(body[0], ast.FunctionDef) or body[0].name != "step":
            raise fail("bad-kernel", where, "the source must be one function called 'step'")
        function = body[0]
        arguments = [a.arg for a in function.args.args]
        want = (*self.state, *self.ports, *self.params, *self.draws)
        for draw in self.draws:
            kind, _, mean = draw.partition(":")
            legal = kind == "poisson" and mean in self.params
            if not legal and draw not in ("uniform", "normal"):
                raise fail("bad-kernel", where, "not a draw", got=repr(draw),
                           limit="uniform, normal, poisson:<kernel parameter>")  # fmt: skip
        if len(arguments) != len(want) or function.args.vararg or function.args.kwonlyargs:
            raise fail(
                "bad-kernel",
                where,
                "step() has the wrong arguments",
                got=", ".join(arguments),
                limit=f"{len(want)}: {', '.join(want)}",
            )
        returns = [n for n in ast.walk(function) if isinstance(n, ast.Return)]
        results = 1 + len(self.state) + len(self.counters)
        last = function.body[-1]
        if len(returns) != 1 or not isinstance(last, ast.Return):
            raise fail("bad-kernel", where, "step() must have one return, at its end",
                       hint="use 'a if condition else b' instead of an early return")  # fmt: skip
        found = len(last.value.elts) if isinstance(last.value, ast.Tuple) else 0
        if found != results:
            raise fail("bad-kernel", where, "step() returns the wrong number of values", got=found,
                       limit=f"{results}: states, out, counters, as a tuple")  # fmt: skip

    @cached_property
    def key(self) -> str:
        """sha256 (hex) of everything that changes what the compiled kernel does."""
        parts = [self.name, self.state, self.ports, self.params, self.source, self.helpers,
                 self.dtype, self.output, self.counters, self.draws]  # fmt: skip
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def module(self, *, decorator: str = "") -> str:
        """Text of a module with helpers and step; ``decorator`` (``"@njit(...)"``) before each."""

        def decorated(text: str) -> str:
            return f"{decorator}\n{text}" if decorator and text.startswith("def ") else text

        parts = ["import math\n", *(decorated(h.strip()) for h in self.helpers)]
        return "\n\n".join([*parts, decorated(self.source.strip())]) + "\n"

    def python(self) -> Callable[..., tuple[Any, ...]]:
        """The step as an ordinary Python function; a debugger can step through its text.

        Python raises where compiled code returns inf or nan (division by zero, overflow).
        """
        text = self.module()
        filename = f"<ranvier kernel {self.name} {self.key[:12]}>"
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        space: dict[str, Any] = {"__name__": f"ranvier_kernel_{self.key[:12]}"}
        exec(compile(text, filename, "exec"), space)  # our own text or a chip file's own function
        return space["step"]

    @classmethod
    def from_function(
        cls,
        function: Callable[..., Any],
        *,
        state: Sequence[str] | None = None,
        ports: Sequence[str],
        params: Sequence[str],
        helpers: Sequence[Callable[..., Any]] = (),
        name: str | None = None,
        dtype: Literal["f8", "i8"] = "f8",
        output: Literal["spike", "graded", "continuous"] = "spike",
        counters: Sequence[str] = (),
        draws: Sequence[str] = (),
    ) -> Kernel:
        """Take a kernel from a Python function and the helper functions it calls.

        ``state`` defaults to the arguments before ports, params and draws. Annotations, decorators
        and docstrings are dropped; module-level numbers that the text uses are copied in. Any other
        outside name is an error, because the text has to stand alone.
        """
        label = name or function.__name__
        arguments = list(inspect.signature(function).parameters)
        if state is None:
            others = len(ports) + len(params) + len(draws)
            state = arguments[: max(0, len(arguments) - others)]
        known = [h.__name__ for h in helpers]
        constants: dict[str, int | float | bool] = {}
        texts: list[str] = []
        for index, helper in enumerate(helpers):
            texts.append(_text(helper, helper.__name__, label, known[:index], constants))
        source = _text(function, "step", label, known, constants)
        lines = [f"{constant} = {value!r}" for constant, value in sorted(constants.items())]
        return cls(name=label, state=tuple(state), ports=tuple(ports), params=tuple(params),
                   source=source, helpers=(*lines, *texts), dtype=dtype, output=output,
                   counters=tuple(counters), draws=tuple(draws))  # fmt: skip


def _text(
    function: Callable[..., Any],
    rename: str,
    label: str,
    helpers: Sequence[str],
    constants: dict[str, int | float | bool],
) -> str:
    """Source of ``function`` without decorators, annotations and docstring; collects constants."""
    where = f"kernel {label!r}, function {function.__name__!r}"
    function = inspect.unwrap(getattr(function, "py_func", function))  # njit keeps the original
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError):
        raise fail("no-source", where, "the source text cannot be found",
                   hint="write it as 'def' in a file") from None  # fmt: skip
    if not isinstance(tree, ast.FunctionDef):
        raise fail("no-source", where, "a kernel must be written with 'def'")
    tree.name, tree.decorator_list, tree.returns = rename, [], None
    for argument in (*tree.args.posonlyargs, *tree.args.args):
        argument.annotation = None
    if ast.get_docstring(tree) is not None:
        tree.body = tree.body[1:]
    local = {a.arg for a in tree.args.args} | {
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            raise fail("bad-kernel", where, "annotated assignment", hint="drop the annotation")
        if not isinstance(node, ast.Name) or node.id in local or node.id in helpers:
            continue
        if node.id in _BUILTINS and hasattr(builtins, node.id):
            continue
        value = function.__globals__.get(node.id)
        if node.id == "math" and value is math:
            continue
        if isinstance(value, bool | int | float):
            constants[node.id] = value
            continue
        raise fail("outside-name", where, f"the name {node.id!r} is not visible to a kernel",
                   limit=f"arguments, numbers, helpers, math, {', '.join(_BUILTINS)}",
                   hint=f"pass it in: helpers=({node.id},)" if callable(value) else "")  # fmt: skip
    return ast.unparse(ast.fix_missing_locations(tree))

"""What a file of this folder exports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

__all__ = [
    "ChipOption",
    "Command",
    "DtOption",
    "JsonOption",
    "OptionalChip",
    "QuietOption",
    "SetOption",
    "measured",
    "seconds",
]


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command: ``function`` with typer annotations; its docstring is the help.

    The function returns the exit code (None is 0). ``examples`` close the help; ``panel`` and
    ``order`` place the command in the overview.
    """

    function: Callable[..., Any]
    examples: tuple[str, ...]
    panel: str
    order: int = 100


JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress bars and no remarks on standard error.")
]
ChipOption = Annotated[
    str, typer.Option("--chip", "-c", help="Machine; `ranvier chips` lists them, a+b joins two.")
]
OptionalChip = Annotated[
    str | None,
    typer.Option("--chip", "-c", help="Machine; `ranvier chips` lists them, a+b joins two."),
]
DtOption = Annotated[
    str | None,
    typer.Option("--dt", help="Length of a tick with its unit, e.g. 1ms or 100us."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PASS.OPTION=VALUE", help="An option of a compiler pass."),
]


def seconds(option: str, text: str | None) -> float | None:
    """Seconds of a time with its unit (``"1ms"``); None stays None.

    Raises RanvierError that names the option when the text is not a positive time.
    """
    if text is None:
        return None
    return measured(option, text, "s", what="time", units=("ms", "s"), limit="1ms, 100us, 0.5 s")


def measured(
    option: str, text: str, unit: str, *, what: str, units: tuple[str, ...], limit: str
) -> float:
    """A positive, finite number in ``unit``; ``units`` are proposed where none was said.

    Raises RanvierError that names the option.
    """
    import math

    from ranvier.errors import RanvierError, fail
    from ranvier.units import quantity

    try:
        value = quantity(text, unit)
    except RanvierError as error:
        issue = error.issues[0]
        bare = text.strip().replace(".", "", 1).isdigit()
        near = " or ".join(f"{text.strip()}{unit}" for unit in units)
        hint = f"say the unit: {option} {near}" if bare else issue.hint
        raise fail(
            issue.code,
            option,
            f"is not a {what} with a unit",
            got=repr(text),
            limit=f"e.g. {limit}",
            hint=hint,
        ) from None
    if not 0 < value < math.inf:
        raise fail("bad-quantity", option, f"must be a positive, finite {what}", got=repr(text))
    return value

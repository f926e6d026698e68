"""Problems and how they are told to people. Ground floor: imports nothing from ranvier."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

__all__ = ["Issue", "RanvierError", "Severity", "about", "fail", "suggest", "unknown"]

Severity = Literal["exact", "info", "approximate", "warning", "refused", "error"]
"""``exact``/``approximate``/``refused`` label what an import or a legalisation did to a node;
``info``/``warning``/``error`` are findings about anything else."""


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One finding: what, where, what was got, what is allowed, and what to do about it.

    ``code`` is a stable kebab-case word for machines (``"delay-too-long"``); ``where`` names the
    place in the user's own terms (population, file, option); ``hint`` holds the cheapest fixes,
    best first.
    """

    code: str
    severity: Severity
    where: str
    message: str
    got: str = ""
    limit: str = ""
    hint: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        if self.got:
            text += f"; got {self.got}"
        if self.limit:
            text += f"; allowed: {self.limit}"
        if self.hint:
            text += ". " + "; or ".join(self.hint)
        return text + ("" if text.endswith((".", "?", "!")) else ".")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


class RanvierError(Exception):
    """A user's mistake or an impossible request, as Issues. Printed without traceback."""

    def __init__(self, *issues: Issue) -> None:
        if not issues:
            raise ValueError("RanvierError needs at least one Issue")
        self.issues: tuple[Issue, ...] = issues
        super().__init__("\n".join(str(issue) for issue in issues))

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), self.issues)


def fail(
    code: str,
    where: str,
    message: str,
    *,
    got: object = "",
    limit: object = "",
    hint: str | Sequence[str] = (),
) -> RanvierError:
    """Make (not raise) a RanvierError with a single Issue: ``raise fail(...)``."""
    hints = (hint,) if isinstance(hint, str) else tuple(hint)
    return RanvierError(
        Issue(
            code=code,
            severity="error",
            where=where,
            message=message,
            got=str(got),
            limit=str(limit),
            hint=tuple(h for h in hints if h),
        )
    )


def suggest(name: str, choices: Iterable[str]) -> str:
    """``"did you mean 'x'?"`` for the nearest legal name, or ``""`` when nothing is near."""
    pool = list(choices)
    folded = {c.casefold(): c for c in pool}
    near = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return f"did you mean {folded[near[0]]!r}?" if near else ""


def unknown(kind: str, name: object, choices: Iterable[str], *, where: str = "") -> RanvierError:
    """Make the error for a name that is not in a list: names the legal ones and the nearest."""
    pool = sorted(choices)
    return fail(
        f"unknown-{kind.replace(' ', '-')}",
        where or kind,
        f"unknown {kind}",
        got=repr(name),
        limit=", ".join(pool) if pool else "(none available)",
        hint=suggest(str(name), pool),
    )


@contextmanager
def about(place: str) -> Iterator[None]:
    """Put ``place`` in front of what an error inside names, unless it begins with it already."""
    try:
        yield
    except RanvierError as error:
        raise RanvierError(
            *(
                issue
                if issue.where.startswith(place)
                else replace(issue, where=f"{place}, {issue.where}" if issue.where else place)
                for issue in error.issues
            )
        ) from None

"""What the library advises in Python, as it is said on the command line."""

from __future__ import annotations

import re
from dataclasses import replace

from ranvier.errors import Issue, RanvierError

__all__ = ["for_shell", "told"]

FLAGS = "source|integrator|spikes|reset|comparison|delays"
"""Options of a format that have a flag of their own; the others go through --set."""

UNGRADED = ("leave the values out: an event is a spike", "make the network's input graded")
LATER = ("raise --ticks", "leave the later events out")


def told(error: RanvierError) -> RanvierError:
    """The same failure, for people at a terminal."""
    return RanvierError(*map(for_shell, error.issues))


def for_shell(issue: Issue) -> Issue:
    """``issue`` with flags and files where it speaks of arguments and calls; the code stays."""
    issue = replace(
        issue,
        where=_where(issue.where),
        message=_flags(re.sub(r"; say \w+=\S+$", "", issue.message)),
        hint=tuple(_flags(hint) for hint in issue.hint),
    )
    if issue.code == "events-range" and issue.where.endswith("tick"):
        if issue.got.startswith("-"):
            return replace(issue, limit="0 or more", hint=("ticks count from 0",))
        return replace(issue, hint=LATER)
    if issue.code == "stimulus-payload" and "signal=" in " ".join(issue.hint):
        return replace(issue, hint=UNGRADED)
    hints = HINTS.get(issue.code)
    return issue if hints is None else replace(issue, hint=hints)


HINTS: dict[str, tuple[str, ...]] = {
    "dt-missing": ("say --dt 1ms",),
    "events-dtype": ("ticks and ids are whole numbers below 2**63",),
    "events-range": ("ids count the sources of this input from 0",),
    "events-unsorted": ("sort the events by tick",),
    "stimulus-too-long": LATER,
}
"""By code; everything else keeps the library's hints."""


def _where(text: str) -> str:
    text = re.sub(
        r"Events\.(tick|id|payload)\[(\d+)\]", lambda m: f"event {int(m[2]) + 1}, {m[1]}", text
    )
    return re.sub(r"Events\.(?:from_)?(\w+)", r"\1", text)


def _flags(text: str) -> str:
    text = re.sub(rf"\b({FLAGS})='([^']*)'", r"--\1 '\2'", text)
    text = re.sub(rf"\b({FLAGS})=(?=\w+ \|)", r"--\1 ", text)
    text = re.sub(
        r"(?<![\w.-])(spikes_per_tick|signal|reset_delay)='([^']*)'", r"--set \1=\2", text
    )
    text = re.sub(r"\bmetadata=False\b", "--set metadata=false", text)
    text = re.sub(r"^compile with dt=(\S+)$", r"say --dt \1s", text)
    text = re.sub(r"\bwrite '(\w+(?::(?!')[^']+)?)'", r"say --data \1", text)
    return re.sub(r" as a bundle(?: instead)?: network\.save\(.*\)$", " as it is (.rvn)", text)

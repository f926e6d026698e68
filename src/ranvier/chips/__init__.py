"""Machines: one file each, exporting ``CHIP``. Third parties add entry points ``chip.<name>``."""

from collections import Counter
from dataclasses import replace
from typing import Any, cast

from ranvier.chips._spec import (
    Chip,
    Coefficient,
    CoreView,
    CostTable,
    Implementation,
    Incoming,
    Limit,
    Link,
    Mesh,
    Quantised,
    QuantisedProjection,
    Timing,
    Topology,
)
from ranvier.errors import fail
from ranvier.registry import Registry

__all__ = [
    "CHIPS",
    "Chip",
    "Coefficient",
    "CoreView",
    "CostTable",
    "Implementation",
    "Incoming",
    "Limit",
    "Link",
    "Mesh",
    "Quantised",
    "QuantisedProjection",
    "Timing",
    "Topology",
    "find",
    "get",
    "remember",
]

CHIPS: Registry[Chip] = Registry("chip", "ranvier.chips", "CHIP")


def get(name: str | Chip) -> Chip:
    """A chip by name (or as it is); ``a+b`` joins chips into one system with direct links.

    Several machines of one kind are told apart by number: ``a+a`` has the parts ``a#1`` and
    ``a#2``, which are names of their own. Raises RanvierError with a did-you-mean.
    """
    if isinstance(name, Chip):
        return name
    given = cast("object", name)
    if not isinstance(given, str):
        raise fail("not-a-chip", "chip", "must be a name or a Chip", got=repr(given)[:80],
                   limit=", ".join(CHIPS.names()))  # fmt: skip
    if "+" in name:
        return _system([part.strip() for part in name.split("+")])
    base, numbered, number = name.partition("#")
    if numbered and not (number.isascii() and number.isdigit() and number.strip("0")):
        raise fail(
            "bad-chip-number", "chip", "is not NAME#NUMBER", got=repr(name), hint=f"{base}#1"
        )
    chip = CHIPS.get(base)
    if not isinstance(cast("Any", chip), Chip) or chip.name != base:
        raise fail(
            "bad-plugin",
            f"chip {base!r}",
            "the plug-in does not give a Chip of this name",
            got=getattr(chip, "name", type(chip).__name__),
            limit=base,
            hint="name the entry point 'chip.' + CHIP.name",
        )
    return replace(chip, name=name) if numbered else chip


def _system(names: list[str]) -> Chip:
    """One chip of several, each under a name of its own."""
    seen: Counter[str] = Counter()
    parts: list[Chip] = []
    for name in names:
        seen[name] += 1
        parts.append(get(f"{name}#{seen[name]}" if names.count(name) > 1 else name))
    if len({part.name for part in parts}) < len(parts):
        raise fail(
            "duplicate-part",
            "chip",
            "two parts of a system have one name",
            got="+".join(part.name for part in parts),
            hint="leave the numbers out: a+a",
        )
    links = tuple(
        Link(between=(a.name, b.name)) for i, a in enumerate(parts) for b in parts[i + 1 :]
    )
    return Chip(
        name="+".join(part.name for part in parts),
        title=" + ".join(part.title for part in parts),
        source="; ".join(dict.fromkeys(part.source for part in parts)),
        dtype="i8",
        exactness="as its parts",
        parts=tuple(parts),
        links=links,
    )


_VARIANTS: dict[str, Chip] = {}
MOST_VARIANTS = 1024


def remember(chip: Chip) -> Chip:
    """Make a variant of a chip (faults, other rules) known by its hash in this process.

    ``compile`` does so; call it before running a stored program of a variant in a new process. The
    last MOST_VARIANTS are kept.
    """
    _VARIANTS.pop(chip.hash, None)
    _VARIANTS[chip.hash] = chip
    while len(_VARIANTS) > MOST_VARIANTS:
        del _VARIANTS[next(iter(_VARIANTS))]
    return chip


def find(name: str, hash: str) -> Chip:
    """The very chip a Program was compiled for: the installed one, or a variant made here.

    Raises RanvierError when the chip is missing here or has changed since.
    """
    if hash in _VARIANTS:
        return _VARIANTS[hash]
    chip = get(name)
    if chip.hash != hash:
        raise fail(
            "chip-changed",
            name,
            "the program was compiled for another version or variant of this machine",
            got=hash[:12],
            limit=chip.hash[:12],
            hint=("compile the network again", "or make the variant and chips.remember() it"),
        )
    return chip

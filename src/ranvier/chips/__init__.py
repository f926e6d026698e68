"""Machines: one file each, exporting ``CHIP``. Third parties add entry points ``chip.<name>``."""

from weakref import WeakValueDictionary

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

    Raises RanvierError with a did-you-mean.
    """
    if isinstance(name, Chip):
        return name
    if "+" in name:
        parts = tuple(get(part.strip()) for part in name.split("+"))
        links = tuple(
            Link(between=(a.name, b.name)) for i, a in enumerate(parts) for b in parts[i + 1 :]
        )
        return Chip(
            name="+".join(part.name for part in parts),
            title=" + ".join(part.title for part in parts),
            source="; ".join(part.source for part in parts),
            dtype="i8",
            exactness="as its parts",
            parts=parts,
            links=links,
        )
    return CHIPS.get(name)


_VARIANTS: WeakValueDictionary[str, Chip] = WeakValueDictionary()


def remember(chip: Chip) -> Chip:
    """Make a variant of a chip (faults, other rules) known by its hash for as long as it lives.

    ``compile`` does so; call it before running a stored program of a variant in a new process.
    """
    _VARIANTS[chip.hash] = chip
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

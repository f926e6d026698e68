"""Machines: one file each, exporting ``CHIP``. Third parties add entry points ``chip.<name>``."""

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
    "get",
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

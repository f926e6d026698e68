"""How large a network's connectivity will be, without making it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ranvier.errors import fail
from ranvier.network._network import Network, Projection

__all__ = ["SynapseEstimate", "estimate", "refuse_too_large"]


class SynapseEstimate(NamedTuple):
    """``expected`` number of synapses (a mean where they are drawn), ``most`` of them, and the
    ``bytes`` that the expected ones take."""

    expected: float
    most: int
    bytes: float


def estimate(
    projections: Network | Projection | Iterable[Projection], bytes_per_synapse: float = 16.0
) -> SynapseEstimate:
    """Size of a network's (or a projection's) synapses; nothing is drawn or built.

    ``bytes_per_synapse`` is what the reader keeps of each: 16 for an int32 target and a float64
    weight with 4 bytes of order, say.
    """
    if isinstance(projections, Network):
        projections = projections.projections
    elif isinstance(projections, Projection):
        projections = (projections,)
    expected, most = 0.0, 0
    for p in projections:
        expected += p.connectivity.expected()
        most += p.connectivity.most()
    return SynapseEstimate(expected, most, expected * bytes_per_synapse)


def refuse_too_large(
    network: Network, limit: float, bytes_per_synapse: float = 16.0
) -> SynapseEstimate:
    """The estimate; raises RanvierError naming the largest projection when it takes more than
    ``limit`` bytes."""
    found = estimate(network, bytes_per_synapse)
    if found.bytes <= limit:
        return found
    largest = max(network.projections, key=lambda p: p.connectivity.expected())
    share = largest.connectivity.expected()
    raise fail(
        "synapses-too-many",
        largest.name,
        f"the network's {found.expected:.4g} synapses would not fit memory, of which "
        f"{share:.4g} are its own",
        got=f"{found.bytes / 2**30:.3g} GiB",
        limit=f"{limit / 2**30:.3g} GiB ({bytes_per_synapse:g} B a synapse)",
        hint=(
            f"scale the network down to {100 * (limit / found.bytes):.2g} % of its synapses",
            "run it on a machine with more memory",
        ),
    )

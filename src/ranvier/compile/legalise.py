"""Legalise: decide how the chip realises each population, and say how exactly."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ranvier.chips import Incoming
from ranvier.compile._draft import Draft
from ranvier.compile._short_term import expand_short_term
from ranvier.errors import Issue, RanvierError, about
from ranvier.network import Distribution, Network, Projection, Sparse

__all__ = ["PASS", "Legalise"]


@dataclass(frozen=True, kw_only=True)
class Legalise:
    """Labels every population exact, approximate or refused, and folds linear relays.

    ``fold_relays``: relays (pooling, flattening and chained linear layers without neurons between)
    are multiplied into the projections around them where the chip has no relay of its own.
    ``strict``: treat every approximation as refused.
    """

    fold_relays: bool = True
    strict: bool = False
    name: str = "legalise"

    def apply(self, draft: Draft) -> Draft:
        """Choose implementations; raises RanvierError listing everything the chip refuses."""
        network, found = expand_short_term(draft.network)
        issues = [*draft.issues, *found]
        if self.fold_relays and draft.chip.min_delay > 0:
            network, folded = fold_relays(network)
            issues += folded
        chosen: dict[str, str] = {}
        refused = _no_gaps(network, draft) + _no_plasticity(network, draft)
        incoming: dict[str, dict[str, Incoming]] = defaultdict(dict)
        for p in network.projections:
            signal = network.population(p.source).signal
            incoming[p.target][p.name] = Incoming(p.port, signal, p.connectivity.kind)
        for population in network.populations:
            if population.model is None:
                continue
            with about(population.name):
                implementation, found = draft.chip.choose(
                    population, incoming[population.name], draft.dt
                )
            if implementation is None:
                # An implementation may list the models it takes; a generic one cannot.
                listed = [getattr(i, "models", (i.name,)) for i in draft.chip.implementations]
                legal = ", ".join(name for names in listed for name in names)
                found = [
                    Issue(
                        code="model-not-on-chip",
                        severity="refused",
                        where=population.name,
                        message=f"{draft.chip.title} has no {population.model.name} neuron",
                        got=population.model.name,
                        limit=legal,
                        hint=("use one of the chip's models", "run it on the ideal chip"),
                    )
                ]
            else:
                chosen[population.name] = implementation.name
            bad = ("refused", "approximate") if self.strict else ("refused",)
            refused += [i for i in found if i.severity in bad]
            issues += found
        if refused:
            raise RanvierError(*refused)
        issues += _zero_delays(network, draft.chip.min_delay)
        issues += _coarse_ticks(network, draft.dt)
        return replace(draft, network=network, implementations=chosen, issues=tuple(issues))


def _no_plasticity(network: Network, draft: Draft) -> list[Issue]:
    """Weights change on the ideal machines only."""
    if draft.chip.dtype != "i8" and draft.chip.topology is None:
        return []
    return [
        Issue(
            code="plasticity-not-on-chip",
            severity="refused",
            where=p.name,
            message=f"{draft.chip.title} is not known to learn here",
            got=p.plasticity.rule.name,
            hint=("train on the ideal chip and read the weights back", "leave plasticity out"),
        )
        for p in network.projections
        if p.plasticity is not None
    ]


def _no_gaps(network: Network, draft: Draft) -> list[Issue]:
    """Electrical synapses read other neurons' states, which no spike carries."""
    if draft.chip.dtype != "i8" and draft.chip.topology is None:
        return []
    return [
        Issue(
            code="gap-not-on-chip",
            severity="refused",
            where=p.name,
            message=f"{draft.chip.title} has no electrical synapses",
            got=f"gap={p.gap!r}",
            hint=("leave the projection out", "run it on the ideal chip"),
        )
        for p in network.projections
        if p.gap
    ]


def _coarse_ticks(network: Network, dt: float) -> list[Issue]:
    """Time constants that a tick cannot follow: after one tick less than 5 % is left (3 tau)."""
    issues: list[Issue] = []
    for population in network.populations:
        model = population.model
        for parameter in () if model is None else model.parameters:
            if parameter.unit != "s" or model is None or parameter.name == model.refractory:
                continue
            shortest = float(np.min(population.parameters[parameter.name]))
            if shortest < dt / 3:
                issues.append(
                    Issue(
                        code="tick-too-long",
                        severity="warning",
                        where=f"{population.name}.{parameter.name}",
                        message="is so much shorter than a tick that nothing of it is left",
                        got=f"{shortest:g} s",
                        limit=f"at least a third of the tick, {dt / 3:.2g} s",
                        hint=("use a smaller dt", "are both in seconds?"),
                    )
                )
    return issues


def _zero_delays(network: Network, least: int) -> list[Issue]:
    if least == 0:
        return []
    late = [p.name for p in network.projections if p.immediate]
    if not late:
        return []
    return [
        Issue(
            code="zero-delay",
            severity="approximate",
            where=", ".join(late),
            message=f"delay 0 becomes {least} tick: spikes come one tick later per layer, and a "
            "bias acts that much longer",
        )
    ]


def fold_relays(network: Network) -> tuple[Network, list[Issue]]:
    """Multiply relay populations (out = in) into the projections around them."""
    issues: list[Issue] = []
    while True:
        relay = next(
            (
                p
                for p in network.populations
                if p.model is not None
                and p.model.name == "relay"
                and p.name not in network.outputs
                and not any(probe.population == p.name for probe in network.probes)
            ),
            None,
        )
        if relay is None:
            return network, issues
        before = [p for p in network.projections if p.target == relay.name]
        after = [p for p in network.projections if p.source == relay.name]
        if any(p.source == relay.name for p in before):
            raise RanvierError(
                Issue(
                    code="relay-loop",
                    severity="refused",
                    where=relay.name,
                    message="a linear relay that feeds itself cannot be folded",
                    hint=("replace the relay by neurons", "run it on the ideal chip"),
                )
            )
        joined = [_join(a, b) for a in before for b in after]
        kept = [p for p in network.projections if p not in before and p not in after]
        network = network.replace(
            populations=tuple(p for p in network.populations if p.name != relay.name),
            projections=(*kept, *joined),
        )
        issues.append(
            Issue(
                code="relay-folded",
                severity="exact",
                where=relay.name,
                message="linear relay multiplied into its neighbours",
            )
        )


def _join(first: Projection, second: Projection) -> Projection:
    from scipy.sparse import csr_array  # pyright: ignore[reportMissingTypeStubs]

    def matrix(p: Projection) -> Any:
        s = p.connectivity.synapses()
        n_pre, n_post = p.connectivity.sizes()
        return csr_array((s.weight, (s.post, s.pre)), shape=(n_post, n_pre))

    def delay(p: Projection) -> float | None:
        if p.delay is None:
            return None
        values = None if isinstance(p.delay, Distribution) else np.unique(p.delay)
        if values is None or values.size > 1:
            raise RanvierError(
                Issue(
                    code="relay-delays",
                    severity="refused",
                    where=p.name,
                    message="a relay with unequal delays cannot be folded",
                    hint=("give its projections one delay", "replace the relay by neurons"),
                )
            )
        return float(values[0])

    product = (matrix(second) @ matrix(first)).tocoo()
    delays = [d for d in (delay(first), delay(second)) if d != 0]
    if len(delays) == 2 and None in delays:
        raise RanvierError(
            Issue(
                code="relay-delays",
                severity="refused",
                where=f"{first.name}, {second.name}",
                message="two delays around a relay cannot be added when one is 'one tick'",
                hint=("give one of them delay=0",),
            )
        )
    total = 0.0 if not delays else delays[0] if len(delays) == 1 else sum(d for d in delays if d)
    return Projection(
        name=f"{first.source}->{second.target}:{second.name}*{first.name}",
        source=first.source,
        target=second.target,
        port=second.port,
        delay=total,
        connectivity=Sparse.from_csr(product),
    )


PASS = Legalise

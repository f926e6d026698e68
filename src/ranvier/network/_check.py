"""What is wrong with a network as a whole: one Issue per finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ranvier.errors import Issue, suggest

if TYPE_CHECKING:
    from ranvier.network._network import Network, Population, Probe, Projection

__all__ = ["find_issues"]


def _issue(code: str, where: str, message: str, **more: Any) -> Issue:
    hint = more.pop("hint", "")
    return Issue(
        code=code,
        severity="error",
        where=where,
        message=message,
        got=str(more.get("got", "")),
        limit=str(more.get("limit", "")),
        hint=(hint,) if hint else (),
    )


def find_issues(network: Network) -> list[Issue]:
    """Everything wrong with a network as a whole, one Issue each."""
    issues: list[Issue] = []
    known: dict[str, Population] = {}
    for population in network.populations:
        if population.name in known:
            issues.append(
                _issue("duplicate-name", population.name, "two populations have this name")
            )
        known[population.name] = population
    names: set[str] = set()
    for projection in network.projections:
        if projection.name in names:
            issues.append(
                _issue(
                    "duplicate-name",
                    projection.name,
                    "two projections have this name",
                    hint="give one of them name='...'",
                )
            )
        names.add(projection.name)
        issues += _projection_issues(projection, known)
    for output in network.outputs:
        if output not in known:
            issues.append(
                _issue(
                    "unknown-population",
                    "outputs",
                    "unknown population",
                    got=repr(output),
                    limit=", ".join(known),
                    hint=suggest(output, known),
                )
            )
    for probe in network.probes:
        issues += _probe_issues(probe, known)
    if not issues:
        issues += _cycle_issues(network)
    return issues


def _projection_issues(projection: Projection, known: Mapping[str, Population]) -> list[Issue]:
    where, issues = projection.name, list[Issue]()
    for end in ("source", "target"):
        name = getattr(projection, end)
        if name not in known:
            issues.append(
                _issue(
                    "unknown-population",
                    f"{where}.{end}",
                    "unknown population",
                    got=repr(name),
                    limit=", ".join(known),
                    hint=suggest(name, known),
                )
            )
    if issues:
        return issues
    source, target = known[projection.source], known[projection.target]
    if target.model is None:
        return [
            _issue(
                "input-as-target",
                f"{where}.target",
                "an input cannot receive synapses",
                got=target.name,
                hint="connect to a population with a neuron model",
            )
        ]
    sizes = projection.connectivity.sizes()
    if sizes != (source.size, target.size):
        issues.append(
            _issue(
                "projection-shape",
                where,
                "connectivity does not fit the populations",
                got=f"{sizes[0]} -> {sizes[1]}",
                limit=f"{source.size} ({source.name}) -> {target.size} ({target.name})",
            )
        )
    ports = [port.name for port in target.model.ports]
    if projection.port and projection.port not in ports:
        issues.append(
            _issue(
                "unknown-port",
                f"{where}.port",
                f"model {target.model.name} has no such port",
                got=repr(projection.port),
                limit=", ".join(ports),
                hint=suggest(projection.port, ports),
            )
        )
    issues += _gap_issues(projection, source, target)
    issues += _plasticity_issues(projection, known)
    if not ports:
        issues.append(_issue("unknown-port", where, f"model {target.model.name} takes no synapses"))
    return issues


def _plasticity_issues(projection: Projection, known: Mapping[str, Population]) -> list[Issue]:
    """Spikes on both sides, and a reward from an input."""
    plasticity = projection.plasticity
    if plasticity is None:
        return []
    where = f"{projection.name}.plasticity"
    for name in (projection.source, projection.target):
        if known[name].signal != "spike":
            return [_issue("plasticity-signal", where, f"{name} sends no spikes",
                           got=known[name].signal, limit="spike")]  # fmt: skip
    if projection.immediate:
        return [_issue("plasticity-delay", where, "a plastic synapse takes at least one tick",
                       got="0 s", hint="delay=None is one tick")]  # fmt: skip
    inputs = [p.name for p in known.values() if p.is_input]
    if plasticity.reward and plasticity.reward not in inputs:
        return [_issue("plasticity-reward", f"{where}.reward", "is not an input",
                       got=repr(plasticity.reward), limit=", ".join(inputs),
                       hint=suggest(plasticity.reward, inputs))]  # fmt: skip
    return []


def _gap_issues(projection: Projection, source: Population, target: Population) -> list[Issue]:
    """Electrical synapses need the state on both sides, and a port that is held over a tick."""
    if not projection.gap:
        return []
    where = f"{projection.name}.gap"
    for end in (source, target):
        states = () if end.model is None else end.model.states
        if projection.gap not in states:
            return [
                _issue(
                    "gap-state",
                    where,
                    f"{end.name} has no such state",
                    got=repr(projection.gap),
                    limit=", ".join(states) or "a population with a neuron model",
                    hint=suggest(projection.gap, states),
                )
            ]
    assert target.model is not None
    held = [port.name for port in target.model.ports if port.kind == "hold"]
    if (projection.port or target.model.ports[0].name) not in held:
        return [
            _issue(
                "gap-port",
                where,
                "an electrical synapse needs a port that is constant over a tick",
                got=repr(projection.port),
                limit=", ".join(held) or f"(model {target.model.name} has none)",
            )
        ]
    return []


def _probe_issues(probe: Probe, known: Mapping[str, Population]) -> list[Issue]:
    if probe.population not in known:
        return [
            _issue(
                "unknown-population",
                f"probe {probe}",
                "unknown population",
                got=repr(probe.population),
                limit=", ".join(known),
                hint=suggest(probe.population, known),
            )
        ]
    model = known[probe.population].model
    legal = ["spikes"] if model is None else ["spikes", "output", *model.states]
    if probe.variable not in legal:
        return [
            _issue(
                "unknown-variable",
                f"probe {probe}",
                "nothing of this name to record",
                got=repr(probe.variable),
                limit=", ".join(legal),
                hint=suggest(probe.variable, legal),
            )
        ]
    return []


def _cycle_issues(network: Network) -> list[Issue]:
    """A loop of zero delays has no order in which to compute it."""
    direct: dict[str, list[str]] = {}
    for projection in network.projections:
        if projection.immediate:
            direct.setdefault(projection.source, []).append(projection.target)
    state: dict[str, int] = {}
    for root in direct:
        stack = [(root, iter(direct.get(root, ())))]
        if state.get(root):
            continue
        state[root] = 1
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[node] = 2
                stack.pop()
            elif state.get(following) == 1:
                return [
                    _issue(
                        "zero-delay-loop",
                        f"{node}->{following}",
                        "closes a loop of projections without delay",
                        hint="give one projection of the loop delay=None (one tick)",
                    )
                ]
            elif not state.get(following):
                state[following] = 1
                stack.append((following, iter(direct.get(following, ()))))
    return []

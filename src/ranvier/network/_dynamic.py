"""What a synapse does beside adding its weight: short-term and long-term plasticity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, cast

from ranvier.errors import fail, unknown
from ranvier.network._given import is_number
from ranvier.plasticity import PlasticityRule
from ranvier.plasticity import get as get_rule

__all__ = ["Plasticity", "TsodyksMarkram", "plasticity_from", "short_term_from"]


def _in_range(name: str, value: float) -> bool:
    if name == "u0":
        return 0 < value <= 1
    return value > 0 if name == "tau_recovery" else value >= 0


@dataclass(frozen=True, kw_only=True)
class TsodyksMarkram:
    """Short-term plasticity of a projection (Markram, Wang & Tsodyks 1998, PNAS 95:5323).

    ``u0`` in (0, 1] is the utilisation of a first spike, ``tau_recovery`` [s] > 0 the recovery of
    resources, ``tau_facilitation`` [s] >= 0 the decay of utilisation (0: depression only). A spike
    is transmitted with weight * u * x; all synapses of one source share u and x, which depend on
    its spike times alone. Raises RanvierError where a value is out of range.
    """

    u0: float = 0.5
    tau_recovery: float = 0.8
    tau_facilitation: float = 0.0

    def __post_init__(self) -> None:
        for name, limit in (
            ("u0", "above 0, at most 1"),
            ("tau_recovery", "> 0 s"),
            ("tau_facilitation", ">= 0 s"),
        ):
            value: Any = getattr(self, name)
            if not is_number(value) or not _in_range(name, float(value)):
                raise fail(
                    "short-term", f"TsodyksMarkram.{name}", "is out of range",
                    got=repr(value)[:60], limit=limit,
                )  # fmt: skip
            object.__setattr__(self, name, float(value))

    def to_dict(self) -> dict[str, float]:
        """Plain data."""
        return {
            "u0": self.u0,
            "tau_recovery": self.tau_recovery,
            "tau_facilitation": self.tau_facilitation,
        }

    @property
    def model(self) -> str:
        """The cell that computes it."""
        return "tsodyks_markram" if self.tau_facilitation else "tsodyks_depression"

    @property
    def parameters(self) -> dict[str, float]:
        """Of that cell."""
        values = self.to_dict()
        if not self.tau_facilitation:
            del values["tau_facilitation"]
        return values


def short_term_from(value: Any, where: str) -> TsodyksMarkram | None:
    """None, a TsodyksMarkram, or one as plain data; raises RanvierError otherwise."""
    if value is None or isinstance(value, TsodyksMarkram):
        return value
    if isinstance(value, Mapping):
        given = cast("Mapping[str, Any]", value)
        if set(given) <= {"u0", "tau_recovery", "tau_facilitation"}:
            return TsodyksMarkram(**given)
    raise fail(
        "short-term", where, "is not short-term plasticity", got=repr(cast("Any", value))[:60],
        limit="TsodyksMarkram(u0=..., tau_recovery=..., tau_facilitation=...) or None",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Plasticity:
    """Long-term plasticity of a projection: a rule, its parameters and what rewards it.

    ``rule`` is a :class:`~ranvier.plasticity.PlasticityRule` or the name of one; ``parameters`` are
    in SI units (weights in the unit of the port), those not given take the rule's default.
    ``reward`` names the input whose events carry the third factor, for rules that have one.
    """

    rule: PlasticityRule
    parameters: Mapping[str, float] = field(default_factory=dict[str, float])
    reward: str = ""

    def __post_init__(self) -> None:
        given: Any = self.rule
        if isinstance(given, str):
            object.__setattr__(self, "rule", get_rule(given))
        elif not isinstance(given, PlasticityRule):
            raise fail(
                "plasticity", "Plasticity.rule", "is not a plasticity rule",
                got=type(given).__name__, limit="a name or a PlasticityRule",
            )  # fmt: skip
        known = [p.name for p in self.rule.parameters]
        values: dict[str, float] = {}
        for name, value in dict(self.parameters).items():
            if name not in known:
                raise unknown("parameter", name, known, where=f"Plasticity({self.rule.name})")
            number: Any = value
            if not is_number(number) or not isfinite(number):
                raise fail(
                    "plasticity", f"Plasticity({self.rule.name}).{name}", "must be a finite number",
                    got=repr(number)[:60],
                )  # fmt: skip
            values[name] = float(number)
        for parameter in self.rule.parameters:
            if parameter.default is None and parameter.name not in values:
                raise fail(
                    "plasticity", f"Plasticity({self.rule.name}).{parameter.name}",
                    "has no default and was not given", hint=parameter.doc,
                )  # fmt: skip
        object.__setattr__(self, "parameters", values)
        third = self.rule.third_factor
        if (third is None) != (not self.reward):
            raise fail(
                "plasticity", f"Plasticity({self.rule.name}).reward",
                "names the input that rewards, for rules with a third factor only",
                got=repr(self.reward), limit="''" if third is None else "the name of an input",
            )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "rule": self.rule.to_dict(),
            "parameters": dict(self.parameters),
            "reward": self.reward,
        }


def plasticity_from(value: Any, where: str) -> Plasticity | None:
    """None, a Plasticity, a rule or its name, or one as plain data; raises RanvierError else."""
    if value is None or isinstance(value, Plasticity):
        return value
    if isinstance(value, (str, PlasticityRule)):
        return Plasticity(rule=value)  # pyright: ignore[reportArgumentType]
    if isinstance(value, Mapping):
        given = cast("Mapping[str, Any]", value)
        if set(given) == {"rule", "parameters", "reward"} and isinstance(given["rule"], Mapping):
            rule = PlasticityRule.from_dict(cast("Mapping[str, Any]", given["rule"]))
            return Plasticity(rule=rule, parameters=given["parameters"], reward=given["reward"])
    raise fail(
        "plasticity", where, "is not plasticity", got=repr(cast("Any", value))[:60],
        limit="Plasticity(rule=..., parameters={...}), the name of a rule, or None",
    )  # fmt: skip

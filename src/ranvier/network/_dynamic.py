"""What a synapse does beside adding its weight: short-term and long-term plasticity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, cast

from ranvier.errors import fail
from ranvier.network._given import is_number

__all__ = ["TsodyksMarkram"]


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
        for name, good, limit in (
            ("u0", lambda v: 0 < v <= 1, "above 0, at most 1"),
            ("tau_recovery", lambda v: v > 0, "> 0 s"),
            ("tau_facilitation", lambda v: v >= 0, ">= 0 s"),
        ):
            value: Any = getattr(self, name)
            if not is_number(value) or not isfinite(value) or not good(value):
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
        "short-term", where, "is not short-term plasticity", got=repr(value)[:60],
        limit="TsodyksMarkram(u0=..., tau_recovery=..., tau_facilitation=...) or None",
    )  # fmt: skip

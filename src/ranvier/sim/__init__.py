"""Run Programs. Engines: numba (fast) and reference (plain Python, trusted by tests)."""

from ranvier.sim._estimate import Estimate, available, estimate
from ranvier.sim._profile import Profile, ProfileRow
from ranvier.sim._session import Session
from ranvier.sim._stop import Interrupted
from ranvier.sim._system import SystemSession, run, session
from ranvier.sim._watch import Breakpoint, Hit

__all__ = [
    "Breakpoint",
    "Estimate",
    "Hit",
    "Interrupted",
    "Profile",
    "ProfileRow",
    "Session",
    "SystemSession",
    "available",
    "estimate",
    "run",
    "session",
]

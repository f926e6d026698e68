"""Run Programs. Engines: numba (fast, on threads and MPI ranks) and reference (plain Python)."""

from ranvier.sim._estimate import Estimate, available, estimate
from ranvier.sim._profile import Profile, ProfileRow
from ranvier.sim._ranks import RankSession, world
from ranvier.sim._session import Session
from ranvier.sim._sink import record
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
    "RankSession",
    "Session",
    "SystemSession",
    "available",
    "estimate",
    "record",
    "run",
    "session",
    "world",
]

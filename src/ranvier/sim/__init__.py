"""Run Programs. Engines: numba (fast, on threads and MPI ranks) and reference (plain Python)."""

from ranvier.sim._ranks import RankSession, world
from ranvier.sim._session import Session
from ranvier.sim._system import SystemSession, run, session

__all__ = ["RankSession", "Session", "SystemSession", "run", "session", "world"]

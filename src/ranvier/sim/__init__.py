"""Run Programs. Engines: numba (fast) and reference (plain Python, trusted by tests)."""

from ranvier.sim._session import Session
from ranvier.sim._system import SystemSession, run, session

__all__ = ["Session", "SystemSession", "run", "session"]

"""Address events and recordings: what goes into a machine and what comes out."""

from ranvier.events._events import Events, concatenate
from ranvier.events._recording import Recording, State, Trace, load_recording
from ranvier.events._storage import read_events, write_events

__all__ = [
    "Events",
    "Recording",
    "State",
    "Trace",
    "concatenate",
    "load_recording",
    "read_events",
    "write_events",
]

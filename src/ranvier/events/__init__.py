"""Address events and recordings: what goes into a machine and what comes out."""

from ranvier.events._events import Events, concatenate
from ranvier.events._recording import Recording, State, Trace, load_recording
from ranvier.events._storage import read_events, write_events
from ranvier.events.decoders import DECODERS, NO_ANSWER, decode
from ranvier.events.encoders import ENCODERS, check_encoder, encode, encode_raster

__all__ = [
    "DECODERS",
    "ENCODERS",
    "NO_ANSWER",
    "Events",
    "Recording",
    "State",
    "Trace",
    "check_encoder",
    "concatenate",
    "decode",
    "encode",
    "encode_raster",
    "load_recording",
    "read_events",
    "write_events",
]

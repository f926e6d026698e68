"""Address events and recordings: what goes into a machine and what comes out."""

from ranvier.events._compact import compact_recording
from ranvier.events._events import Events, concatenate
from ranvier.events._parts import PopulationInfo, TraceInfo
from ranvier.events._recording import Recording, State, Trace, load_recording
from ranvier.events._storage import read_events, write_events
from ranvier.events._stored import StoredRecording, open_recording
from ranvier.events._stream import StreamWriter
from ranvier.events.decoders import DECODERS, NO_ANSWER, decode
from ranvier.events.encoders import ENCODERS, check_encoder, encode, encode_raster

__all__ = [
    "DECODERS",
    "ENCODERS",
    "NO_ANSWER",
    "Events",
    "PopulationInfo",
    "Recording",
    "State",
    "StoredRecording",
    "StreamWriter",
    "Trace",
    "TraceInfo",
    "check_encoder",
    "compact_recording",
    "concatenate",
    "decode",
    "encode",
    "encode_raster",
    "load_recording",
    "open_recording",
    "read_events",
    "write_events",
]

"""Compile a Network for a Chip into a Program. One pass a file; a pass's fields are its options."""

from ranvier.compile._draft import Draft, Pass, Piece
from ranvier.compile._pipeline import PASSES, Between, compile, default_passes, passes_from_text
from ranvier.compile._program import (
    Block,
    Bridge,
    GapTable,
    InputBlock,
    PlasticTable,
    Program,
    ProjectionTable,
    RuleTable,
    load_program,
    machine_of,
)
from ranvier.compile._read_back import (
    find_projection,
    projection_weights,
    read_back,
    synapse_ports,
)
from ranvier.compile.legalise import Legalise
from ranvier.compile.pack import Pack
from ranvier.compile.partition import Partition
from ranvier.compile.place import Place
from ranvier.compile.quantise import Quantise
from ranvier.compile.route import Route
from ranvier.compile.update import Update

__all__ = [
    "PASSES",
    "Between",
    "Block",
    "Bridge",
    "Draft",
    "GapTable",
    "InputBlock",
    "Legalise",
    "Pack",
    "Partition",
    "Pass",
    "Piece",
    "Place",
    "PlasticTable",
    "Program",
    "ProjectionTable",
    "Quantise",
    "Route",
    "RuleTable",
    "Update",
    "compile",
    "default_passes",
    "find_projection",
    "load_program",
    "machine_of",
    "passes_from_text",
    "projection_weights",
    "read_back",
    "synapse_ports",
]

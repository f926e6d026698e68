"""What SpiNNaker 1 costs: the power model of SpiNNaker's own tools, and a measured per-event law.

The tools count power by board, core and packet; they have no price for a synaptic operation or a
neuron update, because both are inside the power of an active core. Sharp et al. divided measured
power by neurons and by postsynaptic potentials instead. The two describe the same joules from two
sides and must never be added.
"""

from __future__ import annotations

from functools import partial

from ranvier.chips._spec import Coefficient, CostTable

__all__ = ["COSTS"]

TOOLS = "SpiNNMachine, spinn_machine/version at fe5a06a"
CODE = f"{TOOLS}: version_spin1.py"
CODE_48 = f"{TOOLS}: version_5.py"
SHARP = (
    "Sharp, Galluppi, Rast, Furber, Power-efficient simulation of detailed cortical microcircuits "
    "on SpiNNaker, J. Neurosci. Methods 210(1), 2012, doi:10.1016/j.jneumeth.2012.03.001"
)
INSIDE = "not priced apart: inside the power of an active core"

_absent = partial(Coefficient, evidence="unpublished")
_watt = partial(Coefficient, unit="W", evidence="measured", source=CODE_48)
_cycles = (
    _absent(per="neuron_update", unit="s", source="no cycle count per update is published"),
    _absent(per="synaptic_op", unit="s", source="no cycle count per synaptic event is published"),
)

_TOOLS = CostTable(
    name="spinnaker_tools",
    source=TOOLS,
    energy=(
        _watt(
            per="chip_second",
            value=0.35,
            source=CODE,
            conditions="an idle chip with its SDRAM: (5.23 + 5.17 + 5.52 + 0.90) W / 48",
        ),
        _watt(
            per="core_second",
            value=0.034,
            source=CODE,
            conditions="a core in use, over idle: (59.38 - 31.88) W / 806 cores, boxed board",
        ),
        Coefficient(
            per="packet_hop",
            unit="J",
            value=1.0e-9,
            evidence="vendor",
            source=CODE,
            conditions="a 40-bit packet in one router, 25 pJ a bit; from Painkras 2013",
        ),
        Coefficient(
            per="packet_hop_payload",
            unit="J",
            value=1.8e-9,
            evidence="vendor",
            source=CODE,
            conditions="a 72-bit packet in one router, 25 pJ a bit; from Painkras 2013",
        ),
        _watt(
            per="board_second",
            value=26.84,
            conditions="an idle 48-chip board with its chips, without box",
            includes=("chip_second",),
        ),
        _watt(
            per="board4_second",
            value=3.56,
            source=f"{TOOLS}: version_3.py",
            conditions="an idle 4-chip board with its chips, over one hour",
            includes=("chip_second",),
        ),
        _watt(
            per="box_second",
            value=5.04,
            conditions="box and power supply of one 48-chip board: (31.88 - 26.84) W",
        ),
        _watt(
            per="frame_second",
            value=117.0,
            conditions="a frame with switch and cooling, idle, without its boards",
        ),
        _watt(
            per="frame_active_second",
            value=154.163558 - 117.0,
            conditions="a frame in use, over idle; extrapolated from loading a column",
        ),
        _absent(per="synaptic_op", unit="J", source=INSIDE),
        _absent(per="neuron_update", unit="J", source=INSIDE),
    ),
    time=_cycles,
    chips_per_board=48,
    note="Power of a whole board; boxes and frames are counted where they are given.",
)

_SHARP = CostTable(
    name="sharp2012",
    source=SHARP,
    energy=(
        Coefficient(
            per="neuron_update",
            unit="J",
            value=100e-9,
            evidence="measured",
            source=SHARP,
            conditions="100 nJ per neuron and millisecond, 1 ms tick; 4 chips, 10 000 neurons, "
            "4 million synapses, 130 nm",
        ),
        Coefficient(
            per="synaptic_op",
            unit="J",
            value=43e-9,
            evidence="measured",
            source=SHARP,
            conditions="43 nJ per postsynaptic potential; 4 chips, 10 000 neurons, 4 million "
            "synapses, 130 nm",
        ),
        _absent(
            per="chip_second", unit="W", source="the abstract names no static power beside these"
        ),
        _absent(per="packet_hop", unit="J", source="the abstract names no price of a packet"),
    ),
    time=_cycles,
    tick=1e-3,
    note="The abstract does not say how much of the static power these two figures hold.",
)

COSTS: tuple[CostTable, ...] = (_TOOLS, _SHARP)

"""What Loihi 1 costs: two published sets of numbers and measured static power.

``davies2018`` comes from before silicon (circuit simulation, 0.75 V); ``sanafe_nahuku`` was fitted
to a Nahuku board. They disagree by a third on a synaptic operation, so neither is called *the*
cost. Static power was measured by Frady et al. and stands in both.
"""

from __future__ import annotations

from functools import partial

from ranvier.chips._spec import Coefficient, CostTable

__all__ = ["COSTS"]

DAVIES = (
    "Davies et al., Loihi: a neuromorphic manycore processor with on-chip learning, "
    "IEEE Micro 38(1), 2018, table 2"
)
FRADY = (
    "Frady et al., Neuromorphic nearest neighbor search using Intel's Pohoiki Springs, NICE 2020"
)
SANAFE = (
    "SANA-FE, arch/loihi.yaml at 8951ab0 (Boyle et al., SANA-FE: simulating advanced neuromorphic "
    "architectures for fast exploration, IEEE TCAD 2025)"
)
PRE_SILICON = "0.75 V, pre-silicon circuit simulation"
FIT = (
    "regression on a Nahuku-32 board; spread: the error its authors claim for the whole model, "
    "11.7 % in energy"
)
TIME_FIT = (
    "regression on a Nahuku-32 board; spread: the error its authors claim for the whole model, "
    "24.3 % in time"
)

_static = Coefficient(
    per="chip_second",
    unit="W",
    value=3.34 / 32,
    evidence="measured",
    source=FRADY,
    conditions="3.34 W over 32 chips of Pohoiki Springs",
)
_reset = Coefficient(
    per="chip_reset",
    unit="J",
    value=5.94e-6,
    evidence="measured",
    source=FRADY,
    conditions="a reset, per chip, on Pohoiki Springs",
)
_gateway = Coefficient(
    per="input_event",
    unit="J",
    evidence="unpublished",
    source="no figure per event sent in through the x86 cores or the host is known",
)
_simulated = partial(
    Coefficient, unit="J", evidence="simulated", source=DAVIES, conditions=PRE_SILICON
)
_simulated_time = partial(
    Coefficient, unit="s", evidence="simulated", source=DAVIES, conditions=PRE_SILICON
)
_fitted = partial(
    Coefficient, unit="J", evidence="fitted", source=SANAFE, conditions=FIT, spread=(0.883, 1.117)
)
_fitted_time = partial(
    Coefficient,
    unit="s",
    evidence="fitted",
    source=SANAFE,
    conditions=TIME_FIT,
    spread=(0.757, 1.243),
)
_absent = partial(Coefficient, evidence="unpublished")

_DAVIES = CostTable(
    name="davies2018",
    source=DAVIES,
    energy=(
        _static,
        _simulated(
            per="synaptic_op", value=23.6e-12, conditions=f"{PRE_SILICON}; the paper's minimum"
        ),
        _simulated(per="neuron_update_active", value=81e-12),
        _simulated(per="neuron_update_inactive", value=52e-12),
        _simulated(per="synaptic_update", value=120e-12, conditions=f"{PRE_SILICON}; STDP"),
        _simulated(per="tile_spike", value=1.7e-12),
        _simulated(per="hop_ew", value=3.0e-12),
        _simulated(per="hop_ns", value=4.0e-12),
        _absent(per="axon_in", unit="J", source="not in the paper's table 2"),
        _absent(per="axon_out", unit="J", source="not in the paper's table 2"),
        _absent(per="step", unit="J", source="only the barrier's time is given"),
        _reset,
        _gateway,
    ),
    time=(
        _simulated_time(
            per="synaptic_op", value=3.5e-9, conditions=f"{PRE_SILICON}; the paper's maximum"
        ),
        _simulated_time(per="neuron_update_active", value=8.4e-9),
        _simulated_time(per="neuron_update_inactive", value=5.3e-9),
        _simulated_time(per="synaptic_update", value=6.1e-9, conditions=f"{PRE_SILICON}; STDP"),
        _simulated_time(per="tile_spike", value=2.1e-9),
        _simulated_time(per="hop_ew", value=4.1e-9),
        _simulated_time(per="hop_ns", value=6.5e-9),
        _absent(per="axon_in", unit="s", source="not in the paper's table 2"),
        _absent(per="axon_out", unit="s", source="not in the paper's table 2"),
        _simulated_time(
            per="step",
            table=("tiles", ((1, 113e-9), (32, 465e-9))),
            conditions=f"{PRE_SILICON}; one chip. Boards are slower: 14.3 us measured over a "
            "column and 16.2 us over 768 chips (Frady 2020)",
        ),
    ),
    note="These numbers, unfitted, foretell the neuro-core energy of a nearest-neighbour query "
    "measured on 32 chips (1.33 mJ, Frady 2020) at +9 to +20 %.",
)

_SANAFE = CostTable(
    name="sanafe_nahuku",
    source=SANAFE,
    energy=(
        _static,
        _fitted(
            per="synaptic_op",
            value=35.5e-12,
            conditions=f"dense format; sparse 33.6 pJ, convolution 24.0 pJ; {FIT}",
        ),
        _fitted(per="synaptic_op_sparse", value=33.6e-12, conditions=f"sparse format; {FIT}"),
        _fitted(per="synaptic_op_conv", value=24.0e-12, conditions=f"convolution format; {FIT}"),
        _fitted(per="neuron_update", value=51.2e-12, conditions=f"soma access; {FIT}"),
        _fitted(
            per="neuron_update_active",
            value=21.6e-12,
            conditions=f"soma update, on top of the access; {FIT}",
        ),
        _fitted(per="spike", value=69.3e-12, conditions=f"spike out, on top of the update; {FIT}"),
        _fitted(per="axon_in", value=0.0, conditions="set to zero by the fit's authors"),
        _fitted(per="axon_out", value=111e-12),
        _fitted(per="hop_ew", value=3.0e-12, conditions=f"as in Davies 2018; {FIT}"),
        _fitted(per="hop_ns", value=4.2e-12),
        _absent(per="tile_spike", unit="J", source="not in the fit"),
        _absent(per="synaptic_update", unit="J", source="learning is not in the fit"),
        _absent(per="step", unit="J", source="only the barrier's time is given"),
        _reset,
        _gateway,
    ),
    time=(
        _fitted_time(
            per="synaptic_op",
            value=3.8e-9,
            conditions=f"dense format; sparse 4.7 ns, convolution 3.1 ns; {TIME_FIT}",
        ),
        _fitted_time(per="synaptic_op_sparse", value=4.7e-9),
        _fitted_time(per="synaptic_op_conv", value=3.1e-9),
        _fitted_time(per="neuron_update", value=6.0e-9, conditions=f"soma access; {TIME_FIT}"),
        _fitted_time(
            per="neuron_update_active", value=3.7e-9, conditions=f"soma update; {TIME_FIT}"
        ),
        _fitted_time(per="spike", value=30e-9, conditions=f"spike out; {TIME_FIT}"),
        _fitted_time(per="axon_in", value=16e-9),
        _fitted_time(per="axon_out", value=5.1e-9),
        _fitted_time(per="hop_ew", value=4.1e-9),
        _fitted_time(per="hop_ns", value=6.5e-9),
        _fitted_time(
            per="step", table=("tiles", ((1, 0.6e-6), (2, 1.0e-6), (4, 1.4e-6), (29, 1.8e-6)))
        ),
    ),
    note="The file's header cites Davies 2018, but its numbers are regressions on silicon. They "
    "foretell Frady's 1.33 mJ at +55 to +71 %. The chip's static power and reset are Frady's.",
)

COSTS: tuple[CostTable, ...] = (_DAVIES, _SANAFE)

# ruff: noqa: B905  (zip has no strict= in the peers' Python 3.9)
"""Drive the emulators of nengo-loihi, Brian2Loihi and Lava with one case of chip integers.

Imported only inside the throw-away environment of the peer in question.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

Case = dict[str, Any]
NENGO_BITS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 8: 7}


def _groups(case: Case, *keys: str) -> list[tuple[tuple[int, ...], np.ndarray]]:
    """Rows of the synapse table by equal configuration, in a fixed order."""
    if len(case["syn_pre"]) == 0:
        return []
    table = np.stack([case["syn_" + k] for k in keys], axis=1)
    return [
        (tuple(int(x) for x in row), np.nonzero((table == row).all(axis=1))[0])
        for row in np.unique(table, axis=0)
    ]


def run_nengo(case: Case) -> dict[str, np.ndarray]:
    """nengo-loihi: blocks, synapses and axons set directly in integers, EmulatorInterface."""
    import scipy.sparse as sp
    from nengo_loihi.block import Axon, LoihiBlock, Synapse
    from nengo_loihi.builder import Model
    from nengo_loihi.builder.discretize import array_to_int, discretize_weights
    from nengo_loihi.builder.validate import validate_model
    from nengo_loihi.emulator import EmulatorInterface
    from nengo_loihi.inputs import SpikeInput
    from nengo_loihi.probe import LoihiProbe

    warnings.simplefilter("ignore")
    model = Model()
    n_blocks = int(case["block"].max()) + 1
    members = [np.nonzero(case["block"] == b)[0] for b in range(n_blocks)]
    assert np.array_equal(np.concatenate(members), np.arange(len(case["du"]))), (
        "blocks must be in neuron order"
    )
    blocks = []
    for idx in members:
        block = LoihiBlock(len(idx))
        c = block.compartment
        array_to_int(c.decay_u, case["du"][idx])
        array_to_int(c.decay_v, case["dv"][idx])
        array_to_int(c.vth, case["vth"][idx] * 64)
        array_to_int(c.bias, case["bias_mant"][idx] << case["bias_exp"][idx])
        c.refract_delay[:] = case["refract"][idx]
        c.scale_u = c.scale_v = False
        c.vmin, c.vmax = int(case["vmin"][idx[0]]), int(case["vmax"][idx[0]])
        model.add_block(block)
        blocks.append(block)
    n_in = case["in_spikes"].shape[1]
    source = SpikeInput(n_in)
    model.add_input(source)
    w_act = np.zeros(len(case["syn_w"]), np.int64)
    assert not case["syn_delay"].any(), "nengo-loihi has no synaptic delay"
    start = [int(m[0]) for m in members]
    for (is_input, wexp, bits, sign), rows in _groups(case, "is_input", "wexp", "bits", "sign"):
        for b_post, post_block in enumerate(blocks):
            for b_pre in [None] if is_input else range(n_blocks):
                keep = case["block"][case["syn_post"][rows]] == b_post
                if b_pre is not None:
                    keep &= case["block"][case["syn_pre"][rows]] == b_pre
                r = rows[keep]
                if len(r) == 0:
                    continue
                n_pre = n_in if b_pre is None else len(members[b_pre])
                i = case["syn_pre"][r] - (0 if b_pre is None else start[b_pre])
                j = case["syn_post"][r] - start[b_post]
                assert len(set(zip(i.tolist(), j.tolist()))) == len(r), "duplicate synapse"
                order = np.lexsort((j, i))
                # explicit zeros must survive, so the matrix is assembled as csr by hand
                indptr = np.r_[0, np.cumsum(np.bincount(i, minlength=n_pre))]
                data = case["syn_w"][r][order].astype(np.float32)
                mat = sp.csr_matrix((data, j[order], indptr), shape=(n_pre, len(members[b_post])))
                syn = Synapse(n_pre)
                syn.set_weights(mat)
                syn.format(weight_exp=wexp, weight_bits=NENGO_BITS[bits], fanout_type=sign)
                for w in syn.weights:
                    array_to_int(w, discretize_weights(syn.synapse_cfg, w.copy()))
                w_act[r[order]] = np.concatenate([w[0] for w in syn.weights])
                post_block.add_synapse(syn)
                axon = Axon(n_pre)
                axon.target = syn
                (source if b_pre is None else blocks[b_pre]).add_axon(axon)
    probes = {k: LoihiProbe(target=blocks, key=k) for k in ("spiked", "current", "voltage")}
    for p in probes.values():
        model.add_probe(p)
    validate_model(model)
    for t, row in enumerate(case["in_spikes"]):
        source.add_spikes(t + 1, np.nonzero(row)[0].tolist())
    with EmulatorInterface(model, seed=0) as emulator:
        emulator.run_steps(len(case["in_spikes"]))
        out = {k: np.asarray(emulator.collect_probe_output(p)) for k, p in probes.items()}
    return {
        "spikes": out["spiked"].astype(np.uint8),
        "u": out["current"].astype(np.int32),
        "v": out["voltage"].astype(np.int32),
        "syn_w_act": w_act.astype(np.int32),
    }


def run_brian2(case: Case) -> dict[str, np.ndarray]:
    """Brian2Loihi: one neuron group per distinct parameter set, numpy code generation."""
    import brian2
    from brian2_loihi import (
        LoihiNetwork,
        LoihiNeuronGroup,
        LoihiSpikeGeneratorGroup,
        LoihiSpikeMonitor,
        LoihiStateMonitor,
        LoihiSynapses,
    )

    brian2.prefs.codegen.target = "numpy"
    warnings.simplefilter("ignore")
    assert not case["bias_mant"].any(), "Brian2Loihi has no bias"
    steps, n_in = case["in_spikes"].shape
    cell = np.stack([case[k] for k in ("du", "dv", "vth", "refract")], axis=1)
    kinds, kind = np.unique(cell, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    local = np.array([int((kind[:i] == k).sum()) for i, k in enumerate(kind)])
    groups = [
        LoihiNeuronGroup(
            int((kind == k).sum()),
            refractory=int(ref),
            threshold_v_mant=int(vth),
            decay_v=int(dv),
            decay_I=int(du) + 1,
        )
        for k, (du, dv, vth, ref) in enumerate(kinds)
    ]
    when, who = np.nonzero(case["in_spikes"])
    source = LoihiSpikeGeneratorGroup(n_in, who, when.astype(int))
    objects: list[Any] = [source, *groups]
    w_act = np.zeros(len(case["syn_w"]), np.int64)
    parts: list[tuple[Any, np.ndarray]] = []
    for (is_input, wexp, bits, sign, delay), rows in _groups(
        case, "is_input", "wexp", "bits", "sign", "delay"
    ):
        for k_post, post_group in enumerate(groups):
            for k_pre in [None] if is_input else range(len(groups)):
                keep = kind[case["syn_post"][rows]] == k_post
                if k_pre is not None:
                    keep &= kind[case["syn_pre"][rows]] == k_pre
                r = rows[keep]
                if len(r) == 0:
                    continue
                i = case["syn_pre"][r] if k_pre is None else local[case["syn_pre"][r]]
                syn = LoihiSynapses(
                    source if k_pre is None else groups[k_pre],
                    post_group,
                    delay=delay,
                    w_exp=wexp,
                    sign_mode=sign,
                    num_weight_bits=bits,
                )
                syn.connect(i=i, j=local[case["syn_post"][r]])
                syn.w = case["syn_w"][r]
                w_act[r] = np.asarray(syn.w_act)
                parts.append((syn, r))
                objects.append(syn)
    spikes = [LoihiSpikeMonitor(g) for g in groups]
    currents = [LoihiStateMonitor(g, "I") for g in groups]
    voltages = [LoihiStateMonitor(g, "v") for g in groups]
    net = LoihiNetwork(*objects, *spikes, *currents, *voltages)
    net.run(steps)
    for syn, r in parts:  # what the network used, not only what the property says
        state = np.asarray(syn.get_states(["w_act"], units=False)["w_act"])
        assert np.array_equal(state, w_act[r]), "w_act state differs from calcActualWeights"
    out = {k: np.zeros((steps, len(kind)), np.float64) for k in ("spikes", "u", "v")}
    for k in range(len(groups)):
        cols = np.nonzero(kind == k)[0]
        out["u"][:, cols] = np.asarray(currents[k].I).T
        out["v"][:, cols] = np.asarray(voltages[k].v).T
        at = np.round(np.asarray(spikes[k].t_) * 1000).astype(int)
        out["spikes"][at, cols[np.asarray(spikes[k].i)]] = 1
    for k in ("u", "v"):
        off = np.abs(out[k] - np.round(out[k])).max()
        if off:
            print(f"    {k} is not integral: largest distance {off:g}")
    return {
        "spikes": out["spikes"].astype(np.uint8),
        "u": np.round(out["u"]).astype(np.int64),
        "v": np.round(out["v"]).astype(np.int64),
        "syn_w_act": w_act.astype(np.int32),
    }


class _Port:
    """Stands for a Lava port: the process models only call send and recv."""

    def __init__(self) -> None:
        self.value: Any = None

    def send(self, value: Any) -> None:
        """Forget: the loop of run_lava reads the buffers itself."""

    def recv(self) -> Any:
        """What the loop of run_lava put there."""
        return self.value


def run_lava(case: Case) -> dict[str, np.ndarray]:
    """Lava: the bit-accurate process models of LIF, Dense and DelayDense, stepped in order.

    The models run as they are; only Lava's message passing between operating system processes
    is replaced, in its own order: every Dense first sends what it buffered in the step before,
    then LIF runs, then every Dense reads the spikes of this step.
    """
    from lava.proc.dense.models import PyDelayDenseModelBitAcc, PyDenseModelBitAcc
    from lava.proc.lif.models import PyLifModelBitAcc
    from lava.utils.weightutils import SignMode

    assert (case["refract"] == 1).all(), "Lava's bit-accurate LIF has no refractory period"
    n, (steps, n_in) = len(case["du"]), case["in_spikes"].shape
    lif = PyLifModelBitAcc({})
    lif.a_in, lif.s_out = _Port(), _Port()
    lif.u, lif.v = np.zeros(n, np.int32), np.zeros(n, np.int32)
    lif.du, lif.dv, lif.vth = (case[k].astype(np.int32) for k in ("du", "dv", "vth"))
    lif.bias_mant = case["bias_mant"].astype(np.int16)
    lif.bias_exp = case["bias_exp"].astype(np.int16)
    projections: list[tuple[Any, int]] = []
    w_act = np.zeros(len(case["syn_w"]), np.int64)
    keys = ("is_input", "wexp", "bits", "sign", "delay")
    for (is_input, wexp, bits, sign, delay), rows in _groups(case, *keys):
        params = {"weight_exp": wexp, "num_weight_bits": bits, "sign_mode": SignMode(sign)}
        dense = (PyDelayDenseModelBitAcc if delay else PyDenseModelBitAcc)(params)
        dense.s_in, dense.a_out, dense.num_message_bits = _Port(), _Port(), np.array(0)
        shape = (n, n_in if is_input else n)
        dense.weights = np.zeros(shape, np.int32)
        dense.weights[case["syn_post"][rows], case["syn_pre"][rows]] = case["syn_w"][rows]
        dense.a_buff = np.zeros((n, delay + 1) if delay else n, np.int32)
        if delay:
            dense.delays = np.full(shape, delay, np.int32)
        projections.append((dense, is_input))
        w_act[rows] = _lava_weight(case["syn_w"][rows], wexp, bits, sign)
    out = {k: np.zeros((steps, n), np.int64) for k in ("spikes", "u", "v")}
    for t in range(steps):
        buffers = [d.a_buff[:, 0] if d.a_buff.ndim == 2 else d.a_buff for d, _ in projections]
        lif.a_in.value = np.sum(buffers, axis=0).astype(np.int32)
        lif.run_spk()
        for dense, is_input in projections:
            dense.s_in.value = case["in_spikes"][t] if is_input else lif.s_out_buff
            dense.run_spk()
        for k, x in (("spikes", lif.s_out_buff), ("u", lif.u), ("v", lif.v)):
            out[k][t] = x
    return {**out, "syn_w_act": w_act}


def _lava_weight(w: np.ndarray, wexp: int, bits: int, sign: int) -> np.ndarray:
    """What one spike alone adds to u; several in one step are shifted together."""
    from lava.utils.weightutils import SignMode, clip_weights, truncate_weights

    kept = truncate_weights(clip_weights(w, SignMode(sign), 8), SignMode(sign), bits)
    return (np.left_shift(kept, wexp) if wexp > 0 else np.right_shift(kept, -wexp)) << 6


def weight_table(peer: str) -> dict[str, np.ndarray]:
    """Actual weight of every mantissa, exponent, width and sign mode that a peer accepts."""
    rows: list[tuple[int, int, int, int, int]] = []
    if peer == "nengo":
        from nengo_loihi.block import SynapseConfig
        from nengo_loihi.builder.discretize import discretize_weights

        warnings.simplefilter("ignore")
        for sign in (1, 2, 3):
            for bits, code in NENGO_BITS.items():
                for wexp in range(-7, 8):
                    w = np.arange(0 if sign == 2 else -256, 1 if sign == 3 else 256)
                    cfg = SynapseConfig(weight_exp=wexp, weight_bits=code, fanout_type=sign)
                    act = discretize_weights(cfg, w.astype(np.float32))
                    rows += [(sign, bits, wexp, int(a), int(b)) for a, b in zip(w, act)]
    elif peer == "lava":
        for sign in (1, 2, 3):
            for bits in range(1, 9):
                for wexp in range(-8, 8):
                    w = np.arange(*{1: (-256, 256), 2: (0, 256), 3: (-255, 1)}[sign])
                    act = _lava_weight(w, wexp, bits, sign)
                    rows += [(sign, bits, wexp, int(a), int(b)) for a, b in zip(w, act)]
    else:
        from brian2_loihi import LoihiNeuronGroup, LoihiSynapses

        g = LoihiNeuronGroup(1)
        for sign in (1, 2, 3):
            for bits in range(9):
                for wexp in range(-8, 8):
                    w = np.arange(0 if sign == 2 else -256, {1: 255, 2: 256, 3: 1}[sign])
                    syn = LoihiSynapses(g, g, w_exp=wexp, sign_mode=sign, num_weight_bits=bits)
                    act = syn.calcActualWeights(w)
                    rows += [(sign, bits, wexp, int(a), int(b)) for a, b in zip(w, act)]
    table = np.array(rows, np.int32)
    return dict(zip(("sign", "bits", "wexp", "w", "w_act"), table.T))

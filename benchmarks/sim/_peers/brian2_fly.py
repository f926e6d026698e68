"""Brian2 builds a sparse network of leaky neurons, handed over as arrays, as a C++ program.

    python brian2_fly.py network.npz FOLDER --seconds 1 --float 64

The model is that of Shiu et al. 2024, Nature 634:210 (dv/dt = (v0 - v + g)/20 ms, dg/dt = -g/5 ms,
both unless refractory, threshold -45 mV, reset of v and g, 2.2 ms refractory, 1.8 ms delay,
0.275 mV a synapse), stimulated by the spike list in the file. A spike that arrives while its target
is refractory is lost, or kept with --keep as in the original program. Run FOLDER/main in FOLDER.
"""

from __future__ import annotations

import argparse
import json
import time

import brian2 as b2
import numpy as np
from brian2 import NeuronGroup, SpikeGeneratorGroup, SpikeMonitor, Synapses, ms, mV, second


def main() -> None:
    """Generate and compile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network")
    parser.add_argument("folder")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--float", type=int, choices=(32, 64), default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    with np.load(args.network) as file:
        data = {k: file[k] for k in file.files}
    start = time.perf_counter()
    b2.set_device("cpp_standalone", directory=args.folder, build_on_run=False)
    b2.prefs.devices.cpp_standalone.openmp_threads = args.threads if args.threads > 1 else 0
    b2.prefs.core.default_float_dtype = getattr(b2, f"float{args.float}")
    b2.defaultclock.dt = 0.1 * ms
    neurons = int(data["neurons"])
    constants = {"v0": -52 * mV, "vth": -45 * mV, "tm": 20 * ms, "tg": 5 * ms,
                 "wsyn": 0.275 * mV, "kick": 68.75 * mV}  # fmt: skip
    group = NeuronGroup(
        neurons,
        """
        dv/dt = (v0 - v + g)/tm : volt (unless refractory)
        dg/dt = -g/tg : volt (unless refractory)
        """,
        threshold="v > vth", reset="v = v0; g = 0*mV", refractory=2.2 * ms, method="exact",
        namespace=constants,
    )  # fmt: skip
    group.v, group.g = -52 * mV, 0 * mV
    gate = "" if args.keep else "*int(not_refractory_post)"
    synapses = Synapses(
        group, group, "count : 1", on_pre=f"g += wsyn*count{gate}", delay=1.8 * ms,
        namespace=constants,
    )  # fmt: skip
    synapses.connect(i=data["pre"], j=data["post"])
    synapses.count = data["count"].astype(np.float64)
    tick, index = data["stimulus"]
    source = SpikeGeneratorGroup(data["stimulated"].size, index, tick * 0.1 * ms)
    kick = Synapses(source, group, on_pre=f"v += kick{gate}", namespace=constants)
    kick.connect(i=np.arange(data["stimulated"].size), j=data["stimulated"])
    kick.pre.when = "before_thresholds"  # a kick fires its cell in the step after it
    network = b2.Network(group, synapses, source, kick, SpikeMonitor(group, name="spikes"))
    network.run(args.seconds * second)
    made = time.perf_counter()
    b2.device.build(directory=args.folder, compile=True, run=False, with_output=False)
    print(json.dumps({"generate": made - start, "compile": time.perf_counter() - made,
                      "brian2": b2.__version__}))  # fmt: skip


if __name__ == "__main__":
    main()

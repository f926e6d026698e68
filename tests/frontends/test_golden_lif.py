"""The NIR paper's single neuron, imported once per simulator and compared with its trace."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "spine" / "golden_lif.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_lif_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


golden = _load()


@pytest.mark.parametrize("case", golden.CASES, ids=lambda c: c.trace)
def test_spikes_are_equal_and_v_is_within_the_stated_residual(
    case: object, shared_data: Path
) -> None:
    result = golden.compare(case, shared_data / "models" / "nir")
    assert result.ours == result.theirs
    assert len(result.ours) == 4
    assert result.residual <= result.case.limit
    assert result.residual >= result.case.limit / 1000, "the stated residual is far too generous"


def test_the_choices_matter(shared_data: Path) -> None:
    """Read with another tool's conventions the same file gives other spikes."""
    sinabs = next(c for c in golden.CASES if c.trace == "sinabs")
    norse = next(c for c in golden.CASES if c.trace == "norse")
    wrong = golden.Case("sinabs", norse.options, sinabs.limit, "")
    result = golden.compare(wrong, shared_data / "models" / "nir")
    assert result.ours != result.theirs


def test_every_trace_has_a_case(shared_data: Path) -> None:
    there = {p.stem.removeprefix("golden_lif_") for p in
             (shared_data / "models" / "nir").glob("golden_lif_*.csv")}  # fmt: skip
    assert there == {c.trace for c in golden.CASES}

"""The plain-integer Loihi 1 reference reproduces what nengo-loihi, Brian2Loihi and Lava computed.

Needs numpy and pytest only; the golden files and their conventions are described in
``golden/loihi1/README.md``.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parent / "golden" / "loihi1"


def _load(name: str) -> ModuleType:
    full = f"golden_loihi1_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, FOLDER / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]


golden = _load("make_golden")
reference = golden.reference
cases = _load("cases")
PATHS = golden.golden_cases()
TABLES = sorted(FOLDER.glob("*_weights_table.npz"))
PEERS = ("nengo", "brian2", "lava")
NAMES = {peer: [f.__name__ for f in cases.makers_for(peer)] for peer in PEERS}
PAIRS = [("nengo", "brian2"), ("nengo", "lava"), ("brian2", "lava")]
AGREE = [f.__name__ for f in cases.AGREE]
# Of the cases that both of a pair run, these part them; all others agree bit for bit.
WEIGHTS = {"weight_bits", "bits_and_exponents", "wexp_negative"}
DIFFER = {
    ("nengo", "brian2"): {
        *WEIGHTS,
        *("weight_limit", "q_overflow", "u_overflow", "v_overflow", "everything"),
    },
    ("nengo", "lava"): {*WEIGHTS, "weight_limit", "q_overflow", "input_overflow"},
    ("brian2", "lava"): {
        *WEIGHTS,
        *("weight_limit", "q_overflow", "u_overflow", "v_overflow", "wexp_minus8"),
    },
}

# (golden case, rule, its other side): the case must notice the change, or it pins nothing.
CORNERS = [
    ("nengo_weight_bits", "weight", "toward_zero"),
    ("brian2_weight_bits", "weight", "half_even"),
    ("brian2_weight_bits", "weight", "floor"),
    ("nengo_wexp_negative", "shift", "floor"),
    ("brian2_wexp_negative", "shift", "half_even"),
    ("brian2_wexp_minus8", "shift", "half_even"),
    ("nengo_wexp_negative", "saturate", False),
    ("nengo_weight_limit", "saturate", False),
    ("brian2_weight_limit", "weight_limit", None),
    ("nengo_u_overflow", "u_bits", None),
    ("brian2_u_overflow", "u_bits", 23),
    ("nengo_q_overflow", "q_bits", None),
    ("brian2_q_overflow", "q_bits", 21),
    ("nengo_input_overflow", "in_bits", None),
    ("nengo_v_overflow", "v_clip", False),
    ("brian2_v_overflow", "v_clip", True),
    ("nengo_v_clip", "v_clip", False),
    ("lava_weight_bits", "weight", "toward_zero"),
    ("lava_weight_bits", "weight", "half_even"),
    ("lava_wexp_negative", "shift", "floor"),
    ("lava_u_overflow", "u_fold", False),
    ("lava_u_boundary", "u_bits", 23),
    ("lava_q_overflow", "q_bits", 21),
    ("lava_input_overflow", "in_bits", 23),
    ("lava_v_overflow", "v_clip", False),
    ("lava_weight_limit", "saturate", True),
    ("lava_plain", "input_latency", 0),
    ("nengo_refractory", "refract_extra", 1),
    ("brian2_refractory", "refract_extra", 1),
    ("nengo_plain", "input_latency", 0),
    ("brian2_plain", "input_latency", 1),
]


def test_the_golden_files_are_all_there() -> None:
    assert {p.stem for p in PATHS} == {f"{peer}_{f}" for peer in PEERS for f in NAMES[peer]}
    assert [p.stem for p in TABLES] == sorted(f"{peer}_weights_table" for peer in PEERS)


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_reference_reproduces_the_peer(path: Path) -> None:
    assert golden.check_case(path) == []


@pytest.mark.parametrize("path", TABLES, ids=lambda p: p.stem)
def test_reference_makes_the_peers_actual_weights(path: Path) -> None:
    assert golden.check_table(path) == []


@pytest.mark.parametrize(("name", "rule", "other"), CORNERS)
def test_every_corner_is_pinned_by_a_case(name: str, rule: str, other: object) -> None:
    case = golden.load(FOLDER / f"{name}.npz")
    rules = replace(reference.PRESETS[name.split("_")[0]], **{rule: other})
    traces = reference.run(case, rules)
    pairs = zip(traces, ("spikes", "u", "v"), strict=True)
    assert any(golden.first_difference(ours, case[k]) for ours, k in pairs)


def _equal(name: str, one: str, two: str) -> bool:
    """Same traces for the same case, once the input latency of each peer is taken out."""
    a, b = (golden.load(FOLDER / f"{peer}_{name}.npz") for peer in (one, two))
    for key in a:
        if key not in ("spikes", "u", "v", "syn_w_act"):
            np.testing.assert_array_equal(a[key], b[key])
    shift_a, shift_b = (reference.PRESETS[peer].input_latency for peer in (one, two))
    steps = len(a["u"]) - max(shift_a, shift_b)
    return all(
        np.array_equal(
            a[k][shift_a : shift_a + steps].astype(np.int64),
            b[k][shift_b : shift_b + steps].astype(np.int64),
        )
        for k in ("spikes", "u", "v")
    )


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_the_peers_agree_outside_the_corners_and_part_in_them(one: str, two: str) -> None:
    common = [f for f in NAMES[one] if f in NAMES[two]]
    assert {f for f in common if not _equal(f, one, two)} == DIFFER[one, two]
    assert not DIFFER[one, two] & set(AGREE)


@pytest.mark.data
def test_reference_reproduces_the_recorded_silicon() -> None:
    if not golden.DATA.is_dir():
        pytest.skip(f"no recordings in {golden.DATA}; set RANVIER_DATA")
    assert golden.check_silicon(golden.DATA) == []


def test_reference_needs_no_arrays() -> None:
    text = (FOLDER / "reference.py").read_text()
    assert "numpy" not in text
    assert "numba" not in text

"""Explicit synapses out of files: nothing lost, and a bad row is named."""

# pyright: reportArgumentType=false

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv, parquet

from ranvier.errors import RanvierError
from ranvier.network import Sparse, from_table

READ = {"csv": Sparse.from_csv, "parquet": Sparse.from_parquet, "npz": Sparse.from_npz}


def write(path: Path, columns: dict[str, Any]) -> None:
    if path.suffix == ".npz":
        np.savez(path, **columns)
    elif path.suffix == ".csv":
        csv.write_csv(pa.table(columns), str(path))
    else:
        parquet.write_table(pa.table(columns), str(path))


@given(
    kind=st.sampled_from(list(READ)), n=st.integers(1, 30), base=st.sampled_from([0, 1]),
    seed=st.integers(0, 99), delayed=st.booleans(), small=st.booleans(),
)  # fmt: skip
def test_files_give_back_what_was_written(
    kind: str, n: int, base: int, seed: int, delayed: bool, small: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    dtype = np.uint16 if small else np.int64
    pre, post = rng.integers(0, 9, n).astype(dtype), rng.integers(0, 5, n).astype(dtype)
    weight, delay = rng.normal(size=n), rng.random(n)
    columns = {"from": pre + base, "to": post + base, "w": weight, "extra": post}
    if delayed:
        columns["d"] = delay
    path = tmp_path_factory.mktemp("t") / f"t.{kind}"
    write(path, columns)
    found, late = READ[kind](
        path, shape=(9, 5), base=base, pre="from", post="to", weight="w",
        delay="d" if delayed else None, weight_unit=1e-3, delay_unit=1e-3,
    )  # fmt: skip
    assert found.sizes() == (9, 5)
    assert np.array_equal(found.pre, pre)
    assert np.array_equal(found.post, post)
    assert np.array_equal(found.weights, weight * 1e-3)
    assert (late is not None) == delayed
    if late is not None:
        assert np.array_equal(late, delay * 1e-3)
        assert late.shape == found.delay_shape()


def test_one_weight_for_all(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", {"pre": [1, 2], "post": [2, 1]})
    found, _ = Sparse.from_csv(
        tmp_path / "t.csv", shape=(2, 2), base=1, weight=3.0, weight_unit=2.0, delay=None
    )
    assert found.weights.tolist() == [6.0, 6.0]
    assert found.pre.tolist() == [0, 1]


def test_tables_without_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("pre,post,weight\n")
    found, _ = Sparse.from_csv(tmp_path / "t.csv", shape=(2, 2), base=0, delay=None)
    assert found.count() == 0
    assert from_table([], [], [], shape=(0, 0), base=0)[0].count() == 0


ROWS: list[tuple[str, dict[str, Any], str]] = [
    ("0,0,1,1\n0,7,1,1", {}, "row 2, post: names a neuron that is not there; got 7; allowed: 0..2"),
    ("-1,0,1,1", {}, "row 1, pre: names a neuron that is not there; got -1"),
    ("1,1,1,1\n3,3,1,1", {}, "row 2, pre: names a neuron that is not there; got 3; allowed: 0..2. "
     "are neurons counted from 1? base=1"),
    ("1,1,1,1\n0,3,1,1\n0,1,1,1", {"base": 1}, "row 2, pre: names a neuron that is not there (and "
     "1 more rows); got 0; allowed: 1..3. are neurons counted from 0? base=0"),
    ("0,0,1,1\n0,0,nan,1", {}, "row 2, weight: is missing; got nothing"),
    ("0,0,inf,1", {}, "row 1, weight: is not a finite number; got inf"),
    ("0,0,1,-2", {"delay_unit": 1e-3}, "row 1, delay: is negative; got -0.002"),
    ("0,0,1,1\n0,,1,1", {}, "row 2, post: is missing; got nothing"),
    ("0,0,1,1\n0,x,1,1", {}, "cannot be read as CSV"),
    ("0,0,1,1\n0.5,0,1,1", {}, "Row #3"),
    ("0,0,1,1\n0,1,1", {}, "cannot be read as CSV"),
    ("0,0,1,1", {"pre": "Pre"}, "has no column for pre; got 'Pre'; allowed: pre, post, weight, "
     "delay. did you mean 'pre'?"),
    ("0,0,1,1", {"delay": "late"}, "delay=None where it has none"),
    ("0,0,1,1", {"base": 2}, "needs the number of the first neuron; got 2; allowed: base=0 or"),
    ("0,0,1,1", {"weight_unit": 0}, "weight_unit: must be a number; got 0"),
    ("0,0,1,1", {"shape": (3,)}, "needs shape=(sources, targets)"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_a_bad_row_is_named(number: int, tmp_path: Path) -> None:
    rows, options, message = ROWS[number]
    path = tmp_path / "t.csv"
    path.write_text(f"pre,post,weight,delay\n{rows}\n")
    with pytest.raises(RanvierError) as caught:
        Sparse.from_csv(path, **{"shape": (3, 3), "base": 0, **options})
    assert message in str(caught.value)
    assert len(caught.value.issues) == 1


def test_bad_files_are_told(tmp_path: Path) -> None:
    for kind, read in READ.items():
        path = tmp_path / f"t.{kind}"
        with pytest.raises(RanvierError, match="is not a file"):
            read(path, shape=(1, 1), base=0)
        path.write_bytes(b"\x00\xff\x80 rubbish")
        with pytest.raises(RanvierError, match=r"cannot be read as|has no column"):
            read(path, shape=(1, 1), base=0)
    np.savez(tmp_path / "o.npz", pre=np.array([{}], dtype=object), post=[0], weight=[1.0])
    with pytest.raises(RanvierError, match=r"cannot be read as an \.npz"):
        Sparse.from_npz(tmp_path / "o.npz", shape=(1, 1), base=0, delay=None)
    with pytest.raises(RanvierError, match=r"row 2, pre: is not a whole number; got 0\.5"):
        from_table([0.0, 0.5], [0, 0], 1.0, shape=(1, 1), base=0)
    with pytest.raises(RanvierError, match="post: needs one value a row"):
        from_table([0, 0], [0], 1.0, shape=(1, 1), base=0)
    with pytest.raises(RanvierError, match="pre: must hold numbers"):
        from_table(["a"], [0], 1.0, shape=(1, 1), base=0)

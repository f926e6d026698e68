"""Explicit synapses out of tables: CSV, Parquet and NPZ files, or arrays; one row a synapse."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import RanvierError, fail, suggest
from ranvier.network._connectivity import Sparse
from ranvier.network._given import is_number, shape_tuple

__all__ = ["from_csv", "from_npz", "from_parquet", "from_table"]

FloatArray = NDArray[np.float64]
Found = tuple[Sparse, FloatArray | None]


def from_table(
    pre: Any,
    post: Any,
    weight: Any,
    delay: Any = None,
    *,
    shape: tuple[int, int],
    base: int,
    weight_unit: float = 1.0,
    delay_unit: float = 1.0,
    where: str = "table",
) -> Found:
    """(connectivity, delays [s] or None) of one source, target, weight and delay per synapse.

    ``shape`` is (sources, targets); ``base`` is the number of the first neuron, 0 or 1. ``weight``
    may be one number for all; weights are multiplied by ``weight_unit`` (1e-12 for pA onto a port
    in A), delays by ``delay_unit`` (1e-3 for ms). Raises RanvierError naming the first bad row,
    counted from 1.
    """
    sizes = shape_tuple(f"{where}.shape", shape, 0)
    if len(sizes) != 2:
        raise fail("table-shape", where, "needs shape=(sources, targets)", got=shape)
    if base not in (0, 1) or isinstance(cast("Any", base), bool):
        raise fail(
            "table-base",
            where,
            "needs the number of the first neuron",
            got=repr(base),
            limit="base=0 or base=1",
        )
    for name, unit in (("weight_unit", weight_unit), ("delay_unit", delay_unit)):
        if not is_number(unit) or unit == 0:
            raise fail("table-unit", f"{where}.{name}", "must be a number", got=repr(unit))
    n = int(np.size(pre))
    ends: list[NDArray[Any]] = []
    for name, given, most in (("pre", pre, sizes[0]), ("post", post, sizes[1])):
        ends.append(_indices(where, name, _column(where, name, given, n), base, most))
    if np.ndim(weight) == 0:
        factor = _column(where, "weight", np.atleast_1d(weight), 1).astype(np.float64)
        weights = np.full(n, float(factor[0]) * weight_unit)
    else:
        weights = _column(where, "weight", weight, n).astype(np.float64) * weight_unit
    _first_bad(where, "weight", ~np.isfinite(weights), weights, "is not a finite number")
    if delay is None:
        return Sparse(ends[0], ends[1], weights, (sizes[0], sizes[1])), None
    late = _column(where, "delay", delay, n).astype(np.float64) * delay_unit
    _first_bad(where, "delay", ~np.isfinite(late), late, "is not a finite number")
    _first_bad(where, "delay", late < 0, late, "is negative")
    late.setflags(write=False)
    return Sparse(ends[0], ends[1], weights, (sizes[0], sizes[1])), late


def _column(where: str, name: str, given: Any, n: int) -> NDArray[Any]:
    array = np.asarray(given)
    if array.shape != (n,):
        raise fail("table-shape", f"{where}.{name}", "needs one value a row", got=array.shape,
                   limit=(n,))  # fmt: skip
    if array.dtype.kind not in "iuf":
        if array.size == 0:
            return array.astype(np.float64)
        raise fail("table-dtype", f"{where}.{name}", "must hold numbers", got=array.dtype)
    return array


def _first_bad(
    where: str, name: str, bad: NDArray[np.bool_], values: NDArray[Any], message: str,
    limit: str = "", hint: str = "",
) -> None:  # fmt: skip
    if bad.any():
        row = int(np.argmax(bad))
        more = int(np.count_nonzero(bad)) - 1
        raise fail(
            "table-row",
            f"{where}: row {row + 1}, {name}",
            message + (f" (and {more} more rows)" if more else ""),
            got=values[row],
            limit=limit,
            hint=hint,
        )


def _indices(where: str, name: str, array: NDArray[Any], base: int, most: int) -> NDArray[Any]:
    """Zero-based neuron numbers, checked."""
    if array.dtype.kind == "f":
        _first_bad(where, name, array != np.floor(array), array, "is not a whole number")
        _first_bad(where, name, np.isinf(array), array, "is not a whole number")
        _first_bad(where, name, np.abs(array) > 2.0**53, array, "is out of range")
        array = array.astype(np.int64)
    if not array.size:
        return array.astype(np.int32)
    low, high = int(array.min()), int(array.max())
    if low < base or high >= most + base:
        limit = f"{base}..{most + base - 1}"
        hint = ""
        if base == 0 and low >= 1 and high == most:
            hint = "are neurons counted from 1? base=1"
        if base == 1 and low == 0:
            hint = "are neurons counted from 0? base=0"
        bad = (array < base) | (array >= most + base)
        _first_bad(where, name, bad, array, "names a neuron that is not there", limit, hint)
    array = array.astype(np.int32 if most <= 2**31 else np.int64)
    return array - base if base else array


def _chosen(
    where: str, legal: Sequence[str], pre: str, post: str, weight: str | float, delay: str | None
) -> dict[str, str]:
    """Which column holds what; raises RanvierError for one that is missing."""
    wanted = {"pre": pre, "post": post}
    if isinstance(weight, str):
        wanted["weight"] = weight
    if delay is not None:
        wanted["delay"] = delay
    for role, column in wanted.items():
        if column not in legal:
            free = {"delay": "delay=None where it has none", "weight": "weight=1.0 for all"}
            raise fail(
                "table-column",
                where,
                f"has no column for {role}",
                got=repr(column),
                limit=", ".join(map(str, legal[:20])),
                hint=[suggest(str(column), [str(c) for c in legal]), free.get(role, "")],
            )
    return wanted


def _read(
    where: str, columns: Mapping[str, Any], weight: str | float, **more: Any
) -> Found:  # fmt: skip
    return from_table(
        columns["pre"],
        columns["post"],
        columns.get("weight", weight),
        columns.get("delay"),
        where=where,
        **more,
    )


def _open(path: str | Path) -> Path:
    place = Path(path)
    if not place.is_file():
        raise fail("table-missing", str(path), "is not a file")
    return place


def _unreadable(place: Path, kind: str, error: Exception) -> RanvierError:
    text = " ".join(str(error).split())
    return fail("table-unreadable", str(place), f"cannot be read as {kind}", got=text[:200])


def _from_arrow(place: Path, table: Any, wanted: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """NumPy columns of an Arrow table; a missing value is an error that names its row."""
    out: dict[str, NDArray[Any]] = {}
    for role, name in wanted.items():
        column = table.column(name)
        if column.null_count:
            missing = np.asarray(column.is_null().to_numpy())
            _first_bad(
                str(place), role, missing, np.full(missing.size, "nothing"), "is missing"
            )  # fmt: skip
        out[role] = column.to_numpy()
    return out


def from_csv(
    path: str | Path,
    *,
    shape: tuple[int, int],
    base: int,
    pre: str = "pre",
    post: str = "post",
    weight: str | float = "weight",
    delay: str | None = "delay",
    weight_unit: float = 1.0,
    delay_unit: float = 1.0,
    delimiter: str = ",",
) -> Found:
    """Synapses of a CSV file with a header (also compressed: .gz, .bz2), see :func:`from_table`.

    ``pre``, ``post``, ``weight`` and ``delay`` name its columns; others are not read. Rows are
    counted from 1 after the header.
    """
    from pyarrow import csv as module  # pyright: ignore[reportMissingTypeStubs]

    place, csv = _open(path), cast("Any", module)
    kinds = {"pre": "int64", "post": "int64", "weight": "float64", "delay": "float64"}
    try:
        parse = csv.ParseOptions(delimiter=delimiter)
        with csv.open_csv(str(place), parse_options=parse) as stream:
            names = list(stream.schema.names)
    except Exception as error:
        raise _unreadable(place, "CSV", error) from error
    wanted = _chosen(str(place), names, pre, post, weight, delay)
    convert = csv.ConvertOptions(
        column_types={name: kinds[role] for role, name in wanted.items()},
        include_columns=list(dict.fromkeys(wanted.values())),
    )
    table: Any = None
    for threads in (True, False):  # alone, pyarrow can say which row it is
        try:
            options = csv.ReadOptions(use_threads=threads)
            table = csv.read_csv(
                str(place), read_options=options, parse_options=parse, convert_options=convert
            )
            break
        except Exception as error:
            if not threads:
                raise _unreadable(place, "CSV", error) from error
    columns = _from_arrow(place, table, wanted)
    return _read(
        str(place), columns, weight,
        shape=shape, base=base, weight_unit=weight_unit, delay_unit=delay_unit,
    )  # fmt: skip


def from_parquet(
    path: str | Path,
    *,
    shape: tuple[int, int],
    base: int,
    pre: str = "pre",
    post: str = "post",
    weight: str | float = "weight",
    delay: str | None = "delay",
    weight_unit: float = 1.0,
    delay_unit: float = 1.0,
) -> Found:
    """Synapses of a Parquet file; arguments as :func:`from_csv`."""
    from pyarrow import parquet as module  # pyright: ignore[reportMissingTypeStubs]

    place, parquet = _open(path), cast("Any", module)
    try:
        names = list(parquet.read_schema(str(place)).names)
    except Exception as error:
        raise _unreadable(place, "Parquet", error) from error
    wanted = _chosen(str(place), names, pre, post, weight, delay)
    try:
        table = parquet.read_table(str(place), columns=list(dict.fromkeys(wanted.values())))
    except Exception as error:
        raise _unreadable(place, "Parquet", error) from error
    columns = _from_arrow(place, table, wanted)
    return _read(
        str(place), columns, weight,
        shape=shape, base=base, weight_unit=weight_unit, delay_unit=delay_unit,
    )  # fmt: skip


def from_npz(
    path: str | Path,
    *,
    shape: tuple[int, int],
    base: int,
    pre: str = "pre",
    post: str = "post",
    weight: str | float = "weight",
    delay: str | None = "delay",
    weight_unit: float = 1.0,
    delay_unit: float = 1.0,
) -> Found:
    """Synapses of a NumPy .npz archive (no pickles); arguments as :func:`from_csv`."""
    place = _open(path)
    try:
        with np.load(place, allow_pickle=False) as found:
            names = list(found.files)
            wanted = _chosen(str(place), names, pre, post, weight, delay)
            columns = {role: found[name] for role, name in wanted.items()}
    except RanvierError:
        raise
    except (OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise _unreadable(place, "an .npz archive", error) from error
    return _read(
        str(place), columns, weight,
        shape=shape, base=base, weight_unit=weight_unit, delay_unit=delay_unit,
    )  # fmt: skip

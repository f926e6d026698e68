"""What people hand in, checked and copied: whole numbers, shapes, lists, plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np

from ranvier.errors import fail

__all__ = ["is_list", "is_number", "items_of", "plain", "shape_tuple", "whole"]


def is_number(value: Any) -> bool:
    """True for a finite real number."""
    return isinstance(value, (int, float, np.number)) and bool(np.isfinite(cast("Any", value)))


def whole(where: str, value: Any, low: int) -> int:
    """A whole number of at least ``low``; raises RanvierError naming ``where``."""
    known: Any = value
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and known >= low:
        return int(known)
    raise fail("not-whole", where, f"needs a whole number of at least {low}", got=repr(known))


def shape_tuple(where: str, value: Any, low: int) -> tuple[int, ...]:
    """A tuple of whole numbers of at least ``low``; one number is a tuple of one."""
    if is_list(value):
        return tuple(whole(where, v, low) for v in value)
    return (whole(where, value, low),)


def is_list(value: Any) -> bool:
    """True for a list, a tuple or an array with axes."""
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)


def items_of(name: str, given: Any, kind: type) -> tuple[Any, ...]:
    """A list of things of one kind; raises RanvierError naming the odd one."""
    if isinstance(given, kind) or not isinstance(given, Iterable):
        raise fail(
            "network-items",
            f"Network.{name}",
            f"must be a list of {kind.__name__}",
            got=type(given).__name__,
            hint=f"write {name}=(..., )",
        )
    items = tuple(cast("Iterable[Any]", given))
    for number, item in enumerate(items):
        if not isinstance(item, kind):
            raise fail(
                "network-items",
                f"Network.{name}[{number}]",
                f"must be a {kind.__name__}",
                got=type(item).__name__,
            )
    return items


def plain(value: Any, where: str) -> Any:
    """A copy as JSON would give it back; raises RanvierError for what JSON cannot hold."""
    known: Any = value
    odd: Any = None
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        odd = [k for k, _ in items if not isinstance(k, str) or k == "$array"]
        if not odd:
            return {k: plain(v, f"{where}.{k}") for k, v in items}
    elif isinstance(value, (list, tuple)):
        return [plain(v, f"{where}[{i}]") for i, v in enumerate(known)]
    elif isinstance(value, (np.ndarray, np.generic)) and known.dtype.kind in "biufU":
        return plain(known.tolist(), where)
    elif value is None or isinstance(value, (bool, int, str)) or is_number(value):
        return known
    raise fail(
        "metadata",
        where,
        "is not plain data",
        got=f"the key {odd[0]!r}" if odd else repr(known)[:60],
        limit="text, finite numbers, true, false, null, lists, mappings with text keys",
        hint="keep it as text",
    )

"""What neuron models and plasticity rules share as statements: names, numbers, reading files."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from typing import Any, Protocol, TypeVar

from ranvier.errors import fail, unknown
from ranvier.neurons._expr import FUNCTIONS

__all__ = [
    "ASSIGNMENT",
    "NAME",
    "check_title",
    "claim",
    "find",
    "is_number",
    "read_fields",
    "read_items",
]

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
"""Of a parameter, a state, a trace."""
_TITLE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
ASSIGNMENT = re.compile(r"\s*(?P<name>\w{1,40})\s*=(?!=)(?P<rest>.*)", re.ASCII)
"""``name = expression``."""
_LARGEST = 1e300


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Item = TypeVar("Item", bound=_Named)


def check_title(name: object, where: str, kind: str) -> None:
    """Raise RanvierError unless a model or rule may be called so."""
    if not isinstance(name, str) or not _TITLE.fullmatch(name):
        raise fail("bad-name", where, f"not a {kind} name", got=repr(name)[:80],
                   limit="letters, digits, _ . - ; at most 64")  # fmt: skip


def claim(
    owner: str, name: str, kind: str, known: dict[str, str], reserved: Collection[str]
) -> None:
    """Put ``name`` into ``known``; raise RanvierError where it may not be used, or is already."""
    where = f"{owner}, {kind} {name[:60]!r}"
    if not NAME.fullmatch(name) or "__" in name:
        raise fail("bad-name", where, "not a name", limit="letters, digits and _, a letter first,"
                   " at most 40, no double underscore")  # fmt: skip
    if name in reserved or name in FUNCTIONS or keyword.iskeyword(name):
        legal = ", ".join(sorted({*reserved, *FUNCTIONS}))
        raise fail("reserved-name", where, "this name is reserved",
                   limit=f"not {legal} or a Python keyword",
                   hint=f"rename it, e.g. {name}_")  # fmt: skip
    if name in known:
        raise fail("duplicate-name", where, f"already the name of a {known[name]}")
    known[name] = kind


def is_number(value: object) -> bool:
    """A finite number of a size that leaves room for arithmetic."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= _LARGEST  # also false for nan
    )


def find(items: Iterable[Item], name: str, kind: str, where: str) -> Item:
    """The item called ``name``; raises RanvierError with the legal names otherwise."""
    legal = list(items)
    for item in legal:
        if item.name == name:
            return item
    raise unknown(kind, name, [item.name for item in legal], where=where)


def read_items(data: Mapping[str, Any], name: str, where: str, code: str, most: int) -> list[Any]:
    """The list ``name`` of data that anyone may have written."""
    value = data.get(name, [])
    if not isinstance(value, list | tuple) or len(value) > most:
        raise fail(code, where, f"{name} must be a list of at most {most}",
                   got=type(value).__name__)  # fmt: skip
    return list(value)


def read_fields(
    kind: type, data: Any, where: str, code: str, needed: Iterable[str]
) -> dict[str, Any]:
    """Fields of ``kind`` in data that anyone may have written; those ``needed`` are there."""
    if not isinstance(data, Mapping):
        raise fail(code, where, "not a mapping", got=type(data).__name__)
    known = [f.name for f in fields(kind)]
    for name in data:
        if name not in known:
            raise unknown("field", name, known, where=where)
    for name in needed:
        if name in known and name not in data:
            raise fail(code, where, f"the field {name!r} is missing")
    return dict(data)

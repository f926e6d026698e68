"""SI units as text: parse, compare, and print for people. Imports only :mod:`ranvier.errors`.

Numbers inside Ranvier are plain floats in coherent SI units (volts, amperes, seconds). Units exist
where people write numbers (command line, configuration) and where equations are checked; there is
no quantity array. Unit names and prefixes: BIPM, The International System of Units, 9th ed. (2019).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from fractions import Fraction

from ranvier.errors import RanvierError, fail, suggest

__all__ = ["DIMENSIONLESS", "Dims", "Unit", "format_si", "parse_unit", "quantity"]

Dims = tuple[Fraction, Fraction, Fraction, Fraction, Fraction, Fraction, Fraction]
"""Exponents of (m, kg, s, A, K, mol, cd)."""

_BASE_NAMES = ("m", "kg", "s", "A", "K", "mol", "cd")


@dataclass(frozen=True)
class Unit:
    """``scale`` times a product of powers of SI base units. Equal when scale and dims are equal."""

    scale: Fraction
    dims: Dims
    text: str = field(default="", compare=False)

    def __mul__(self, other: Unit) -> Unit:
        dims = tuple(a + b for a, b in zip(self.dims, other.dims, strict=True))
        return Unit(self.scale * other.scale, _dims(dims))

    def __truediv__(self, other: Unit) -> Unit:
        return self * other**-1

    def __pow__(self, power: int | Fraction) -> Unit:
        """Raise to a rational power; a fractional power needs scale 1."""
        power = Fraction(power)
        if power.denominator == 1:
            scale = self.scale ** int(power)
        elif self.scale == 1:
            scale = Fraction(1)
        else:
            raise fail("bad-unit", "unit", "a fractional power needs an SI unit", got=self.text)
        return Unit(Fraction(scale), _dims(tuple(d * power for d in self.dims)))

    @property
    def factor(self) -> float:
        """SI value of one of this unit, correctly rounded (``1e-3`` for mV)."""
        return float(self.scale)

    def __str__(self) -> str:
        """The text it was parsed from, else a product of named units (``"V/s"``)."""
        return self.text or _name(self)


def _dims(values: tuple[Fraction | int, ...]) -> Dims:
    a, b, c, d, e, f, g = (Fraction(v) for v in values)
    return (a, b, c, d, e, f, g)


DIMENSIONLESS = Unit(Fraction(1), _dims((0,) * 7), "1")


def _u(*dims: int, scale: Fraction | int = 1) -> Unit:
    return Unit(Fraction(scale), _dims(dims))


_UNITS: dict[str, Unit] = {
    "m": _u(1, 0, 0, 0, 0, 0, 0),
    "g": _u(0, 1, 0, 0, 0, 0, 0, scale=Fraction(1, 1000)),
    "s": _u(0, 0, 1, 0, 0, 0, 0),
    "A": _u(0, 0, 0, 1, 0, 0, 0),
    "K": _u(0, 0, 0, 0, 1, 0, 0),
    "mol": _u(0, 0, 0, 0, 0, 1, 0),
    "cd": _u(0, 0, 0, 0, 0, 0, 1),
    "Hz": _u(0, 0, -1, 0, 0, 0, 0),
    "Bq": _u(0, 0, -1, 0, 0, 0, 0),
    "N": _u(1, 1, -2, 0, 0, 0, 0),
    "Pa": _u(-1, 1, -2, 0, 0, 0, 0),
    "J": _u(2, 1, -2, 0, 0, 0, 0),
    "W": _u(2, 1, -3, 0, 0, 0, 0),
    "C": _u(0, 0, 1, 1, 0, 0, 0),
    "V": _u(2, 1, -3, -1, 0, 0, 0),
    "ohm": _u(2, 1, -3, -2, 0, 0, 0),
    "S": _u(-2, -1, 3, 2, 0, 0, 0),
    "F": _u(-2, -1, 4, 2, 0, 0, 0),
    "H": _u(2, 1, -2, -2, 0, 0, 0),
    "Wb": _u(2, 1, -2, -1, 0, 0, 0),
    "T": _u(0, 1, -2, -1, 0, 0, 0),
    "lm": _u(0, 0, 0, 0, 0, 0, 1),
    "lx": _u(-2, 0, 0, 0, 0, 0, 1),
    "rad": _u(0, 0, 0, 0, 0, 0, 0),
}
_UNPREFIXED: dict[str, Unit] = {  # outside the SI, accepted for use with it (table 8)
    "min": _u(0, 0, 1, 0, 0, 0, 0, scale=60),
    "h": _u(0, 0, 1, 0, 0, 0, 0, scale=3600),
    "1": DIMENSIONLESS,
    "%": _u(0, 0, 0, 0, 0, 0, 0, scale=Fraction(1, 100)),
}
_PREFIXES = {
    "q": -30, "r": -27, "y": -24, "z": -21, "a": -18, "f": -15, "p": -12, "n": -9, "u": -6,
    "m": -3, "c": -2, "d": -1, "": 0, "da": 1, "h": 2, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15,
    "E": 18, "Z": 21, "Y": 24, "R": 27, "Q": 30,
}  # fmt: skip
_ALIASES = {
    "\u03a9": "ohm", "\u2126": "ohm", "Ohm": "ohm", "\u00b5": "u", "\u03bc": "u", "\u00b7": "*",
    "^": "**",
}  # fmt: skip
_TOKEN = re.compile(r"\s*(?:\*\*\s*\(?\s*(?P<power>[-+]?\d+(?:[./]\d+)?)\s*\)?"
                    r"|(?P<op>[*/()])|(?P<name>[A-Za-z]+|1|%))")  # fmt: skip
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)\s*(.*)", re.DOTALL)


def parse_unit(text: str) -> Unit:
    """Parse ``"mV"``, ``"1/ms"``, ``"pA/ms"``, ``"V*s"``, ``"m**2"``, ``"1"`` (dimensionless).

    ``a/b*c`` reads left to right, as in Python; a space between units is a product. ``u`` is micro.
    Raises RanvierError, with the nearest legal unit, for anything else.
    """
    if not text.strip() or len(text) > 100:
        raise fail("bad-unit", "unit", "not a unit", got=repr(text[:100]), limit="e.g. mV, 1/ms, 1")
    plain = text
    for old, new in _ALIASES.items():
        plain = plain.replace(old, new)
    tokens: list[tuple[str, str]] = []
    at = 0
    plain = plain.strip()
    while at < len(plain):
        match = _TOKEN.match(plain, at)
        if match is None:
            raise _bad(text, f"cannot read {plain[at:]!r}")
        kind = match.lastgroup or ""
        tokens.append((kind, match[kind]))
        at = match.end()
    unit, rest = _product(tokens, 0, text)
    if rest != len(tokens):
        raise _bad(text, "unbalanced parenthesis")
    return Unit(unit.scale, unit.dims, text.strip())


def _bad(text: str, message: str, hint: str = "") -> RanvierError:
    return fail(
        "bad-unit", f"unit {text!r}", message, limit="e.g. mV, 1/ms, pA/ms, V*s, 1", hint=hint
    )


def _product(tokens: list[tuple[str, str]], at: int, text: str) -> tuple[Unit, int]:
    unit, divide, expect = DIMENSIONLESS, False, True
    while at < len(tokens):
        kind, word = tokens[at]
        if word == ")":
            break
        if kind == "op" and word in "*/":
            if expect:
                raise _bad(text, f"{word!r} needs a unit before it")
            divide, expect, at = word == "/", True, at + 1
            continue
        if kind == "power":
            raise _bad(text, "a power needs a unit before it")
        if word == "(":
            factor, at = _product(tokens, at + 1, text)
            if at >= len(tokens):
                raise _bad(text, "unbalanced parenthesis")
        else:
            factor = _named(word, text)
        at += 1
        if at < len(tokens) and tokens[at][0] == "power":
            power = _fraction(tokens[at][1])
            if abs(power) > 12:
                raise _bad(text, f"power {tokens[at][1]} is out of range (-12 to 12)")
            factor, at = factor**power, at + 1
        unit = unit / factor if divide else unit * factor
        divide, expect = False, False
    if expect:
        raise _bad(text, "a unit is missing")
    return unit, at


def _fraction(text: str) -> Fraction:
    try:
        return Fraction(text)
    except ZeroDivisionError:
        return Fraction(10**9)  # out of any range


def _named(word: str, text: str) -> Unit:
    if word in _UNITS:
        return _UNITS[word]
    if word in _UNPREFIXED:
        return _UNPREFIXED[word]
    for prefix, power in _PREFIXES.items():
        if prefix and word.startswith(prefix) and word[len(prefix) :] in _UNITS:
            base = _UNITS[word[len(prefix) :]]
            return Unit(base.scale * Fraction(10) ** power, base.dims)
    pool = [p + u for u in _UNITS for p in ("", "m", "u", "n", "p", "k", "M")]
    exact_case = [u for u in [*pool, *_UNPREFIXED] if u.casefold() == word.casefold()]
    hint = f"did you mean {exact_case[0]!r}?" if exact_case else suggest(word, pool)
    raise _bad(text, f"unknown unit {word!r}", hint)


def _name(unit: Unit) -> str:
    for name, known in _UNITS.items():
        if known == unit and name not in ("Bq", "lm", "rad"):
            return name
    if unit == DIMENSIONLESS:
        return "1"
    for name in ("V", "A", "S", "F", "J", "W"):  # the quotients that neuron equations make
        for power, tail in ((1, "/s"), (-1, "*s")):
            if _UNITS[name] * _UNITS["Hz"] ** power == unit:
                return name + tail
    parts = [
        f"{n}**{d}" if d.denominator == 1 else f"{n}**({d})"
        for n, d in zip(_BASE_NAMES, unit.dims, strict=True)
        if d
    ]
    text = "*".join(part.removesuffix("**1") for part in parts) or "1"
    return text if unit.scale == 1 else f"{float(unit.scale):g} {text}"


def quantity(text: str, unit: str = "") -> float:
    """Value of ``"20 ms"`` in SI (0.02), correctly rounded; a bare number is dimensionless.

    With ``unit``, the text's unit must have the same dimensions (``quantity("5 mV", "V")``).
    Raises RanvierError for anything that is not a number with a unit.
    """
    match = _NUMBER.fullmatch(text) if len(text) <= 200 else None
    if match is None:
        raise fail("bad-quantity", "quantity", "not a number with a unit", got=repr(text[:200]),
                   limit="e.g. 20 ms, -65mV, 3e-9 A")  # fmt: skip
    found = parse_unit(match[2]) if match[2].strip() else DIMENSIONLESS
    if unit and found.dims != parse_unit(unit).dims:
        raise fail("unit-mismatch", f"quantity {text.strip()!r}", "wrong unit",
                   got=str(found), limit=f"a unit of the kind {unit}")  # fmt: skip
    # The exponent is bounded before exact arithmetic: 1e999999999 would fill the memory.
    _, _, exponent = match[1].lower().partition("e")
    if len(exponent.lstrip("+-")) > 3:
        raise fail("bad-quantity", "quantity", "the exponent is out of range",
                   got=repr(text[:200]), limit="e-999 to e999")  # fmt: skip
    try:
        return float(Fraction(match[1]) * found.scale)
    except OverflowError:
        raise fail("bad-quantity", "quantity", "the number is too large",
                   got=repr(text[:200]), limit="up to 1.8e308 in SI") from None  # fmt: skip


def format_si(value: float, unit: str = "1", *, digits: int = 3) -> str:
    """``value`` (in ``unit``) for people: ``format_si(0.00133, "J") == "1.33 mJ"``.

    A prefix is chosen for the first unit of the text (``"J/spike"`` is allowed: only the first
    word need be a unit without prefix). Dimensionless numbers get no prefix.
    """
    head = re.match(r"[A-Za-zΩ]+", unit)
    if head is None or head[0] in ("rad", "min", "h"):
        return f"{value:.{digits}g}" + ("" if unit in ("", "1") else f" {unit}")
    if head[0] == "kg":
        value, unit, head = value * 1000, "g" + unit[2:], re.match("g", "g")
    if value == 0 or not math.isfinite(value) or (head and head[0] not in _UNITS):
        return f"{value:.{digits}g} {unit}"
    if unit[len(head[0]) if head else 0 :].startswith(("**", "^")):
        return f"{value:.{digits}g} {unit}"  # a prefix would be raised to the power too
    rounded = float(f"{value:.{digits - 1}e}")  # 999.9 must become 1 k, not 1000
    power = min(30, max(-30, 3 * math.floor(math.log10(abs(rounded)) / 3 + 1e-12)))
    prefix = next(p for p, e in _PREFIXES.items() if e == power)
    scaled = float(Fraction(rounded) / Fraction(10) ** power)
    shown = f"{scaled:.{digits}g}"
    if "e" in shown:
        shown = f"{scaled:.0f}" if abs(scaled) >= 1 else shown
    return f"{shown} {prefix}{unit}"

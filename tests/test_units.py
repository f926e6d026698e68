"""Units: parsing, arithmetic of dimensions, printing for people."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.errors import RanvierError
from ranvier.units import DIMENSIONLESS, format_si, parse_unit, quantity


@pytest.mark.parametrize(
    ("text", "same_as", "factor"),
    [
        ("mV", "V", 1e-3),
        ("1/ms", "Hz", 1e3),
        ("nS", "A/V", 1e-9),
        ("pA/ms", "A/s", 1e-9),
        ("V*s", "Wb", 1.0),
        ("V s", "Wb", 1.0),
        ("1", "rad", 1.0),
        ("kohm", "V/A", 1e3),
        ("kΩ", "1/S", 1e3),
        ("µF", "C/V", 1e-6),
        ("μs", "s", 1e-6),
        ("m^2", "m*m", 1.0),
        ("mm**2", "m**2", 1e-6),
        ("J/(kg*K)", "m**2/s**2/K", 1.0),
        ("s^-1", "Hz", 1.0),
        ("V**0.5*V**(1/2)", "V", 1.0),
        ("min", "s", 60.0),
        ("%", "1", 0.01),
        ("1/F", "ohm/s", 1.0),
    ],
)
def test_parse(text: str, same_as: str, factor: float) -> None:
    unit = parse_unit(text)
    assert unit.dims == parse_unit(same_as).dims
    assert unit.factor == factor
    assert str(unit) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("mv", "did you mean 'mV'?"),
        ("volt", ""),
        ("ohms", "did you mean 'ohm'?"),
        ("", ""),
        ("V**", ""),
        ("V//s", ""),
        ("*V", ""),
        ("V/", ""),
        ("(V", ""),
        ("V)", ""),
        ("V**99", ""),
        ("V**1/0", ""),
        ("2", ""),
        ("V.__class__", ""),
        ("V" * 101, ""),
        ("mV**0.5", ""),
    ],
)
def test_bad_units_are_told(text: str, hint: str) -> None:
    with pytest.raises(RanvierError) as error:
        parse_unit(text)
    assert error.value.issues[0].code == "bad-unit"
    assert hint in str(error.value)


def test_arithmetic_and_names() -> None:
    volt, second = parse_unit("V"), parse_unit("s")
    assert str(volt / second) == "V/s"
    assert str(volt * parse_unit("S")) == "A"
    assert str(volt / volt) == "1"
    assert (volt**2) ** Fraction(1, 2) == volt
    assert volt * DIMENSIONLESS == volt
    assert str(volt**2) == "m**4*kg**2*s**-6*A**-2"
    assert str(parse_unit("mV") * second).startswith("0.001 ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20 ms", 0.02), ("-65mV", -0.065), ("3e-9 A", 3e-9), (".5", 0.5), ("0.1 ms", 1e-4),
        ("250 pF", 250e-12), ("5 %", 0.05), ("+1.e2 Hz", 100.0),
    ],
)  # fmt: skip
def test_quantity_is_correctly_rounded(text: str, value: float) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["", "ms", "20 msec", "1e9999 V", "nan", "0x10 V", "1" * 300])
def test_bad_quantities(text: str) -> None:
    with pytest.raises(RanvierError):
        quantity(text)


def test_quantity_of_a_kind() -> None:
    assert quantity("5 mV", "V") == 0.005
    with pytest.raises(RanvierError, match="a unit of the kind V"):
        quantity("5 mA", "V")
    with pytest.raises(RanvierError):
        quantity("5", "V")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00133, "J", "1.33 mJ"),
        (0.0, "V", "0 V"),
        (-0.065, "V", "-65 mV"),
        (999.96, "J/spike", "1 kJ/spike"),
        (2.31e-11, "J", "23.1 pJ"),
        (1e-3, "s", "1 ms"),
        (0.25, "1", "0.25"),
        (0.002, "kg", "2 g"),
        (1e-6, "m**2", "1e-06 m**2"),
        (float("inf"), "s", "inf s"),
        (5.0, "spikes", "5 spikes"),
        (1e40, "J", "10000000000 QJ"),
    ],
)
def test_format_si(value: float, unit: str, text: str) -> None:
    assert format_si(value, unit) == text


@given(st.floats(1e-20, 1e20), st.sampled_from(["V", "A", "s", "J", "Hz"]))
def test_format_round_trip(value: float, unit: str) -> None:
    shown = format_si(value, unit, digits=12)
    assert quantity(shown, unit) == pytest.approx(value, rel=1e-10)

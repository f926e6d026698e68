"""Reports: round trip through JSON, text for people, and what is refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.errors import Issue, RanvierError
from ranvier.report import Kind, Quantity, Report

numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
KINDS: tuple[Kind, ...] = ("measured", "simulated", "estimated", "cited")
kinds = st.sampled_from(KINDS)


@st.composite
def quantities(draw: st.DrawFn) -> Quantity:
    low, high = draw(numbers), draw(numbers)
    if low is not None and high is not None:
        low, high = sorted((low, high))
    text = st.text(max_size=8)
    return Quantity(
        draw(text), draw(numbers), draw(text), draw(kinds), low, high, draw(text), draw(text)
    )


issues = st.builds(
    Issue,
    code=st.text(max_size=5),
    severity=st.sampled_from(["info", "warning"]),
    where=st.text(max_size=5),
    message=st.text(max_size=5),
    hint=st.lists(st.text(max_size=5), max_size=2).map(tuple),
)
reports = st.builds(
    Report,
    title=st.text(max_size=8),
    quantities=st.lists(quantities(), max_size=3).map(tuple),
    breakdowns=st.dictionaries(
        st.text(max_size=5), st.lists(quantities(), max_size=3).map(tuple), max_size=2
    ),
    issues=st.lists(issues, max_size=2).map(tuple),
)


@given(report=reports)
def test_json_round_trip(report: Report) -> None:
    text = json.dumps(report.to_dict(), allow_nan=False)
    assert Report.from_dict(json.loads(text)) == report
    assert report.to_text(sources=True).startswith(report.title)


def test_text_for_people() -> None:
    report = Report(
        title="Energy",
        quantities=(Quantity("energy", 1.33e-3, "J", "measured", 1e-3, 2e-3, "a meter"),),
        breakdowns={"unit": (Quantity("synapse", 3.0, "J"), Quantity("neuron", 1.0, "J"))},
        issues=(Issue(code="x", severity="info", where="here", message="is so"),),
    )
    assert str(report) == (
        "Energy\n"
        "\n"
        "        value    range         kind\n"
        "energy  1.33 mJ  1 mJ .. 2 mJ  measured\n"
        "\n"
        "by unit:\n"
        "         value  share   kind\n"
        "synapse  3 J    75.0 %  estimated\n"
        "neuron   1 J    25.0 %  estimated\n"
        "\n"
        "info: here: is so.\n"
    )
    assert "a meter" in report.to_text(sources=True)


def test_look_up() -> None:
    report = Report(title="t", quantities=(Quantity("energy", 1.0), Quantity("cycles", None)))
    assert report.value("energy") == 1
    assert "energy" in report
    assert "power" not in report
    for ask in (lambda: report["enrgy"], lambda: report.breakdown("unit")):
        with pytest.raises(RanvierError):
            ask()
    with pytest.raises(RanvierError, match="not known"):
        report.value("cycles")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_a_number_is_refused(bad: float) -> None:
    with pytest.raises(RanvierError, match="finite"):
        Quantity("x", bad)
    with pytest.raises(RanvierError, match="low is above high"):
        Quantity("x", 1.0, low=2.0, high=1.0)
    with pytest.raises(RanvierError, match="unknown kind"):
        Quantity("x", 1.0, kind="guessed")  # type: ignore[arg-type]


NOT_A_QUANTITY = {"title": "t", "quantities": [{}], "breakdowns": {}, "issues": []}


@pytest.mark.parametrize("bad", [None, {}, {"title": "x"}, [], NOT_A_QUANTITY])
def test_other_data_is_refused(bad: object) -> None:
    with pytest.raises(RanvierError, match="not the data of a report"):
        Report.from_dict(bad)

"""Issues and errors: what a user reads."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.errors import Issue, RanvierError, fail, suggest, unknown
from ranvier.progress import NoProgress, Progress

ISSUE = Issue(
    code="delay-too-long",
    severity="error",
    where="population 'in'",
    message="the delay does not fit",
    got="80 ticks",
    limit="1 to 63 ticks",
    hint=("shorten the delay", "raise dt"),
)


def test_an_issue_reads_as_one_sentence_of_help() -> None:
    assert str(ISSUE) == (
        "population 'in': the delay does not fit; got 80 ticks; allowed: 1 to 63 ticks. "
        "shorten the delay; or raise dt."
    )


def test_an_issue_with_only_a_message() -> None:
    issue = Issue(code="x", severity="info", where="", message="nothing to do")
    assert str(issue) == "nothing to do."


def test_a_question_keeps_its_mark() -> None:
    issue = Issue(code="x", severity="error", where="a", message="b", hint=("did you mean 'c'?",))
    assert str(issue) == "a: b. did you mean 'c'?"


def test_an_issue_is_frozen_and_becomes_json() -> None:
    with pytest.raises(AttributeError):
        ISSUE.code = "other"  # pyright: ignore[reportAttributeAccessIssue]
    plain = json.loads(json.dumps(ISSUE.to_dict()))
    assert Issue(**plain | {"hint": tuple(plain["hint"])}) == ISSUE


def test_an_error_holds_every_issue_and_prints_them_line_by_line() -> None:
    error = RanvierError(ISSUE, ISSUE)
    assert error.issues == (ISSUE, ISSUE)
    assert str(error).splitlines() == [str(ISSUE)] * 2


def test_an_error_needs_an_issue() -> None:
    with pytest.raises(ValueError, match="at least one"):
        RanvierError()


@pytest.mark.parametrize("again", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_an_error_survives_the_way_between_processes(again) -> None:
    assert again(RanvierError(ISSUE)).issues == (ISSUE,)


def test_fail_makes_one_error_and_drops_empty_hints() -> None:
    (issue,) = fail("code", "here", "wrong", got=3, limit=2, hint=["", "do less"]).issues
    assert (issue.severity, issue.got, issue.limit) == ("error", "3", "2")
    assert issue.hint == ("do less",)
    assert fail("code", "here", "wrong").issues[0].hint == ()


@pytest.mark.parametrize(
    ("name", "answer"),
    [("lohi1", "loihi1"), ("LOIHI1", "loihi1"), ("truenorht", "TrueNorth"), ("zzz", "")],
)
def test_suggest_names_the_nearest(name: str, answer: str) -> None:
    told = suggest(name, ["loihi1", "TrueNorth"])
    assert told == (f"did you mean {answer!r}?" if answer else "")


@given(st.text(), st.lists(st.text()))
def test_suggest_never_fails_and_names_only_what_there_is(name: str, pool: list[str]) -> None:
    told = suggest(name, pool)
    assert told in {"", *(f"did you mean {choice!r}?" for choice in pool)}


def test_unknown_lists_the_names_in_order() -> None:
    (issue,) = unknown("neuron model", "lfi", ["lif", "if"]).issues
    assert issue.code == "unknown-neuron-model"
    assert (issue.got, issue.limit) == ("'lfi'", "if, lif")
    assert issue.hint == ("did you mean 'lif'?",)
    assert unknown("chip", "x", []).issues[0].limit == "(none available)"


def test_no_progress_is_a_progress(capsys: pytest.CaptureFixture[str]) -> None:
    progress: Progress = NoProgress()
    progress.start("work", 3)
    progress.advance()
    progress.note("half")
    progress.done()
    assert capsys.readouterr() == ("", "")

"""Registries: files and entry points become plug-ins."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from ranvier import registry
from ranvier.errors import RanvierError
from ranvier.registry import GROUP, Registry


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry[Any]:
    """A registry over a package of four files: two good, one broken, one without its object."""
    package = tmp_path / "plug_house"
    package.mkdir()
    files = {
        "__init__": "",
        "_shared": "raise RuntimeError('shared parts are not plug-ins')",
        "apple": "THING = 'an apple'",
        "pear": "THING = 'a pear'",
        "broken": "raise ImportError('needs something else')",
        "empty": "OTHER = 1",
        "if_": "THING = 'named like a keyword'",
    }
    for name, text in files.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [m for m in sys.modules if m.split(".")[0] == "plug_house"]:
        monkeypatch.delitem(sys.modules, name)
    return Registry(kind="test thing", package="plug_house", attribute="THING")


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch):
    """Pretend that other packages are installed which bring these entry points."""

    def install(**points: str) -> None:
        found = [
            EntryPoint(name.replace("__", "."), value, GROUP)
            for name, value in ((k.replace("_thing", "-thing"), v) for k, v in points.items())
        ]
        monkeypatch.setattr(registry, "entry_points", lambda group: found if group == GROUP else [])

    return install


def test_names_come_from_files_and_load_nothing(house: Registry[Any]) -> None:
    assert house.names() == ["apple", "broken", "empty", "if", "pear"]
    assert [m for m in sys.modules if m.startswith("plug_house.")] == []


def test_get_loads_only_the_one_asked_for(house: Registry[Any]) -> None:
    assert house.get("apple") == "an apple"
    assert house.get("apple") is house.get("apple")
    assert house.get("if") == "named like a keyword"
    assert "plug_house.pear" not in sys.modules


def test_an_unknown_name_gets_a_suggestion(house: Registry[Any]) -> None:
    with pytest.raises(RanvierError) as caught:
        house.get("appel")
    (issue,) = caught.value.issues
    assert issue.code == "unknown-test-thing"
    assert issue.hint == ("did you mean 'apple'?",)
    assert issue.limit == "apple, broken, empty, if, pear"


def test_a_file_without_its_object_is_told_which(house: Registry[Any]) -> None:
    with pytest.raises(RanvierError, match="must define THING"):
        house.get("empty")


def test_items_warns_of_a_broken_file_and_goes_on(house: Registry[Any]) -> None:
    with pytest.warns(UserWarning, match="failed to load") as told:
        found = dict(house.items())
    assert sorted(found) == ["apple", "if", "pear"]
    assert sorted(str(w.message).split(":")[0] for w in told) == [
        "test thing 'broken' failed to load",
        "test thing 'empty' failed to load",
    ]


def test_an_entry_point_is_a_plug_in(house: Registry[Any], plug) -> None:
    plug(test_thing__plum="plug_house.pear:THING", other__plum="nowhere:X")
    assert "plum" in house.names()
    assert house.get("plum") == "a pear"


def test_two_plug_ins_of_one_name_are_an_error_naming_both(house: Registry[Any], plug) -> None:
    plug(test_thing__apple="elsewhere:APPLE")
    with pytest.raises(RanvierError) as caught:
        house.names()
    (issue,) = caught.value.issues
    assert issue.code == "duplicate-plugin"
    assert issue.got == "plug_house.apple and elsewhere:APPLE"


def test_registries_do_not_share_what_they_loaded(house: Registry[Any]) -> None:
    house.get("apple")
    other = Registry[Any](kind="test thing", package="plug_house", attribute="OTHER")
    assert other.get("empty") == 1
    with pytest.raises(RanvierError):
        other.get("apple")

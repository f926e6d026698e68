"""compare, report and demo, on a few samples of the ready classifier."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FEW = ("--limit", "8")


def test_compare_is_one_table_and_one_page(cli, tmp_path: Path) -> None:
    page, kept = tmp_path / "c.html", tmp_path / "c.json"
    done = cli("compare", "digits", *FEW, "--report", page, "-o", kept)
    assert done.code == 0, done.err
    for words in ("test accuracy", "spikes as ideal", "energy per inference", "loihi1:", "source:"):
        assert words in done.out
    assert page.read_text().startswith("<!doctype html>")
    assert json.loads(kept.read_text())["request"]["model"] == "digits"
    again = cli("report", kept)
    assert again.code == 0, again.out
    assert "all figures are as kept" in again.out
    assert kept.with_suffix(".html").is_file()
    changed = json.loads(kept.read_text())
    changed["machines"][0]["quantities"][0]["value"] = 0.123
    kept.write_text(json.dumps(changed))
    again = cli("report", kept, "-o", page)
    assert again.code == 1
    assert "changed: ideal accuracy was 0.123" in again.out


def test_compare_in_json(cli) -> None:
    done = cli("compare", "digits", *FEW, "--chip", "loihi1", "--cost-table",
               "loihi1=sanafe_nahuku", "--json")  # fmt: skip
    assert done.code == 0, done.err
    names = [m["name"] for m in done.json["machines"]]
    assert names == ["ideal", "loihi1"]
    loihi = done.json["machines"][1]
    energy = next(q for q in loihi["quantities"] if q["name"] == "energy_per_inference")
    assert energy["low"] < energy["value"] < energy["high"]
    assert "sanafe_nahuku" in energy["source"]


def test_of_all_machines_those_that_refuse_are_left_out(cli, tmp_path: Path) -> None:
    """A delay longer than two of the machines can hold."""
    from dataclasses import replace

    from ranvier import apps

    net = apps.load("digits")
    slow = net.replace(projections=(replace(net.projections[0], delay=70e-3), net.projections[1]))
    path = slow.save(tmp_path / "slow.rvn")
    done = cli("compare", path, *FEW)
    assert done.code == 0, done.err
    assert "left out loihi1: " in done.err
    assert cli("compare", path, *FEW, "--chip", "loihi1").code == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("digits", "--chip", "loihi1,spinaker1"), "did you mean 'spinnaker1'?"),
        (("digits", "--chip", "loihi1", "--cost-table", "davies"), "CHIP=TABLE"),
        (("digits", "--chip", "loihi1", "--cost-table", "loihi1=davis2018"), "davies2018"),
        (("digits", "--data", "mnist"), "--data mnist:DIR"),
        (("digits", "--chip", ""), "--chip"),
        (("digits", "--chip", " , "), "--chip"),
        (("digits", "--report", "page.pdf"), "page.html"),
        (("digits", "-o", "page.txt"), "page.json"),
        (("digits", "--report", "no/page.html"), "mkdir -p no"),
        (("digits", "--powered", "usde", "--chip", "loihi1"), "used"),
        (("missing.rvn",), "missing.rvn"),
        (("digts",), "did you mean 'digits'?"),
    ],
)
def test_compare_mistakes(cli, options: tuple[str, ...], words: str) -> None:
    done = cli("compare", *options, *FEW)
    assert done.code == 2, done.err
    assert words in done.err


def test_an_untrained_network_has_no_recipe(cli, network: Path) -> None:
    done = cli("compare", network, "--dt", "1ms", "--json")
    assert (done.code, done.issue["code"]) == (2, "no-recipe")
    done = cli("compare", network)
    assert done.err.count("\n") == 1, "not also what every machine says"


def test_data_that_lie_somewhere_are_asked_for(cli, tmp_path: Path) -> None:
    from ranvier import apps

    net = apps.load("digits")
    task = {**dict(net.metadata["task"]), "data": "mnist"}  # type: ignore[call-overload]
    path = net.replace(metadata={**net.metadata, "task": task}).save(tmp_path / "mnist.rvn")
    done = cli("compare", path, "--chip", "ideal")
    assert done.code == 2
    assert "--data mnist:DIR" in done.err


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad-json"),
        ("[]", "not-a-comparison"),
        ('{"request": {}}', "not-a-comparison"),
        ('{"request": {"model": "digits", "data": null, "chips": 3}}', "not-a-comparison"),
    ],
)
def test_a_report_of_something_else(cli, tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    done = cli("report", path, "--json")
    assert (done.code, done.issue["code"]) == (2, code)
    assert cli("report", tmp_path / "no.json", "--json").issue["code"] == "no-such-file"


def test_demo(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("demo", *FEW)
    assert done.code == 0, done.err
    assert "ideal" in done.out
    assert "loihi1" in done.out
    assert "spinnaker1" in done.out
    assert "Cause: " in done.out
    page = (tmp_path / "ranvier-demo.html").read_text()
    assert "<svg" in page
    document = cli("demo", *FEW, "--json").json
    assert [m["name"] for m in document["machines"]] == ["ideal", "loihi1", "spinnaker1"]

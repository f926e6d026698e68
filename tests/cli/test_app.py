"""The frame: help, unknown names, exit codes, JSON, pipes and interrupts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

from ranvier.cli import _app, main
from ranvier.cli._app import COMMANDS
from ranvier.errors import fail

from .conftest import environment

HEAVY = ("numba", "numpy", "torch", "scipy", "sklearn", "matplotlib", "pyarrow", "sympy")


def shell(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "ranvier.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        **options,  # type: ignore[arg-type]
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from ranvier.cli import main\n"
        "code = main(['--help'])\n"
        f"heavy = [n for n in {HEAVY!r} if n in sys.modules]\n"
        "print(code, heavy, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert done.stderr.strip() == "0 []"
    for name in COMMANDS.names():
        assert name in done.stdout


@pytest.mark.parametrize("name", COMMANDS.names())
def test_every_command_has_help_with_examples(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert "--json" in text
    assert "Examples" in text
    assert f"ranvier {name}" in text
    for line in COMMANDS.get(name).examples:
        assert line.split()[:2] == ["ranvier", name]
        assert len(line) <= 98, "an example must fit a terminal"


@pytest.mark.parametrize("name", COMMANDS.names())
def test_help_swallows_no_brackets(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in square brackets is text, not markup."""
    monkeypatch.setenv("COLUMNS", "400")
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    function = COMMANDS.get(name).function
    told = [str(function.__doc__)]
    for hint in get_type_hints(function, include_extras=True).values():
        for item in getattr(hint, "__metadata__", ()):
            told += [str(item.help or ""), str(item.metavar or "")]
    for bracket in re.findall(r"\[.*?\]", "\n".join(told).replace("\\[", "[")):
        assert bracket in text, bracket
    assert "\\[" not in text


def test_help_of_train_names_the_extra(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    assert "ranvier[train]" in capsys.readouterr().out


def test_no_arguments_show_the_help(cli) -> None:
    done = cli()
    assert done.code == 0
    assert "compile" in done.out


def test_a_broken_plugin_leaves_the_help_alone(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    find = _app.find_command

    def broken_chips(name: str) -> object:
        if name == "chips":
            raise ImportError("no such thing")
        return find(name)

    monkeypatch.setattr(_app, "find_command", broken_chips)
    with pytest.warns(UserWarning, match="'chips' failed to load"):
        done = cli("--help")
    assert done.code == 0
    assert "compile" in done.out


def test_version(cli) -> None:
    done = cli("--version")
    assert done.code == 0
    assert done.out.startswith("ranvier ")


def test_an_unknown_command_gets_the_nearest(cli) -> None:
    done = cli("complie")
    assert done.code == 2
    assert "did you mean 'compile'?" in done.err
    assert done.out == ""
    assert cli("complie", "--json").issue["code"] == "unknown-command"


def test_an_unknown_option_gets_the_nearest(cli) -> None:
    done = cli("compile", "net.rvn", "--chpi", "ideal")
    assert done.code == 2
    assert "did you mean '--chip'?" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("compile",), "missing argument"),
        (("compile", "x.rvn"), "--chip"),
        (("run", "x.rvp", "--ticks", "many"), "--ticks"),
        (("run", "x.rvp", "--ticks", "-3"), "--ticks"),
        (("chips", "a", "b"), "b"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(cli, arguments: tuple[str, ...], words: str) -> None:
    done = cli(*arguments)
    assert done.code == 2
    assert words in done.err
    assert done.err.startswith("error: ranvier")
    assert "Traceback" not in done.err
    told = cli(*arguments, "--json")
    assert (told.code, told.issue["code"]) == (2, "usage")


def broken(error: BaseException):
    def run(arguments: object = None, **_: object) -> None:
        raise error

    return lambda: type("App", (), {"main": staticmethod(run)})


def test_a_fault_of_ours_is_one_line_and_exit_3(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANVIER_DEBUG", raising=False)
    monkeypatch.setattr(_app, "_application", broken(ZeroDivisionError("oh [no]")))
    done = cli("chips")
    assert done.code == 3
    assert "ZeroDivisionError: oh [no]" in done.err
    assert "RANVIER_DEBUG=1" in done.err
    assert done.err.count("\n") == 1
    monkeypatch.setenv("RANVIER_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["chips"])


def test_an_error_shows_brackets_as_they_are(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_app, "_application", broken(fail("x", "h[3]", "[bold]not markup[/]")))
    done = cli("chips")
    assert done.code == 2
    assert "h[3]: [bold]not markup[/]." in done.err


def test_what_the_system_refuses_is_told(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANVIER_DEBUG", raising=False)
    refused = PermissionError(13, "Permission denied", "/a/file")
    monkeypatch.setattr(_app, "_application", broken(refused))
    done = cli("chips")
    assert done.code == 2
    assert done.err == "error: /a/file: the system refused: Permission denied.\n"


def test_ctrl_c_is_quiet(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_app, "_application", broken(KeyboardInterrupt()))
    done = cli("chips")
    assert (done.code, done.out, done.err) == (130, "", "interrupted\n")


def test_too_little_memory_is_not_a_fault(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANVIER_DEBUG", raising=False)
    monkeypatch.setattr(_app, "_application", broken(MemoryError("8 EiB")))
    done = cli("chips", "--json")
    assert (done.code, done.issue["code"]) == (2, "out-of-memory")


@pytest.mark.parametrize("options", ["chips --json", "chips loihi1 --sources", "chips nothing"])
def test_a_closed_pipe_is_quiet(options: str) -> None:
    code = f"set -o pipefail; {sys.executable} -m ranvier.cli {options} 2>&1 | true"
    done = subprocess.run(
        ["bash", "-c", code], capture_output=True, text=True, check=False, env=environment()
    )
    assert done.stderr == ""
    assert done.returncode in (0, 141, 2), "never 1, a finding"


def test_the_real_entry(tmp_path: Path) -> None:
    """As a user starts it: nothing but the answer, and no colour in a pipe."""
    done = shell("compile", "missing.rvn", "--chip", "ideal", "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"][0]["code"] == "no-such-file"
    assert done.stderr == ""
    done = shell("check", "missing.rvn", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: missing.rvn: does not exist. check the path.\n"
    assert list(tmp_path.iterdir()) == []

"""What a file on the command line holds, found by reading it, not by its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ranvier.errors import RanvierError, fail, suggest

if TYPE_CHECKING:
    from ranvier.compile import Program
    from ranvier.events import Recording
    from ranvier.network import Network

__all__ = ["check_output", "open_any", "open_network", "read_json", "recipe_dt"]

Kind = Literal["network", "program", "recording"]


def open_any(path: Path) -> tuple[Kind, Network | Program | Recording]:
    """A network, program or recording, whichever the file is; or a ready network by its name.

    Raises RanvierError when it is none of them, damaged or missing.
    """
    path = _app_or_file(path)
    if (path / "recording.rvn").is_file():
        from ranvier.events import load_recording

        return "recording", load_recording(path)
    from ranvier.network import load

    _refuse_foreign(path)
    try:
        return "network", load(path)
    except RanvierError as error:
        issue = error.issues[0]
        if issue.code != "wrong-bundle" or issue.got != "program":
            raise
    from ranvier.compile import load_program

    return "program", load_program(path)


def open_network(path: Path) -> Network:
    """A network, or a ready one by its name; a program is an error that says what to do."""
    from ranvier.network import load

    path = _app_or_file(path)
    _refuse_foreign(path)
    try:
        return load(path)
    except RanvierError as error:
        issue = error.issues[0]
        if issue.code == "wrong-bundle" and issue.got == "program":
            raise fail(
                "wrong-bundle",
                str(path),
                "is a program, already compiled",
                limit="a network",
                hint="give the network it was compiled from (.rvn)",
            ) from None
        raise


def _app_or_file(path: Path) -> Path:
    """``digits`` where there is no such file is the bundle of the app of that name."""
    if path.exists() or path.name != str(path) or path.suffix:
        return path
    from ranvier import apps

    if path.name in apps.names():
        return apps.path(path.name)
    near = suggest(path.name, apps.names())
    raise fail("no-such-file", str(path), "does not exist", limit="a file, or a ready network: "
               + ", ".join(apps.names()), hint=near or "check the path")  # fmt: skip


def _refuse_foreign(path: Path) -> None:
    """A model of another tool must be imported first: what is lost on the way has to be said."""
    if path.is_file() and path.suffix in (".nir", ".onnx", ".pt", ".pth", ".h5", ".nml"):
        raise fail(
            "foreign-file",
            str(path),
            "is a model of another tool",
            got=path.suffix,
            limit="a Ranvier network (.rvn) or program (.rvp)",
            hint=f"ranvier import {path} -o {path.stem}.rvn",
        )


def check_output(path: Path | None, *, suffixes: tuple[str, ...] = (), keep: bool = False) -> None:
    """Refuse early, before long work, what could not be written at the end.

    ``keep`` refuses what exists already.
    """
    if path is None:
        return
    import os

    if not path.name:
        raise fail("bad-name", "--output", "is not the name of a file", got=repr(str(path)))
    folder = path.parent
    if not folder.is_dir():
        raise fail(
            "no-such-directory",
            str(path),
            "the directory to write into does not exist",
            got=str(folder),
            hint=f"make it first: mkdir -p {folder}",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise fail("cannot-write", str(path), "the directory is not writable", got=str(folder),
                   hint="write elsewhere")  # fmt: skip
    if suffixes and path.suffix not in suffixes:
        raise fail(
            "bad-suffix",
            str(path),
            "has another ending than its kind of file",
            got=path.suffix or "no ending",
            limit=", ".join(suffix or "none (a folder)" for suffix in suffixes),
            hint=f"write {path.with_suffix(suffixes[0]).name}",
        )
    if keep and (path.exists() or path.is_symlink()):
        raise fail(
            "exists",
            str(path),
            "exists already; nothing was changed",
            hint=("write elsewhere with -o", "overwrite it with --force"),
        )


def read_json(path: Path) -> object:
    """A JSON file; raises RanvierError with the line where it breaks."""
    import json

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise fail("no-such-file", str(path), "does not exist", hint="check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise fail("cannot-read", str(path), f"cannot be read ({error})") from None
    except json.JSONDecodeError as error:
        raise fail(
            "bad-json", f"{path}, line {error.lineno}", f"is not JSON: {error.msg}"
        ) from None


def recipe_dt(network: Network) -> float | None:
    """The tick in seconds that a trained network's recipe states; None where it has none."""
    if "task" not in network.metadata:
        return None
    from ranvier.learn import Task

    return Task.of(network).dt

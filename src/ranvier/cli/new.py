"""``ranvier new``: a starter to edit."""

from __future__ import annotations

import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from ranvier.cli._command import Command, JsonOption, QuietOption
from ranvier.cli._files import check_output
from ranvier.cli._output import Output
from ranvier.errors import fail, unknown

__all__ = ["COMMAND", "new"]

SUFFIX = ".py.txt"


def new(
    name: Annotated[str, typer.Argument(help="Name of the network; NAME.py is written.")],
    kind: Annotated[
        str, typer.Option("--kind", "-k", help="network, or classifier: trained on digits.")
    ] = "network",
    folder: Annotated[
        Path, typer.Option("--in", help="Where to write; made if it does not exist.")
    ] = Path("."),
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Write a Python script that builds, compiles and runs a small network, to be edited.

    Nothing that exists is overwritten. A classifier needs torch to be trained.
    """
    out = Output(json=json, quiet=quiet)
    templates = files("ranvier.cli").joinpath("_templates")
    kinds = sorted(
        t.name.removesuffix(SUFFIX) for t in templates.iterdir() if t.name.endswith(SUFFIX)
    )
    if kind not in kinds:
        raise unknown("kind", kind, kinds, where="--kind")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", name):
        raise fail(
            "bad-name", "NAME", "is not usable as a name", got=repr(name)[:80],
            limit="letters, digits, _ and -, beginning with a letter", hint="ranvier new first",
        )  # fmt: skip
    path = folder / f"{name}.py"
    _make(folder)
    check_output(path)
    text = templates.joinpath(kind + SUFFIX).read_text(encoding="utf-8")
    text = text.replace("@NAME@", name).replace("@FILE@", path.name)
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise fail("exists", str(path), "exists already; nothing was changed",
                   hint="choose another name, or another folder with --in") from None  # fmt: skip
    except OSError as error:
        raise fail("cannot-write", str(path), f"could not be written ({error.strerror})") from None
    run = f"python {os.path.relpath(path)}"
    out.result({"file": str(path), "kind": kind, "run": run}, f"wrote {path}", f"try: {run}")
    return 0


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise fail("cannot-write", str(folder), f"could not be made ({error.strerror})",
                   hint="name another folder with --in") from None  # fmt: skip


COMMAND = Command(
    function=new,
    examples=(
        "ranvier new first",
        "ranvier new first --in experiments",
        "ranvier new digits --kind classifier",
    ),
    panel="Build",
    order=10,
)

"""From ``sys.argv`` to a command, and from every kind of failure to a line and an exit code."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from inspect import cleandoc
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ranvier.cli._command import Command
from ranvier.cli._output import report_issues
from ranvier.errors import Issue, RanvierError, suggest, unknown
from ranvier.registry import Registry

__all__ = ["COMMANDS", "main"]

COMMANDS: Registry[Command] = Registry("command", "ranvier.cli", "COMMAND")

OK, FINDING, MISTAKE, FAULT, INTERRUPTED, PIPE = 0, 1, 2, 3, 130, 141

# The bases of typer's own exceptions; they live in click or in typer, depending on the version.
_UsageError: Any = typer.BadParameter.__mro__[1]
_ClickException: Any = typer.BadParameter.__mro__[2]


def find_command(name: str) -> Command:
    """A command by name; our own are found without a look at what else is installed, which is slow.

    Raises RanvierError with a did-you-mean.
    """
    if name.isidentifier() and not name.startswith("_"):
        for module in (name, f"{name}_"):
            if find_spec(f"ranvier.cli.{module}") is not None:
                return import_module(f"ranvier.cli.{module}").COMMAND
    if name not in COMMANDS.names():
        raise unknown("command", name, COMMANDS.names(), where="ranvier")
    return COMMANDS.get(name)


class _Commands(TyperGroup):
    """The commands of the registry, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of the work."""
        found: dict[str, Command] = {}
        for name in COMMANDS.names():
            try:
                found[name] = find_command(name)
            except Exception as error:  # somebody's plug-in; the others still work
                warnings.warn(f"command {name!r} failed to load: {error}", stacklevel=2)
        return sorted(found, key=lambda name: (found[name].order, name))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Make typer's command out of ours."""
        command = find_command(cmd_name)
        from rich.markup import escape

        lines = "\n\n".join(f"[cyan]{escape(line)}[/]" for line in command.examples)
        single = typer.Typer(add_completion=False, rich_markup_mode="rich")
        single.command(
            cmd_name,
            help=escape(_unwrapped(command.function.__doc__)),
            epilog=f"[bold]Examples[/]\n\n{lines}",
            rich_help_panel=command.panel,
        )(command.function)
        return typer.main.get_command(single)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Refuse an unknown name with the nearest legal one."""
        if args and not args[0].startswith("-"):
            find_command(args[0])
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Keep a closed pipe from typer, which would exit with 1, a finding."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _PipeClosed from error


class _PipeClosed(Exception):
    """Whoever read our output has gone."""


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"ranvier {version('ranvier')}")
        except PackageNotFoundError:
            print("ranvier (not installed)")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Write a spiking network once; train it, run it, compile it to any neuromorphic machine.

    Exit codes: 0 all well, 1 a finding, 2 a mistake in what was asked, 3 a fault of Ranvier.
    """


def _unwrapped(docstring: str | None) -> str:
    """The paragraphs of a docstring, each on one line: the terminal wraps them."""
    return "\n\n".join(" ".join(p.split()) for p in cleandoc(docstring or "").split("\n\n"))


def _application() -> Any:
    app = typer.Typer(cls=_Commands, rich_markup_mode="rich", pretty_exceptions_enable=False)
    app.callback(
        help=_unwrapped(_root.__doc__),
        epilog="[bold]Begin with[/]\n\n[cyan]ranvier demo[/]\n\n[cyan]ranvier new first[/]\n\n"
        "[cyan]ranvier COMMAND --help[/]",
    )(_root)
    return typer.main.get_command(app)


def _usage_issue(error: Any) -> Issue:
    """A mistake in how the command was written, as an Issue."""
    context = getattr(error, "ctx", None)
    where = "ranvier" if context is None else context.command_path
    name = getattr(error, "option_name", None)
    message = str(error.format_message()).rstrip(".")
    if context is not None and name and type(error).__name__ == "NoSuchOption":
        legal = [o for p in context.command.get_params(context) for o in p.opts if o[:1] == "-"]
        near = suggest(name, [o for o in legal if o.startswith("--")])
        return Issue(
            code="unknown-option",
            severity="error",
            where=where,
            message="unknown option",
            got=repr(name),
            hint=(near or f"see {where} --help",),
        )
    return Issue(
        code="usage",
        severity="error",
        where=where,
        message=message[:1].lower() + message[1:],
        hint=(f"see {where} --help",),
    )


def _system_issue(error: OSError) -> Issue:
    """What the system refused: no permission, no space, no such file."""
    return Issue(
        code="system",
        severity="error",
        where=str(error.filename or "ranvier"),
        message=f"the system refused: {error.strerror or error}",
    )


def _fault(error: BaseException) -> Issue:
    return Issue(
        code="internal-error",
        severity="error",
        where="ranvier",
        message=f"a fault of Ranvier itself: {type(error).__name__}: {error}",
        hint=("set RANVIER_DEBUG=1 to see the traceback, and please report it",),
    )


def _leave_pipe() -> int:
    """Say nothing more, not even at exit."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(quiet, stream.fileno())
        except (OSError, ValueError):
            continue
    return PIPE


def _run(arguments: list[str]) -> int:
    """The exit code; failures are reported here and nowhere else."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    as_json = "--json" in options
    try:
        result = _application().main(args=arguments, prog_name="ranvier", standalone_mode=False)
        sys.stdout.flush()
        return int(result or OK)
    except RanvierError as error:
        from ranvier.cli._advice import told

        report_issues(told(error).issues, json=as_json)
        return MISTAKE
    except (_UsageError, _ClickException) as error:
        report_issues([_usage_issue(error)], json=as_json)
        return MISTAKE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except (BrokenPipeError, _PipeClosed):
        return _leave_pipe()
    except OSError as error:
        if os.environ.get("RANVIER_DEBUG"):
            raise
        report_issues([_system_issue(error)], json=as_json)
        return MISTAKE
    except MemoryError as error:
        if os.environ.get("RANVIER_DEBUG"):
            raise
        issue = Issue(
            code="out-of-memory",
            severity="error",
            where="ranvier",
            message="this needs more memory than there is",
            got=str(error),
            hint=("use fewer ticks, fewer samples or a smaller network",),
        )
        report_issues([issue], json=as_json)
        return MISTAKE
    except Exception as error:
        if os.environ.get("RANVIER_DEBUG"):
            raise
        report_issues([_fault(error)], json=as_json)
        return FAULT


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; without arguments, show the help."""
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    with warnings.catch_warnings():
        warnings.formatwarning = _one_line
        try:
            code = _run(arguments)
        except BrokenPipeError:  # while an error was being reported
            code = _leave_pipe()
        finally:
            warnings.formatwarning = _FORMAT
    if code == INTERRUPTED:
        print("interrupted", file=sys.stderr)
    if code not in (OK, FINDING) and "mpi4py.MPI" in sys.modules:
        from ranvier.cli._ranks import leave

        leave(code)
    return code


_FORMAT = warnings.formatwarning


def _one_line(message: Any, category: Any, *_: Any, **__: Any) -> str:
    return f"warning: {message}\n"

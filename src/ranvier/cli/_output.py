"""What a command says: one JSON document or text on stdout; errors and remarks on stderr."""

from __future__ import annotations

import json as json_module
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from ranvier.errors import Issue

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

    from ranvier.progress import Progress

__all__ = ["Output", "Table", "counted", "issue_lines", "report_issues", "table"]

MOST_ISSUES = 40
PIPE_WIDTH = 160
"""Width of tables where standard output is not a terminal and COLUMNS is not set."""

STYLES = {
    "exact": "green",
    "info": "cyan",
    "approximate": "yellow",
    "warning": "yellow",
    "refused": "bold red",
    "error": "bold red",
}


def plain(value: Any) -> Any:
    """Data that JSON can hold: arrays become lists, NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, Issue):
        return value.to_dict()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return plain(value.tolist())
    return str(value)


def counted(number: int, noun: str) -> str:
    """``1 neuron``, ``2 neurons``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def console(stream: TextIO) -> Console:
    """A rich console that honours NO_COLOR and COLUMNS and never cuts text in a pipe."""
    import os

    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            """Rich would exit with 1, a finding."""
            raise BrokenPipeError

    free = not stream.isatty() and "COLUMNS" not in os.environ
    return Plain(
        file=stream, highlight=False, markup=False, emoji=False, width=PIPE_WIDTH if free else None
    )


def issue_lines(issues: Iterable[Issue], *, most: int = MOST_ISSUES) -> list[Text]:
    """One readable line an issue; the rest are counted."""
    from rich.text import Text

    items = list(issues)
    lines = [
        Text.assemble((f"{issue.severity}: ", STYLES.get(issue.severity, "")), str(issue))
        for issue in items[:most]
    ]
    if len(items) > most:
        lines.append(Text(f"... and {len(items) - most} more (--json lists all)"))
    return lines


def report_issues(issues: Sequence[Issue], *, json: bool) -> None:
    """Say why a command failed: as JSON on stdout, or one line each on stderr."""
    if json:
        _print_json({"error": [issue.to_dict() for issue in issues]})
        return
    err = console(sys.stderr)
    for line in issue_lines(issues):
        err.print(line, soft_wrap=True)


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, give: int = 24
) -> Table:
    """A plain table; a column named ``>x`` stands to the right, ``~x`` gives way and wraps down to
    a width of ``give``."""
    from rich.text import Text

    cells = [[c if isinstance(c, Text) else Text(str(c)) for c in row] for row in rows]
    return Table(title, columns, cells, give)


@dataclass(frozen=True)
class Table:
    """Columns where the terminal is wide enough for them, else one line a cell; never cut."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Text]]
    give: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        from rich.text import Text

        names = [name.lstrip(">~") for name in self.columns]
        widths = [
            max([len(name), *(row[k].cell_len for row in self.rows)])
            for k, name in enumerate(names)
        ]
        least = [
            min(width, self.give) if column.startswith("~") else width
            for column, width in zip(self.columns, widths, strict=True)
        ]
        if sum(least) + 3 * len(least) <= options.max_width:
            yield self._columns(names, least)
            return
        if self.title:
            yield Text(self.title, style="bold")
        for row in self.rows:
            yield Text.assemble(row[0].copy(), style="bold")
            for name, cell in zip(names[1:], row[1:], strict=True):
                if cell.plain not in ("", "-"):
                    yield Text.assemble(f"  {name}: ", cell)

    def _columns(self, names: Sequence[str], least: Sequence[int]) -> Any:
        from rich import box
        from rich.table import Table as Columns
        from rich.text import Text

        made = Columns(
            title=Text(self.title) if self.title else None,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            show_edge=False,
        )
        for column, name, width in zip(self.columns, names, least, strict=True):
            justify = "right" if column.startswith(">") else "left"
            made.add_column(name, justify=justify, overflow="fold", min_width=width)
        for row in self.rows:
            made.add_row(*row)
        return made


def _print_json(document: Any) -> None:
    text = json_module.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Output:
    """How one command speaks. ``json``: one document on stdout; ``quiet``: no bars, no remarks."""

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.json, self.quiet = json, quiet

    def result(self, document: Any, *shown: Any) -> None:
        """The outcome: ``document`` with --json, else the texts and tables in ``shown``."""
        if self.json:
            _print_json(document)
            return
        out = console(sys.stdout)
        for item in shown:
            if isinstance(item, str) or type(item).__name__ == "Text":
                out.print(item, soft_wrap=True)
            else:
                out.print(item)

    def issues(self, issues: Iterable[Issue]) -> list[Text]:
        """Lines for :meth:`result`; nothing with --json, where the document holds them."""
        return [] if self.json else issue_lines(issues)

    def remark(self, text: str) -> None:
        """A word aside, on stderr."""
        if not (self.json or self.quiet):
            console(sys.stderr).print(text, style="dim", soft_wrap=True)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """A bar on stderr where somebody watches, silence elsewhere."""
        from ranvier.progress import NoProgress

        if self.json or self.quiet or not sys.stderr.isatty():
            yield NoProgress()
            return
        from ranvier.cli._progress import Bar

        bar = Bar(console(sys.stderr))
        try:
            yield bar
        finally:
            bar.close()

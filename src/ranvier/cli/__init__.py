"""The command line: one command a file, thin, no arithmetic.

A command is a module of this folder that exports ``COMMAND``; third parties add entry points
``command.<name>``. Exit codes: 0 all well, 1 a finding, 2 the user's mistake, 3 a fault of Ranvier
itself, 130 interrupted.
"""

from ranvier.cli._app import main

__all__ = ["main"]

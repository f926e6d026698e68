"""``python -m ranvier.cli``: the same as ``ranvier``."""

import sys

from ranvier.cli import main

sys.exit(main())

"""Fixtures every test may use, and the settings of hypothesis."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Derandomised: a check that failed here fails everywhere. Explore more with
# `pytest --hypothesis-profile=explore`.
settings.register_profile(
    "ci",
    deadline=None,  # the first example may compile a kernel
    max_examples=40,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("ci")

# A shell's background job is deaf to Ctrl-C, and so would be what the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked ``oracle`` need another simulator and run only when asked for by ``-m``."""
    if "oracle" in (config.option.markexpr or ""):
        return
    reason = "needs another simulator installed apart; opt in with -m oracle"
    for item in items:
        if item.get_closest_marker("oracle"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings; a test that asks for it is skipped where there is none."""
    given = os.environ.get("RANVIER_DATA")
    folder = Path(given) if given else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        wanted = f"RANVIER_DATA={given}" if given else "../shared/data"
        pytest.skip(f"no real recordings: {wanted} is not a folder (set RANVIER_DATA to theirs)")
    return folder

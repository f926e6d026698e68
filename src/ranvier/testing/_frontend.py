"""What every frontend that can write must pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ranvier.errors import RanvierError
from ranvier.frontends import FRONTENDS
from ranvier.network import Network
from ranvier.testing._networks import random_network

__all__ = ["FrontendTests"]


class FrontendTests:
    """Set ``frontend`` (its name); override ``network`` to what the format can express."""

    frontend: str
    options: dict[str, Any] = {}  # noqa: RUF012 - overridden whole by subclasses

    def network(self) -> Network:
        """A network to write and read."""
        return random_network(0)

    def _path(self, folder: Path) -> Path:
        return folder / f"network{FRONTENDS.get(self.frontend).suffixes[0]}"

    def test_write_then_read_is_the_same_network(self, tmp_path: Path) -> None:
        """Nothing is lost on the way."""
        plugin, network = FRONTENDS.get(self.frontend), self.network()
        plugin.write(network, self._path(tmp_path))
        imported = plugin.read(self._path(tmp_path), **self.options)
        assert imported.network.to_text() == network.to_text()

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
    def test_truncated_files_are_one_clear_error(self, tmp_path: Path, share: float) -> None:
        """Never another exception, never half a network."""
        plugin, path = FRONTENDS.get(self.frontend), self._path(tmp_path)
        plugin.write(self.network(), path)
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(RanvierError):
            plugin.read(path, **self.options)

    def test_missing_file(self, tmp_path: Path) -> None:
        """Named in the error."""
        with pytest.raises(RanvierError, match="missing"):
            FRONTENDS.get(self.frontend).read(tmp_path / f"missing{self._path(tmp_path).suffix}")

"""Generated code as ordinary files in a cache folder, where it can be read, and cached by numba."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from ranvier.errors import fail

__all__ = ["cache_folder", "load_module"]


def cache_folder() -> Path:
    """Where generated kernels live: ``$RANVIER_CACHE``, or the user's cache folder.

    Falls back to a temporary folder where that cannot be written.
    """
    home = os.environ.get("RANVIER_CACHE")
    if home:
        base = Path(home)
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home())) / "ranvier"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches" / "ranvier"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ranvier"
    folder = base / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="ranvier-kernels-"))


def _write_source(path: Path, source: str) -> None:
    """Complete or not at all: several processes may want the same kernel at once."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(source)
        # numba's cache compares time stamps; the name is the content, so one will do.
        os.utime(temporary, (1_000_000_000, 1_000_000_000))
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


_LOADED: dict[str, ModuleType] = {}


def load_module(source: str) -> ModuleType:
    """The module of this text: from memory, the cache folder, or new."""
    name = "ranvier_kernel_" + hashlib.sha256(source.encode()).hexdigest()[:24]
    if name not in _LOADED:
        path = cache_folder() / f"{name}.py"
        if not path.exists():
            try:
                _write_source(path, source)
            except OSError as error:
                raise fail(
                    "cannot-write",
                    str(path.parent),
                    f"generated kernels cannot be written ({error.strerror or error})",
                    hint="free some disk space, or set RANVIER_CACHE to another folder",
                ) from error
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        _LOADED[name] = module
    return _LOADED[name]

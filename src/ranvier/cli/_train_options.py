"""From flags and a configuration file to TrainOptions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranvier.errors import fail, unknown

if TYPE_CHECKING:
    from ranvier.learn import TrainOptions

__all__ = ["read_config", "train_options"]

TIMES = ("dt", "tau")


def train_options(config: Path | None, flags: Mapping[str, Any]) -> TrainOptions:
    """The file's values, overridden by the flags that were given, over the defaults.

    Raises RanvierError that names the file or the flag.
    """
    from dataclasses import fields

    from ranvier.learn import TrainOptions

    legal = [item.name for item in fields(TrainOptions)]
    values: dict[str, Any] = {}
    if config is not None:
        for name, value in read_config(config).items():
            if name not in legal:
                raise unknown("option", name, legal, where=str(config))
            values[name] = _value(f"{config}, {name}", name, value)
    for name, value in flags.items():
        if value is not None:
            values[name] = _value(f"--{name.replace('_', '-')}", name, value)
    return TrainOptions(**values)


def _value(where: str, name: str, value: Any) -> Any:
    """Text with a unit, or a list, as what TrainOptions takes."""
    from ranvier.cli._command import measured, seconds

    if name == "hidden":
        if isinstance(value, str):
            try:
                return tuple(int(part) for part in value.split(",") if part.strip())
            except ValueError:
                raise fail("bad-option", where, "is not sizes of layers", got=repr(value),
                           limit="e.g. 128 or 256,128") from None  # fmt: skip
        return tuple(value) if isinstance(value, list) else value
    if name in TIMES and isinstance(value, str):
        return seconds(where, value)
    if name == "max_rate" and isinstance(value, str):
        return measured(where, value, "Hz", what="rate", units=("Hz",), limit="500Hz, 1 kHz")
    return value


def read_config(path: Path) -> dict[str, Any]:
    """A TOML or JSON file of options; a table ``[train]`` in it is taken where there is one."""
    import tomllib

    from ranvier.cli._files import read_json

    if path.suffix == ".toml":
        try:
            data: Any = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise fail("no-such-file", str(path), "does not exist", hint="check the path") from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise fail("bad-config", str(path), f"cannot be read: {error}") from None
    elif path.suffix == ".json":
        data = read_json(path)
    else:
        raise fail("bad-suffix", str(path), "is not a configuration file",
                   got=path.suffix or "no ending", limit=".toml, .json")  # fmt: skip
    if isinstance(data, dict) and isinstance(data.get("train"), dict):
        data = data["train"]
    if not isinstance(data, dict):
        raise fail("bad-config", str(path), "does not hold names and values")
    return data

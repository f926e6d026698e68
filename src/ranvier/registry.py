"""Lazy registries: a file in the right folder, or an entry point, is a plug-in.

Ground floor: imports only :mod:`ranvier.errors`.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from ranvier.errors import RanvierError, fail, unknown

__all__ = ["GROUP", "Registry"]

T = TypeVar("T")

GROUP = "ranvier.plugins"
"""Entry-point group. A name is ``<kind>.<plugin>`` with ``-`` for a space in the kind, e.g.
``chip.mychip = "mypackage:MYCHIP"`` or ``neuron-model.mymodel = "mypackage:MYMODEL"``."""


@dataclass
class Registry(Generic[T]):
    """Names to objects of one kind, loaded when first asked for.

    A built-in is the module ``<package>.<name>``; it exports the object under ``attribute`` of that
    module (``"CHIP"``, ``"MODEL"``). Modules whose name begins with ``_`` are shared parts, not
    plug-ins; one trailing ``_`` is dropped, so that a name may be a Python keyword (``if_.py``).
    A third party ships an entry point ``<kind>.<name>`` (spaces in the kind written ``-``) in the
    group ``ranvier.plugins`` that resolves to the object itself.
    """

    kind: str
    package: str
    attribute: str
    _loaded: dict[str, T] = field(default_factory=dict[str, T], repr=False)

    def _sources(self) -> dict[str, tuple[str, Callable[[], Any]]]:
        found: dict[str, tuple[str, Callable[[], Any]]] = {}
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.startswith("_"):
                path = f"{self.package}.{module.name}"
                found[module.name.removesuffix("_")] = (path, self._module_loader(path))
        prefix = f"{self.kind.replace(' ', '-')}."
        for point in entry_points(group=GROUP):
            if point.name.startswith(prefix):
                name = point.name.removeprefix(prefix)
                if name in found and found[name][0] != point.value:
                    raise fail(
                        "duplicate-plugin",
                        f"{self.kind} {name!r}",
                        "two plug-ins have this name",
                        got=f"{found[name][0]} and {point.value}",
                        hint="uninstall one of the packages or rename its entry point",
                    )
                found[name] = (point.value, self._point_loader(point))
        return found

    def _module_loader(self, path: str) -> Callable[[], Any]:
        def load() -> Any:
            module = importlib.import_module(path)
            if not hasattr(module, self.attribute):
                raise fail(
                    "plugin-without-object",
                    path,
                    f"a {self.kind} file must define {self.attribute}",
                    hint=f"add '{self.attribute} = ...' to the file",
                )
            return getattr(module, self.attribute)

        return load

    def _point_loader(self, point: EntryPoint) -> Callable[[], Any]:
        def load() -> Any:
            try:
                return point.load()
            except RanvierError:
                raise
            except Exception as error:  # a stranger's package
                package = point.dist.name if point.dist is not None else point.value
                raise fail(
                    "plugin-broken",
                    f"{self.kind} {point.name.partition('.')[2]!r}",
                    f"the plug-in of the package {package!r} failed to load",
                    got=f"{type(error).__name__}: {error}"[:200],
                    hint=f"update or uninstall {package}",
                ) from error

        return load

    def names(self) -> list[str]:
        """All names, sorted, without loading any of them."""
        return sorted(self._sources())

    def get(self, name: str) -> T:
        """The object called ``name``; raises RanvierError with a did-you-mean otherwise."""
        if name not in self._loaded:
            sources = self._sources()
            if name not in sources:
                raise unknown(self.kind, name, sources)
            self._loaded[name] = sources[name][1]()
        return self._loaded[name]

    def items(self) -> Iterator[tuple[str, T]]:
        """Every name with its object; one that fails to import is a warning, not a crash."""
        for name in self.names():
            try:
                yield name, self.get(name)
            except Exception as error:
                warnings.warn(f"{self.kind} {name!r} failed to load: {error}", stacklevel=2)

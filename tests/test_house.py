"""The rules of the house, checked over whatever packages there are."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest

import ranvier

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCE = REPOSITORY / "src"
FILES = sorted((SOURCE / "ranvier").rglob("*.py"))
SOFT_LIMIT, WALL = 500, 800

# The only places that may know torch, which the light core does not install.
TORCH = ("ranvier.learn", "ranvier.neurons._torch")

# Who may not import whom where the floors alone would allow it. Chip files get a list of what
# they may see instead.
FORBIDDEN = {
    "compile": {"frontends"},
    "sim": {"frontends"},
    "cost": {"sim"},
    "serve": {"cli"},
}
CHIPS_SEE = {
    *("chips._spec", "chips._arith"),
    *("devices", "neurons", "plasticity", "network", "units", "errors", "registry"),
}


def dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def inside(name: str, *packages: str) -> bool:
    return any(name == p or name.startswith(p + ".") for p in packages)


def imports(path: Path) -> set[str]:
    """Every name a file imports, anywhere in it, ``from a import b`` as both ``a`` and ``a.b``."""
    found: set[str] = set()
    module = dotted(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def modules() -> list[str]:
    return [name for name in map(dotted, FILES) if not name.endswith("__main__")]


def core_modules() -> list[str]:
    return [name for name in modules() if not inside(name, *TORCH)]


def load(name: str) -> ModuleType:
    if inside(name, *TORCH):
        pytest.importorskip("torch")
    return importlib.import_module(name)


@pytest.mark.parametrize("name", modules())
def test_exported_names_exist(name: str) -> None:
    module = load(name)
    exported = getattr(module, "__all__", [])
    assert len(exported) == len(set(exported)), "a name stands twice in __all__"
    assert [n for n in exported if not hasattr(module, n)] == []
    package = hasattr(module, "__path__") and name != "ranvier"
    has_code = bool(ast.parse(inspect.getsource(module)).body[1:]) if package else False
    assert exported or not has_code, f"package {name} must say in __all__ what is public"


@pytest.mark.parametrize("name", modules())
def test_public_things_have_docstrings(name: str) -> None:
    module = load(name)
    assert (module.__doc__ or "").strip(), f"module {name} has no docstring"
    missing: list[str] = []
    own = [n for n, thing in vars(module).items() if getattr(thing, "__module__", "") == name]
    public = getattr(module, "__all__", [n for n in own if not n.startswith("_")])
    for attribute in public:
        thing = getattr(module, attribute)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        if not (thing.__module__ or "").startswith("ranvier"):
            continue
        if not (thing.__doc__ or "").strip() or _only_a_signature(thing):
            missing.append(attribute)
        if inspect.isclass(thing):
            missing += [
                f"{attribute}.{n}"
                for n, member in vars(thing).items()
                if not n.startswith("_") and _undocumented(thing, n, member)
            ]
    assert missing == []


def _only_a_signature(thing: object) -> bool:
    """``@dataclass`` writes a signature where a docstring is missing."""
    if not inspect.isclass(thing):
        return False
    return (thing.__doc__ or "").startswith(f"{thing.__name__}(")


def _undocumented(owner: type, name: str, member: object) -> bool:
    if isinstance(member, (classmethod, staticmethod)):
        member = member.__func__
    if isinstance(member, property):
        member = member.fget
    if not inspect.isfunction(member) or not (member.__module__ or "").startswith("ranvier"):
        return False
    return not (inspect.getdoc(getattr(owner, name)) or "").strip()


def test_modules_are_short() -> None:
    lengths = {dotted(p): len(p.read_text(encoding="utf-8").splitlines()) for p in FILES}
    assert {name: n for name, n in lengths.items() if n > WALL} == {}
    long = {name: n for name, n in lengths.items() if n > SOFT_LIMIT}
    assert len(long) <= len(lengths) // 10, f"too many modules over {SOFT_LIMIT} lines: {long}"


def test_torch_is_imported_only_where_it_may_be() -> None:
    guilty = [
        dotted(path)
        for path in FILES
        if not inside(dotted(path), *TORCH) and any(inside(i, "torch") for i in imports(path))
    ]
    assert guilty == []


def test_the_core_works_where_torch_is_not_installed() -> None:
    """Imports every core module in a fresh interpreter in which ``import torch`` fails."""
    code = (
        "import importlib, sys\n"
        "sys.modules['torch'] = None\n"
        f"for name in {core_modules()!r}:\n"
        "    importlib.import_module(name)\n"
        "assert sys.modules['torch'] is None\n"
        "print(sum(n.split('.')[0] == 'torch' for n in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1"  # the blocker itself and nothing under it


def test_importing_ranvier_is_quiet_and_writes_nothing(tmp_path: Path) -> None:
    env = os.environ | {"RANVIER_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import ranvier"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=env,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_a_package_leaves_alone_what_it_may_not_know(package: str) -> None:
    banned = [f"ranvier.{name}" for name in FORBIDDEN[package]]
    guilty = {
        (dotted(path), name)
        for path in FILES
        if inside(dotted(path), f"ranvier.{package}")
        for name in imports(path)
        if inside(name, *banned)
    }
    assert guilty == set()


def base_chip(path: Path) -> str:
    """The module a chip file takes its base from, where its CHIP is ``replace(BASE, ...)``."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    bases = {
        alias.asname or alias.name: node.module or ""
        for node in body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == "CHIP"
    }
    for node in body:
        if not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CHIP"):
            continue
        made = node.value
        if isinstance(made, ast.Call) and ast.unparse(made.func) == "replace" and made.args:
            return bases.get(ast.unparse(made.args[0]), "")
    return ""


def test_chip_files_see_only_the_shared_blocks() -> None:
    """And a silicon revision the chip it is a ``replace()`` of, which is its base."""
    allowed = [f"ranvier.{name}" for name in CHIPS_SEE]
    guilty = {
        (dotted(path), name)
        for path in FILES
        if inside(dotted(path), "ranvier.chips") and path.name != "__init__.py"
        for name in imports(path)
        if inside(name, "ranvier")
        and not inside(name, *allowed)
        and not inside(name, base_chip(path) or "-")
        and not name.startswith("ranvier.chips._")  # shared parts: blocks, tables of numbers
        and not any(inside(a, name) for a in allowed)
    }
    assert guilty == set()


def test_every_module_of_the_house_stands_on_a_floor() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    (floors,) = [c for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    rooms = {
        room.strip(" ()")
        for floor in floors["layers"]
        for room in floor.replace("|", ":").split(":")
    }
    there = {name.split(".")[1] for name in modules() if name != "ranvier"}
    assert there <= rooms


def test_the_command_leads_somewhere_once_there_is_a_command_line() -> None:
    scripts = [p for p in entry_points(group="console_scripts") if p.name == "ranvier"]
    assert [p.value for p in scripts] == ["ranvier.cli:main"]
    if (SOURCE / "ranvier" / "cli").is_dir() or (SOURCE / "ranvier" / "cli.py").is_file():
        assert callable(scripts[0].load())


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(ranvier.__file__).parent / "py.typed").is_file()

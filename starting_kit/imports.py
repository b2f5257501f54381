"""What imports in Python text mean, and whose a file is."""

import ast
import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
ZOO = PROJECT / "solutions"
KIT = PROJECT / "starting_kit"
OUR_PACKAGES = ("starting_kit", "solutions", "evaluation")
STANDARD_LIBRARY = Path(os.__file__).resolve().parent


def file_of(name: str, folder: Path) -> Path | None:
    """The file in a folder that defines a module, given its full name; None if there is none."""
    stem = f"{folder}/{name.replace('.', '/')}"
    return next((file for file in (Path(f"{stem}/__init__.py"), Path(f"{stem}.py")) if file.is_file()), None)


def is_beside(name: str, members: Iterable[str], folder: Path) -> bool:
    """Whether an import in a folder means a module of that folder.

    A folder without `__init__.py` is meant only if the import names a module in it: a `logging/` beside a solution may hold
    logs.

    Args:
        name: of the module.
        members: names imported from it.
        folder: where the importing file lies.
    """
    top = name.partition(".")[0]
    if top in sys.builtin_module_names or (folder == PROJECT and top in OUR_PACKAGES):
        return False
    if file_of(top, folder):
        return True
    return (folder / top).is_dir() and any(file_of(f"{name}.{member}".rstrip("."), folder) for member in ("", *members))


def is_ours(file: Path) -> bool:
    """Whether a file belongs to the kit, the zoo or the evaluation."""
    return any(file.is_relative_to(PROJECT / package) for package in OUR_PACKAGES)


def is_own(file: Path, folder: Path) -> bool:
    """Whether a file is one of a folder's own, rather than of Python, an installed package or the kit.

    All of these may lie below the folder: it may hold an environment, or be the project's.
    """
    if not file.is_relative_to(folder) or {"site-packages", "dist-packages"} & set(file.relative_to(folder).parts):
        return False
    others = (STANDARD_LIBRARY, *(PROJECT / package for package in OUR_PACKAGES))
    return not any(file.is_relative_to(other) and not folder.is_relative_to(other) for other in others)


@lru_cache(maxsize=256)
def imports(text: str, package: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The modules that a text imports, each with the names imported from it.

    Calls of `import_module` and `__import__` count if they name the module literally.

    Args:
        text: of a Python file.
        package: that the file belongs to, for relative imports; empty if none.
    """
    found: list[tuple[str, tuple[str, ...]]] = []
    for node in ast.walk(ast.parse(text)):
        with contextlib.suppress(ImportError):  # relative to nothing
            match node:
                case ast.Import(names):
                    found += ((alias.name, ()) for alias in names)
                case ast.ImportFrom(module, names, level):
                    name = importlib.util.resolve_name("." * level + (module or ""), package)
                    found.append((name, tuple(alias.name for alias in names)))
                case ast.Call(
                    ast.Name("import_module" | "__import__") | ast.Attribute(_, "import_module"), [ast.Constant(str(name)), *_]
                ):
                    found.append((importlib.util.resolve_name(name, package), ()))
    return tuple(found)

"""The files that decide what a solution does: its sources, and the files beside it that they name."""

import ast
import contextlib
import glob
import hashlib
import importlib.util
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from starting_kit.errors import InputError
from starting_kit.imports import KIT, PROJECT, ZOO, file_of, imports, is_beside

LONGEST_NAME = 200  # characters of a string that may name a file
DEEPEST = 3  # how many `../` such a name may begin with
LARGEST_FOLDER = 2**28  # bytes in a folder that counts as named with all its files
MOST_FILES = 1000  # in it
PLACEHOLDER = re.compile(r"\{[^{}]*\}|%[-\d.]*[a-z]")  # where `format` and `%` put something


def read(file: Path) -> str:
    """The text of a Python file as Python reads it: with a byte order mark, or in the encoding that it declares.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return importlib.util.decode_source(file.read_bytes())
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        raise InputError(f"{file} cannot be read: {error}.") from error


def sources(path: Path, text: str | None = None, loaded: Iterable[Path] = ()) -> dict[str, str]:
    """Text of a solution's file and, followed through their imports, of the modules beside it and in the zoo.

    A name means what it means when the solution runs (`starting_kit.loading`). A module of the starting kit that one of them
    imports is among them, but not what that imports: it is the kit's, which all models have in common.

    Args:
        path: the file.
        text: of the file, where it is not what is on disk.
        loaded: modules of the solution's that were imported when it was loaded, in whatever way.

    Raises:
        InputError: a file that cannot be read.
    """
    found: dict[str, str] = {} if text is None else {path.name: text}
    waiting = [path] if text is None else _imported_files(path, text, path.parent)
    waiting += loaded
    while waiting:
        file = waiting.pop()
        name = name_of(file, path.parent)
        # An empty `__init__.py` decides nothing.
        if name not in found and (file.name != "__init__.py" or file.stat().st_size):
            found[name] = read(file)
            if not file.is_relative_to(KIT):
                waiting += _imported_files(file, found[name], path.parent)
    return dict(sorted(found.items()))


def name_of(file: Path, folder: Path) -> str:
    """The name of a file among a solution's sources, given the solution's folder."""
    of_project = file.is_relative_to(ZOO) or file.is_relative_to(KIT)
    return str(file.relative_to(PROJECT)) if of_project else os.path.relpath(file, folder)


def _imported_files(importing: Path, text: str, folder: Path) -> list[Path]:
    """Files in the solution's folder, in the zoo or in the starting kit that a file of the solution's or the zoo's imports."""
    files: list[Path | None] = []
    sees_folder = importing.is_relative_to(folder)
    package = ".".join(importing.parent.relative_to(folder).parts) if sees_folder else ""
    try:
        imported = imports(text, package)
    except (SyntaxError, ValueError):  # who imports it is told; it may be a file that nobody imports here
        return []
    for name, members in imported:
        candidates = [name, *(f"{name}.{member}" for member in members)]
        if sees_folder and is_beside(name, members, folder):
            candidates += itertools.accumulate(name.split("."), "{}.{}".format)  # its packages are executed, too
            files += [file_of(candidate, folder) for candidate in candidates]
        else:
            here = (file_of(candidate, PROJECT) for candidate in candidates)
            files += [file for file in here if file and (file.is_relative_to(ZOO) or file.is_relative_to(KIT))]
    return [file for file in files if file is not None]


def data_files(path: Path, texts: dict[str, str], loaded: Iterable[Path] = ()) -> dict[str, str]:
    """Digests of the files beside a solution that its sources name, by their names relative to it.

    A string in a source counts as a name, whatever it is there for: of a file, of a folder, or of several files by wildcards.

    Args:
        path: the solution.
        texts: its sources.
        loaded: modules of the solution's that were imported; compiled ones count as well.

    Raises:
        InputError: a file that cannot be read.
    """
    if path.parent == ZOO:
        return {}
    own = (text for name, text in texts.items() if (path.parent / name).exists())  # the others are the project's
    names = {name for literal in set().union(*map(_literals, own)) for name in _files(literal, path.parent)}
    names |= {name_of(file, path.parent) for file in loaded if file.suffix != ".py"}
    try:
        return {name: hashlib.sha256((path.parent / name).read_bytes()).hexdigest() for name in sorted(names - texts.keys())}
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from error


def are_unchanged(path: Path, texts: dict[str, str], files: dict[str, str]) -> bool:
    """Whether a solution's sources and the files that they name still are what they were.

    Args:
        path: the solution.
        texts: its sources, as they were.
        files: digests of the files, as they were.

    Raises:
        InputError: a file that cannot be read.
    """

    def there(names: Iterable[str]) -> list[Path]:
        return [path.parent / name for name in names if (path.parent / name).exists()]

    now = sources(path, loaded=there(texts))
    return now == texts and data_files(path, now, there(files)) == files


@lru_cache(maxsize=256)
def _literals(text: str) -> frozenset[str]:
    """Strings in a text that may name files; what is put into a string there may be anything."""
    with contextlib.suppress(SyntaxError, ValueError):
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant | ast.JoinedStr)]
        strings = (_pattern(node) for node in nodes)
        return frozenset(string for string in strings if 0 < len(string) <= LONGEST_NAME and string.isprintable())
    return frozenset()


def _pattern(node: ast.Constant | ast.JoinedStr) -> str:
    """A string with wildcards for what is put into it."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_pattern(part) if isinstance(part, ast.Constant) else "*" for part in node.values)
    return PLACEHOLDER.sub("*", node.value) if isinstance(node.value, str) else ""


def _files(literal: str, folder: Path) -> Iterator[str]:
    """The files that a string means, relative to a folder."""
    name = os.path.normpath(literal)
    if not name.strip("./*?[]") or Path(name).is_absolute() or Path(name).parts.count("..") > DEEPEST:
        return
    if glob.has_magic(name):
        matches = glob.glob(name, root_dir=folder) if {".", "/"} & set(name) else []  # noqa: PTH207  # it takes `../`
        yield from (match for match in matches if (folder / match).is_file())
    elif (folder / name).is_file():
        yield name
    elif (folder / name).is_dir():
        yield from _files_below(folder / name, folder)


def _files_below(named: Path, folder: Path) -> list[str]:
    """All files of a named folder; none of one so large that it holds a data set, an environment, results."""
    files: list[str] = []
    size = 0
    for place, folders, names in os.walk(named):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for file in filter(Path.is_file, (Path(place, name) for name in names)):
            size += file.stat().st_size
            files.append(os.path.relpath(file, folder))
            if size > LARGEST_FOLDER or len(files) > MOST_FILES:
                return []
    return files

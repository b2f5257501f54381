"""Takes a solution out of a notebook: `unlearning` and what it uses, as a Python file.

The competition's notebooks load data, train, download and submit. None of that is executed. The code cells are read as one
module, guards are decided as they would be when submitting, and everything that the last `unlearning` uses is traced back:
imports, functions, classes, constants. The notebook's own text is kept, with two changes: "cuda" becomes "cpu", because
networks are on the CPU here, and the competition's folder becomes the one at hand.

1. Magics and shell lines are dropped (`cells`), and so is a cell that is not Python even then.
2. An `if` at the top level is decided where its condition follows from constants (`statements`): the user's
   (`--define test=False`), the notebook's, and that the mock run's file `empty.txt` does not exist.
3. Names that `unlearning` uses, and values that the notebook passes to it beyond the network and the loaders, are traced to the
   statements that bind them, those to the names that they use, and so on (`needs`).
4. A statement that would have to be executed, but loads data, trains, downloads, or starts programs, is refused (`refusals`).
5. What is left is written down (`solution_text`).
"""

import ast
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from starting_kit.errors import InputError, RunError
from starting_kit.notebooks.cells import read_cells
from starting_kit.notebooks.needs import FUNCTION, needed, passed_on
from starting_kit.notebooks.refusals import refuse
from starting_kit.notebooks.solution_text import assembled, on_cpu
from starting_kit.notebooks.statements import names_of, submitted
from starting_kit.sources import sources

COMPETITION = re.compile(r"(\.\.|/kaggle)/input/(competitions/)?neurips-2023-machine-unlearning/?")


def extract(path: Path, settings: Iterable[str], competition: Path | None) -> tuple[str, list[str]]:
    """The solution in a notebook.

    Args:
        path: of the notebook.
        settings: constants that the user overrides, `name=value`.
        competition: the competition's folder, or one laid out like it, where there is one.

    Returns:
        Python text that defines `unlearning`, and remarks on what differs from the notebook, a sentence each.

    Raises:
        InputError: the file is not a notebook, it has no `unlearning`, a setting is wrong, or `unlearning` uses what only
            refused code could compute.
    """
    cells, remarks = read_cells(path)
    wanted = _parse_settings(settings)
    statements = list(submitted(cells, dict(wanted)))
    if not any(FUNCTION in statement.binds for statement in statements):
        guards = "; --define NAME=VALUE decides guards" if any(f"def {FUNCTION}" in cell for cell in cells) else ""
        raise InputError(f"{path} defines no function {FUNCTION} that is used when submitting{guards}.")
    if unknown := [name for name in wanted if not any(name in s.binds | s.reads for s in statements)]:
        raise InputError(f"--define {unknown[0]}=...: nothing in {path} has that name.")
    kept = needed({FUNCTION}, statements)
    refuse(path, kept, statements, competition)
    passed: dict[str, str] = {}
    for name, (value, cell) in passed_on(statements).items():
        own = needed(names_of(value)[1], statements)
        try:
            refuse(path, own, statements, competition)
        except InputError as error:
            remarks.append(f"{FUNCTION} is called without {name}={value}, which cell {cell} gives it. {error}")
        else:
            passed[name] = value
            kept += [statement for statement in own if statement not in kept]
    text = assembled(path, sorted(kept, key=statements.index), passed, wanted)
    return on_cpu(COMPETITION.sub(f"{competition}/", text) if competition else text), remarks


def write(path: Path, settings: Iterable[str], competition: Path | None, folder: Path) -> tuple[Path, list[str]]:
    """Write the solution in a notebook to a file, with copies of the modules beside the notebook that it imports.

    Args:
        path: of the notebook.
        settings: constants that the user overrides, `name=value`.
        competition: the competition's folder, or one laid out like it, where there is one.
        folder: a folder of the notebook's name is made in it.

    Returns:
        The file, and remarks on what differs from the notebook, a sentence each.

    Raises:
        InputError: the notebook is refused by `extract`, or a module beside it cannot be read.
        RunError: the folder cannot be written.
    """
    text, remarks = extract(path, settings, competition)
    target = folder / path.stem / f"{path.stem}.py"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for name, source in sources(path.with_suffix(".py"), text).items():
            if name == target.name or (path.parent / name).exists():  # else it belongs to the zoo
                (target.parent / name).parent.mkdir(parents=True, exist_ok=True)
                (target.parent / name).write_text(source, encoding="utf-8")
    except OSError as error:
        raise RunError(f"{target.parent} cannot be written: {error.strerror}.") from error
    return target, remarks


def _parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Values of `name=value`, read as Python literals where they are, else as text."""
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"--define {setting} is not of the form name=value.")
        try:
            values[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            values[name] = text
    return values

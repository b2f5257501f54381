"""Takes a solution out of a notebook: `unlearning`, what it uses, and what the notebook does around its call, as a Python file.

The competition's notebooks load data, train, download and submit. None of that is executed. The code cells are read as one
module, guards are decided as they would be when submitting, and the way to the last call of `unlearning`, and on to the
checkpoint, is followed. The notebook's own text is kept, with two changes: "cuda" becomes "cpu", because networks are on the
CPU here, and the competition's folder becomes the one at hand.

1. Magics and shell lines are dropped (`cells`), and so is a cell that is not Python even then.
2. An `if` is decided where its condition follows from constants (`statements`): the user's (`--define test=False`), the
   notebook's, and that the mock run's file `empty.txt` does not exist.
3. The way to the call is laid out (`route`), and it is found out what the call gives: the network, which loader is which, what
   else (`roles`, `call`), and how its loaders are set up (`loader_settings`).
4. Names are traced to the statements that bind them and that change what they stand for, those to the names that they use, and
   so on (`slicing`, `effects`), up to what the kit gives. A statement that would have to be executed, but loads data, trains,
   downloads, or starts programs, is refused (`refusals`).
5. Where the notebook does not call its function plainly, a function of ours does as the notebook does (`adapter`).
6. What is left is written down (`solution_text`). What is not done is said.
"""

import ast
import contextlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from starting_kit import roles
from starting_kit.errors import InputError, RunError
from starting_kit.notebooks import adapter_text
from starting_kit.notebooks.adapter import Plan
from starting_kit.notebooks.call import Signature, arguments
from starting_kit.notebooks.cells import Cells, read_cells
from starting_kit.notebooks.constants import note_constants
from starting_kit.notebooks.loader_settings import Maker
from starting_kit.notebooks.needed import MissingError
from starting_kit.notebooks.remarks import remarks_on_seeds, remarks_on_statements
from starting_kit.notebooks.rewriting import mark
from starting_kit.notebooks.route import Finder
from starting_kit.notebooks.slicing import Slice
from starting_kit.notebooks.solution_text import assembled, on_cpu
from starting_kit.notebooks.statements import Statement, names_of, submitted
from starting_kit.notebooks.way import FUNCTION, RESULT, Route
from starting_kit.seeds import seeding_inside
from starting_kit.sources import sources

COMPETITION = re.compile(r"(\.\.|/kaggle)/input/(competitions/)?neurips-2023-machine-unlearning/?")
CONSTANTS = ("BATCHES", "LOCKSTEP", "SEARCH_SPACE")  # of the kit, as in a Python file


def extract(path: Path, settings: Iterable[str], competition: Path | None) -> tuple[str, list[str]]:
    """The solution in a notebook.

    Args:
        path: of the notebook.
        settings: constants that the user overrides, `name=value`.
        competition: the competition's folder, or one laid out like it, where there is one.

    Returns:
        Python text that defines `unlearning`, and remarks on what differs from the notebook, a sentence each.

    Raises:
        InputError: the file is not a notebook, it has no `unlearning`, a setting is wrong, `unlearning` uses what only
            refused code could compute, or its parameters' order is not known.
    """
    return _extract(path, read_cells(path), settings, competition)


def write(path: Path, settings: Iterable[str], competition: Path | None, folder: Path) -> tuple[Path, list[str]]:
    """Write the solution in a notebook to a file, with copies of the modules of the notebook's that it imports.

    These lie beside the notebook, in a folder that it puts on `sys.path`, or in its cells (%%writefile).

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
    cells = read_cells(path)
    text, remarks = _extract(path, cells, settings, competition)
    target = folder / path.stem / f"{path.stem}.py"
    try:
        for name, source in {**_modules(path, cells, text), target.name: text}.items():
            (target.parent / name).parent.mkdir(parents=True, exist_ok=True)
            (target.parent / name).write_text(source, encoding="utf-8")
    except OSError as error:
        raise RunError(f"{target.parent} cannot be written: {error.strerror}.") from error
    return target, remarks


def _modules(path: Path, cells: Cells, text: str) -> dict[str, str]:
    """Texts of the notebook's modules that a text imports, by the names of their files."""
    added = (Path(path.parent, found) for cell in cells.python for found in _added_to_path(cell))
    places = list(dict.fromkeys([path.parent.resolve(), *(place.resolve() for place in added)]))
    modules: dict[str, str] = {}
    waiting = {path.with_suffix(".py").name: text, **cells.files}
    while waiting:
        name, source = waiting.popitem()
        modules[name] = source
        for place in places:
            for other, its_text in sources(place / name, source).items():
                if other not in modules and other not in waiting and (place / other).exists():  # else it belongs to the zoo
                    waiting[other] = its_text
    return modules


def _added_to_path(text: str) -> Iterable[str]:
    """Folders that Python text puts on `sys.path`."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(ast.Attribute(_, "append" | "insert"), [*_, ast.Constant(str(folder))]) if "sys.path" in ast.unparse(
                node
            ):
                yield folder


def _extract(path: Path, cells: Cells, settings: Iterable[str], competition: Path | None) -> tuple[str, list[str]]:
    wanted = _parse_settings(settings)
    constants = dict(wanted)
    statements = list(submitted(cells.python, constants))
    _require_function(path, cells, statements, wanted)
    if not any("torch" in statement.binds for statement in statements):
        statements.insert(0, Statement.of(0, "import torch", ast.parse("import torch").body[0]))
    finder = Finder(statements, constants)
    route = finder.to_unlearning()
    definitions = [s for s in statements if FUNCTION in s.binds]
    definition = next((s for s in reversed(route.before if route else []) if s in definitions), definitions[-1])
    signature = Signature.of(definition.node)
    way = finder.to_checkpoint(route or _route_without_call(path, statements, definition, signature))
    remarks = [*cells.remarks, *(way.route.remarks if route else _remarks_on_no_call(statements))]
    found = Slice(way.statements, way.call, competition, wanted)
    for statement in way.statements[: way.call]:
        if statement.in_run:
            note_constants(statement.node, statement.binds, constants, wanted)
    try:
        plan = Plan(way, found, signature, arguments(way.route.call, signature, found), Maker(way.statements, constants))
        found.demand(FUNCTION, way.call)
        for name in CONSTANTS:
            if any(name in statement.binds for statement in statements):
                found.demand(name, way.call)
        _keep_settings_of_modules(found)
        text = _text(path, plan, wanted)
    except MissingError as error:
        raise InputError(f"{path.name}: {FUNCTION} needs {error}{error.ending}") from error
    _require_all(path, text, statements)
    remarks += [*plan.remarks, *remarks_on_statements(plan), *remarks_on_seeds(plan)]
    return on_cpu(COMPETITION.sub(f"{competition}/", text) if competition else text), list(dict.fromkeys(remarks))


def _keep_settings_of_modules(found: Slice) -> None:
    """Execute what sets constants in the notebook's own modules, `helpers.EPOCHS = 3`; what cannot be is remarked on."""
    for index, changes in enumerate(found.effects.of_statements[: found.call]):
        if changes.modules & found.own_modules:
            with contextlib.suppress(MissingError):
                found.include(index, index)


def _require_all(path: Path, text: str, statements: list[Statement]) -> None:
    """Refuse what needs a name that the notebook binds by what is not executed."""
    binds, reads = names_of(text)
    bound_by_functions = {name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Global) for name in n.names}
    for name in sorted(reads - binds - bound_by_functions):
        if made := [statement for statement in statements if name in statement.binds]:
            raise InputError(f"{path.name}: {FUNCTION} needs {name} of {made[-1]}, which is not executed.")


def _text(path: Path, plan: Plan, wanted: dict[str, Any]) -> str:
    plan.make()
    found = plan.found
    adapter = adapter_text.written(plan) if adapter_text.is_needed(plan) else None
    kept = [found.statements[index] for index in sorted(found.needed.at_top)]
    used = {FUNCTION, *CONSTANTS} | (names_of(adapter)[1] if adapter else set())
    text = assembled(path, kept, adapter, used, wanted)
    if adapter is None or not seeding_inside(text):
        return text
    return assembled(path, kept, adapter_text.with_seeds(adapter), used, wanted)


def _require_function(path: Path, cells: Cells, statements: list[Statement], wanted: dict[str, Any]) -> None:
    if not any(FUNCTION in statement.binds for statement in statements):
        guards = "; --define NAME=VALUE decides guards" if any(f"def {FUNCTION}" in cell for cell in cells.python) else ""
        raise InputError(f"{path} defines no function {FUNCTION} that is used when submitting{guards}.")
    if unknown := [name for name in wanted if not any(name in s.binds | s.reads for s in statements)]:
        raise InputError(f"--define {unknown[0]}=...: nothing in {path} has that name.")


def _remarks_on_no_call(statements: list[Statement]) -> list[str]:
    """Whether there may be a call that was not found, in a method, say."""
    using = [statement for statement in statements if FUNCTION in statement.reads - statement.binds]
    return [f"{using[-1]} uses {FUNCTION} and is not followed: it is called on the task's loaders" for _ in using[:1]]


def _route_without_call(path: Path, statements: list[Statement], definition: Statement, signature: Signature) -> Route:
    """The call that a notebook without one means: the arguments go by the parameters' names, or else by their order."""
    names = signature.names[: len(roles.ROLES)]
    if roles.contradicts(names):
        given = ", ".join(names)
        raise InputError(
            f"{path.name} defines {FUNCTION}({given}) and never calls it: put the parameters in the order "
            f"({', '.join(roles.PARAMETERS.values())}), or add the call that says what each is given."
        )
    if len(names) < len(roles.ROLES):
        names = [name for name in names if roles.role(name)] or list(roles.ROLES)
    meant = [ast.Name(roles.PARAMETERS[role], ast.Load()) for role in roles.by_position(names).values()]
    call = ast.Call(ast.Name(FUNCTION, ast.Load()), list(meant), [])
    mark(call)
    hit = Statement.made(definition.cell, ast.Assign([ast.Name(RESULT, ast.Store())], call))
    return Route(statements[: statements.index(definition) + 1], hit, call)


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

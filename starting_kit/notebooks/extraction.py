"""A solution out of a notebook: `unlearning` and what it uses, as a Python file.

Notebooks of the competition load data, train, download and submit. None of that is executed. The code cells are read as one
module, guards are decided as they would be when submitting, and everything that the last `unlearning` uses is followed back:
imports, functions, classes, constants. What is kept is the notebook's own text, but for two things: "cuda" becomes "cpu",
because networks are on the CPU here, and the competition's folder is the one at hand.

1. Magics and shell lines are dropped, and cells that are no Python even so.
2. An `if` at the top level is decided where its condition follows from constants: the user's (`--define test=False`), the
   notebook's, and that the mock run's file `empty.txt` does not exist.
3. Names that `unlearning` uses, and values that the notebook passes to it beyond the four, are followed to the statements that
   bind them, those to the names that they use, and so on (`symtable` says which names of a function are global).
4. A statement that would have to be executed, but loads data, trains, downloads, or starts programs, is refused.
"""

import ast
import builtins
import json
import re
import symtable
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from starting_kit.contract import sources
from starting_kit.errors import InputError, RunError

FUNCTION = "unlearning"
GIVEN = 4  # arguments: the network and three loaders
COMPETITION = re.compile(r"(\.\.|/kaggle)/input/(competitions/)?neurips-2023-machine-unlearning/?")
MAGIC = re.compile(r"\s*([\w, ]+=\s*)?[!%].*|\s*\?.*|.*\?\s*")
DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
DEVICE = re.compile(r"cuda(:\d+)?")
KEEPS_CUDA = {"autocast", "GradScaler"}  # without a GPU these do nothing if they are told "cuda"

# What is not executed for a value: by the module that a call goes to, or by the last part of its name.
MODULES = {
    **dict.fromkeys(("requests", "urllib", "wget", "gdown", "urlretrieve", "urlopen"), "downloads"),
    **dict.fromkeys(("subprocess", "system", "popen", "get_ipython"), "starts a program"),
    **dict.fromkeys(("backward", "fit", "step"), "trains"),
    **dict.fromkeys(("DataLoader", "CIFAR10", "CIFAR100", "MNIST", "ImageFolder"), "loads data"),
}
READS = ("open", "load", "read_csv", "read_image", "read_json", "read_text", "read_bytes", "listdir", "glob")


@dataclass(frozen=True)
class Statement:
    """A statement at the top level of a notebook.

    Attributes:
        cell: number of its code cell, from 1.
        text: as it stands there.
        node: its syntax tree.
        binds, reads: global names.
    """

    cell: int
    text: str
    node: ast.stmt
    binds: frozenset[str]
    reads: frozenset[str]

    @classmethod
    def of(cls, cell: int, source: str, node: ast.stmt) -> "Statement":
        """The statement of a syntax tree; `source` is the text of its cell."""
        text = _text(source, node)
        binds, reads = _names(text)
        return cls(cell, text, node, binds, reads)

    def __str__(self) -> str:
        return f"cell {self.cell}: {self.text.splitlines()[0].strip()}"


def extract(path: Path, settings: Iterable[str], competition: Path | None) -> tuple[str, list[str]]:
    """The solution in a notebook.

    Args:
        path: of the notebook.
        settings: constants that the user wants otherwise, `name=value`.
        competition: the competition's folder, or one laid out like it, where there is one.

    Returns:
        Python text that defines `unlearning`, and remarks on what is not as in the notebook, a sentence each.

    Raises:
        InputError: the file is no notebook, there is no `unlearning` in it, or what that uses cannot be had without executing
            what is not to be executed.
    """
    cells, remarks = read_cells(path)
    wanted = _parse_settings(settings)
    statements = list(_flatten(cells, dict(wanted)))
    if not any(FUNCTION in statement.binds for statement in statements):
        guards = "; --define NAME=VALUE decides guards" if any(f"def {FUNCTION}" in cell for cell in cells) else ""
        raise InputError(f"{path} defines no function {FUNCTION} that is used when submitting{guards}.")
    if unknown := [name for name in wanted if not any(name in s.binds | s.reads for s in statements)]:
        raise InputError(f"--define {unknown[0]}=...: nothing in {path} has that name.")
    kept = _needed({FUNCTION}, statements)
    _refuse(path, kept, statements, competition)
    passed: dict[str, str] = {}
    for name, (value, cell) in _passed(statements).items():
        own = _needed(_names(value)[1], statements)
        try:
            _refuse(path, own, statements, competition)
        except InputError as error:
            remarks.append(f"{FUNCTION} is called without {name}={value}, which cell {cell} gives it. {error}")
        else:
            passed[name] = value
            kept += [statement for statement in own if statement not in kept]
    text = _assembled(path, sorted(kept, key=statements.index), passed, wanted)
    return _on_cpu(COMPETITION.sub(f"{competition}/", text) if competition else text), remarks


def write(path: Path, settings: Iterable[str], competition: Path | None, folder: Path) -> tuple[Path, list[str]]:
    """Write the solution in a notebook to a file, with copies of the modules beside the notebook that it imports.

    Args:
        path: as for `extract`.
        settings: as for `extract`.
        competition: as for `extract`.
        folder: where a folder of the notebook's name is made for it.

    Returns:
        The file, and remarks as from `extract`.

    Raises:
        InputError: as for `extract`, or a module cannot be read.
        RunError: the folder cannot be written.
    """
    text, remarks = extract(path, settings, competition)
    target = folder / path.stem / f"{path.stem}.py"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for name, source in sources(path.with_suffix(".py"), text).items():
            if name == target.name or (path.parent / name).exists():  # else it is of the zoo
                (target.parent / name).parent.mkdir(parents=True, exist_ok=True)
                (target.parent / name).write_text(source, encoding="utf-8")
    except OSError as error:
        raise RunError(f"{target.parent} cannot be written: {error.strerror}.") from error
    return target, remarks


def read_cells(path: Path) -> tuple[list[str], list[str]]:
    """The code cells of a notebook as Python, empty where one is none, and remarks on those.

    Raises:
        InputError: the file is no notebook.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no Jupyter notebook ({type(error).__name__}: {error}).") from error
    cells, remarks = [], []
    for number, source in enumerate(sources, start=1):
        cells.append("")
        for attempt in (source, _without_magics(source)):
            try:
                ast.parse(attempt)
            except (SyntaxError, ValueError) as error:
                problem = error
            else:
                cells[-1] = attempt
                break
        else:
            remarks.append(f"cell {number} of {path.name} is left out, it is no Python ({problem})")
    return cells, remarks


def _without_magics(source: str) -> str:
    """Blank lines in place of magics; a cell in another language is blank altogether."""
    lines = source.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%") and first.split()[0] not in ("%%time", "%%timeit", "%%capture", "%%prun"):
        return ""
    blank = [" " * (len(line) - len(line.lstrip())) + "pass" if MAGIC.fullmatch(line) else line for line in lines]
    return "\n".join(blank)


# --- which statements there are


def _flatten(cells: list[str], constants: dict[str, Any]) -> Iterator[Statement]:
    """All statements at the top level, and those of the branches that would be taken when submitting."""
    fixed = set(constants)
    for number, source in enumerate(cells, start=1):
        waiting = list(ast.parse(source).body)
        while waiting:
            node = waiting.pop(0)
            if isinstance(node, ast.If):
                taken, decided = _value(node.test, constants)
                if decided:
                    waiting[:0] = node.body if taken else node.orelse
                    continue
            for name, expression in _assigned(node):
                value, known = _value(expression, constants) if expression else (None, False)
                if known and name not in fixed:
                    constants[name] = value
                elif name not in fixed:
                    constants.pop(name, None)
            yield Statement.of(number, source, node)


def _assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr | None]]:
    """Names that an assignment binds, with their values."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    for target in targets:
        if isinstance(target, ast.Name):
            yield target.id, node.value  # type: ignore[attr-defined]


def _value(expression: ast.expr, constants: Mapping[str, Any]) -> tuple[Any, bool]:
    """The value of an expression of constants, and whether it is one."""
    there = SimpleNamespace(path=SimpleNamespace(exists=_exists, isfile=_exists, join=lambda *parts: "/".join(parts)))
    known = {"__builtins__": {}, "os": there, "__name__": "__main__", **constants}
    try:
        return eval(compile(ast.Expression(expression), "", "eval"), known), True
    except Exception:  # whatever an expression that is not constant may raise
        return None, False


def _exists(path: str) -> bool:
    """Of all files it is only known that the mock run's is not there when submitting."""
    if str(path).endswith("empty.txt"):
        return False
    raise LookupError(path)


def _text(source: str, node: ast.stmt) -> str:
    """A statement's text, not indented; comments inside are kept if that can be."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    text = textwrap.dedent("\n".join(source.split("\n")[first - 1 : node.end_lineno]))
    try:
        if ast.dump(ast.parse(text)) == ast.dump(ast.Module([node], [])):
            return text
    except SyntaxError:
        pass  # a string goes further to the left than the statement, or the line has several statements
    return ast.unparse(node)


def _names(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Global names that Python text binds, and those that it reads, now or when its functions are called."""
    binds, reads = set(), set()
    waiting = [symtable.symtable(text, "", "exec")]
    while waiting:
        table = waiting.pop()
        waiting += table.get_children()
        for symbol in table.get_symbols():
            if table.get_type() == "module":
                if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
                    binds.add(symbol.get_name())
                if symbol.is_referenced():
                    reads.add(symbol.get_name())
            elif symbol.is_global():
                reads.add(symbol.get_name())
    return frozenset(binds), frozenset(reads)


# --- which are needed


def _needed(names: Iterable[str], statements: list[Statement]) -> list[Statement]:
    """The statements that names depend on."""
    found: list[Statement] = []
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for statement in _bindings(name, statements):
            if statement not in found:
                found.append(statement)
                waiting += statement.reads
    return sorted(found, key=statements.index)


def _bindings(name: str, statements: list[Statement]) -> list[Statement]:
    """The last statement that binds a name, and if that only changes what the name stands for, those before it."""
    found = []
    for statement in reversed(statements):
        if name in statement.binds:
            found.append(statement)
            if name not in statement.reads or isinstance(statement.node, DEFINITION):
                break
        elif _changes(statement.node) == name and any(name in other.binds for other in statements):
            found.append(statement)
    star = [s for s in statements if isinstance(s.node, ast.ImportFrom) and s.node.names[0].name == "*"]
    return found or (star if not hasattr(builtins, name) else [])


def _changes(node: ast.stmt) -> str | None:
    """The name of what `name[...] = value`, `name.attribute = value` or `name.method(...)` changes."""
    if isinstance(node, ast.Assign | ast.AugAssign):
        target: Any = node.targets[0] if isinstance(node, ast.Assign) else node.target
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        target = node.value.func
    else:
        return None
    if not isinstance(target, ast.Subscript | ast.Attribute):
        return None
    while isinstance(target, ast.Subscript | ast.Attribute):
        target = target.value
    return target.id if isinstance(target, ast.Name) else None


def _passed(statements: list[Statement]) -> dict[str, tuple[str, int]]:
    """What the notebook's last call of `unlearning` gives it beyond the four: by parameter its text, and in which cell."""
    function = next(s.node for s in reversed(statements) if FUNCTION in s.binds)
    calls = [
        (call, statement)
        for statement in statements
        if not isinstance(statement.node, DEFINITION)
        for call in ast.walk(statement.node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == FUNCTION
    ]
    if not calls or not isinstance(function, ast.FunctionDef):
        return {}
    call, statement = calls[-1]
    names = [argument.arg for argument in function.args.args]
    given = dict(zip(names[GIVEN:], call.args[GIVEN:], strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg and keyword.arg not in names[:GIVEN]}
    return {name: (ast.unparse(value), statement.cell) for name, value in given.items()}


# --- what is not executed


def _refuse(path: Path, kept: list[Statement], statements: list[Statement], competition: Path | None) -> None:
    """Raise an InputError if one of the statements does what is not to be done."""
    for statement in kept:
        if isinstance(statement.node, ast.Import | ast.ImportFrom | DEFINITION):
            continue  # to define is not to call
        for name in _called(statement.node, statements):
            parts = name.split(".")
            what = MODULES.get(parts[0]) or MODULES.get(parts[-1])
            if what is None and parts[-1] in READS and competition is None:
                what = "reads a file (if it is the competition's, give that folder: --task kaggle_layout --data DIR)"
            if what:
                raise InputError(
                    f"{path.name}: {FUNCTION} needs what {statement} makes, and {name} {what}, which is not executed."
                )


def _called(node: ast.AST, statements: list[Statement], depth: int = 3) -> Iterator[str]:
    """Dotted names of all that is called, also by functions of the notebook that are called."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            name = _dotted(call.func)
            yield name
            own = [s for s in _bindings(name, statements) if isinstance(s.node, DEFINITION)] if depth else []
            for definition in own:
                yield from _called(definition.node, statements, depth - 1)


def _dotted(function: ast.AST) -> str:
    parts = []
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    parts.append(function.id if isinstance(function, ast.Name) else "")
    return ".".join(reversed(parts))


# --- the text


def _assembled(path: Path, kept: list[Statement], passed: Mapping[str, str], wanted: Mapping[str, Any]) -> str:
    """The file: what the user has set, what is kept, and what the notebook passes on."""
    used = {FUNCTION}.union(*(statement.reads for statement in kept), *(_names(value)[1] for value in passed.values()))
    parts = [f'"""What {path.name} submits: taken out of it by score.py, which does not execute the notebook."""']
    parts += [f"{name} = {value!r}" for name, value in wanted.items()]
    for statement in kept:
        parts += _written(statement, used, wanted)
    if passed:
        values = ", ".join(f"{name}={value}" for name, value in passed.items())
        parts.append(f"import functools\n\n{FUNCTION} = functools.partial({FUNCTION}, {values})")
    return "\n\n".join(parts) + "\n"


def _written(statement: Statement, used: set[str], wanted: Mapping[str, Any]) -> Iterator[str]:
    """A statement's text: without imports that nothing uses, and without the value of what the user has set."""
    node = statement.node
    if any(name in wanted for name, _ in _assigned(node)):
        return
    text = statement.text
    if isinstance(node, ast.Import | ast.ImportFrom) and node.names[0].name != "*":
        names = [alias for alias in node.names if (alias.asname or alias.name.split(".")[0]) in used]
        text = ast.unparse(type(node)(**{**dict(ast.iter_fields(node)), "names": names}))
    yield f"# cell {statement.cell}\n{text}"


def _on_cpu(text: str) -> str:
    """The same with "cpu" for "cuda" and `.cpu()` for `.cuda(...)`."""
    tree = ast.parse(text)
    kept = {
        id(argument)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _dotted(call.func).rsplit(".")[-1] in KEEPS_CUDA
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]
    }
    lines = [line.encode() for line in text.split("\n")]
    edits: list[tuple[int, int, int, bytes]] = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and DEVICE.fullmatch(node.value)
            and id(node) not in kept
        ):
            if node.end_lineno == node.lineno and node.end_col_offset is not None:
                edits.append((node.lineno, node.col_offset, node.end_col_offset, b'"cpu"'))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cuda":
            start, end = node.func.value.end_col_offset, node.end_col_offset
            if node.end_lineno == node.func.value.end_lineno and start is not None and end is not None:
                edits.append((node.end_lineno or 0, start, end, b".cpu()"))
    for line, start, end, new in sorted(edits, reverse=True):
        lines[line - 1] = lines[line - 1][:start] + new + lines[line - 1][end:]
    return b"\n".join(lines).decode()


def _parse_settings(settings: Iterable[str]) -> dict[str, Any]:
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

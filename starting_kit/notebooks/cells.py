"""The code cells of a notebook, read as Python."""

import ast
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from starting_kit.errors import InputError
from starting_kit.extras import needs

MAGIC = re.compile(r"^\s*([\w, ]+=\s*)?[!%?]|\?\s*$", re.MULTILINE)
CELL_MAGIC = re.compile(r"\s*%%(\w+)[ \t]*(.*)\n?")
PYTHON_CELLS = {"time", "timeit", "capture", "prun", "memit", "snakeviz"}
OTHER_CELLS = {"bash", "sh", "script", "html", "javascript", "js", "latex", "markdown", "svg", "perl", "ruby", "sql"}


@dataclass
class Cells:
    """What the code cells of a notebook hold.

    Attributes:
        python: the text of each as Python; empty for one that is not.
        files: modules that cells write beside the notebook (%%writefile), by name.
        remarks: on cells that are left out.
    """

    python: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def add(self, source: str) -> None:
        """Read one more cell."""
        number, inner, command = len(self.python) + 1, source, None
        while (command := CELL_MAGIC.match(inner)) and command[1] in PYTHON_CELLS:
            inner = inner[command.end() :]
        self.python.append("")
        if command and command[1] in ("writefile", "file"):
            self._write(command[2].split(), inner[command.end() :])
        elif command and command[1] not in OTHER_CELLS:
            self.remarks.append(f"cell {number} is left out: %%{command[1]}")
        elif not command:
            try:
                self.python[-1] = _without_magics(inner)
            except (SyntaxError, ValueError) as error:
                self.remarks.append(f"cell {number} is left out, it is no Python ({error})")

    def _write(self, arguments: list[str], text: str) -> None:
        path = PurePosixPath(arguments[-1].strip("'\"")) if arguments else PurePosixPath()
        if path.suffix == ".py":
            name = path.name if path.is_absolute() or ".." in path.parts else str(path)
            self.files[name] = self.files.get(name, "") * ("-a" in arguments) + text


def read_cells(path: Path) -> Cells:
    """The code cells of a notebook, of the current format or of one that was made before 2015 (worksheets, input).

    Raises:
        InputError: the file is not a notebook, or it has magics and IPython, which reads them, is not installed.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8-sig"))
        cells = [
            cell for sheet in notebook.get("worksheets", [notebook]) for cell in sheet["cells"] if cell["cell_type"] == "code"
        ]
        sources = ["".join(cell["input" if "worksheets" in notebook else "source"]) for cell in cells]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no Jupyter notebook ({type(error).__name__}: {error}).") from error
    read = Cells()
    for source in sources:
        read.add(source.replace("\r\n", "\n"))
    return read


def _without_magics(source: str) -> str:
    """The same without lines that are IPython's; what `%time` times is Python.

    Raises:
        SyntaxError: it is no Python even then.
        ValueError: it has null bytes.
    """
    try:
        ast.parse(source)
    except SyntaxError:
        if not MAGIC.search(source):
            raise
    else:
        return source
    with needs("notebooks"):
        from IPython.core.inputtransformer2 import TransformerManager
    text = TransformerManager().transform_cell(source)
    lines = text.split("\n")
    for statement in _commands(ast.parse(text)):
        first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
        indent = lines[first][: statement.col_offset]
        lines[first:last] = [f"{indent}{_timed(statement)}", *[""] * (last - first - 1)]
    return "\n".join(lines)


def _commands(tree: ast.Module) -> Iterable[ast.Expr]:
    """Statements that are nothing but a magic or a shell command; of `files = !ls` the value is not known, it stays."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and ast.unparse(node).startswith("get_ipython()."):
            yield node


def _timed(command: ast.Expr) -> str:
    match command.value:
        case ast.Call(ast.Attribute(_, "run_line_magic"), [ast.Constant("time"), ast.Constant(str(code))]):
            return code
    return "pass"

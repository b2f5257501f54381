"""The statements of a notebook that are run when it is submitted, and the global names that they bind and read."""

import ast
import symtable
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


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
        binds, reads = names_of(text)
        return cls(cell, text, node, binds, reads)

    def __str__(self) -> str:
        return f"cell {self.cell}: {self.text.splitlines()[0].strip()}"


def submitted(cells: list[str], constants: dict[str, Any]) -> Iterator[Statement]:
    """All statements at the top level, with those of the branches that would be taken when submitting.

    Args:
        cells: Python text of the code cells.
        constants: those that the user has set; the notebook's are added while the statements are read.
    """
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
            for name, expression in assigned(node):
                value, known = _value(expression, constants) if expression else (None, False)
                if known and name not in fixed:
                    constants[name] = value
                elif name not in fixed:
                    constants.pop(name, None)
            yield Statement.of(number, source, node)


def assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr | None]]:
    """Names that an assignment binds, with their values."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    for target in targets:
        if isinstance(target, ast.Name):
            yield target.id, node.value  # type: ignore[attr-defined]


def _value(expression: ast.expr, constants: Mapping[str, Any]) -> tuple[Any, bool]:
    """The value of an expression, and whether it is constant."""
    there = SimpleNamespace(path=SimpleNamespace(exists=_exists, isfile=_exists, join=lambda *parts: "/".join(parts)))
    known = {"__builtins__": {}, "os": there, "__name__": "__main__", **constants}
    try:
        return eval(compile(ast.Expression(expression), "", "eval"), known), True
    except Exception:  # whatever an expression that is not constant may raise
        return None, False


def _exists(path: str) -> bool:
    """All that is known of files is that the mock run's does not exist when submitting."""
    if str(path).endswith("empty.txt"):
        return False
    raise LookupError(path)


def _text(source: str, node: ast.stmt) -> str:
    """A statement's text without its indentation, with the comments inside where possible."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    text = textwrap.dedent("\n".join(source.split("\n")[first - 1 : node.end_lineno]))
    try:
        if ast.dump(ast.parse(text)) == ast.dump(ast.Module([node], [])):
            return text
    except SyntaxError:
        pass  # a string starts further left than the statement, or the line has several statements
    return ast.unparse(node)


def names_of(text: str) -> tuple[frozenset[str], frozenset[str]]:
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


def dotted(function: ast.AST) -> str:
    """The name of what is called, `a.b.c`; a first part that is not a name is empty."""
    parts = []
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    parts.append(function.id if isinstance(function, ast.Name) else "")
    return ".".join(reversed(parts))

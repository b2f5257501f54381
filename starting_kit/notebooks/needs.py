"""What `unlearning` needs of a notebook: the statements behind a name, and what the notebook passes to it."""

import ast
import builtins
from collections.abc import Iterable
from typing import Any

from starting_kit.notebooks.statements import DEFINITION, Statement

FUNCTION = "unlearning"
GIVEN = 4  # arguments: the network and three loaders


def needed(names: Iterable[str], statements: list[Statement]) -> list[Statement]:
    """The statements that some names depend on, in their order."""
    found: list[Statement] = []
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for statement in bindings(name, statements):
            if statement not in found:
                found.append(statement)
                waiting += statement.reads
    return sorted(found, key=statements.index)


def bindings(name: str, statements: list[Statement]) -> list[Statement]:
    """The last statement that binds a name; where that only changes what the name stands for, those before it too."""
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


def passed_on(statements: list[Statement]) -> dict[str, tuple[str, int]]:
    """What the notebook's last call of `unlearning` passes beyond network and loaders: for each parameter its text and cell."""
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

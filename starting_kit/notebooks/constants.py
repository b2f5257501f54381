"""The constants of a notebook, as far as they can be told without executing it."""

import ast
import builtins
import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from starting_kit.notebooks.known_calls import CHANGING_METHODS

HARMLESS = ("bool", "dict", "enumerate", "float", "int", "len", "list", "max", "min", "range", "str", "sum", "tuple", "zip")


def note_constants(node: ast.stmt, binds: Iterable[str], constants: dict[str, Any], fixed: Collection[str] = ()) -> None:
    """Keep constants up to date with a statement that is executed.

    Args:
        node: the statement.
        binds: names that it binds.
        constants: by name.
        fixed: names of those that stay.
    """
    changed = _constants(node, constants) | _changed_constant(node, constants)
    for name in {*binds, *_of_one_state(_partly_assigned(node), node, constants)} - set(fixed):
        constants.pop(name, None)
    constants.update({name: value for name, value in changed.items() if name not in fixed})


def decided(body: list[ast.stmt], constants: Mapping[str, Any]) -> Iterator[ast.stmt]:
    """Statements, with those of the branch that would be taken in the place of an `if` whose condition is constant."""
    waiting = list(body)
    while waiting:
        node = waiting.pop(0)
        taken, known = value_of(node.test, constants) if isinstance(node, ast.If) else (None, False)
        if known and isinstance(node, ast.If):
            binds = any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(node.test))
            test = [ast.copy_location(ast.Expr(node.test), node.test)] if binds else []
            waiting[:0] = [*test, *(node.body if taken else node.orelse)]
        else:
            yield node


def _constants(node: ast.stmt, constants: Mapping[str, Any]) -> dict[str, Any]:
    """Constant values that a statement binds; a class of constants (`class CFG: lr = 0.1`) is one, too."""
    found: dict[str, Any] = {}
    for name, expression in assigned(node):
        value, known = value_of(expression, constants) if expression else (None, False)
        if known:
            found[name] = value
    match node:
        case ast.Assign([ast.Tuple(names) | ast.List(names)], expression):  # a, b = 1, 2
            values, known = value_of(expression, constants)
            if known and isinstance(values, tuple | list) and len(values) == len(names):
                found |= {n.id: value for n, value in zip(names, values, strict=True) if isinstance(n, ast.Name)}
        case ast.AugAssign(ast.Name(name)):
            operation = ast.BinOp(ast.Name(name, ast.Load()), node.op, node.value)
            value, known = value_of(ast.fix_missing_locations(ast.copy_location(operation, node)), constants)
            found |= {name: value} if known else {}
    if isinstance(node, ast.ClassDef) and not node.bases:
        inside: dict[str, Any] = {}
        for statement in node.body:
            inside |= _constants(statement, {**constants, **inside})
        found[node.name] = _class(node, inside)
    return found


def _class(node: ast.ClassDef, inside: dict[str, Any]) -> type:
    """A class of constants; an instance is one where it is known what making it does."""
    if any(isinstance(method, ast.FunctionDef) and method.name.endswith("init__") for method in node.body):
        return type(node.name, (), {**inside, "__init__": None})
    if not any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return type(node.name, (), inside)
    fields = {s.target.id: s.value for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)}
    known = [name for name, default in fields.items() if default is None or name in inside]
    try:
        return dataclasses.make_dataclass(node.name, known, namespace=inside, kw_only=len(known) < len(fields))
    except (TypeError, ValueError):  # it would raise in the notebook as well
        return type(node.name, (), {**inside, "__init__": None})


def _changed_constant(node: ast.stmt, constants: Mapping[str, Any]) -> dict[str, Any]:
    """The constant of which a statement changes one entry to a constant: `CFG.lr = 0.1`, `params["lr"] = 0.1`."""
    match node:
        case ast.Assign([ast.Attribute(ast.Name(name), key)], expression) if isinstance(constants.get(name), type):
            value, known = value_of(expression, constants)
            return {name: type(name, (), {**vars(constants[name]), key: value})} if known else {}
        case ast.Assign([ast.Subscript(ast.Name(name), ast.Constant(key))], expression) if isinstance(
            constants.get(name), dict
        ):
            value, known = value_of(expression, constants)
            return {name: {**constants[name], key: value}} if known else {}
        case ast.Expr(ast.Call(ast.Name("setattr"), [ast.Name() as owner, ast.Constant(str(key)), expression])):
            return _changed_constant(ast.Assign([ast.Attribute(owner, key)], expression), constants)
    return {}


def _partly_assigned(node: ast.stmt) -> Iterator[str]:
    """Names whose parts a statement changes: `CFG.lr = 0.1`, `rates[0] = 1`, `params.update(lr=1)`, `setattr(CFG, key, 1)`."""
    for inner in ast.walk(node):
        targets: list[ast.expr] = []
        match inner:
            case ast.Assign(targets=targets) | ast.Delete(targets=targets):
                pass
            case ast.AugAssign(target):
                targets = [target]
            case ast.Call(ast.Name("setattr" | "delattr"), [first, *_]):
                targets = [ast.Attribute(first, "")]
            case ast.Expr(ast.Call(ast.Attribute() as method)):
                targets = [method]
            case ast.Call(ast.Attribute(_, name) as method) if name in CHANGING_METHODS:
                targets = [method]
        yield from (_owner(target) for target in targets if isinstance(target, ast.Attribute | ast.Subscript))


def _of_one_state(changed: Iterable[str], node: ast.stmt, constants: Mapping[str, Any]) -> set[str]:
    """Names of constants that change with some names: the same objects, what these hold, and what holds them."""
    names = set(changed)
    for passed, values in _passed_on(node):
        if names & passed:
            names |= {inner.id for value in values for inner in ast.walk(value) if isinstance(inner, ast.Name)}
    states = set().union(*(_states(constants[name]) for name in names & constants.keys()))
    return names & constants.keys() | {name for name, value in constants.items() if _states(value) & states}


def _passed_on(node: ast.stmt) -> Iterator[tuple[set[str], list[ast.expr]]]:
    """Names of loops, of comprehensions, and of functions that a call is given, with what these go through."""
    for inner in ast.walk(node):
        match inner:
            case ast.For(target, value) | ast.comprehension(target, value):
                yield {name.id for name in ast.walk(target) if isinstance(name, ast.Name)}, [value]
            case ast.Call(_, [ast.Lambda(parameters), *values]):
                yield {argument.arg for argument in parameters.args}, values


def _states(value: Any, depth: int = 3) -> set[int]:
    """Identities of a value and of what it holds, as far as they can be changed."""
    held: Iterable[Any] = ()
    if isinstance(value, dict):
        held = value.values()
    elif isinstance(value, list | tuple | set):
        held = value
    elif isinstance(value, type | SimpleNamespace) or dataclasses.is_dataclass(value):
        held = [each for name, each in vars(value).items() if not name.startswith("__")]
    own = (
        {id(value)}
        if isinstance(value, dict | list | set | type | SimpleNamespace) or dataclasses.is_dataclass(value)
        else set()
    )
    return own.union(*(_states(each, depth - 1) for each in held if depth))


def _owner(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        is_view = isinstance(node, ast.Call) and ast.unparse(node.func) == "vars" and node.args
        if isinstance(node, ast.Call) and not is_view:
            return ""
        node = node.args[0] if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr | None]]:
    """Names that an assignment binds, or one inside a simple statement (`(n := 3) > 2`), with their values."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    for inner in ast.walk(node) if isinstance(node, ast.Expr | ast.Assign | ast.AnnAssign) else []:
        if isinstance(inner, ast.NamedExpr):
            yield inner.target.id, inner.value
    for target in targets:
        if isinstance(target, ast.Name):
            yield target.id, node.value  # type: ignore[attr-defined]


def value_of(expression: ast.expr, constants: Mapping[str, Any]) -> tuple[Any, bool]:
    """The value of an expression, and whether it is constant."""
    there = SimpleNamespace(path=SimpleNamespace(exists=_exists, isfile=_exists, join=lambda *parts: "/".join(parts)))
    harmless = {name: getattr(builtins, name) for name in HARMLESS}
    known = {"__builtins__": harmless, "os": there, "__name__": "__main__", "SimpleNamespace": SimpleNamespace, **constants}
    try:
        return eval(compile(ast.Expression(expression), "", "eval"), known), True
    except Exception:  # whatever an expression that is not constant may raise
        return None, False


def _exists(path: str) -> bool:
    """All that is known of files is that the mock run's does not exist when submitting."""
    if str(path).endswith("empty.txt"):
        return False
    raise LookupError(path)

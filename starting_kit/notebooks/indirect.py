"""Names that a piece of code binds and reads otherwise than by writing them: in `globals()`, and in the environment.

An entry of the environment is a name as well, `os.environ['LR']`. What reads an entry reads `os.environ[...]` too, which is
changed by what writes entries that are not written down; what reads all of them reads `os.environ`, which every entry changes.
"""

import ast
import re
from collections.abc import Iterator

ALL, UNKNOWN = "os.environ", "os.environ[...]"
ENVIRONMENT = re.compile(r"(\w+\.)?environ")
READING = {"get", "getenv", "pop", "setdefault", "__getitem__"}
WRITING = {"update", "setdefault", "pop", "clear", "popitem", "putenv", "unsetenv", "load_dotenv"}


def bound_in_globals(node: ast.AST) -> Iterator[str]:
    """Names that code puts into `globals()` and that are written down: `globals()["LR"] = 1`, `globals().update(LR=1)`."""
    for inner in ast.walk(node):
        match inner:
            case ast.Subscript(ast.Call(ast.Name("globals")), ast.Constant(str(name)), ast.Store()):
                yield name
            case ast.Call(ast.Attribute(ast.Call(ast.Name("globals")), "update" | "setdefault" | "__setitem__")):
                yield from _keys(inner)


def changes_globals(node: ast.AST) -> bool:
    """Whether a node puts names into `globals()` that are not written down: `globals()[name] = value`."""
    match node:
        case ast.Subscript(ast.Call(ast.Name("globals")), ast.Constant()):
            return False
        case ast.Subscript(ast.Call(ast.Name("globals")), _, ast.Store() | ast.Del()):
            return True
        case ast.Call(ast.Attribute(ast.Call(ast.Name("globals")), "update" | "setdefault" | "__setitem__")):
            return not _is_written_down(node)
    return False


def read_of_environment(node: ast.AST) -> Iterator[str]:
    """Names of the entries of the environment that code reads."""
    for inner in ast.walk(node):
        match inner:
            case ast.Subscript(owner, key, ast.Load()) if _is_environment(owner):
                yield from _entry(key)
            case ast.Call(ast.Attribute(owner, method), [key, *_]) if method in READING and _is_environment(owner):
                yield from _entry(key)
            case ast.Call(ast.Attribute(_, "getenv") | ast.Name("getenv"), [key, *_]):
                yield from _entry(key)
            case ast.Compare(key, [ast.In() | ast.NotIn()], [owner]) if _is_environment(owner):
                yield from _entry(key)
            case ast.Call(_, arguments) if any(map(_is_environment, arguments)):
                yield ALL
            case ast.Call(ast.Attribute(owner, "items" | "keys" | "values" | "copy")) if _is_environment(owner):
                yield ALL


def written_to_environment(node: ast.AST) -> set[str]:
    """Names of the entries of the environment that one node of a tree changes."""
    match node:
        case ast.Subscript(owner, ast.Constant(key), ast.Store() | ast.Del()) if _is_environment(owner):
            return {f"{ALL}[{key!r}]", ALL}
        case ast.Subscript(owner, _, ast.Store() | ast.Del()) if _is_environment(owner):
            return {UNKNOWN, ALL}
        case ast.Call(ast.Attribute(owner, method)) if method in WRITING and (_is_environment(owner) or "env" in method):
            keys = {f"{ALL}[{key!r}]" for key in _keys(node)}
            return keys | {ALL} | (set() if _is_written_down(node) else {UNKNOWN})
        case ast.AugAssign(ast.Name() | ast.Attribute() as owner) if _is_environment(owner):
            return {UNKNOWN, ALL}
    return set()


def _is_environment(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and ENVIRONMENT.fullmatch(ast.unparse(node)) is not None


def _entry(key: ast.expr) -> set[str]:
    return {f"{ALL}[{key.value!r}]", UNKNOWN} if isinstance(key, ast.Constant) else {ALL}


def _keys(call: ast.Call) -> Iterator[str]:
    """Keys that stand in a call of `update` or of a method for one key."""
    yield from (str(key.value) for key in _positional_keys(call) if isinstance(key, ast.Constant))
    yield from (keyword.arg for keyword in call.keywords if keyword.arg)


def _is_written_down(call: ast.Call) -> bool:
    """Whether all keys that a call changes stand in it."""
    given = bool(call.args or call.keywords)
    return (
        given
        and all(isinstance(key, ast.Constant) for key in _positional_keys(call))
        and all(keyword.arg for keyword in call.keywords)
    )


def _positional_keys(call: ast.Call) -> list[ast.expr | None]:
    """The key that is a call's first argument, or those of the dictionary that is; None for one that is unpacked into it."""
    return [key for first in call.args[:1] for key in (first.keys if isinstance(first, ast.Dict) else [first])]

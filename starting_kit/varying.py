"""Which values in Python text differ from run to run: what follows from a clock, the system, or the seed of the run."""

import ast
import re
from collections.abc import Callable, Iterator

# Numbers that differ from run to run.
VARYING = re.compile(r"time\.|datetime\.|os\.|secrets\.|uuid\.|torch\.(initial_)?seed|.*\.(rand\w*|getrandbits)")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Function | None  # None for the top level


class Varying:
    """Follows values through assignments and through calls of functions that the text defines.

    Args:
        tree: of the text.
        dotted: gives the full name of a function.
    """

    def __init__(self, tree: ast.Module, dotted: Callable[[ast.expr], str]) -> None:
        self.dotted = dotted
        self.scopes: dict[int, Scope] = {}  # of each node, by its id
        self.bound: dict[tuple[int, str], list[ast.expr]] = {}  # values of a name, by its scope's id
        self._note_scopes(tree, None)
        functions = {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}
        for node in ast.walk(tree):
            for name, value in _bindings(node):
                self._bind(self.scopes[id(node)], name, value)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
                for name, value in _given(functions[node.func.id], node):
                    self._bind(functions[node.func.id], name, value)

    def _note_scopes(self, node: ast.AST, scope: Scope) -> None:
        self.scopes[id(node)] = scope
        for child in ast.iter_child_nodes(node):
            self._note_scopes(child, node if isinstance(node, Function) else scope)

    def _bind(self, scope: Scope, name: str, value: ast.expr) -> None:
        self.bound.setdefault((id(scope), name), []).append(value)

    def varies(self, value: ast.AST, seen: frozenset[int] = frozenset()) -> bool:
        """Whether an expression, or one that a name in it may stand for, differs from run to run."""
        if id(value) in seen:
            return False
        seen |= {id(value)}
        for node in ast.walk(value):
            if isinstance(node, ast.Call) and VARYING.match(self.dotted(node.func)):
                return True
            if isinstance(node, ast.Name) and any(self.varies(other, seen) for other in self._values(node)):
                return True
        return False

    def _values(self, name: ast.Name) -> list[ast.expr]:
        own = self.bound.get((id(self.scopes.get(id(name))), name.id))
        return self.bound.get((id(None), name.id), []) if own is None else own


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names that a node binds, each with the expression that its value is, or is taken from."""
    match node:
        case ast.Assign(targets, value):
            pass
        case ast.AnnAssign(target, _, ast.expr() as value) | ast.AugAssign(target, _, value) | ast.NamedExpr(target, value):
            targets = [target]
        case ast.For(target, value) | ast.comprehension(target, value):
            targets = [target]
        case _:
            return
    for target in targets:
        yield from ((part.id, value) for part in ast.walk(target) if isinstance(part, ast.Name))


def _given(function: Function, call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """What a call gives to a function's parameters."""
    names = [argument.arg for argument in [*function.args.posonlyargs, *function.args.args]]
    yield from zip(names, call.args, strict=False)
    yield from ((keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg)

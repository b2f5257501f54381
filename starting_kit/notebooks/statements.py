"""The statements of a notebook that are run when it is submitted, and the global names that they bind and read."""

import ast
import symtable
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starting_kit.notebooks.constants import decided, note_constants
from starting_kit.notebooks.indirect import bound_in_globals, read_of_environment

DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
IMPORT = ast.Import | ast.ImportFrom


@dataclass(frozen=True)
class Statement:
    """A statement of a notebook.

    Attributes:
        cell: number of its code cell, from 1.
        text: as it stands there.
        node: its syntax tree.
        binds, reads: global names.
        in_run: whether it is executed anew for every model that the notebook makes.
    """

    cell: int
    text: str
    node: ast.stmt
    binds: frozenset[str]
    reads: frozenset[str]
    in_run: bool = False

    @classmethod
    def of(cls, cell: int, source: str, node: ast.stmt) -> "Statement":
        """The statement of a syntax tree; `source` is the text of its cell."""
        return cls._with_names(cell, _text(source, node), node, in_run=False)

    @classmethod
    def made(cls, cell: int, node: ast.stmt) -> "Statement":
        """A statement of a run, as its tree says it."""
        ast.fix_missing_locations(node)
        return cls._with_names(cell, ast.unparse(node), node, in_run=True)

    @classmethod
    def _with_names(cls, cell: int, text: str, node: ast.stmt, in_run: bool) -> "Statement":
        binds, reads = names_of(text)
        return cls(cell, text, node, binds, reads - _bound_first(node), in_run)

    def __str__(self) -> str:
        first, *further = self.text.strip().splitlines()
        return f"cell {self.cell}: {first}{' ...' if further else ''}"


def submitted(cells: list[str], constants: dict[str, Any]) -> Iterator[Statement]:
    """All statements at the top level, with those of the branches that would be taken when submitting.

    Args:
        cells: Python text of the code cells.
        constants: those that the user has set; the notebook's are added while the statements are read.
    """
    fixed = set(constants)
    for number, source in enumerate(cells, start=1):
        for node in decided(ast.parse(source).body, constants):
            statement = Statement.of(number, source, node)
            note_constants(node, statement.binds, constants, fixed)
            yield statement


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
    tree = ast.parse(text)
    binds, reads = set(bound_in_globals(tree)), {*read_of_environment(tree), *_changed_in_place(tree)}
    try:
        waiting = [symtable.symtable(_with_own_scopes(text), "", "exec")]
    except SyntaxError:  # a piece of a function, such as one inside it with `nonlocal`, stands on its own here
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        defined = {node.name for node in tree.body if isinstance(node, DEFINITION)}
        bound = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
        shared = {name for node in ast.walk(tree) if isinstance(node, ast.Nonlocal) for name in node.names}
        return frozenset((bound - shared) | defined), frozenset(({node.id for node in names} - bound) | shared)
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


def _changed_in_place(tree: ast.Module) -> Iterator[str]:
    """Global names that augmented assignments outside definitions read: `LR *= 3`."""
    for statement in tree.body:
        for node in () if isinstance(statement, DEFINITION) else executed(statement):
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                yield node.target.id


def executed(node: ast.AST, given: bool = False) -> Iterator[ast.AST]:
    """A tree's nodes in the order in which they are executed, without the bodies of functions that are only defined in it.

    Args:
        node: the tree; of a function, its own body.
        given: whether the bodies of lambdas count that are given to a call.
    """
    yield node
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        children = [*node.generators, *(child for child in children if child not in node.generators)]
    for child in children:
        is_called = given and isinstance(child, ast.Lambda) and isinstance(node, ast.Call)
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not is_called:
            yield child
        else:
            yield from executed(child, given)


def _with_own_scopes(text: str) -> str:
    """The same with generators for comprehensions, whose names newer versions of Python count as those of what is around."""
    return ast.unparse(_Generators().visit(ast.parse(text))) if " for " in text else text


class _Generators(ast.NodeTransformer):
    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        return self.generic_visit(ast.GeneratorExp(node.elt, node.generators))

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        return self.generic_visit(ast.GeneratorExp(node.elt, node.generators))

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        pair = ast.Tuple([node.key, node.value], ast.Load())
        return self.generic_visit(ast.GeneratorExp(pair, node.generators))


def _bound_first(node: ast.stmt) -> set[str]:
    """Names that a statement binds before it reads them, such as a loop's."""
    first: dict[str, bool] = {}
    for name, binds in _uses(node):
        first.setdefault(name, binds)
    return {name for name, binds in first.items() if binds}


def _uses(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """Names in the order in which they are read and bound, each with whether it is bound."""
    if isinstance(node, ast.Name):
        yield node.id, not isinstance(node.ctx, ast.Load)
    elif isinstance(node, DEFINITION | ast.Lambda):
        yield from ((name, False) for name in names_of(ast.unparse(node))[1])
    else:
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, False
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.For | ast.NamedExpr):  # values go before targets
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            blocks = [child for child in children if isinstance(child, ast.stmt)]
            values = [child for child in children if child not in targets and child not in blocks]
            children = [*values, *targets, *blocks]
        for child in children:
            yield from _uses(child)


def read_by(expression: ast.expr) -> frozenset[str]:
    """Names that an expression reads."""
    return names_of(ast.unparse(expression))[1]


def dotted(function: ast.AST) -> str:
    """The name of what is called, `a.b.c`; a first part that is not a name is empty."""
    parts = []
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    parts.append(function.id if isinstance(function, ast.Name) else "")
    return ".".join(reversed(parts))


def bound_value(name: str, node: ast.stmt) -> tuple[ast.expr | None, int | None]:
    """The expression that a statement binds a name to, and which of its elements where a tuple is taken apart."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    for target in targets:
        if isinstance(target, ast.Name) and target.id == name:
            return node.value, None  # type: ignore[attr-defined]
        if isinstance(target, ast.Tuple | ast.List):
            for position, element in enumerate(target.elts):
                if isinstance(element, ast.Name) and element.id == name:
                    return node.value, position  # type: ignore[attr-defined]
    return None, None


def read_when_defined(node: ast.AST) -> set[str]:
    """Names in a definition's decorators, defaults and bases, and in the body of a class outside its methods."""
    return {inner.id for inner in _at_once(node) if isinstance(inner, ast.Name)}


def read_later(node: ast.stmt, definitions: Mapping[str, ast.stmt]) -> set[str]:
    """Names that a statement reads by what it makes and others call later: a lambda, an object, what a function returns."""
    nodes = list(ast.walk(node))
    called = {id(call.func) for call in nodes if isinstance(call, ast.Call)}
    found: set[str] = set()
    for inner in nodes:
        if isinstance(inner, ast.Lambda):
            found |= names_of(ast.unparse(inner))[1]
        elif isinstance(inner, ast.Name) and inner.id in definitions:
            definition = definitions[inner.id]
            parts = [part for part in ast.walk(definition) if part is not definition]
            if id(inner) not in called or any(isinstance(part, DEFINITION | ast.Lambda) for part in parts):
                found |= {inner.id}
    return found


def _at_once(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for default in [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]:
            yield from ast.walk(default)
    elif isinstance(node, ast.ClassDef):
        for part in [*node.decorator_list, *node.bases, *node.keywords]:
            yield from ast.walk(part)
        for statement in node.body:
            yield from _at_once(statement)
    else:
        yield from ast.walk(node)

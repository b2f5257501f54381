"""The way of a notebook to its call of `unlearning`, and from there to the checkpoint that it saves.

The call may stand in loops, `with` and `try` blocks, and in functions that the notebook calls. The way is laid out as one list of
statements: those before the call at every level, the call, those after it. The loop over the models that are made becomes one
pass through it.
"""

import ast
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from starting_kit.notebooks import roles
from starting_kit.notebooks.statements import DEFINITION, Statement, decided, dotted, names_of, read_by

FUNCTION = "unlearning"
RESULT = "unlearned"  # the name for what a call returns in the middle of an expression
SAVES = {"save", "save_file", "save_model", "savez", "dump"}
PROGRESS = {"tqdm": "list", "trange": "range", "track": "list"}
Goal = Callable[[ast.Call], bool]


@dataclass(frozen=True)
class Context:
    """A `with` around the call.

    Attributes:
        item: what is entered.
        cell: where.
        inside: ids of the other statements in its block.
    """

    item: ast.withitem
    cell: int
    inside: frozenset[int]


@dataclass
class Route:
    """A way to a call.

    Attributes:
        before, after: the statements before and after it.
        hit: the statement with the call.
        call: the call in it.
        contexts: of `with` blocks around it.
        over_models: the loop that makes one model after another, with its cell.
        remarks: on what is not followed.
    """

    before: list[Statement]
    hit: Statement
    call: ast.Call
    after: list[Statement] = field(default_factory=list)
    contexts: list[Context] = field(default_factory=list)
    over_models: Statement | None = None
    remarks: list[str] = field(default_factory=list)


@dataclass
class Way:
    """The whole way.

    Attributes:
        route: to the call.
        statements: all of the notebook, in the order in which they are executed on the way.
        call: index of the one with the call.
        end: index of the first that is not on the way.
        saved: what the notebook saves; None where that is not seen.
    """

    route: Route
    statements: list[Statement]
    call: int
    end: int
    saved: ast.expr | None


class Finder:
    """Finds ways to calls.

    Args:
        statements: of the notebook, at the top level.
        constants: by which guards are decided.
    """

    def __init__(self, statements: list[Statement], constants: Mapping[str, Any]) -> None:
        self.statements, self.constants = statements, constants
        self.functions = {s.node.name: s.node for s in statements if isinstance(s.node, ast.FunctionDef)}
        self.aliases = {FUNCTION}
        for statement in statements:
            if isinstance(statement.node, ast.Assign) and ast.unparse(statement.node.value) in self.aliases:
                self.aliases |= statement.binds
        self.names = {name for s in statements for name in s.binds}

    def to_unlearning(self) -> Route | None:
        """The way to the last call of `unlearning`."""
        return self._in_block(self.statements, self._is_unlearning)

    def to_checkpoint(self, route: Route) -> Way:
        """The way on from the call to where a checkpoint is saved."""
        network = {name for value in route.call.args[:1] for name in read_by(value)}
        alive = set(route.hit.binds) | (network & self.names) | {name for name in network if roles.role(name) == "network"}
        after, saved = [], None
        for statement in route.after:
            if statement.reads & alive:
                alive |= statement.binds
            elif any(self._calls(statement.node, self._is_saving)):
                continue  # it saves something else
            after.append(statement)
        saving = self._in_block(after, self._is_saving)
        if saving:
            after, saved = saving.before, _saved_by(saving.call, alive | set().union(*(s.binds for s in saving.before)))
        elif route.over_models is None:
            after = [s for s in after if s.cell == route.hit.cell]
        known = {id(statement) for statement in (*route.before, *route.after, *after)}
        rest = [s for s in self.statements if id(s) not in known and not any(self._calls(s.node, self._is_unlearning))]
        statements = [*route.before, route.hit, *after, *rest]
        call = len(route.before)
        return Way(route, statements, call, call + 1 + len(after), saved)

    def _is_unlearning(self, call: ast.Call) -> bool:
        return isinstance(call.func, ast.Name) and call.func.id in self.aliases

    @staticmethod
    def _is_saving(call: ast.Call) -> bool:
        return dotted(call.func).rpartition(".")[2] in SAVES and bool(call.args)

    def _calls(self, node: ast.AST, goal: Goal, seen: frozenset[str] = frozenset()) -> Iterator[ast.Call]:
        """Calls in a statement that are the goal, or lead to it through the notebook's own functions."""
        if isinstance(node, DEFINITION):
            return
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                function = self._function(call)
                if goal(call) or (function and function.name not in seen and self._leads(function, goal, seen)):
                    yield call

    def _function(self, call: ast.Call) -> ast.FunctionDef | None:
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        return None if name in self.aliases else self.functions.get(name)

    def _leads(self, function: ast.FunctionDef, goal: Goal, seen: frozenset[str]) -> bool:
        return any(True for node in function.body for _ in self._calls(node, goal, seen | {function.name}))

    def _in_block(self, block: list[Statement], goal: Goal) -> Route | None:
        for index in reversed(range(len(block))):
            if any(self._calls(block[index].node, goal)):
                route = self._in_statement(block[index], block[index + 1 :], goal)
                if route is None:
                    continue
                route.before[:0] = block[:index]
                if route.over_models is None:
                    route.after += block[index + 1 :]
                return route
        return None

    def _block(self, body: list[ast.stmt], cell: int) -> list[Statement]:
        return [Statement.made(cell, node) for node in decided(body, self.constants)]

    def _in_statement(self, statement: Statement, rest: list[Statement], goal: Goal) -> Route | None:
        node, cell = statement.node, statement.cell
        match node:
            case ast.With():
                route = self._in_block(self._block(node.body, cell), goal)
                if route:
                    inside = frozenset(map(id, [*route.before, *route.after]))
                    route.contexts[:0] = [Context(item, cell, inside) for item in node.items]
                return route
            case ast.For() | ast.While():
                return self._in_loop(statement, rest, goal)
            case ast.If():
                branches = [node.body, node.orelse]
            case ast.Try():
                branches = [node.body, node.orelse, node.finalbody, *(handler.body for handler in node.handlers)]
            case _:
                return self._in_simple(statement, goal)
        taken = next((branch for branch in branches if any(c for n in branch for c in self._calls(n, goal))), None)
        route = self._in_block(self._block(taken, cell), goal) if taken else None
        if route and isinstance(node, ast.Try) and node.handlers and goal == self._is_unlearning:
            route.remarks.append(f"{statement} catches errors; here an error ends the run")
        if route and isinstance(node, ast.If) and all(any(c for n in b for c in self._calls(n, goal)) for b in branches):
            route.remarks.append(f"{statement} is taken to hold: --define NAME=VALUE decides guards")
        return route

    def _in_loop(self, statement: Statement, rest: list[Statement], goal: Goal) -> Route | None:
        node: ast.For | ast.While = statement.node  # type: ignore[assignment]
        route = self._in_block(self._block(node.body, statement.cell), goal)
        if route is None or goal != self._is_unlearning:
            return route
        if self._repeats(route, rest) and any(is_marked(inner) for inner in ast.walk(node)):
            return Route([], Statement.made(statement.cell, node), route.call)
        route.over_models = statement
        if isinstance(node, ast.For):
            route.before[:0] = [Statement.made(statement.cell, each) for each in _one_pass(node)]
        return route

    def _repeats(self, route: Route, rest: list[Statement]) -> bool:
        """Whether a loop goes on with the same network, and what comes out in the end is saved."""
        saves = any(any(self._calls(s.node, self._is_saving)) for s in route.after)
        makes = any(roles.role(name) == "network" for s in route.before for name in s.binds)
        resets = any("load_state_dict" in s.text for s in route.before) or "(" in "".join(map(ast.unparse, route.call.args[:1]))
        return not (saves or makes or resets) and any(any(self._calls(s.node, self._is_saving)) for s in rest)

    def _in_simple(self, statement: Statement, goal: Goal) -> Route | None:
        call = list(self._calls(statement.node, goal))[-1]
        if goal(call):
            return self._at(statement, call)
        function = self._function(call)
        assert function is not None
        inlined = self._inlined(function, call, statement.cell)
        if inlined is None:
            return None
        before, body = inlined
        route = self._in_block(body, goal)
        if route is None:
            return None
        route.before[:0] = before
        inside = frozenset(map(id, [*route.before, *route.after]))
        route.contexts[:0] = [Context(ast.withitem(each), statement.cell, inside) for each in function.decorator_list]
        self._return(route, statement, call)
        return route

    @staticmethod
    def _at(statement: Statement, call: ast.Call) -> Route:
        """The way that ends at a statement: a call in the middle of an expression becomes a statement of its own."""
        _mark(call)
        node = statement.node
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr) and node.value is call:
            return Route([], replace(statement, in_run=True), call)
        hit = Statement.made(statement.cell, ast.Assign([ast.Name(RESULT, ast.Store())], call))
        inside = [n for n in ast.walk(node) if isinstance(n, ast.ListComp | ast.GeneratorExp | ast.DictComp | ast.Lambda)]
        around = next((n for n in inside if any(part is call for part in ast.walk(n))), None)
        if around is None:
            return Route([], hit, call, [Statement.made(statement.cell, _with(node, call, ast.Name(RESULT, ast.Load())))])
        loops = [ast.For(g.target, g.iter, [], []) for g in getattr(around, "generators", [])]
        before = [Statement.made(statement.cell, each) for loop in loops for each in _one_pass(loop)]
        return Route(before, hit, call, over_models=statement)

    def _inlined(self, function: ast.FunctionDef, call: ast.Call, cell: int) -> tuple[list[Statement], list[Statement]] | None:
        """The statements of a function that is called, after those that bind its parameters."""
        given = _given(function, call)
        if given is None:
            return None
        body = [copy.deepcopy(node) for node in function.body]
        global_names = {name for n in ast.walk(function) if isinstance(n, ast.Global) for name in n.names}
        local = names_of("\n".join(ast.unparse(n) for n in body if not isinstance(n, ast.Global)))[0] | given.keys()
        same = {name for name, value in given.items() if isinstance(value, ast.Name) and value.id == name}
        renamed = {name: f"{name}_in_{function.name}" for name in (local & self.names) - global_names - same}
        bound = [
            Statement.made(cell, ast.Assign([ast.Name(renamed.get(name, name), ast.Store())], value))
            for name, value in given.items()
            if name not in same
        ]
        nodes = [_Renamed(renamed).visit(node) for node in body if not isinstance(node, ast.Global)]
        return bound, self._block(nodes, cell)

    @staticmethod
    def _return(route: Route, statement: Statement, call: ast.Call) -> None:
        """Go on after a function's end in the statement that called it, with what it returns."""
        returned: ast.expr = ast.Constant(None)
        for index, inner in enumerate(route.after):
            if isinstance(inner.node, ast.Return):
                returned = inner.node.value or returned
                del route.after[index:]
                break
        if route.over_models is None and not isinstance(statement.node, ast.Expr | ast.Return):
            route.after.append(Statement.made(statement.cell, _with(statement.node, call, returned)))
        elif isinstance(statement.node, ast.Return):
            route.after.append(Statement.made(statement.cell, ast.Return(_with(statement.node, call, returned).value)))  # type: ignore[attr-defined]


def _saved_by(call: ast.Call, names: set[str]) -> ast.expr:
    """What a call saves: the argument, or the owner of the method, in which one of some names stands."""
    owner = [call.func.value] if isinstance(call.func, ast.Attribute) else []
    given = [*call.args, *(keyword.value for keyword in call.keywords), *owner]
    return next((value for value in given if read_by(value) & names), given[0])


def _mark(call: ast.Call) -> None:
    """Make a call recognisable in copies of the tree that it stands in."""
    call.is_call_of_unlearning = True  # type: ignore[attr-defined]


def is_marked(node: ast.AST) -> bool:
    """Whether a node is the call at the end of the way, or a copy of it."""
    return getattr(node, "is_call_of_unlearning", False)


def _one_pass(loop: ast.For) -> list[ast.stmt]:
    """What binds a loop's names in one pass of it: which one it is follows from the run's seed."""
    iterated = copy.deepcopy(loop.iter)
    for call in ast.walk(iterated):
        if isinstance(call, ast.Call) and (name := dotted(call.func).rpartition(".")[2]) in PROGRESS:
            call.func, call.keywords = ast.Name(PROGRESS[name], ast.Load()), []
            call.args = call.args if PROGRESS[name] == "range" else call.args[:1]
    every = f"all_{'_'.join(n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name))}"
    chosen = ast.parse(f"{every}[torch.initial_seed() % len({every})]", mode="eval").body
    listed = ast.Call(ast.Name("list", ast.Load()), [iterated], [])
    return [ast.Assign([ast.Name(every, ast.Store())], listed), ast.Assign([copy.deepcopy(loop.target)], chosen)]


def _given(function: ast.FunctionDef, call: ast.Call) -> dict[str, ast.expr] | None:
    """What a call gives to a function's parameters; None if that cannot be told."""
    arguments = function.args
    names = [a.arg for a in [*arguments.posonlyargs, *arguments.args]]
    starred = any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)
    if arguments.vararg or starred or len(call.args) > len(names):
        return None
    given = dict(zip(reversed(names), reversed(arguments.defaults), strict=False))
    given |= {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None}
    given |= dict(zip(names, call.args, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}
    return {name: copy.deepcopy(value) for name, value in given.items()}


def _with(node: ast.stmt, call: ast.Call, value: ast.expr) -> ast.stmt:
    """A copy of a statement with a value in the place of a call."""
    copied = copy.deepcopy(node)
    its_call = next(new for old, new in zip(ast.walk(node), ast.walk(copied), strict=True) if old is call)
    return _Replaced(its_call, value).visit(copied)  # type: ignore[no-any-return]


class _Replaced(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else super().visit(node)


class _Renamed(ast.NodeTransformer):
    """Gives names of a function others, where the notebook has such names outside it."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:  # noqa: N802
        node.id = self.names.get(node.id, node.id)
        return node

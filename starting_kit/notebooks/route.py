"""The way of a notebook to its call of `unlearning`, and from there to the checkpoint that it saves.

The call may stand in loops, `with` and `try` blocks, and in functions that the notebook calls. The way is laid out as one list
of statements: those before the call at every level, the call, those after it. The loop over the models that are made becomes
one pass through it.
"""

import ast
import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from starting_kit import roles
from starting_kit.notebooks.calls import Calls, Goal
from starting_kit.notebooks.constants import decided
from starting_kit.notebooks.rewriting import Renamed, given_to, is_marked, jumps, mark, one_pass, replaced, without_jumps
from starting_kit.notebooks.statements import DEFINITION, Statement, dotted, names_of, read_by
from starting_kit.notebooks.way import FUNCTION, RESULT, Context, Route, Way


class Finder:
    """Finds ways to calls.

    Args:
        statements: of the notebook, at the top level.
        constants: by which guards are decided.
    """

    def __init__(self, statements: list[Statement], constants: Mapping[str, Any]) -> None:
        self.statements, self.constants, self.calls = statements, constants, Calls(statements, constants)
        self.names = {name for s in statements for name in s.binds}
        self.saves_later: list[bool] = []

    def to_unlearning(self) -> Route | None:
        """The way to the call of `unlearning` by which the notebook makes its submission."""
        index, later = self.calls.submission()
        until = self.statements.index(later[0]) if later else len(self.statements)
        route = None if index is None else self._in_block(self.statements[:until], self.calls.unlearns)
        if route:
            route.remarks += [f"{statement} calls {FUNCTION} after what is submitted; it is not run" for statement in later]
        return route

    def to_checkpoint(self, route: Route) -> Way:
        """The way on from the call to where a checkpoint is saved."""
        network = {name for value in route.call.args[:1] for name in read_by(value)} & self.names
        alive = _reached(route.before, network | _networks(route.hit.reads)) | route.hit.binds
        alive = _reached(route.after, alive)
        after = [s for s in route.after if s.reads & alive or not any(self.calls.leading(s.node, self.calls.saves))]
        saved = None
        saving = self._in_block(after, self.calls.saves)
        if saving:
            after, saved = saving.before, _saved_by(saving.call, alive | set().union(*(s.binds for s in saving.before)))
        elif route.over_models and self.calls.unlearning_saves():
            route.remarks.append(f"what {FUNCTION} saves itself is not followed; the network after the call is scored")
        elif len(after) < len(route.after) and route.over_models:
            route.remarks.append(f"what {route.over_models} saves is not followed; the network after the call is scored")
        elif route.over_models is None:
            after = [s for s in after if s.cell == route.hit.cell]
        known = {id(statement) for statement in (*route.before, *route.after, *after)}
        rest = [s for s in self.statements if id(s) not in known and not any(self.calls.leading(s.node, self.calls.unlearns))]
        statements = [*route.before, route.hit, *after, *rest]
        call = len(route.before)
        return Way(route, statements, call, call + 1 + len(after), saved)

    def _in_block(self, block: list[Statement], goal: Goal) -> Route | None:
        for index in reversed(range(len(block))):
            if any(self.calls.leading(block[index].node, goal)):
                self.saves_later.append(any(any(self.calls.leading(s.node, self.calls.saves)) for s in block[index + 1 :]))
                route = self._in_statement(block[index], goal)
                self.saves_later.pop()
                if route is None:
                    continue
                route.before[:0] = block[:index]
                if route.over_models is None:
                    route.after += block[index + 1 :]
                return route
        return None

    def _block(self, body: list[ast.stmt], cell: int) -> list[Statement]:
        return [Statement.made(cell, node) for node in decided(body, self.constants)]

    def _in_statement(self, statement: Statement, goal: Goal) -> Route | None:
        node, cell = statement.node, statement.cell
        match node:
            case ast.With():
                route = self._in_block(self._block(node.body, cell), goal)
                if route:
                    inside = frozenset(map(id, [*route.before, *route.after]))
                    route.contexts[:0] = [Context(item, cell, inside) for item in node.items]
                return route
            case ast.For() | ast.While():
                return self._in_loop(statement, goal)
            case ast.If():
                branches = [node.body, node.orelse]
            case ast.Try():
                branches = [node.body, node.orelse, node.finalbody, *(handler.body for handler in node.handlers)]
            case _:
                return self._in_simple(statement, goal)
        taken = next((branch for branch in branches if any(c for n in branch for c in self.calls.leading(n, goal))), None)
        route = self._in_block(self._block(taken, cell), goal) if taken else None
        if route and isinstance(node, ast.Try) and node.handlers and goal == self.calls.unlearns:
            route.remarks.append(f"{statement} catches errors; here an error ends the run")
        if (
            route
            and isinstance(node, ast.If)
            and goal == self.calls.unlearns
            and any(map(_does_something, _others(node, taken)))
        ):
            holds = "" if taken is node.body else "not "
            route.remarks.append(f"WARNING: {statement} is taken {holds}to hold; what is done otherwise is not run")
        return route

    def _in_loop(self, statement: Statement, goal: Goal) -> Route | None:
        node: ast.For | ast.While = statement.node  # type: ignore[assignment]
        route = self._in_block(self._block(without_jumps(node.body), statement.cell), goal)
        if route is None or goal != self.calls.unlearns:
            return route
        gives = _reached(route.after, _networks(route.hit.reads) | route.hit.binds)
        for ending in (s for s in route.after if jumps(s.node) and s.reads & gives):
            route.remarks.append(f"WARNING: {ending} decides by what {FUNCTION} gave whether a run counts; here every run does")
        saves = any(any(self.calls.leading(s.node, self.calls.saves)) for s in route.after)
        if isinstance(node, ast.For) and self.calls.is_long(node.iter):
            saves = True
        if self._repeats(node, route, saves):
            return Route([], Statement.made(statement.cell, node), route.call)
        if saves or not any(self.saves_later):
            route.over_models = route.over_models or statement
        else:
            route.remarks.append(f"WARNING: {statement} is passed through once here, not as often as in the notebook")
        if isinstance(node, ast.For):
            route.before[:0] = [Statement.made(statement.cell, each) for each in one_pass(node)]
        route.in_loop |= frozenset(map(id, [*route.before, *route.after]))
        return route

    def _repeats(self, loop: ast.For | ast.While, route: Route, over_models: bool) -> bool:
        """Whether a loop is one of the method, and may be executed as it is."""
        text = ast.unparse(loop)
        makes = any(roles.role(name) == "network" for s in route.before for name in s.binds)
        resets = "load_state_dict" in text or "(" in "".join(map(ast.unparse, route.call.args[:1]))
        is_whole = any(is_marked(node) for node in ast.walk(loop)) and "load(" not in text
        return not over_models and is_whole and (any(self.saves_later) or not (makes or resets))

    def _in_simple(self, statement: Statement, goal: Goal) -> Route | None:
        call = list(self.calls.leading(statement.node, goal))[-1]
        if goal(call):
            return self._at(statement, call)
        function = self.calls.function(call)
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

    def _at(self, statement: Statement, call: ast.Call) -> Route:
        """The way that ends at a statement: a call in the middle of an expression becomes a statement of its own."""
        mark(call)
        if isinstance(call.func, ast.Name) and (made := self.calls.partials.get(call.func.id)):
            call.args[:0] = made.args[1:]
            call.keywords[:0] = [k for k in made.keywords if k.arg not in {own.arg for own in call.keywords}]
        node = statement.node
        inside = [n for n in ast.walk(node) if isinstance(n, ast.ListComp | ast.GeneratorExp | ast.DictComp | ast.Lambda)]
        around = next((n for n in inside if any(part is call for part in ast.walk(n))), None)
        generators: list[ast.comprehension] = getattr(around, "generators", [])
        repeats = around is not None and not any(self.calls.is_long(g.iter) for g in generators) and any(self.saves_later)
        whole: ast.expr = around if repeats and isinstance(around, ast.expr) else call
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr) and node.value is whole:
            return Route([], replace(statement, in_run=True), call)
        hit = Statement.made(statement.cell, ast.Assign([ast.Name(RESULT, ast.Store())], whole))
        if around is None or repeats:
            return Route([], hit, call, [Statement.made(statement.cell, replaced(node, whole, ast.Name(RESULT, ast.Load())))])
        loops = [ast.For(g.target, g.iter, [], []) for g in generators]
        before = [Statement.made(statement.cell, each) for loop in loops for each in one_pass(loop)]
        return Route(before, hit, call, over_models=statement)

    def _inlined(self, function: ast.FunctionDef, call: ast.Call, cell: int) -> tuple[list[Statement], list[Statement]] | None:
        """The statements of a function that is called, after those that bind its parameters."""
        given = given_to(function, call)
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
        nodes = [Renamed(renamed).visit(node) for node in body if not isinstance(node, ast.Global)]
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
        is_dropped = isinstance(statement.node, ast.Expr) and statement.node.value is call
        if route.over_models is None and not is_dropped and not isinstance(statement.node, ast.Return):
            route.after.append(Statement.made(statement.cell, replaced(statement.node, call, returned)))
        elif isinstance(statement.node, ast.Return):
            route.after.append(Statement.made(statement.cell, ast.Return(replaced(statement.node, call, returned).value)))  # type: ignore[attr-defined]


def _others(node: ast.If, taken: list[ast.stmt] | None) -> Iterator[ast.stmt]:
    """The statements of the branch that is not taken."""
    for branch in (node.body, node.orelse):
        if branch is not taken:
            yield from branch


def _does_something(node: ast.stmt) -> bool:
    """Whether a statement may make a model: it calls something, and not only to print."""
    calls = (dotted(call.func) for call in ast.walk(node) if isinstance(call, ast.Call))
    return not isinstance(node, ast.Raise) and any(name not in ("print", "sys.exit", "exit") for name in calls)


def _reached(statements: list[Statement], names: Iterable[str]) -> set[str]:
    """Names, and those to which statements give something of theirs."""
    reached = set(names)
    for statement in statements:
        if statement.reads & reached and not isinstance(statement.node, DEFINITION):
            reached |= statement.binds | _networks(statement.reads)
            node = statement.node
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):  # ema.update(net)
                reached |= {dotted(node.value.func).partition(".")[0]} & statement.reads
    return reached


def _networks(names: Iterable[str]) -> set[str]:
    return {name for name in names if roles.role(name) == "network"}


def _saved_by(call: ast.Call, names: set[str]) -> ast.expr:
    """What a call saves: the argument, or the owner of the method, in which one of some names stands."""
    owner = [call.func.value] if isinstance(call.func, ast.Attribute) else []
    given = [*call.args, *(keyword.value for keyword in call.keywords), *owner]
    return next((value for value in given if read_by(value) & names), given[0])

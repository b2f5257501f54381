"""What a statement changes without binding it: `net.half()`, `weights[3] = 1`, `optimizer.step()`, `prune(net)`.

Whether code that is not executed changes something can only be judged by its looks. A name shares the state of what it was
made of (`optimizer = SGD(net.parameters())`). A function of the notebook changes what its statements change, when it is called
by its name or by what it is given to; a function of a library may change whatever it is given, unless it is known for not doing
so. What is put into a name (`jobs = [lambda: prune(net)]`) may be called by way of it.
"""

import ast
import functools
import re
from collections.abc import Iterable, Iterator

from starting_kit.notebooks import known_calls as known
from starting_kit.notebooks.calls_in_code import FUNCTION, as_function, dropped_calls, first_and_last, given_to_each
from starting_kit.notebooks.changes import Changes, Scope, Summary
from starting_kit.notebooks.constants import assigned
from starting_kit.notebooks.indirect import changes_globals, written_to_environment
from starting_kit.notebooks.statements import DEFINITION, IMPORT, Statement, executed, names_of


class Effects:
    """The effects of a notebook's statements.

    Args:
        statements: in the order in which they are executed.

    Attributes:
        of_statements: what each changes.
        shares: for each, whose state the names that it binds share.
    """

    def __init__(self, statements: list[Statement]) -> None:
        functions: dict[str, FUNCTION] = {s.node.name: s.node for s in statements if isinstance(s.node, FUNCTION)}
        classes = [s.node for s in statements if isinstance(s.node, ast.ClassDef)]
        functions |= {n: as_function(v) for s in statements for n, v in assigned(s.node) if isinstance(v, ast.Lambda)}
        self.classes = {node.name for node in classes}
        self.modules = {name for s in statements if isinstance(s.node, IMPORT) for name in s.binds}
        self.methods: dict[str, list[FUNCTION]] = {}
        for method in (m for node in classes for m in node.body if isinstance(m, FUNCTION)):
            self.methods.setdefault(method.name, []).append(method)
        self.summaries: dict[int, tuple[FUNCTION, Summary]] = {}
        scope = Scope(functions, at_top=True)
        self.of_statements: list[Changes] = []
        self.shares: list[dict[str, set[str]]] = []
        for statement in statements:
            self.of_statements.append(self._changes(_at_top(statement.node), scope))
            self.shares.append({name: set(scope.shared.get(name, ())) for name in statement.binds})

    def _changes(self, body: Iterable[ast.stmt], scope: Scope) -> Changes:
        """What statements change; what they bind is added to the scope."""
        found = Changes()
        dropped: set[int] = set()
        for node in (node for statement in body for node in executed(statement)):
            dropped |= {id(call) for call in dropped_calls(node)}
            self._share(node, scope)
            self._note(node, found, scope, id(node) in dropped)
            self._store(node, scope)
        found.modules |= found.surely & self.modules
        for names in found.sets():
            names -= self.modules
        return found

    def _summary(self, function: FUNCTION, scope: Scope) -> Summary:
        if id(function) not in self.summaries:
            self.summaries[id(function)] = function, Summary()  # for functions that call each other
            nodes = [node for statement in function.body for node in executed(statement)]
            inside = Scope({**scope.functions, **{n.name: n for n in nodes if isinstance(n, FUNCTION)}})
            changes = self._changes(function.body, inside)
            values = [n.value for n in nodes if isinstance(n, ast.Return | ast.Yield) and n.value]
            own = inside.shared.keys() - {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
            for names in changes.sets():
                names -= own
            changes.surely |= {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
            returned = set().union(*(self.roots(value, inside) for value in values))
            captured = set().union(*(self._captured(value, inside) for value in values))
            self.summaries[id(function)] = function, Summary(changes, returned - own, captured - own)
        return self.summaries[id(function)][1]

    @staticmethod
    def _own(value: ast.expr, scope: Scope) -> FUNCTION | None:
        """The notebook's function that an expression is."""
        if isinstance(value, ast.Lambda):
            return as_function(value)
        return scope.functions.get(value.id) if isinstance(value, ast.Name) else None

    def _share(self, node: ast.AST, scope: Scope) -> None:
        pairs: list[tuple[ast.expr, ast.expr]] = []
        match node:
            case ast.Assign(targets, value):
                pairs = [(target, value) for target in targets]
            case ast.AnnAssign(target, _, ast.expr() as value) | ast.NamedExpr(target, value):
                pairs = [(target, value)]
            case ast.For(target, value) | ast.comprehension(target, value):
                pairs = [(target, value)]
            case ast.withitem(value, ast.expr() as target):
                pairs = [(target, value)]
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                scope.functions.setdefault(node.name, node)
                if not scope.at_top:
                    scope.shared[node.name] = self._held_by(node, scope)
        for target, value in pairs:
            roots, captured = self.roots(value, scope), self._captured(value, scope)
            for name in ast.walk(target):
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                    scope.shared[name.id] = roots - {name.id}
                    scope.captured[name.id] = captured

    def _store(self, node: ast.AST, scope: Scope) -> None:
        """Note what is put into a list, a dictionary, an object."""
        owners: list[ast.expr] = []
        values: list[ast.expr] = []
        match node:
            case ast.Assign(targets, value):
                owners, values = [t.value for t in targets if isinstance(t, ast.Attribute | ast.Subscript)], [value]
            case ast.Call(ast.Attribute(owner, method), arguments) if method in known.STORING_METHODS:
                owners, values = [owner], [*arguments, *(keyword.value for keyword in node.keywords)]
        roots = set().union(*(self.roots(value, scope) for value in values))
        captured = set().union(*(self._captured(value, scope) for value in values))
        for name in set().union(*(self.roots(owner, scope) for owner in owners)) & scope.shared.keys():
            scope.shared[name] |= roots - {name}
            scope.captured[name] = scope.captured.get(name, set()) | captured

    def _note(self, node: ast.AST, found: Changes, scope: Scope, is_dropped: bool) -> None:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign | ast.Delete):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Attribute | ast.Subscript):
                found.surely |= self.roots(target.value, scope)
            elif isinstance(node, ast.AugAssign) and isinstance(target, ast.Name):
                found.surely |= scope.shared.get(target.id, set())  # `p += noise` for `p` of a network's parameters
        found.surely |= written_to_environment(node)
        found.any_global |= changes_globals(node)
        if isinstance(node, ast.Call):
            self._note_call(node, found, scope, is_dropped)

    def _note_call(self, call: ast.Call, found: Changes, scope: Scope, is_dropped: bool) -> None:
        first, name = first_and_last(call)
        own = self._own(call.func, scope)
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        changed = found.surely if is_dropped else found.perhaps
        found.trains |= name == "train" and not (call.args and ast.unparse(call.args[0]) == "False")
        self._note_method(call, found, changed, scope)
        if own is not None:
            self._note_own(own, call, found, scope)
            return
        changed |= self._captured(call.func, scope)
        if isinstance(call.func, ast.Name | ast.Subscript):
            found.forward |= self.roots(call.func, scope)
        if given and self._changes_first(first, name):
            found.surely |= self.roots(given[0], scope)
        self._note_callbacks(call, given, found, scope, is_dropped)
        if not (name in known.READING_FUNCTIONS | known.VIEWS | self.classes or first in known.READING_MODULES):
            found.perhaps |= set().union(*(self.roots(value, scope) | self._captured(value, scope) for value in given))

    def _note_method(self, call: ast.Call, found: Changes, changed: set[str], scope: Scope) -> None:
        """Add the owner of a method that may change it."""
        first, name = first_and_last(call)
        moves = name == "to" and re.search("device|cuda|cpu", ast.unparse(call), re.IGNORECASE)
        evaluates = name == "eval" and not scope.at_top  # a helper that does this does it to look at the network
        function_of_module = first in self.modules and not (
            ast.unparse(call.func).count(".") > 1 and name in known.CHANGING_METHODS
        )
        if not isinstance(call.func, ast.Attribute) or function_of_module or moves or evaluates:
            return
        owner = self.roots(call.func.value, scope)
        if name in known.CHANGING_METHODS or known.is_in_place(name) or self._changes_itself(name, scope):
            found.surely |= owner
        elif name not in known.READING_METHODS:
            changed |= owner

    def _changes_itself(self, method: str, scope: Scope) -> bool:
        """Whether a class of the notebook has a method of a name that changes its object."""
        methods = [m for m in self.methods.get(method, ()) if m.args.args]
        return any(m.args.args[0].arg in self._summary(m, scope).changes.surely for m in methods)

    def _changes_first(self, first: str, name: str) -> bool:
        """Whether a function changes its first argument."""
        if first in known.TYPES and first != name:
            return name in known.CHANGING_METHODS
        return name in known.CHANGING_FUNCTIONS or (first in self.modules | {name} and known.is_in_place(name))

    def _note_callbacks(self, call: ast.Call, given: list[ast.expr], found: Changes, scope: Scope, is_dropped: bool) -> None:
        """What functions change that a call is given, and that it calls with what else it is given, `map(prune, networks)`."""
        _, name = first_and_last(call)
        if name[:1].isupper() or name in known.READING_FUNCTIONS | known.STORING_METHODS:
            return
        owner = [call.func.value] if isinstance(call.func, ast.Attribute) else []
        for value in given:
            function = self._own(value, scope)
            if function is not None:
                others = ast.Starred(ast.List([other for other in [*owner, *given] if other is not value]))
                if is_dropped and isinstance(value, ast.Lambda):
                    function = as_function(value, is_dropped=True)
                self._note_own(function, ast.Call(value, [others], []), found, scope)

    def _note_own(self, function: FUNCTION, call: ast.Call, found: Changes, scope: Scope) -> None:
        own = self._summary(function, scope).changes
        for names, target in zip(own.sets(), found.sets(), strict=True):
            target |= self._seen(names, function, call, scope)
        given = given_to_each(function, call)
        called = (value for name in own.forward & given.keys() for value in given[name])
        found.perhaps |= set().union(*(self._captured(value, scope) for value in called))
        found.trains |= own.trains
        found.any_global |= own.any_global
        found.modules |= own.modules

    def _seen(self, names: set[str], function: FUNCTION, call: ast.Call, scope: Scope) -> set[str]:
        """What a function's names stand for where it is called."""
        given = given_to_each(function, call)
        parameters = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
        of_parameters = (self.roots(value, scope) for name in names & given.keys() for value in given[name])
        others = ({name} | scope.shared.get(name, set()) for name in names - parameters)
        return set().union(*of_parameters, *others)

    def _captured(self, value: ast.expr, scope: Scope) -> set[str]:
        """What is changed by functions that the value of an expression may hold."""
        function = self._own(value, scope)
        if function is not None:
            changes = self._summary(function, scope).changes
            return self._seen(changes.surely | changes.perhaps, function, ast.Call(value, [], []), scope)
        if isinstance(value, ast.Name):
            return scope.captured.get(value.id, set())
        if not isinstance(value, ast.Call):
            inner = (child for child in ast.iter_child_nodes(value) if isinstance(child, ast.expr))
            return set().union(*(self._captured(child, scope) for child in inner))
        own = self._own(value.func, scope)
        if own is not None:
            return self._seen(self._summary(own, scope).captured, own, value, scope)
        given = [*value.args, *(keyword.value for keyword in value.keywords)]
        held = (self.roots(each, scope) for each in given if first_and_last(value)[1] == "partial")
        return set().union(*held, *(self._captured(each, scope) for each in given))

    def roots(self, value: ast.expr, scope: Scope) -> set[str]:
        """Names whose state the value of an expression may share."""
        inner = functools.partial(self.roots, scope=scope)
        match value:
            case ast.Name(name):
                return {name} | scope.shared.get(name, set())
            case ast.Attribute(owner) | ast.Subscript(owner) | ast.Starred(owner) | ast.NamedExpr(_, owner):
                return inner(owner)
            case ast.List(elements) | ast.Tuple(elements) | ast.Set(elements) | ast.BoolOp(_, elements):
                return set().union(*map(inner, elements))
            case ast.Dict(_, elements):
                return set().union(*map(inner, elements))
            case ast.IfExp(_, one, other):
                return inner(one) | inner(other)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return set().union(*(inner(generator.iter) for generator in value.generators))
            case ast.Call():
                return self._roots_of_call(value, scope)
            case ast.Lambda() if not scope.at_top:
                return self._held_by(value, scope)
        return set()

    def _held_by(self, function: ast.AST, scope: Scope) -> set[str]:
        """Names that a function inside a function reads from around it."""
        return set(names_of(ast.unparse(function))[1] - scope.functions.keys() - self.modules)

    def _roots_of_call(self, call: ast.Call, scope: Scope) -> set[str]:
        own = self._own(call.func, scope)
        if own is not None:
            return self._seen(self._summary(own, scope).returned, own, call, scope)
        _, name = first_and_last(call)
        given = set().union(*(self.roots(a, scope) for a in [*call.args, *(k.value for k in call.keywords)]))
        owner = self.roots(call.func.value, scope) if isinstance(call.func, ast.Attribute) else set()
        if name in known.VIEWS:
            return (set() if name in known.ITSELF else given) | owner - self.modules
        return given if name[:1].isupper() else set()


def _at_top(statement: ast.stmt) -> Iterator[ast.stmt]:
    """What a statement executes that may change something: of a definition that is the calls of its decorators."""
    if not isinstance(statement, IMPORT | DEFINITION):
        yield statement
    for decorator in statement.decorator_list if isinstance(statement, DEFINITION) else []:
        yield ast.Expr(decorator if isinstance(decorator, ast.Call) else ast.Call(decorator, [], []))

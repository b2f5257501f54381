"""What a statement changes without binding it: `net.half()`, `weights[3] = 1`, `optimizer.step()`, `prune(net)`.

Whether code that is not executed changes something can only be judged by its looks. A name shares the state of what it was
made of (`optimizer = SGD(net.parameters())`). A function of the notebook changes what its statements change; a function of a
library may change whatever it is given, unless it is known for not doing so.
"""

import ast
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from starting_kit.notebooks.statements import DEFINITION, IMPORT, Statement, dotted

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
# Methods that give their object, and change it if it is a network; what they are given (a device, a type) is no part of it.
CHANGING = ("to", "half", "float", "double", "bfloat16", "train", "eval")
ITSELF = ("cuda", "cpu", *CHANGING)
# Calls that give parts of what they are given, or the thing itself.
VIEWS = {
    *("parameters", "named_parameters", "modules", "named_modules", "children", "named_children", "buffers", "named_buffers"),
    *("state_dict", "get_submodule", "get_parameter", "items", "values", "keys", "detach", "view", "apply", "requires_grad_"),
    *(*ITSELF, "compile", "prepare", "script", "trace"),
    *("list", "tuple", "dict", "set", "filter", "map", "zip", "enumerate", "iter", "next", "reversed", "sorted", "getattr"),
    *("chain", "from_iterable", "module"),
}
# Methods that leave their object as it is, and functions that leave their arguments as they are.
READING_METHODS = {
    *VIEWS - {"apply", "requires_grad_", *CHANGING},
    *("item", "mean", "sum", "std", "max", "min", "norm", "numpy", "tolist", "size", "dim", "numel", "clone", "copy", "get"),
    *("forward", "head", "describe", "info", "plot", "hist", "show", "format", "join", "to_csv", "savefig", "save", "close"),
}
READING_FUNCTIONS = {
    *("print", "display", "len", "str", "repr", "id", "type", "isinstance", "hasattr", "sum", "min", "max", "float", "int"),
    *("bool", "round", "abs", "all", "any", "deepcopy", "copy", "save", "save_file", "dump", "dumps", "summary", "log", "info"),
    *("append", "extend", "add", "write", "set_postfix", "set_description", "debug", "warning", "add_scalar", "get_device"),
    *("no_grad", "inference_mode", "autocast", "synchronize", "size", "numel", "is_tensor", "softmax", "cross_entropy"),
}
READING_MODULES = {
    *("os", "sys", "math", "json", "time", "gc", "plt", "matplotlib", "pd", "pandas", "sklearn", "sns", "np", "numpy"),
    *("shutil", "subprocess", "pathlib", "wandb", "logging", "warnings", "datetime", "zipfile", "tqdm", "F"),
}


@dataclass
class Changes:
    """Names whose values a piece of code changes.

    Attributes:
        surely: by assigning parts of them, or by calling a method for its effect.
        perhaps: by giving them to a function that might, or by calling a method for its value.
        forward: networks, or whatever else it calls: in training mode that changes a network's running statistics.
        trains: whether it puts something into training mode.
    """

    surely: set[str] = field(default_factory=set)
    perhaps: set[str] = field(default_factory=set)
    forward: set[str] = field(default_factory=set)
    trains: bool = False


class Effects:
    """The effects of a notebook's statements.

    Args:
        statements: in the order in which they are executed.
    """

    def __init__(self, statements: list[Statement]) -> None:
        self.functions = {s.node.name: s.node for s in statements if isinstance(s.node, FUNCTION)}
        self.classes = {s.node.name for s in statements if isinstance(s.node, ast.ClassDef)}
        self.modules = {name for s in statements if isinstance(s.node, IMPORT) for name in s.binds}
        self.summaries: dict[str, tuple[Changes, set[str]]] = {}
        shared: dict[str, set[str]] = {}
        self.of_statements = [self._changes(_executed(s.node), shared, at_top=True) for s in statements]

    def _changes(self, body: Iterable[ast.stmt], shared: dict[str, set[str]], at_top: bool = False) -> Changes:
        """What statements change.

        Args:
            body: the statements.
            shared: of each name those whose state it shares; what the statements bind is added.
            at_top: whether they are not those of a function.
        """
        found = Changes()
        for node in (node for statement in body for node in ast.walk(statement)):
            self._share(node, shared)
            self._note(node, found, shared, at_top)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self._note_method(node.value, found.surely, shared, at_top)
        for names in (found.surely, found.perhaps, found.forward):
            names -= self.modules
        return found

    def _summary(self, function: FUNCTION) -> tuple[Changes, set[str]]:
        """What a function of the notebook changes, and whose state shares what it returns, by its own names."""
        if function.name not in self.summaries:
            self.summaries[function.name] = Changes(), set()  # for functions that call each other
            inside: dict[str, set[str]] = {}
            changes = self._changes(function.body, inside)
            returned = [n.value for n in ast.walk(function) if isinstance(n, ast.Return | ast.Yield) and n.value]
            roots = set().union(*(self.roots(value, inside) for value in returned))
            for names in (changes.surely, changes.perhaps, changes.forward):
                names -= inside.keys() - {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
            changes.surely |= {name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names}
            self.summaries[function.name] = changes, roots
        return self.summaries[function.name]

    def _own(self, call: ast.Call) -> FUNCTION | None:
        return self.functions.get(call.func.id) if isinstance(call.func, ast.Name) else None

    def _share(self, node: ast.AST, shared: dict[str, set[str]]) -> None:
        pairs: list[tuple[ast.expr, ast.expr]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.For | ast.comprehension):
            pairs = [(node.target, node.iter)]
        elif isinstance(node, ast.withitem) and node.optional_vars:
            pairs = [(node.optional_vars, node.context_expr)]
        for target, value in pairs:
            roots = self.roots(value, shared)
            for name in ast.walk(target):
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                    shared[name.id] = roots - {name.id}

    def _note(self, node: ast.AST, found: Changes, shared: dict[str, set[str]], at_top: bool) -> None:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign | ast.Delete):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Attribute | ast.Subscript):
                found.surely |= self.roots(target.value, shared)
            elif isinstance(node, ast.AugAssign) and isinstance(target, ast.Name):
                found.surely |= shared.get(target.id, set())  # `p += noise` for `p` of a network's parameters
        if isinstance(node, ast.Call):
            self._note_call(node, found, shared, at_top)

    def _note_call(self, call: ast.Call, found: Changes, shared: dict[str, set[str]], at_top: bool) -> None:
        first, name = self._first_and_last(call)
        own = self._own(call)
        self._note_method(call, found.perhaps, shared, at_top)
        found.trains |= name == "train" and not (call.args and ast.unparse(call.args[0]) == "False")
        if own is not None:
            self._note_own(own, call, found, shared)
        elif isinstance(call.func, ast.Name | ast.Subscript):
            found.forward |= self.roots(call.func, shared)
        if own is None and not (name in READING_FUNCTIONS | VIEWS | self.classes or first in READING_MODULES):
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            found.perhaps |= set().union(*(self.roots(value, shared) for value in given))

    def _note_method(self, call: ast.Call, changed: set[str], shared: dict[str, set[str]], at_top: bool) -> None:
        """Add the owner of a method that may change it."""
        first, name = self._first_and_last(call)
        moves = name == "to" and re.search("device|cuda|cpu", ast.unparse(call), re.IGNORECASE)
        evaluates = name == "eval" and not at_top  # a helper that does this does it to look at the network
        if isinstance(call.func, ast.Attribute) and first not in self.modules and not (moves or evaluates):
            changed |= set() if name in READING_METHODS else self.roots(call.func.value, shared)

    @staticmethod
    def _first_and_last(call: ast.Call) -> tuple[str, str]:
        parts = dotted(call.func).split(".")
        return parts[0], parts[-1]

    def _note_own(self, function: FUNCTION, call: ast.Call, found: Changes, shared: dict[str, set[str]]) -> None:
        own, _ = self._summary(function)
        given = self._given(function, call)
        for name, values in given.items():
            outside = set().union(*(self.roots(value, shared) for value in values))
            for names, target in ((own.surely, found.surely), (own.perhaps, found.perhaps), (own.forward, found.forward)):
                if name in names:
                    target |= outside
        found.surely |= own.surely - given.keys()
        found.forward |= own.forward - given.keys()
        found.trains |= own.trains

    @staticmethod
    def _given(function: FUNCTION, call: ast.Call) -> Mapping[str, list[ast.expr]]:
        """What a call gives to each parameter."""
        names = [argument.arg for argument in [*function.args.posonlyargs, *function.args.args]]
        given: dict[str, list[ast.expr]] = {}
        for position, value in enumerate(call.args):
            rest = isinstance(value, ast.Starred) or position >= len(names)
            for name in names[position:] if rest else names[position : position + 1]:
                given.setdefault(name, []).append(value)
        for keyword in call.keywords:
            for name in [keyword.arg] if keyword.arg else names:
                given.setdefault(name, []).append(keyword.value)
        return given

    def roots(self, value: ast.expr, shared: Mapping[str, set[str]]) -> set[str]:
        """Names whose state the value of an expression may share."""
        inner = functools.partial(self.roots, shared=shared)
        match value:
            case ast.Name(name):
                return {name} | shared.get(name, set())
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
                return self._roots_of_call(value, shared)
        return set()

    def _roots_of_call(self, call: ast.Call, shared: Mapping[str, set[str]]) -> set[str]:
        own = self._own(call)
        if own is not None:
            _, roots = self._summary(own)
            of = self._given(own, call)
            return set().union(*(self.roots(v, shared) for parameter in of if parameter in roots for v in of[parameter]))
        name = dotted(call.func).rpartition(".")[2]
        given = set().union(*(self.roots(a, shared) for a in [*call.args, *(k.value for k in call.keywords)]))
        owner = self.roots(call.func.value, shared) if isinstance(call.func, ast.Attribute) else set()
        if name in VIEWS:
            return (set() if name in ITSELF else given) | owner - self.modules
        return given if name[:1].isupper() else set()


def _executed(statement: ast.stmt) -> list[ast.stmt]:
    """What a statement executes that may change something: of a definition that is the calls of its decorators."""
    if isinstance(statement, IMPORT):
        return []
    if not isinstance(statement, DEFINITION):
        return [statement]
    calls = [d if isinstance(d, ast.Call) else ast.Call(d, [], []) for d in statement.decorator_list]
    return [ast.Expr(call) for call in calls]

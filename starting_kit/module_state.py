"""What calls of a function leave behind in its module and read again: counters, caches, lists that are filled.

In a notebook the next call finds it; here the file is loaded anew for every model. Told by looks: the statements of the
function, and of what it uses, in the order in which they stand.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
FILLS = {
    *("append", "appendleft", "extend", "insert", "add", "update", "setdefault", "pop", "popleft", "popitem", "remove"),
    *("discard", "sort", "reverse"),
}
GIVES = {"setdefault", "pop", "popleft", "popitem"}  # those of them that give what was there before
CONTAINERS = {"list", "dict", "set", "defaultdict", "OrderedDict", "Counter", "deque"}
LOOKS = ("print", "display", "plt", "logging", "logger")  # what is only shown to people decides nothing


def module_state(text: str, function: str = "unlearning") -> list[tuple[int, str]]:
    r"""Where a function of Python text, or one that it uses, changes what it reads again in the next call: line and text.

    That is a name that is declared `global`, a container of the module that is filled, or a part or an attribute of an object
    of it. What is bound before it is read, or only filled and never read, is not.

    >>> module_state("n = 0\ndef unlearning(net):\n    global n\n    n += 1")
    [(4, 'n += 1')]
    """
    looked = _Look(ast.parse(text))
    looked.enter(function)
    return sorted({(node.lineno, ast.unparse(node)) for uses in looked.uses.values() for node in uses.remembered()})


@dataclass
class _Uses:
    """Of a name, or of a part of what it stands for (`name.attribute`, `name['key']`), in the order of the text.

    Attributes:
        read: whether it is read, and whether that is so before it is bound.
        bound: whether it is bound or emptied.
        filled, binding: statements that fill it, and that bind it.
    """

    read: bool = False
    read_first: bool = False
    bound: bool = False
    filled: list[ast.stmt] = field(default_factory=list)
    binding: list[ast.stmt] = field(default_factory=list)

    def remembered(self) -> list[ast.stmt]:
        """The statements by which the next call finds something else."""
        return [*(self.binding if self.read_first else []), *(self.filled if self.read and not self.bound else [])]


class _Look:
    """Goes through functions of a module as they would be executed.

    Args:
        tree: of the module.

    Attributes:
        uses: of names of the module, and of parts.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.uses: dict[str, _Uses] = {}
        self.bound = {name: node for node in tree.body for name in _bound_at_top(node)}
        self.containers = {name for name, node in self.bound.items() if _is_container(getattr(node, "value", None))}
        self.entered: set[str] = set()
        self.statement: ast.stmt = ast.Pass(lineno=0)

    def enter(self, name: str) -> None:
        """Go through what a name of the module stands for, if that is code."""
        node = self.bound.get(name)
        if node is None or name in self.entered or name in self.containers:
            return
        self.entered.add(name)
        before = self.statement
        self.see(node if isinstance(node, DEFINITION) else node.value or ast.Pass(), frozenset())  # type: ignore[attr-defined]
        self.statement = before

    def see(self, node: ast.AST, local: frozenset[str]) -> None:
        """Go through a piece of code.

        Args:
            node: of it.
            local: names that are not the module's.
        """
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _root(node.value.func) in LOOKS:
            return
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            self.statement = node
        if isinstance(node, DEFINITION | ast.Lambda):
            local = (local | _local(node)) - _declared_global(node)
        place, key = self._place(node, local)
        if place:
            self._use(place, node)
        elif not self._calls(node, local):
            for child in _in_order(node):
                self.see(child, local)
        if key is not None:
            self.see(key, local)

    def _place(self, node: ast.AST, local: frozenset[str]) -> tuple[str, ast.AST | None]:
        """The name or the part that an expression is, and a key that is computed; empty for what is not the module's."""
        match node:
            case ast.Name(name) if name not in local:
                return name, None
            case ast.Attribute(ast.Name(name)) if name in self.bound.keys() - local - self.containers:
                return ast.unparse(node), None
            case ast.Subscript(ast.Name(name), ast.Constant()) if name in self.bound.keys() - local:
                return ast.unparse(node), None
            case ast.Subscript(ast.Name(name), key, ast.Store() | ast.Del()) if name in self.containers - local:
                return f"{name}[]", key
        return "", None

    def _use(self, place: str, node: ast.AST) -> None:
        name, computed, _ = place.partition("[]")
        uses = self.uses.setdefault(name, _Uses())
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Load):
            uses.read_first |= not uses.bound
            uses.read = True
            self.enter(name.partition(".")[0].partition("[")[0])
        elif computed:
            uses.filled.append(self.statement)
        else:
            uses.binding.append(self.statement)
            uses.bound = True

    def _calls(self, node: ast.AST, local: frozenset[str]) -> bool:
        """Note a call or a comparison that is about a place, and what stands beside it; whether it is one."""
        match node:
            case ast.Call(ast.Attribute(owner, "clear")) if place := self._container(owner, local):
                self.uses.setdefault(place, _Uses()).bound = True
            case ast.Call(ast.Attribute(owner, method), given) if method in FILLS and (place := self._container(owner, local)):
                for other in [*given, *node.keywords]:
                    self.see(other, local)
                uses = self.uses.setdefault(place, _Uses())
                uses.filled.append(self.statement)
                uses.read |= method in GIVES
            case ast.Call(ast.Name("next"), [ast.Name(name), *_]) if name in self.bound.keys() - local:
                self.uses.setdefault(name, _Uses(read=True)).filled.append(self.statement)
            case ast.Call(ast.Attribute(ast.Name(name), "get"), [ast.Constant() as key, *given]) if (
                name in self.containers - local
            ):
                for other in [ast.Subscript(ast.Name(name, ast.Load()), key, ast.Load()), *given]:
                    self.see(other, local)
            case ast.Compare(ast.Constant() as key, [ast.In() | ast.NotIn()], [ast.Name(name)]) if (
                name in self.containers - local
            ):
                self.see(ast.Subscript(ast.Name(name, ast.Load()), key, ast.Load()), local)
            case ast.Call(ast.Name("getattr" | "hasattr"), [ast.Name() as owner, ast.Constant(str(name)), *given]):
                for other in [ast.Attribute(owner, name, ast.Load()), *given]:
                    self.see(other, local)
            case _:
                return False
        return True

    def _container(self, owner: ast.expr, local: frozenset[str]) -> str:
        """The place of a list, dict or set of the module; empty for anything else."""
        root = _root(owner)
        if isinstance(owner, ast.Name):
            return root if root in self.containers - local else ""
        return self._place(owner, local)[0] if root in self.bound and isinstance(owner, ast.Attribute | ast.Subscript) else ""


def _bound_at_top(node: ast.stmt) -> list[str]:
    if isinstance(node, DEFINITION):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _is_container(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name | ast.Attribute) and ast.unparse(value.func).rpartition(".")[2] in CONTAINERS
    return isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def _root(node: ast.AST) -> str:
    """The name at the beginning of `name.a["b"].c`."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _local(node: ast.AST) -> set[str]:
    """Names that a function or a class binds, functions in it included."""
    names: set[str] = set()
    for inner in ast.walk(node):
        match inner:
            case ast.Name(name, ast.Store() | ast.Del()) | ast.arg(name) | ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name) if inner is not node:
                names.add(name)
            case ast.alias(name, other):
                names.add(other or name.partition(".")[0])
    return names


def _declared_global(node: ast.AST) -> set[str]:
    return {name for inner in ast.walk(node) if isinstance(inner, ast.Global) for name in inner.names}


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    """What a node consists of, in the order in which it is executed: values before targets, and what `x += 1` reads first."""
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.For | ast.NamedExpr):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        blocks = [child for child in children if isinstance(child, ast.stmt)]
        if isinstance(node, ast.AugAssign):
            yield ast.parse(ast.unparse(node.target), mode="eval").body
        yield from [child for child in children if child not in targets and child not in blocks]
        children = [*targets, *blocks]
    yield from children

"""Statements written anew: a pass of a loop, a function's body in the place of its call."""

import ast
import copy
from collections.abc import Mapping
from typing import Any

from starting_kit.notebooks.statements import dotted

PROGRESS = {"tqdm": "list", "trange": "range", "track": "list"}


def mark(call: ast.Call) -> None:
    """Make a call recognisable in copies of the tree that it stands in."""
    call.is_call_of_unlearning = True  # type: ignore[attr-defined]


def is_marked(node: ast.AST) -> bool:
    """Whether a node is the call at the end of the way, or a copy of it."""
    return getattr(node, "is_call_of_unlearning", False)


def one_pass(loop: ast.For) -> list[ast.stmt]:
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


def without_jumps(body: list[ast.stmt]) -> list[ast.stmt]:
    """A loop's statements without its `break` and `continue`; branches that had one are marked (`jumps`)."""
    kept: list[ast.stmt] = []
    for node in body:
        if isinstance(node, ast.Break | ast.Continue):
            continue
        if isinstance(node, ast.If | ast.With | ast.Try):
            node = _without_jumps(node)
        kept.append(node)
    return kept


def _without_jumps(node: ast.If | ast.With | ast.Try) -> ast.stmt:
    blocks = {name: getattr(node, name) for name in ("body", "orelse", "finalbody") if getattr(node, name, None)}
    fewer = {name: without_jumps(block) for name, block in blocks.items()}
    if fewer == blocks:
        return node
    new = copy.copy(node)
    for name, block in fewer.items():
        setattr(new, name, block if block or name != "body" else [ast.Pass()])
    new.jumps = True  # type: ignore[union-attr]
    return new


def jumps(node: ast.stmt) -> bool:
    """Whether a statement decided on the end of a pass through a loop."""
    return any(getattr(inner, "jumps", False) for inner in ast.walk(node))


def given_to(function: ast.FunctionDef, call: ast.Call) -> dict[str, ast.expr] | None:
    """What a call gives to a function's parameters; None if that cannot be told."""
    arguments = function.args
    names = [a.arg for a in [*arguments.posonlyargs, *arguments.args]]
    starred = any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)
    if arguments.vararg or starred or len(call.args) > len(names):
        return None
    given = by_parameter(function, call)
    if arguments.kwarg:
        further = {
            name: given.pop(name) for name in list(given) if name not in {*names, *(a.arg for a in arguments.kwonlyargs)}
        }
        given[arguments.kwarg.arg] = ast.Dict([ast.Constant(name) for name in further], list(further.values()))
    return {name: copy.deepcopy(value) for name, value in given.items()}


def by_parameter(function: ast.FunctionDef, call: ast.Call) -> dict[str, ast.expr]:
    """What a call gives to a function's parameters by position and by name, and the defaults of the others."""
    arguments = function.args
    names = [a.arg for a in [*arguments.posonlyargs, *arguments.args]]
    given = dict(zip(reversed(names), reversed(arguments.defaults), strict=False))
    given |= {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None}
    return given | dict(zip(names, call.args, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}


def replaced(node: ast.stmt, call: ast.expr, value: ast.expr) -> ast.stmt:
    """A copy of a statement with a value in the place of a call."""
    copied = copy.deepcopy(node)
    its_call = next(new for old, new in zip(ast.walk(node), ast.walk(copied), strict=True) if old is call)
    return _Replaced(its_call, value).visit(copied)  # type: ignore[no-any-return]


class _Replaced(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else super().visit(node)


class Renamed(ast.NodeTransformer):
    """Gives names of a function others, where the notebook has such names outside it."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.names.get(node.id, node.id)
        return node

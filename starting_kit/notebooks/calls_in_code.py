"""Calls in a piece of code: which are made for their effect, and what they give to a function's parameters."""

import ast
import functools
from collections.abc import Iterator

from starting_kit.notebooks.known_calls import EXHAUSTING
from starting_kit.notebooks.statements import dotted

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def first_and_last(call: ast.Call) -> tuple[str, str]:
    """The first and the last part of the name of what is called."""
    parts = dotted(call.func).split(".")
    return parts[0], parts[-1]


@functools.cache
def as_function(value: ast.Lambda, is_dropped: bool = False) -> ast.FunctionDef:
    """A lambda as a function; `is_dropped` says that what it returns is not used."""
    body: ast.stmt = ast.Expr(value.body) if is_dropped else ast.Return(value.body)
    return ast.FunctionDef("", value.args, [body], [])


def dropped_calls(node: ast.AST) -> Iterator[ast.Call]:
    """Calls of a statement that are made for their effect: what they give is not used, or gets the name `_`."""
    match node:
        case ast.Expr(value) | ast.Assign([ast.Name("_")], value):
            yield from _dropped(value)


def _dropped(value: ast.expr) -> Iterator[ast.Call]:
    inner: list[ast.expr] = []
    match value:
        case ast.Call(_, arguments):
            yield value
            inner = arguments if first_and_last(value)[1] in EXHAUSTING else []
        case ast.ListComp(element) | ast.SetComp(element) | ast.GeneratorExp(element):
            inner = [element]
        case ast.DictComp(key, element):
            inner = [key, element]
        case ast.BoolOp(_, elements) | ast.Tuple(elements) | ast.List(elements):
            inner = elements
        case ast.IfExp(_, one, other):
            inner = [one, other]
        case ast.Await(element) | ast.Starred(element) | ast.NamedExpr(_, element):
            inner = [element]
    for each in inner:
        yield from _dropped(each)


def given_to_each(function: FUNCTION, call: ast.Call) -> dict[str, list[ast.expr]]:
    """What a call may give to each parameter of a function."""
    arguments = function.args
    names = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args]]
    others = [argument.arg for argument in arguments.kwonlyargs]
    given: dict[str, list[ast.expr]] = {}
    for position, value in enumerate(call.args):
        starred = any(isinstance(before, ast.Starred) for before in call.args[: position + 1])
        further = [arguments.vararg.arg] if arguments.vararg and (starred or position >= len(names)) else []
        for name in [*(names[position:] if starred else names[position : position + 1]), *further]:
            given.setdefault(name, []).append(value)
    for keyword in call.keywords:
        further = [arguments.kwarg.arg] if arguments.kwarg and keyword.arg not in [*names, *others] else []
        for name in [*([keyword.arg] if keyword.arg else [*names, *others]), *further]:
            given.setdefault(name, []).append(keyword.value)
    return given

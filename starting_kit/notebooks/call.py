"""What the notebook's call gives to its `unlearning`: which argument is the network, which loader is which, what else."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from starting_kit import roles
from starting_kit.notebooks.needed import MissingError
from starting_kit.notebooks.slicing import Slice
from starting_kit.notebooks.statements import bound_value, read_by


@dataclass
class Argument:
    """An argument of the call.

    Attributes:
        value: its expression in the notebook.
        parameter: the name of the parameter that gets it, if that is known.
        by_keyword: whether it is given by that name; None for `**value`.
        role: the network or a split, if it is one of those.
    """

    value: ast.expr
    parameter: str | None
    by_keyword: bool | None
    role: str | None = None

    @property
    def is_single(self) -> bool:
        """Whether it is one argument, and not several (`*loaders`, `**params`)."""
        return self.by_keyword is not None and not isinstance(self.value, ast.Starred)


@dataclass
class Signature:
    """The parameters of the notebook's function.

    Attributes:
        names: in their order; empty if they are not known.
        defaults: those that have one.
        keyword_only: names of further parameters.
        is_open: whether it takes `*args` or `**kwargs`, or is not known.
    """

    names: list[str] = field(default_factory=list)
    defaults: dict[str, ast.expr] = field(default_factory=dict)
    keyword_only: list[str] = field(default_factory=list)
    is_open: bool = True

    @classmethod
    def of(cls, node: ast.stmt) -> "Signature":
        """That of a definition; unknown for anything else."""
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.decorator_list:
            return cls()
        arguments = node.args
        names = [a.arg for a in [*arguments.posonlyargs, *arguments.args]]
        defaults = dict(zip(reversed(names), reversed(arguments.defaults), strict=False))
        only = {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)}
        defaults |= {name: default for name, default in only.items() if default is not None}
        return cls(names, defaults, list(only), bool(arguments.vararg or arguments.kwarg))


def arguments(call: ast.Call, signature: Signature, found: Slice) -> list[Argument]:
    """The arguments of a call, each with its parameter and its role."""
    given: list[Argument] = []
    for position, value in enumerate(_flat(call.args, found)):
        name = signature.names[position] if position < len(signature.names) else None
        given.append(Argument(value, name, False))
    for keyword in call.keywords:
        for name, value in _keywords(keyword, found):
            given.append(Argument(value, name, None if name is None else True))
    _assign_roles(given, signature, found)
    return given


def _flat(values: list[ast.expr], found: Slice) -> Iterator[ast.expr]:
    """Positional arguments; of `*loaders` the elements, where they are written down."""
    for value in values:
        inner = _written(value.value, found) if isinstance(value, ast.Starred) else None
        if isinstance(inner, ast.List | ast.Tuple):
            yield from _flat(inner.elts, found)
        elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name):
            yield from _returned(value, found.definitions.get(inner.func.id))
        else:
            yield value


def _returned(value: ast.expr, function: ast.stmt | None) -> Iterator[ast.expr]:
    """The elements of what a function of the notebook returns, where it says what they are."""
    assert isinstance(value, ast.Starred)
    returns = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)] if function else []
    if returns and isinstance(returns[-1], ast.Tuple | ast.List) and all(map(roles.role_of, returns[-1].elts)):
        for position, element in enumerate(returns[-1].elts):
            # It says what it is by its place, which is not to be read as text.
            each = ast.Subscript(value.value, ast.Constant(position), ast.Load())
            each.role = roles.role_of(element)  # type: ignore[attr-defined]
            yield each
    else:
        yield value


def _keywords(keyword: ast.keyword, found: Slice) -> Iterator[tuple[str | None, ast.expr]]:
    """Arguments by name; of `**params` the entries, where they are written down."""
    inner = _written(keyword.value, found) if keyword.arg is None else None
    if isinstance(inner, ast.Dict) and all(isinstance(key, ast.Constant) for key in inner.keys):
        yield from ((key.value, value) for key, value in zip(inner.keys, inner.values, strict=True))  # type: ignore[union-attr]
    elif isinstance(inner, ast.Call) and not inner.args and ast.unparse(inner.func) == "dict":
        for entry in inner.keywords:
            yield from _keywords(entry, found)
    else:
        yield keyword.arg, keyword.value


def _written(value: ast.expr, found: Slice) -> ast.expr:
    """The expression behind a name that is bound once and never changed."""
    if not isinstance(value, ast.Name):
        return value
    index = found.binding(value.id, found.call)
    changes = (c for c in found.effects.of_statements[: found.call] if value.id in c.surely)
    if index is None or index > found.call or any(changes):
        return value
    return bound_value(value.id, found.statements[index].node)[0] or value


def _assign_roles(given: list[Argument], signature: Signature, found: Slice) -> None:
    """Decide which argument is what: by what the call says, then by the parameter's name, then by its position."""
    by_name = roles.by_position(signature.names)
    for argument in given:
        if not argument.is_single:
            continue
        said = getattr(argument.value, "role", None) or roles.role_of(argument.value)
        if said == "network" and isinstance(argument.value, ast.Constant):
            said = None  # the name of one
        if said and not (said != "network" and _is_constant(argument.value, found)):
            argument.role = said
    _keep_one_network(given, by_name)
    taken = {argument.role for argument in given}
    for position, argument in enumerate(given):
        if not argument.is_single:
            continue
        said = by_name.get(argument.parameter or "") if signature.names else None
        if said is None and not signature.names and position < len(roles.ROLES) and argument.by_keyword is False:
            said = roles.ROLES[position]
        if argument.role is None and _is_none(argument.value) and said in roles.SPLITS and taken & set(roles.SPLITS):
            continue  # the notebook has other loaders to give, and gives none here
        nothing_else = _is_none(_written(argument.value, found)) or not _can_be_had(argument.value, found)
        if argument.role is None and said and said not in taken and nothing_else:
            argument.role = said
            taken.add(said)


def _keep_one_network(given: list[Argument], by_name: dict[str, str]) -> None:
    """One argument is the network to be changed: the first, unless a parameter says otherwise; others are computed."""
    networks = [a for a in given if a.role == "network"]
    chosen = next((a for a in networks if by_name.get(a.parameter or "") == "network"), networks[0] if networks else None)
    if chosen is None:
        candidates = [a for a in given if a.role is None and a.is_single]
        chosen = next((a for a in candidates if by_name.get(a.parameter or "") == "network"), None)
        if chosen is None and candidates and candidates[0] is given[0]:
            chosen = candidates[0]
    for argument in networks:
        argument.role = None
    if chosen is not None:
        chosen.role = "network"


def _is_constant(value: ast.expr, found: Slice) -> bool:
    """Whether a value can be had without the network and the data: a rate called `forget_rate`."""
    if isinstance(value, ast.Name) and roles.is_data(value.id):
        return False
    return not _is_none(_written(value, found)) and _can_be_had(value, found, in_run=False)


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _can_be_had(value: ast.expr, found: Slice, in_run: bool = True) -> bool:
    """Whether a value can be computed, if need be (`in_run`) from what the kit gives."""
    try:
        with found.tried():
            bound_in_run = found.names_of(value, found.call)
    except MissingError:
        return False
    called = any(isinstance(node, ast.Call) for node in ast.walk(value))
    return (in_run or not bound_in_run) and not (called and found.refuses(value))


def network_names(value: ast.expr, found: Slice) -> set[str]:
    """Names in the expression of the network that stand for networks."""
    if isinstance(value, ast.Name):
        return {value.id}
    called = {part.id for c in ast.walk(value) if isinstance(c, ast.Call) for part in [c.func] if isinstance(part, ast.Name)}
    names = set(read_by(value)) - called - found.effects.modules - found.definitions.keys()
    said = {name for name in names if found.role(name) == "network"}
    return said or (names if len(names) == 1 and isinstance(value, ast.Call) else set())


def returns_another(function: ast.stmt | None) -> bool:
    """Whether a function may return something else than one of its parameters as it was given, or nothing."""
    if not isinstance(function, ast.FunctionDef):
        return True
    given = {argument.arg for argument in function.args.args}
    functions = [n for n in ast.walk(function) if n is not function and isinstance(n, ast.FunctionDef | ast.Lambda)]
    inner = {id(node) for other in functions for node in ast.walk(other)}
    for node in ast.walk(function):
        if id(node) in inner:
            continue
        if isinstance(node, ast.Return) and not (node.value is None or _is_none(node.value)):
            if not (isinstance(node.value, ast.Name) and node.value.id in given):
                return True
        elif isinstance(node, ast.Assign):
            bound = {target.id for target in node.targets if isinstance(target, ast.Name)} & given
            if any(name not in read_by(node.value) or "copy" in ast.unparse(node.value) for name in bound):
                return True
    return False

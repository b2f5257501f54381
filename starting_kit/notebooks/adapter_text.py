"""The text of our `unlearning`, which calls the notebook's."""

import ast
import copy
import re
from typing import Any

from starting_kit import roles
from starting_kit.notebooks.adapter import Plan
from starting_kit.notebooks.call import Argument
from starting_kit.notebooks.loader_settings import Settings
from starting_kit.notebooks.rewriting import is_marked
from starting_kit.notebooks.statements import read_by
from starting_kit.notebooks.way import FUNCTION

ORIGINAL = f"notebook_{FUNCTION}"


def is_needed(plan: Plan) -> bool:
    """Whether the notebook's function cannot be called as any solution's."""
    names = plan.signature.names
    in_place = all(
        argument.by_keyword is False or argument.parameter == (names[position] if position < len(names) else None)
        for position, argument in enumerate(plan.arguments[:4])
    )
    read = plan.found.needed.read_globally & plan.found.needed.given.keys()
    return (
        [argument.role for argument in plan.kept] != list(roles.ROLES)
        or len(plan.arguments) != len(roles.ROLES)
        or not in_place
        or bool(plan.direct or plan.in_run or plan.contexts or plan.trains or read)
        or not all(settings.as_given for settings in plan.settings.values())
        or (bool(names) and plan.signature.is_open)
        or not _gives_result(plan)
    )


def _gives_result(plan: Plan) -> bool:
    """Whether the notebook's function gives, or leaves in its network, what is scored."""
    node = plan.way.route.hit.node
    value = plan.result.id if isinstance(plan.result, ast.Name) else None
    if isinstance(node, ast.Expr):
        network = plan.network
        return isinstance(network, ast.Name) and value == network.id and not plan.gives_another()
    return isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [value]


def written(plan: Plan) -> str:
    """Python text that defines the function, and imports what it needs."""
    parameters = _parameters(plan)
    mode = ast.parse(f"{parameters['network']}.train()").body if plan.trains else []
    body = [*_globals(plan), *_bindings(plan, parameters), *mode, *_steps(plan, parameters), *_return(plan, parameters)]
    defaults: list[ast.expr | None] = list(plan.hyperparameters.values())
    arguments = ast.arguments(
        [],
        [ast.arg(name) for name in parameters.values()],
        None,
        [ast.arg(name) for name in plan.hyperparameters],
        defaults,
        None,
        [],
    )
    says = ast.Expr(ast.Constant(f"Calls the notebook's function as cell {plan.way.route.hit.cell} does."))
    function = ast.FunctionDef(FUNCTION, arguments, [says, *body], [])
    text = ast.unparse(ast.fix_missing_locations(function))
    modules = [name for name in ("copy", "torch.utils.data", "torch") if f"{name}." in text]
    imports = [f"import {name}" for name in modules if not (name == "torch" and "torch.utils.data" in modules)]
    return "\n".join([*imports, "", "", text] if imports else [text])


def _parameters(plan: Plan) -> dict[str, str]:
    """Our names for the network and the three loaders: the notebook's own, unless these are also used otherwise."""
    needed = plan.found.needed
    parameters = dict(roles.PARAMETERS)
    used: set[str] = set(plan.hyperparameters) | needed.read_globally
    for index in (*plan.in_run, plan.found.call, *needed.at_top):
        used |= plan.found.statements[index].binds
    for argument in plan.kept:
        given = needed.given.get(argument.value.id) if isinstance(argument.value, ast.Name) else None
        if argument.role and given and given.role == argument.role:
            parameters[argument.role] = argument.value.id  # type: ignore[attr-defined]
    own = {role: name for role, name in parameters.items() if needed.given.get(name, None) and needed.given[name].role == role}
    for role, name in parameters.items():
        clashes = name in needed.read_globally | set(plan.hyperparameters) or (
            role not in own and name in used | needed.given.keys()
        )
        rebound = role == "network" and plan.result is not None and not plan.is_network(plan.result) and name in used
        if clashes or rebound or list(parameters.values()).count(name) > 1:
            parameters[role] = f"given_{roles.PARAMETERS[role]}"
    return parameters


def _globals(plan: Plan) -> list[ast.stmt]:
    """Names that the notebook's functions look up, or that have a value when a run begins."""
    needed, statements = plan.found.needed, plan.found.statements
    at_top = set().union(*(statements[index].binds for index in needed.at_top))
    bound = set(needed.given).union(*(statements[index].binds for index in (*plan.in_run, plan.found.call)))
    names = bound & (needed.read_globally | at_top)
    return [ast.Global(sorted(names))] if names else []


def _bindings(plan: Plan, parameters: dict[str, str]) -> list[ast.stmt]:
    """The notebook's names for what we are given, and loaders set up as there."""
    lines: list[str] = []
    networks = [name for name, given in plan.found.needed.given.items() if given.role == "network"]
    for role in {argument.role for argument in plan.direct if argument.role}:
        lines += _set_up(parameters[role], parameters[role], plan.settings.get(role))
    for name, given in plan.found.needed.given.items():
        source = parameters[given.role]
        if given.role == "network":
            is_it = networks == [name] or (plan.network is not None and name in read_by(plan.network))
            lines += [] if name == source else [f"{name} = {source}" if is_it else f"{name} = copy.deepcopy({source})"]
        elif roles.is_data_set(name) and name not in plan.found.roles:
            lines.append(f"{name} = {source}.dataset")
        else:
            lines += _set_up(name, source, plan.settings.get(name))
    lines.sort(key=lambda line: line.partition(" = ")[0] in parameters.values())  # the others are made of what is given
    return ast.parse("\n".join(lines)).body


def _set_up(name: str, source: str, settings: Settings | None) -> list[str]:
    if settings is None or settings.as_given:
        return [] if name == source else [f"{name} = {source}"]
    given = f"{source}.dataset, batch_size={settings.values['batch_size'] or f'{source}.batch_size'}"
    further = "".join(f", {key}={settings.values[key]}" for key in ("shuffle", "drop_last") if settings.values[key])
    return [f"{name} = torch.utils.data.DataLoader({given}{further})"]


def _steps(plan: Plan, parameters: dict[str, str]) -> list[ast.stmt]:
    """The notebook's statements around the call, and the call, in its contexts."""
    call = _call(plan, parameters)
    indices = sorted([*plan.in_run, plan.found.call])

    def block(indices: list[int], depth: int) -> list[ast.stmt]:
        if depth == len(plan.contexts):
            return [_Own(call).visit(copy.deepcopy(plan.found.statements[index].node)) for index in indices]
        context = plan.contexts[depth]
        inside = [i for i in indices if i == plan.found.call or id(plan.found.statements[i]) in context.inside]
        before = [i for i in indices if i not in inside and i < plan.found.call]
        after = [i for i in indices if i not in inside and i > plan.found.call]
        entered = ast.With([copy.deepcopy(context.item)], block(inside, depth + 1))
        return [*block(before, len(plan.contexts)), entered, *block(after, len(plan.contexts))]

    return block(indices, 0)


def _call(plan: Plan, parameters: dict[str, str]) -> ast.Call:
    """The call of the notebook's function."""
    call = ast.Call(ast.Name(ORIGINAL, ast.Load()), [], [])
    complete = True
    for argument in sorted([*plan.kept, *plan.direct], key=lambda a: _place(plan, a)):
        value = (
            ast.Name(parameters[argument.role or ""], ast.Load()) if argument in plan.direct else copy.deepcopy(argument.value)
        )
        position = _place(plan, argument)
        complete &= position == len(call.args) and argument.by_keyword is False
        if complete or isinstance(value, ast.Starred) or (argument.parameter is None and argument.by_keyword is False):
            call.args.append(value)
        else:
            call.keywords.append(ast.keyword(argument.parameter, value))
    call.keywords += [ast.keyword(name, ast.Name(name, ast.Load())) for name in plan.hyperparameters]
    return call


def _place(plan: Plan, argument: Argument) -> int:
    """Where an argument stands in the notebook's call; those that we add stand last."""
    return plan.arguments.index(argument) if argument in plan.arguments else len(plan.arguments)


def _return(plan: Plan, parameters: dict[str, str]) -> list[ast.stmt]:
    network = parameters["network"]
    if plan.result is None:
        return ast.parse(f"return {network}", mode="exec").body
    if plan.is_network(plan.result):
        return [ast.Return(copy.deepcopy(plan.result))]
    return ast.parse(
        f"saved = {ast.unparse(plan.result)}\n"
        "if isinstance(saved, torch.nn.Module):\n    return saved\n"
        f"{network}.load_state_dict(saved)\nreturn {network}"
    ).body


def with_seeds(text: str) -> str:
    """The same with the run's seed for the number of a run: where that is used to seed, no two may be the same."""
    return re.sub(r"^(\s+)(\w+) = all_\2\[.*\]$", r"\1\2 = torch.initial_seed() % 2**32", text, flags=re.MULTILINE)


class _Own(ast.NodeTransformer):
    """Puts our call in the place of the notebook's; other calls of its function go to that function."""

    def __init__(self, call: ast.Call) -> None:
        self.call = call

    def visit(self, node: ast.AST) -> Any:
        return self.call if is_marked(node) else super().visit(node)

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(ORIGINAL, node.ctx) if node.id == FUNCTION else node

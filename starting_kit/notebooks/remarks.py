"""What is said about a notebook: what of it is not done, and what it may not mean."""

import ast
import re
from collections.abc import Iterator

from starting_kit import roles
from starting_kit.notebooks.adapter import Plan
from starting_kit.notebooks.call import returns_another
from starting_kit.notebooks.data_sets import remarks_on_data_sets
from starting_kit.notebooks.statements import DEFINITION, Statement, bound_value, dotted
from starting_kit.notebooks.way import FUNCTION

HARMLESS_SETTINGS = re.compile(
    r"torch\.backends\.|(\w+\.)*(environ|rcParams|options|display)\b|(os|plt|sns|pd|warnings|logging)\."
)
GOES_ON = re.compile(r"optim|Adam|SGD|[Ss]chedul|LR\(|Scaler|Averaged|EMA|ema")  # what has a state of its own
DEFAULTS = {f"torch.set_{what}" for what in ("default_dtype", "default_tensor_type", "default_device", "grad_enabled")}


def remarks_on_statements(plan: Plan) -> Iterator[str]:
    """On the way to the call and on: what is not run, what is scored, which loop is one over models."""
    found, route = plan.found, plan.way.route
    for index, reason in sorted(found.not_run.items()):
        yield f"{found.statements[index]} is not run: it needs {reason}"
    for argument in plan.arguments:
        said = roles.role(argument.parameter or "")
        if argument.role and said not in (None, argument.role):
            yield (
                f"WARNING: {plan.where} gives {ast.unparse(argument.value)} for the parameter {argument.parameter}, "
                "and that is what it gets"
            )
    for role, text in ((a.role, ast.unparse(a.value)) for a in plan.arguments if a.role in roles.SPLITS):
        if roles.role(text) is None and "train" in text:
            yield f"WARNING: {plan.where} gives {text}; it gets the {role} loader"
    if isinstance(route.hit.node, ast.Expr) and _returns_another(plan):
        scored = "that the notebook saves" if plan.way.saved is not None else "that it is given"
        yield f"WARNING: {plan.where} drops what unlearning returns; the network {scored} is scored"
    loop = str(route.over_models or "")
    if loop and plan.way.saved is None and "512" not in loop and not any("load_state_dict" in s.text for s in route.before):
        yield f"{route.over_models} is taken for the loop over models: unlearning is called once for each"
    for statement in found.statements[plan.way.end :] if plan.way.saved else []:
        if (
            re.search(r"\bload\(", statement.text)
            and re.search(r"\bsave(_file)?\(", statement.text)
            and not _defines(statement)
        ):
            yield f"WARNING: {statement} saves again what it loads, which is not run"
    for index, statement in enumerate(found.statements[: found.call]):
        if index not in found.needed.at_top | found.needed.in_run and _is_global_setting(statement, found.effects.modules):
            yield f"WARNING: {statement} is not run: it changes a module for the whole notebook"
    yield from _remarks_on_what_goes_on(plan)
    yield from remarks_on_data_sets(plan)
    for index in plan.in_run:
        statement = found.statements[index]
        if "torch.initial_seed()" in statement.text:
            yield f"cell {statement.cell}: {', '.join(sorted(statement.binds))} follows from the seed of the run here"


def _remarks_on_what_goes_on(plan: Plan) -> Iterator[str]:
    """On what the notebook's runs take over from the run before: here each of them starts afresh."""
    route, statements = plan.way.route, plan.found.statements
    if route.over_models is None:
        return
    inside = [statement for statement in (*route.before, *route.after) if id(statement) in route.in_loop]
    given = plan.network
    if isinstance(given, ast.Name) and any(given.id in s.binds for s in statements if s not in [*inside, route.hit]):
        reset = any(given.id in s.binds or (given.id in s.reads and _resets(s, plan)) for s in inside)
        if not reset:
            yield (
                f"WARNING: {route.over_models} goes on with the {given.id} of the run before, as it is made before the loop; "
                "here every run starts from the original model"
            )
    for index in plan.in_run:
        statement = statements[index]
        if index < plan.found.call and id(statement) not in route.in_loop and GOES_ON.search(statement.text):
            yield f"WARNING: {statement} is executed once, before the loop over models; here it is in every run"


def _resets(statement: Statement, plan: Plan) -> bool:
    """Whether a statement puts weights into a network, or calls a function that may."""
    called = {dotted(call.func) for call in ast.walk(statement.node) if isinstance(call, ast.Call)}
    own = (ast.unparse(plan.found.definitions[name]) for name in called if name in plan.found.definitions)
    return any("load_state_dict" in text or "copy_" in text for text in (statement.text, *own))


def _returns_another(plan: Plan) -> bool:
    """Whether it can be seen that the notebook's function returns another network than it is given."""
    functions = [node for s in plan.found.statements if FUNCTION in s.binds for node in _definitions(s, plan)]
    return any(returns_another(function) for function in functions[-1:])


def _definitions(statement: Statement, plan: Plan) -> list[ast.stmt]:
    """The definition that a statement is, or to which it gives another name."""
    if isinstance(statement.node, DEFINITION):
        return [statement.node]
    value, _ = bound_value(FUNCTION, statement.node)
    named = plan.found.definitions.get(value.id) if isinstance(value, ast.Name) else None
    return [named] if named else []


def _defines(statement: Statement) -> bool:
    return isinstance(statement.node, DEFINITION)


def _is_global_setting(statement: Statement, modules: set[str]) -> bool:
    """Whether a statement sets something for all that follows: a function of a module, PyTorch's defaults."""
    match statement.node:
        case ast.Assign([ast.Attribute() as target]):
            name = dotted(target)
            return name.partition(".")[0] in modules and not HARMLESS_SETTINGS.match(name)
        case ast.Expr(ast.Call(function)):
            return dotted(function) in DEFAULTS
    return False


def remarks_on_seeds(plan: Plan) -> Iterator[str]:
    """On seeding that is left out (inside `unlearning` it is kept, which is said of any solution)."""
    found = plan.found
    for index, statement in enumerate(found.statements[: plan.way.end]):
        if index == found.call or isinstance(statement.node, DEFINITION) or not any(found.seeds.seeding(statement.node)):
            continue
        if index in found.needed.in_run:
            yield f"WARNING: {statement} seeds the random generators in every run, so that all runs draw the same"
        else:
            yield f"{statement} is left out: every run has a seed of its own"

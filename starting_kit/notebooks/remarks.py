"""What is said about a notebook: what of it is not done, and what it may not mean."""

import ast
from collections.abc import Iterator

from starting_kit.notebooks import roles
from starting_kit.notebooks.adapter import Plan
from starting_kit.notebooks.statements import DEFINITION
from starting_kit.seeds import seeding_inside


def remarks_on_statements(plan: Plan) -> Iterator[str]:
    """On the way to the call and on: what is not run, what is scored, which loop is one over models."""
    found, route = plan.found, plan.way.route
    for index, reason in sorted(found.not_run.items()):
        yield f"{found.statements[index]} is not run: it needs {reason}"
    for argument in plan.arguments:
        said = roles.role(argument.parameter or "")
        if argument.role and said not in (None, argument.role):
            yield (
                f"careful: {plan.where} gives {ast.unparse(argument.value)} for the parameter {argument.parameter}, "
                "and that is what it gets"
            )
    for role, text in ((a.role, ast.unparse(a.value)) for a in plan.arguments if a.role in roles.SPLITS):
        if roles.role(text) is None and "train" in text:
            yield f"careful: {plan.where} gives {text}; it gets the {role} loader"
    if isinstance(route.hit.node, ast.Expr) and plan.way.saved is not None and plan.gives_another():
        yield f"careful: {plan.where} drops what unlearning returns; the network that the notebook saves is scored"
    elif isinstance(route.hit.node, ast.Expr) and plan.gives_another():
        yield f"careful: {plan.where} drops what unlearning returns; the network that it is given is scored"
    loop = str(route.over_models or "")
    if loop and plan.way.saved is None and "512" not in loop and not any("load_state_dict" in s.text for s in route.before):
        yield f"{route.over_models} is taken for the loop over models: unlearning is called once for each"
    for index in plan.in_run:
        statement = found.statements[index]
        if "torch.initial_seed()" in statement.text:
            yield f"cell {statement.cell}: {', '.join(sorted(statement.binds))} follows from the seed of the run here"


def remarks_on_seeds(plan: Plan, text: str) -> Iterator[str]:
    """On seeding: around the call it is left out, inside it is kept."""
    found = plan.found
    for index, statement in enumerate(found.statements[: plan.way.end]):
        if index == found.call or isinstance(statement.node, DEFINITION) or not any(found.seeds.seeding(statement.node)):
            continue
        if index in found.needed.in_run:
            yield f"careful: {statement} seeds the random generators in every run, so that all runs draw the same"
        else:
            yield f"{statement} is left out: every run has a seed of its own"
    for _, call in seeding_inside(text):
        yield f"careful: unlearning fixes random numbers by {call}; that is kept, and all runs draw the same there"

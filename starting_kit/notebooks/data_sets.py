"""What the notebook's own data sets do to an example that is read: the task's loaders, which stand for them, do not do it."""

import ast
from collections.abc import Iterator

from starting_kit import roles
from starting_kit.notebooks.adapter import Plan
from starting_kit.notebooks.statements import dotted, names_of, read_by

# Reading an example, and putting it into a form: types, devices, order of axes.
READING = {
    *("load", "imread", "open", "read_image", "decode_image", "fromarray", "join", "convert", "get", "item", "items"),
    *("keys", "tensor", "as_tensor", "from_numpy", "asarray", "array", "FloatTensor", "LongTensor", "ToTensor"),
    *("to_tensor", "ToPILImage", "PILToTensor", "to_pil_image", "to", "float", "long", "int", "double", "half", "type"),
    *("astype", "clone", "copy", "deepcopy", "permute", "transpose", "contiguous", "unsqueeze", "squeeze", "view"),
    *("reshape", "detach", "cpu", "cuda", "numpy", "tolist", "len", "str", "dict", "list", "tuple", "range"),
    *("enumerate", "isinstance", "print", "super", "zip", "is_tensor", "update", "split", "rsplit", "partition"),
    *("rpartition", "strip", "replace", "lower", "zfill", "format", "endswith", "Path", "__getitem__", "ValueError"),
    *("IndexError", "append", "pin_memory", "min", "max", "sorted"),
}


def remarks_on_data_sets(plan: Plan) -> Iterator[str]:
    """On the data sets behind the loaders that the call gives."""
    for cell, data_set in _data_sets(plan):
        methods = {node.name: node for node in data_set.body if isinstance(node, ast.FunctionDef)}
        if done := _done_to_examples(methods, plan):
            yield f"cell {cell}: what {data_set.name} does to an example ({', '.join(done)}) is not done to the task's examples"


def _data_sets(plan: Plan) -> Iterator[tuple[int, ast.ClassDef]]:
    """Classes of data sets of the notebook that are used where its loaders are made."""
    given = (name for argument in plan.arguments if argument.role in roles.SPLITS for name in read_by(argument.value))
    waiting, seen = [*given], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or plan.found.role(name) == "network":
            continue
        seen.add(name)
        index = plan.found.binding(name, plan.found.call)
        if index is None or index == plan.found.call:
            continue
        statement = plan.found.statements[index]
        if isinstance(statement.node, ast.ClassDef):
            if "__getitem__" in names_of("\n".join(map(ast.unparse, statement.node.body)))[0]:
                yield statement.cell, statement.node
        else:
            waiting += sorted(statement.reads)


def _done_to_examples(methods: dict[str, ast.FunctionDef], plan: Plan) -> list[str]:
    """Calls in `__getitem__`, and in methods and functions that it uses, that do more than read an example."""
    done: dict[str, None] = {}
    waiting: list[ast.AST] = [methods["__getitem__"]] if "__getitem__" in methods else []
    seen: list[ast.AST] = []
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.append(function)
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            name = dotted(call.func)
            last = name.rpartition(".")[2]
            own = methods.get(last) if name == f"self.{last}" else plan.found.definitions.get(name)
            if isinstance(own, ast.FunctionDef):
                waiting.append(own)
            elif last not in READING and not name.startswith("os."):
                done[ast.unparse(call)] = None
    return list(done)

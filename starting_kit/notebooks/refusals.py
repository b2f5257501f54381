"""What is not executed to get a value: loading data, training, downloading, starting programs."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from starting_kit.notebooks.statements import DEFINITION, IMPORT, Statement, dotted, executed

# By the module that a call goes to, or by the last part of its name.
MODULES = {
    **dict.fromkeys(("requests", "urllib", "wget", "gdown", "urlretrieve", "urlopen"), "downloads"),
    **dict.fromkeys(("subprocess", "system", "popen", "get_ipython"), "starts a program"),
    **dict.fromkeys(("backward", "fit", "step"), "trains"),
    **dict.fromkeys(("DataLoader", "CIFAR10", "CIFAR100", "MNIST", "ImageFolder"), "loads data"),
}
IN_RUN = ("trains", "DataLoader")  # what may be done with the network and the data that a run is given
READS = ("open", "load", "read_csv", "read_image", "read_json", "read_text", "read_bytes", "listdir", "glob")


def refusal(
    statement: Statement, definitions: Mapping[str, ast.stmt], competition: Path | None, in_run: bool = False
) -> str | None:
    """Why a statement is not executed; None if it may be.

    Args:
        statement: of the notebook.
        definitions: its functions and classes, of which those that are called are looked into.
        competition: the competition's folder; where there is one, files may be read.
        in_run: whether it works on the network and the data of a run.
    """
    if isinstance(statement.node, IMPORT | DEFINITION):
        return None  # to define is not to call
    for name in _called(statement.node, definitions):
        parts = name.split(".")
        what = MODULES.get(parts[0]) or MODULES.get(parts[-1])
        if what is None and parts[-1] in READS and competition is None:
            what = "reads a file (if it is the competition's, give that folder: --task kaggle_layout --data DIR)"
        if what and not (in_run and (what in IN_RUN or parts[-1] in IN_RUN)):
            return f"what {statement} makes, and {name} {what}"
    return None


def _called(node: ast.AST, definitions: Mapping[str, ast.stmt], depth: int = 3) -> Iterator[str]:
    """Dotted names of everything that is called, also inside the notebook's own functions and constructors that are called."""
    nodes = list(executed(node, given=True))
    known = {**definitions, **{part.name: part for part in nodes[1:] if isinstance(part, DEFINITION)}}
    for call in nodes:
        if isinstance(call, ast.Call):
            name = dotted(call.func)
            yield name
            for part in _parts(known[name]) if depth and name in known else []:
                yield from _called(part, known, depth - 1)


def _parts(definition: ast.stmt) -> Iterator[ast.stmt]:
    """What runs when a function or a class is called: of a class, what makes its object."""
    if isinstance(definition, ast.ClassDef):
        yield from (s for s in definition.body if getattr(s, "name", "") in ("__new__", "__init__", "__post_init__"))
    else:
        yield definition

"""What is not executed to get a value: loading data, training, downloading, starting programs."""

import ast
from collections.abc import Iterator
from pathlib import Path

from starting_kit.errors import InputError
from starting_kit.notebooks.needs import FUNCTION, bindings
from starting_kit.notebooks.statements import DEFINITION, Statement, dotted

# By the module that a call goes to, or by the last part of its name.
MODULES = {
    **dict.fromkeys(("requests", "urllib", "wget", "gdown", "urlretrieve", "urlopen"), "downloads"),
    **dict.fromkeys(("subprocess", "system", "popen", "get_ipython"), "starts a program"),
    **dict.fromkeys(("backward", "fit", "step"), "trains"),
    **dict.fromkeys(("DataLoader", "CIFAR10", "CIFAR100", "MNIST", "ImageFolder"), "loads data"),
}
READS = ("open", "load", "read_csv", "read_image", "read_json", "read_text", "read_bytes", "listdir", "glob")


def refuse(path: Path, kept: list[Statement], statements: list[Statement], competition: Path | None) -> None:
    """Refuse statements that would load data, train, download or start a program.

    Args:
        path: of the notebook.
        kept: the statements that would be executed.
        statements: all of the notebook, in which the functions that they call are looked up.
        competition: the competition's folder; where there is one, files may be read.

    Raises:
        InputError: one of them would.
    """
    for statement in kept:
        if isinstance(statement.node, ast.Import | ast.ImportFrom | DEFINITION):
            continue  # to define is not to call
        for name in _called(statement.node, statements):
            parts = name.split(".")
            what = MODULES.get(parts[0]) or MODULES.get(parts[-1])
            if what is None and parts[-1] in READS and competition is None:
                what = "reads a file (if it is the competition's, give that folder: --task kaggle_layout --data DIR)"
            if what:
                raise InputError(
                    f"{path.name}: {FUNCTION} needs what {statement} makes, and {name} {what}, which is not executed."
                )


def _called(node: ast.AST, statements: list[Statement], depth: int = 3) -> Iterator[str]:
    """Dotted names of everything that is called, also inside the notebook's own functions that are called."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            name = dotted(call.func)
            yield name
            own = [s for s in bindings(name, statements) if isinstance(s.node, DEFINITION)] if depth else []
            for definition in own:
                yield from _called(definition.node, statements, depth - 1)
